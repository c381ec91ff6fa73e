"""What every alarm clock promises, the real one and the one that tests set by hand.

A world tells the time, lets it go by, and can kill what the alarms live on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from ecr_refreshd.core.ports import Alarms

FAR = timedelta(days=200)


class World(Protocol):
    alarms: Alarms
    rings: list[datetime]

    def now(self) -> datetime: ...
    def comes(self, what: Callable[[], bool]) -> bool:
        """Return whether it comes true within ten seconds."""
        ...

    def let_time_pass(self) -> None:
        """Let a quarter of a second go by."""
        ...

    def kill(self) -> None: ...


class AlarmsContract:
    """Subclass it with a fixture `world` whose alarms have been started."""

    def test_it_rings_once_when_the_time_has_come(self, world: World) -> None:
        at = world.now() + timedelta(milliseconds=60)
        world.alarms.ring_at(at)
        assert world.comes(lambda: len(world.rings) > 0)
        assert world.rings[0] >= at
        world.let_time_pass()
        assert len(world.rings) == 1

    def test_a_time_that_has_passed_rings_at_once(self, world: World) -> None:
        """However late: after a suspend of hours, an alarm that was due still rings."""
        world.alarms.ring_at(world.now() - timedelta(days=3))
        assert world.comes(lambda: len(world.rings) == 1)

    def test_a_new_time_takes_the_place_of_the_one_before(self, world: World) -> None:
        world.alarms.ring_at(world.now() + timedelta(milliseconds=60))
        world.alarms.ring_at(world.now() + FAR)
        world.let_time_pass()
        assert not world.rings
        world.alarms.ring_at(world.now())
        assert world.comes(lambda: len(world.rings) == 1)

    def test_it_can_be_set_again_and_again(self, world: World) -> None:
        """Each alarm asked for after a ring rings too, at whatever moment it was asked for."""
        for count in range(1, 200):
            world.alarms.ring_at(world.now())
            assert world.comes(lambda count=count: len(world.rings) == count)

    def test_a_beat_is_answered(self, world: World) -> None:
        assert world.alarms.beat() < timedelta(seconds=10)
        world.let_time_pass()
        old = world.alarms.beat()
        assert old == timedelta(0) or world.comes(lambda: world.alarms.beat() < old)

    def test_beats_grow_old_when_it_has_died(self, world: World) -> None:
        world.kill()
        first = world.alarms.beat()
        world.let_time_pass()
        second = world.alarms.beat()
        world.let_time_pass()
        assert first < second < world.alarms.beat()

    def test_nothing_rings_after_it_was_stopped(self, world: World) -> None:
        world.alarms.ring_at(world.now() + timedelta(milliseconds=60))
        world.alarms.stop()
        world.let_time_pass()
        assert not world.rings

    def test_it_can_be_stopped_twice_and_when_dead(self, world: World) -> None:
        world.kill()
        world.alarms.stop()
        world.alarms.stop()
