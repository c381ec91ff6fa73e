"""The short-lived process that asks AWS: ``python -I -m ecr_refreshd.aws.child FD``.

Rules: it answers on the socket FD, one frame per grant as soon as it is known, and prints and logs nothing; it
ends by its own alarm, and when the service does; but not between a refresh of somebody's login and the writing of
it (DESIGN 5, "The AWS child").
"""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from ecr_refreshd.aws.asker import Asker
from ecr_refreshd.aws.circumstances import look
from ecr_refreshd.aws.classify import classify
from ecr_refreshd.aws.frames import (
    AT_ONCE,
    Ask,
    Begin,
    Broken,
    Failed,
    Lines,
    Refused,
    Said,
    Started,
    Waits,
    frame_of,
    line,
    read_request,
)
from ecr_refreshd.core.model import Category, Failure, Grant
from ecr_refreshd.core.process_starts import FAILS_AT_ONCE
from ecr_refreshd.core.remedies import aws as remedies

if TYPE_CHECKING:
    from ecr_refreshd.aws.refreshing import Refreshes
    from ecr_refreshd.aws.sessions import Access, Sessions

GRACE = 3.0
"""Seconds that the refresh of a login may still take when this process is to end."""
_MEMORY = 512 << 20
"""Bytes. Forty are used; whoever answers without end shall not take the machine's."""
_PR_SET_DUMPABLE = 4  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class _Task:
    run: Callable[[], None]
    lane: str = ""


@dataclass(slots=True, eq=False)
class Tasks:
    """A handful of threads, and what they are to do; no two things of one lane are begun at once."""

    _waiting: deque[_Task] = field(default_factory=deque)
    _lanes: set[str] = field(default_factory=set)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _threads: int = 0
    _idle: int = 0

    def put(self, run: Callable[[], None], lane: str = "", *, first: bool = False) -> None:
        """Have `run` run; with a lane, when the lane is left by whoever is in it."""
        with self._changed:
            (self._waiting.appendleft if first else self._waiting.append)(_Task(run, lane))
            self._begin()
            self._changed.notify()

    def leave(self, lane: str) -> None:
        """Let the next one into a lane."""
        with self._changed:
            self._lanes.discard(lane)
            self._changed.notify_all()

    def step_out(self) -> None:
        """Let another thread work while the caller's waits for a program."""
        with self._changed:
            self._threads -= 1
            self._begin()

    def step_in(self) -> None:
        """Count the caller's thread among those that work again."""
        with self._changed:
            self._threads += 1

    def _begin(self) -> None:
        """Have a thread more, if there is something for it to do."""
        if self._idle < len(self._waiting) and self._threads < AT_ONCE:
            self._threads += 1
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            self._take().run()

    def _take(self) -> _Task:
        with self._changed:
            self._idle += 1
            while True:
                for task in self._waiting:
                    if task.lane not in self._lanes:
                        self._waiting.remove(task)
                        self._lanes.update({task.lane} - {""})
                        self._idle -= 1
                        return task
                self._changed.wait()


@dataclass(slots=True)
class _Lane:
    """A lane that somebody is in. It is left once: then it may be another's."""

    tasks: Tasks
    name: str
    left: bool = False

    def leave(self) -> None:
        """Let the next one in, unless that has been done."""
        if not self.left:
            self.left = True
            self.tasks.leave(self.name)


class Child:
    """Everything between requests and answers."""

    def __init__(self, say: Callable[[Said], None], sessions: Sessions) -> None:
        self._say = say
        self._sessions = sessions
        self._tasks = Tasks()

    def take(self, ask: Ask) -> None:
        """Answer every grant of a principal, in other threads."""
        asked_at = time.monotonic()
        self._tasks.put(lambda: self._ask(ask, asked_at), ask.standing.lane)

    def _ask(self, ask: Ask, asked_at: float) -> None:
        from ecr_refreshd.aws.programs import here  # noqa: PLC0415 - botocore, which `main` loads

        numbers = tuple(ask.grants)
        lane = _Lane(self._tasks, ask.standing.lane)
        self._say(Started(numbers))
        here.ran, here.took, here.asked_at = False, 0.0, asked_at
        here.metadata = {}
        here.process_timeout, here.supplied = ask.process_timeout, ask.supplied
        here.running = partial(self._running, numbers)
        here.tell = self._say
        here.step_out, here.step_in = self._tasks.step_out, self._tasks.step_in
        try:
            access = self._sessions.access(ask, lane.leave)
        except Exception as error:  # noqa: BLE001 - KeyError, EOFError, OSError, RuntimeError: all real (aws.md 2.5)
            about = {"ran_program": here.ran, "metadata": here.metadata, **look(error, ask.principal.profile)}
            for number, grant in ask.grants.items():
                failure = classify(error, _asker(ask, grant, **about))
                self._say(Failed(number, _after(here.took, failure)))
            return
        finally:
            lane.leave()
        took = here.took
        first, *others = ask.grants.items()
        for number, grant in others:
            self._tasks.put(partial(self._later, number, grant, ask, access, took), first=True)
        self._call(*first, ask, access, took)

    def _running(self, numbers: tuple[int, ...], what: str, seconds: float) -> None:
        """Say that a program runs for these grants, or ("") has ended."""
        self._say(Waits(numbers, what, seconds) if what else Started(numbers))

    def _later(self, number: int, grant: Grant, ask: Ask, access: Access, took: float) -> None:
        self._say(Started((number,)))
        self._call(number, grant, ask, access, took)

    def _call(self, number: int, grant: Grant, ask: Ask, access: Access, took: float) -> None:
        try:
            self._say(self._sessions.token(number, grant, access))
        except Exception as error:  # noqa: BLE001 - as above
            about = {"method": access.method, **look(error, ask.principal.profile)}
            failure = classify(error, _asker(ask, grant, **about))
            self._say(Failed(number, _after(took, failure)))


