"""The status document: what scripts and people read, derived from the facts at the moment of asking.

Its keys are a contract (DESIGN 3); new ones may come, none may go. `overall` and the exit codes are computed
from the document itself, so that an answer from the state file follows the same rules as a living service's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ecr_refreshd.core.fetching import renewal_of
from ecr_refreshd.core.healing import OTHER_LOGINS, Verdict
from ecr_refreshd.core.model import Category, Complaint, EntryKind, Failure, Instant, Notice, SinkState
from ecr_refreshd.core.plan import MOST_ADOPTED
from ecr_refreshd.core.schedule import alive, just_resumed
from ecr_refreshd.core.sighting import CONTESTED_AFTER, lives
from ecr_refreshd.core.state import (
    FilePlan,
    GrantFacts,
    NoticeFacts,
    Plan,
    ProbeFacts,
    Registry,
    SinkFacts,
    State,
)
from ecr_refreshd.core.times import timestamp
from ecr_refreshd.core.writing import (
    Carriers,
    is_ours,
    judgement_of,
    served_elsewhere,
    serves_elsewhere,
)

SCHEMA = 1
EXIT_CODES = {"ok": 0, "failed": 1, "login-required": 3, "degraded": 4}
NOT_RUNNING = 5
CONFIG_INVALID = "config.invalid"
"""The complaint about settings that cannot be used, while older ones are in force."""

Row = dict[str, Any]
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class About:
    """What the document says of the service itself."""

    pid: int | None
    version: str
    started_at: datetime | None
    degraded: tuple[Complaint, ...] = ()


def document(state: State, plan: Plan, now: Instant, about: About) -> Document:
    """Return the status document."""
    by_grant = plan.by_grant()
    renewals = {
        key: renewal_of(state, served, key, plan, now) if state.grant(key).failure is None else None
        for key, served in by_grant.items()
    }
    carriers = Carriers.of(state, plan)
    rows = [_row(registry, renewals, carriers, state, plan, now) for registry in plan.registries.values()]
    files = [_file(file, state) for file in plan.files]
    # Which registries stand in a file that cannot be looked at, nobody knows.
    blind = not rows and any("state" in file for file in files)
    left_out = _left_out(state, plan)
    of_rows = overall(rows, now.wall)
    return {
        "schema": SCHEMA,
        "pid": about.pid,
        "version": about.version,
        "started_at": timestamp(about.started_at),
        "overall": "degraded" if blind or (left_out and of_rows == "ok") else of_rows,
        "degraded": [_complaint(complaint) for complaint in (*about.degraded, *left_out)],
        "registries": rows,
        "files": [file for file in files if file["notes"] or "state" in file],
        "notices": [_notice(facts) for facts in state.notices.values()],
    }


def _complaint(complaint: Complaint) -> Row:
    return {"code": complaint.code, "message": complaint.message, "command": complaint.command}


def _left_out(state: State, plan: Plan) -> list[Complaint]:
    """Return a complaint about the hosts in files that are not kept because too many stand there."""
    views = [view for file in plan.files if (view := state.sink(file.path).view) is not None]
    in_files = frozenset(host for view in views for host in view.ecr_hosts)
    hosts = [host for host in plan.left_out if host in in_files]
    if not hosts:
        return []
    are = "1 registry is" if len(hosts) == 1 else f"{len(hosts)} registries are"
    kept = f"at most {MOST_ADOPTED:,} found in docker's files are kept"
    text = f"{are} skipped, such as {hosts[0]}: {kept}. List those no longer needed under [discover] ignore."
    return [Complaint("discover.limit", text)]


def _notice(facts: NoticeFacts) -> Row:
    return {**told(facts.notice), "problems": list(facts.problems)}


def told(notice: Notice) -> Row:
    """Return a notice as scripts get it."""
    return {
        "key": notice.key,
        "title": notice.title,
        "body": notice.body,
        "command": notice.command,
        "since": timestamp(notice.since),
    }


def _row(
    registry: Registry,
    renewals: Mapping[str, datetime | None],
    carriers: Carriers,
    state: State,
    plan: Plan,
    now: Instant,
) -> Row:
    key = "" if registry.grant is None else registry.grant.key
    facts = state.grant(key) if key else GrantFacts()
    failure = registry.blocked or facts.failure
    remembered = facts.token
    if _is_lost(facts, state, plan):
        facts = replace(facts, token=None)
    token = facts.token
    rows = (_sink_row(file, registry, carriers, state, now) for file in plan.files)
    sinks = [row for row in rows if row is not None]
    elsewhere = served_elsewhere(state, plan, carriers, registry.host, now)
    foreign = None if token is not None else _foreign_end(registry, state, plan)
    if elsewhere is not None and token is None:
        foreign = elsewhere.until or foreign
    principal = None if registry.grant is None else registry.grant.principal
    pause = state.pauses.get(registry.host)
    probe = state.probes.get(registry.host)
    return {
        "host": registry.host,
        "phase": "paused"
        if pause is not None
        else "fresh"
        if elsewhere is not None
        else _phase(registry, facts, state, now, foreign),
        "origin": registry.origin,
        "grant": key or None,
        "expires_at": timestamp(foreign if token is None else token.expires_at),
        "obtained_at": timestamp(None if remembered is None else remembered.obtained_at),
        "served_by": None if elsewhere is None else elsewhere.program,
        "worked": remembered is not None or _worked(registry, state, plan, now),
        "next_renewal_at": timestamp(_next_try(facts, renewals.get(key), now)),
        "fingerprint": None if token is None else token.fingerprint,
        "principal": None
        if principal is None
        else {
            "profile": principal.profile,
            "role_arn": principal.role_arn or None,
            "sso_session": registry.standing.sso_session or None,
            "chosen_by": str(registry.chosen_by),
            "login_backed": registry.standing.login_backed,
            **_choice(registry),
        },
        "region": registry.region,
        "account": registry.account,
        "heals": state.heals.get(registry.host, 0),
        "last_error": None if failure is None else _error(failure),
        "sinks": sinks,
        "paused_until": None if pause is None else timestamp(pause.until),
        "paused_by": None if pause is None else pause.by,
        "probe": None if probe is None or not probe.answer else _probe(probe),
    }


def _choice(registry: Registry) -> Row:
    """Return what else is to be known of who was chosen: by which variable, and which other profiles fit."""
    others = [each.choice for each in registry.candidates if each.grant != registry.grant]
    used = next((each.choice for each in registry.candidates if each.grant == registry.grant), None)
    return {
        "variable": used.variable or None if used is not None else None,
        "other_account": used is not None and used.other_account,
        "also_fits": [each.principal.profile for each in others if each.fits and each.principal.profile],
    }


def _probe(probe: ProbeFacts) -> Row:
    return {"answer": probe.answer, "detail": probe.detail, "at": timestamp(probe.at)}


def _worked(registry: Registry, state: State, plan: Plan, now: Instant) -> bool:
    """Return whether a registry whose principal has no token worked here: by ours, or by one that died."""
    entries = [state.sink(file.path).entry(registry.host) for file in plan.files]
    if any(is_ours(state, GrantFacts(), entry) for entry in entries):
        return True
    return registry.host in state.lived and not any(lives(entry, now) for entry in entries)


def _is_lost(facts: GrantFacts, state: State, plan: Plan) -> bool:
    """Return whether a token of an earlier run stands in no file any more: its end is of no use to anybody."""
    looked = all(state.sink(file.path).looked for file in plan.files)
    return looked and facts.token is not None and facts.token.auth is None


def _file(file: FilePlan, state: State) -> Row:
    sink = state.sink(file.path)
    view = sink.view
    notes = [] if view is None else list(view.notes)
    row: Row = {"path": file.path, "notes": notes}
    if view is None and sink.failure is not None:
        row |= {"state": sink.state, "detail": _said(sink.failure)}
    return row


def _next_try(facts: GrantFacts, renewal: datetime | None, now: Instant) -> datetime | None:
    if facts.failure is not None:
        return None if facts.retry_at is None else now.wall + (facts.retry_at - now.boot)
    return renewal


def _error(failure: Failure) -> Row:
    return {
        "code": failure.code,
        "category": str(failure.category),
        "message": failure.message,
        "at": timestamp(failure.at),
        "hint": failure.hint,
        "command": failure.command,
    }


def _phase(
    registry: Registry, facts: GrantFacts, state: State, now: Instant, foreign: datetime | None
) -> str:
    failure = registry.blocked or facts.failure
    if failure is not None and failure.category is Category.LOGIN:
        return "login-required"
    if failure is not None and failure.category in {Category.DENIED, Category.CONFIG}:
        return "blocked"
    if facts.token is not None and not alive(facts.token, now):
        return "expired"
    if facts.token is None and foreign is not None and foreign <= now.wall:
        return "expired"
    if failure is not None and not (facts.token is not None and just_resumed(state.resumed, now)):
        return "retrying"
    if facts.fetching is not None or facts.token is None:
        return "renewing"
    return "fresh"


def _foreign_end(registry: Registry, state: State, plan: Plan) -> datetime | None:
    """Return when the credential that somebody else left under the host ends, as it says itself."""
    ends = [
        entry.expires_hint
        for file in plan.files
        if (entry := state.sink(file.path).entry(registry.host)).kind is EntryKind.TOKEN
        and entry.expires_hint is not None
    ]
    return max(ends, default=None)


def _sink_row(
    file: FilePlan, registry: Registry, carriers: Carriers, state: State, now: Instant
) -> Row | None:
    sink = state.sink(file.path)
    if not carriers.carries(file, registry.host, sink):
        return None
    standing, detail = _sink_state(registry, sink, state, now)
    path = f"{file.path}/{registry.host}" if file.role == "helper" else file.path
    row: Row = {
        "path": path,
        "kind": _kind(file, registry.host, sink),
        "state": str(standing),
        "detail": detail,
    }
    if sink.failure is not None and sink.failure.hint and detail == _said(sink.failure):
        row |= {"hint": sink.failure.hint, "command": sink.failure.command}
    entry = sink.entry(registry.host)
    if standing is SinkState.FOREIGN and serves_elsewhere(sink, registry.host, now):
        until = sink.view.served[registry.host].until if sink.view is not None else None
        return row | {"works": True, "kept_until": timestamp(until)}
    judgement = judgement_of(state, sink, registry, now) if standing is SinkState.FOREIGN else None
    if judgement is not None and judgement.until is not None:
        row["kept_until"] = timestamp(judgement.until)
    # Beside "foreign", which may be as good as ours: this one ECR never takes (an identity token, another user).
    return row | {"works": False} if standing is SinkState.FOREIGN and entry.kind in OTHER_LOGINS else row


def _kind(file: FilePlan, host: str, sink: SinkFacts) -> str:
    if file.role == "helper" or sink.entry(host).kind is EntryKind.HELPER:
        return "helper"
    return "store" if sink.view is not None and host in sink.view.stored else "auths"


def _sink_state(registry: Registry, sink: SinkFacts, state: State, now: Instant) -> tuple[SinkState, str]:
    host = registry.host
    if host in state.pauses:
        return SinkState.PAUSED, ""
    if sink.view is None:
        if sink.failure is None:
            return SinkState.MISSING, "not looked at yet"
        return SinkState(sink.state), _said(sink.failure)
    if host in sink.view.shadows:
        # A credential that another program brings is as good as one that it wrote.
        works = serves_elsewhere(sink, host, now)
        return SinkState.FOREIGN if works else SinkState.SHADOWED, sink.view.shadows[host]
    judgement = judgement_of(state, sink, registry, now)
    if judgement is not None and judgement.verdict in {Verdict.KEEP, Verdict.LEAVE}:
        if judgement.verdict is Verdict.LEAVE:
            return SinkState.FOREIGN, (
                "a login of another kind, which ECR does not take: pulls fail with it; "
                f"`ecr-refreshd refresh {host}` replaces it"
            )
        return SinkState.FOREIGN, f"somebody else's login; `ecr-refreshd refresh {host}` replaces it"
    if judgement is not None and judgement.verdict is Verdict.RIGHT:
        unread = sink.view.unread.get(host, "")
        return (SinkState.SHADOWED, unread) if unread else (SinkState.WRITTEN, "")
    if sink.failure is not None:
        return SinkState(sink.state), _said(sink.failure)
    if host in sink.view.failures:
        return SinkState.UNWRITABLE, _said(sink.view.failures[host])
    facts = sink.host(host)
    if facts.undone >= CONTESTED_AFTER:
        return SinkState.CONTESTED, "something else keeps rewriting this entry"
    entry = sink.entry(host)
    if entry.kind is EntryKind.HELPER:
        return SinkState.WRITTEN, ""
    if host in sink.view.refusals:
        return SinkState.MISSING, sink.view.refusals[host].text
    if entry.kind is EntryKind.TOKEN:
        key = "" if registry.grant is None else registry.grant.key
        token = state.grant(key).token
        if token is not None and token.fingerprint == entry.fingerprint:
            return SinkState.WRITTEN, "expired" if token.expires_at <= now.wall else ""
        return SinkState.FOREIGN, "not written by this service"
    return SinkState.MISSING, "to be written" if judgement is not None else "no token yet"


def _said(failure: Failure) -> str:
    return f"{failure.message} {failure.hint}".strip()


def overall(rows: Iterable[Row], now: datetime, *, named: bool = False) -> str:
    """Return the overall state of these registries: the first that holds of DESIGN 3's list.

    Adopted hosts that never succeeded do not count (somebody's old login is nobody's outage), unless a person
    `named` them; nor do those that a person has paused.
    """
    counted = [
        row
        for row in rows
        if row["phase"] != "paused"
        and (named or row["origin"] != "adopted" or row.get("worked", row["obtained_at"] is not None))
    ]
    if not counted:
        return "ok"
    if not any(_valid(row, now) for row in counted):
        return "failed"
    if any(_waits(row) for row in counted):
        return "login-required"
    if all(_well(row) for row in counted):
        return "ok"
    return "degraded"


def _waits(row: Row) -> bool:
    return bool(row["phase"] == "login-required")


def _valid(row: Row, now: datetime) -> bool:
    if row.get("served_by"):
        return True
    return row["expires_at"] is not None and datetime.fromisoformat(row["expires_at"]) > now


def _well(row: Row) -> bool:
    """Return whether a row is as it should be; a renewal under way while the token lives is."""
    if row["phase"] not in {"fresh", "renewing", "paused"}:
        return False
    return all(
        sink["state"] in {"written", "foreign", "paused"} and sink.get("works", True) for sink in row["sinks"]
    )


def about_hosts(whole: Document, hosts: Iterable[str], now: datetime) -> Document:
    """Return the document narrowed to hosts that a person named, with their own overall state."""
    wanted = frozenset(hosts)
    rows = [row for row in whole["registries"] if row["host"] in wanted]
    return {**whole, "registries": rows, "overall": overall(rows, now, named=True)}
