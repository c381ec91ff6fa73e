"""What an answer from AWS, a changed file or a person's wish means for the grants: absorbing only.

Nothing is decided here; `core.fetching` reads these facts and says what is to be asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from ecr_refreshd.core import logins, process_starts, shared_causes
from ecr_refreshd.core.events import FetchFailed, FetchSucceeded, LoginsSeen
from ecr_refreshd.core.model import Category, Failure, Instant
from ecr_refreshd.core.schedule import alive, fraction, just_resumed, pause_after, pause_after_resume
from ecr_refreshd.core.state import GrantFacts, LoginFacts, Plan, State

_ZERO = timedelta(0)
FETCH_LOST = timedelta(seconds=150)
"""Fetches are answered within 30 s of their beginning, eight or more at a time (DESIGN 5). Where for so long none
is answered, those under way were lost with the process that should have answered."""
_TURN = timedelta(seconds=30)
"""What one fetch may take of another's time while that one waits for its turn."""
_PAST = 64
"""Earlier tokens remembered per grant: more than two days of hourly ones, and none lives that long."""
_FREE_NUDGES = 3
"""Changed files cause this many retries at once; a credential_process that rewrites them each time then waits."""
_NUDGE_PAUSE_MOST, _NUDGES_FORGOTTEN = timedelta(seconds=60), timedelta(minutes=2)
_GATHER = timedelta(milliseconds=250)


def with_grant(state: State, key: str, facts: GrantFacts) -> State:
    """Return the state with these facts of a grant."""
    return replace(state, grants={**state.grants, key: facts})


def lane_of(plan: Plan, key: str) -> str:
    """Return the login that a grant hangs on, "" if it has none of its own on disk."""
    return plan.standing_of(key).lane


def give_up_lost(state: State, now: Instant, plan: Plan) -> State:
    """Count fetches that will never be answered as failures.

    Of two hundred slow ones most wait for their turn: as long as others are answered, none of them is lost. Only
    where more time has passed than all before it could take, was it forgotten. A program may wait for a person.
    """
    waiting = sum(facts.fetching is not None for facts in state.grants.values())
    for key, facts in state.grants.items():
        if facts.fetching is None:
            continue
        process = plan.standing_of(key).process
        lost_after = FETCH_LOST + (process_starts.PERSON_TIMEOUT if process else _ZERO)
        since_any = now.boot - max(facts.fetching, state.answered or facts.fetching)
        if since_any > lost_after or now.boot - facts.fetching > lost_after + _TURN * (waiting - 1):
            lost = Failure(Category.TRANSIENT, "fetch.lost", "The process that asks AWS never answered.")
            pause = _ZERO
            if plan.standing_of(key).process:
                lost = replace(lost, awaits_person=True)
                pause = process_starts.pause_after(lost, facts.tries + 1, pause)
            state = with_grant(state, key, _failed(facts, lost, now, pause=pause))
    return state


def fetched(state: State, event: FetchSucceeded, now: Instant, plan: Plan) -> State:
    """Take a new token; also one that comes after it was given up: it was asked for, and it is good."""
    state = replace(state, answered=now.boot, granted=now.boot)
    facts = state.grant(event.grant)
    is_expected = facts.serial == event.serial and facts.fetching is not None
    if not is_expected and not _is_better(event, facts, now):
        return state
    under_way = None if is_expected else facts.fetching
    if facts.failure is not None:
        state = shared_causes.release(state, event.grant, facts.failure.cause, now)
    past = facts.past if facts.token is None else (facts.token.fingerprint, *facts.past)
    facts = GrantFacts(
        token=event.token,
        past=past[:_PAST],
        serial=facts.serial,
        fetching=under_way,
        announced=facts.announced,
    )
    state = with_grant(state, event.grant, facts)
    for path, sink in state.sinks.items():
        # The files still carry the token before this one; that is nobody's doing.
        changed = {h: replace(f, held=False) for h, f in sink.hosts.items() if _served(plan, h, event.grant)}
        state = replace(state, sinks={**state.sinks, path: replace(sink, hosts={**sink.hosts, **changed})})
    lane = lane_of(plan, event.grant)
    if lane:
        login = replace(state.logins.get(lane, LoginFacts()), worked=now.wall, ended=False)
        state = replace(state, logins={**state.logins, lane: login})
    if state.gather_until is None or state.gather_until <= now.boot:
        state = replace(state, gather_until=now.boot + _GATHER)
    return state


