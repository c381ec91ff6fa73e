"""A file that is a mount of its own (``docker -v file:file``, a subPath): it can only be written in place.

In place is never whole for a reader in the middle of it, so as little as possible is done: room is made first
with blanks behind the document, which every reader passes over; then one write over what is there.
"""

from __future__ import annotations

import errno
import os

from ecr_refreshd.core.remedies import files as remedies
from ecr_refreshd.errors import SinkUnwritable
from ecr_refreshd.osutil import ownership
from ecr_refreshd.sinks import permissions
from ecr_refreshd.sinks.places import shown
from ecr_refreshd.sinks.stage import Snapshot, Stage, read_open, write_all


def refused_as_mount(refused: OSError) -> bool:
    """Tell whether a rename failed because the file is a mount."""
    return refused.errno in {errno.EBUSY, errno.EXDEV}


def overwrite(stage: Stage, before: Snapshot, wanted: bytes) -> bytes | None:
    """Write a new version over the old one; None if the file is no longer what was read.

    Raises:
        SinkUnwritable: the mount shows a file that no longer exists on the other side.
        OSError: the file cannot be written; what was there is still there.
    """
    real = stage.place.real
    _refuse_stale(real, before.stat)
    descriptor = os.open(real, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        now = read_open(descriptor, real)
        _refuse_stale(real, now.stat)
        if now.data != before.data:
            return None
        _narrow(stage, descriptor, now.stat, wanted)
        _make_room(descriptor, len(before.data), len(wanted))
        write_all(descriptor, wanted.ljust(len(before.data)), 0)
        os.ftruncate(descriptor, len(wanted))
        os.fsync(descriptor)
        if read_open(descriptor, real).data != wanted:
            return None
    finally:
        os.close(descriptor)
    stage.note(
        f"{shown(real)} is a mount of a single file, so it cannot be replaced at once: it is written in place, "
        "and a reader may catch it half written. Mount its folder instead."
    )
    return wanted


def _narrow(stage: Stage, descriptor: int, found: os.stat_result, wanted: bytes) -> None:
    """Take from a file's mode what a file with a token must not have, or refuse the file (promise 6)."""
    before = permissions.read(descriptor, found)
    after = stage.narrowed(before, wanted)
    if after == before:
        return
    try:
        permissions.give(descriptor, after)
    except PermissionError as exc:
        real = shown(stage.place.real)
        remedy = remedies.narrowed(ownership.of(stage.place.real), after.mode)
        raise SinkUnwritable(
            f"{real} may be read by others, and only its owner, {ownership.shown(found.st_uid)}, can change "
            "that; no token was written to it.",
            code="sink.owner",
            hint=remedy.hint,
            command=remedy.command,
        ) from exc


def _make_room(descriptor: int, old: int, new: int) -> None:
    """Extend a file with blanks down to the disk, or leave it as it was."""
    if new <= old:
        return
    try:
        write_all(descriptor, b" " * (new - old), old)
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, old)
        raise


def _refuse_stale(real: bytes, found: os.stat_result) -> None:
    if found.st_nlink == 0:
        raise SinkUnwritable(
            f"{shown(real)} is a mount of a file that has been replaced on the other side; what is written here "
            "reaches nobody, so nothing was written.",
            code="sink.stale-mount",
            hint="Restart the container, and mount the folder instead of the file.",
        )
