"""Hosts that a person wants left alone: no renewal for their sake, no heal, no removal (DESIGN 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from ecr_refreshd.core.model import Instant
from ecr_refreshd.core.state import Pause, Plan, Registry, State


def begin(state: State, host: str, until: datetime | None) -> State:
    """Leave a host alone."""
    return replace(state, pauses={**state.pauses, host: Pause(until, "asked")})


def logged_out(state: State, registry: Registry | None) -> State:
    """Leave a registry alone because somebody logged out of it, where the settings respect that."""
    if registry is None or not registry.respects_logout or registry.host in state.pauses:
        return state
    return replace(state, pauses={**state.pauses, registry.host: Pause(None, "logout")})


def end(state: State, hosts: Iterable[str]) -> State:
    """Serve these hosts again."""
    gone = frozenset(hosts)
    if gone.isdisjoint(state.pauses):
        return state
    return replace(state, pauses={host: p for host, p in state.pauses.items() if host not in gone})


def end_past(state: State, now: Instant) -> State:
    """Serve those hosts again whose time has come."""
    over = [h for h, p in state.pauses.items() if p.until is not None and p.until <= now.wall]
    return end(state, over) if over else state


def served_by_grant(state: State, plan: Plan) -> Mapping[str, list[Registry]]:
    """Return the registries that each grant serves just now, by the grant's key."""
    if not state.pauses:
        return plan.by_grant()
    served = {
        key: [registry for registry in registries if registry.host not in state.pauses]
        for key, registries in plan.by_grant().items()
    }
    return {key: registries for key, registries in served.items() if registries}
