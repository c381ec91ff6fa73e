"""What is remembered from one run to the next: dates, fingerprints and failures, never a secret.

`recall` gives tokens without their text; a file that still holds the same fingerprint gives the text back, so a
restart asks AWS for nothing (DESIGN 5). Anything unreadable in a memory is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from ecr_refreshd.core import fallback, kept_rows, process_starts, report
from ecr_refreshd.core.model import Category, Failure, Instant, Login, Notice, Owed, Token
from ecr_refreshd.core.state import GrantFacts, LoginFacts, NoticeFacts, Pause, Plan, ProbeFacts, State
from ecr_refreshd.core.times import parsed, timestamp

SCHEMA = 1
_DIGITS = 12
_LONGEST_LIFE, _LONGEST_LOGIN = timedelta(days=7), timedelta(days=366)
"""Of a token, and of a login: what is longer was never written. ECR's tokens live for 12 h."""
_MOST_TRIES = 1000


def remember(
    state: State,
    plan: Plan,
    adopted: tuple[str, ...],
    document: report.Document,
    *,
    dropped: Iterable[str] = (),
    aws_files: str = "",
) -> dict[str, Any]:
    """Return the state file's contents; `aws_files` is the digest of the AWS files (`AwsLook.files`)."""
    grants: dict[str, Any] = {}
    for key in (*plan.by_grant(), *plan.spares(), *_retired(state, plan)):
        facts = state.grant(key)
        if facts.token is not None:
            grants[key] = {
                "fingerprint": facts.token.fingerprint,
                "obtained_at": timestamp(facts.token.obtained_at),
                "expires_at": timestamp(facts.token.expires_at),
                "past": list(facts.past),
                "announced": facts.announced,
            }
        if facts.failure is not None and (
            facts.failure.category is not Category.TRANSIENT or facts.failure.awaits_person
        ):
            # So that a restart neither asks AWS for what a dead login cannot give, nor tells a person twice.
            grants.setdefault(key, {})["failure"] = _failure_row(facts.failure)
    for key in plan.spares():
        # So that the one that worked serves after a restart too, and is not asked for behind others again.
        failure, tries = state.grant(key).failure, state.grant(key).tries
        if failure is not None:
            grants.setdefault(key, {}).update({"failure": _failure_row(failure), "tries": tries})
    for key in (*plan.by_grant(), *plan.spares()):
        if plan.standing_of(key).process and (row := _start_row(state.grant(key), state)):
            grants.setdefault(key, {}).update(row)
    return {
        "schema": SCHEMA,
        "seed": plan.seed,
        "aws_files": aws_files[:_DIGITS],
        "adopted": list(adopted),
        "dropped": sorted(dropped),
        "grants": grants,
        "heals": dict(state.heals),
        "owed": {path: _owed_row(owed) for path, owed in state.owed.items()},
        "pauses": {host: pause_row(pause) for host, pause in state.pauses.items()},
        "logouts": {host: timestamp(at) for host, at in state.logouts.items()},
        "logins": {lane: _login_row(facts) for lane, facts in state.logins.items()},
        "notices": {key: _notice_row(facts) for key, facts in state.notices.items()},
        "lived": sorted(state.lived),
        "refused": {host: list(probe.refused) for host, probe in state.probes.items() if probe.refused},
        "status": document,
    }


def _start_row(facts: GrantFacts, state: State) -> dict[str, Any]:
    """Return what a restart must know so as to start a `credential_process` no sooner than this run would."""
    now = state.turned
    if now is None or (facts.failure is None and facts.fetching is None):
        return {}
    retry_at = None if facts.retry_at is None else now.wall + (facts.retry_at - now.boot)
    return {
        "tries": facts.tries,
        "retry_at": timestamp(retry_at),
        "is_running": facts.fetching is not None,
    }


def _retired(state: State, plan: Plan) -> Iterator[str]:
    """Yield the grants of principals that no registry has now, while what they got still lives.

    Such a token is ours wherever it stands: a profile that was gone for a moment comes back.
    """
    now = state.turned
    for key, facts in state.grants.items():
        token = None if key in plan.by_grant() else facts.token
        if token is not None and now is not None and token.expires_at > now.wall:
            yield key


