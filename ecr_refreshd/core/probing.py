"""Which registries are to be asked themselves whether they take a token, and what their answers mean.

"Valid until" is AWS's statement. Where there is doubt (a login has ended, the machine has slept, a token is
somebody else's), one registry of each grant is asked once; a refusal is worth one early renewal per token, and a
second one in a row a notice (DESIGN 5).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ecr_refreshd.core import logins, process_starts
from ecr_refreshd.core.decisions import Decision, Probe, Wake
from ecr_refreshd.core.events import Probed
from ecr_refreshd.core.model import Category, EntryKind, Instant, Token
from ecr_refreshd.core.pauses import served_by_grant
from ecr_refreshd.core.schedule import alive
from ecr_refreshd.core.state import HostFacts, Plan, ProbeFacts, Registry, State
from ecr_refreshd.core.writing import is_ours

_AFTER_RESUME = timedelta(seconds=30)
"""The network is seldom there at once."""
_REFUSED_KEPT = 2
_FOREIGN_KEPT = 64
"""More than there are files, so that no two in turn make each other forgotten."""


def settle(state: State, now: Instant, plan: Plan, wake: Wake) -> tuple[State, tuple[Decision, ...]]:
    """Return the state with the probes that begin now noted in it, and the decisions to begin them."""
    decisions: list[Decision] = []
    for key, served in served_by_grant(state, plan).items():
        registry = next((r for r in served if r.probe != "off"), None)
        if registry is None:
            continue
        token = state.grant(key).token
        if token is None or token.auth is None or not alive(token, now):
            continue
        cause = _doubt(state, key, registry, token, now, wake)
        facts = state.probes.get(registry.host, ProbeFacts())
        if cause and (facts.fingerprint, facts.cause) != (token.fingerprint, cause):
            state = _asked(state, registry.host, token.fingerprint, cause, now)
            decisions.append(Probe(registry.host, token.fingerprint, token.auth))
    state, foreign = _foreign(state, now, plan)
    return state, (*decisions, *foreign)


def _asked(state: State, host: str, fingerprint: str, cause: str, now: Instant) -> State:
    facts = state.probes.get(host, ProbeFacts())
    facts = ProbeFacts(fingerprint, now.boot, cause, refused=facts.refused, foreign=facts.foreign)
    return replace(state, probes={**state.probes, host: facts})


def _doubt(state: State, key: str, registry: Registry, token: Token, now: Instant, wake: Wake) -> str:
    """Return why a token may be worth less than AWS said, "" if nothing speaks for that."""
    facts = state.grant(key)
    if facts.failure is not None and facts.failure.category is Category.LOGIN:
        return "login"
    refused = state.probes.get(registry.host, ProbeFacts()).refused
    if refused and token.fingerprint not in refused:
        return "refused"
    if registry.probe == "always":
        return "always"
    slept = (
        state.resumed is not None and token.obtained_boot is not None and token.obtained_boot < state.resumed
    )
    if state.resumed is not None and slept:
        at = state.resumed + _AFTER_RESUME
        wake.boot(at)
        if now.boot >= at:
            return f"resume {int(state.resumed.total_seconds())}"
    return ""


def _foreign(state: State, now: Instant, plan: Plan) -> tuple[State, tuple[Decision, ...]]:
    """Ask about the credentials of others that are kept on the word of what they say of themselves."""
    decisions: list[Decision] = []
    for host, registry in plan.registries.items():
        if registry.grant is None or registry.probe == "off" or host in state.pauses:
            continue
        for file in plan.files:
            sink = state.sink(file.path)
            kept = sink.host(host).foreign
            entry = sink.entry(host)
            if not kept or entry.fingerprint != kept or entry.kind is not EntryKind.TOKEN:
                continue
            if is_ours(state, state.grant(registry.grant.key), entry):
                continue
            facts = state.probes.get(host, ProbeFacts())
            lives = entry.expires_hint is not None and entry.expires_hint > now.wall
            if lives and entry.auth is not None and kept not in facts.foreign:
                facts = replace(facts, foreign=(kept, *facts.foreign)[:_FOREIGN_KEPT])
                state = replace(state, probes={**state.probes, host: facts})
                decisions.append(Probe(host, kept, entry.auth))
    return state, tuple(decisions)


def probed(state: State, event: Probed, now: Instant, plan: Plan) -> State:
    """Take what a registry said; only about the token, or somebody's credential, it was asked about last."""
    facts = state.probes.get(event.host)
    registry = plan.registries.get(event.host)
    if facts is None or registry is None or registry.grant is None:
        return state
    if event.fingerprint in facts.foreign:
        return _overruled(state, event, plan) if event.answer == "refused" else state
    if event.fingerprint != facts.fingerprint:
        return state
    refused = facts.refused
    if event.answer == "accepted":
        refused = ()
    elif event.answer == "refused":
        refused = tuple(dict.fromkeys([event.fingerprint, *refused]))[:_REFUSED_KEPT]
    facts = replace(facts, answer=event.answer, detail=event.detail, at=now.wall, refused=refused)
    state = replace(state, probes={**state.probes, event.host: facts})
    return _renewed_early(state, event, registry, now, plan) if event.answer == "refused" else state


def _overruled(state: State, event: Probed, plan: Plan) -> State:
    """Keep a credential of others no longer that the registry itself refuses."""
    for file in plan.files:
        sink = state.sink(file.path)
        host: HostFacts = sink.host(event.host)
        if host.foreign == event.fingerprint:
            sink = replace(sink, hosts={**sink.hosts, event.host: replace(host, overrule=True)})
            state = replace(state, sinks={**state.sinks, file.path: sink})
    return state


def _renewed_early(state: State, event: Probed, registry: Registry, now: Instant, plan: Plan) -> State:
    """Renew a token that is refused, once: its successor, if refused too, is not renewed early again.

    No program is started for it that failed or waits for a person.
    """
    if registry.grant is None:
        return state
    key = registry.grant.key
    facts = state.grant(key)
    first = len(state.probes[event.host].refused) == 1
    current = facts.token is not None and facts.token.fingerprint == event.fingerprint
    if not first or not current or logins.is_dead(state.logins.get(registry.standing.lane)):
        return state
    if key in process_starts.grants_to_hold(state, (*plan.by_grant(), *plan.spares()), plan, now):
        return state
    return replace(state, grants={**state.grants, key: replace(facts, asked=True)})
