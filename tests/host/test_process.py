"""Signals and core dumps, in real processes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from tests.needs import need

SERVE = """
import queue, sys
from ecr_refreshd.host import process
messages = queue.SimpleQueue()
process.on_signals(stop=lambda: messages.put("stop"), reload=lambda: messages.put("reload"))
print("ready", flush=True)
while True:
    message = messages.get()
    print(message, flush=True)
    if message == "stop" and sys.argv[1] == "obedient":
        break
"""


def start(kind: str = "obedient", stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", SERVE, kind], stdin=stdin, stdout=subprocess.PIPE, text=True
    )
    assert line(child) == "ready\n"
    return child


def line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline()


HANG = """
import ctypes
from datetime import timedelta
from ecr_refreshd.host import process
mutex = ctypes.create_string_buffer(256)  # all zero is what PTHREAD_MUTEX_INITIALIZER is
def work():
    libc = ctypes.CDLL(None)
    libc.pthread_mutex_lock(mutex)
    print("ready", flush=True)
    return libc.pthread_mutex_lock(mutex)  # the second never returns
process.serve(work, stop=lambda: None, reload=lambda: None, patience=timedelta(milliseconds=200))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_term_and_int_end_it_in_peace(number: signal.Signals) -> None:
    child = start()
    child.send_signal(number)
    assert line(child) == "stop\n"
    assert child.wait(20) == 0
    child.communicate()


def test_hup_reloads_a_service_as_often_as_it_comes() -> None:
    child = start()
    for _ in range(3):
        child.send_signal(signal.SIGHUP)
        assert line(child) == "reload\n"
    child.terminate()
    child.communicate(timeout=20)


def test_hup_ends_it_when_its_terminal_goes() -> None:
    """A closed terminal window must not leave a service behind that nobody sees."""
    ours, theirs = pty.openpty()
    try:
        child = start(stdin=theirs)
        child.send_signal(signal.SIGHUP)
        assert line(child) == "stop\n"
        child.communicate(timeout=20)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_second_signal_ends_one_that_does_not_obey() -> None:
    child = start("stubborn")
    child.send_signal(signal.SIGINT)
    assert line(child) == "stop\n"
    child.send_signal(signal.SIGINT)
    assert child.wait(20) == -signal.SIGINT
    child.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="the mutex of the test is Linux's")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_that_hangs_in_a_system_call_ends_all_the_same(number: signal.Signals) -> None:
    """The end is bounded whatever hangs: the loop may look at a folder on a dead network share."""
    child = subprocess.Popen([sys.executable, "-c", HANG], stdout=subprocess.PIPE, text=True)
    try:
        assert line(child) == "ready\n"
        child.send_signal(number)
        assert child.wait(20) == 1
    finally:
        child.kill()
        child.communicate()


ELSEWHERE = """
import signal, sys, threading, time
from datetime import timedelta
from ecr_refreshd.host import process
asked = threading.Event()
def work():
    time.sleep(0.5)  # the main thread waits now
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    return 7 if asked.wait(10) else 1
sys.exit(process.serve(work, stop=asked.set, reload=int, patience=timedelta(seconds=5)))
"""


def test_a_signal_that_the_kernel_gives_to_another_thread_is_heard() -> None:
    """It wakes nobody by itself: seen as a service under load that outlived SIGTERM by more than ten seconds."""
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, check=False, timeout=20)
    assert done.returncode == 7, done.stderr


def test_work_that_hangs_for_good_ends_the_process_and_a_short_hang_does_not() -> None:
    """Clause 7 for launchd and containers, which have no watchdog: whoever restarts it must see it die."""
    code = (
        "import sys, time\n"
        "from datetime import timedelta\n"
        "from ecr_refreshd.host import process\n"
        "answers = iter(eval(sys.argv[1]))\n"
        "alert = process.Alertness(lambda: next(answers, False), timedelta(milliseconds=20))\n"
        "work = lambda: time.sleep(1) or 7\n"
        "sys.exit(process.serve(work, stop=int, reload=int, patience=timedelta(1), alertness=alert))\n"
    )
    for answers, outcome in (("[True, False, True]", 7), ("[True, True]", 1)):
        done = subprocess.run(
            [sys.executable, "-c", code, answers], capture_output=True, check=False, timeout=20
        )
        assert done.returncode == outcome, done.stderr


def test_what_the_work_returns_or_raises_comes_out_of_serving_it() -> None:
    """The exit code of a service that ends by itself, and the error that is shown to people."""
    code = (
        "from datetime import timedelta\n"
        "from ecr_refreshd.host import process\n"
        "def serve(work):\n"
        "    return process.serve(work, stop=int, reload=int, patience=timedelta(seconds=1))\n"
        "print(serve(lambda: 7))\n"
        "serve(lambda: {}['gone'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=20
    )
    assert done.stdout == "7\n"
    assert done.stderr.endswith("KeyError: 'gone'\n")


UNDUMPABLE = """
import os, resource, subprocess, sys
from ecr_refreshd.host import process
if len(sys.argv) > 1:
    os.setgid(65534); os.setuid(65534)
process.forbid_core_dumps()
print(resource.getrlimit(resource.RLIMIT_CORE))
print(os.stat("/proc/self/mem").st_uid)
print(bool(open("/proc/self/mountinfo").read()))
child = ["sh", "-c", "stat -c %u /proc/self/mem; ls /proc/self/fd >/dev/null && echo listed"]
print(subprocess.run(child, capture_output=True, text=True, check=True, timeout=20).stdout)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_memory_is_kept_from_the_users_other_processes_and_children_work() -> None:
    """What the service reads of itself (mountinfo), and its children, must not suffer."""
    need(os.geteuid() == 0, "only root can become another user")
    done = subprocess.run(
        [sys.executable, "-c", UNDUMPABLE, "as nobody"], capture_output=True, text=True, check=True
    )
    limit, owner, mountinfo, childs_owner, listed, *_ = done.stdout.splitlines()
    assert limit == "(0, 0)"
    assert owner == "0", "its memory belongs to root now"
    assert mountinfo == "True"
    assert (childs_owner, listed) == ("65534", "listed"), "children are as they always are"
