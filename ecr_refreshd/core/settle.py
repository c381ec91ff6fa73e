"""What is to be done, read off the facts: what to ask for, what to write, whom to tell, when to look again.

Decisions are imperatives (core/decisions.py); the loop carries them out and reports back by events.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from ecr_refreshd.core import fetching, notices, probing, writing
from ecr_refreshd.core.decisions import Announce, Decision, Wake
from ecr_refreshd.core.healing import Verdict
from ecr_refreshd.core.model import Instant
from ecr_refreshd.core.pauses import served_by_grant
from ecr_refreshd.core.schedule import alive
from ecr_refreshd.core.sighting import FIRST_LOOK_LOST, PEACE, peaceful_since
from ecr_refreshd.core.state import Plan, ProbeFacts, Registry, SinkFacts, State
from ecr_refreshd.core.times import timestamp
from ecr_refreshd.core.writing import Carriers, judgement_of, known

_PROBED_WITHIN = timedelta(seconds=15)


def settle(state: State, now: Instant, plan: Plan) -> tuple[State, tuple[Decision, ...]]:
    """Return the state with what was decided noted in it, and the decisions."""
    wake = Wake(now)
    state, fetches = fetching.settle(state, now, plan, wake)
    state, writes = writing.settle(state, now, plan, wake)
    state, announced = _settle_hook(state, now, plan)
    state, probes = probing.settle(state, now, plan, wake)
    state, told = notices.settle(state, now, plan, wake)
    for pause in state.pauses.values():
        if pause.until is not None:
            wake.wall(pause.until)
    for sink in state.sinks.values():
        if not sink.looked and sink.awaited is not None:
            wake.boot(sink.awaited + FIRST_LOOK_LOST)
        for facts in sink.hosts.values():
            quiet = peaceful_since(facts)
            if quiet is not None:
                wake.boot(quiet + PEACE + timedelta(seconds=1))
    return replace(state, wake_at=wake.at), (*fetches, *writes, *announced, *probes, *told)


def _settle_hook(state: State, now: Instant, plan: Plan) -> tuple[State, tuple[Decision, ...]]:
    """Announce the tokens that are new and stand wherever they should."""
    decisions: list[Decision] = []
    for key, served in served_by_grant(state, plan).items():
        facts = state.grant(key)
        token = facts.token
        if token is None or token.auth is None or facts.announced == token.fingerprint:
            continue
        hosts = sorted(registry.host for registry in served)
        if not alive(token, now) or not settled(state, now, plan, hosts):
            continue
        state = replace(state, grants={**state.grants, key: replace(facts, announced=token.fingerprint)})
        decisions.append(Announce({"hosts": hosts, "expires_at": timestamp(token.expires_at)}))
    return state, tuple(decisions)


def settled(state: State, now: Instant, plan: Plan, hosts: Iterable[str]) -> bool:
    """Return whether nothing more will happen for these hosts until time passes or something changes."""
    sinks = [state.sink(file.path) for file in plan.files]
    if not all(sink.looked for sink in sinks):
        return False
    if any(sink.writing and not sink.writing_hosts for sink in sinks):
        return False  # something is being taken out, or given back
    carriers = Carriers.of(state, plan)
    for host in hosts:
        registry = plan.registries.get(host)
        if registry is None or registry.grant is None or host in state.pauses:
            continue
        facts = state.grant(registry.grant.key)
        if facts.fetching is not None or facts.asked or (facts.token is None and facts.failure is None):
            return False
        if _is_being_probed(state.probes.get(host), now):
            return False
        for file in plan.files:
            sink = state.sink(file.path)
            waits = carriers.waits(file, host, sink)  # then it is the helper's answer that is still to come
            if carriers.carries(file, host, sink) and not waits and write_pending(state, sink, registry, now):
                return False
    return True


def _is_being_probed(probe: ProbeFacts | None, now: Instant) -> bool:
    """Return whether a registry that refused a token is just being asked about the next one."""
    if probe is None or not probe.refused or probe.asked is None or probe.answer:
        return False
    return now.boot - probe.asked < _PROBED_WITHIN


def write_pending(state: State, sink: SinkFacts, registry: Registry, now: Instant) -> bool:
    """Return whether a file is still to get a host's token."""
    host = registry.host
    if sink.writing and host in sink.writing_hosts:
        return True
    if sink.view is None or sink.failure is not None or host in sink.view.shadows:
        return False
    if not known(sink, host):
        return host not in sink.view.failures
    judgement = judgement_of(state, sink, registry, now)
    wanted = judgement is not None and judgement.verdict is Verdict.WRITE
    not_before = sink.host(host).not_before
    return wanted and (not_before is None or not_before <= now.boot)
