"""What every fetcher promises, the one that asks AWS and the one that follows a script.

A world says what AWS answers for a profile: a token, or a failure.
"""

from __future__ import annotations

import queue
import threading
from datetime import UTC, timedelta
from typing import Protocol

from ecr_refreshd.core.events import FetchFailed, FetchSucceeded
from ecr_refreshd.core.model import Category, Grant, Principal, Standing, fingerprint
from ecr_refreshd.core.ports import Answer, Fetcher, FetchOrder


class World(Protocol):
    fetcher: Fetcher
    answers: queue.Queue[Answer]

    def gives_token(self, profile: str) -> None: ...
    def refuses(self, profile: str) -> None:
        """Let AWS deny this profile."""
        ...

    def stays_silent(self, profile: str) -> None: ...


def grant(profile: str, region: str = "us-west-2") -> Grant:
    return Grant(Principal(profile), "ecr", region)


def order(profile: str, serial: int, region: str = "us-west-2") -> FetchOrder:
    return FetchOrder(grant(profile, region), serial, Standing())


class FetcherContract:
    """Subclass it with a fixture `world` that stops its fetcher afterwards."""

    def test_every_order_is_answered_once_under_its_own_serial(self, world: World) -> None:
        world.gives_token("good")
        world.refuses("bad")
        regions = ("us-west-2", "eu-west-1", "us-east-1")
        orders = [order("good", number, region) for number, region in enumerate(regions)]
        world.fetcher.fetch([*orders, order("bad", 77)])
        got = [world.answers.get(timeout=30) for _ in range(4)]
        assert {(answer.grant, answer.serial, type(answer)) for answer in got} == {
            *((each.grant.key, each.serial, FetchSucceeded) for each in orders),
            (grant("bad").key, 77, FetchFailed),
        }
        assert world.answers.empty()

    def test_a_token_says_what_it_is(self, world: World) -> None:
        world.gives_token("good")
        world.fetcher.fetch([order("good", 1)])
        answer = world.answers.get(timeout=30)
        assert isinstance(answer, FetchSucceeded)
        token = answer.token
        assert token.auth is not None
        assert token.fingerprint == fingerprint(token.auth.reveal())
        assert token.expires_at.tzinfo is UTC
        assert token.obtained_at.tzinfo is UTC
        assert token.life > timedelta(0)
        assert token.obtained_boot is not None
        assert token.auth.reveal() not in repr(answer)

    def test_a_failure_says_what_when_and_what_helps(self, world: World) -> None:
        world.refuses("bad")
        world.fetcher.fetch([order("bad", 1)])
        answer = world.answers.get(timeout=30)
        assert isinstance(answer, FetchFailed)
        assert answer.failure.category is Category.DENIED
        assert answer.failure.message
        assert answer.failure.at is not None

    def test_orders_may_come_while_others_are_under_way(self, world: World) -> None:
        world.gives_token("good")
        for number in range(5):
            world.fetcher.fetch([order("good", number)])
        assert {world.answers.get(timeout=30).serial for _ in range(5)} == set(range(5))

    def test_nothing_asked_is_nothing_answered(self, world: World) -> None:
        world.fetcher.fetch([])
        assert world.answers.empty()

    def test_asking_never_waits(self, world: World) -> None:
        """It is called by the loop, which has other things to do than to wait for AWS."""
        world.stays_silent("silent")
        asking = threading.Thread(target=world.fetcher.fetch, args=([order("silent", 1)],))
        asking.start()
        asking.join(1)
        assert not asking.is_alive()
        world.fetcher.stop()
        assert world.answers.get(timeout=5).serial == 1

    def test_stopping_answers_what_is_open_and_what_comes_after(self, world: World) -> None:
        world.stays_silent("silent")
        world.fetcher.fetch([order("silent", 1)])
        world.fetcher.stop()
        world.fetcher.fetch([order("silent", 2)])
        got = [world.answers.get(timeout=5) for _ in range(2)]
        assert [answer.serial for answer in got] == [1, 2]
        for answer in got:
            assert isinstance(answer, FetchFailed)
            assert answer.failure.category is Category.TRANSIENT

    def test_it_can_be_stopped_twice_and_unused(self, world: World) -> None:
        world.fetcher.stop()
        world.fetcher.stop()
        assert world.answers.empty()
