"""`ensure`: returns once registries have a token that lives long enough, in every file it belongs in."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any

from ecr_refreshd.cli import asking
from ecr_refreshd.cli.lengths import length
from ecr_refreshd.cli.patience import patience
from ecr_refreshd.cli.show import look, say, say_with_advice
from ecr_refreshd.cli.status import EXIT_CODES
from ecr_refreshd.cli.words import read_time, span, until
from ecr_refreshd.core import hosts
from ecr_refreshd.core.remedies import ours
from ecr_refreshd.errors import UsageError
from ecr_refreshd.host import clock

_LONGEST_TTL = timedelta(days=365)
"""More than any token lives, and less than the service refuses to count."""
_ROUNDED = timedelta(seconds=30)
_ONE_QUESTION = 240.0
"""Seconds; the service keeps nobody waiting for longer than 300."""

Row = Mapping[str, Any]


def ensure(args: argparse.Namespace) -> int:
    """Wait, say a line about each host, and return the exit code.

    Raises:
        UsageError: a host that nobody knows, or a length that is none.
    """
    named = list(dict.fromkeys(hosts.bare(text) for text in args.hosts))
    least = min(length("--min-ttl", args.min_ttl), _LONGEST_TTL)
    limit = length("--timeout", args.timeout)
    with patience("getting tokens that live long enough"):
        answer = _ask(args, named, least, limit)
    now = clock.now().wall
    rows = answer["registries"]
    short = [] if answer["ensured"] else [row for row in rows if not _has(row, least, now)]
    beyond = [row["host"] for row in short if row["host"] in answer["beyond"]]
    for row in rows:
        if row not in short:
            say(_well(row, least, now))
        elif row["host"] in beyond:
            say(
                f"{row['host']}: its tokens are valid for {_life(row)}, and --min-ttl asks for more.",
                sys.stderr,
            )
        else:
            say_with_advice(*_why(row, least, limit, now))
    return _exit_code(answer["overall"], short, beyond)


def _ask(args: argparse.Namespace, named: list[str], least: timedelta, limit: timedelta) -> Mapping[str, Any]:
    end = time.monotonic() + limit.total_seconds()
    request = {"op": "ensure", "hosts": named, "min_ttl": least.total_seconds()}

    def asked() -> Mapping[str, Any]:
        while True:
            left = max(0.0, end - time.monotonic())
            now = min(left, _ONE_QUESTION)
            answer = asking.ask({**request, "timeout": now}, now + 5)
            if now == left or not answer.get("late"):
                return answer

    return asking.asked_or_done(asked, lambda: _done(args, named, least, limit), limit)


def _done(
    args: argparse.Namespace, named: list[str], least: timedelta, limit: timedelta
) -> Mapping[str, Any]:
    # Imported only now: with a running service the command starts without the service's libraries.
    from ecr_refreshd.cli.run import alone  # noqa: PLC0415 - see above
    from ecr_refreshd.waits import Wait  # noqa: PLC0415 - see above

    return asking.checked(alone(args, Wait(frozenset(named), min_ttl=least), limit))


def _left(row: Row, now: datetime) -> timedelta:
    end = read_time(row["expires_at"])
    return max(timedelta(0), end - now) if end else timedelta(0)


def _well(row: Row, least: timedelta, now: datetime) -> str:
    foreign = [sink["path"] for sink in row["sinks"] if sink["state"] == "foreign"]
    if foreign:  # its end is not told, only that it is late enough
        return (
            f"{row['host']}: valid for at least {span(least)}, as another program wrote it into {foreign[0]}"
        )
    return f"{row['host']}: fresh for {span(_left(row, now))}"


def _has(row: Row, least: timedelta, now: datetime) -> bool:
    """Return whether a host is as it should be, by what is told of it; only the service sees every entry."""
    written = bool(row["sinks"]) and all(_is_written(sink) for sink in row["sinks"])
    return written and row["phase"] not in {"blocked", "unwritten"} and _left(row, now) >= least


def _is_written(sink: Row) -> bool:
    return sink["state"] == "written" and bool(sink.get("works", True))


def _life(row: Row) -> str:
    begin, end = read_time(row["obtained_at"]), read_time(row["expires_at"])
    if not begin or not end:
        return "less"
    # AWS counts from its own clock, a little before ours: 11 h 59 min 58 s are meant to be 12 h.
    life = end - begin
    return span(life + _ROUNDED if life > timedelta(hours=1) else life)


def _why(row: Row, least: timedelta, limit: timedelta, now: datetime) -> tuple[str, str, str | None]:
    """Return why a host has not the life that was asked for, the advice, and the command in it."""
    left = _left(row, now)
    broken = [sink["path"] for sink in row["sinks"] if _is_broken(sink)]
    works = f"pulls work for {span(left)} more" if left and not broken else "pulls fail"
    cause, hint, command = _cause(row, least, limit, now, look().zone)
    return f"{row['host']}: {row['phase']}, {works}: {cause}", hint, command


def _is_broken(sink: Row) -> bool:
    """Return whether clients find no login there that could work, whatever else is kept fresh."""
    return not bool(sink.get("works", sink["state"] not in {"unparsable", "missing"}))


def _cause(
    row: Row, least: timedelta, limit: timedelta, now: datetime, zone: tzinfo
) -> tuple[str, str, str | None]:
    """Return the cause alone, the advice, and the command in it."""
    if row["phase"] == "paused":
        end = read_time(row["paused_until"])
        lasts = f"until {until(end, now, zone)}" if end else "until it is resumed"
        return f"it is paused {lasts}", *_run(ours.resume(row["host"]))
    error = row["last_error"]
    if error:
        advice = (error["hint"], error.get("command")) if error["hint"] else _run(ours.STATUS)
        return error["message"], *advice
    for sink in row["sinks"]:
        if sink["state"] != "written":
            detail = f" ({sink['detail']})" if sink["detail"] else ""
            mendable = sink["state"] in {"foreign", "contested", "missing"}
            command = ours.refresh(row["host"]) if mendable else ours.DOCTOR
            advice = (sink["hint"], sink.get("command")) if sink.get("hint") else _run(command)
            return f"{sink['path']}: {sink['state']}{detail}", *advice
    if not row["sinks"]:
        return "its token is in no file", *_run(ours.STATUS)
    return f"{span(least)} could not be had within {span(limit)}", *_run(ours.STATUS)


def _run(command: str) -> tuple[str, str]:
    """Return advice that is a command and nothing else."""
    return command, command


def _exit_code(overall: str, short: list[Row], beyond: list[str]) -> int:
    if not short:
        return 0
    if beyond:
        return UsageError.exit_code
    if any(row["phase"] == "login-required" for row in short):
        return EXIT_CODES["login-required"]
    return EXIT_CODES[overall] or EXIT_CODES["degraded"]
