"""What the running service answers on its control socket: the operations, and their JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ecr_refreshd.core import report
from ecr_refreshd.core.events import AnswerWanted, LoggedOut, PauseAsked, ResumeAsked
from ecr_refreshd.core.ports import Clock
from ecr_refreshd.core.printed import Printed
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.daemon import Service
from ecr_refreshd.waits import Wait

LONGEST_WAIT = 800.0
"""Seconds that a client may keep a connection waiting."""
_LONGEST_TTL = 366 * 86400.0
_PAUSE_SHOWS = 10.0
"""Seconds until a host that is served again has its token, or its failure, to show."""
_WORTH_ANSWERING = timedelta(seconds=5)
"""A token that dies on the way to the registry is no answer."""
_FIRST_LOOKS = 5.0
"""Seconds until a service that has just started knows which hosts stand in the files."""


def answer(service: Service, clock: Clock, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to one request.

    ``{"op": "status"}`` is answered at once; ``{"op": "settle", "timeout": s}`` when every registry is settled;
    ``{"op": "refresh", "hosts": [...], "timeout": s}`` when these (all, if none is named) have been renewed, with
    what each `credential_process` printed in the client's terminal as ``"supplied": {process: [output, digest of
    its command line]}``;
    ``{"op": "ensure", "hosts": [...], "min_ttl": s, "timeout": s}`` when each has so much life in every file;
    ``{"op": "pause", "host": h, "until": ISO-8601 or null}`` and ``{"op": "resume", "host": h}`` once it is so.
    ``{"op": "answer", "host": h, "timeout": s}`` when our credential helper has an answer ready for it;
    ``{"op": "environment"}`` says with which variables the service was started (``cli.environment``).
    ``{"op": "logout", "host": h}`` passes on what docker told our helper, and is answered once it is so.
    """
    if not _is_finite(request.get("timeout", 0)):
        return {"error": "bad-request"}
    match request.get("op"):
        case "status":
            return service.document()
        case "environment":
            # Imported only for who asks: a service that nobody asks is smaller without (DESIGN 11).
            from ecr_refreshd.cli.environment import telling  # noqa: PLC0415 - see above

            return {"environment": telling(os.environ)}
        case "settle":
            service.wait(Wait(), _timeout(request))
            return service.document()
        case "refresh":
            return _refresh(service, clock, request)
        case "ensure":
            return _ensure(service, clock, request)
        case "answer":
            return _answer(service, clock, request)
        case "logout":
            host = str(request.get("host", ""))
            service.tell(LoggedOut(host))
            service.wait(Wait(frozenset({host})), _PAUSE_SHOWS)
            return service.document()
        case "pause" | "resume" as op:
            return _pause(service, clock, request, begins=op == "pause")
        case _:
            return {"error": "unknown-op"}


def _refresh(service: Service, clock: Clock, request: Mapping[str, Any]) -> dict[str, Any]:
    named = request.get("hosts")
    hosts = frozenset(str(host) for host in named) if isinstance(named, list) else frozenset[str]()
    supplied = request.get("supplied", {})
    if not isinstance(supplied, dict) or not all(map(_is_printed, supplied.values())):
        return {"error": "bad-request"}
    for process, (output, command) in supplied.items():
        service.supply(str(process), Printed(Secret(output), command))
    wait = Wait(hosts, refresh=True)
    done = service.wait(wait, _timeout(request))
    return outcome(service.document(), wait, clock, late=not done)


def _ensure(service: Service, clock: Clock, request: Mapping[str, Any]) -> dict[str, Any]:
    named, least = request.get("hosts"), request.get("min_ttl")
    if not isinstance(named, list) or not isinstance(least, int | float) or not 0 <= least <= _LONGEST_TTL:
        return {"error": "bad-request"}
    wait = Wait(frozenset(str(host) for host in named), min_ttl=timedelta(seconds=float(least)))
    done = service.wait(wait, _timeout(request))
    return outcome(service.document(), wait, clock, late=not done)


def _answer(service: Service, clock: Clock, request: Mapping[str, Any]) -> dict[str, Any]:
    host = str(request.get("host", ""))
    service.tell(AnswerWanted(host))
    wait = Wait(frozenset({host}), min_ttl=_WORTH_ANSWERING, answer=True)
    done = service.wait(wait, _timeout(request))
    return outcome(service.document(), wait, clock, late=not done)


def _pause(service: Service, clock: Clock, request: Mapping[str, Any], *, begins: bool) -> dict[str, Any]:
    host = str(request.get("host", ""))
    try:
        until = datetime.fromisoformat(request["until"]).astimezone(UTC) if request.get("until") else None
    except (TypeError, ValueError):
        return {"error": "bad-request"}
    wait = Wait(frozenset({host}), known=True)
    # Whoever is listed is known; for the others alone it is worth waiting, lest a pause be held up by what hangs.
    if not any(row["host"] == host for row in service.document()["registries"]):
        service.wait(wait, _FIRST_LOOKS)
        if wait.unknown:
            return outcome(service.document(), wait, clock)
    service.tell(PauseAsked(host, until) if begins else ResumeAsked(host))
    service.wait(Wait(frozenset({host})), _PAUSE_SHOWS)
    return outcome(service.document(), wait, clock)


def outcome(whole: report.Document, wait: Wait, clock: Clock, *, late: bool = False) -> dict[str, Any]:
    """Return what somebody's wait came to: the document about its hosts, or which of them nobody knows.

    Who waited for life in the tokens is also told whether each host has it (``ensured``), and which hosts'
    tokens never live so long (``beyond``).
    """
    if wait.unknown:
        known = [row["host"] for row in whole["registries"]]
        return {"error": "unknown-host", "hosts": list(wait.unknown), "known": known}
    document = report.about_hosts(whole, wait.hosts, clock.now().wall) if wait.hosts else whole
    if wait.min_ttl is not None:
        document = {**document, "ensured": wait.ensured, "beyond": list(wait.beyond)}
    return {**document, "late": True} if late else document


def _is_printed(given: object) -> bool:
    """Return whether this is what a program printed, with the digest of its command line."""
    return isinstance(given, list) and [type(each) for each in given] == [str, str]


def _is_finite(number: object) -> bool:
    try:
        return not isinstance(number, int | float) or math.isfinite(number)
    except OverflowError:  # an integer that no float holds
        return False


def _timeout(request: Mapping[str, Any]) -> float:
    wished = request.get("timeout")
    return min(float(wished), LONGEST_WAIT) if isinstance(wished, int | float) else 60.0
