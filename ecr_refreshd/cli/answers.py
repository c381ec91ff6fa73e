"""What the running service answers on its control socket: the operations, and their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecr_refreshd.core import report
from ecr_refreshd.core.ports import Clock
from ecr_refreshd.daemon import Service
from ecr_refreshd.waits import Wait

LONGEST_WAIT = 300.0
"""Seconds that a client may keep a connection waiting."""


def answer(service: Service, clock: Clock, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to one request.

    ``{"op": "status"}`` is answered at once; ``{"op": "settle", "timeout": s}`` when every registry is settled;
    ``{"op": "refresh", "hosts": [...], "timeout": s}`` when these (all, if none is named) have been renewed.
    """
    match request.get("op"):
        case "status":
            return service.document()
        case "settle":
            service.wait(Wait(), _timeout(request))
            return service.document()
        case "refresh":
            return _refresh(service, clock, request)
        case _:
            return {"error": "unknown-op"}


def _refresh(service: Service, clock: Clock, request: Mapping[str, Any]) -> dict[str, Any]:
    named = request.get("hosts")
    hosts = frozenset(str(host) for host in named) if isinstance(named, list) else frozenset[str]()
    wait = Wait(hosts, refresh=True)
    done = service.wait(wait, _timeout(request))
    return outcome(service.document(), wait, clock, late=not done)


def outcome(whole: report.Document, wait: Wait, clock: Clock, *, late: bool = False) -> dict[str, Any]:
    """Return what a refresh came to: the document about its hosts, or which of them nobody knows."""
    if wait.unknown:
        known = [row["host"] for row in whole["registries"]]
        return {"error": "unknown-host", "hosts": list(wait.unknown), "known": known}
    document = report.about_hosts(whole, wait.hosts, clock.now().wall) if wait.hosts else whole
    return {**document, "late": True} if late else document


def _timeout(request: Mapping[str, Any]) -> float:
    wished = request.get("timeout")
    return min(float(wished), LONGEST_WAIT) if isinstance(wished, int | float) else 60.0
