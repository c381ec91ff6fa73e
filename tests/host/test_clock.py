"""Both clocks, as the machine has them."""

from __future__ import annotations

import sys
import time
from datetime import UTC, timedelta

import pytest

from ecr_refreshd.core.ports import Clock
from ecr_refreshd.host.clock import SystemClock, now, pause
from tests.fakes import FakeClock


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()])
def test_time_is_aware_and_does_not_run_backwards(clock: Clock) -> None:
    first, second = clock.now(), clock.now()
    assert first.wall.tzinfo is UTC
    assert second.boot >= first.boot


@pytest.mark.skipif(sys.platform != "linux", reason="CLOCK_BOOTTIME is Linux's")
def test_the_second_clock_is_the_one_that_counts_suspend() -> None:
    before = timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))
    between = now().boot
    after = timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))
    tolerance = timedelta(microseconds=2)  # a float of seconds since boot is less exact than nanoseconds
    assert before - tolerance <= between <= after + tolerance


def test_a_pause_takes_at_least_its_length() -> None:
    before = now().boot
    pause(timedelta(milliseconds=20))
    assert now().boot - before >= timedelta(milliseconds=20)


def test_a_fake_clock_sleeps_and_jumps_like_a_machine() -> None:
    """Suspend moves both clocks; a person who sets the time moves one."""
    clock = FakeClock()
    start = clock.now()
    clock.advance(timedelta(hours=10))
    assert clock.now().wall - start.wall == clock.now().boot - start.boot == timedelta(hours=10)
    clock.set_wall(start.wall)
    assert clock.now().wall == start.wall
    assert clock.now().boot - start.boot == timedelta(hours=10)
