"""What keeps a file of docker's or podman's from being replaced, found by looking, without writing anything."""

# A path is bytes here, as the system has it; pathlib takes text only.
# ruff: noqa: PTH112, PTH114, PTH116, PTH120
from __future__ import annotations

import array
import fcntl
import os
import shlex
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from ecr_refreshd.cli.doctor import pasted
from ecr_refreshd.cli.doctor.dockerfiles import DockerFile
from ecr_refreshd.sinks.places import Place, shown

_GET_FLAGS = 0x80086601
"""FS_IOC_GETFLAGS (linux/fs.h); the kernel fills in an int, whatever the number says."""
_IMMUTABLE = 0x10
_APPEND_ONLY = 0x20


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What is in the way of a file.

    Attributes:
        what: a sentence that names the file.
        how: what to type.
        only_missing: nothing is there yet, which matters only where something is to be put.
    """

    what: str
    how: str
    only_missing: bool = False


def obstacle(file: DockerFile) -> Obstacle | None:
    """Return what keeps a file from being replaced, None if nothing is seen that does.

    A file is replaced, so its folder is what must be writable.
    """
    if file.place is None:
        return None
    folder = file.place.folder
    if os.path.isdir(folder):
        return _closed(file, folder) or _unchangeable(file, file.place)
    return _no_folder(file, file.place)


def _no_folder(file: DockerFile, place: Place) -> Obstacle | None:
    deepest = place.folder
    while not os.path.lexists(deepest):
        deepest = os.path.dirname(deepest)
    there, wanted = shown(deepest), shlex.quote(shown(place.folder))
    if not os.path.isdir(deepest):
        named = shlex.quote(there)
        return Obstacle(
            f"{there} is no folder, so that {file.real} can neither be read nor written.",
            pasted.steps("See what it is, and move it away", [f"ls -ld {named}", f"mv {named} {named}.old"]),
        )
    if os.path.islink(place.path) or os.path.islink(os.path.dirname(place.path)):
        what = f"{file.path} is a link to {file.real}, and the folder of that is not there."
        return Obstacle(what, f"mkdir -p -m 700 {wanted}")
    # One folder is made, as docker does; where more are missing, the path is likely a mistake.
    if os.path.dirname(place.folder) != deepest:
        what = f"{file.real} cannot be made: its folder is not there, nor the one around it."
        return Obstacle(what, f"mkdir -p -m 700 {wanted}", only_missing=True)
    closed = _closed(file, deepest)
    return None if closed is None else Obstacle(closed.what, closed.how, only_missing=True)


def _closed(file: DockerFile, folder: bytes) -> Obstacle | None:
    if os.access(folder, os.W_OK):
        return None
    named = shlex.quote(shown(folder))
    try:
        status = os.stat(folder)
        read_only = bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return None
    if read_only:
        what = "lies on a read-only file system"
        how = pasted.steps(
            "Mount it writable, or name another file under files in [docker]",
            [f"sudo mount -o remount,rw $(findmnt -no TARGET -T {named})"],
        )
    elif status.st_uid == os.geteuid():
        what, how = "lies in a folder that you may not write", f"chmod u+w {named}"
    else:
        what, how = "lies in a folder of another user", f"sudo chown {os.geteuid()} {named}"
    return Obstacle(f"{file.real} {what} ({shown(folder)}).", how)


def _unchangeable(file: DockerFile, place: Place) -> Obstacle | None:
    found = [path for path in (place.real, place.folder) if _is_unchangeable(path)]
    if not found:
        return None
    names = " and ".join(shown(path) for path in found)
    flag, command = (
        ("chattr +i", "sudo chattr -i -a") if sys.platform == "linux" else ("uchg", "chflags nouchg")
    )
    return Obstacle(
        f"{names} may not be changed by anybody ({flag}), so that {file.real} cannot be replaced."
        if place.folder in found
        else f"{names} may not be changed by anybody ({flag}).",
        " ".join([command if not _is_plain(found) else command.removesuffix(" -a"), *_quoted(found)]),
    )


def _quoted(paths: list[bytes]) -> Iterator[str]:
    return (shlex.quote(shown(path)) for path in paths)


def _is_plain(paths: list[bytes]) -> bool:
    """Return whether none of these may be appended to, so that there is one flag to take away."""
    return not any(_flags(path) & _APPEND_ONLY for path in paths)


def _is_unchangeable(path: bytes) -> bool:
    if sys.platform == "darwin":
        try:
            return bool(os.lstat(path).st_flags & (stat.UF_IMMUTABLE | stat.UF_APPEND))
        except OSError:
            return False
    return bool(_flags(path) & (_IMMUTABLE | _APPEND_ONLY))


def _flags(path: bytes) -> int:
    """Return a file's attributes of ext4 and its like, 0 where there are none."""
    if sys.platform != "linux":
        return 0
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return 0
    try:
        flags = array.array("l", [0])
        fcntl.ioctl(descriptor, _GET_FLAGS, flags)
    except OSError:
        return 0
    finally:
        os.close(descriptor)
    return flags[0]
