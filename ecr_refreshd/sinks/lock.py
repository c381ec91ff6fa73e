"""The lock that keeps our own processes (the service, a command) from rewriting one real file at a time.

The lock file is never removed: after an unlink a second process would lock a new file of the same name.
"""

# A path is bytes here, as the system has it; pathlib takes text only.
# ruff: noqa: PTH103, PTH118
from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ecr_refreshd.errors import SinkContended, SinkUnwritable
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
        os.makedirs(folder, mode=0o700, exist_ok=True)
        return os.open(
            os.path.join(folder, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
    except OSError as exc:
        raise SinkUnwritable(
            f"{shown(real)} was not written, because its lock cannot be taken in {shown(os.fsencode(folder))}: "
            f"{os.strerror(exc.errno or 0)}.",
            code="sink.lock",
            hint=f"ls -ld {shown(os.fsencode(folder))}",
        ) from exc


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
