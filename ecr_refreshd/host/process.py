"""What this process does about signals, and what it keeps out of core dumps.

Rules: a signal handler only passes a message on, so nothing is interrupted half-way.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from types import FrameType

from ecr_refreshd.host.clock import pause

_PR_SET_DUMPABLE = 4


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


def end_in_time(patience: timedelta) -> None:
    """End this process so long after SIGTERM or SIGINT at the latest; to be called in the main thread.

    A main thread that hangs in a system call (a network share, a pipe nobody reads) runs no handler of Python's.
    What the interpreter writes at once is a byte to a descriptor, so a thread waits there, and sleeps until then.
    """
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    signal.set_wakeup_fd(mouth.detach(), warn_on_full_buffer=False)

    def wait() -> None:
        while not {signal.SIGTERM, signal.SIGINT}.intersection(ear.recv(64)):
            pass
        pause(patience)
        os._exit(1)

    threading.Thread(target=wait, name="end", daemon=True).start()


def forbid_core_dumps() -> None:
    """Keep this process's memory, which holds tokens, out of core files and from other processes of the user.

    The limit is inherited by children. On Linux the process is undumpable too: then no debugger or profiler of
    the same user can attach, a crash leaves no trace with systemd-coredump, and most of its ``/proc/PID`` belongs
    to root, ``/proc/self/fd`` included. Children become dumpable again by exec.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
