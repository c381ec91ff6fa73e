"""What a crash left beside a file: ours is removed, somebody's edit is merged back or kept, never just deleted.

Read only under the lock of the real file; the names are those of `stage`.
"""

# A path is bytes here, as the system has it; pathlib takes text only.
# ruff: noqa: PTH108, PTH118, PTH208
from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from ecr_refreshd.sinks.places import Place, shown
from ecr_refreshd.sinks.stage import digest, prefix, read_open
from ecr_refreshd.sinks.swap import wait_for_writers


@dataclass(frozen=True, slots=True)
class Leftover:
    """One file that a crash left.

    Attributes:
        path: where it is.
        edit: somebody's version of the file; None if it holds nothing but what is known.
        busy: somebody has it open for writing.
        ours: digest of the version of ours that displaced it.
    """

    path: bytes
    edit: bytes | None
    busy: bool = False
    ours: str = ""

    def is_ours(self, data: bytes) -> bool:
        """Tell whether these bytes are the version that displaced it: nobody has changed the file since."""
        return digest(data) == self.ours


def names(place: Place) -> list[bytes]:
    """Return the names of our temporary files beside a file."""
    try:
        every = os.listdir(place.folder)
    except OSError:
        return []
    return sorted(name for name in every if name.startswith(prefix(place.real)))


def found(place: Place) -> Iterator[Leftover]:
    """Return what a crash left, each looked at when its turn comes."""
    for name in names(place):
        path = os.path.join(place.folder, name)
        with suppress(FileNotFoundError):
            there = os.lstat(path)
            # A second name means that somebody put it there: root must not merge what only root may read.
            if stat.S_ISREG(there.st_mode) and there.st_nlink == 1:
                parts = name[len(prefix(place.real)) :].decode("ascii", "replace").split(".")
                yield _looked_at(path, parts)


def _looked_at(path: bytes, parts: list[str]) -> Leftover:
    if parts[0] == "new":
        return Leftover(path, None)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        busy = not wait_for_writers(descriptor, 0)
        data = read_open(descriptor, path).data
    finally:
        os.close(descriptor)
    known = not busy and digest(data) in parts[:2]
    return Leftover(path, None if known else data, busy, parts[1] if len(parts) > 1 else "")


def remove(left: Leftover) -> None:
    """Remove one whose content is known, or stands in the file now."""
    with suppress(FileNotFoundError):
        os.unlink(left.path)


def kept_note(place: Place, left: Leftover) -> str:
    """Return the sentence for status about an edit that could not be merged."""
    if left.busy:
        return (
            f"Somebody is still writing an older {shown(place.real)}; the edit is kept in {shown(left.path)}."
        )
    return (
        f"{shown(left.path)} is an edit of {shown(place.real)} that was cut off and could not be merged; compare "
        "the two, and remove it."
    )
