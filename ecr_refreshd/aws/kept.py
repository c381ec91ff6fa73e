"""Reads files again only when they may have changed, so that a look on every tick costs a `stat` each."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Generic, TypeVar

from ecr_refreshd.core.ports import Clock

LARGEST = 1 << 20
"""Bytes. Nothing that matters in an AWS folder is larger; of what is, only so much is read."""
_GRAIN = timedelta(milliseconds=100)
"""Within it a file may change twice and carry the same time (kernels count in ticks)."""

T = TypeVar("T")
Stamp = tuple[int, int, int]


class Kept(Generic[T]):
    """What files said when they were last read. For one thread at a time.

    Args:
        clock: tells how old a file is.
        parse: makes of a file's content what is kept of it.
        unreadable: makes the same of an error that reading met.
    """

    def __init__(self, clock: Clock, parse: Callable[[bytes], T], unreadable: Callable[[OSError], T]) -> None:
        self._clock = clock
        self._parse = parse
        self._unreadable = unreadable
        self._kept: dict[str, tuple[Stamp, T]] = {}

    def read(self, path: str) -> T | None:
        """Return what the file says; None if there is none."""
        stamp = stamp_of(path)
        if stamp is None:
            self._kept.pop(path, None)
            return None
        kept = self._kept.get(path)
        if kept is None or kept[0] != stamp:
            kept = stamp, self._said(path)
            if stamp[0] / 1e9 < (self._clock.now().wall - _GRAIN).timestamp():
                self._kept[path] = kept
            else:
                self._kept.pop(path, None)  # too young to be told from what may be written next
        return kept[1]

    def _said(self, path: str) -> T:
        try:
            # Without O_NONBLOCK a named pipe put there meanwhile would make us wait for its writer.
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - a descriptor
                return self._parse(file.read(LARGEST))
        except OSError as error:
            return self._unreadable(error)

    def forget_but(self, paths: Collection[str]) -> None:
        """Keep only these."""
        for path in self._kept.keys() - set(paths):
            del self._kept[path]


def stamp_of(path: str) -> Stamp | None:
    """Return by what a regular file's change is noticed; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - these paths are texts, from variables
    except (OSError, ValueError):  # ValueError: a NUL in it
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if stat.S_ISREG(found.st_mode) else None
