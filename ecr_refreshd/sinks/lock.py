"""The lock that keeps our own processes (the service, a command) from rewriting one real file at a time.

The lock file is never removed: after an unlink a second process would lock a new file of the same name.
"""

# A path is bytes here, as the system has it; pathlib takes text only.
# ruff: noqa: PTH118
from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ecr_refreshd.core.remedies import service as remedies
from ecr_refreshd.errors import SinkContended, SinkUnwritable
from ecr_refreshd.osutil import ownership
from ecr_refreshd.sinks.places import shown
from ecr_refreshd.sinks.waits import attempts

_PATIENCE = 10.0
"""Seconds; a rewrite takes milliseconds, and two while somebody writes in place."""


@contextmanager
def locked(folder: str, real: bytes, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold the lock of a real file.

    Raises:
        SinkContended: another process of ours has held it for so many seconds.
        SinkUnwritable: the lock folder cannot be used.
    """
    descriptor = _opened(folder, hashlib.sha256(real).hexdigest()[:32] + ".lock", real)
    try:
        if not any(_taken(descriptor) for _ in attempts(patience, every=0.01)):
            raise SinkContended(
                f"Another ecr-refreshd process has been writing {shown(real)} for {patience:.0f} s.",
                code="sink.contended",
            )
        yield
    finally:
        os.close(descriptor)


def _opened(folder: str, name: str, real: bytes) -> int:
    try:
        ownership.make_folders(folder)
        path = os.path.join(folder, name)
        is_new = not os.path.lexists(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        if is_new:
            ownership.inherit(descriptor, folder)
    except OSError as exc:
        remedy = remedies.folder_refuses(ownership.deepest(folder), exc.errno or 0)
        raise SinkUnwritable(
            f"{shown(real)} was not written, because its lock cannot be taken in {shown(os.fsencode(folder))}: "
            f"{os.strerror(exc.errno or 0)}.",
            code="sink.lock",
            hint=remedy.hint,
            command=remedy.command,
        ) from exc
    return descriptor


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