def differs(before: State, after: State) -> bool:
    """Return whether anything changed that the next run, or `status` without a service, would miss."""
    if before.heals != after.heals or before.grants.keys() != after.grants.keys():
        return True
    for key, facts in after.grants.items():
        old = before.grants[key]
        if (old.token, old.failure, old.announced) != (facts.token, facts.failure, facts.announced):
            return True
    for name in ("owed", "pauses", "logouts", "notices", "logins", "probes", "lived"):
        if getattr(before, name) != getattr(after, name):
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
        token, failure = _token(row, now), _failure(row, now)
        if token is None and failure is None and not _is_running(row):
            continue
        past = row.get("past")
        texts = tuple(p for p in past if isinstance(p, str)) if isinstance(past, list) else ()
        tries = _tries(row)
        pause = fallback.again_in(failure, tries, now) if failure and tries is not None else timedelta(0)
        facts = GrantFacts(
            token=token,
            past=texts,
            failure=failure,
            tries=(1 if tries is None else tries) if failure is not None else 0,
            # Where the disk shows the login to be dead, nobody is asked all the same (core/fetching.py).
            retry_at=_retry_at(row, now, now.boot + pause) if failure is not None else None,
            announced=str(row.get("announced", "")),
        )
        if _is_running(row):  # a crash
            facts = process_starts.interrupted(facts, now)
        grants[str(key)] = facts
    heals = memory.get("heals")
    counts = {str(h): n for h, n in heals.items() if isinstance(n, int)} if isinstance(heals, dict) else {}
    return State(
        started=now.boot,
        grants=grants,
        heals=counts,
        owed=dict(_each(memory, "owed", _owed)),
        pauses=pauses(memory),
        logouts=dict(_each(memory, "logouts", parsed)),
        logins=dict(_each(memory, "logins", _login)),
        notices=dict(_each(memory, "notices", _notice)),
        lived=_lived(memory),
        probes=dict(_each(memory, "refused", _refused)),
    )


def pauses(memory: Mapping[str, Any]) -> dict[str, Pause]:
    """Return which hosts a person has paused."""
    return dict(_each(memory, "pauses", lambda row: Pause(_maybe(row["until"]), str(row["by"]))))


def pause_row(pause: Pause) -> dict[str, Any]:
    """Return a pause as it is kept."""
    return {"until": timestamp(pause.until), "by": pause.by}


T = TypeVar("T")


def _each(memory: Mapping[str, Any], name: str, read: Callable[[Any], T]) -> Iterator[tuple[str, T]]:
    """Yield the rows of a table that are what was once written."""
    rows = memory.get(name)
    for key, row in rows.items() if isinstance(rows, dict) else ():
        with suppress(KeyError, TypeError, ValueError, OverflowError, AttributeError):
            yield key, read(row)


def _refused(row: Any) -> ProbeFacts:
    return ProbeFacts(refused=tuple(str(fingerprint) for fingerprint in row))


def _maybe(text: str | None) -> datetime | None:
    return None if text is None else parsed(text)


def _owed_row(owed: Owed) -> dict[str, Any]:
    # "" has always stood for no line here; those that were there and empty are named beside.
    names = {host: name or "" for host, name in owed.helpers.items()}
    return {"store": owed.store, "helpers": names, "empty": [h for h, n in owed.helpers.items() if n == ""]}


def _owed(row: Any) -> Owed:
    empty = frozenset(row.get("empty", ()))
    names = {str(h): str(n) or ("" if h in empty else None) for h, n in row["helpers"].items()}
    return Owed(str(row["store"]), names)


def _failure_row(failure: Failure) -> dict[str, Any]:
    return {
        "category": str(failure.category),
        "code": failure.code,
        "message": failure.message,
        "hint": failure.hint,
        "command": failure.command,
        "cause": failure.cause,
        "at": timestamp(failure.at),
        "awaits_person": failure.awaits_person,
    }


def _tries(row: Any) -> int | None:
    tries = row.get("tries")
    return min(max(tries, 0), _MOST_TRIES) if isinstance(tries, int) else None


def _failure(row: Any, now: Instant) -> Failure | None:
    """Return a failure; none came later than now, however the clock was set meanwhile."""
    try:
        kept = row["failure"]
        texts = (str(kept["code"]), str(kept["message"]), str(kept["hint"]))
        at, command = _maybe(kept["at"]), str(kept.get("command", ""))
        cause, awaits = str(kept.get("cause", "")), kept.get("awaits_person") is True
        category, at = Category(kept["category"]), at and min(at, now.wall)
        return Failure(category, *texts, at=at, command=command, cause=cause, awaits_person=awaits)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _is_running(row: Any) -> bool:
    return isinstance(row, dict) and row.get("is_running") is True


def _retry_at(row: Any, now: Instant, usual: timedelta) -> timedelta:
    """Return when to try again (suspend-counting); the clock may have been set while no service ran."""
    try:
        left = parsed(row["retry_at"]) - now.wall
    except (KeyError, TypeError, ValueError, OverflowError):
        return usual
    return now.boot + min(max(left, timedelta(0)), process_starts.LONGEST_PAUSE)


def _login_row(facts: LoginFacts) -> dict[str, Any]:
    return {
        "stamp": facts.seen.stamp,
        "alive": facts.seen.alive,
        "refreshes": facts.seen.refreshes,
        "expires_at": timestamp(facts.seen.expires_at),
        "began": timestamp(facts.began),
        "worked": timestamp(facts.worked),
        "ended": facts.ended,
        "lived": [[low.total_seconds(), high.total_seconds()] for low, high in facts.lived],
    }


