"""The lock that keeps our own processes (the service, a command) from rewriting one real file at a time.

The lock file is never removed: after an unlink a second process would lock a new file of the same name.
"""

# A path is bytes here, as the system has it; pathlib takes text only.
# ruff: noqa: PTH103, PTH118
from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ecr_refreshd.errors import SinkContended
from ecr_refreshd.sinks.places import shown

_PATIENCE = 10.0
"""Seconds; a rewrite takes milliseconds, and two while somebody writes in place."""


@contextmanager
def locked(folder: str, real: bytes) -> Iterator[None]:
    """Hold the lock of a real file.

    Raises:
        SinkContended: another process of ours has held it for ten seconds.
        OSError: the lock folder cannot be used.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    name = hashlib.sha256(real).hexdigest()[:32] + ".lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(os.path.join(os.fsencode(folder), name.encode()), flags, 0o600)
    try:
        end = time.monotonic() + _PATIENCE
        while not _taken(descriptor):
            if time.monotonic() >= end:
                raise SinkContended(
                    f"Another ecr-refreshd process has been writing {shown(real)} for {_PATIENCE:.0f} s.",
                    code="sink.contended",
                )
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
