"""Where a file really is, and whether that is a place a token may be put.

Symbolic links are followed one by one, as the kernel does, so that each can be judged: a link that somebody else
could have put there would make us write a token wherever they like.
"""

# A path is bytes here, as the system has it; pathlib takes text only.
# ruff: noqa: PTH109, PTH115, PTH116, PTH117, PTH118, PTH120, PTH123
from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from ecr_refreshd.errors import SinkUnwritable

_MOST_LINKS = 40  # Linux's own limit (MAXSYMLINKS)


@dataclass(frozen=True, slots=True)
class Place:
    """A path, its real target, and the folders whose changes can change either.

    Attributes:
        path: as the user knows it, absolute.
        real: what it leads to, free of links; need not exist.
        folders: the folders of the path, of each link on the way of its last part, and of the target.
    """

    path: bytes
    real: bytes
    folders: frozenset[bytes]

    @property
    def folder(self) -> bytes:
        """The folder of the real target."""
        return os.path.dirname(self.real)

    @property
    def linked(self) -> bool:
        """Whether the path leads elsewhere."""
        return self.real != self.path


def shown(path: bytes) -> str:
    """Return a path for people; bytes that are no UTF-8 are escaped."""
    return path.decode("utf-8", "backslashreplace")


def resolve(path: str | bytes) -> Place:
    """Follow a path to its real target.

    Raises:
        SinkUnwritable: a link on the way is not to be trusted, the links form a circle, or a folder on the way
            cannot be searched.
    """
    given = os.fsencode(path)
    try:
        return _followed(given if os.path.isabs(given) else os.path.join(os.getcwdb(), given))
    except OSError as exc:
        raise SinkUnwritable(
            f"{shown(given)} cannot be followed to its file: {os.strerror(exc.errno or 0)}.",
            code="sink.unreadable",
            hint=f"ls -ld {shown(os.path.dirname(given))}",
        ) from exc


def _followed(nominal: bytes) -> Place:
    waiting = nominal.split(b"/")[::-1]
    at, hops = b"/", 0
    folders = {os.path.dirname(nominal)}
    while waiting:
        name = waiting.pop()
        if name in (b"", b"."):
            continue
        if name == b"..":
            at = os.path.dirname(at)
            continue
        candidate = os.path.join(at, name)
        try:
            found = os.lstat(candidate)
        except (FileNotFoundError, NotADirectoryError):
            at = os.path.normpath(os.path.join(candidate, *waiting[::-1]))
            break
        if not stat.S_ISLNK(found.st_mode):
            at = candidate
            continue
        hops += 1
        _judge_link(candidate, found, at, nominal, hops)
        folders.add(at)
        target = os.readlink(candidate)
        at = b"/" if target.startswith(b"/") else at
        waiting += target.split(b"/")[::-1]
    return Place(nominal, at, frozenset(folders | {os.path.dirname(at)}))


def _judge_link(link: bytes, found: os.stat_result, folder: bytes, nominal: bytes, hops: int) -> None:
    """Refuse a link that is not the user's, root's or the folder owner's, or that others may exchange."""
    if hops > _MOST_LINKS:
        raise SinkUnwritable(
            f"{shown(nominal)} is a circle of symbolic links; nothing was written.",
            code="sink.symlink",
            hint=f"ls -l {shown(link)}",
        )
    around = os.stat(folder)
    if found.st_uid not in {os.geteuid(), 0, around.st_uid}:
        raise SinkUnwritable(
            f"{shown(link)} is a symbolic link that belongs to uid {found.st_uid}, a stranger to its folder; it "
            "was not followed, and nothing was written.",
            code="sink.symlink",
            hint=f"ls -l {shown(link)}",
        )
    if around.st_mode & stat.S_IWOTH:
        raise SinkUnwritable(
            f"{shown(link)} is a symbolic link in a folder that everyone may write; it was not followed, and "
            "nothing was written.",
            code="sink.symlink",
            hint=f"chmod o-w {shown(folder)}, or name the real file under files in [docker]",
        )


def work_tree(folder: bytes) -> bytes | None:
    """Return the git work tree that a folder lies in, or None."""
    while True:
        if os.path.lexists(os.path.join(folder, b".git")):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def is_mount(path: bytes) -> bool:
    """Tell whether a single file is a mount of its own (``docker -v file:file``); Linux only, else False."""
    try:
        with open("/proc/self/mountinfo", "rb") as lines:
            points = [line.split()[4] for line in lines]
    except OSError:
        return False
    # The kernel writes space, tab, newline and backslash as three octal digits.
    return any(_unescaped(point) == path for point in points)


def _unescaped(point: bytes) -> bytes:
    for octal, byte in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        point = point.replace(octal, byte)
    return point
