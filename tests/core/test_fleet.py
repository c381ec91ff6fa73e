"""A fleet of sidecars: the renewal policy keeps them from asking AWS in one second, and through an outage."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from ecr_refreshd.core.model import Category, Failure, Token
from ecr_refreshd.core.schedule import fraction, pause_after, renew_at
from ecr_refreshd.core.settings import Renew

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
LIFE = timedelta(hours=12)
FLEET = 10_000
KEY = "(ambient)/ecr/us-west-2"
DOWN = Failure(Category.TRANSIENT, "ServerException", "down")
LIMIT = 20
"""Calls a second; AWS gave so many to an account and region once, and gives 500 now (reliability.md 4.2)."""


def first_renewal(seed: str) -> datetime:
    token = Token(None, "f", START, START + LIFE)
    chance = fraction(seed, KEY, str(int(START.timestamp())))
    return renew_at(token, Renew(), login_backed=False, chance=chance)


def peak(moments: list[datetime]) -> int:
    return max(Counter(int(at.timestamp()) for at in moments).values())


def through_outage(seed: str, begins: datetime, ends: datetime) -> tuple[datetime, int]:
    """Return when a sidecar has its next token, and how often it asked for it."""
    at, tries = first_renewal(seed), 0
    while begins <= at < ends:
        tries += 1
        chance = fraction(seed, KEY, str(tries))
        at += pause_after(DOWN, tries, max(START + LIFE - at, timedelta(0)), chance)
    return at, tries + 1


def test_ten_thousand_that_started_together_do_not_ask_together() -> None:
    """DESIGN 5: jitter from each installation's own seed; the same every time, for a restart moves nothing."""
    renewals = [first_renewal(f"seed {n}") for n in range(FLEET)]
    assert peak(renewals) < LIMIT
    assert renewals == [first_renewal(f"seed {n}") for n in range(FLEET)]


@pytest.mark.parametrize("after", [5.9, 6.5, 7.9])
def test_an_outage_of_three_hours_costs_nobody_a_token_and_ends_without_a_storm(after: float) -> None:
    """Promise 8: whenever it begins; and AWS is not trampled on when it comes back."""
    begins = START + timedelta(hours=after)
    ends = begins + timedelta(hours=3)
    outcomes = [through_outage(f"seed {n}", begins, ends) for n in range(FLEET)]
    assert all(at < START + LIFE for at, _tries in outcomes)
    assert peak([at for at, _tries in outcomes if at >= ends]) < 3 * LIMIT
    assert max(tries for _at, tries in outcomes) < 40


def test_clones_of_one_machine_with_one_seed_are_the_only_ones_that_ask_together() -> None:
    """Which is why the seed is made at random where there is none, and kept beside the state."""
    assert first_renewal("cloned") == first_renewal("cloned") != first_renewal("made anew")
