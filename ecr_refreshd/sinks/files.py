"""One shared file rewritten so that no reader ever sees it broken and nobody's edit is lost through us.

No other program locks these files, so a lock helps only among ourselves. Against the others: read, make the new
version, read again, exchange the two files, look at what was displaced; if that is not what had been read,
merge it and go again (docker-config.md 9.2: of 2,000 edits none is lost that way; by a plain rename, 59).
"""

# A path is bytes here, as the system has it; pathlib takes text only.
# ruff: noqa: PTH102, PTH104, PTH108, PTH112
from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.errors import SinkContended
from ecr_refreshd.sinks import leftovers, mounted
from ecr_refreshd.sinks.lock import locked
from ecr_refreshd.sinks.places import Place, is_mount, resolve, shown
from ecr_refreshd.sinks.refusals import converted, refuse_nix_store, unsynced
from ecr_refreshd.sinks.stage import Snapshot, Stage, read
from ecr_refreshd.sinks.swap import UNSUPPORTED, exchange, move_to_free_name, wait_for_writers

_ROUNDS = 40
_WRITER_PATIENCE = 2.0
"""Seconds to wait for somebody who writes into the displaced file in place; longer ones are seen to later."""
_ECHOES = (0.002, 0.005, 0.01, 0.02, 0.04)
"""Seconds between looks after a merge: longer than a program takes from reading the file to writing it."""


