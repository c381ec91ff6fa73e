"""What the system says when a file cannot be written, told as cause and remedy.

The one border where OSError and JsonError become errors for people.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.core.remedies import Remedy, files
from ecr_refreshd.errors import SinkUnparsable, SinkUnwritable
from ecr_refreshd.osutil import docker_config, ownership
from ecr_refreshd.sinks.obstacles import obstacle
from ecr_refreshd.sinks.places import Place, shown

# errno -> code, what happened.
_CAUSES = {
    errno.ENOSPC: ("sink.full", "the disk is full"),
    errno.EDQUOT: ("sink.full", "your disk quota is used up"),
    errno.EROFS: ("sink.read-only", "it lies on a read-only file system"),
    errno.EACCES: ("sink.permission", "there is no permission to write in its folder"),
    errno.EPERM: ("sink.permission", "the system does not permit it (an immutable file, or a sticky folder)"),
    errno.EIO: ("sink.io", "the disk reported an error"),
    errno.ENOENT: ("sink.no-folder", "its folder does not exist"),
}


@contextmanager
def converted(place: Place) -> Iterator[None]:
    """Turn what goes wrong inside into errors for people.

    Raises:
        SinkUnparsable: for a JsonError.
        SinkUnwritable: for an OSError.
    """
    wrong = docker_config.fault(shown(place.path))
    if wrong is not None:
        raise _unwritable(wrong[0], "sink.docker-config", wrong[1])
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
        raise _refused(place, exc.errno or 0) from exc


def _refused(place: Place, number: int) -> SinkUnwritable:
    path, folder = shown(place.real), shown(place.folder)
    found = obstacle(place) if number not in {errno.ENOSPC, errno.EDQUOT, errno.EIO} else None
    if found is not None:
        return _unwritable(found.what, found.code, found.remedy)
    code, what = _CAUSES.get(number, ("sink.unwritable", os.strerror(number)))
    remedy = files.disk(number, folder)
    if remedy is None and number == errno.ENOENT:
        remedy = files.no_folder(folder)
    elif remedy is None and number == errno.EROFS:
        remedy = files.read_only(ownership.of(place.folder))
    elif remedy is None:
        remedy = files.unexplained([folder, path], number)
    return _unwritable(f"{path} could not be written: {what}. The old file is intact.", code, remedy)


def _unwritable(message: str, code: str, remedy: Remedy) -> SinkUnwritable:
    return SinkUnwritable(message, code=code, hint=remedy.hint, command=remedy.command)


def unsynced(place: Place, refused: OSError) -> SinkUnwritable:
    """Return the error for a file that was replaced, where the disk did not confirm it."""
    return _unwritable(
        f"{shown(place.real)} was written, but the disk did not confirm it "
        f"({os.strerror(refused.errno or 0)}); after a power cut the old file may stand there again.",
        "sink.io",
        files.disk(errno.EIO, "") or Remedy(),
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
