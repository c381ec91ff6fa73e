"""The loop: one thread owns the state; everything else only puts events on its queue.

A turn absorbs what came in, settles what is to be done, and hands it to workers, whose results come back as
events. `turn` and `tick` take no time of their own, so weeks can be lived through in a test; `run` only waits.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ecr_refreshd.core import decisions, fallback, machine, memory, narrate, process_starts, report
from ecr_refreshd.core.events import CredentialsChanged, Event, LoginsSeen, SignInAsked, Ticked
from ecr_refreshd.core.model import Category, Complaint, Instant
from ecr_refreshd.core.ports import Parts, Surroundings
from ecr_refreshd.core.printed import Printed
from ecr_refreshd.core.schedule import alive
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.core.state import Plan, State
from ecr_refreshd.core.wishes import Wishes
from ecr_refreshd.lanes import Lanes
from ecr_refreshd.servicestatus import ServiceStatus
from ecr_refreshd.surroundings import Configuration, Outlook
from ecr_refreshd.waits import Wait, Waits

TICK = timedelta(seconds=30)
_LOOK_ANYWAY = 10
"""Ticks. What a file means also hangs on the world around it: a keychain may have been installed."""
_SILENCE = timedelta(seconds=75)
"""APScheduler's thread can die while its scheduler still says that it runs (reliability.md 1.3). Asked for a sign
of life at every other tick, it is found out at the third after its death."""
_TURNS_MISSED = 3
_SAVE_PAUSE = timedelta(seconds=1)
_TURN_AT_MOST = 1000
_LANES_END = timedelta(seconds=1)
_ONCE_AT_MOST = timedelta(seconds=150)
_TOLD_WITHIN = 11.0
"""Seconds: a hook or a notice's program has ten (DESIGN 4), and a command that ends must not cut it short."""


@dataclass(frozen=True, slots=True)
class _Changed:
    path: str


@dataclass(frozen=True, slots=True)
class _Reload:
    pass


@dataclass(frozen=True, slots=True)
class _Stop:
    code: int = 0


@dataclass(frozen=True, slots=True)
class _Forget:
    wait: Wait


