"""What happened between two states, as log events: a dotted name and fields, one per thing that happened.

The core does not log; it says what there is to say, and the loop passes it on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ecr_refreshd.core.fetching import renewal_of
from ecr_refreshd.core.model import Category, Failure, Instant
from ecr_refreshd.core.schedule import just_resumed
from ecr_refreshd.core.state import GrantFacts, Plan, Registry, SinkFacts, State
from ecr_refreshd.core.times import timestamp


@dataclass(frozen=True, slots=True)
class Remark:
    """One line for the log. `level` is a method name of the logger."""

    level: str
    event: str
    fields: dict[str, Any]


def remarks(before: State, after: State, plan: Plan, now: Instant) -> Iterator[Remark]:
    """Yield what changed."""
    if after.resumed is not None and after.resumed != before.resumed:
        stood_still = after.resumed - (after.resumed if before.turned is None else before.turned.boot)
        yield Remark("info", "clock.resumed", {"seconds": round(stood_still.total_seconds())})
    by_grant = plan.by_grant()
    for key, facts in after.grants.items():
        if facts is not before.grants.get(key):
            yield from _grant(key, before.grant(key), after, by_grant.get(key, []), plan, now)
    for path, sink in after.sinks.items():
        if sink is not before.sinks.get(path):
            yield from _sink(path, before.sink(path), sink)
    for host, count in after.heals.items():
        if count > before.heals.get(host, 0):
            yield Remark("info", "sink.healed", {"host": host, "heals": count})
    yield from _people(before, after)


def _people(before: State, after: State) -> Iterator[Remark]:
    """Yield what concerns persons: their logins, their pauses, what they are told."""
    for lane, facts in after.logins.items():
        was = before.logins.get(lane)
        if was is not None and facts.began != was.began:
            yield Remark("info", "login.begun", {"login": lane})
        if was is not None and facts.ended and not was.ended:
            yield Remark("info", "login.ended", {"login": lane})
    for host in after.pauses.keys() - before.pauses.keys():
        pause = after.pauses[host]
        yield Remark("info", "host.paused", {"host": host, "until": timestamp(pause.until), "by": pause.by})
    for host in before.pauses.keys() - after.pauses.keys():
        yield Remark("info", "host.resumed", {"host": host})
    for key, told in after.notices.items():
        known = before.notices.get(key)
        if known is None:
            notice = told.notice
            fields = {"key": key, "title": notice.title, "body": notice.body, "command": notice.command}
            yield Remark("warning", "notice.raised", fields)
        elif told.problems != known.problems and told.problems:
            yield Remark("warning", "notice.undelivered", {"key": key, "problems": list(told.problems)})
    for key in before.notices.keys() - after.notices.keys():
        yield Remark("info", "notice.withdrawn", {"key": key})
    for host, probe in after.probes.items():
        asked = before.probes.get(host)
        if probe.answer and (asked is None or asked.at != probe.at):
            fields = {"host": host, "answer": probe.answer, "detail": probe.detail}
            yield Remark("warning" if probe.answer == "refused" else "info", "registry.probed", fields)
    if after.hook_problem and after.hook_problem != before.hook_problem:
        yield Remark("warning", "hook.failed", {"message": after.hook_problem})
    if after.sign_in_problem and after.sign_in_problem != before.sign_in_problem:
        yield Remark("warning", "login.not_started", {"message": after.sign_in_problem})


def _grant(
    key: str, old: GrantFacts, state: State, served: list[Registry], plan: Plan, now: Instant
) -> Iterator[Remark]:
    new = state.grant(key)
    hosts = sorted(registry.host for registry in served)
    if new.token is not None and (old.token is None or old.token.fingerprint != new.token.fingerprint):
        renewal = renewal_of(state, served, key, plan, now)
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
    quiet = new.token is not None and just_resumed(state.resumed, now)
    if (
        failure is not None
        and failure is not old.failure
        and not (quiet and failure.category is Category.TRANSIENT)
    ):
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
            "command": failure.command,
            "valid_until": timestamp(None if new.token is None or lost else new.token.expires_at),
        }
        yield Remark(level, "grant.failed", fields)


def _failures(sink: SinkFacts) -> dict[str, Failure]:
    return {} if sink.view is None else sink.view.failures


def _advice(failure: Failure) -> dict[str, str]:
    return {"hint": failure.hint, "command": failure.command}


def _sink(path: str, old: SinkFacts, new: SinkFacts) -> Iterator[Remark]:
    if old.writing and not new.writing and new.failure is None:
        taken = sorted(old.writing_hosts - _failures(new).keys())
        if taken or not old.writing_hosts:
            yield Remark("info", "sink.written", {"path": path, "hosts": taken})
    for host, failure in _failures(new).items():
        if _failures(old).get(host) != failure:
            fields = {"path": path, "host": host, "code": failure.code, "message": failure.message}
            yield Remark("warning", "sink.unwritable", {**fields, **_advice(failure)})
    problem = new.failure
    if problem is not None and (old.failure is None or old.failure.message != problem.message):
        fields = {"path": path, "code": problem.code, "message": problem.message}
        yield Remark("warning", f"sink.{new.state}", {**fields, **_advice(problem)})
    if old.failure is not None and problem is None:
        yield Remark("info", "sink.recovered", {"path": path})
