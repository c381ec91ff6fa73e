"""How logins begin, last and end, as far as token files and AWS's refusals tell (aws.md 2.2, 5.4).

The disk does not say when an SSO session ends, nor whether a changed token file is a new login or a mere
refresh; both are inferred here, and an inference that proves wrong costs one call to AWS at most.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from ecr_refreshd.core.model import Instant, Login
from ecr_refreshd.core.state import LoginFacts

_REFRESHED_WITHIN = timedelta(minutes=15)
"""Nobody refreshes an access token that lasts longer than this; who replaces one has signed in (aws.md 5.4)."""
_KEPT = 5
_TELLS_AT_MOST = timedelta(hours=2)
"""A refusal this long after the last success (a closed laptop's) says too little about when the login ended."""
_LEARNED_FROM = 2
_ANNOUNCED_FROM = 3
_HOUR, _QUARTER = timedelta(hours=1), timedelta(minutes=15)
MINT_BEFORE_END = timedelta(minutes=10)
"""Time for several tries, and little of the token's life given away."""


def is_new(facts: LoginFacts, login: Login, now: Instant) -> bool:
    """Return whether a person has signed in since the look before this one."""
    before = facts.seen
    if not login.alive or login.stamp == before.stamp:
        return False
    if not before.alive or facts.ended or not login.refreshes:
        return True
    return before.expires_at is None or before.expires_at - now.wall > _REFRESHED_WITHIN


def begun(facts: LoginFacts, login: Login, now: Instant) -> LoginFacts:
    """Return the facts of a new login; how long the ones before it lasted stays known."""
    return LoginFacts(login, began=now.wall, lived=facts.lived)


def refused(facts: LoginFacts, now: Instant) -> LoginFacts:
    """Return the facts once AWS has refused the login: it ended between its last success and now."""
    if facts.ended or not facts.seen.stamp:
        return facts  # known already; or the person signed out, which says nothing about how long it lasts
    facts = replace(facts, ended=True)
    if facts.began is None:
        return facts
    least, most = (facts.worked or facts.began) - facts.began, now.wall - facts.began
    if not timedelta(0) <= most - least <= _TELLS_AT_MOST:
        return facts
    return replace(facts, lived=((least, most), *facts.lived)[:_KEPT])


def learned_length(facts: LoginFacts) -> timedelta | None:
    """Return how long such logins last, None before two have told.

    Administrators set whole hours or quarters (8 h by default), so of all lengths that fit what was seen, the
    roundest one is taken.
    """
    if len(facts.lived) < _LEARNED_FROM:
        return None
    least, most = _agreed(facts) or facts.lived[0]  # of different lengths, the newest counts
    for unit in (_HOUR, _QUARTER):
        rounded = (least // unit + 1) * unit
        if rounded <= most:
            return rounded
    return most


def end_of(facts: LoginFacts, configured: timedelta | None, now: Instant) -> datetime | None:
    """Return when a living login ends (UTC), None where nothing tells; an inferred end is believed until then."""
    return _end(facts, configured or learned_length(facts), now)


def known_end(facts: LoginFacts, configured: timedelta | None, now: Instant) -> datetime | None:
    """Return when a living login ends (UTC) by its file or the settings, without what was learned."""
    return _end(facts, configured, now)


def end_to_announce(facts: LoginFacts, configured: timedelta | None, now: Instant) -> datetime | None:
    """Return when a living login ends (UTC), as far as a person is told: no guess from fewer than three alike."""
    is_alike = len(facts.lived) >= _ANNOUNCED_FROM and _agreed(facts) is not None
    return end_of(facts, configured, now) if is_alike else known_end(facts, configured, now)


def _end(facts: LoginFacts, length: timedelta | None, now: Instant) -> datetime | None:
    ends = [facts.seen.ends_at] if facts.seen.ends_at is not None else []
    if length is not None and facts.began is not None and facts.began + length > now.wall:
        ends.append(facts.began + length)
    return min(ends, default=None)


def _agreed(facts: LoginFacts) -> tuple[timedelta, timedelta] | None:
    """Return the least and most that each login can have lasted, None if they were of different lengths."""
    least, most = max(low for low, _high in facts.lived), min(high for _low, high in facts.lived)
    return (least, most) if least <= most else None


def is_dead(facts: LoginFacts | None) -> bool:
    """Return whether a look at the disk says that AWS need not be asked."""
    return facts is not None and not facts.seen.alive