def _is_better(event: FetchSucceeded, facts: GrantFacts, now: Instant) -> bool:
    """Return whether an answer that nobody waits for any more is newer than what there is."""
    held = facts.token
    is_newer = held is None or event.token.expires_at > held.expires_at
    return event.serial <= facts.serial and is_newer and alive(event.token, now)


def _served(plan: Plan, host: str, key: str) -> bool:
    registry = plan.registries.get(host)
    if registry is None or registry.grant is None:
        return False
    return registry.grant.key == key or any(each.grant.key == key for each in registry.spares)


def refused(state: State, event: FetchFailed, now: Instant, plan: Plan) -> State:
    """Take a failure: it keeps the good token, and says when to try again."""
    state = replace(state, answered=now.boot)
    facts = state.grant(event.grant)
    if facts.serial != event.serial or facts.fetching is None:
        return state
    token = facts.token
    remaining = token.expires_at - now.wall if token is not None and alive(token, now) else _ZERO
    cause, before = event.failure.cause, "" if facts.failure is None else facts.failure.cause
    remaining = shared_causes.least_life(state, event.grant, cause, remaining, now)
    chance = fraction(plan.seed, event.grant, str(facts.serial))
    pause = pause_after(event.failure, facts.tries + 1, remaining, chance)
    if event.failure.category is Category.TRANSIENT and just_resumed(state.resumed, now):
        pause = pause_after_resume(facts.tries + 1, chance)
    if plan.standing_of(event.grant).process:
        pause = process_starts.pause_after(event.failure, facts.tries + 1, pause)
    changed = facts.changed
    if not cause and event.failure.category in {Category.DENIED, Category.TRANSIENT}:
        state = shared_causes.release(state, event.grant, before, now)  # AWS was reached
    facts = _failed(facts, shared_causes.aged(event.failure, facts, state, now), now, pause=pause)
    if changed:
        facts = nudged(facts, now)
    lane = lane_of(plan, event.grant)
    if lane and event.failure.category is Category.LOGIN:
        login = logins.refused(state.logins.get(lane, LoginFacts()), now)
        state = replace(state, logins={**state.logins, lane: login})
    return shared_causes.share(with_grant(state, event.grant, facts), event.grant, before, plan)


def _failed(facts: GrantFacts, failure: Failure, now: Instant, *, pause: timedelta) -> GrantFacts:
    goes_on = facts.failure is not None and facts.failure.cause == failure.cause
    return replace(
        facts,
        fetching=None,
        failure=replace(failure, at=now.wall),
        failing_since=facts.failing_since if goes_on and facts.failing_since is not None else now.boot,
        tries=facts.tries + 1,
        retry_at=now.boot + pause,
        changed=False,
        stirred=False,
    )


def files_changed(state: State, now: Instant, plan: Plan, *, shared: bool) -> State:
    """Try again what failed: all of it, or only what waits for credentials that a terminal obtains."""
    grants = {
        key: nudged(facts, now)
        if (not shared or _waits_for_terminal(facts, key, plan))
        and not _ignores_change(facts, key, now, plan)
        else facts
        for key, facts in state.grants.items()
    }
    return replace(state, grants=grants)


def _ignores_change(facts: GrantFacts, key: str, now: Instant, plan: Plan) -> bool:
    return bool(plan.standing_of(key).process) and process_starts.ignores_change(facts, now)


