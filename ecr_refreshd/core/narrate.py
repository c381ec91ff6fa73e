"""What happened between two states, as log events: a dotted name and fields, one per thing that happened.

The core does not log; it says what there is to say, and the loop passes it on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ecr_refreshd.core.model import Category
from ecr_refreshd.core.report import timestamp
from ecr_refreshd.core.settle import renewal_of
from ecr_refreshd.core.state import GrantFacts, Plan, SinkFacts, State


@dataclass(frozen=True, slots=True)
class Remark:
    """One line for the log. `level` is a method name of the logger."""

    level: str
    event: str
    fields: dict[str, Any]


def remarks(before: State, after: State, plan: Plan) -> Iterator[Remark]:
    """Yield what changed."""
    by_grant = plan.by_grant()
    for key, facts in after.grants.items():
        if facts is not before.grants.get(key):
            hosts = sorted(r.host for r in by_grant.get(key, []))
            yield from _grant(key, before.grant(key), facts, hosts, plan)
    for path, sink in after.sinks.items():
        if sink is not before.sinks.get(path):
            yield from _sink(path, before.sink(path), sink)
    for host, count in after.heals.items():
        if count > before.heals.get(host, 0):
            yield Remark("info", "sink.healed", {"host": host, "heals": count})


def _grant(key: str, old: GrantFacts, new: GrantFacts, hosts: list[str], plan: Plan) -> Iterator[Remark]:
    if new.token is not None and (old.token is None or old.token.fingerprint != new.token.fingerprint):
        served = plan.by_grant().get(key, [])
        renewal = renewal_of(new, served, key, plan) if served else None
        yield Remark(
            "info",
            "grant.renewed",
            {
                "grant": key,
                "hosts": hosts,
                "fingerprint": new.token.fingerprint,
                "expires_at": timestamp(new.token.expires_at),
                "next_renewal_at": timestamp(renewal),
            },
        )
    elif new.token is not None and old.token is not None and old.token.auth is None and new.token.auth:
        fields = {"grant": key, "hosts": hosts, "expires_at": timestamp(new.token.expires_at)}
        yield Remark("info", "grant.recalled", fields)
    failure = new.failure
    if failure is not None and failure is not old.failure:
        level = "error" if failure.category is not Category.TRANSIENT else "warning"
        # A token of an earlier run that no file gave back; otherwise AWS would not have been asked yet.
        lost = new.token is not None and new.token.auth is None
        fields = {
            "grant": key,
            "hosts": hosts,
            "category": str(failure.category),
            "code": failure.code,
            "message": failure.message,
            "hint": failure.hint,
            "valid_until": timestamp(None if new.token is None or lost else new.token.expires_at),
        }
        yield Remark(level, "grant.failed", fields)


def _sink(path: str, old: SinkFacts, new: SinkFacts) -> Iterator[Remark]:
    if old.writing and not new.writing and new.failure is None:
        yield Remark("info", "sink.written", {"path": path, "hosts": sorted(old.writing_hosts)})
    failure = new.failure
    if failure is not None and (old.failure is None or old.failure.message != failure.message):
        fields = {"path": path, "code": failure.code, "message": failure.message, "hint": failure.hint}
        yield Remark("warning", f"sink.{new.state}", fields)
    if old.failure is not None and failure is None:
        yield Remark("info", "sink.recovered", {"path": path})