Message = Event | Surroundings | _Changed | _Reload | _Stop | _Forget | Wait


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
        # SimpleQueue: a signal handler may put while this very thread is inside get.
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._outlook = Outlook(parts, self._queue.put)
        self._configuration = Configuration(parts.reload, parts.log)
        self._wishes = Wishes(
            settings,
            self._outlook.seen.aws.profiles,
            parts.regions,
            memory.adopted(remembered),
            memory.seed(remembered) or seed,
            parts.zone,
            dropped=memory.dropped(remembered),
        )
        now = parts.clock.now()
        self._started = now.wall
        self._state = memory.recall(remembered, now)
        self._files_changed = memory.has_other_files(remembered, self._outlook.seen.aws.files)
        self._plan = Plan()
        self._lanes = Lanes(lambda path: parts.lane(path, self._queue.put))
        self._waits = Waits()
        self._degraded: tuple[Complaint, ...] = ()
        self._watched: frozenset[str] = frozenset()
        self._save_at: timedelta | None = None
        self._saved_at = now.boot - _SAVE_PAUSE
        self.tick_due = now.boot
        self._turned = now.boot
        self._ticks = 0
        self._alarm_at: datetime | None = None
        self._exit: int | None = None
        self._status = ServiceStatus(parts)
        self._alarms = parts.alarms(lambda: self._queue.put(Ticked()))
        self._fetcher = parts.fetcher(self._queue.put)
        self._watcher = parts.watcher(lambda path: self._queue.put(_Changed(path)))
        self._prober = parts.prober(self._queue.put)
        self._herald = parts.herald(self._queue.put)
        self._herald.configure(settings.notify, settings.hooks)

    # -- from any thread ------------------------------------------------------------------------------------

    def stop(self, code: int = 0) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._queue.put(_Stop(code))

    def reload(self) -> None:
        """Ask the loop to read its configuration again; safe in a signal handler."""
        self._queue.put(_Reload())

    def tell(self, event: Event) -> None:
        """Tell the loop what has happened, or what somebody wants."""
        self._queue.put(event)

    def note(self, event: str, message: str, command: str) -> None:
        """Log something, and the command that helps."""
        self._parts.log.info(event, message=message, command=command)

    def document(self) -> report.Document:
        """Return the status document. State and plan are frozen, so any thread may read them."""
        now = self._parts.clock.now()
        complaints = (
            *self._parts.complaints(),
            *self._degraded,
            self._configuration.trouble,
            self._stalled(now),
        )
        degraded = tuple(each for each in complaints if each is not None)
        about = report.About(os.getpid(), self._version, self._started_at(now), degraded)
        return report.document(self._state, self._plan, now, about)

    def _started_at(self, now: Instant) -> datetime:
        """Return when the service began, by the clock as it is now: it may have been set since."""
        set_by = (now.wall - self._started) - (now.boot - self._state.started)
        return self._started + set_by if abs(set_by) > machine.CLOCK_SET else self._started

    def hangs(self) -> bool:
        """Return whether the loop has missed several ticks; it has, too, at the end of a suspend."""
        return self._stalled(self._parts.clock.now()) is not None

    def _stalled(self, now: Instant) -> Complaint | None:
        silent = now.boot - self._turned
        if silent < TICK * _TURNS_MISSED:
            return None
        return Complaint("service.stalled", f"Main loop stalled for {int(silent.total_seconds())} s.")

    def wait(self, wait: Wait, timeout: float) -> bool:
        """Wait until somebody's hosts are settled; False if that takes longer than `timeout` seconds."""
        self._queue.put(wait)
        done = wait.done.wait(timeout)
        if not done:
            self._queue.put(_Forget(wait))
        return done

    def supply(self, process: str, printed: Printed) -> None:
        """Use what a person's own start of a `credential_process` has printed, in place of the next start."""
        self._fetcher.supply(process, printed)

    # -- the loop's own thread ------------------------------------------------------------------------------

    def token(self, host: str) -> Secret | None:
        """Return the living token of a registry, once the loop has ended; None if there is none."""
        registry = self._plan.registries.get(host)
        token = (
            None
            if registry is None or registry.grant is None
            else self._state.grant(registry.grant.key).token
        )
        return None if token is None or not alive(token, self._parts.clock.now()) else token.auth

    def run(self, until: Wait | None = None, at_most: timedelta = _ONCE_AT_MOST) -> int:
        """Serve until stopped, or until somebody's hosts are settled, so long at most; returns the exit code."""
        now = self._parts.clock.now()
        deadline = None if until is None else now.boot + at_most
        self.begin()
        if until is None:
            self._status.begin(now)
        else:
            self._queue.put(until)
        try:
            while self._exit is None:
                self.turn(self._wait(deadline))
                over = deadline is not None and self._parts.clock.now().boot >= deadline
                if until is not None and (until.done.is_set() or over):
                    self._herald.finish(_TOLD_WITHIN)
                    break
        finally:
            self._end()
            self._status.end()
        if until is None:
            self._parts.log.info("service.stopped")
        return self._exit or 0

    def begin(self) -> None:
        """Start the workers and look at everything once."""
        self._alarms.start()
        self._replan()
        now = self._parts.clock.now()
        self._pass_over(now)
        self._state = machine.absorb(self._state, LoginsSeen(self._outlook.logins), now, self._plan)
        if self._files_changed:
            self._state = machine.absorb(self._state, CredentialsChanged(), now, self._plan)
        self._parts.supervise("READY=1")

    def _wait(self, deadline: timedelta | None) -> list[Message]:
        end = self.tick_due if deadline is None else min(deadline, self.tick_due)
        remaining = (end - self._parts.clock.now().boot).total_seconds()
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
        self._turned = now.boot
        late = now.boot - self.tick_due
        ticks = late >= timedelta(0)
        if ticks:
            self.tick_due = now.boot + TICK
        events = [event for item in items for event in self._take(item)]
        if self._configuration.is_due(now.boot):
            events += self._reload()
        self._outlook.look_if_due(now.boot)
        if any(isinstance(event, Ticked) for event in events):
            self._alarm_at = None  # it has rung
        if self._wishes.learn(events):
            self._replan()
        before = self._state
        for event in events:
            self._state = machine.absorb(self._state, event, now, self._plan)
        self._pass_over(now)
        for asked in self._waits.events(self._state, now, self._plan):
            self._state = machine.absorb(self._state, asked, now, self._plan)
        self._state, decided = machine.step(self._state, Ticked(), now, self._plan)
        for decision in decided:
            self._carry_out(decision)
        self._after(before, now)
        if ticks:
            self._tick(late)  # last: whoever is woken by it would only wait for this thread to be done

    def _carry_out(self, decision: decisions.Decision) -> None:
        match decision:
            case decisions.Fetch(orders):
                if any(order.standing.process for order in orders):
                    self._save()  # a crash must not start the same program again
                self._fetcher.fetch(orders)
            case decisions.Write(path, serial, delivery):
                self._lanes.write(path, serial, delivery)
            case decisions.Tell(event, notice, place):
                self._herald.tell(event, notice, place)
            case decisions.Probe(host, fingerprint, auth):
                self._prober.probe(host, fingerprint, auth)
            case decisions.Announce(document):
                self._herald.renewed(document)

    def _take(self, item: Message) -> list[Event]:
        match item:
            case _Changed(path):
                self._lanes.changed(path)
                self._outlook.changed(path, self._parts.clock.now().boot)
            case _Reload():
                return self._reload()
            case _Stop(code):
                self._exit = code
            case Wait():
                self._waits.add(item)
            case _Forget(wait):
                self._waits.release([wait])
            case Surroundings():
                return self._looked_around(item)
            case SignInAsked(key):
                self._sign_in(key)
            case event:
                return [event]
        return []

    def _sign_in(self, key: str) -> None:
        """Start the sign-in of a notice that still stands, for the person who pressed its button."""
        facts = self._state.notices.get(key)
        if facts is not None and facts.notice.sign_in:
            if facts.notice.refreshes:
                self._herald.sign_in(facts.notice.command, facts.notice.refreshes)
            else:
                self._herald.sign_in(facts.notice.command)

    def _tick(self, late: timedelta) -> None:
        """Do what no event is needed for; a lost event costs one of these at most.

        The watcher's check finds by stat what it was not told of. A file is looked at regardless where that is in
        doubt, or where something may have mended by itself, and now and then in any case.
        """
        self._degraded = (*self._watcher.check(), *self._outlook.trouble(TICK))
        self._ticks += 1
        anyway = self._ticks % _LOOK_ANYWAY == 0
        self._lanes.look(self._state, all_of_them=bool(self._degraded) or anyway)
        if anyway:
            self._status.send(self.document(), self._parts.clock.now())
        failures = [facts.failure for facts in self._state.grants.values() if facts.failure is not None]
        stuck = any(failure.category is not Category.TRANSIENT for failure in failures)
        if self._degraded or anyway or stuck or self._outlook.torn:
            self._outlook.look()
        # Whoever was frozen as a whole (a paused container) finds everybody silent at first.
        if self._alarms.beat() > _SILENCE and late < TICK / 2:
            self._parts.log.error(
                "alarms.died", message="The alarm clock's thread is dead; the service ends."
            )
            self._exit = 1
            return
        if self._is_well():
            self._parts.supervise("WATCHDOG=1")

    def _is_well(self) -> bool:
        """Return whether all that must work does; being offline or signed out is healthy."""
        return self._lanes.alive and self._watcher.alive and self._fetcher.well()

    def _looked_around(self, seen: Surroundings) -> list[Event]:
        """Return what has changed around the service; that files were touched says nothing."""
        before, events = self._outlook.take(seen, self._parts.clock.now().boot)
        if seen.config != before.config and not seen.config:
            self._configuration.vanished(self._parts.clock.now().boot)
        elif seen.config != before.config:
            events = [*self._reload(), *events]
        if seen.aws.profiles != before.aws.profiles or seen.aws.files != before.aws.files:
            self._wishes.reread(seen.aws.profiles)
            self._replan()
        return events

    def _reload(self) -> list[Event]:
        """Take the configuration anew; what failed may work with it (DESIGN 5)."""
        self._parts.supervise("RELOADING=1")
        settings = self._configuration.again()
        if settings is not None:
            if settings != self._wishes.settings:
                self._lanes.drop()  # the settings also say how a file is written
            self._wishes.configure(settings)
            self._herald.configure(settings.notify, settings.hooks)
            self._outlook.look()
            self._replan()
        self._parts.supervise("READY=1")
        return [CredentialsChanged()] if settings is not None else []

    def _replan(self) -> None:
        self._plan = self._wishes.plan(self._parts.files(self._wishes.settings))
        self._lanes.arrange(self._plan)

    def _pass_over(self, now: Instant) -> None:
        """Let the next principal serve where one has failed, and the first where it works again."""
        if self._wishes.pass_over(fallback.passed_over(self._state, self._plan, now)):
            self._replan()

    def _after(self, before: State, now: Instant) -> None:
        """Set the alarm, watch where the files are now, tell who waits, and remember."""
        if self._status.is_due(self._state, self._plan, now):
            self._status.introduce(self.document(), now)
        self._status.log(narrate.remarks(before, self._state, self._plan, now))
        folders = self._outlook.folders | self._lanes.folders
        if folders != self._watched:
            self._watched = folders
            self._watcher.watch(folders)
        self._waits.tell(self._state, now, self._plan)
        if self._state is not before and self._save_at is None and memory.differs(before, self._state):
            self._save_at = max(now.boot, self._saved_at + _SAVE_PAUSE)
        if self._save_at is not None and now.boot >= self._save_at:
            self._save()
        self._set_alarm(now)

    def _set_alarm(self, now: Instant) -> None:
        moments = [at for at in (self._outlook.due, self._configuration.due, self._save_at) if at is not None]
        alarms = [now.wall + (at - now.boot) for at in moments]
        if self._state.wake_at is not None:
            alarms.append(self._state.wake_at)
        if alarms and min(alarms) != self._alarm_at:
            self._alarm_at = min(alarms)
            self._alarms.ring_at(self._alarm_at)

    def _save(self) -> None:
        self._save_at = None
        self._saved_at = self._parts.clock.now().boot
        try:
            document = self.document()
            if self._exit is None:
                self._status.send(document, self._parts.clock.now())
            adopted, dropped = tuple(self._wishes.adopted), self._wishes.dropped
            files = self._outlook.seen.aws.files
            kept = memory.remember(
                self._state, self._plan, adopted, document, dropped=dropped, aws_files=files
            )
            self._parts.save(kept)
        except OSError as error:
            self._parts.log.warning("memory.not_saved", message=error.strerror or type(error).__name__)

    def _end(self) -> None:
        """Stop everything, in bounded time: systemd and launchd kill what lingers."""
        self._parts.supervise("STOPPING=1\nSTATUS=stopping")
        until = self._parts.clock.now().boot + _LANES_END
        for item in self.drain():
            if isinstance(item, Wait):
                self._waits.add(item)
        self._waits.release()
        self._alarms.stop()
        self._state = process_starts.interrupt(self._state, self._parts.clock.now(), self._plan)
        self._save()  # first: whatever hangs below, the process ends in time
        self._fetcher.stop()  # next: a login that is just being renewed has its seconds before all others
        for part in (self._watcher, self._outlook, self._prober, self._herald):
            part.stop()
        self._lanes.stop(lambda: until - self._parts.clock.now().boot)
