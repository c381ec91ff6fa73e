"""What is to be done, read off the facts: which tokens to ask for, which files to write, when to look again.

Decisions are imperatives; the loop carries them out and reports back by events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ecr_refreshd.core.healing import Judgement, Verdict, judge
from ecr_refreshd.core.model import Entry, Grant, Instant
from ecr_refreshd.core.ports import FetchOrder
from ecr_refreshd.core.schedule import alive, fraction, reached, renew_at, together
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.state import FilePlan, GrantFacts, Plan, Registry, SinkFacts, State

_FIRST_LOOK = timedelta(seconds=5)
"""No fetch before every file was looked at once, since one may still hold our token; but no longer than this."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask AWS for these authorization tokens, all together."""

    orders: tuple[FetchOrder, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """Put these tokens into a file, in one rewrite."""

    path: str
    serial: int
    tokens: Mapping[str, Secret]


Decision = Fetch | Write


class _Wake:
    """The earliest of the moments that it is told about, in the future, as a wall-clock time."""

    def __init__(self, now: Instant) -> None:
        self._now = now
        self.at: datetime | None = None

    def wall(self, at: datetime) -> None:
        if at > self._now.wall and (self.at is None or at < self.at):
            self.at = at

    def boot(self, at: timedelta | None) -> None:
        if at is not None:
            self.wall(self._now.wall + (at - self._now.boot))


def settle(state: State, now: Instant, plan: Plan) -> tuple[State, tuple[Decision, ...]]:
    """Return the state with what was decided noted in it, and the decisions."""
    wake = _Wake(now)
    state, fetches = _settle_fetches(state, now, plan, wake)
    state, writes = _settle_writes(state, now, plan, wake)
    return replace(state, wake_at=wake.at), (*fetches, *writes)


def renewal_of(facts: GrantFacts, served: list[Registry], key: str, plan: Plan) -> datetime | None:
    """Return when a grant's token is to be renewed (UTC): the soonest that any of its registries asks for."""
    if facts.token is None:
        return None
    # Whole seconds: the state file keeps no more than milliseconds, and a restart must not move the moment.
    chance = fraction(plan.seed, key, str(int(facts.token.obtained_at.timestamp())))
    return min(
        renew_at(facts.token, r.renew, login_backed=r.standing.login_backed, chance=chance) for r in served
    )


def _settle_fetches(
    state: State, now: Instant, plan: Plan, wake: _Wake
) -> tuple[State, tuple[Decision, ...]]:
    looked = all(state.sink(f.path).looked for f in plan.files)
    if not looked and now.boot - state.started < _FIRST_LOOK:
        wake.boot(state.started + _FIRST_LOOK)
        return state, ()
    due: list[str] = []
    soon: list[str] = []
    by_grant = plan.by_grant()
    for key, served in by_grant.items():
        facts = state.grant(key)
        if facts.fetching is not None:
            continue
        at = renewal_of(facts, served, key, plan)
        if _is_due(facts, key, at, state, now, plan, wake):
            due.append(key)
        elif _goes_along(facts, at, now):
            soon.append(key)
    if not due:
        return state, ()
    grants = dict(state.grants)
    orders = []
    for key in due + soon:
        registry = by_grant[key][0]
        facts = state.grant(key)
        grants[key] = replace(
            facts, serial=facts.serial + 1, fetching=now.boot, asked=False, changed=False, retry_at=None
        )
        orders.append(FetchOrder(_grant(registry), facts.serial + 1, registry.standing))
    return replace(state, grants=grants), (Fetch(tuple(orders)),)


def _grant(registry: Registry) -> Grant:
    if registry.grant is None:
        raise AssertionError("by_grant lists only registries with a grant")
    return registry.grant


def _is_due(
    facts: GrantFacts, key: str, at: datetime | None, state: State, now: Instant, plan: Plan, wake: _Wake
) -> bool:
    if facts.asked:
        return True
    if facts.failure is not None:
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


def default_path(state: State, plan: Plan) -> str:
    """Return the file that carries every host although no configuration names it.

    It is the docker config, unless only an auth.json exists: creating a config.json would hide the logins in
    it from crane and ko, which read one file only (docker-config.md 5).
    """
    default = next((f.path for f in plan.files if f.role == "default"), "")
    sink = state.sink(default)
    removed = any(_stood(sink, host) for host in sink.hosts)
    if sink.view is not None and not sink.view.exists and not removed:
        for file in plan.files:
            also = state.sink(file.path).view
            if file.role == "also" and also is not None and also.exists:
                return file.path
    return default


def _stood(sink: SinkFacts, host: str) -> bool:
    """Return whether our token stood in a file: then that it is missing is somebody's doing, to be healed."""
    facts = sink.host(host)
    return facts.held or facts.spoiled or facts.wrote_at is not None


def carries(file: FilePlan, host: str, sink: SinkFacts, default: str) -> bool:
    """Return whether a host's token belongs into a file."""
    if file.role == "named" or file.path == default:
        return True
    view = sink.view
    return view is not None and (host in view.ecr_hosts or (view.exists and _stood(sink, host)))


def _known(sink: SinkFacts, host: str) -> bool:
    """Return whether the newest look was about this host too: what was not looked at is never overwritten."""
    return sink.view is not None and host in sink.view.entries


def judgement_of(state: State, sink: SinkFacts, registry: Registry, now: Instant) -> Judgement | None:
    """Return what a host's entry in a file asks of us; None while we hold no living token for it."""
    if registry.grant is None:
        return None
    facts = state.grant(registry.grant.key)
    if facts.token is None or facts.token.auth is None or not alive(facts.token, now):
        return None
    host = registry.host
    entry = sink.entry(host)
    return judge(entry, facts.token, sink.host(host), registry, now, ours=_ours(state, facts, entry))


def _ours(state: State, facts: GrantFacts, entry: Entry) -> bool:
    """Return whether an entry is a token of ours, from whichever grant: a host may get another principal."""
    text = entry.fingerprint
    if not text or (facts.token is not None and facts.token.fingerprint == text):
        return bool(text)
    # Its own grant first: after each renewal that is where every entry is found.
    return any(
        text in each.past or (each.token is not None and each.token.fingerprint == text)
        for each in (facts, *state.grants.values())
    )


def _settle_writes(state: State, now: Instant, plan: Plan, wake: _Wake) -> tuple[State, tuple[Decision, ...]]:
    decisions: list[Decision] = []
    default = default_path(state, plan)
    for file in plan.files:
        sink = state.sink(file.path)
        if sink.view is None or sink.writing:
            continue
        if sink.not_before is not None and sink.not_before > now.boot:
            wake.boot(sink.not_before)
            continue
        tokens = _tokens_for(file, sink, default, state, now, plan, wake)
        if not tokens or _gathering(state, sink, tokens, now, wake):
            continue
        serial = state.writes + 1
        sink = replace(sink, writing=serial, writing_since=now.boot, writing_hosts=frozenset(tokens))
        state = replace(state, writes=serial, sinks={**state.sinks, file.path: sink})
        decisions.append(Write(file.path, serial, tokens))
    return state, tuple(decisions)


def _tokens_for(
    file: FilePlan, sink: SinkFacts, default: str, state: State, now: Instant, plan: Plan, wake: _Wake
) -> dict[str, Secret]:
    tokens: dict[str, Secret] = {}
    shadows = {} if sink.view is None else sink.view.shadows
    for host, registry in plan.registries.items():
        if host in shadows or not _known(sink, host) or not carries(file, host, sink, default):
            continue
        judgement = judgement_of(state, sink, registry, now)
        if judgement is None or registry.grant is None:
            continue
        if judgement.until is not None:
            wake.wall(judgement.until)
        if judgement.verdict is not Verdict.WRITE:
            continue
        not_before = sink.host(host).not_before
        if not_before is not None and not_before > now.boot:
            wake.boot(not_before)
            continue
        token = state.grant(registry.grant.key).token
        if token is not None and token.auth is not None:
            tokens[host] = token.auth
    return tokens


def _gathering(
    state: State, sink: SinkFacts, tokens: Mapping[str, Secret], now: Instant, wake: _Wake
) -> bool:
    """Return whether fresh tokens still wait for others of their batch, to share one rewrite; heals never do."""
    if state.gather_until is None or state.gather_until <= now.boot:
        return False
    if any(sink.host(host).spoiled for host in tokens):
        return False
    if all(facts.fetching is None for facts in state.grants.values()):
        return False
    wake.boot(state.gather_until)
    return True


def settled(state: State, now: Instant, plan: Plan, hosts: Iterable[str]) -> bool:
    """Return whether nothing more will happen for these hosts until time passes or something changes."""
    if not all(state.sink(file.path).looked for file in plan.files):
        return False
    default = default_path(state, plan)
    for host in hosts:
        registry = plan.registries.get(host)
        if registry is None or registry.grant is None:
            continue
        facts = state.grant(registry.grant.key)
        if facts.fetching is not None or facts.asked or (facts.token is None and facts.failure is None):
            return False
        for file in plan.files:
            sink = state.sink(file.path)
            if carries(file, host, sink, default) and _write_pending(state, sink, registry, now):
                return False
    return True


def _write_pending(state: State, sink: SinkFacts, registry: Registry, now: Instant) -> bool:
    host = registry.host
    if sink.writing and host in sink.writing_hosts:
        return True
    if sink.view is None or sink.failure is not None or host in sink.view.shadows:
        return False
    if not _known(sink, host):
        return True
    judgement = judgement_of(state, sink, registry, now)
    wanted = judgement is not None and judgement.verdict is Verdict.WRITE
    not_before = sink.host(host).not_before
    return wanted and (not_before is None or not_before <= now.boot)
