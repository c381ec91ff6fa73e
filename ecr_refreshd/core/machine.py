"""The state machine: `step` absorbs one event into the facts, then settles what is to be done.

Rules of the room: absorbing only records what is true now; settling (core/settle.py) only reads facts. So it
never matters which event woke the loop, how often, or how late, and settling twice at one instant decides
nothing the second time.

Its promises (each is a property test, tests/core/test_machine_properties.py):

1. At most one fetch per grant is under way; a stale answer changes nothing.
2. Nothing waits for ever on a worker that died.
3. If a file differs from a living token that it should carry, a write follows within the longest pause.
4. An expired token is never written; a living one stays while renewal fails.
5. A grant that waits for a person is not asked for again until its files change.
6. Pauses survive a wall clock that is set, either way.
7. No state, event or decision shows a secret.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ecr_refreshd.core.events import (
    CredentialsChanged,
    Event,
    FetchFailed,
    FetchSucceeded,
    RefreshAsked,
    SinkFailed,
    SinkSeen,
)
from ecr_refreshd.core.model import Category, Entry, EntryKind, Failure, Instant, Token
from ecr_refreshd.core.schedule import alive, fraction, pause_after
from ecr_refreshd.core.settle import Decision, carries, default_path, settle
from ecr_refreshd.core.state import GrantFacts, HostFacts, Plan, SinkFacts, State

_ZERO = timedelta(0)
_FETCH_LOST = timedelta(seconds=150)
"""A fetch is answered within 90 s (DESIGN 5); one that never is, was lost with whoever should have answered."""
_WRITE_LOST = timedelta(seconds=60)
_WRITE_PAUSE_MOST = timedelta(minutes=5)
_UNDONE_WITHIN = timedelta(seconds=2)
_PEACE = timedelta(seconds=60)
CONTESTED_AFTER = 10
"""Undone this often in a row, each time within 2 s: somebody else wants this entry too (DESIGN 6)."""
_WAR_PAUSE, _WAR_PAUSE_MOST = timedelta(seconds=0.5), timedelta(seconds=30)
_PAST = 64
"""Earlier tokens remembered per grant: more than two days of hourly ones, and none lives that long."""
_FREE_NUDGES = 3
"""Changed files cause this many retries at once; a credential_process that rewrites them each time then waits."""
_NUDGE_PAUSE_MOST, _NUDGES_FORGOTTEN = timedelta(seconds=60), timedelta(minutes=2)
_GATHER = timedelta(milliseconds=250)


def step(state: State, event: Event, now: Instant, plan: Plan) -> tuple[State, tuple[Decision, ...]]:
    """Return the next state and what is to be done, in order."""
    return settle(absorb(state, event, now, plan), now, plan)


def absorb(state: State, event: Event, now: Instant, plan: Plan) -> State:
    """Return the state with what the event says; see the module's rules."""
    state = _give_up_on_the_lost(state, now)
    match event:
        case FetchSucceeded():
            return _fetched(state, event, now, plan)
        case FetchFailed():
            return _refused(state, event, now, plan)
        case SinkSeen():
            return _seen(state, event, now, plan)
        case SinkFailed():
            return _sink_failed(state, event, now)
        case CredentialsChanged():
            return replace(state, grants={k: _nudged(f, now) for k, f in state.grants.items()})
        case RefreshAsked():
            return _asked(state, event.hosts, plan)
        case _:
            return state


def _with_grant(state: State, key: str, facts: GrantFacts) -> State:
    return replace(state, grants={**state.grants, key: facts})


def _with_sink(state: State, path: str, sink: SinkFacts) -> State:
    return replace(state, sinks={**state.sinks, path: sink})


