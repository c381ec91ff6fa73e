"""What a folder is and what lies in it, by `stat` alone: the truth that events are only hints of.

Rules: nothing is opened or read, so looking changes nothing; a folder that is missing, unreadable or too full
is an answer and not an error.
"""

# Paths are the texts that were asked for; pathlib would make other texts of some.
# ruff: noqa: PTH116, PTH120
from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass

Identity = tuple[int, int]
Entry = tuple[int, int, int, int]
_MOST_ENTRIES = 2000
"""A folder with more entries is nobody's configuration; what is beyond them is seen by events alone."""


@dataclass(frozen=True, slots=True)
class Spot:
    """An existing folder: which one it is (device and inode), and its path without symlinks."""

    identity: Identity
    path: str

    @property
    def readable(self) -> bool:
        """Return whether it can be watched: inotify answers EACCES otherwise, and watchdog says nothing."""
        return os.access(self.path, os.R_OK | os.X_OK)


def spot(folder: str) -> Spot | None:
    """Return the folder behind this path, None if there is none."""
    path = os.path.realpath(folder)
    try:
        status = os.stat(path)
    except OSError:
        return None
    return Spot((status.st_dev, status.st_ino), path) if stat.S_ISDIR(status.st_mode) else None


def nearest(folder: str) -> Spot | None:
    """Return the innermost folder above this path that exists, None if not even the root can be looked at."""
    path = os.path.realpath(folder)
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        found = spot(path)
        if found is not None:
            return found
    return None


def contents(folder: str) -> Mapping[str, Entry]:
    """Return inode, size, mtime and ctime (nanoseconds) of each entry; empty if it cannot be looked at.

    A subfolder counts by its inode alone: what happens inside it is not this folder's change.
    """
    found: dict[str, Entry] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if len(found) == _MOST_ENTRIES:
                    break
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:  # removed while we looked
                    continue
                if stat.S_ISDIR(status.st_mode):
                    found[entry.name] = (status.st_ino, 0, 0, 0)
                else:
                    stamps = (status.st_mtime_ns, status.st_ctime_ns)
                    found[entry.name] = (status.st_ino, status.st_size, *stamps)
    except OSError:
        return {}
    return found


def rewritten(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> bool:
    """Return whether something else lies there, and not only other rights on the same."""
    return {name: entry[:3] for name, entry in before.items()} != {
        name: entry[:3] for name, entry in after.items()
    }
