"""The loop: one thread owns the state; everything else only puts events on its queue.

A turn absorbs what came in, settles what is to be done, and hands it to workers, whose results come back as
events. `turn` and `tick` take no time of their own, so weeks can be lived through in a test; `run` only waits.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any

from ecr_refreshd.core import machine, memory, narrate, report, settle
from ecr_refreshd.core.events import CredentialsChanged, Event, RefreshAsked, Ticked
from ecr_refreshd.core.model import Instant
from ecr_refreshd.core.ports import Lane, Parts
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.core.state import Plan, State
from ecr_refreshd.core.wishes import Wishes
from ecr_refreshd.errors import ConfigError

TICK = timedelta(seconds=30)
_LOOK_ANYWAY = 10
"""Ticks. What a file means also hangs on the world around it: a keychain may have been installed."""
_BEATS_MISSED = 3
"""APScheduler's thread can die while its scheduler still says it runs (reliability.md 1.3)."""
_AWS_SETTLES = timedelta(milliseconds=200)
"""The AWS CLI truncates its files before it writes them; read in between they are half a file (aws.md 1.1)."""
_SAVE_PAUSE = timedelta(seconds=1)
_TURN_AT_MOST = 1000
_LANES_END = timedelta(seconds=1)
_ONCE_AT_MOST = timedelta(seconds=150)


@dataclass(frozen=True, slots=True)
class _Changed:
    path: str


@dataclass(frozen=True, slots=True)
class _Reload:
    pass


@dataclass(frozen=True, slots=True)
class _Stop:
    code: int = 0


@dataclass(slots=True, eq=False)
class Wait:
    """Somebody who waits until these hosts (all, if none is named) are settled, after a refresh if so wished.

    Attributes:
        unknown: hosts that no registry has; then nothing was refreshed and nothing is waited for.
    """

    hosts: frozenset[str] = frozenset()
    refresh: bool = False
    asked: bool = False
    unknown: tuple[str, ...] = ()
    done: threading.Event = field(default_factory=threading.Event)


Message = Event | _Changed | _Reload | _Stop | Wait


