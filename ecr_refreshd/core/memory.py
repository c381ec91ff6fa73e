"""What is remembered from one run to the next: dates, fingerprints and failures, never a secret.

`recall` gives tokens without their text; a file that still holds the same fingerprint gives the text back, so a
restart asks AWS for nothing (DESIGN 5). Anything unreadable in a memory is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ecr_refreshd.core import report
from ecr_refreshd.core.model import Instant, Token
from ecr_refreshd.core.state import GrantFacts, Plan, State

SCHEMA = 1


def remember(state: State, plan: Plan, adopted: tuple[str, ...], document: report.Document) -> dict[str, Any]:
    """Return the state file's contents."""
    grants = {}
    for key in plan.by_grant():
        facts = state.grant(key)
        if facts.token is not None:
            grants[key] = {
                "fingerprint": facts.token.fingerprint,
                "obtained_at": report.timestamp(facts.token.obtained_at),
                "expires_at": report.timestamp(facts.token.expires_at),
                "past": list(facts.past),
            }
    return {
        "schema": SCHEMA,
        "seed": plan.seed,
        "adopted": list(adopted),
        "grants": grants,
        "heals": dict(state.heals),
        "status": document,
    }


def differs(before: State, after: State) -> bool:
    """Return whether anything changed that the next run, or `status` without a service, would miss."""
    if before.heals != after.heals or before.grants.keys() != after.grants.keys():
        return True
    for key, facts in after.grants.items():
        old = before.grants[key]
        if (old.token, old.failure, old.past) != (facts.token, facts.failure, facts.past):
            return True
    for path, sink in after.sinks.items():
        was = before.sink(path)
        if (was.view, was.failure, was.writing) != (sink.view, sink.failure, sink.writing):
            return True
    return False


def recall(memory: Mapping[str, Any], now: Instant) -> State:
    """Return the state that a run begins with."""
    grants: dict[str, GrantFacts] = {}
    kept = memory.get("grants")
    for key, row in kept.items() if isinstance(kept, dict) else ():
        token = _token(row, now)
        if token is not None:
            past = row.get("past")
            texts = tuple(p for p in past if isinstance(p, str)) if isinstance(past, list) else ()
            grants[str(key)] = GrantFacts(token=token, past=texts)
    heals = memory.get("heals")
    counts = {str(h): n for h, n in heals.items() if isinstance(n, int)} if isinstance(heals, dict) else {}
    return State(started=now.boot, grants=grants, heals=counts)


def adopted(memory: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the hosts that earlier runs adopted."""
    hosts = memory.get("adopted")
    return tuple(h for h in hosts if isinstance(h, str)) if isinstance(hosts, list) else ()


def seed(memory: Mapping[str, Any]) -> str:
    """Return this installation's own seed for jitter, "" when there is none yet."""
    text = memory.get("seed")
    return text if isinstance(text, str) else ""


def _token(row: Any, now: Instant) -> Token | None:
    try:
        obtained = datetime.fromisoformat(row["obtained_at"]).astimezone(UTC)
        expires = datetime.fromisoformat(row["expires_at"]).astimezone(UTC)
        fingerprint = str(row["fingerprint"])
        age = now.wall - obtained
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    # The suspend-counting clock of an earlier boot means nothing now; its reading is inferred from the dates.
    return Token(None, fingerprint, obtained, expires, now.boot - max(age, timedelta(0)))


def last_document(memory: Mapping[str, Any], now: datetime, version: str) -> report.Document:
    """Return the status document for when no service runs: the last one known, aged to `now`."""
    kept = memory.get("status")
    rows = kept.get("registries") if isinstance(kept, dict) else None
    aged = [row for each in rows if (row := _aged(each, now))] if isinstance(rows, list) else []
    return {
        "schema": report.SCHEMA,
        "pid": None,
        "version": version,
        "started_at": None,
        "overall": report.overall(aged, now),
        "degraded": [],
        "registries": aged,
        "files": [],
        "notices": [],
    }


def _aged(row: Any, now: datetime) -> report.Row | None:
    """Return a row as it is now; None for one that is not what was once written."""
    try:
        ended = row["expires_at"] is not None and datetime.fromisoformat(row["expires_at"]) <= now
        phase = (
            "expired" if ended and row["phase"] in {"fresh", "renewing", "retrying"} else str(row["phase"])
        )
        report.overall([{**row, "phase": phase}], now)
    except (KeyError, TypeError, ValueError):
        return None
    return {**row, "phase": phase, "next_renewal_at": None}