def _after(took: float, failure: Failure) -> Failure:
    """Return a failure as one of a grant whose program ran for so long (seconds)."""
    waited = took > FAILS_AT_ONCE.total_seconds()
    return replace(failure, awaits_person=True) if waited else failure


def _asker(ask: Ask, grant: Grant, **more: object) -> Asker:
    return Asker(ask.principal, ask.standing, grant.service, grant.region, **more)  # type: ignore[arg-type] # by name


class Wire:
    """The child's end of the socket."""

    def __init__(self, descriptor: int) -> None:
        # Else a credential_process, and whatever it leaves behind, would hold our end open.
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - its only argument
        self._socket = socket.socket(fileno=descriptor)
        self._guard = threading.Lock()

    def requests(self) -> Iterator[Begin | Ask | None]:
        """Yield what is asked, until the service closes its end."""
        lines = Lines()
        while data := self._socket.recv(65536):
            for frame in lines.feed(data):
                yield read_request(frame)

    def say(self, said: Said) -> None:
        """Send a frame; if nobody listens any more, the main thread will see that too."""
        with self._guard, suppress(OSError):
            self._socket.sendall(line(frame_of(said)))


def harden() -> None:
    """Leave no core file, let nobody of the same user read this memory, bound it, and heed signals."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGALRM})  # masks are inherited
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = _MEMORY if hard == resource.RLIM_INFINITY else min(_MEMORY, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    if sys.platform == "linux":
        # A core size of 0 does not stop a core handler that is a program, as systemd's is (core(5)).
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    logging.disable()


def _load() -> tuple[type[Sessions], type[Refreshes]]:
    """Import boto3: a fifth of a second that nobody else pays."""
    from ecr_refreshd.aws import cli_login, metadata, programs  # noqa: PLC0415 - see above
    from ecr_refreshd.aws.refreshing import Refreshes  # noqa: PLC0415 - see above
    from ecr_refreshd.aws.sessions import Sessions  # noqa: PLC0415 - see above

    programs.install()
    metadata.install()
    cli_login.install()
    return Sessions, Refreshes


def serve(wire: Wire) -> None:
    """Do what is asked until there is nothing more to be asked, or nobody."""
    try:
        sessions, refreshes = _load()
    except Exception as error:  # noqa: BLE001 - an installation can be broken in any way
        what = f"The process that asks AWS does not start: {type(error).__name__}: {error}."
        helps = remedies.reinstall()
        wire.say(Broken(Failure(Category.CONFIG, "child.broken", what, helps.hint, command=helps.command)))
        return
    _be_silent()
    requests = wire.requests()
    begin = next(requests, None)
    if not isinstance(begin, Begin):
        return
    signal.alarm(begin.alarm)
    refreshing = refreshes(begin.refused, lambda fingerprint: wire.say(Refused(fingerprint)))
    signal.signal(signal.SIGTERM, lambda *_: _leave(refreshing))
    signal.signal(signal.SIGALRM, lambda *_: _leave(refreshing))
    child = Child(wire.say, sessions(refreshing))
    for request in requests:
        if not isinstance(request, Ask):
            _end_programs()
            return
        child.take(request)
    # The service is gone. Nobody else will end a program that hangs, so it goes along with this process group.
    _end_programs()
    refreshing.settle(GRACE)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)


def _be_silent() -> None:
    """Print nothing from now on: until here, stderr told why this process could not be loaded."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _end_programs() -> None:
    from ecr_refreshd.aws import programs  # noqa: PLC0415 - botocore, which `_load` has loaded

    programs.end_all()


def _leave(refreshing: Refreshes) -> None:
    _end_programs()
    refreshing.settle(GRACE)
    os._exit(0)


def main() -> None:
    """Run as a program."""
    harden()
    serve(Wire(int(sys.argv[1])))
    os._exit(0)  # threads that still wait for somebody's program keep nobody waiting


if __name__ == "__main__":
    main()
