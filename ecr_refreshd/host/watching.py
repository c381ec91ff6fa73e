"""The watcher's own thread: the loop asks and goes on, whatever a folder does to whoever looks at it.

A `stat` on a network share that is gone does not return. What is known stays known meanwhile, events of other
folders still come, and `check` names the folder that does not answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ecr_refreshd.core.model import Complaint
from ecr_refreshd.host.watch import FolderWatcher

_ANSWERS_WITHIN = 20.0
"""Seconds, less than a tick: a round of looks takes milliseconds, or hangs."""


class Watching:
    """`core.ports.Watcher`: a `FolderWatcher` in a thread that takes a round of looks every half minute.

    It keeps that time itself: to be woken by the loop costs both of them more than to wake up alone.

    Args:
        changed: gets the path that changed, or the folder when it is not known which, in one of the watcher's
            threads; it must return at once. Each folder is told once when its watch begins, since what happened
            in it before was seen by nobody.
        every: seconds between two rounds.
    """

    def __init__(self, changed: Callable[[str], None], *, every: float = 30.0) -> None:
        self._every = every
        self._round_due = 0.0
        self._changed = changed
        self._inner = FolderWatcher(changed, self._mend_soon)
        self._mend = False
        self._asked = threading.Condition()
        self._folders: frozenset[str] = frozenset()
        self._placed: frozenset[str] = frozenset()
        self._stopping = False
        self._since: float | None = None
        self._complaints: tuple[Complaint, ...] = ()
        self._thread: threading.Thread | None = None

    def watch(self, folders: frozenset[str]) -> None:
        """Watch exactly these folders from now on; missing ones as soon as they appear. Returns at once."""
        with self._asked:
            self._folders = folders
            self._start()

    def check(self) -> tuple[Complaint, ...]:
        """Return what is degraded, as far as the newest round found out."""
        since = self._since
        hangs = 0.0 if since is None else time.monotonic() - since
        if hangs < _ANSWERS_WITHIN:
            return self._complaints
        where = self._inner.looking_at or "a folder"
        message = f"{where} has not answered for {int(hangs)} s; its disk or network share may hang."
        return (Complaint("watch.hangs", message), *self._complaints)

    @property
    def alive(self) -> bool:
        """Return whether the threads work; one that hangs is told by `check`, and no restart would help it."""
        return self._thread is None or (self._thread.is_alive() and self._inner.alive)

    def stop(self) -> None:
        """Stop; a look that hangs is not waited for."""
        with self._asked:
            self._stopping = True
            self._asked.notify()
        if self._thread is not None:
            self._thread.join(1.5)

    def _mend_soon(self) -> None:
        with self._asked:
            self._mend = True
            self._asked.notify()

    def _start(self) -> None:
        if self._thread is None and not self._stopping:
            self._thread = threading.Thread(target=self._run, name="watching", daemon=True)
            self._thread.start()
        self._asked.notify()

    def _run(self) -> None:
        while True:
            with self._asked:
                self._asked.wait_for(self._is_asked, max(0.0, self._round_due - time.monotonic()))
                folders, stopping = self._folders, self._stopping
                self._mend = False
                self._since = time.monotonic()
                check = folders != self._placed or self._since >= self._round_due
            if stopping:
                self._inner.stop()
                return
            fresh = folders - self._placed
            if folders != self._placed:
                self._inner.watch(folders)
                self._placed = folders
            if not self._stopping:
                for folder in sorted(fresh):
                    self._changed(folder)
                if check:
                    self._complaints = self._inner.check()
                    self._round_due = time.monotonic() + self._every
                else:
                    self._inner.mend()
            self._since = None

    def _is_asked(self) -> bool:
        return self._mend or self._stopping or self._folders != self._placed
