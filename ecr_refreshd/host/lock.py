"""The lock that lets one service per user and state folder run, and nothing be stolen from it.

The file is never removed: after an unlink a second instance would lock a new file of the same name
(reliability.md 3.4). The kernel ends the lock with its holder, so a crash leaves nothing to clean up; the
descriptor is closed on exec, so no child can keep it alive.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from datetime import timedelta
from pathlib import Path

from ecr_refreshd.errors import LockHeldError, RefreshdError
from ecr_refreshd.host.clock import pause
from ecr_refreshd.host.places import private_folder

_LOOK_AGAIN = timedelta(milliseconds=100)


class InstanceLock:
    """A lock in a folder, which is made if it is missing. Used in one thread.

    Args:
        folder: where its file lies.
        name: of the file; the default is the one lock of the service.
    """

    def __init__(self, folder: Path, name: str = "instance.lock") -> None:
        self._path = folder / name
        self._descriptor: int | None = None

    def acquire(self, wait: timedelta = timedelta(0)) -> None:
        """Take the lock, waiting so long at most for its holder to end.

        Raises:
            LockHeldError: another instance holds it.
            RefreshdError: the file cannot be opened or locked.
        """
        private_folder(self._path.parent.parent)
        private_folder(self._path.parent)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._path, flags, 0o600)
        except OSError as exc:
            raise RefreshdError(f"{self._path}: the lock file cannot be opened: {exc.strerror}") from exc
        try:
            self._take(descriptor, wait)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _take(self, descriptor: int, wait: timedelta) -> None:
        end = time.monotonic() + wait.total_seconds()
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                if exc.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                    raise RefreshdError(f"{self._path}: cannot be locked: {exc.strerror}") from exc
                if time.monotonic() >= end:
                    raise self._held(descriptor) from exc
            else:
                return
            pause(_LOOK_AGAIN)

    def _held(self, descriptor: int) -> LockHeldError:
        pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        holder = f"process {pid}" if pid.isdecimal() else "another process"
        return LockHeldError(
            f"ecr-refreshd is running already: {holder} holds the lock {self._path}.",
            hint="ecr-refreshd status",
        )

    def release(self) -> None:
        """Let the next one have it; nothing happens if it is not held."""
        if self._descriptor is None:
            return
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = None