def _login(row: Any) -> LoginFacts:
    seen = Login(str(row["stamp"]), bool(row["alive"]), bool(row["refreshes"]), _maybe(row["expires_at"]))
    lived = tuple((timedelta(seconds=low), timedelta(seconds=high)) for low, high in row["lived"])
    if any(not timedelta(0) <= low <= high <= _LONGEST_LOGIN for low, high in lived):
        lived = ()
    return LoginFacts(seen, _maybe(row["began"]), _maybe(row["worked"]), bool(row["ended"]), lived)


def _notice_row(facts: NoticeFacts) -> dict[str, Any]:
    notice = facts.notice
    return {
        "title": notice.title,
        "body": notice.body,
        "since": timestamp(notice.since),
        "command": notice.command,
        "sign_in": notice.sign_in,
        "refreshes": list(notice.refreshes),
        "key": notice.key,
        "reminded": sorted(facts.reminded),
        "place": facts.place,
    }


def _notice(row: Any) -> NoticeFacts:
    texts = (str(row["key"]), str(row["title"]), str(row["body"]))
    notice = Notice(*texts, parsed(row["since"]), str(row["command"]), bool(row["sign_in"]))
    notice = replace(notice, refreshes=tuple(str(host) for host in row.get("refreshes", ())))
    marks = frozenset(int(mark) for mark in row["reminded"])
    return NoticeFacts(notice, marks, place=str(row.get("place", "")))


def adopted(memory: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the hosts that earlier runs adopted."""
    hosts = memory.get("adopted")
    return tuple(h for h in hosts if isinstance(h, str)) if isinstance(hosts, list) else ()


def dropped(memory: Mapping[str, Any]) -> frozenset[str]:
    """Return the hosts that a configuration named in an earlier run, whether it still does or not."""
    hosts, status = memory.get("dropped"), memory.get("status")
    rows = status.get("registries") if isinstance(status, dict) else None
    named = [
        row.get("host")
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and row.get("origin") == "config"
    ]
    known = [*(hosts if isinstance(hosts, list) else []), *named]
    return frozenset(host for host in known if isinstance(host, str))


def has_other_files(memory: Mapping[str, Any], aws_files: str) -> bool:
    """Return whether the AWS files have changed since the earlier run: what failed then may work now."""
    kept = memory.get("aws_files")
    return isinstance(kept, str) and kept != aws_files[:_DIGITS]


def seed(memory: Mapping[str, Any]) -> str:
    """Return this installation's own seed for jitter, "" when there is none yet."""
    text = memory.get("seed")
    return text if isinstance(text, str) else ""


def _lived(memory: Mapping[str, Any]) -> frozenset[str]:
    """Return the hosts under which a living token was seen once."""
    hosts = memory.get("lived")
    return frozenset(h for h in hosts if isinstance(h, str)) if isinstance(hosts, list) else frozenset()


def _token(row: Any, now: Instant) -> Token | None:
    try:
        obtained, expires = parsed(row["obtained_at"]), parsed(row["expires_at"])
        fingerprint = str(row["fingerprint"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    expires = min(expires, obtained + _LONGEST_LIFE)
    age = now.wall - obtained
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
        "overall": "not-running",
        "summary": report.summary(aged, ()),
        "degraded": [],
        "registries": aged,
        "ignored": [],
        "files": _noted(kept),
        "notices": _standing(kept),
    }


def _noted(status: Any) -> list[report.Row]:
    """Return what was to be said of each file when the document was kept."""
    rows = status.get("files") if isinstance(status, dict) else None
    return [
        row
        for row in (rows if isinstance(rows, list) else [])
        if kept_rows.is_file(row) and {"path", "notes"} <= row.keys()
    ]


def _standing(status: Any) -> list[report.Row]:
    """Return the notices that stood when the document was kept; those that are not what was once written go."""
    rows = status.get("notices") if isinstance(status, dict) else None
    named = {"key", "title", "body", "command", "since"}
    return [
        row
        for row in (rows if isinstance(rows, list) else [])
        if kept_rows.is_notice(row) and named <= row.keys()
    ]


def _aged(row: Any, now: datetime) -> report.Row | None:
    """Return a row as it is now; None for one that is not what was once written."""
    if not kept_rows.is_registry(row):
        return None
    try:
        ended = row["expires_at"] is not None and parsed(row["expires_at"]) <= now
        phase = str(row["phase"])
        if ended and phase in {"fresh", "unwritten", "retrying", "renewing"}:
            phase = "expired"
        aged: report.Row = {"counts": True, **row, "phase": phase, "next_renewal_at": None}
        report.overall([aged], now)
        report.summary([aged], ())
    except (KeyError, TypeError, ValueError):
        return None
    return aged
