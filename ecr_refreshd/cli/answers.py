"""What the running service answers on its control socket: the operations, and their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ecr_refreshd.core import report
from ecr_refreshd.core.events import PauseAsked, ResumeAsked
from ecr_refreshd.core.ports import Clock
from ecr_refreshd.daemon import Service
from ecr_refreshd.waits import Wait

LONGEST_WAIT = 300.0
"""Seconds that a client may keep a connection waiting."""
_LONGEST_TTL = 366 * 86400.0
_PAUSE_SHOWS = 10.0
"""Seconds until a host that is served again has its token, or its failure, to show."""


def answer(service: Service, clock: Clock, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to one request.

    ``{"op": "status"}`` is answered at once; ``{"op": "settle", "timeout": s}`` when every registry is settled;
    ``{"op": "refresh", "hosts": [...], "timeout": s}`` when these (all, if none is named) have been renewed;
    ``{"op": "ensure", "hosts": [...], "min_ttl": s, "timeout": s}`` when each has so much life in every file;
    ``{"op": "pause", "host": h, "until": ISO-8601 or null}`` and ``{"op": "resume", "host": h}`` once it is so.
    """
    match request.get("op"):
        case "status":
            return service.document()
        case "settle":
            service.wait(Wait(), _timeout(request))
            return service.document()
        case "refresh":
            return _refresh(service, clock, request)
        case "ensure":
            return _ensure(service, clock, request)
        case "pause" | "resume" as op:
            return _pause(service, clock, request, begins=op == "pause")
        case _:
            return {"error": "unknown-op"}


def _refresh(service: Service, clock: Clock, request: Mapping[str, Any]) -> dict[str, Any]:
    named = request.get("hosts")
    hosts = frozenset(str(host) for host in named) if isinstance(named, list) else frozenset[str]()
    wait = Wait(hosts, refresh=True)
    done = service.wait(wait, _timeout(request))
    return outcome(service.document(), wait, clock, late=not done)


def _ensure(service: Service, clock: Clock, request: Mapping[str, Any]) -> dict[str, Any]:
    named, least = request.get("hosts"), request.get("min_ttl")
    if not isinstance(named, list) or not isinstance(least, int | float) or not 0 <= least <= _LONGEST_TTL:
        return {"error": "bad-request"}
    wait = Wait(frozenset(str(host) for host in named), min_ttl=timedelta(seconds=float(least)))
    done = service.wait(wait, _timeout(request))
    return ensured(service.document(), wait, clock, late=not done)


def ensured(whole: report.Document, wait: Wait, clock: Clock, *, late: bool = False) -> dict[str, Any]:
    """Return what became of a wish for life: the document about its hosts, and whether each has it."""
    answer = outcome(whole, wait, clock, late=late)
    if "error" in answer:
        return answer
    return {**answer, "ensured": wait.ensured, "beyond": list(wait.beyond), "unknown": []}


def _pause(service: Service, clock: Clock, request: Mapping[str, Any], *, begins: bool) -> dict[str, Any]:
    host = str(request.get("host", ""))
    try:
        until = datetime.fromisoformat(request["until"]).astimezone(UTC) if request.get("until") else None
    except (TypeError, ValueError):
        return {"error": "bad-request"}
    wait = Wait(frozenset({host}), known=True)
    if not service.wait(wait, _timeout(request)) or wait.unknown:
        return outcome(service.document(), wait, clock)
    service.tell(PauseAsked(host, until) if begins else ResumeAsked(host))
    service.wait(Wait(frozenset({host})), _PAUSE_SHOWS)
    return outcome(service.document(), wait, clock)


def outcome(whole: report.Document, wait: Wait, clock: Clock, *, late: bool = False) -> dict[str, Any]:
    """Return what a refresh came to: the document about its hosts, or which of them nobody knows."""
    if wait.unknown:
        known = [row["host"] for row in whole["registries"]]
        unknown = list(wait.unknown)
        return {"error": "unknown-host", "hosts": unknown, "known": known, "unknown": unknown}
    document = report.about_hosts(whole, wait.hosts, clock.now().wall) if wait.hosts else whole
    return {**document, "late": True} if late else document


def _timeout(request: Mapping[str, Any]) -> float:
    wished = request.get("timeout")
    return min(float(wished), LONGEST_WAIT) if isinstance(wished, int | float) else 60.0