def clock_set(state: State, now: Instant, plan: Plan, by: timedelta) -> State:
    """Try again what failed: with a clock that is off AWS refuses requests, and logins seem to have ended.

    Logins aside that the disk shows dead: those follow when it shows them alive again. Times of failures are set
    right `by` as much as the clock was.
    """
    grants = {}
    for key, facts in state.grants.items():
        failure = facts.failure
        if failure is not None:
            failure = replace(failure, at=failure.at and failure.at + by)
            is_dead = failure.category is Category.LOGIN and logins.is_dead(
                state.logins.get(lane_of(plan, key))
            )
            stays = is_dead or failure.awaits_person
            facts = replace(facts if stays else nudged(facts, now), failure=failure)  # noqa: PLW2901
        grants[key] = facts
    return replace(state, grants=grants)


def _waits_for_terminal(facts: GrantFacts, key: str, plan: Plan) -> bool:
    if lane_of(plan, key):
        return False
    return facts.fetching is not None or (
        facts.failure is not None and facts.failure.category is Category.LOGIN
    )


def logins_seen(state: State, event: LoginsSeen, now: Instant, plan: Plan) -> State:
    """Take a look at the logins: one that changed concerns the failed ones of its own grants.

    That a new one makes all of its tokens due is read off `LoginFacts.began` (core/fetching.py).
    """
    for lane, login in event.logins.items():
        before = state.logins.get(lane)
        if login.torn or (before is not None and login == before.seen):
            continue
        known = before or LoginFacts()
        # The very first look is no news: whoever signed in did so before this service knew of it.
        fresh = before is not None and logins.is_new(before, login, now)
        facts = logins.begun(known, login, now) if fresh else replace(known, seen=login)
        revived = before is not None and not before.seen.alive  # the file came back, or the clock was set
        changed = before is None or login.stamp != before.seen.stamp or revived
        state = replace(state, logins={**state.logins, lane: facts})
        if not changed or not login.alive:
            continue
        keys = [key for key in (*plan.by_grant(), *plan.spares()) if lane_of(plan, key) == lane]
        for key in keys:
            state = with_grant(state, key, nudged(state.grant(key), now))
    return state


def nudged(facts: GrantFacts, now: Instant) -> GrantFacts:
    """Return facts after files changed: only grants that failed last, or are being asked, care."""
    if facts.fetching is not None:
        return replace(facts, changed=True)
    if facts.failure is None:
        return facts
    forgotten = facts.nudged_at is None or now.boot - facts.nudged_at > _NUDGES_FORGOTTEN
    nudges = 1 if forgotten else facts.nudges + 1
    over = nudges - _FREE_NUDGES
    pause = _ZERO if over <= 0 else min(timedelta(seconds=1 << min(over, 10)), _NUDGE_PAUSE_MOST)
    at = now.boot + pause
    retry_at = at if facts.retry_at is None else min(at, facts.retry_at)
    return replace(facts, stirred=True, nudges=nudges, nudged_at=now.boot, retry_at=retry_at)


def asked(state: State, keys: Iterable[str], now: Instant, plan: Plan, *, by_person: bool) -> State:
    """Renew these grants as soon as may be, however fresh they are.

    The ladder of pauses begins anew: whoever tries while an administrator mends something must not put off the
    service's own next try. A script, or a client that pulls, starts no program that waits for a person.
    """
    keys = frozenset(keys)
    held = (
        frozenset()
        if by_person
        else process_starts.grants_to_hold(state, (*plan.by_grant(), *plan.spares()), plan, now)
    )
    for key in sorted(keys - held):
        facts = state.grant(key)
        is_program = bool(plan.standing_of(key).process)
        tries = facts.tries if is_program and not by_person else 0
        facts = replace(facts, asked=True, by_person=facts.by_person or by_person, tries=tries)
        state = with_grant(state, key, facts)
    return state
