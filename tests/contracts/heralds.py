"""What every herald promises, the one that tells people and the one that keeps what it was told.

A world has every channel that it tests switched on and working, and no desktop.
"""

from __future__ import annotations

import queue
import threading
from datetime import UTC, datetime
from typing import Protocol

from ecr_refreshd.core.events import Event, NoticeTold
from ecr_refreshd.core.model import Notice
from ecr_refreshd.core.ports import Herald

EVENTS = ("raised", "reminded", "withdrawn")


class World(Protocol):
    herald: Herald
    said: queue.SimpleQueue[Event]


def notice(key: str) -> Notice:
    return Notice(key, "A title", "A body.", datetime(2026, 3, 2, 8, tzinfo=UTC))


class HeraldContract:
    """Subclass it with a fixture `world` that stops its herald afterwards."""

    def test_every_telling_is_answered_once_and_those_of_one_notice_in_order(self, world: World) -> None:
        """A withdrawal that overtook its notice would leave it standing."""
        for event in EVENTS:
            for key in ("one", "two"):
                world.herald.tell(event, notice(key))
        said = [world.said.get(timeout=20) for _ in range(6)]
        for key in ("one", "two"):
            of_it = [each for each in said if isinstance(each, NoticeTold) and each.key == key]
            assert [each.event for each in of_it] == list(EVENTS)
            assert [each.problems for each in of_it] == [()] * 3
        assert world.said.empty()

    def test_it_can_be_stopped_twice_and_unused(self, world: World) -> None:
        world.herald.stop()
        world.herald.stop()
        assert world.said.empty()

    def test_telling_after_the_stop_raises_nothing_and_starts_nothing(self, world: World) -> None:
        """A last event of the loop may still come."""
        world.herald.stop()
        before = threading.active_count()
        world.herald.tell("raised", notice("late"))
        world.herald.renewed({"hosts": []})
        world.herald.sign_in("aws sso login")
        world.herald.finish(1)
        assert threading.active_count() <= before
