"""One shared file rewritten so that no reader ever sees it broken and nobody's edit is lost through us.

No other program locks these files, so a lock helps only among ourselves. Against the others: read, make the new
version, read again, exchange the two files, look at what was displaced; if that is not what had been read,
merge it and go again (docker-config.md 9.2: of 2,000 edits none is lost that way; by a plain rename, 59).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.sinks import leftovers
from ecr_refreshd.sinks.lock import locked
from ecr_refreshd.sinks.places import Place, resolve, shown
from ecr_refreshd.sinks.refusals import converted, refuse_nix_store
from ecr_refreshd.sinks.replacement import ROUNDS, Contents, Replacement, contended
from ecr_refreshd.sinks.stage import Snapshot, Stage, read, read_filled


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a rewrite came to.

    Attributes:
        data: what stands in the file now; None if there is none.
        changed: we wrote it.
        notes: sentences for status about what was done.
        kept: sentences about edits that could not be merged yet; said anew as long as they are there.
        unfinished: a displaced version is still being written by somebody; look again for it.
    """

    data: bytes | None
    changed: bool = False
    notes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    unfinished: bool = False


def rewrite(path: str, lock_folder: str, file_mode: int | None, contents: Contents) -> Rewritten:
    """Rewrite one file.

    Args:
        path: as the user knows it; symbolic links are followed.
        lock_folder: where our lock files lie; one for each real file, never removed.
        file_mode: the widest mode a file with a token may have; None: see `Permissions.narrowed`.
        contents: what is to become of it.

    Raises:
        SinkUnparsable: the file does not parse; it was left as it is.
        SinkUnwritable: the system or a rule forbids it; the old file is intact.
        SinkContended: others kept rewriting the file; the old file is intact, or theirs stands there.
    """
    place = resolve(path)
    job = _Job(Replacement(Stage(place, file_mode, contents.holds_token), contents))
    with converted(place), locked(lock_folder, place.real):
        return job.run()


def mend(path: str, lock_folder: str, file_mode: int | None, contents: Contents) -> Rewritten:
    """See to what a crash left beside a file, and write nothing else. Raises as `rewrite`."""
    place = resolve(path)
    if not leftovers.names(place):
        return Rewritten(None)
    job = _Job(Replacement(Stage(place, file_mode, contents.holds_token), contents))
    with converted(place), locked(lock_folder, place.real):
        job.mend()
        return job.done(None, changed=False)


@dataclass(slots=True)
class _Job:
    """One rewrite under our lock."""

    replacement: Replacement
    _busy: bool = False
    _kept: list[str] = field(default_factory=list)

    @property
    def place(self) -> Place:
        """The file."""
        return self.replacement.place

    def run(self) -> Rewritten:
        """Write what is wanted, however often the file changes meanwhile."""
        self.mend()
        contents, replacement = self.replacement.contents, self.replacement
        for _ in range(ROUNDS):
            before = read_filled(lambda: read(self.place.real))
            wanted = contents.wanted(before.data if before else None)
            if wanted is None or (before is not None and wanted == before.data):
                return self.done(before.data if before else None, changed=False)
            refuse_nix_store(self.place)
            self._note_hard_links(before)
            written = replacement.create(wanted) if before is None else replacement.replace(before, wanted)
            if written is not None:
                return self.done(written, changed=True)
        raise contended(self.place)

    def mend(self) -> None:
        """Merge or remove what a crash left behind."""
        for left in leftovers.found(self.place):
            if left.edit is not None and not self._merge_back(left):
                self._busy = self._busy or left.busy
                self._kept.append(leftovers.kept_note(self.place, left))
                continue
            leftovers.remove(left)

    def _merge_back(self, left: leftovers.Leftover) -> bool:
        """Bring an edit that was cut off back into the file; False if it must be kept as it is."""
        for _ in range(ROUNDS):
            current = read(self.place.real)
            if current is None or left.busy or left.edit is None:
                return False
            try:
                untouched = left.is_ours(current.data)
                merged = self.replacement.contents.merged_back(current.data, left.edit, untouched=untouched)
            except JsonError:
                return False
            if merged == current.data or self.replacement.replace(current, merged) is not None:
                return True
        return False

    def _note_hard_links(self, before: Snapshot | None) -> None:
        if before is not None and before.stat.st_nlink > 1:
            self.replacement.stage.note(
                f"{shown(self.place.real)} had {before.stat.st_nlink} hard links; the other names keep the old "
                "content, as after any docker login. Use a symbolic link instead."
            )

    def done(self, data: bytes | None, *, changed: bool) -> Rewritten:
        """Return what came of it."""
        unfinished = self._busy or self.replacement.unfinished
        return Rewritten(data, changed, tuple(self.replacement.stage.notes), tuple(self._kept), unfinished)
