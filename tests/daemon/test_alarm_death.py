"""Killing APScheduler's thread ends the service: the real alarm clock in the real loop, at a quick tick."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from ecr_refreshd import daemon
from ecr_refreshd.host import alarms
from ecr_refreshd.host.alarms import SchedulerAlarms
from ecr_refreshd.host.clock import SystemClock
from tests.host.test_alarms import BrokenTrigger
from tests.household import HOST, Household

CONFIG = f'[[registry]]\nhost = "{HOST}"\n'


class Real(Household):
    """A household whose alarm clock and time are real."""

    def _alarms(self, ring: object) -> SchedulerAlarms:
        self.scheduler = SchedulerAlarms(ring)  # type: ignore[arg-type] # a callable
        return self.scheduler


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "TICK", timedelta(milliseconds=100))
    monkeypatch.setattr(daemon, "_SILENCE", timedelta(milliseconds=400))
    monkeypatch.setattr(alarms, "_YOUNG", 0.0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the thread dies of one
def test_the_service_ends_when_the_thread_of_its_alarm_clock_has_died(quick: None) -> None:
    """Its scheduler says `running` all the same; whoever restarts the service must see it end, non-zero."""
    house = Real(CONFIG, clock=SystemClock())  # type: ignore[arg-type] # has now(), which is all the loop asks
    codes: list[int] = []
    loop = threading.Thread(target=lambda: codes.append(house.service.run()))
    loop.start()
    try:
        loop.join(1.5)
        assert loop.is_alive(), "a healthy one goes on"
        house.scheduler._scheduler.add_job(lambda: None, BrokenTrigger(), id="broken")
        loop.join(30)
        assert codes == [1]
    finally:
        house.service.stop()
        loop.join(30)