def _give_up_on_the_lost(state: State, now: Instant) -> State:
    for key, facts in state.grants.items():
        if facts.fetching is not None and now.boot - facts.fetching > _FETCH_LOST:
            lost = Failure(Category.TRANSIENT, "fetch.lost", "The process that asks AWS never answered.")
            state = _with_grant(state, key, _failed(facts, lost, now, pause=_ZERO))
    for path, sink in state.sinks.items():
        if sink.writing_since is not None and now.boot - sink.writing_since > _WRITE_LOST:
            stuck = Failure(
                Category.TRANSIENT,
                "sink.stuck",
                f"The file system did not answer while {path} was being written.",
                hint="Look whether the disk or network share that holds it hangs.",
            )
            state = _sink_failed(state, SinkFailed(path, "unwritable", stuck, sink.writing), now)
    return state


def _fetched(state: State, event: FetchSucceeded, now: Instant, plan: Plan) -> State:
    facts = state.grant(event.grant)
    if facts.serial != event.serial or facts.fetching is None:
        return state
    past = facts.past if facts.token is None else (facts.token.fingerprint, *facts.past)
    facts = GrantFacts(token=event.token, past=past[:_PAST], serial=facts.serial)
    state = _with_grant(state, event.grant, facts)
    for path, sink in state.sinks.items():
        # The files still carry the token before this one; that is nobody's doing.
        changed = {h: replace(f, held=False) for h, f in sink.hosts.items() if _served(plan, h, event.grant)}
        state = _with_sink(state, path, replace(sink, hosts={**sink.hosts, **changed}))
    if state.gather_until is None or state.gather_until <= now.boot:
        state = replace(state, gather_until=now.boot + _GATHER)
    return state


def _served(plan: Plan, host: str, key: str) -> bool:
    registry = plan.registries.get(host)
    return registry is not None and registry.grant is not None and registry.grant.key == key


def _refused(state: State, event: FetchFailed, now: Instant, plan: Plan) -> State:
    facts = state.grant(event.grant)
    if facts.serial != event.serial or facts.fetching is None:
        return state
    token = facts.token
    remaining = token.expires_at - now.wall if token is not None and alive(token, now) else _ZERO
    chance = fraction(plan.seed, event.grant, str(facts.serial))
    pause: timedelta | None = pause_after(event.failure, facts.tries + 1, remaining, chance)
    if event.failure.category is Category.LOGIN and _login_shows_on_disk(plan, event.grant):
        pause = None
    changed = facts.changed
    facts = _failed(facts, event.failure, now, pause=pause)
    if changed:
        facts = _nudged(facts, now)
    return _with_grant(state, event.grant, facts)


def _login_shows_on_disk(plan: Plan, key: str) -> bool:
    """Return whether signing in again will change a file that is watched, so that time need not ask."""
    lanes = (r.standing.lane for r in plan.registries.values() if r.grant is not None and r.grant.key == key)
    return next(lanes, "") != ""


def _failed(facts: GrantFacts, failure: Failure, now: Instant, *, pause: timedelta | None) -> GrantFacts:
    return replace(
        facts,
        fetching=None,
        failure=replace(failure, at=now.wall),
        tries=facts.tries + 1,
        retry_at=None if pause is None else now.boot + pause,
        changed=False,
    )


def _nudged(facts: GrantFacts, now: Instant) -> GrantFacts:
    """Return facts after the AWS files changed: only grants that failed last, or are being asked, care."""
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
    return replace(facts, nudges=nudges, nudged_at=now.boot, retry_at=retry_at)


