"""What a look at a file means: whether our tokens stand there, who undid them, and how often: absorbing only.

Nothing is decided here; `core.writing` reads these facts and says what is to be written.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ecr_refreshd.core import pauses
from ecr_refreshd.core.events import SinkFailed, SinkSeen
from ecr_refreshd.core.model import Category, Entry, EntryKind, Failure, Instant, Owed, Token, View
from ecr_refreshd.core.state import GrantFacts, HostFacts, Plan, Registry, SinkFacts, State

_ZERO = timedelta(0)
WRITE_LOST = timedelta(seconds=60)
FIRST_LOOK_LOST = timedelta(seconds=10)
_WRITE_PAUSE_MOST = timedelta(minutes=5)
_UNDONE_WITHIN = timedelta(seconds=2)
PEACE = timedelta(seconds=60)
CONTESTED_AFTER = 10
"""Undone this often in a row, each time within 2 s: somebody else wants this entry too (DESIGN 6)."""
_WAR_PAUSE, _WAR_PAUSE_MOST = timedelta(seconds=0.5), timedelta(seconds=30)


def with_sink(state: State, path: str, sink: SinkFacts) -> State:
    """Return the state with these facts of a file."""
    return replace(state, sinks={**state.sinks, path: sink})


def give_up_lost(state: State, now: Instant) -> State:
    """Count writes that will never end as failures."""
    for path, sink in state.sinks.items():
        if sink.writing_since is not None and now.boot - sink.writing_since > WRITE_LOST:
            stuck = Failure(
                Category.TRANSIENT,
                "sink.stuck",
                f"The file system did not answer while {path} was being written.",
                hint="Look whether the disk or network share that holds it hangs.",
            )
            state = sink_failed(state, SinkFailed(path, "unwritable", stuck, sink.writing), now)
    return state


def await_first_looks(state: State, now: Instant, plan: Plan) -> State:
    """Count files that never answer their first look as failed, so that nobody waits for them."""
    for file in plan.files:
        sink = state.sink(file.path)
        if sink.awaited is None:
            state = with_sink(state, file.path, replace(sink, awaited=now.boot))
        elif not sink.looked and now.boot - sink.awaited >= FIRST_LOOK_LOST:
            stuck = Failure(
                Category.TRANSIENT,
                "sink.stuck",
                f"The file system that holds {file.path} does not answer.",
                hint="Look whether the disk or network share hangs.",
            )
            state = sink_failed(state, SinkFailed(file.path, "unwritable", stuck), now)
    return state


def end_wars(state: State, now: Instant) -> State:
    """Forget the wars that have been quiet for a minute."""
    for path, sink in state.sinks.items():
        over = {
            host: replace(f, undone=0, not_before=None) for host, f in sink.hosts.items() if at_peace(f, now)
        }
        if over:
            state = with_sink(state, path, replace(sink, hosts={**sink.hosts, **over}))
    return state


def at_peace(facts: HostFacts, now: Instant) -> bool:
    """Return whether a contested entry has been left as we wrote it for long enough."""
    since = peaceful_since(facts)
    return since is not None and now.boot - since > PEACE


def peaceful_since(facts: HostFacts) -> timedelta | None:
    """Return since when (suspend-counting) what is contested has been left alone; None if it has not."""
    return None if facts.undone < CONTESTED_AFTER else facts.wrote_at if facts.held else facts.took_at


def seen(state: State, event: SinkSeen, now: Instant, plan: Plan) -> State:
    """Take a look at a file, or the look that ends a write."""
    sink = state.sink(event.path)
    ended = event.written != 0 and event.written == sink.writing
    refused = sink.writing_hosts & event.view.failures.keys() if ended else frozenset[str]()
    known = {**sink.hosts, **{host: _refused(sink.host(host), now) for host in refused}}
    hosts = {host: facts if host in plan.registries else _let_go(facts) for host, facts in known.items()}
    for host, registry in plan.registries.items():
        entry = event.view.entries.get(host)
        if registry.grant is None or entry is None:
            continue
        facts = hosts.get(host, HostFacts())
        if lives(entry, now) and host not in state.lived:
            state = replace(state, lived=state.lived | {host})
        if _another_way(sink, event.view, host, entry):
            facts = replace(facts, held=False)  # nobody has undone anything
        wrote = ended and host in sink.writing_hosts - refused and not _given_back(state, event, host)
        if wrote:
            facts = replace(facts, held=True, wrote_at=now.boot, took_at=None, tries=0)
        if ended and host in sink.taking:
            facts = replace(facts, took_at=now.boot)
        elif facts.took_at is not None and _back(event.view, host, now):
            facts = replace(_undone(facts, facts.took_at, now), took_at=None)
        grant = state.grant(registry.grant.key)
        if grant.token is not None and grant.token.auth is None and _same(entry, grant.token):
            # A restart: the state file knows the token's dates, and the file still holds the token.
            grant = replace(grant, token=replace(grant.token, auth=entry.auth))
            state = replace(state, grants={**state.grants, registry.grant.key: grant})
        state = _noticed(state, sink, event.view, registry, facts, now)
        stood = facts.held
        facts = _host_seen(facts, entry, grant, now, spoilt=not wrote and _spoilt(sink, event.view, host))
        facts = replace(facts, lost=_lost(sink, event.view, host, facts, held=stood))
        if facts.held and facts.spoiled:
            state = replace(state, heals={**state.heals, host: state.heals.get(host, 0) + 1})
            facts = replace(facts, spoiled=False)
        hosts[host] = facts
    state = _owing(state, event)
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
        sink = replace(sink, writing=0, writing_since=None, writing_hosts=frozenset(), taking=frozenset())
        sink = replace(sink, not_before=None)
    return end_wars(with_sink(state, event.path, sink), now)


def _refused(facts: HostFacts, now: Instant) -> HostFacts:
    """Take in that a host's own store did not take its token: that is no reason for others to wait."""
    return replace(facts, tries=facts.tries + 1, not_before=now.boot + _write_pause(facts.tries + 1))


