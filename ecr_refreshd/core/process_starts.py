"""When a `credential_process` may be started: each start may open a page or send a push to a phone (DESIGN 5).

The tool keeps its login where no file tells of it, so only another start shows that a person has signed in.
A program that fails at once is started again after 1, 2, 5 and then every 10 minutes. One that may have waited
for a person is started again after 15 min, 1 h and then every 4 h, or when a person asks; never more, and a
restart of the service begins no new count. All grants whose credentials begin at one program share its starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from ecr_refreshd.core.model import Category, Failure, Instant
from ecr_refreshd.core.state import GrantFacts, Plan, State

_AFTER_FAILURE = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10))
_AFTER_WAITING = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4))
LONGEST_PAUSE = _AFTER_WAITING[-1]
FAILS_AT_ONCE = timedelta(seconds=10)
"""A program that took longer than this, and failed, may have waited for a person."""
PERSON_TIMEOUT = timedelta(minutes=10)
"""For a start that a person has asked for."""
_OWN_CHANGES = timedelta(seconds=5)
"""Files that change so soon after a failed start were written by the program itself."""


def pause_after(failure: Failure, tries: int, usual: timedelta) -> timedelta:
    """Return how long a program is not started after the `tries`-th failure in a row (1 is the first).

    Args:
        failure: of a grant whose credentials begin at a program.
        tries: in a row.
        usual: the pause for other grants, which is never shortened.
    """
    if failure.awaits_person:
        return _AFTER_WAITING[min(tries, len(_AFTER_WAITING)) - 1]
    at_once = _AFTER_FAILURE[min(tries, len(_AFTER_FAILURE)) - 1]
    if failure.category is Category.LOGIN:
        return at_once
    return max(at_once, usual)


def _is_waiting(facts: GrantFacts, now: Instant) -> bool:
    """Return whether the program's last start is a reason not to start it now for the same grant."""
    return facts.failure is not None and facts.retry_at is not None and now.boot < facts.retry_at


def _lacks_login(facts: GrantFacts) -> bool:
    """Return whether what failed is the program itself, and not what AWS said to one of its grants."""
    failure = facts.failure
    return failure is not None and (failure.category is Category.LOGIN or failure.awaits_person)


def ignores_change(facts: GrantFacts, now: Instant) -> bool:
    """Return whether a changed AWS file is no reason to start the program again.

    Tools write to these files when they are started. Who waits for a person is asked by that person.
    """
    if facts.fetching is not None:
        return True
    failure = facts.failure
    if failure is None:
        return False
    return failure.awaits_person or (failure.at is not None and now.wall - failure.at < _OWN_CHANGES)


def timeout(facts: GrantFacts, plan: Plan) -> timedelta:
    """Return how long a start that is decided now may take."""
    least = plan.aws.credential_process_timeout
    return max(least, PERSON_TIMEOUT) if facts.by_person else least


def grants_to_hold(state: State, keys: Iterable[str], plan: Plan, now: Instant) -> frozenset[str]:
    """Return the grants that must not be fetched now, since their program runs or waits for a person.

    A person's request overrules the waiting, never a start that is under way.
    """
    by_process = _by_process(keys, plan)
    held: set[str] = set()
    for group in by_process.values():
        facts = [state.grant(key) for key in group]
        is_running = any(each.fetching is not None for each in facts)
        waiting = [each for each in facts if _is_waiting(each, now)]
        if is_running:
            held.update(group)
        elif not any(each.by_person for each in facts):
            held.update(group if any(map(_lacks_login, waiting)) else ())
            held.update(key for key in group if _is_waiting(state.grant(key), now))
    return frozenset(held)


def grants_to_add(state: State, due: Iterable[str], keys: Iterable[str], plan: Plan) -> list[str]:
    """Return the grants that failed for want of the same login, for which the start of a due one serves too."""
    chosen = set(due)
    added: list[str] = []
    for group in _by_process(keys, plan).values():
        if chosen.isdisjoint(group):
            continue
        for key in group:
            failure = state.grant(key).failure
            if key not in chosen and failure is not None and failure.category is Category.LOGIN:
                added.append(key)
    return added


def _by_process(keys: Iterable[str], plan: Plan) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key in keys:
        if process := plan.standing_of(key).process:
            groups.setdefault(process, []).append(key)
    return groups


def interrupt(state: State, now: Instant, plan: Plan) -> State:
    """Return the state of a service that ends, with the starts under way counted as failed ones."""
    grants = dict(state.grants)
    for key, facts in state.grants.items():
        if facts.fetching is not None and plan.standing_of(key).process:
            grants[key] = interrupted(facts, now)
    return replace(state, grants=grants)


def interrupted(facts: GrantFacts, now: Instant) -> GrantFacts:
    """Return the facts of a grant whose program was started by a service that has ended since.

    What the program had opened by then is not known.
    """
    failure = Failure(
        Category.TRANSIENT,
        "fetch.interrupted",
        "The service ended while credential_process was running.",
        at=now.wall,
        awaits_person=True,
    )
    tries = facts.tries + 1
    pause = pause_after(failure, tries, timedelta(0))
    return replace(facts, fetching=None, failure=failure, tries=tries, retry_at=now.boot + pause)
