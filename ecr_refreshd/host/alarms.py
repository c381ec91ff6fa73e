"""The alarm clock: APScheduler behind one small port, with each of its traps closed (reliability.md 1).

Rules: UTC and single dates only, so neither a time zone nor a gap in repetitions can matter; no limit on
lateness, since by default a late job is removed without running; jobs run in the scheduler's own thread, so no
pool can drop them or keep the process alive. That thread can die while `scheduler.running` says True, so its
life is shown by beats alone. Idle, the one thread wakes for its beats and its alarm, never otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from ecr_refreshd.host.lean import lean

with lean():
    from apscheduler.executors.debug import DebugExecutor
    from apscheduler.jobstores.base import JobLookupError
    from apscheduler.schedulers import SchedulerNotRunningError
    from apscheduler.schedulers.background import BackgroundScheduler
    from apscheduler.triggers.base import BaseTrigger
    from apscheduler.triggers.date import DateTrigger


_BEATS_EVERY = 40.0
_YOUNG = 45.0
"""Seconds: longer than between two signs of life, and shorter than two ticks of the loop."""


class _Beating(BaseTrigger):  # type: ignore[misc] # APScheduler has no types
    """A while from now, whatever the time was.

    An interval of APScheduler's own would list all runs that a clock set forward has missed (reliability.md 1.3).
    """

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """Return when the next sign of life is given."""
        return now + timedelta(seconds=_BEATS_EVERY)


class SchedulerAlarms:
    """`core.ports.Alarms` on APScheduler. `ring` is called in its thread and must return at once.

    APScheduler waits by a clock that stops in suspend; after a resume the next beat makes it look again, so an
    alarm is at most one beat late.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._beaten = time.monotonic()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": DebugExecutor()},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self) -> None:
        """Begin to keep time; alarms asked for before are kept."""
        self._beaten = time.monotonic()
        self._scheduler.add_job(self._stamp, _Beating(), id="beat", name="beat", replace_existing=True)
        self._scheduler.start()

    def ring_at(self, at: datetime) -> None:
        """Ring once at this wall-clock time, in place of the time asked for before; at once if it has passed."""
        self._add("alarm", self._ring, at)

    def beat(self) -> timedelta:
        """Return how old the newest sign of life is, and ask for one if it is not young. Suspend does not count.

        The scheduler gives them by itself, since each that is asked for wakes two threads. It need not be dead
        when it does not: it waits by the wall clock, which may have been set back.
        """
        age = time.monotonic() - self._beaten
        if age > _YOUNG:
            with suppress(JobLookupError):
                self._scheduler.modify_job("beat", next_run_time=datetime.fromtimestamp(0, UTC))
        return timedelta(seconds=age)

    def stop(self) -> None:
        """Stop at once; there is no pool to wait for. Nothing happens if it does not run."""
        try:
            self._scheduler.shutdown(wait=False)
        except SchedulerNotRunningError:
            return

    def _add(self, name: str, function: Callable[[], None], at: datetime) -> None:
        # A trigger object: the name of one would be looked up in the entry points of every package installed.
        self._scheduler.add_job(
            function, DateTrigger(at, timezone=UTC), id=name, name=name, replace_existing=True
        )

    def _stamp(self) -> None:
        self._beaten = time.monotonic()
