"""Failures of one cause that strikes many grants: their attempts are shared, and lasting ones need a person.

The AWS child names the cause (`Failure.cause`): ``network:HOST``, ``certificate:HOST`` or ``clock``. While an
endpoint is unreachable, one grant at a time tries it, each in turn; what it finds out counts for all (DESIGN 7).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta

from ecr_refreshd.core.model import Category, Failure, Instant
from ecr_refreshd.core.remedies.aws import unreachable_endpoint
from ecr_refreshd.core.schedule import alive, just_resumed
from ecr_refreshd.core.state import GrantFacts, Plan, State

_ZERO = timedelta(0)
_CERTIFICATE_LASTS = timedelta(minutes=15)
"""A captive portal is left, or signed in to, within minutes; a proxy's certificate stays untrusted."""
_ENDPOINT_LASTS = timedelta(hours=4)
_OTHERS_WORK = timedelta(hours=1)
"""Tokens that came so lately tell that it is this endpoint, and not the network."""


def _cause(facts: GrantFacts) -> str:
    return "" if facts.failure is None else facts.failure.cause


def _is_tried_by_one(cause: str) -> bool:
    return cause.startswith(("network:", "certificate:"))


def notice_key(failure: Failure) -> str:
    """Return the part of a cause that one notice is about; "" where the failure is the grant's own.

    An untrusted certificate is that of a proxy, or of whoever else stands between, whatever host is asked.
    """
    kind = failure.cause.partition(":")[0]
    return failure.cause if kind == "network" else kind


def held(state: State, keys: Iterable[str], barred: Collection[str]) -> frozenset[str]:
    """Return the grants that wait for the attempt of another one with the same cause.

    What a person has asked for is tried at once, and so is what failed before files changed or a clock was set.

    Args:
        state: what is known.
        keys: the grants that are wanted.
        barred: those whose program must not be started now, or runs and may wait for a person: nobody else waits
            for them.
    """
    waiting: dict[str, list[str]] = {}
    under_way = set()
    for key in keys:
        facts = state.grant(key)
        cause = _cause(facts)
        if not _is_tried_by_one(cause):
            continue
        if key in barred:
            continue
        if facts.fetching is not None:
            under_way.add(cause)
        elif not (facts.asked or facts.stirred):
            waiting.setdefault(cause, []).append(key)
    return frozenset(
        key
        for cause, members in waiting.items()
        for key in (members if cause in under_way else _in_turn(state, members)[1:])
    )


def _in_turn(state: State, members: list[str]) -> list[str]:
    """Return grants by how long ago they were tried: one that fails for a reason of its own bars no other."""

    def last(key: str) -> tuple[bool, float]:
        failure = state.grant(key).failure
        at = None if failure is None else failure.at
        return at is not None, at.timestamp() if at is not None else 0.0

    return sorted(members, key=last)


def _others(state: State, key: str, cause: str) -> dict[str, GrantFacts]:
    return {
        other: facts
        for other, facts in state.grants.items()
        if other != key and cause and facts.fetching is None and _cause(facts) == cause
    }


def least_life(state: State, key: str, cause: str, own: timedelta, now: Instant) -> timedelta:
    """Return how long the first token lives of all that a cause keeps from being renewed."""
    if not _is_tried_by_one(cause):
        return own
    tokens = (facts.token for facts in _others(state, key, cause).values())
    lives = [each.expires_at - now.wall if each and alive(each, now) else _ZERO for each in tokens]
    return min([own, *lives])


def share(state: State, key: str, before: str, plan: Plan) -> State:
    """Let a failed attempt count for all of its cause.

    Only what it says is shared with grants whose credentials begin at another program, or at none: how long a
    program is not started is no reason for others to wait, nor is how soon they try again one to start it.

    Args:
        state: in which the failure is noted.
        key: the grant that was tried.
        before: the cause of its failure before this one; if that was another, it joins the others as they are.
        plan: tells where their credentials begin.
    """
    facts = state.grant(key)
    cause = _cause(facts)
    others = _others(state, key, cause)
    if not others or facts.failure is None or not _is_tried_by_one(cause):
        return state
    process = plan.standing_of(key).process
    alike = {other: each for other, each in others.items() if plan.standing_of(other).process == process}
    if before != cause:
        first = next(iter(alike.values()), facts)
        joined = replace(facts, tries=first.tries, retry_at=first.retry_at)
        return replace(state, grants={**state.grants, key: joined})
    told = facts.failure
    pushed = {
        other: replace(
            each, failure=each.failure and replace(each.failure, category=told.category, hint=told.hint)
        )
        for other, each in others.items()
    }
    for other in alike:
        pushed[other] = replace(pushed[other], tries=facts.tries, retry_at=facts.retry_at)
    return replace(state, grants={**state.grants, **pushed})


def release(state: State, key: str, cause: str, now: Instant) -> State:
    """Let all grants of a cause be tried at once: it is over, as the answer to one of them shows.

    With it the network may be back: of each other endpoint one grant tries it (`held`). A program that may have
    waited for a person is started no sooner for that.
    """
    if not _is_tried_by_one(cause):
        return state
    due = {
        other: replace(each, retry_at=now.boot, stirred=each.stirred or _cause(each) == cause)
        for other, each in state.grants.items()
        if other != key and each.fetching is None and _may_be_released(each)
    }
    return replace(state, grants={**state.grants, **due})


def _may_be_released(facts: GrantFacts) -> bool:
    awaits_person = facts.failure is not None and facts.failure.awaits_person
    return _is_tried_by_one(_cause(facts)) and not awaits_person


def aged(failure: Failure, facts: GrantFacts, state: State, now: Instant) -> Failure:
    """Return a failure as one that a person has to mend, once it has lasted too long to pass by itself.

    An endpoint that cannot be reached is such only where others can: a machine may be offline for days.
    """
    if failure.category is not Category.TRANSIENT or not failure.cause or just_resumed(state.resumed, now):
        return failure
    since = now.boot if facts.failing_since is None or _cause(facts) != failure.cause else facts.failing_since
    if failure.cause.startswith("certificate:") and now.boot - since >= _CERTIFICATE_LASTS:
        return replace(failure, category=Category.CONFIG)
    known = facts.failure is not None and facts.failure.category is Category.CONFIG
    others_work = state.granted is not None and now.boot - state.granted < _OTHERS_WORK
    is_old = now.boot - since >= _ENDPOINT_LASTS
    if failure.cause.startswith("network:") and is_old and (known or others_work):
        return replace(failure, category=Category.CONFIG, hint=unreachable_endpoint().hint)
    return failure
