"""What the system says when a file cannot be written, told as cause and remedy.

The one border where OSError and JsonError become errors for people.
"""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.errors import SinkUnparsable, SinkUnwritable
from ecr_refreshd.sinks.places import Place, shown

# errno -> code, what happened, what to run; {path} and {folder} are the real file and its folder.
_TOLD = {
    errno.ENOSPC: ("sink.full", "the disk is full", "df -h {folder}"),
    errno.EDQUOT: ("sink.full", "your disk quota is used up", "quota -s"),
    errno.EROFS: (
        "sink.read-only",
        "it lies on a read-only file system",
        "Mount {folder} writable, or name another file under files in [docker].",
    ),
    errno.EACCES: (
        "sink.permission",
        "there is no permission to write in its folder",
        "ls -ld {folder} {path}",
    ),
    errno.EPERM: (
        "sink.permission",
        "the system does not permit it (an immutable file, or a sticky folder)",
        "lsattr -d {folder} {path}",
    ),
    errno.EIO: ("sink.io", "the disk reported an error", "dmesg | tail"),
    errno.ENOENT: ("sink.no-folder", "its folder does not exist", "mkdir -p {folder}"),
}


@contextmanager
def converted(place: Place) -> Iterator[None]:
    """Turn what goes wrong inside into errors for people.

    Raises:
        SinkUnparsable: for a JsonError.
        SinkUnwritable: for an OSError.
    """
    try:
        yield
    except JsonError as exc:
        path = shown(place.real)
        where, line = f" at line {exc.line}, column {exc.column}", f"line {exc.line} of {path}"
        if exc.is_whole:
            where, line = "", path
        raise SinkUnparsable(
            f"{path} does not parse{where}: {exc.reason}. It is left as it is.",
            code="sink.unparsable",
            hint=f"Correct {line}; it is looked at again by itself.",
        ) from exc
    except OSError as exc:
        if exc.errno == errno.EACCES and _closed(place.real):
            raise _unreadable(place) from exc
        told = _TOLD.get(exc.errno or 0)
        code, what, hint = told or ("sink.unwritable", os.strerror(exc.errno or 0), "ls -ld {folder} {path}")
        names = {"path": shown(place.real), "folder": shown(place.folder)}
        raise SinkUnwritable(
            f"{names['path']} could not be written: {what}. The old file is intact.",
            code=code,
            hint=hint.format_map(names),
        ) from exc


def _closed(path: bytes) -> bool:
    """Return whether there is a file that this user may not read."""
    return os.path.isfile(path) and not os.access(path, os.R_OK)  # noqa: PTH113 - a path is bytes here


def _unreadable(place: Place) -> SinkUnwritable:
    path = shown(place.real)
    mine = os.stat(place.real).st_uid == os.geteuid()  # noqa: PTH116 - a path is bytes here
    return SinkUnwritable(
        f"{path} cannot be read: its mode lets you not in, nor any client that runs as you.",
        code="sink.unreadable",
        hint=f"chmod u+rw {shlex.quote(path)}" if mine else f"sudo chown {os.geteuid()} {shlex.quote(path)}",
    )


def unsynced(place: Place, refused: OSError) -> SinkUnwritable:
    """Return the error for a file that was replaced, where the disk did not confirm it."""
    return SinkUnwritable(
        f"{shown(place.real)} was written, but the disk did not confirm it "
        f"({os.strerror(refused.errno or 0)}); after a power cut the old file may stand there again.",
        code="sink.io",
        hint="dmesg | tail",
    )


def refuse_nix_store(place: Place) -> None:
    """Refuse a file that home-manager generated, even where root could write it.

    Raises:
        SinkUnwritable: the file is in the nix store.
    """
    if place.real.startswith(b"/nix/store/"):
        raise SinkUnwritable(
            f"{shown(place.path)} leads into the nix store, which nobody may change; the file is as it was.",
            code="sink.read-only",
            hint="Take config.json out of programs.docker-cli in home-manager, or set DOCKER_CONFIG to a folder "
            "of yours.",
        )
