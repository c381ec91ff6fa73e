"""`pause` and `resume`: tell the running service, or the state file for the next one, whom to leave alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ecr_refreshd.cli import asking
from ecr_refreshd.cli.lengths import length
from ecr_refreshd.cli.patience import patience
from ecr_refreshd.cli.show import look, say, say_with_advice
from ecr_refreshd.cli.table import paused_words
from ecr_refreshd.cli.words import read_time, span
from ecr_refreshd.core import hosts
from ecr_refreshd.core.remedies import ours
from ecr_refreshd.core.remedies.service import restart_unit
from ecr_refreshd.core.times import timestamp
from ecr_refreshd.errors import ControlError, LockHeldError, RefreshdError
from ecr_refreshd.host import clock, control, places, statefile

_TIMEOUT = 20.0
"""Seconds; a service that has just started looks at the files first."""
_PATIENCE = timedelta(seconds=5)
"""For a `run --once` to end, or for a service that has just started to listen."""

_STATUS = ours.STATUS
_RUN = ours.RUN
_RESTART = restart_unit("ecr-refreshd", of_user=True).command

Row = Mapping[str, Any]


def pause(args: argparse.Namespace) -> int:
    """Leave a registry alone from now on, and say what that means.

    Raises:
        UsageError: a host that nobody knows, or a length that is none.
        RefreshdError: it could not be done.
    """
    host = hosts.bare(args.host)
    now = clock.now().wall.replace(microsecond=0)
    end = None if args.length is None else now + length("--for", args.length)
    request = {"op": "pause", "host": host, "until": timestamp(end)}
    row, running = _done(args, request)
    if row["phase"] != "paused":
        raise RefreshdError(
            f"{host}: the service has not paused it.",
            hint=ours.STATUS,
            command=ours.STATUS,
        )
    words = paused_words(row, now, look().zone)
    say_with_advice(f"{host}: {words}.", _resume(host), _resume(host), sys.stdout)
    token_ends = read_time(row["expires_at"])
    if any(sink["kind"] == "helper" for sink in row["sinks"]):
        say("Until then clients that ask our credential helper, as docker does here, get no login from it.")
    elif token_ends and token_ends > now:
        say(f"Its token is valid for {span(token_ends - now)} more, if nothing removes it.")
    if not running:
        say("No service is running; the next one leaves it alone too.")
    return 0


def resume(args: argparse.Namespace) -> int:
    """Keep a registry fresh again, and say how it is.

    Raises:
        UsageError: a host that nobody knows.
        RefreshdError: it could not be done.
    """
    host = hosts.bare(args.host)
    was_paused = _is_paused(host)
    row, running = _done(args, {"op": "resume", "host": host})
    told = "resumed" if was_paused else "was not paused"
    if not running:
        say(f"{host}: {told}. No service is running.")
        say_with_advice("To keep it fresh:", _RUN, _RUN, sys.stdout)
        return 0
    now = clock.now().wall
    token_ends = read_time(row["expires_at"])
    left = f", token valid for {span(token_ends - now)}" if token_ends and token_ends > now else ""
    message = f"{host}: {told}; {row['phase']}{left}."
    error = row["last_error"]
    if not error:
        say(message)
    else:
        advice = error["hint"] or _STATUS
        command = error.get("command") if error["hint"] else _STATUS
        say_with_advice(f"{message}\n  {error['message']}", advice, command, sys.stdout)
    return 0


def _resume(host: str) -> str:
    return ours.resume(host)


def _is_paused(host: str) -> bool:
    """Return whether a host is paused, as the service says, or the state file where none runs."""
    try:
        rows = control.ask(places.socket_to_ask(), {"op": "status"}, _TIMEOUT).get("registries", [])
    except ControlError:
        kept, _ = statefile.load(places.state_file())
        return host in (kept.get("pauses") or {})
    return any(row["host"] == host and row["phase"] == "paused" for row in rows)


def _done(args: argparse.Namespace, request: dict[str, Any]) -> tuple[Row, bool]:
    """Return the registry's row, and whether a service runs."""
    with patience("waiting for the service"):
        try:
            return asking.asked_or_done(
                lambda: (_row(request), True), lambda: (_remembered(args, request), False), _PATIENCE
            )
        except LockHeldError as error:
            if not error.serving:
                raise RefreshdError(
                    f"{error.message} Nothing was changed.", hint="Try again when it has ended."
                ) from error
            raise RefreshdError(
                f"{error.message} But it does not answer on its socket, so nothing was changed.",
                hint=f"Stop it, or start it again: {_RESTART}",
                command=_RESTART,
            ) from error


def _row(request: dict[str, Any]) -> Row:
    (row,) = asking.ask(request, _TIMEOUT)["registries"]
    return dict(row)


def _remembered(args: argparse.Namespace, request: dict[str, Any]) -> Row:
    # Imported only now: with a running service the command starts without the settings' parser.
    from ecr_refreshd.cli.unattended import remember  # noqa: PLC0415 - see above

    return remember(args, request["host"], request["op"], read_time(request.get("until")), _PATIENCE)
