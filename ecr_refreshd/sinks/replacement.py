"""One version of a file put in the place of another by exchange, and whatever that displaced merged back.

Two calls, both under our lock: `create` where there is no file, `replace` where there is one. Both answer None
when the file is no longer what was read, and have then changed nothing.
"""

# A path is bytes here, as the system has it; pathlib takes text only.
# ruff: noqa: PTH102, PTH104, PTH108, PTH112, PTH120

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.errors import SinkContended, SinkError
from ecr_refreshd.osutil import ownership
from ecr_refreshd.sinks import mounted
from ecr_refreshd.sinks.places import Place, is_mount, shown
from ecr_refreshd.sinks.refusals import unsynced
from ecr_refreshd.sinks.stage import Snapshot, Stage, read, read_filled, read_open
from ecr_refreshd.sinks.swap import UNSUPPORTED, exchange, move_to_free_name, wait_for_writers
from ecr_refreshd.sinks.waits import pause

ROUNDS = 40
_WRITER_PATIENCE = 2.0
"""Seconds to wait for somebody who writes into the displaced file in place; longer ones are seen to later."""
_ECHOES = (0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
"""Seconds between looks after a merge: longer than a program takes from reading the file to writing it, where
the machine is busy with other things, too."""


class Contents(Protocol):
    """What is to become of the bytes of a file. Each may raise JsonError."""

    def wanted(self, data: bytes | None) -> bytes | None:
        """Return the new version of the file; None, or the same bytes, when there is nothing to write."""
        ...

    def holds_token(self, data: bytes) -> bool:
        """Return whether a token of a kept host stands in a version, be it ours or not."""
        ...

    def merged(self, base: bytes, ours: bytes, theirs: bytes) -> bytes:
        """Return `theirs` with what `ours` had changed since `base`."""
        ...

    def merged_back(self, current: bytes, cut_off: bytes, *, untouched: bool) -> bytes:
        """Return the file with an edit that a crash had cut off."""
        ...


def contended(place: Place) -> SinkContended:
    """Return the error for a file that others keep changing."""
    return SinkContended(
        f"Others kept changing {shown(place.real)} while it was being written; it will be tried again.",
        code="sink.contended",
    )


@dataclass(slots=True)
class Replacement:
    """Puts new versions of one file in.

    Attributes:
        stage: makes the versions.
        contents: merges them.
        unfinished: a displaced version was still being written, and was left for `leftovers`.
    """

    stage: Stage
    contents: Contents
    unfinished: bool = False
    _displaced: list[bytes] = field(default_factory=list)

    @property
    def place(self) -> Place:
        """The file."""
        return self.stage.place

    def create(self, wanted: bytes) -> bytes | None:
        """Put a first version where no file is; None if one has appeared."""
        if not os.path.isdir(self.place.folder):
            self._make_folder()
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

    def _make_folder(self) -> None:
        """Make the folder as docker does, 0700; made by root it belongs to whose home it is in."""
        os.mkdir(self.place.folder, 0o700)
        ownership.inherit(self.place.folder, os.path.dirname(self.place.folder))

    def _move_in(self, ready: bytes) -> None:
        try:
            move_to_free_name(ready, self.place.real)
        except OSError as exc:
            if exc.errno not in UNSUPPORTED:
                raise
            self._link_in(ready)

    def _link_in(self, ready: bytes) -> None:
        """Give a file its name where the system knows no better call than link, or not even that."""
        try:
            os.link(ready, self.place.real, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError as exc:
            if os.path.lexists(self.place.real):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from exc
            os.rename(ready, self.place.real)

    def replace(self, before: Snapshot, wanted: bytes) -> bytes | None:
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
        base, step = expected, None
        for _ in range(ROUNDS):
            try:
                theirs = self._read_displaced(ready)
                if theirs not in (None, expected):
                    step = self._exchange_merged(standing, self.contents.merged(expected, standing, theirs))
            except (OSError, JsonError, SinkError):
                self._put_back(ready, standing)
                raise
            if theirs is None:
                self._sync_folder()
                return self._forget(ready, busy=True, standing=standing)
            if theirs == expected:
                standing, merged = self._echo(base, standing) if self._displaced else (standing, None)
                if merged is None:
                    self._sync_folder()
                    if self._read_displaced(ready) != expected:
                        continue  # it was being opened as it lost its place, and has been written since
                    return self._forget(ready, busy=False, standing=standing)
                step = self._exchange_merged(standing, merged)
            self._displaced.append(ready)
            if step is None:
                break
            expected, standing, ready = step
        raise contended(self.place)

    def _put_back(self, ready: bytes, standing: bytes) -> None:
        """Give a version that cannot be merged just now its place again, if nothing newer stands there."""
        with suppress(OSError, SinkError):
            if self._stands(standing):
                exchange(ready, self.place.real)
                if self._stands_at(ready, standing):
                    os.unlink(ready)

    def _echo(self, base: bytes, standing: bytes) -> tuple[bytes, bytes | None]:
        """Watch a merged version for a moment: whoever read the one before it may still overwrite it.

        For the instant until the merge, the file lacked an edit; a program that read it then writes it back
        without that edit.

        Returns:
            What stands in the file, and what must stand there instead, if anything.
        """
        for seconds in _ECHOES:
            pause(seconds)
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
        for _ in range(ROUNDS):
            now = read_filled(lambda: read(self.place.real))
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

    def _read_displaced(self, ready: bytes) -> bytes | None:
        """Return the displaced version once nobody writes into it any more; None if somebody goes on."""
        descriptor = os.open(ready, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            if not wait_for_writers(descriptor, _WRITER_PATIENCE):
                return None
            found = read_filled(lambda: read_open(descriptor, ready))
            return found.data if found else None
        finally:
            os.close(descriptor)

    def _forget(self, ready: bytes, *, busy: bool, standing: bytes) -> bytes:
        """Remove displaced versions that the file now includes; one still being written stays for `mend`."""
        if busy:
            self.unfinished = True
        else:
            os.unlink(ready)
        for path in self._displaced:
            os.unlink(path)
        self._displaced.clear()
        return standing

    def _stands(self, data: bytes) -> bool:
        return self._stands_at(self.place.real, data)

    def _stands_at(self, path: bytes, data: bytes) -> bool:
        now = read(path)
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
