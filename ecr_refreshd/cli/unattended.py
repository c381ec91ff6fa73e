"""Pauses in the state file, for when no service runs: the next one reads them there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from ecr_refreshd.cli.asking import unknown_host
from ecr_refreshd.cli.kept import ecr_hosts, file_plans
from ecr_refreshd.cli.settings import ConfigFile
from ecr_refreshd.cli.show import say
from ecr_refreshd.cli.words import read_time
from ecr_refreshd.core import memory
from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.model import ABSENT, Refusal
from ecr_refreshd.core.refusing import believed_until
from ecr_refreshd.core.remedies import ours
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.core.state import Pause
from ecr_refreshd.core.times import timestamp
from ecr_refreshd.errors import RefreshdError, SinkError
from ecr_refreshd.host import clock, places, statefile
from ecr_refreshd.host.lock import InstanceLock
from ecr_refreshd.sinks.helperfolder import HelperFolder

BLANK: dict[str, Any] = {
    "phase": "renewing",
    "origin": "config",
    "grant": None,
    "expires_at": None,
    "obtained_at": None,
    "next_renewal_at": None,
    "fingerprint": None,
    "principal": None,
    "region": None,
    "account": None,
    "heals": 0,
    "last_error": None,
    "sinks": [],
}
"""The row of a host that no service has served yet."""


def remember(
    args: argparse.Namespace,
    host: str,
    operation: str,
    until: datetime | None,
    wait: timedelta = timedelta(0),
) -> dict[str, Any]:
    """Put a pause into the state file, or take it out, and return the registry's row as `status` shows it now.

    Args:
        args: name the configuration.
        host: bare.
        operation: ``pause``, ``logout`` (a pause that a login ends) or ``resume``.
        until: when a pause ends (UTC), None if a person ends it.
        wait: how long a command that is at work may take to end.

    Raises:
        LockHeldError: a service runs, or a command in its place.
        UsageError: a host that nobody knows.
        RefreshdError: the configuration or the state file cannot be used.
    """
    settings = ConfigFile.chosen(args).load()
    lock = InstanceLock(places.lock_folder())
    lock.acquire(wait)
    try:
        remembered, note = statefile.load(places.state_file())
        if note:
            say(note, sys.stderr)
        known = known_hosts(settings, remembered)
        if host not in known and settings.discover.adopt:  # the next service finds it there
            known += [each for plan in file_plans(settings) for each in ecr_hosts(plan.path)]
        if host not in known:
            raise unknown_host([host], known)
        begins = {"pause": Pause(until, "asked"), "logout": Pause(None, "logout")}
        pause = begins.get(operation)
        changed, row = with_pause(remembered, host, pause, clock.now().wall)
        statefile.write(places.state_file(), changed)
        _tell_helper(host, pause)
    except OSError as error:
        raise RefreshdError(f"{places.state_file()}: cannot be written: {error.strerror}") from error
    finally:
        lock.release()
    return row


def _tell_helper(host: str, pause: Pause | None) -> None:
    """Have our credential helper refuse a host that is left alone, if it has an answer for it; or ask anew."""
    folder = HelperFolder(str(places.helper_folder()), str(places.lock_folder()))
    with suppress(SinkError):  # then it says so itself, to who asks it
        if folder.answer(host) == ABSENT:
            return
        if pause is None:
            folder.write(Delivery(released=frozenset({host})))
        else:
            text = f"{host} is paused. Run: {ours.resume(host)}"
            folder.write(Delivery(refusals={host: Refusal(text, believed_until(pause, clock.now().wall))}))


def known_hosts(settings: Settings, remembered: Mapping[str, Any]) -> list[str]:
    """Return the hosts that the settings name, that were adopted, or of which the last service told."""
    configured = [name for each in settings.registries for name in (each.host, *each.aliases)]
    return list(dict.fromkeys([*configured, *memory.adopted(remembered), *_rows(remembered)]))


def with_pause(
    remembered: Mapping[str, Any], host: str, pause: Pause | None, now: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the memory with a host's pause in it, or out of it, and the host's row in its status document."""
    pauses = {name: memory.pause_row(each) for name, each in memory.pauses(remembered).items()}
    pauses.pop(host, None)
    rows = _rows(remembered)
    row = {**BLANK, "host": host, **rows.get(host, {})}
    row["paused_until"] = row["paused_by"] = None
    if pause is not None:
        pauses[host] = memory.pause_row(pause)
        row |= {"phase": "paused", "paused_until": timestamp(pause.until), "paused_by": pause.by}
    elif row["phase"] == "paused":
        sinks = row["sinks"] if isinstance(row["sinks"], list) else []
        row |= {
            "phase": _phase(row, now),
            "sinks": [_unseen(each) for each in sinks if isinstance(each, dict)],
        }
    changed = {"schema": memory.SCHEMA, **remembered, "pauses": pauses}
    if host in rows:
        status = {**changed["status"], "registries": list({**rows, host: row}.values())}
        changed["status"] = status
    return changed, row


def _rows(remembered: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    status = remembered.get("status")
    rows = status.get("registries") if isinstance(status, dict) else None
    listed = rows if isinstance(rows, list) else []
    return {row["host"]: row for row in listed if isinstance(row, dict) and isinstance(row.get("host"), str)}


def _phase(row: Mapping[str, Any], now: datetime) -> str:
    """Return the phase of a row that is no longer paused, as far as it can be told without looking."""
    error = row["last_error"]
    category = error.get("category") if isinstance(error, dict) else None
    if category in {"login", "denied", "config"}:
        return "login-required" if category == "login" else "blocked"
    ends = read_time(row["expires_at"])
    if ends is None:
        return "renewing"
    if ends <= now:
        return "expired"
    return "retrying" if category else "fresh"


def _unseen(sink: Mapping[str, Any]) -> dict[str, Any]:
    if sink.get("state") != "paused":
        return dict(sink)
    return {**sink, "state": "missing", "detail": "not looked at since its pause"}
