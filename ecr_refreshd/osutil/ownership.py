"""Whose a path and HOME are, by `stat` and the user database; and the owner of what root makes for another user.

Standard library only and little of it: `status` loads this on every prompt.
"""

# Paths may be bytes, as the system has them; pathlib takes text only.
# ruff: noqa: PTH100, PTH102, PTH112, PTH114, PTH116, PTH118, PTH120, PTH123
from __future__ import annotations

import os
import pwd
import re
import shutil
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress

from ecr_refreshd.core.ownership import Ownership, User

_FIRST_PERSON = 500 if sys.platform == "darwin" else 1000
"""User ids below are the system's: their entries name folders such as / and /usr/sbin as home."""
_NAME = "ecr-refreshd"


def name_of(uid: int) -> str:
    """Return the name of a user, "" if the user database knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return ""


def shown(uid: int) -> str:
    """Return a user for people."""
    return name_of(uid) or f"user id {uid}"


def current_user(environ: Mapping[str, str] = os.environ) -> User:
    """Return the user of this process, and whose the HOME of this environment is."""
    uid = os.geteuid()
    try:
        entry = pwd.getpwuid(uid)
        name, database_home = entry.pw_name, entry.pw_dir
    except KeyError:
        name, database_home = "", ""
    home = environ.get("HOME", "")
    home = home if home.startswith("/") else database_home
    owner = _owner(home)
    return User(
        uid=uid,
        name=name,
        home=home,
        has_home=_is_home_of(uid, home, database_home),
        home_owner=shown(owner) if owner >= 0 else "",
        home_owner_uid=owner,
        own_home=database_home if _is_home_of(uid, database_home, database_home) else "",
        program=_program(environ),
        has_sudo=shutil.which("sudo", path=environ.get("PATH")) is not None,
    )


def of(path: str | bytes | os.PathLike[str], environ: Mapping[str, str] = os.environ) -> Ownership:
    """Return whose a path is; the path of a link is that of what it leads to."""
    user = current_user(environ)
    real = os.path.realpath(os.fsdecode(path))
    try:
        status = os.stat(real)
    except OSError:
        return Ownership(real, user, is_read_only=_is_read_only(os.path.dirname(real)))
    is_folder = stat.S_ISDIR(status.st_mode)
    return Ownership(
        real,
        user,
        exists=True,
        is_folder=is_folder,
        is_empty=is_folder and _is_empty(real),
        owner=shown(status.st_uid),
        owner_uid=status.st_uid,
        mode=stat.S_IMODE(status.st_mode),
        is_read_only=_is_read_only(real),
        is_kubernetes_volume=_is_read_only(real) and _is_kubernetes_volume(real),
        is_mount=_is_mount(real),
        is_below_home=_is_below(real if is_folder else os.path.dirname(real), user.home),
    )


def deepest(path: str | bytes | os.PathLike[str], environ: Mapping[str, str] = os.environ) -> Ownership:
    """Return whose the last part of a path is that can be looked at."""
    at = os.path.abspath(os.fsdecode(path))
    while at != os.path.dirname(at):
        try:
            os.stat(at)
            break
        except OSError:
            at = os.path.dirname(at)
    return of(at, environ)


def inherit(made: int | str | bytes, folder: str | bytes) -> None:
    """Give what root has just made the owner and group of the folder that it lies in.

    Its owner could have made it there, so that nothing is given to anybody who could not have had it; and no home
    gets folders that its owner cannot enter.

    Args:
        made: a path, whose last part is not followed, or an open descriptor.
        folder: the folder in which it was made.
    """
    if os.geteuid() != 0:
        return
    with suppress(OSError):  # a file system without owners
        around = os.stat(folder)
        if around.st_uid == 0:
            return
        if isinstance(made, int):
            os.fchown(made, around.st_uid, around.st_gid)
        else:
            os.chown(made, around.st_uid, around.st_gid, follow_symlinks=False)


def make_folders(path: str | bytes) -> None:
    """Make a folder and those above it that are missing, for their owner alone. Raises OSError."""
    missing: list[str | bytes] = []
    at = path
    while not os.path.isdir(at) and at != os.path.dirname(at):
        missing.append(at)
        at = os.path.dirname(at)
    for each in reversed(missing):
        with suppress(FileExistsError):  # made meanwhile; what is no folder is met by whoever uses it
            os.mkdir(each, 0o700)
            inherit(each, os.path.dirname(each))


def is_trusted(uid: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether a folder of ours may belong to a user: to this one, or, for root, to the owner of HOME."""
    if uid == os.geteuid():
        return True
    return os.geteuid() == 0 and uid == _owner(environ.get("HOME", ""))


def _owner(path: str) -> int:
    try:
        return os.stat(path).st_uid if path else -1
    except OSError:
        return -1


def _is_home_of(uid: int, home: str, database_home: str) -> bool:
    """Return whether a folder is a user's home: what the system's users have as one is not."""
    owner = _owner(home)
    if owner < 0 or os.path.realpath(home) == "/":
        return uid == 0 and owner == 0
    if owner == uid:
        return True
    return owner == 0 and uid >= _FIRST_PERSON and home == database_home and home.strip("/").count("/") > 0


def _is_empty(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def _is_read_only(path: str) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _is_kubernetes_volume(real: str) -> bool:
    """Return whether the kubelet made it: ``..data`` is beside it, or it is a tmpfs (a secret by subPath)."""
    folder = real if os.path.isdir(real) else os.path.dirname(real)
    around = (folder, os.path.dirname(folder))  # config.json leads to ..data/config.json
    return (
        any(os.path.islink(os.path.join(each, "..data")) for each in around) or _file_system(real) == "tmpfs"
    )


def _file_system(real: str) -> str:
    """Return the type of the file system that shows a path, "" where that cannot be read."""
    try:
        with open("/proc/self/mountinfo", "rb") as lines:
            mounts = [line.split() for line in lines]
    except OSError:
        return ""
    path = _escaped(real) + b"/"
    above = [each for each in mounts if path.startswith(each[4].rstrip(b"/") + b"/")]
    if not above:
        return ""
    last = max(enumerate(above), key=lambda each: (len(each[1][4]), each[0]))[1]
    return last[last.index(b"-") + 1].decode()


def _escaped(real: str) -> bytes:
    """Return a path as mountinfo writes it."""
    return re.sub(rb"[ \t\n\\]", lambda found: b"\\%03o" % ord(found[0]), os.fsencode(real))


def _is_mount(real: str) -> bool:
    """Return whether something is mounted right there: a file too (``docker -v file:file``)."""
    if os.path.isdir(real) and os.path.ismount(real):  # of a file an overlay tells another device
        return True
    try:
        with open("/proc/self/mountinfo", "rb") as lines:
            points = {line.split()[4] for line in lines}
    except OSError:
        return False
    return _escaped(real) in points


def _is_below(folder: str, home: str) -> bool:
    """Return whether a folder is the home folder or below it; a file's own device says nothing in an overlay."""
    around = os.path.realpath(home) if home else "/"
    if around == "/" or not (folder + "/").startswith(around + "/"):
        return False
    try:
        return os.stat(folder).st_dev == os.stat(around).st_dev
    except OSError:
        return False


def _program(environ: Mapping[str, str]) -> str:
    """Return how a shell of another user starts this program: its path, unless it lies where every PATH looks."""
    found = shutil.which(_NAME, path=environ.get("PATH"))
    if found is None or os.path.dirname(found) in {"/usr/local/bin", "/usr/bin", "/bin"}:
        return _NAME
    return found
