"""The lock that lets one service per user and state folder run, and nothing be stolen from it.

Commands take it too where no service runs. Its file says which of the two holds it: a command ends by itself and
is waited for, a service is not.

The file is never removed: after an unlink a second instance would lock a new file of the same name
(reliability.md 3.4). The kernel ends the lock with its holder, so a crash leaves nothing to clean up; the
descriptor is closed on exec, so no child can keep it alive.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from ecr_refreshd.core.remedies import ours
from ecr_refreshd.errors import LockHeldError, RefreshdError
from ecr_refreshd.host.clock import pause
from ecr_refreshd.host.places import private_folder
from ecr_refreshd.osutil import ownership

_LOOK_AGAIN = timedelta(milliseconds=100)
_SERVES = "serves"


class InstanceLock:
    """A lock in a folder, which is made if it is missing. Used in one thread.

    Args:
        folder: where its file lies.
        name: of the file; the default is the one lock of the service.
    """

    def __init__(self, folder: Path, name: str = "instance.lock") -> None:
        self._path = folder / name
        self._descriptor: int | None = None

    def acquire(
        self,
        wait: timedelta = timedelta(0),
        *,
        serving: bool = False,
        unless: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take the lock, waiting so long at most for a command that holds it to end.

        Args:
            wait: how long; nobody waits for a service.
            serving: the lock is for a service.
            unless: tells that the lock is of no use any more; asked between looks.

        Raises:
            LockHeldError: another instance holds it.
            RefreshdError: the file cannot be opened or locked.
        """
        private_folder(self._path.parent.parent)
        private_folder(self._path.parent)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            made = not self._path.exists()
            descriptor = os.open(self._path, flags, 0o600)
            if made:
                ownership.inherit(descriptor, str(self._path.parent))
        except OSError as exc:
            raise RefreshdError(f"{self._path}: the lock file cannot be opened: {exc.strerror}") from exc
        try:
            self._take(descriptor, wait, unless)
            with suppress(
                OSError
            ):  # the disk is full: the lock is held all the same, and that is what counts
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}{f' {_SERVES}' if serving else ''}\n".encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _take(self, descriptor: int, wait: timedelta, unless: Callable[[], bool]) -> None:
        end = time.monotonic() + wait.total_seconds()
        seen: LockHeldError | None = None
        while (held := self._held(descriptor)) is not None:
            # Seen twice: whoever has just taken it may not have put its own words in place of the last holder's.
            service = seen is not None and seen.serving and held.serving and seen.message == held.message
            if service or time.monotonic() >= end or unless():
                raise held
            seen = held
            pause(_LOOK_AGAIN)

    def _held(self, descriptor: int) -> LockHeldError | None:
        """Take the lock if it is free; else return who holds it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                raise RefreshdError(f"{self._path}: cannot be locked: {exc.strerror}") from exc
        else:
            return None
        pid, _, word = os.pread(descriptor, 32, 0).decode(errors="replace").strip().partition(" ")
        holder = f"process {pid}" if pid.isdecimal() else "another process"
        serving = word == _SERVES
        what = "ecr-refreshd is running already" if serving else "Another command of ecr-refreshd is at work"
        return LockHeldError(
            f"{what}: {holder} holds the lock {self._path}.", hint=ours.STATUS, serving=serving
        )

    def release(self) -> None:
        """Let the next one have it; nothing happens if it is not held."""
        if self._descriptor is None:
            return
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = None