def _write_pause(tries: int) -> timedelta:
    return min(timedelta(seconds=1) * (1 << min(tries - 1, 10)), _WRITE_PAUSE_MOST)


def lives(entry: Entry, now: Instant) -> bool:
    """Return whether an entry is a token that lives, as it says itself."""
    return entry.kind is EntryKind.TOKEN and entry.expires_hint is not None and entry.expires_hint > now.wall


def _let_go(facts: HostFacts) -> HostFacts:
    """Return how a host stands that is kept no more: whatever happens to it now undoes nothing of ours."""
    return replace(facts, held=False, spoiled=False, undone=0, not_before=None, took_at=None, tries=0)


def _given_back(state: State, event: SinkSeen, host: str) -> bool:
    """Return whether this look shows the program again that had given way to us: by our own doing."""
    return host in event.view.shadows and bool(state.owed.get(event.path, Owed()).helpers.get(host))


def _another_way(sink: SinkFacts, view: View, host: str, entry: Entry) -> bool:
    """Return whether a token is to reach its clients by another way, and so an entry means something else.

    By the settings; or the file still sends them to our helper, although it is to do so no more.
    """
    if sink.view is not None and sink.view.mode != view.mode:
        return True
    was = sink.entry(host).kind is EntryKind.HELPER
    return was and entry.kind is not EntryKind.HELPER and host in view.lines - (view.helped - view.both)


def _spoilt(sink: SinkFacts, view: View, host: str) -> bool:
    """Return whether what stands under a host was tidy a moment ago, is not now, and its way is the same."""
    before = sink.view
    if before is None or sink.entry(host).untidy or not view.entries[host].untidy:
        return False
    return (host in before.both, host in before.stored) == (host in view.both, host in view.stored)


def _owing(state: State, event: SinkSeen) -> State:
    """Take in what a file is owed; nothing, for what is not there any more."""
    known = state.owed.get(event.path, Owed())
    helpers = {**event.view.owed.helpers, **known.helpers}
    store = event.view.owed.store or known.store
    owed = Owed(
        store if store == event.view.store else "",
        {host: name for host, name in helpers.items() if host in event.view.lines},
    )
    if owed == known:
        return state
    others = {path: each for path, each in state.owed.items() if path != event.path}
    return replace(state, owed=others if owed == Owed() else {**others, event.path: owed})


