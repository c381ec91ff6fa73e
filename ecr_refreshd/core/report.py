"""The status document: what scripts and people read, derived from the facts at the moment of asking.

Its keys are a contract (DESIGN 3); new ones may come, none may go. `overall` and the exit codes are computed
from the document itself, so that an answer from the state file follows the same rules as a living service's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ecr_refreshd.core import logins
from ecr_refreshd.core.fetching import renewal_of
from ecr_refreshd.core.model import Category, Complaint, EntryKind, Failure, Instant, Notice, SinkState
from ecr_refreshd.core.phases import Phase, counting, failure_of, phase_of
from ecr_refreshd.core.plan import MOST_ADOPTED
from ecr_refreshd.core.pulls import Pull, Pulls
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
from ecr_refreshd.core.writing import judgement_of, served_elsewhere

SCHEMA = 1
EXIT_CODES = {"ok": 0, "failed": 1, "login-required": 3, "degraded": 4, "starting": 4, "not-running": 5}
NOT_RUNNING = 5
STARTING = "starting: reading docker's and podman's files"
CONFIG_INVALID = "config.invalid"
"""The complaint about settings that cannot be used, while older ones are in force."""
ADOPTION_LIMIT = "discover.limit"
"""The complaint about registries that are left out because too many stand in the files."""
DEGRADING = frozenset({CONFIG_INVALID, ADOPTION_LIMIT})
"""Complaints that by themselves make `overall` degraded (DESIGN 3)."""

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
    pulls = Pulls.of(state, plan, now)
    counted = counting(state, plan, now)
    rows = [_row(registry, renewals, pulls, counted) for registry in plan.registries.values()]
    files = [_file(file, state) for file in plan.files]
    ignored = _ignored(state, plan)
    is_starting = not all(state.sink(file.path).looked for file in plan.files)
    # Which registries stand in a file that cannot be looked at, nobody knows.
    is_blind = not rows and any("state" in file for file in files)
    complaints = [_complaint(complaint) for complaint in (*about.degraded, *_left_out(state, plan))]
    return {
        "schema": SCHEMA,
        "pid": about.pid,
        "version": about.version,
        "started_at": timestamp(about.started_at),
        "overall": "starting" if is_starting else overall(rows, now.wall, complaints, is_blind=is_blind),
        "summary": STARTING if is_starting else summary(rows, ignored),
        "degraded": complaints,
        "registries": rows,
        "ignored": ignored,
        "files": [file for file in files if file["notes"] or "state" in file],
        "notices": [_notice(facts) for facts in state.notices.values()],
    }


def _ignored(state: State, plan: Plan) -> list[str]:
    """Return the hosts that stand in files and that the settings exclude."""
    views = [view for file in plan.files if (view := state.sink(file.path).view) is not None]
    return sorted({host for view in views for host in view.ecr_hosts} & plan.ignored)


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
    return [Complaint(ADOPTION_LIMIT, text)]


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
    registry: Registry, renewals: Mapping[str, datetime | None], pulls: Pulls, counted: frozenset[str]
) -> Row:
    state, plan, now = pulls.state, pulls.plan, pulls.now
    key = "" if registry.grant is None else registry.grant.key
    facts = state.grant(key) if key else GrantFacts()
    failure = failure_of(registry, facts, state)
    remembered = facts.token
    if _is_lost(facts, state, plan):
        facts = replace(facts, token=None)
    token = facts.token
    by_files = pulls.by_files(registry)
    phase = phase_of(registry, facts, by_files.values(), state, now)
    ends = [pull.ends for pull in by_files.values()]
    elsewhere = served_elsewhere(state, plan, pulls.carriers, registry.host, now)
    foreign = None if token is not None else _foreign_end(registry, state, plan)
    if elsewhere is not None and token is None:
        foreign = elsewhere.until or foreign
    principal = None if registry.grant is None else registry.grant.principal
    pause = state.pauses.get(registry.host)
    probe = state.probes.get(registry.host)
    return {
        "host": registry.host,
        "phase": str(phase),
        "counts": registry.host in counted or phase is Phase.FRESH,
        "origin": registry.origin,
        "grant": key or None,
        "expires_at": timestamp(foreign if token is None else token.expires_at),
        "works_until": timestamp(min((end for end in ends if end is not None), default=None))
        if ends and None not in ends
        else None,
        "obtained_at": timestamp(None if remembered is None else remembered.obtained_at),
        "served_by": None if elsewhere is None else elsewhere.program,
        "next_renewal_at": timestamp(_next_try(registry, facts, renewals.get(key), state, now)),
        "fingerprint": None if token is None else token.fingerprint,
        "principal": None
        if principal is None
        else {
            "profile": principal.profile,
            "role_arn": principal.role_arn or None,
            "sso_session": registry.standing.sso_session or None,
            "chosen_by": str(registry.chosen_by),
            "login_backed": registry.standing.login_backed,
            "process": registry.standing.process or None,
            **_choice(registry),
        },
        "region": registry.region,
        "account": registry.account,
        "heals": state.heals.get(registry.host, 0),
        "last_error": None if failure is None else _error(failure),
        "sinks": [_sink_row(file, pull, registry, pulls) for file, pull in by_files.items()],
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
        row |= {"state": sink.state, "detail": sink.failure.message}
        row |= {"hint": sink.failure.hint, "command": sink.failure.command}
    return row


def _next_try(
    registry: Registry, facts: GrantFacts, renewal: datetime | None, state: State, now: Instant
) -> datetime | None:
    if facts.failure is not None:
        login = state.logins.get(registry.standing.lane)
        if facts.failure.category is Category.LOGIN and logins.is_dead(login):
            return None
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


def _foreign_end(registry: Registry, state: State, plan: Plan) -> datetime | None:
    """Return when the credential that somebody else left under the host ends, as it says itself."""
    ends = [
        entry.expires_hint
        for file in plan.files
        if (entry := state.sink(file.path).entry(registry.host)).kind is EntryKind.TOKEN
        and entry.expires_hint is not None
    ]
    return max(ends, default=None)


def _sink_row(file: FilePlan, pull: Pull, registry: Registry, pulls: Pulls) -> Row:
    host, sink = registry.host, pulls.state.sink(file.path)
    row: Row = {
        "path": f"{file.path}/{host}" if file.role == "helper" else file.path,
        "kind": _kind(file, host, sink),
        "state": str(pull.state),
        "detail": pull.detail,
        "works": pull.works,
        "reason": str(pull.reason),
        "hint": pull.remedy.hint,
        "command": pull.remedy.command,
    }
    judgement = None
    if pull.state is SinkState.FOREIGN:
        judgement = judgement_of(pulls.state, sink, registry, pulls.now)
    served = None if sink.view is None else sink.view.served.get(host)
    if served is not None and pull.works:
        row["kept_until"] = timestamp(served.until)
    elif judgement is not None and judgement.until is not None:
        row["kept_until"] = timestamp(judgement.until)
    return row


def _kind(file: FilePlan, host: str, sink: SinkFacts) -> str:
    if file.role == "helper" or sink.entry(host).kind is EntryKind.HELPER:
        return "helper"
    return "store" if sink.view is not None and host in sink.view.stored else "auths"


def overall(
    rows: Iterable[Row], now: datetime, complaints: Iterable[Row] = (), *, is_blind: bool = False
) -> str:
    """Return the overall state of these registries: the first that holds of DESIGN 3's list.

    Args:
        rows: of the document; those that do not count, and those that a person has paused, are passed over.
        now: UTC.
        complaints: of the document.
        is_blind: no registry is known, and a file that may hold some cannot be read.
    """
    counted = [row for row in rows if row.get("counts", True) and row["phase"] != "paused"]
    if any(row["phase"] == "login-required" for row in counted):
        return "login-required"
    if counted and not any(_is_valid(row, now) for row in counted):
        return "failed"
    is_degraded = is_blind or any(complaint["code"] in DEGRADING for complaint in complaints)
    return "degraded" if is_degraded or not all(map(_is_well, counted)) else "ok"


def _is_valid(row: Row, now: datetime) -> bool:
    if row["phase"] == "fresh" and row.get("served_by"):
        return True
    return row["expires_at"] is not None and datetime.fromisoformat(row["expires_at"]) > now


def _is_well(row: Row) -> bool:
    """Return whether a row is as it should be; a renewal under way while the token lives is."""
    if row["phase"] not in {"fresh", "renewing"}:
        return False
    return all(
        sink["state"] in {"written", "foreign", "paused"} and sink.get("works", True) for sink in row["sinks"]
    )


def about_hosts(whole: Document, hosts: Iterable[str], now: datetime) -> Document:
    """Return the document narrowed to named hosts, which all count, with their own overall state."""
    wanted = frozenset(hosts)
    rows = [{**row, "counts": True} for row in whole["registries"] if row["host"] in wanted]
    state = overall(rows, now, whole.get("degraded", ()))
    return {**whole, "registries": rows, "overall": state, "summary": summary(rows, ())}


_COUNTED = {
    "fresh": ("fresh", "fresh"),
    "renewing": ("renewing", "renewing"),
    "retrying": ("retrying", "retrying"),
    "unwritten": ("not written", "not written"),
    "expired": ("expired", "expired"),
    "blocked": ("blocked", "blocked"),
    "login-required": ("sign-in needed", "sign-ins needed"),
    "paused": ("paused", "paused"),
}
"""By phase, in the order of the summary: the words after one and after more."""


def summary(rows: Collection[Row], ignored: Collection[str]) -> str:
    """Return one line of numbers, such as ``3 fresh, 1 sign-in needed``, and what is left out and why."""
    counted = [row for row in rows if row.get("counts", True)]
    numbers = {phase: sum(row["phase"] == phase for row in counted) for phase in _COUNTED}
    parts = [f"{number} {_COUNTED[phase][number > 1]}" for phase, number in numbers.items() if number] or [
        "no registries"
    ]
    parts.extend(_skipped([row for row in rows if not row.get("counts", True)]))
    if ignored:
        parts = parts if rows else []
        parts.append(f"{_number(len(ignored), 'host')} ignored ([discover] ignore)")
    return ", ".join(parts)


def _skipped(rows: Collection[Row]) -> Iterator[str]:
    """Yield how many registries found in files are left out, for each reason."""
    by_reason: dict[str, list[Row]] = {}
    for row in rows:
        denied = row["grant"] is not None
        unknown = (row["last_error"] or {}).get("code") == "region.unknown"
        reason = "access denied" if denied else "unknown region" if unknown else "no profile for"
        by_reason.setdefault(reason, []).append(row)
    for reason, some in by_reason.items():
        about = f" {_accounts(some)}" if reason.endswith("for") else ""
        yield f"{_number(len(some), 'registry')} skipped: {reason}{about}"


def _accounts(rows: Collection[Row]) -> str:
    accounts = sorted({row["account"] or "the public registry" for row in rows})
    first = f"account {accounts[0]}" if accounts[0].isdecimal() else accounts[0]
    return first if len(accounts) == 1 else f"{len(accounts)} accounts"


def _number(count: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"1 {noun}" if count == 1 else f"{count} {plural}"
