"""What this process does about signals, and what it keeps out of core dumps.

Rules: a signal handler only passes a message on, so nothing is interrupted half-way.
"""

from __future__ import annotations

import ctypes
import os
import queue
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import Self

_PR_SET_DUMPABLE = 4
_Said = tuple[int, BaseException | None] | None
"""What the work came to; None: it was asked to end."""


def on_signals(*, stop: Callable[[], None], reload: Callable[[], None]) -> None:
    """Call `stop` at SIGTERM and SIGINT, `reload` at SIGHUP; to be called in the main thread.

    A second SIGINT or SIGTERM ends the process where it is. SIGHUP with a terminal on stdin is that terminal's
    end, and so ours.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        stop()

    def hang_up(number: int, frame: FrameType | None) -> None:
        if attended:
            end(number, frame)
        else:
            reload()

    attended = sys.stdin is not None and sys.stdin.isatty()
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, hang_up)


@dataclass(frozen=True, slots=True)
class Alertness:
    """How work that hangs for good is noticed where no service manager's watchdog does: launchd, a container.

    Attributes:
        hangs: says whether the work has not come round for long; cheap, and true just after a suspend too.
        every: how often that is asked; twice in a row is the end. Suspend does not count.
    """

    hangs: Callable[[], bool]
    every: timedelta = timedelta(seconds=150)


def serve(
    work: Callable[[], int],
    *,
    stop: Callable[[], None],
    reload: Callable[[], None],
    patience: timedelta,
    alertness: Alertness | None = None,
) -> int:
    """Do the work in a thread of its own, while the main thread hears signals; return what the work returns.

    Whoever hangs in a system call (a look at a network share that is gone) hears nothing, and Python calls
    handlers in the main thread only: so that one does nothing else. To be called in it.

    Args:
        work: what is to be done; whatever it raises is raised here.
        stop: asks the work to end, see `on_signals`.
        reload: see `on_signals`.
        patience: for the work to end once it was asked to; then the process ends where it is, with exit code 1.
        alertness: ends the process, with exit code 1, when the work hangs; None trusts it.
    """
    with _Ear() as ear:

        def do() -> None:
            try:
                ear.tell((work(), None))
            except BaseException as error:  # noqa: BLE001 - it is raised in the main thread
                ear.tell((1, error))

        def end() -> None:
            stop()
            ear.tell(None)

        on_signals(stop=end, reload=reload)
        threading.Thread(target=do, name="loop", daemon=True).start()
        outcome = ear.next(None) if alertness is None else _watched(ear, alertness)
        if outcome is None:
            with suppress(queue.Empty):
                outcome = ear.next(patience)
    if outcome is None:
        os._exit(1)
    code, error = outcome
    if error is not None:
        raise error
    return code


class _Ear:
    """What the main thread waits at, for words and for signals; a context manager.

    A queue would not do: a signal may come just before the wait begins, or the kernel may give it to another
    thread; its handler then waits for the main thread to wake up, and nothing wakes it. A byte on a socket does:
    Python sends one with each signal, from whichever thread (`signal.set_wakeup_fd`).
    """

    def __init__(self) -> None:
        self._said: queue.SimpleQueue[_Said] = queue.SimpleQueue()
        self._hears, self._rings = socket.socketpair()
        self._rings.settimeout(0)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._rings.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        self._hears.close()
        self._rings.close()

    def tell(self, what: _Said) -> None:
        """Say something, in any thread or handler."""
        self._said.put(what)
        with suppress(OSError):  # full: it wakes up anyway; closed: nobody listens any more
            self._rings.send(b"\0")

    def next(self, within: timedelta | None) -> _Said:
        """Return what is said next; `queue.Empty` when that takes longer."""
        end = None if within is None else time.monotonic() + within.total_seconds()
        while self._said.empty():
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise queue.Empty
            self._hears.settimeout(left)
            with suppress(TimeoutError):
                self._hears.recv(4096)
        return self._said.get_nowait()


def _watched(ear: _Ear, alertness: Alertness) -> _Said:
    """Return what is said next, or end the process when the work has hung for two rounds."""
    hung = False
    while True:
        try:
            return ear.next(alertness.every)
        except queue.Empty:
            before, hung = hung, alertness.hangs()
        if before and hung:
            print("ecr-refreshd: the service no longer comes round; it ends.", file=sys.stderr, flush=True)
            os._exit(1)


def forbid_core_dumps() -> None:
    """Keep this process's memory, which holds tokens, out of core files and from other processes of the user.

    The limit is inherited by children. On Linux the process is undumpable too: then no debugger or profiler of
    the same user can attach, a crash leaves no trace with systemd-coredump, and most of its ``/proc/PID`` belongs
    to root, ``/proc/self/fd`` included. Children become dumpable again by exec.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
