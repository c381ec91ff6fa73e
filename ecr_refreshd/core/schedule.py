"""When to renew and when to try again: arithmetic on times that are given, nothing else.

Chance comes from a seed that each installation keeps for itself, so that neither a fleet nor the clones of one
machine ask AWS in the same second (DESIGN 5).
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from ecr_refreshd.core.model import Category, Failure, Instant, Token
from ecr_refreshd.core.settings import Renew

_ZERO = timedelta(0)
# Renewals due within this much of each other go to AWS together and cost one rewrite of the file.
_TOGETHER = timedelta(minutes=5)
_TOGETHER_PART = 20
# Only an administrator or an edit can change these answers, so time alone asks seldom.
_STUBBORN = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4))
_FIRST_PAUSE = timedelta(seconds=2)
_FIRST_PAUSE_THROTTLED = timedelta(seconds=5)
_NETWORK_COMES_WITHIN = timedelta(minutes=2)
_RESUME_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 10, 20))
_LEAST_CAP, _MOST_CAP = timedelta(seconds=30), timedelta(minutes=15)


def fraction(seed: str, *parts: str) -> float:
    """Return a number in [0, 1) that is always the same for the same words and spread evenly otherwise."""
    digest = hashlib.sha256("\0".join((seed, *parts)).encode()).digest()
    return int.from_bytes(digest[:7]) / (1 << 56)


def renew_at(token: Token, renew: Renew, *, login_backed: bool, chance: float) -> datetime:
    """Return when to renew a token, in UTC.

    A login may end at any moment, so its tokens are kept young: whatever happens to the login, the newest
    token still bridges most of its life. `chance` in [0, 1) picks the point of the window.
    """
    age = token.life * (renew.unattended.start + (renew.unattended.end - renew.unattended.start) * chance)
    if login_backed:
        age = min(age, renew.login_backed)
    return token.obtained_at + age


def together(life: timedelta) -> timedelta:
    """Return how far ahead of its time a renewal may be taken along with another."""
    return min(_TOGETHER, life / _TOGETHER_PART)


def reached(at: datetime, token: Token, now: Instant) -> bool:
    """Return whether a moment of a token's life has come, by either clock.

    The wall clock may be set back and a sleeping machine's timers stand still; whichever clock says it is time
    is believed, since renewing early costs one call and renewing late costs a pull.
    """
    if now.wall >= at:
        return True
    return token.obtained_boot is not None and now.boot - token.obtained_boot >= at - token.obtained_at


def alive(token: Token | None, now: Instant) -> bool:
    """Return whether both clocks agree that the token has life left."""
    return token is not None and not reached(token.expires_at, token, now)


def just_resumed(resumed: timedelta | None, now: Instant) -> bool:
    """Return whether the machine woke up so lately that its network need not be there yet."""
    return resumed is not None and now.boot - resumed < _NETWORK_COMES_WITHIN


def pause_after_resume(tries: int, chance: float) -> timedelta:
    """Return how long to wait after a transient failure just after a resume, with equal jitter."""
    whole = _RESUME_PAUSES[min(tries, len(_RESUME_PAUSES)) - 1]
    return whole / 2 + whole / 2 * chance


def stubborn_pause(tries: int) -> timedelta:
    """Return how long to wait after the `tries`-th failure in a row that time alone seldom mends."""
    return _STUBBORN[min(max(tries, 1), len(_STUBBORN)) - 1]


def pause_after(failure: Failure, tries: int, remaining: timedelta, chance: float) -> timedelta:
    """Return how long to wait after the `tries`-th failure in a row (1 is the first).

    Transient ones double from 2 s (5 s when throttled) up to a tenth of the life that is left, within 30 s and
    15 min, with equal jitter: full jitter can come out near zero, which AWS's throttling punishes
    (aws-sdk-net #4341). Denials, wrong settings and logins wait 15 min, 1 h, 4 h.
    """
    if failure.category is not Category.TRANSIENT:
        return stubborn_pause(tries)
    first = _FIRST_PAUSE_THROTTLED if failure.throttled else _FIRST_PAUSE
    cap = min(max(remaining / 10, _LEAST_CAP), _MOST_CAP)
    whole = min(first * (1 << min(tries - 1, 20)), cap)
    return whole / 2 + whole / 2 * chance