def _noticed(
    state: State, sink: SinkFacts, view: View, registry: Registry, facts: HostFacts, now: Instant
) -> State:
    """Take in what a person has done: a logout that is healed or respected, a login that ends such a pause."""
    host = registry.host
    pause = state.pauses.get(host)
    entry = view.entries[host]
    there = entry.kind is not EntryKind.ABSENT
    new = entry.kind is EntryKind.TOKEN and entry.fingerprint != sink.entry(host).fingerprint
    if pause is not None and pause.by == "logout" and new:
        return replace(state, pauses={h: p for h, p in state.pauses.items() if h != host})
    if there or not facts.held or pause is not None or not _only_entries_went(sink, view):
        return state
    if registry.respects_logout:
        return pauses.logged_out(state, registry)
    return replace(state, logouts={host: now.wall, **state.logouts})


def _only_entries_went(sink: SinkFacts, view: View) -> bool:
    """Return whether all that happened is that entries of ours vanished, as by a `docker logout`."""
    return sink.view is not None and view.exists and bool(view.rest) and view.rest == sink.view.rest


def _lost(sink: SinkFacts, view: View, host: str, facts: HostFacts, *, held: bool) -> str:
    """Return why clients no longer read the token that they read here a moment ago."""
    reason = view.shadows.get(host) or view.unread.get(host, "")
    if host in view.asking:
        return facts.lost
    if not reason or host in view.served:
        return ""
    before = sink.view
    was_read = before is not None and host not in before.shadows and host not in before.unread
    stood = held or (was_read and facts.wrote_at is not None)
    return reason if facts.lost or stood else ""


def _same(entry: Entry, token: Token) -> bool:
    return entry.kind is EntryKind.TOKEN and entry.fingerprint == token.fingerprint


def _host_seen(facts: HostFacts, entry: Entry, grant: GrantFacts, now: Instant, *, spoilt: bool) -> HostFacts:
    """Take in how a host stands; `spoilt`: our token stands there, and somebody has put something beside it."""
    token = grant.token
    if entry.kind is EntryKind.HELPER or (token is not None and _same(entry, token)):
        facts = replace(facts, foreign="", foreign_since=None, overrule=False)
        if not entry.untidy or not (facts.held or facts.spoiled):
            return replace(facts, held=True)
        if not (facts.held and spoilt):
            return facts
        return replace(_undone(facts, facts.wrote_at, now), held=False, spoiled=True)
    if entry.kind is EntryKind.TOKEN and facts.foreign != entry.fingerprint:
        # A person's word was about what stood there then, not about a login that they make after it.
        overrule = facts.overrule and not (facts.held or facts.foreign)
        facts = replace(facts, foreign=entry.fingerprint, foreign_since=now, overrule=overrule)
    if not facts.held:
        return facts
    if entry.kind is EntryKind.TOKEN and entry.fingerprint in grant.past[:1] and facts.wrote_at == now.boot:
        # The token was renewed while the one before it was being written: nobody's doing.
        return replace(facts, held=False)
    return replace(_undone(facts, facts.wrote_at, now), held=False, spoiled=True)


def _back(view: View, host: str, now: Instant) -> bool:
    """Return whether what we had taken away stands there: a line of ours, or a token that breaks pulls."""
    entry = view.entries[host]
    dead = entry.kind is EntryKind.TOKEN and not lives(entry, now)
    return dead or host in view.lines - view.refusals.keys()


def _undone(facts: HostFacts, done_at: timedelta | None, now: Instant) -> HostFacts:
    """Count that somebody has undone what we had done then; quickly and often, it is a war."""
    since = None if done_at is None else now.boot - done_at
    undone = facts.undone
    if since is not None and since <= _UNDONE_WITHIN:
        undone += 1
    elif undone < CONTESTED_AFTER or since is None or since > PEACE:
        undone = 0
    over = undone - CONTESTED_AFTER
    pause = _ZERO if over < 0 else min(_WAR_PAUSE * (1 << min(over, 10)), _WAR_PAUSE_MOST)
    not_before = None if over < 0 else now.boot + pause
    return replace(facts, undone=undone, not_before=not_before)


def sink_failed(state: State, event: SinkFailed, now: Instant) -> State:
    """Take a look or a write that came to nothing."""
    sink = state.sink(event.path)
    if event.written not in {0, sink.writing}:
        return state
    tries = sink.tries + 1
    pause = _write_pause(tries)
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
        sink = replace(sink, writing=0, writing_since=None, writing_hosts=frozenset(), taking=frozenset())
    return with_sink(state, event.path, sink)
