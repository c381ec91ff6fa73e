"""Where a file really is, and whether that is a place a token may be put.

Symbolic links are followed one by one, as the kernel does, so that each can be judged: a link that somebody else
could have put there would make us write a token wherever they like.
"""

# A path is bytes here, as the system has it; pathlib takes text only.
# ruff: noqa: PTH109, PTH115, PTH116, PTH117, PTH118, PTH120, PTH123
from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass

from ecr_refreshd.core.remedies import files as remedies
from ecr_refreshd.errors import SinkUnwritable
from ecr_refreshd.osutil import ownership

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
        raise _not_followed(given, exc.errno or 0) from exc


def _not_followed(path: bytes, number: int) -> SinkUnwritable:
    """Return the error for a path with a folder on its way that lets this user not in."""
    shut = ownership.deepest(path)
    if number != errno.EACCES:
        why, remedy = os.strerror(number), remedies.unexplained([shut.path])
    elif shut.is_ours:
        why, remedy = f"the mode of {shut.path} is {shut.mode:04o}", remedies.given_back(shut)
    else:
        # A login as root makes the folder and the file, and nobody else sees whether that is there.
        inside = os.path.realpath(os.path.dirname(path)) == os.fsencode(shut.path)
        why = f"{shut.path} belongs to {shut.owner} and lets nobody else in"
        remedy = remedies.given_back(shut, *([shown(path)] if inside else []))
    return SinkUnwritable(
        f"{shown(path)} cannot be read or written: {why}.",
        code="sink.unreadable",
        hint=remedy.hint,
        command=remedy.command,
    )


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
    look = remedies.link_not_followed(shown(link))
    if hops > _MOST_LINKS:
        raise SinkUnwritable(
            f"{shown(nominal)} is a circle of symbolic links; nothing was written.",
            code="sink.symlink",
            hint=look.hint,
            command=look.command,
        )
    around = os.stat(folder)
    if found.st_uid not in {os.geteuid(), 0, around.st_uid}:
        raise SinkUnwritable(
            f"{shown(link)} is a symbolic link that belongs to {ownership.shown(found.st_uid)}, who owns neither "
            "its folder nor this process; it was not followed, and nothing was written.",
            code="sink.symlink",
            hint=look.hint,
            command=look.command,
        )
    if around.st_mode & stat.S_IWOTH:
        remedy = remedies.folder_open_to_others(ownership.of(folder))
        raise SinkUnwritable(
            f"{shown(link)} is a symbolic link in a folder that everyone may write; it was not followed, and "
            "nothing was written.",
            code="sink.symlink",
            hint=remedy.hint,
            command=remedy.command,
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
