"""The status document in one line: for systemd's STATUS=, and for the first line of the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from ecr_refreshd.core.times import spoken

Document = Mapping[str, Any]
Row = Mapping[str, Any]


def status_text(document: Document, now: datetime, zone: tzinfo) -> str:
    """Return what a person has to know: ``3 fresh, next renewal 22:35``, or ``sign in: aws sso login ...``."""
    rows: Sequence[Row] = document.get("registries", ())
    for row in rows:
        error = row.get("last_error") or {}
        command = error.get("command") or error.get("hint")
        if row.get("phase") == "login-required" and row.get("counts", True) and command:
            return f"sign in: {command}"
    if document.get("overall") == "starting":
        return "starting"
    if not rows:
        return "no registry is kept"
    return f"{summary(document)}{_next(rows, now, zone)}"


def started_text(document: Document, now: datetime, zone: tzinfo) -> str:
    """Return the first line of a service: ``ecr-refreshd 0.1.0: keeping 3 registries, next renewal 22:35``."""
    rows: Sequence[Row] = document.get("registries", ())
    count = (
        "no registry yet" if not rows else f"{len(rows):,} {'registry' if len(rows) == 1 else 'registries'}"
    )
    waiting = sum(row.get("phase") == "login-required" for row in rows)
    renewing = sum(row.get("phase") in {"renewing", "expired"} and not row.get("last_error") for row in rows)
    more = _next(rows, now, zone)
    if waiting:
        more = f", {waiting} {'needs' if waiting == 1 else 'need'} a sign-in"
    elif renewing:
        more = f", renewing {renewing} now"
    return f"ecr-refreshd {document.get('version')}: keeping {count}{more}"


def next_renewal(rows: Sequence[Row]) -> datetime | None:
    """Return the first renewal that comes by itself, in UTC; None if a person has to act first."""
    texts = [
        row.get("next_renewal_at")
        for row in rows
        if row.get("phase") not in {"paused", "login-required", "blocked"}
    ]
    return min((datetime.fromisoformat(text) for text in texts if text), default=None)


def summary(document: Document) -> str:
    """Return how many registries are in each phase."""
    told = document.get("summary")
    if told:
        return str(told)
    counts: dict[str, int] = {}
    for row in document.get("registries", ()):
        phase = str(row.get("phase", ""))
        counts[phase] = counts.get(phase, 0) + 1
    return ", ".join(f"{counts[phase]} {_SHOWN.get(phase, phase)}" for phase in sorted(counts, key=_rank))


_SHOWN = {"login-required": "sign-in needed", "unwritten": "not written"}
_ORDER = ("fresh", "login-required", "blocked", "expired", "unwritten", "retrying", "renewing", "paused")


def _rank(phase: str) -> int:
    return _ORDER.index(phase) if phase in _ORDER else len(_ORDER)


def _next(rows: Sequence[Row], now: datetime, zone: tzinfo) -> str:
    at = next_renewal(rows)
    return f", next renewal {spoken(max(at, now), now, zone)}" if at is not None else ""
