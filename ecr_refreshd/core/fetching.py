"""Which authorization tokens are to be asked for now, read off the facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ecr_refreshd.core import fallback, logins, process_starts, shared_causes
from ecr_refreshd.core.decisions import Decision, Fetch, Wake
from ecr_refreshd.core.granting import lane_of
from ecr_refreshd.core.model import Category, Grant, Instant
from ecr_refreshd.core.pauses import served_by_grant
from ecr_refreshd.core.ports import FetchOrder
from ecr_refreshd.core.schedule import fraction, reached, renew_at, together
from ecr_refreshd.core.state import GrantFacts, Plan, Registry, State

_FIRST_LOOK = timedelta(seconds=5)
"""No fetch before every file was looked at once, since one may still hold our token; but no longer than this."""


def settle(state: State, now: Instant, plan: Plan, wake: Wake) -> tuple[State, tuple[Decision, ...]]:
    """Return the state with the fetches that begin now noted in it, and the decision to begin them."""
    looked = all(state.sink(f.path).looked for f in plan.files)
    if not looked and now.boot - state.started < _FIRST_LOOK:
        wake.boot(state.started + _FIRST_LOOK)
        return state, ()
    due: list[str] = []
    soon: list[str] = []
    by_grant = served_by_grant(state, plan)
    wanted = (*by_grant, *plan.spares())
    held = process_starts.grants_to_hold(state, wanted, plan, now)
    shared = shared_causes.held(state, by_grant, held)
    for key, served in by_grant.items():
        facts = state.grant(key)
        if facts.fetching is not None or key in shared:
            continue
        if key in held:
            wake.boot(facts.retry_at)
            continue
        at = renewal_of(state, served, key, plan, now)
        if _is_due(facts, key, at, state, now, plan, wake):
            due.append(key)
        elif _goes_along(facts, at, now):
            soon.append(key)
    due += (key for key in fallback.due(state, now, plan, wake) if key not in held)
    if not due:
        return state, ()
    grants = dict(state.grants)
    orders = []
    soon.extend(process_starts.grants_to_add(state, due + soon, wanted, plan))
    for key in due + soon:
        facts = state.grant(key)
        grants[key] = replace(
            facts,
            serial=facts.serial + 1,
            fetching=now.boot,
            asked=False,
            by_person=False,
            changed=False,
            retry_at=None,
        )
        timeout = process_starts.timeout(facts, plan)
        orders.append(
            FetchOrder(_grant(key, plan), facts.serial + 1, plan.standing_of(key), plan.aws.timeout, timeout)
        )
    return replace(state, grants=grants), (Fetch(tuple(orders)),)


def _grant(key: str, plan: Plan) -> Grant:
    if (spare := plan.spares().get(key)) is not None:
        return spare.candidate.grant
    registry = plan.by_grant()[key][0]
    if registry.grant is None:
        raise AssertionError("by_grant lists only registries with a grant")
    return registry.grant


def renewal_of(
    state: State, served: Sequence[Registry], key: str, plan: Plan, now: Instant
) -> datetime | None:
    """Return when a grant's token is to be renewed (UTC): the soonest that any of its registries asks for.

    A new login is a reason too, and shortly before a login ends its tokens are renewed once more, so that the
    last ones bridge as long as can be.
    """
    facts = state.grant(key)
    if facts.token is None or not served:
        return None
    # Whole seconds: the state file keeps no more than milliseconds, and a restart must not move the moment.
    chance = fraction(plan.seed, key, str(int(facts.token.obtained_at.timestamp())))
    at = min(
        renew_at(facts.token, r.renew, login_backed=r.standing.login_backed, chance=chance) for r in served
    )
    login = _mint_for_login(state, served[0].standing.lane, facts.token.obtained_at, plan, now)
    return at if login is None else min(at, login)


def _mint_for_login(
    state: State, lane: str, obtained_at: datetime, plan: Plan, now: Instant
) -> datetime | None:
    login = state.logins.get(lane)
    if login is None:
        return None
    if login.began is not None and obtained_at < login.began:
        return login.began  # a new login: what it gives bridges all of it (DESIGN 5)
    end = logins.end_of(login, plan.session_lengths.get(lane), now)
    if end is None:
        return None
    at = end - logins.MINT_BEFORE_END
    return at if obtained_at < at and now.wall < end else None


def _is_due(
    facts: GrantFacts, key: str, at: datetime | None, state: State, now: Instant, plan: Plan, wake: Wake
) -> bool:
    if facts.asked:
        return True
    if facts.failure is not None:
        login = state.logins.get(lane_of(plan, key))
        if facts.failure.category is Category.LOGIN and logins.is_dead(login) and not facts.stirred:
            return False  # the disk will tell when a person has signed in; AWS need not be asked by time
        wake.boot(facts.retry_at)
        return facts.retry_at is not None and now.boot >= facts.retry_at
    if facts.token is None or at is None:
        begin = state.started + plan.startup_splay * fraction(plan.seed, key, "splay")
        wake.boot(begin)
        return now.boot >= begin
    if facts.token.auth is None:
        return True  # remembered from an earlier run, but no file holds it any more
    wake.wall(at)
    return reached(at, facts.token, now)


def _goes_along(facts: GrantFacts, at: datetime | None, now: Instant) -> bool:
    if at is None or facts.token is None or facts.failure is not None:
        return False
    return reached(at - together(facts.token.life), facts.token, now)
