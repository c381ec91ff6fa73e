"""`refresh`: asks the running service for new tokens now, or gets them itself when none runs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ecr_refreshd.cli import asking
from ecr_refreshd.cli.patience import has_person, patience
from ecr_refreshd.cli.show import print_document, say
from ecr_refreshd.cli.status import EXIT_CODES
from ecr_refreshd.core import hosts, memory, report
from ecr_refreshd.core.printed import Printed
from ecr_refreshd.errors import NoServiceError
from ecr_refreshd.host import clock, places, statefile

if TYPE_CHECKING:
    from ecr_refreshd.cli.interactive import Terminal

TIMEOUT = 150.0
"""Seconds: a grant has 30 s and a child 90 s (DESIGN 5), and the first may have to wait for a second child."""
PERSON_TIMEOUT = 600.0
"""Seconds more for a `credential_process` that a person has asked for."""
_STATUS = 5.0

Row = Mapping[str, Any]


def refresh(args: argparse.Namespace) -> int:
    """Renew, print what came of it, and return the exit code of the hosts that were named.

    Raises:
        UsageError: a host that nobody knows; then nothing was renewed.
    """
    named = [hosts.bare(text) for text in args.hosts]
    document, is_served = _situation()
    rows = _concerned(document, named)
    paused = {row["host"] for row in rows if row["phase"] == "paused"}
    if named and not is_served:
        paused |= memory.pauses(statefile.read(places.state_file())).keys()
    terminal = _terminal(args)
    if terminal is not None:
        _sign_in(terminal, rows)
        if is_served:
            terminal.start(process for row in rows if (process := process_of(row)))
    with patience("renewing"):
        answer = _ask(args, named, rows, terminal)
    for row in answer["registries"]:
        if row["host"] in paused and row["phase"] != "paused":
            say(f"{row['host']}: pause ended")
    print_document(answer, about_service=False)
    return EXIT_CODES[answer["overall"]]


def _situation() -> tuple[Mapping[str, Any], bool]:
    """Return the newest status document, and whether a service runs."""
    try:
        document = asking.ask({"op": "status"}, _STATUS)
        if not document["registries"]:  # it has just started, and still looks which there are
            document = asking.ask({"op": "settle", "timeout": _STATUS}, _STATUS * 2)
    except NoServiceError:
        # Whoever holds the lock may be writing it just now.
        remembered = statefile.read(places.state_file())
        return memory.last_document(remembered, clock.now().wall, ""), False
    return document, True


def _concerned(document: Mapping[str, Any], named: Collection[str]) -> list[Row]:
    return [
        row
        for row in document["registries"]
        if (row["phase"] != "paused" and not named) or row["host"] in named
    ]


def process_of(row: Row) -> str:
    """Return the profile whose `credential_process` serves a registry, "" if none does."""
    return (row.get("principal") or {}).get("process") or ""


def _terminal(args: argparse.Namespace) -> Terminal | None:
    """Return the terminal of a person, where one may be asked for something."""
    if not has_person():
        return None
    # Imported only now: where nothing is asked, the command starts without what asking needs.
    from ecr_refreshd.aws.profiles import Profiles  # noqa: PLC0415 - see above
    from ecr_refreshd.cli.interactive import Terminal  # noqa: PLC0415 - see above
    from ecr_refreshd.cli.settings import ConfigFile  # noqa: PLC0415 - see above

    settings = ConfigFile.chosen(args).load()
    environ = {**os.environ, **settings.environment.set}
    return Terminal(Profiles.load(environ), settings.login.command, environ)


def _sign_in(terminal: Terminal, rows: Sequence[Row]) -> None:
    """Run the sign-ins that no browser page of AWS follows: those of MFA, and the user's own commands."""
    commands: dict[str, None] = {}
    for row in rows:
        if row["phase"] == "login-required":
            standing = terminal.standing((row.get("principal") or {}).get("profile", ""))
            if standing.login_command and (standing.code_lasts or standing.is_configured):
                commands[standing.login_command] = None
    for command in commands:
        terminal.sign_in(command)


def _ask(
    args: argparse.Namespace, named: list[str], rows: Sequence[Row], terminal: Terminal | None
) -> Mapping[str, Any]:
    supplied = {} if terminal is None else terminal.outputs
    failed = {} if terminal is None else terminal.failures
    wanted = named
    if failed:  # the program was started once, for a person; the service must not start it again
        spared = {row["host"] for row in rows if process_of(row) in failed}
        # A host that nobody knows is asked for all the same: then the answer says so.
        wanted = [host for host in named or [row["host"] for row in rows] if host not in spared]
        if not wanted:
            return report.about_hosts(dict(_situation()[0]), [row["host"] for row in rows], clock.now().wall)
    timeout = TIMEOUT + (PERSON_TIMEOUT if any(process_of(row) for row in rows) else 0.0)
    asked = request(wanted, supplied, timeout)
    return asking.asked_or_done(lambda: asking.ask(asked, timeout + 5), lambda: _done(args, wanted, terminal))


def request(hosts: Collection[str], supplied: Mapping[str, Printed], timeout: float) -> dict[str, Any]:
    """Return the request for new tokens.

    Args:
        hosts: whose; all, if none is named.
        supplied: what each `credential_process` has printed in the person's terminal.
        timeout: seconds.
    """
    outputs = {process: [printed.output.reveal(), printed.command] for process, printed in supplied.items()}
    more = {"supplied": outputs} if outputs else {}
    return {"op": "refresh", "hosts": list(hosts), "timeout": timeout, **more}


def _done(args: argparse.Namespace, named: list[str], terminal: Terminal | None) -> Mapping[str, Any]:
    # Imported only now: with a running service the command starts without the service's libraries.
    from ecr_refreshd.cli.run import alone  # noqa: PLC0415 - see above
    from ecr_refreshd.waits import Wait  # noqa: PLC0415 - see above

    longest = timedelta(seconds=TIMEOUT + PERSON_TIMEOUT)
    return asking.checked(alone(args, Wait(frozenset(named), refresh=True), longest, terminal))
