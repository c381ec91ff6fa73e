"""The herald: passes notices on to every channel, each in its own thread, and says what did not get through.

Rules: a channel that hangs delays no other; of one notice, what happened to it reaches each channel in order.
What has not begun when the service ends is dropped, for the next run still knows what stands.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ecr_refreshd.core.events import Event, HookRan, NoticeTold, SignInStarted
from ecr_refreshd.core.model import Notice
from ecr_refreshd.core.report import told
from ecr_refreshd.core.settings import Hooks, Notify
from ecr_refreshd.notify import mac, signin, webhook
from ecr_refreshd.notify.desktop import Desktop
from ecr_refreshd.notify.programs import Programs

Post = Callable[[Event], None]
_ENDS_WITHIN = 0.5
"""Seconds for all channels together, once their programs have been killed."""
_MOST_WAITING = 100
"""Tellings that one channel may be behind with; more are not delivered, and that is said."""


@dataclass(slots=True)
class _Telling:
    """One thing to tell, on its way through the channels."""

    event: str
    notice: Notice
    awaited: int
    problems: list[str] = field(default_factory=list)


class Herald:
    """`core.ports.Herald`.

    Args:
        post: is given what became of each telling, in threads of the herald's.
        environ: the environment of the programs that are run.
    """

    def __init__(self, post: Post, environ: Mapping[str, str]) -> None:
        self._post = post
        self._environ = environ
        self._guard = threading.Lock()
        self._notify = Notify()
        self._hooks = Hooks()
        self._programs = Programs(environ)
        darwin = sys.platform == "darwin"
        self._screen = mac.Screen(self._programs) if darwin else Desktop(self._programs, environ, post)
        self._lines = {name: _Line(name) for name in ("desktop", "command", "webhook", "hook", "sign-in")}

    def configure(self, notify: Notify, hooks: Hooks) -> None:
        """Use these settings from now on."""
        self._notify, self._hooks = notify, hooks

    def tell(self, event: str, notice: Notice, place: str = "") -> None:
        """Pass on that a notice is ``raised``, ``reminded`` of or ``withdrawn``; returns at once."""
        channels = self._channels(event, notice, place)
        telling = _Telling(event, notice, len(channels))
        if not channels:
            self._post(NoticeTold(notice.key, event))
        for name, deliver in channels.items():
            refused = self._lines[name].put(partial(self._deliver, telling, deliver))
            if refused:
                self._told(telling, f"A notice could not be given to {name}: {refused}.")

    def _channels(self, event: str, notice: Notice, place: str) -> dict[str, Callable[[], str]]:
        """Return how to deliver this by each channel that is switched on."""
        notify, programs = self._notify, self._programs
        line = json.dumps({**told(notice), "event": event}) + "\n"  # as in `status --json`, and what happened
        channels: dict[str, Callable[[], str]] = {}
        if notify.desktop:
            channels["desktop"] = partial(self._screen.show, event, notice, place)
        if notify.command:
            channels["command"] = partial(programs.run, notify.command, line, name="notify.command")
        if notify.webhook is not None:
            channels["webhook"] = partial(webhook.post, programs, notify.webhook, line)
        return channels

    def _deliver(self, telling: _Telling, deliver: Callable[[], str]) -> None:
        self._told(telling, _problem(deliver, "a notice was delivered"))

    def _told(self, telling: _Telling, problem: str) -> None:
        with self._guard:
            telling.awaited -= 1
            if problem:
                telling.problems.append(problem)
            if telling.awaited:
                return
        key = telling.notice.key
        self._post(NoticeTold(key, telling.event, tuple(sorted(telling.problems)), self._screen.place(key)))

    def renewed(self, document: Mapping[str, Any]) -> None:
        """Give this to the program that wants to know of renewals; returns at once."""
        argv = self._hooks.on_renewed
        if argv:
            text = json.dumps(document) + "\n"
            run = partial(self._programs.run, argv, text, name="hooks.on_renewed")
            refused = self._lines["hook"].put(
                lambda: self._post(HookRan(_problem(run, "hooks.on_renewed ran")))
            )
            if refused:
                self._post(HookRan(f"A renewal could not be told to hooks.on_renewed: {refused}."))

    def sign_in(self, command: str, refreshes: Sequence[str] = ()) -> None:
        """Start a sign-in outside of this service, and a refresh when it has ended; returns at once."""
        start = partial(signin.start, self._programs, command, self._environ, refreshes)
        refused = self._lines["sign-in"].put(
            lambda: self._post(SignInStarted(_problem(start, "a sign-in was started")))
        )
        if refused:
            self._post(SignInStarted(f"A sign-in could not be started: {refused}."))

    def finish(self, seconds: float) -> None:
        """Wait until everything has been told, for so long at most."""
        end = time.monotonic() + seconds
        for line in self._lines.values():
            line.finish(end - time.monotonic())

    def stop(self) -> None:
        """End what is under way, in about a second."""
        for line in self._lines.values():
            line.stop()
        self._programs.stop()
        end = time.monotonic() + _ENDS_WITHIN
        for line in self._lines.values():
            line.join(max(0.0, end - time.monotonic()))


def _problem(do: Callable[[], str], what: str) -> str:
    """Do something that says why it did not go well; a bug in one channel must not silence it for good."""
    try:
        return do()
    except Exception as error:  # noqa: BLE001 - see above
        return f"An unforeseen error ({type(error).__name__}) while {what}."


class _Line:
    """What one channel has to do, one after another, in a thread that is there once there is something."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._stopping = False

    def put(self, work: Callable[[], None]) -> str:
        """Have something done; return why it will not be, "" if it will."""
        if self._stopping:
            return ""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=f"notify {self._name}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no more threads just now
                return "no thread could be started for it"
            self._thread = thread
        try:
            self._work.put_nowait(work)
        except queue.Full:
            return "too much is waiting for it already"
        return ""

    def finish(self, seconds: float) -> None:
        """Wait for what has been put, for so long at most."""
        if self._thread is not None and not self._stopping:
            done = threading.Event()
            if not self.put(done.set):
                done.wait(max(0.0, seconds))

    def stop(self) -> None:
        """Do nothing more after what is under way."""
        self._stopping = True
        try:
            while True:
                self._work.get_nowait()
        except queue.Empty:
            self._work.put_nowait(None)

    def join(self, seconds: float) -> None:
        """Wait for what is under way."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