class Service:
    """The daemon: `run` it in one thread, talk to it from any by `document`, `wait`, `reload` and `stop`.

    Attributes:
        tick_due: suspend-counting time of the next tick.
    """

    def __init__(
        self, parts: Parts, settings: Settings, remembered: Mapping[str, Any], *, version: str, seed: str
    ) -> None:
        self._parts = parts
        self._version = version
        self._wishes = Wishes(
            settings,
            parts.aws.profiles(),
            parts.regions,
            memory.adopted(remembered),
            memory.seed(remembered) or seed,
        )
        # SimpleQueue: a signal handler may put while this very thread is inside get.
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        now = parts.clock.now()
        self._started = now.wall
        self._state = memory.recall(remembered, now)
        self._digest = parts.aws.digest()
        self._plan = Plan()
        self._lanes: dict[str, Lane] = {}
        self._waiters: list[Wait] = []
        self._degraded: tuple[str, ...] = ()
        self._watched: frozenset[str] = frozenset()
        self._aws_check_at: timedelta | None = None
        self._save_at: timedelta | None = None
        self._saved_at = now.boot - _SAVE_PAUSE
        self.tick_due = now.boot
        self._ticks = 0
        self._alarm_at: datetime | None = None
        self._exit: int | None = None
        self._alarms = parts.alarms(lambda: self._queue.put(Ticked()))
        self._fetcher = parts.fetcher(self._queue.put)
        self._watcher = parts.watcher(lambda path: self._queue.put(_Changed(path)))

    # -- from any thread ------------------------------------------------------------------------------------

    def stop(self, code: int = 0) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._queue.put(_Stop(code))

    def reload(self) -> None:
        """Ask the loop to read its configuration again; safe in a signal handler."""
        self._queue.put(_Reload())

    def document(self) -> report.Document:
        """Return the status document. State and plan are frozen, so any thread may read them."""
        about = report.About(os.getpid(), self._version, self._started, self._degraded)
        return report.document(self._state, self._plan, self._parts.clock.now(), about)

    def wait(self, wait: Wait, timeout: float) -> bool:
        """Wait until somebody's hosts are settled; False if that takes longer than `timeout` seconds."""
        self._queue.put(wait)
        return wait.done.wait(timeout)

    # -- the loop's own thread ------------------------------------------------------------------------------

    def run(self, until: Wait | None = None) -> int:
        """Serve until stopped, or until somebody's hosts are settled; returns the exit code."""
        deadline = self._parts.clock.now().boot + _ONCE_AT_MOST
        self.begin()
        if until is not None:
            self._queue.put(until)
        try:
            while self._exit is None:
                self.turn(self._wait())
                if until is not None and (until.done.is_set() or self._parts.clock.now().boot > deadline):
                    break
        finally:
            self._end()
        return self._exit or 0

    def begin(self) -> None:
        """Start the workers and look at everything once."""
        self._alarms.start()
        self._replan()
        self._parts.supervise("READY=1")

    def _wait(self) -> list[Message]:
        remaining = (self.tick_due - self._parts.clock.now().boot).total_seconds()
        try:
            first = [self._queue.get(timeout=remaining)] if remaining > 0 else []
        except queue.Empty:
            first = []
        return first + self.drain()

    def drain(self) -> list[Message]:
        """Return what waits in the queue now, so that a burst is settled in one turn."""
        items: list[Message] = []
        try:
            while len(items) < _TURN_AT_MOST:
                items.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return items

    def turn(self, items: Sequence[Message]) -> None:
        """Take in what came, decide, and set the workers on it."""
        now = self._parts.clock.now()
        if now.boot >= self.tick_due:
            self.tick_due = now.boot + TICK
            self._tick()
        events = [event for item in items for event in self._take(item)]
        events.extend(self._check_aws(now.boot))
        if any(isinstance(event, Ticked) for event in events):
            self._alarm_at = None  # it has rung
        if self._wishes.learn(events):
            self._replan()
        before = self._state
        for event in events:
            self._state = machine.absorb(self._state, event, now, self._plan)
        self._state, decisions = machine.step(self._state, Ticked(), now, self._plan)
        for decision in decisions:
            match decision:
                case settle.Fetch(orders):
                    self._fetcher.fetch(orders)
                case settle.Write(path, serial, tokens):
                    self._lanes[path].write(serial, tokens)
        self._after(before, now)

    def _take(self, item: Message) -> list[Event]:
        match item:
            case _Changed(path):
                self._look_where(path)
            case _Reload():
                return self._reload()
            case _Stop(code):
                self._exit = code
            case Wait():
                self._waiters.append(item)
            case event:
                return [event]
        return []

    def _tick(self) -> None:
        """Do what no event is needed for; a lost event costs one of these at most.

        The watcher's check finds by stat what it was not told of. A file is looked at regardless where that is in
        doubt, or where something may have mended by itself, and now and then in any case.
        """
        self._degraded = self._watcher.check()
        self._ticks += 1
        for path, lane in self._lanes.items():
            sink = self._state.sink(path)
            if self._degraded or sink.view is None or sink.failure or self._ticks % _LOOK_ANYWAY == 0:
                lane.look()
        self._aws_check_at = timedelta(0)
        if self._alarms.beat() > TICK * _BEATS_MISSED:
            self._parts.log.error(
                "alarms.died", message="The alarm clock's thread is dead; the service ends."
            )
            self._exit = 1
            return
        if all(lane.alive for lane in self._lanes.values()):
            self._parts.supervise("WATCHDOG=1")

    def _look_where(self, path: str) -> None:
        folder = str(PurePath(path).parent)
        for lane in self._lanes.values():
            if path in lane.folders or folder in lane.folders:
                lane.look(again=True)
        aws = self._parts.aws.folders()
        if self._aws_check_at is None and (path in aws or folder in aws):
            self._aws_check_at = self._parts.clock.now().boot + _AWS_SETTLES

    def _check_aws(self, boot: timedelta) -> list[Event]:
        """Return an event if the AWS files say something else than before; their being touched says nothing."""
        if self._aws_check_at is None or boot < self._aws_check_at:
            return []
        self._aws_check_at = None
        digest = self._parts.aws.digest()
        if digest == self._digest:
            return []
        self._read_aws(digest)
        return [CredentialsChanged()]

    def _read_aws(self, digest: str) -> None:
        self._digest = digest
        self._wishes.reread(self._parts.aws.profiles())
        self._replan()

    def _reload(self) -> list[Event]:
        self._parts.supervise("RELOADING=1")
        taken = self._take_settings()
        self._parts.supervise("READY=1")
        # They also say where the AWS files are and how AWS is reached: what failed may work now (DESIGN 5).
        return [CredentialsChanged()] if taken else []

    def _take_settings(self) -> bool:
        try:
            self._wishes.settings = self._parts.reload()
        except ConfigError as error:
            self._parts.log.warning(
                "config.refused", message=error.message, hint="The old settings stay in force."
            )
            return False
        self._parts.log.info("config.reloaded")
        for path in list(self._lanes):
            self._lanes.pop(path).stop()  # the settings also say how a file is written
        self._read_aws(self._parts.aws.digest())
        return True

    def _replan(self) -> None:
        self._plan = self._wishes.plan(self._parts.files(self._wishes.settings))
        wanted = {file.path for file in self._plan.files}
        for path in self._lanes.keys() - wanted:
            self._lanes.pop(path).stop()
        for path in wanted - self._lanes.keys():
            self._lanes[path] = self._parts.lane(path, self._queue.put)
            self._lanes[path].start()
        for lane in self._lanes.values():
            lane.look(tuple(self._plan.registries))

    def _after(self, before: State, now: Instant) -> None:
        """Set the alarm, watch where the files are now, tell who waits, and remember."""
        for remark in narrate.remarks(before, self._state, self._plan):
            getattr(self._parts.log, remark.level)(remark.event, **remark.fields)
        folders = self._parts.aws.folders().union(*(lane.folders for lane in self._lanes.values()))
        if folders != self._watched:
            self._watched = folders
            self._watcher.watch(folders)
            for lane in self._lanes.values():
                lane.look()  # what changed before the watch began was seen by nobody
        self._tell_waiters(now)
        if self._state is not before and self._save_at is None and memory.differs(before, self._state):
            self._save_at = max(now.boot, self._saved_at + _SAVE_PAUSE)
        if self._save_at is not None and now.boot >= self._save_at:
            self._save()
        moments = [at for at in (self._aws_check_at, self._save_at) if at is not None]
        alarms = [now.wall + (at - now.boot) for at in moments]
        if self._state.wake_at is not None:
            alarms.append(self._state.wake_at)
        if alarms and min(alarms) != self._alarm_at:
            self._alarm_at = min(alarms)
            self._alarms.ring_at(self._alarm_at)

    def _tell_waiters(self, now: Instant) -> None:
        for waiter in list(self._waiters):
            if waiter.refresh and not waiter.asked:
                if not all(self._state.sink(file.path).looked for file in self._plan.files):
                    continue  # which hosts are adopted is not known yet
                waiter.asked = True
                waiter.unknown = tuple(sorted(waiter.hosts - self._plan.registries.keys()))
                if not waiter.unknown:
                    self._queue.put(RefreshAsked(waiter.hosts))
                    continue
            elif not settle.settled(self._state, now, self._plan, waiter.hosts or self._plan.registries):
                continue
            self._waiters.remove(waiter)
            waiter.done.set()

    def _save(self) -> None:
        self._save_at = None
        self._saved_at = self._parts.clock.now().boot
        try:
            self._parts.save(
                memory.remember(self._state, self._plan, tuple(self._wishes.adopted), self.document())
            )
        except OSError as error:
            self._parts.log.warning("memory.not_saved", message=error.strerror or type(error).__name__)

    def _end(self) -> None:
        """Stop everything, in bounded time: systemd and launchd kill what lingers."""
        self._parts.supervise("STOPPING=1")
        patience = self._parts.clock.now().boot + _LANES_END
        for lane in self._lanes.values():
            lane.stop(0)  # all at once: each may hang on a disk of its own
        for waiter in (*self._waiters, *(item for item in self.drain() if isinstance(item, Wait))):
            waiter.done.set()
        self._alarms.stop()
        self._watcher.stop()
        self._fetcher.stop()
        for lane in self._lanes.values():
            lane.stop(max(0.0, (patience - self._parts.clock.now().boot).total_seconds()))
        self._save()
