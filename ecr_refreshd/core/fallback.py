"""Which principals of a registry are passed over because they failed, and when they are asked again.

The next candidate serves meanwhile; whoever was passed over comes first again as soon as it works (DESIGN 4, 7).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import IntEnum

from ecr_refreshd.core.decisions import Wake
from ecr_refreshd.core.logins import is_dead
from ecr_refreshd.core.model import Category, Failure, Instant
from ecr_refreshd.core.schedule import alive, stubborn_pause, together
from ecr_refreshd.core.state import Candidate, GrantFacts, Plan, Registry, State

_NO_CREDENTIALS = frozenset({"NoCredentialsError", "CredentialRetrievalError", "MetadataRetrievalError"})
"""Codes of transient failures that no other principal shares."""


class Rank(IntEnum):
    """Whose failure is shown where every candidate of a registry has failed: the lowest."""

    WORKED_LOGIN = 0
    WORKED = 1
    LOGIN = 2
    OTHER = 3


_WAITING = frozenset({Rank.LOGIN, Rank.WORKED_LOGIN})


def falls_through(failure: Failure) -> bool:
    """Return whether another principal may succeed where this failure happened."""
    return failure.category is not Category.TRANSIENT or failure.code in _NO_CREDENTIALS


def passed_over(state: State, plan: Plan, now: Instant) -> Mapping[str, Rank]:
    """Return the candidates' grants that are passed over, by key."""
    several = [each for each in plan.registries.values() if len(each.candidates) > 1]
    passed: dict[str, Rank] = {}
    lanes: set[str] = set()
    for candidate in (each for registry in several for each in registry.candidates):
        key, facts = candidate.grant.key, state.grant(candidate.grant.key)
        if key in passed or not _has_failed(facts, now):
            continue
        is_login = facts.failure is not None and facts.failure.category is Category.LOGIN
        if is_login and candidate.standing.lane:
            lanes.add(candidate.standing.lane)
        if facts.token is None:
            passed[key] = Rank.LOGIN if is_login else Rank.OTHER
        else:
            passed[key] = Rank.WORKED_LOGIN if is_login else Rank.WORKED
    for candidate in (each for registry in several for each in registry.candidates):
        # What has ended for one principal of a login has ended for the others.
        if candidate.standing.lane in lanes and not _is_kept(state.grant(candidate.grant.key), now):
            passed.setdefault(candidate.grant.key, Rank.LOGIN)
    return passed


def _has_failed(facts: GrantFacts, now: Instant) -> bool:
    failure = facts.failure
    if failure is None or not falls_through(failure):
        return False
    # A login that has ended leaves its tokens alive, as does a machine that gives no credentials for a moment.
    return failure.category in {Category.DENIED, Category.CONFIG} or not _is_kept(facts, now)


def _is_kept(facts: GrantFacts, now: Instant) -> bool:
    """Return whether the token of a principal lives long enough to need no other's yet."""
    token = facts.token
    return token is not None and alive(token, now) and token.expires_at - now.wall > together(token.life)


def chosen(
    candidates: Sequence[Candidate], passed: Mapping[str, Rank]
) -> tuple[Candidate, tuple[Candidate, ...]]:
    """Return who serves a registry, and who is asked again beside it.

    Where one only waits for a person to sign in, nobody takes over whose account may be another than the
    registry's: what it pulls may be denied, and nobody would learn that a sign-in is all that is needed.
    """
    failed = [candidate for candidate in candidates if candidate.grant.key in passed]
    is_waited_for = False
    for number, candidate in enumerate(candidates):
        rank = passed.get(candidate.grant.key)
        if rank is None and (candidate.choice.own_account or not is_waited_for):
            return candidate, tuple(candidates[:number])
        is_waited_for = is_waited_for or rank in _WAITING
    best = min(failed, key=lambda candidate: passed[candidate.grant.key])
    return best, tuple(each for each in failed if each is not best)


def waiting(state: State, plan: Plan) -> Iterator[tuple[GrantFacts, list[Registry]]]:
    """Yield what is known of those whom others stand in for until a person signs in, with their registries.

    A registry is one as it would be served then.
    """
    for key, spare in plan.spares().items():
        facts = state.grant(key)
        if facts.failure is None or facts.failure.category is not Category.LOGIN:
            continue
        best, served = spare.candidate, []
        for host in sorted(spare.hosts - state.pauses.keys()):
            registry = plan.registries[host]
            ranks = {each.grant.key: number for number, each in enumerate(registry.candidates)}
            if registry.grant is not None and ranks[key] < ranks[registry.grant.key]:
                served.append(replace(registry, grant=best.grant, standing=best.standing))
        if served:
            yield facts, served


def due(state: State, now: Instant, plan: Plan, wake: Wake) -> Iterator[str]:
    """Yield the grants that were passed over and are to be asked again now."""
    for key, spare in plan.spares().items():
        facts = state.grant(key)
        if (
            facts.fetching is None
            and not spare.hosts <= state.pauses.keys()
            and _is_due(key, state, now, plan, wake)
        ):
            yield key
    for registry in plan.registries.values():
        facts = state.grant(registry.grant.key) if registry.grant else GrantFacts()
        if (
            len(registry.candidates) > 1
            and facts.failure is not None
            and _is_kept(facts, now)
            and facts.token
        ):
            wake.wall(facts.token.expires_at - together(facts.token.life))


def _is_due(key: str, state: State, now: Instant, plan: Plan, wake: Wake) -> bool:
    facts = state.grant(key)
    if facts.asked or facts.failure is None:
        return facts.asked  # it shares a login that has ended, and that is asked about by another
    lane = plan.standing_of(key).lane
    if facts.failure.category is Category.LOGIN and is_dead(state.logins.get(lane)) and not facts.stirred:
        return False
    if facts.retry_at is None or facts.stirred or facts.failure.category is not Category.TRANSIENT:
        wake.boot(facts.retry_at)
        return facts.retry_at is not None and now.boot >= facts.retry_at
    # Another serves meanwhile, so there is no hurry.
    again = (facts.failure.at or now.wall) + stubborn_pause(facts.tries)
    wake.wall(again)
    return not now.wall < again


def asked_with(hosts: Collection[str], plan: Plan) -> frozenset[str]:
    """Return the grants that a person's wish for new tokens of these hosts asks beside those that serve them."""
    return frozenset(key for key, spare in plan.spares().items() if not spare.hosts.isdisjoint(hosts))


def is_asked(state: State, hosts: Collection[str], plan: Plan) -> bool:
    """Return whether a candidate that would come first for one of these hosts is still being asked."""
    facts = (state.grant(key) for key in asked_with(hosts, plan))
    return any(each.asked or each.fetching is not None for each in facts)


def again_in(failure: Failure, tries: int, now: Instant) -> timedelta:
    """Return how long until a principal that was passed over in an earlier run is asked again."""
    due_at = (failure.at or now.wall) + stubborn_pause(tries)
    return min(max(due_at - now.wall, timedelta(0)), stubborn_pause(tries))
