"""The signpost in a state folder: by it a command finds the service of that folder, whatever environment it has.

The socket lies in XDG_RUNTIME_DIR, which cron, `su` and some ssh sessions do not have. So the service leaves a
symlink ``sock`` in its state folder, to a second name of its socket that no other service uses: when a service
with another state folder takes over the first name, this one leads to nobody, not to a stranger.
Standard library only and little of it: `status` loads this on every prompt.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from ecr_refreshd.core.remedies import service as remedies
from ecr_refreshd.errors import ConfigError
from ecr_refreshd.osutil import ownership

_LONGEST = 103
"""Bytes of a socket's path, of which macOS takes no more; it is found by its place alone then."""


def put(socket: Path, state: Path) -> Path | None:
    """Lead whoever looks into the state folder to a socket that lies elsewhere; return the signpost.

    The caller holds the instance lock of that folder, so what stands there is of a service that has ended. None
    if the socket lies there itself, or where no such names can be made: then it is found by its place alone.
    """
    post = state / socket.name
    if socket == post:
        return None
    name, fresh = _own_name(socket, post), post.with_name(f".{post.name}.{os.getpid()}")
    if len(os.fsencode(name)) > _LONGEST:
        return None
    try:
        name.unlink(missing_ok=True)
        name.hardlink_to(socket)
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        ownership.inherit(str(fresh), str(post.parent))
        fresh.replace(post)
    except OSError:
        for path in (fresh, name, post):
            with suppress(OSError):
                path.unlink()
        return None
    return post


def take_away(post: Path | None, socket: Path) -> None:
    """Remove a signpost, if it is the one to this socket."""
    if post is None:
        return
    with suppress(OSError):
        name = _own_name(socket, post)
        name.unlink(missing_ok=True)
        if post.readlink() == name:
            post.unlink()


def followed(post: Path) -> Path | None:
    """Return the socket that a state folder holds or leads to; None if there is none that may be asked.

    A signpost is followed only where nobody but the owner of that folder can have put it there, or the socket.

    Raises:
        PermissionError: the state folder cannot be entered.
        ConfigError: somebody else could have put it there.
    """
    try:
        found = post.lstat()
    except PermissionError:
        raise
    except OSError:
        return None
    if not stat.S_ISLNK(found.st_mode):
        return post
    try:
        socket = post.readlink()
        folders = post.parent.stat(), socket.parent.stat()
        owners = {each.st_uid for each in (found, socket.stat(), *folders)}
    except OSError:
        return None
    # Root may ask the services of others.
    ours = len(owners) == 1 and (os.geteuid() in owners or os.geteuid() == 0)
    if ours and not any(folder.st_mode & 0o022 for folder in folders):
        return socket
    remedy = remedies.open_to_others(*(ownership.of(str(each.parent)) for each in (post, socket)))
    raise ConfigError(
        f"{post} leads to {socket} and is not followed, because others could have put it there.",
        hint=remedy.hint,
        command=remedy.command,
    )


def is_anothers(socket: Path, post: Path) -> bool:
    """Return whether the service that listens there has left its signpost in another state folder."""
    try:
        found = socket.stat()
    except OSError:
        return False
    try:
        return found.st_nlink > 1 and not os.path.samestat(found, _own_name(socket, post).stat())
    except OSError:
        return True


def _own_name(socket: Path, post: Path) -> Path:
    """Return the name of a socket that only the services of one state folder use.

    By its path: a folder that is deleted under a service and made anew is the same to its commands.
    """
    folder = hashlib.sha256(os.fsencode(os.path.realpath(post.parent))).hexdigest()
    return socket.with_name(f"{socket.name}-{folder[:8]}")
