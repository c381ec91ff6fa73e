"""Whether hosts have so much life in every file as a script asks for, and what is to be done if not."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from ecr_refreshd.core.model import Category, Instant, SinkState
from ecr_refreshd.core.pulls import Pull, Pulls, Reason, refusal_by_registry
from ecr_refreshd.core.refusing import refusal_of
from ecr_refreshd.core.state import Plan, SinkFacts, State

_ZERO = timedelta(0)
_NEW = timedelta(minutes=1)
_SETTLES = timedelta(seconds=1)
_FOR_A_PERSON = frozenset({Reason.SHADOWED, Reason.UNDECODABLE})


def life_left(state: State, host: str, plan: Plan, now: Instant) -> timedelta:
    """Return how long what stands in the files for a host will work at least; zero if it does not in one."""
    pulls = Pulls.of(state, plan, now).by_files(plan.registries[host]).values()
    return min((_left(pull, now) for pull in pulls), default=_ZERO)


def _left(pull: Pull, now: Instant) -> timedelta:
    if not pull.works:
        return _ZERO
    # Another program answers, and does not say until when: what it gives is made for each pull.
    return timedelta.max if pull.ends is None else max(pull.ends - now.wall, _ZERO)


def lacking(
    state: State, hosts: Collection[str], least: timedelta, plan: Plan, now: Instant
) -> frozenset[str]:
    """Return the hosts that have less life than that."""
    return frozenset(host for host in hosts if life_left(state, host, plan, now) < least)


def to_renew(
    state: State, hosts: Collection[str], least: timedelta, plan: Plan, now: Instant
) -> frozenset[str]:
    """Return those of the lacking hosts that a new token may help; the others only wait to be written.

    A token that is new and lives too short will not be followed by a longer one.
    """
    too_short = frozenset(beyond(state, hosts, least, plan))
    return frozenset(
        host
        for host in lacking(state, hosts, least, plan, now)
        if host not in state.pauses
        and not (host in too_short and _is_new(state, host, plan, now))
        and (_token_left(state, host, plan, now) < least or _kept(state, host, plan))
    )


def _is_new(state: State, host: str, plan: Plan, now: Instant) -> bool:
    registry = plan.registries[host]
    token = None if registry.grant is None else state.grant(registry.grant.key).token
    return token is not None and timedelta(0) <= now.wall - token.obtained_at < _NEW


def _token_left(state: State, host: str, plan: Plan, now: Instant) -> timedelta:
    registry = plan.registries[host]
    token = None if registry.grant is None else state.grant(registry.grant.key).token
    return _ZERO if token is None or token.auth is None else token.expires_at - now.wall


def _kept(state: State, host: str, plan: Plan) -> bool:
    """Return whether somebody else's login stands in a file, where ours waits for its end."""
    sinks: list[SinkFacts] = [state.sink(file.path) for file in plan.files]
    return any(
        sink.host(host).foreign and sink.entry(host).fingerprint == sink.host(host).foreign for sink in sinks
    )


def beyond(state: State, hosts: Collection[str], least: timedelta, plan: Plan) -> tuple[str, ...]:
    """Return the hosts whose tokens never live that long."""
    found = []
    for host in hosts:
        registry = plan.registries[host]
        token = None if registry.grant is None else state.grant(registry.grant.key).token
        if token is not None and token.life < least:
            found.append(host)
    return tuple(sorted(found))


def answered(state: State, hosts: Collection[str], least: timedelta, plan: Plan, now: Instant) -> bool:
    """Return whether our credential helper has its answer for each of these, or cannot be given one.

    Whatever becomes of the files that other clients read, it answers from its own.
    """
    sink = next((state.sink(file.path) for file in plan.files if file.role == "helper"), SinkFacts())
    if sink.failure is not None:
        return all(
            _token_left(state, host, plan, now) > least
            or (refusal_of(state, host, plan, now) and not _is_asked_for(state, host, plan))
            for host in hosts
        )
    if sink.view is None:
        return False
    for host in hosts:
        ends = sink.entry(host).expires_hint
        refused = sink.view.refusals.get(host)
        refuses = refused is not None and refused.until > now.wall and not _is_asked_for(state, host, plan)
        if not refuses and (ends is None or ends - now.wall <= least):
            return False
    return True


def _is_asked_for(state: State, host: str, plan: Plan) -> bool:
    """Return whether AWS has still to answer: what is said of a host until then is of before."""
    registry = plan.registries[host]
    if registry.grant is None or host in state.pauses:
        return False
    facts = state.grant(registry.grant.key)
    return facts.fetching is not None or facts.asked


def hopeless(state: State, hosts: Collection[str], plan: Plan, now: Instant) -> bool:
    """Return whether each of these waits for a person, so that a script need not wait any longer."""
    for host in hosts:
        registry = plan.registries[host]
        failure = registry.blocked
        if failure is None and registry.grant is not None and not _is_asked_for(state, host, plan):
            failure = state.grant(registry.grant.key).failure
        waits = failure is not None and (failure.category is not Category.TRANSIENT or failure.awaits_person)
        if not (host in state.pauses or waits or _stuck(state, host, plan, now)):
            return False
    return True


def _stuck(state: State, host: str, plan: Plan, now: Instant) -> bool:
    """Return whether a host waits for a person: the registry refuses it, or a file does not serve its clients."""
    registry = plan.registries[host]
    if refusal_by_registry(state, registry) is not None:
        return True
    for file, pull in Pulls.of(state, plan, now).by_files(registry).items():
        failure = state.sink(file.path).failure
        if pull.reason is Reason.UNPARSABLE and failure is not None and failure.at is not None:
            # Its writer may be in the middle of it, for a moment.
            if now.wall - failure.at >= _SETTLES:
                return True
        elif pull.reason in _FOR_A_PERSON or (
            pull.reason is Reason.WRONG_KIND and pull.state is SinkState.FOREIGN
        ):
            return True
    return False