def _seen(state: State, event: SinkSeen, now: Instant, plan: Plan) -> State:
    sink = state.sink(event.path)
    ended = event.written != 0 and event.written == sink.writing
    heals = dict(state.heals)
    hosts = dict(sink.hosts)
    for host, registry in plan.registries.items():
        if registry.grant is None:
            continue
        entry = event.view.entries.get(host)
        if entry is None:
            continue
        facts = sink.host(host)
        if ended and host in sink.writing_hosts:
            facts = replace(facts, held=True, wrote_at=now.boot)
        grant = state.grant(registry.grant.key)
        if grant.token is not None and grant.token.auth is None and _same(entry, grant.token):
            # A restart: the state file knows the token's dates, and the file still holds the token.
            grant = replace(grant, token=replace(grant.token, auth=entry.auth))
            state = _with_grant(state, registry.grant.key, grant)
        facts = _host_seen(facts, entry, grant.token, now)
        if facts.held and facts.spoiled:
            heals[host] = heals.get(host, 0) + 1
            facts = replace(facts, spoiled=False)
        hosts[host] = facts
    before = sink.view
    sink = replace(sink, view=event.view, hosts=hosts)
    if ended or sink.writing == 0:
        # A look says nothing about whether the last write that failed would work now; without a view it was a
        # look that failed.
        kept = (
            (sink.state, sink.failure, sink.tries)
            if not ended and sink.state == "unwritable" and before is not None
            else ("", None, 0)
        )
        sink = replace(sink, state=kept[0], failure=kept[1], tries=kept[2])
    if ended:
        sink = replace(sink, writing=0, writing_since=None, writing_hosts=frozenset(), not_before=None)
    return replace(_with_sink(state, event.path, sink), heals=heals)


def _same(entry: Entry, token: Token) -> bool:
    return entry.kind is EntryKind.TOKEN and entry.fingerprint == token.fingerprint


def _host_seen(facts: HostFacts, entry: Entry, token: Token | None, now: Instant) -> HostFacts:
    if token is not None and _same(entry, token):
        return replace(facts, held=True, foreign="", foreign_since=None, overrule=False)
    if entry.kind is EntryKind.TOKEN and facts.foreign != entry.fingerprint:
        # A person's word was about what stood there then, not about a login that they make after it.
        overrule = facts.overrule and not (facts.held or facts.foreign)
        facts = replace(facts, foreign=entry.fingerprint, foreign_since=now, overrule=overrule)
    if not facts.held:
        return facts
    since = None if facts.wrote_at is None else now.boot - facts.wrote_at
    undone = facts.undone
    if since is not None and since <= _UNDONE_WITHIN:
        undone += 1
    elif undone < CONTESTED_AFTER or since is None or since > _PEACE:
        undone = 0
    over = undone - CONTESTED_AFTER
    pause = _ZERO if over < 0 else min(_WAR_PAUSE * (1 << min(over, 10)), _WAR_PAUSE_MOST)
    not_before = None if over < 0 else now.boot + pause
    return replace(facts, held=False, spoiled=True, undone=undone, not_before=not_before)


def _sink_failed(state: State, event: SinkFailed, now: Instant) -> State:
    sink = state.sink(event.path)
    if event.written not in {0, sink.writing}:
        return state
    tries = sink.tries + 1
    pause = min(timedelta(seconds=1) * (1 << min(tries - 1, 10)), _WRITE_PAUSE_MOST)
    if event.failure.code == "sink.contended":
        pause = min(timedelta(milliseconds=50) * (1 << min(tries - 1, 10)), timedelta(seconds=10))
    sink = replace(
        sink,
        state=event.state,
        failure=replace(event.failure, at=now.wall),
        tries=tries,
        not_before=now.boot + pause if event.written else sink.not_before,
        view=None if event.state == "unparsable" or not event.written else sink.view,
    )
    if event.written:
        sink = replace(sink, writing=0, writing_since=None, writing_hosts=frozenset())
    return _with_sink(state, event.path, sink)


def _asked(state: State, hosts: frozenset[str], plan: Plan) -> State:
    wanted = hosts or frozenset(plan.registries)
    for host in wanted:
        registry = plan.registries.get(host)
        if registry is not None and registry.grant is not None:
            state = _with_grant(
                state, registry.grant.key, replace(state.grant(registry.grant.key), asked=True)
            )
    default = default_path(state, plan)
    for file in plan.files:
        sink = state.sink(file.path)
        # Elsewhere nothing is written that would end it, and it would strike a login of days later.
        there = (host for host in wanted if carries(file, host, sink, default))
        overruled = {h: replace(sink.host(h), overrule=True, not_before=None) for h in there}
        state = _with_sink(
            state, file.path, replace(sink, hosts={**sink.hosts, **overruled}, not_before=None)
        )
    return state
