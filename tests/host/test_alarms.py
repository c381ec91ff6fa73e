"""APScheduler as an alarm clock, each of its traps a test; and the fake under the same contract."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.triggers.base import BaseTrigger

from ecr_refreshd.host import alarms
from ecr_refreshd.host.alarms import SchedulerAlarms
from tests.contracts.alarms import AlarmsContract
from tests.fakes import FakeAlarms, FakeClock
from tests.needs import need


class BrokenTrigger(BaseTrigger):
    """What kills APScheduler's thread: its main loop catches nothing."""

    def __init__(self) -> None:
        self.asked = 0

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        self.asked += 1
        if self.asked > 1:
            raise RuntimeError("a trigger that raises")
        return now


@pytest.fixture(autouse=True)
def _every_beat_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign of life is young for 45 s, which is too long for a test."""
    monkeypatch.setattr(alarms, "_YOUNG", 0.0)


class RealWorld:
    def __init__(self) -> None:
        self.rings: list[datetime] = []
        self.alarms = SchedulerAlarms(lambda: self.rings.append(self.now()))

    def now(self) -> datetime:
        return datetime.now(UTC)

    def comes(self, what: Callable[[], bool]) -> bool:
        for _ in range(2000):
            if what():
                return True
            time.sleep(0.005)
        return False

    def let_time_pass(self) -> None:
        time.sleep(0.25)

    def kill(self) -> None:
        scheduler = self.alarms._scheduler
        scheduler.add_job(lambda: None, BrokenTrigger(), id="broken")
        scheduler._thread.join(10)
        assert not scheduler._thread.is_alive()
        assert scheduler.running, "it would be easier if this told the truth"


class FakeWorld:
    def __init__(self) -> None:
        self.rings: list[datetime] = []
        self.clock = FakeClock()
        self.alarms = FakeAlarms(lambda: self.rings.append(self.now()), self.clock)

    def now(self) -> datetime:
        return self.clock.now().wall

    def comes(self, what: Callable[[], bool]) -> bool:
        for _ in range(100):
            if what():
                return True
            self.clock.advance(timedelta(milliseconds=100))
        return False

    def let_time_pass(self) -> None:
        self.clock.advance(timedelta(seconds=0.25))

    def kill(self) -> None:
        self.alarms.dead = True


@pytest.fixture
def quiet_death(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is killed on purpose; its traceback is no news."""
    monkeypatch.setattr(threading, "excepthook", lambda args: None)


@pytest.mark.usefixtures("quiet_death")
class TestSchedulerAlarms(AlarmsContract):
    @pytest.fixture
    def world(self) -> Iterator[RealWorld]:
        before = set(threading.enumerate())
        world = RealWorld()
        world.alarms.start()
        yield world
        world.alarms.stop()
        assert set(threading.enumerate()) <= before

    def test_one_thread_and_no_more(self, world: RealWorld) -> None:
        """A pool would drop what queues, and be joined at exit while a job hangs (reliability.md 1.3)."""
        before = threading.active_count()
        for _ in range(20):
            world.alarms.ring_at(world.now())
            world.alarms.beat()
        assert world.comes(lambda: len(world.rings) > 0)
        assert threading.active_count() == before

    def test_a_ring_that_raises_costs_nothing_but_itself(
        self, world: RealWorld, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail() -> None:
            raise RuntimeError("no bell")

        ring, world.alarms._ring = world.alarms._ring, fail
        with caplog.at_level(logging.CRITICAL, logger="apscheduler"):
            world.alarms.ring_at(world.now())
            world.let_time_pass()
        world.alarms._ring = ring
        world.alarms.ring_at(world.now())
        assert world.comes(lambda: len(world.rings) == 1)

    def test_a_job_that_waited_behind_a_slow_one_still_runs(self, world: RealWorld) -> None:
        """By default lateness over a second means: removed, never run."""
        slow = world.alarms._scheduler
        slow.add_job(time.sleep, args=[1.3], id="slow")
        world.alarms.ring_at(world.now())
        assert world.comes(lambda: len(world.rings) == 1)

    def test_the_time_zone_of_the_machine_does_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With no zone given APScheduler asks for the local one, and a bad TZ is an exception at start."""
        monkeypatch.setenv("TZ", "Mars/Phobos")
        alarms = SchedulerAlarms(lambda: None)
        alarms.start()
        alarms.ring_at(datetime.now(UTC))
        alarms.stop()

    def test_an_alarm_asked_for_before_the_start_rings(self) -> None:
        world = RealWorld()
        world.alarms.ring_at(world.now())
        world.alarms.start()
        assert world.comes(lambda: len(world.rings) == 1)
        world.alarms.stop()

    def test_it_sleeps_between_alarms(self, world: RealWorld) -> None:
        """Promise 9: nothing polls. The thread's own switches are counted, not guessed."""
        world.alarms.ring_at(world.now() + timedelta(days=1))
        world.let_time_pass()
        thread = world.alarms._scheduler._thread
        before = _switches(thread)
        world.let_time_pass()
        assert _switches(thread) == before


def _switches(thread: threading.Thread) -> int:
    status = Path(f"/proc/self/task/{thread.native_id}/status")
    need(status.exists() or sys.platform == "darwin", "/proc is not mounted")
    if sys.platform == "darwin":
        pytest.skip("macOS does not count the switches of a thread")
    return next(
        int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("voluntary")
    )


class TestFakeAlarms(AlarmsContract):
    @pytest.fixture
    def world(self) -> FakeWorld:
        world = FakeWorld()
        world.alarms.start()
        return world


def test_fake_alarms_ring_late_after_a_jump() -> None:
    """Suspend: the alarm rings when the machine is back."""
    world = FakeWorld()
    world.alarms.start()
    world.alarms.ring_at(world.now() + timedelta(hours=1))
    world.clock.advance(timedelta(hours=10))
    assert len(world.rings) == 1
