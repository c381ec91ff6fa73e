"""What keeps a file of docker's or podman's from being replaced, found by looking, without writing anything."""

# A path is bytes here, as the system has it; pathlib takes text only.
# ruff: noqa: PTH110, PTH112, PTH113, PTH114, PTH120
from __future__ import annotations

import array
import fcntl
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ecr_refreshd.core.remedies import Remedy
from ecr_refreshd.core.remedies import files as remedies
from ecr_refreshd.osutil import docker_config, ownership, variables
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
        remedy: what to do.
        code: short and stable.
        only_missing: nothing is there yet, which matters only where something is to be put.
    """

    what: str
    remedy: Remedy
    code: str = "sink.permission"
    only_missing: bool = False


def obstacle(place: Place, environ: Mapping[str, str] = os.environ) -> Obstacle | None:
    """Return what keeps a file from being read or replaced, None if nothing is seen that does.

    A file is replaced, so its folder is what must be writable.

    Args:
        place: of the file.
        environ: in which DOCKER_CONFIG and HOME are looked up.
    """
    wrong = docker_config.fault(shown(place.path), environ)
    if wrong is not None:
        return Obstacle(*wrong, "sink.docker-config")
    if not os.path.isdir(place.folder):
        return _no_folder(place, environ)
    return (
        _is_folder(place, environ)
        or _is_special(place, environ)
        or _unreadable(place, environ)
        or _closed(place, place.folder, environ)
        or _mounted(place, environ)
        or _unchangeable(place)
    )


def _no_folder(place: Place, environ: Mapping[str, str]) -> Obstacle | None:
    deepest = place.folder
    while not os.path.lexists(deepest):
        deepest = os.path.dirname(deepest)
    there, file = shown(deepest), shown(place.real)
    wanted = remedies.no_folder(shown(place.folder))
    if not os.path.isdir(deepest):
        named = variables.naming_file(shown(place.path), environ)
        if named is not None:
            return Obstacle(*named, "sink.no-folder")
        what = f"{there} is no folder, so that {file} can neither be read nor written."
        return Obstacle(what, remedies.in_the_way(ownership.of(deepest, environ)), "sink.no-folder")
    if os.path.islink(place.path) or os.path.islink(os.path.dirname(place.path)):
        what = f"{shown(place.path)} is a link to {file}, and the folder of that is not there."
        return _closed(place, deepest, environ) or Obstacle(what, wanted, "sink.no-folder")
    # One folder is made, as docker does; where more are missing, the path is likely a mistake.
    closed = _closed(place, deepest, environ)
    if closed is None and os.path.dirname(place.folder) != deepest:
        what = f"{file} cannot be made: its folder is not there, nor the one around it."
        return Obstacle(what, wanted, "sink.no-folder", only_missing=True)
    return None if closed is None else replace(closed, only_missing=True)


def _is_folder(place: Place, environ: Mapping[str, str]) -> Obstacle | None:
    if not os.path.isdir(place.real):
        return None
    found = ownership.of(place.real, environ)
    around = ownership.of(place.folder, environ)
    remedy = remedies.folder_in_place_of_file(found, around)
    return Obstacle(
        f"{shown(place.real)} is a directory, and has to be a file.", remedy, "sink.is-a-directory"
    )


def _is_special(place: Place, environ: Mapping[str, str]) -> Obstacle | None:
    if not os.path.exists(place.real) or os.path.isfile(place.real):
        return None
    found = ownership.of(place.real, environ)
    what = f"{shown(place.real)} is not a regular file; it is left alone."
    return Obstacle(what, remedies.in_the_way(found), "sink.not-a-config")


def _unreadable(place: Place, environ: Mapping[str, str]) -> Obstacle | None:
    if not os.path.isfile(place.real) or os.access(place.real, os.R_OK):
        return None
    found = ownership.of(place.real, environ)
    why = f"its mode is {found.mode:04o}" if found.is_ours else f"it belongs to {found.owner}"
    return Obstacle(
        f"{shown(place.real)} cannot be read, by any client that runs as {found.user.who}: {why}.",
        remedies.given_back(found),
        "sink.unreadable",
    )


def _closed(place: Place, folder: bytes, environ: Mapping[str, str]) -> Obstacle | None:
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    found = ownership.of(folder, environ)
    if not found.exists:
        return None
    if found.is_read_only:
        what = f"{shown(place.real)} is on a read-only file system ({found.path})."
        return Obstacle(what, remedies.read_only(found), "sink.read-only")
    if found.is_ours:
        what, code = "lies in a folder that you may not write", "sink.permission"
    else:
        what, code = f"lies in a folder that belongs to {found.owner}", "sink.permission"
    return Obstacle(f"{shown(place.real)} {what} ({found.path}).", remedies.given_back(found), code)


def _mounted(place: Place, environ: Mapping[str, str]) -> Obstacle | None:
    if not os.path.isfile(place.real):
        return None
    found = ownership.of(place.real, environ)
    if not found.is_read_only:
        return None
    what = f"{shown(place.real)} is mounted read-only."
    return Obstacle(what, remedies.read_only(found), "sink.read-only")


def _unchangeable(place: Place) -> Obstacle | None:
    found = [path for path in (place.real, place.folder) if _is_unchangeable(path)]
    if not found:
        return None
    names = " and ".join(shown(path) for path in found)
    macos = sys.platform == "darwin"
    flag = "uchg" if macos else "chattr +i"
    return Obstacle(
        f"{names} may not be changed by anybody ({flag}), so that {shown(place.real)} cannot be replaced."
        if place.folder in found
        else f"{names} may not be changed by anybody ({flag}).",
        remedies.unchangeable([shown(path) for path in found], macos=macos, append_only=not _is_plain(found)),
    )


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
