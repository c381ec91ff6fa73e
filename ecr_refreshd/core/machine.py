"""The state machine: `step` absorbs one event into the facts, then settles what is to be done.

Rules of the room: absorbing only records what is true now; settling (core/settle.py) only reads facts. So it
never matters which event woke the loop, how often, or how late, and settling twice at one instant decides
nothing the second time.

Its promises (each is a property test, tests/core/test_promises.py):

1. At most one fetch per grant is under way; of stale answers only a token counts, if it is newer than the last.
2. Nothing waits for ever on a worker that died.
3. If a file differs from a living token that it should carry, a write follows within the longest pause.
4. An expired token is never written; a living one stays while renewal fails.
5. A grant whose login the disk shows to be dead is not asked for again by time.
6. Pauses survive a wall clock that is set, either way.
7. A notice is raised once per cause, and withdrawn once.
8. A host that a person has paused is neither renewed nor written.
9. No state, event or decision shows a secret.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ecr_refreshd.core import fallback, granting, notices, pauses, probing, sighting
from ecr_refreshd.core.decisions import Decision
from ecr_refreshd.core.events import (
    AnswerWanted,
    CredentialsChanged,
    Event,
    FetchFailed,
    FetchSucceeded,
    HookRan,
    LoggedOut,
    LoginsSeen,
    NoticeTold,
    PauseAsked,
    Probed,
    RefreshAsked,
    ResumeAsked,
    SignInStarted,
    SinkFailed,
    SinkSeen,
)
from ecr_refreshd.core.model import Instant
from ecr_refreshd.core.settle import settle
from ecr_refreshd.core.state import Plan, State
from ecr_refreshd.core.writing import Carriers

SLEPT = timedelta(seconds=75)
"""The loop turns every 30 s; a longer silence means that the machine, or this process, stood still."""
CLOCK_SET = timedelta(seconds=5)
"""More than two clocks drift apart between two ticks: somebody has set the one that can be set."""


def step(state: State, event: Event, now: Instant, plan: Plan) -> tuple[State, tuple[Decision, ...]]:
    """Return the next state and what is to be done, in order."""
    return settle(absorb(state, event, now, plan), now, plan)


def absorb(state: State, event: Event, now: Instant, plan: Plan) -> State:
    """Return the state with what the event says; see the module's rules."""
    state = _time_passed(state, now, plan)
    match event:
        case FetchSucceeded():
            return granting.fetched(state, event, now, plan)
        case FetchFailed():
            return granting.refused(state, event, now, plan)
        case SinkSeen():
            return sighting.seen(state, event, now, plan)
        case SinkFailed():
            return sighting.sink_failed(state, event, now)
        case CredentialsChanged(shared):
            return granting.files_changed(state, now, plan, shared=shared)
        case LoginsSeen():
            return granting.logins_seen(state, event, now, plan)
        case RefreshAsked(hosts, by_person):
            return _refresh_asked(state, hosts, now, plan, by_person=by_person)
        case PauseAsked(host, until):
            return pauses.begin(state, host, until)
        case AnswerWanted(host):
            return replace(state, wanted={**state.wanted, host: now.boot})
        case LoggedOut(host):
            return pauses.logged_out(state, plan.registries.get(host))
        case ResumeAsked(host):
            return pauses.end(state, [host])
        case NoticeTold():
            return notices.told(state, event)
        case Probed():
            return probing.probed(state, event, now, plan)
        case HookRan(problem):
            return replace(state, hook_problem=problem)
        case SignInStarted(problem):
            return replace(state, sign_in_problem=problem)
        case _:
            return state


def _time_passed(state: State, now: Instant, plan: Plan) -> State:
    before = state.turned
    if before is not None and now.boot - before.boot > SLEPT:
        state = replace(state, resumed=now.boot)
    set_by = timedelta(0) if before is None else (now.wall - before.wall) - (now.boot - before.boot)
    if abs(set_by) > CLOCK_SET:
        state = granting.clock_set(state, now, plan, set_by)
    state = granting.give_up_lost(replace(state, turned=now), now, plan)
    state = sighting.end_wars(sighting.give_up_lost(state, now), now)
    return pauses.end_past(sighting.await_first_looks(state, now, plan), now)


def _refresh_asked(
    state: State, hosts: frozenset[str], now: Instant, plan: Plan, *, by_person: bool
) -> State:
    wanted = hosts or frozenset(plan.registries)
    state = pauses.end(state, hosts)  # by name only: whoever wants everything fresh does not mean these
    wanted -= state.pauses.keys()
    grants = {
        r.grant.key for h in wanted if (r := plan.registries.get(h)) is not None and r.grant is not None
    }
    grants |= fallback.asked_with(wanted, plan)
    state = granting.asked(state, grants, now, plan, by_person=by_person)
    carriers = Carriers.of(state, plan)
    for file in plan.files:
        sink = state.sink(file.path)
        # Elsewhere nothing is written that would end it, and it would strike a login of days later.
        there = (host for host in wanted if carriers.carries(file, host, sink))
        overruled = {h: replace(sink.host(h), overrule=True, not_before=None) for h in there}
        state = sighting.with_sink(
            state, file.path, replace(sink, hosts={**sink.hosts, **overruled}, not_before=None)
        )
    return state