class Contents(Protocol):
    """What is to become of the bytes of a file. Each may raise JsonError."""

    def wanted(self, data: bytes | None) -> bytes | None:
        """Return the new version of the file; None, or the same bytes, when there is nothing to write."""
        ...

    def merged(self, base: bytes, ours: bytes, theirs: bytes) -> bytes:
        """Return `theirs` with what `ours` had changed since `base`."""
        ...

    def merged_back(self, current: bytes, cut_off: bytes, *, untouched: bool) -> bytes:
        """Return the file with an edit that a crash had cut off."""
        ...


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a rewrite came to.

    Attributes:
        data: what stands in the file now; None if there is none.
        changed: we wrote it.
        notes: sentences for status.
        unfinished: a displaced version is still being written by somebody; look again for it.
    """

    data: bytes | None
    changed: bool = False
    notes: tuple[str, ...] = ()
    unfinished: bool = False


def rewrite(path: str, lock_folder: str, file_mode: int, contents: Contents) -> Rewritten:
    """Rewrite one file.

    Args:
        path: as the user knows it; symbolic links are followed.
        lock_folder: where our lock files lie; one for each real file, never removed.
        file_mode: the widest mode a file with a token may have.
        contents: what is to become of it.

    Raises:
        SinkUnparsable: the file does not parse; it was left as it is.
        SinkUnwritable: the system or a rule forbids it; the old file is intact.
        SinkContended: others kept rewriting the file; the old file is intact, or theirs stands there.
    """
    place = resolve(path)
    job = _Job(place, Stage(place, file_mode), contents)
    with converted(place), locked(lock_folder, place.real):
        return job.run()


def mend(path: str, lock_folder: str, file_mode: int, contents: Contents) -> Rewritten:
    """See to what a crash left beside a file, and write nothing else. Raises as `rewrite`."""
    place = resolve(path)
    job = _Job(place, Stage(place, file_mode), contents)
    if not leftovers.names(place):
        return Rewritten(None)
    with converted(place), locked(lock_folder, place.real):
        job.mend()
        return Rewritten(None, notes=tuple(job.stage.notes), unfinished=job.unfinished)


@dataclass(slots=True)
class _Job:
    """One rewrite under our lock."""

    place: Place
    stage: Stage
    contents: Contents
    unfinished: bool = False
    _displaced: list[bytes] = field(default_factory=list)

    def run(self) -> Rewritten:
        self.mend()
        for attempt in range(_ROUNDS):
            before = read(self.place.real)
            wanted = self.contents.wanted(before.data if before else None)
            if wanted is None or (before is not None and wanted == before.data):
                return self._done(before.data if before else None, changed=False)
            refuse_nix_store(self.place)
            self._note_place(before)
            written = self._create(wanted) if before is None else self._replace(before, wanted)
            if written is not None:
                return self._done(written, changed=True)
            time.sleep(0.0005 * attempt)
        raise self._contended()

    def mend(self) -> None:
        """Merge or remove what a crash left behind."""
        for left in leftovers.found(self.place):
            if left.edit is not None and not self._merge_back(left):
                self.unfinished = self.unfinished or left.busy
                self.stage.note(leftovers.kept_note(self.place, left))
                continue
            with suppress(FileNotFoundError):
                os.unlink(left.path)

    def _merge_back(self, left: leftovers.Leftover) -> bool:
        """Bring an edit that was cut off back into the file; False if it must be kept as it is."""
        for _ in range(_ROUNDS):
            current = read(self.place.real)
            if current is None or left.busy or left.edit is None:
                return False
            try:
                untouched = left.is_ours(current.data)
                merged = self.contents.merged_back(current.data, left.edit, untouched=untouched)
            except JsonError:
                return False
            if merged == current.data or self._replace(current, merged) is not None:
                return True
        return False

    def _create(self, wanted: bytes) -> bytes | None:
        """Put a first version where no file is; None if one has appeared."""
        if not os.path.isdir(self.place.folder):
            os.mkdir(self.place.folder, 0o700)
        ready = self.stage.make(wanted, None)
        try:
            self._move_in(ready)
        except FileExistsError:
            return None
        finally:
            with suppress(FileNotFoundError):
                os.unlink(ready)
        self._sync_folder()
        return wanted

    def _move_in(self, ready: bytes) -> None:
        try:
            move_to_free_name(ready, self.place.real)
        except OSError as exc:
            if exc.errno not in UNSUPPORTED:
                raise
            os.link(ready, self.place.real, follow_symlinks=False)

    def _replace(self, before: Snapshot, wanted: bytes) -> bytes | None:
        """Put a new version in the place of the one that was read; None if that one is gone."""
        if is_mount(self.place.real):
            return mounted.overwrite(self.stage, before, wanted)
        ready = self.stage.make(wanted, before)
        try:
            if not self._stands(before.data):
                os.unlink(ready)
                return None
            exchange(ready, self.place.real)
        except OSError as exc:
            return self._replace_otherwise(exc, ready, before, wanted)
        return self._settle(before.data, wanted, ready)

    def _replace_otherwise(
        self, refused: OSError, ready: bytes, before: Snapshot, wanted: bytes
    ) -> bytes | None:
        """Replace the file where it cannot be exchanged."""
        try:
            if isinstance(refused, FileNotFoundError):
                return None
            if mounted.refused_as_mount(refused):
                return mounted.overwrite(self.stage, before, wanted)
            if refused.errno not in UNSUPPORTED:
                raise refused
            if not self._stands(before.data):
                return None
            os.rename(ready, self.place.real)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(ready)
        self._sync_folder()
        return wanted

    def _settle(self, expected: bytes, standing: bytes, ready: bytes) -> bytes | None:
        """Merge what was displaced until it is what had been read.

        Args:
            expected: the version that should have been displaced.
            standing: the version that displaced it.
            ready: the name that carries the displaced version now.
        """
        base = expected
        for _ in range(_ROUNDS):
            theirs = self._read_displaced(ready)
            if theirs is None:
                return self._forget(ready, busy=True, standing=standing)
            if theirs == expected:
                standing, merged = self._echo(base, standing) if self._displaced else (standing, None)
                if merged is None:
                    return self._forget(ready, busy=False, standing=standing)
                self._displaced.append(ready)
            else:
                self._displaced.append(ready)
                merged = self._merged(expected, standing, theirs, ready)
            step = self._exchange_merged(standing, merged)
            if step is None:
                break
            expected, standing, ready = step
        raise self._contended()

    def _echo(self, base: bytes, standing: bytes) -> tuple[bytes, bytes | None]:
        """Watch a merged version for a moment: whoever read the one before it may still overwrite it.

        For the instant until the merge, the file lacked an edit; a program that read it then writes it back
        without that edit.

        Returns:
            What stands in the file, and what must stand there instead, if anything.
        """
        for pause in _ECHOES:
            time.sleep(pause)
            now = read(self.place.real)
            if now is None or now.data == standing:
                continue
            try:
                merged = self.contents.merged(base, standing, now.data)
            except JsonError:
                continue  # somebody is in the middle of writing it in place
            standing = now.data
            if merged != standing:
                return standing, merged
        return standing, None

    def _exchange_merged(self, standing: bytes, merged: bytes) -> tuple[bytes, bytes, bytes] | None:
        """Bring a merged version in; return what it should have displaced, itself, and the displaced name."""
        for _ in range(_ROUNDS):
            now = read(self.place.real)
            if now is None:
                return None
            if now.data != standing:
                merged = self.contents.merged(standing, merged, now.data)
                standing = now.data
            ready = self.stage.make(merged, now)
            if self._stands(standing):
                exchange(ready, self.place.real)
                return standing, merged, ready
            os.unlink(ready)
        return None

    def _merged(self, base: bytes, ours: bytes, theirs: bytes, ready: bytes) -> bytes:
        """Merge; what does not parse goes back to where its author put it."""
        try:
            return self.contents.merged(base, ours, theirs)
        except JsonError:
            self._displaced.remove(ready)
            exchange(ready, self.place.real)
            if self._read_displaced(ready) == ours:
                os.unlink(ready)
            raise

    def _read_displaced(self, ready: bytes) -> bytes | None:
        """Return the displaced version once nobody writes into it any more; None if somebody goes on."""
        descriptor = os.open(ready, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if not wait_for_writers(descriptor, _WRITER_PATIENCE):
                return None
            with open(descriptor, "rb", closefd=False) as stream:
                return stream.read()
        finally:
            os.close(descriptor)

    def _forget(self, ready: bytes, *, busy: bool, standing: bytes) -> bytes:
        """Remove displaced versions that the file now includes; one still being written stays for `mend`."""
        self._sync_folder()
        if busy:
            self.unfinished = True
        else:
            os.unlink(ready)
        for path in self._displaced:
            os.unlink(path)
        self._displaced.clear()
        return standing

    def _stands(self, data: bytes) -> bool:
        now = read(self.place.real)
        return now is not None and now.data == data

    def _sync_folder(self) -> None:
        descriptor = os.open(self.place.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as exc:
            if exc.errno not in UNSUPPORTED:
                raise unsynced(self.place, exc) from exc
        finally:
            os.close(descriptor)

    def _note_place(self, before: Snapshot | None) -> None:
        if before is not None and before.stat.st_nlink > 1:
            self.stage.note(
                f"{shown(self.place.real)} had {before.stat.st_nlink} hard links; the other names keep the old "
                "content, as after any docker login. Use a symbolic link instead."
            )

    def _done(self, data: bytes | None, *, changed: bool) -> Rewritten:
        return Rewritten(data, changed, tuple(self.stage.notes), self.unfinished)

    def _contended(self) -> SinkContended:
        return SinkContended(
            f"Others kept changing {shown(self.place.real)} while it was being written; it will be tried again.",
            code="sink.contended",
        )
