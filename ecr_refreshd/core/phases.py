"""Derive each registry's phase, and which registries count for `overall`, exit codes and notices.

A phase tells what clients get (core/pulls.py), and what is being done about it. It is never stored.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from ecr_refreshd.core.model import Category, EntryKind, Failure, Instant
from ecr_refreshd.core.pulls import Pull, Reason, refusal_by_registry
from ecr_refreshd.core.schedule import alive, just_resumed
from ecr_refreshd.core.sighting import lives
from ecr_refreshd.core.state import GrantFacts, Plan, Registry, State
from ecr_refreshd.core.writing import is_ours


class Phase(StrEnum):
    """How a registry stands; the first that holds."""

    PAUSED = "paused"
    LOGIN_REQUIRED = "login-required"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    UNWRITTEN = "unwritten"
    RETRYING = "retrying"
    RENEWING = "renewing"
    FRESH = "fresh"


def phase_of(
    registry: Registry, facts: GrantFacts, pulls: Collection[Pull], state: State, now: Instant
) -> Phase:
    """Return the phase.

    Args:
        registry: whose.
        facts: of its grant.
        pulls: the judgement by each file that carries it.
        state: everything that is known.
        now: by both clocks.
    """
    if registry.host in state.pauses:
        return Phase.PAUSED
    if pulls and all(pull.reason is Reason.NONE and pull.is_by_others for pull in pulls):
        return Phase.FRESH
    failure = failure_of(registry, facts, state)
    category = None if failure is None else failure.category
    if category is Category.LOGIN:
        return Phase.LOGIN_REQUIRED
    if category in {Category.DENIED, Category.CONFIG}:
        return Phase.BLOCKED
    held = alive(facts.token, now)
    had = facts.token is not None or any(pull.reason is Reason.EXPIRED for pull in pulls)
    if had and not held and not (pulls and all(pull.works for pull in pulls)):
        return Phase.EXPIRED
    if any(pull.reason is Reason.REFUSED for pull in pulls):
        return Phase.RETRYING
    lacking = [pull for pull in pulls if not pull.is_good]
    if held and (not pulls or not all(pull.is_pending for pull in lacking)):
        return Phase.UNWRITTEN
    if failure is not None and not (held and just_resumed(state.resumed, now)):
        return Phase.RETRYING
    return Phase.RENEWING if facts.fetching is not None or not held or lacking else Phase.FRESH


def failure_of(registry: Registry, facts: GrantFacts, state: State) -> Failure | None:
    """Return why a registry cannot be kept fresh now, None if nothing is in the way.

    That AWS issues tokens says nothing of the registry, which may refuse them.
    """
    failure = registry.blocked or facts.failure
    if failure is not None and failure.category is not Category.TRANSIENT:
        return failure
    return refusal_by_registry(state, registry) or failure


def counting(state: State, plan: Plan, now: Instant) -> frozenset[str]:
    """Return the registries that count for `overall`, exit codes and notices (DESIGN 3).

    Of those that were merely found in files, the ones for which a principal can be asked here. If that leaves
    none, all count: there is nothing else that the service could be about.
    """
    hosts = frozenset(r.host for r in plan.registries.values() if _can_be_served(r, state, plan, now))
    return hosts or frozenset(plan.registries)


def _can_be_served(registry: Registry, state: State, plan: Plan, now: Instant) -> bool:
    if registry.origin in {"config", "added"}:
        return True
    facts = GrantFacts() if registry.grant is None else state.grant(registry.grant.key)
    failure = registry.blocked or facts.failure
    hopeless = failure is not None and (registry.grant is None or failure.category is Category.DENIED)
    return not hopeless or has_worked(registry, facts, state, plan, now)


def has_worked(registry: Registry, facts: GrantFacts, state: State, plan: Plan, now: Instant) -> bool:
    """Return whether a registry was served here: a token was had, ours stands there, or a living one has died."""
    if facts.token is not None:
        return True
    entries = [state.sink(file.path).entry(registry.host) for file in plan.files]
    if any(is_ours(state, GrantFacts(), entry) for entry in entries):
        return True
    seen = [entry for entry in entries if entry.kind is not EntryKind.ABSENT]
    return registry.host in state.lived and not any(lives(entry, now) for entry in seen)
