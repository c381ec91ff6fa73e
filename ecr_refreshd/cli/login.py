"""`login`: signs in where registries wait for it, or to one profile, and waits until their tokens are fresh."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ecr_refreshd.aws.profiles import Profiles
from ecr_refreshd.cli import asking
from ecr_refreshd.cli import refresh as refreshing
from ecr_refreshd.cli.interactive import Terminal
from ecr_refreshd.cli.patience import has_person, patience
from ecr_refreshd.cli.run import alone
from ecr_refreshd.cli.settings import ConfigFile
from ecr_refreshd.cli.show import print_document, say
from ecr_refreshd.cli.words import read_time
from ecr_refreshd.core import report
from ecr_refreshd.core.remedies import ours
from ecr_refreshd.errors import RefreshdError, UsageError
from ecr_refreshd.host import clock
from ecr_refreshd.waits import Wait

_ASK = 5.0
_SETTLES = 10.0
"""Seconds until a service that has just started knows who waits; something else may hang for longer."""
_LOOK_AGAIN = timedelta(milliseconds=300)
_NOTICED = timedelta(seconds=3)
"""A service sees a new login within two seconds (DESIGN 1)."""
_PATIENCE = timedelta(seconds=45)
"""More than a tick, by which a service notices whose watcher is dead, and a call to AWS."""
_STEADY = {"paused", "fresh", "blocked"}

Document = Mapping[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What registries wait for.

    Attributes:
        commands: the sign-ins, each once.
        by_hand: a sentence for each profile whose own tool must be run.
        processes: the profiles whose `credential_process` a person has to be there for.
    """

    commands: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()


def login(args: argparse.Namespace) -> int:
    """Sign in, say what became fresh, and return the exit code of the registries that it was about.

    Raises:
        UsageError: a profile that is not there.
        RefreshdError: the sign-in did not succeed, or cannot be done by the AWS CLI.
    """
    settings = ConfigFile.chosen(args).load()
    environ = {**os.environ, **settings.environment.set}
    terminal = Terminal(Profiles.load(environ), settings.login.command, environ)
    if args.profile:
        wanted = named(args.profile, terminal)
        if wanted == Waiting():
            say(f"Profile {args.profile} needs no sign-in: its credentials do not expire.")
            return 0
    else:
        with patience("looking for what has to be signed in to"):
            document = _situation(args, terminal if has_person() else None)
            wanted = waiting(document, terminal.profiles, settings.login.command)
        if wanted == Waiting() and terminal.outputs:
            return _told(document, clock.now().wall)  # no service runs: looking was signing in
    if wanted == Waiting():
        return _nothing(terminal)
    began = clock.now().wall
    for sentence in wanted.by_hand:
        say(sentence, sys.stderr)
    done = [command for command in wanted.commands if terminal.sign_in(command)]
    if has_person() and len(done) == len(wanted.commands):
        terminal.start(wanted.processes)
    told = _told(_renewed(args, done, wanted, terminal, began), began) if done or terminal.outputs else 0
    if len(done) < len(wanted.commands) or terminal.failures:
        return RefreshdError.exit_code
    return told or (report.EXIT_CODES["login-required"] if wanted.by_hand else 0)


def named(name: str, terminal: Terminal) -> Waiting:
    """Return what signs in to a profile, or to an sso-session of that name.

    Raises:
        UsageError: there is neither.
        RefreshdError: only the profile's own tool can sign in, or nothing can.
    """
    profiles = terminal.profiles
    if name not in profiles.profiles and name in profiles.sessions:
        for each, profile in profiles.profiles.items():
            if profile.keys.get("sso_session") == name:
                return Waiting((terminal.standing(each).login_command,))
    if name not in profiles.profiles:
        known = [*profiles.profiles, *profiles.sessions]
        raise UsageError(
            f"There is no AWS profile {name}{asking.did_you_mean(name, known)}",
            hint="aws configure list-profiles",
            command="aws configure list-profiles",
        )
    if profiles.origin(name).profile is None:
        raise RefreshdError(
            f"The source profiles of profile {name} end in a loop, or at a profile that does not exist.",
            hint="Correct source_profile in ~/.aws/config.",
        )
    standing = terminal.standing(name)
    if not standing.login_backed:
        return Waiting()
    if not standing.login_command and not (standing.process and has_person()):
        raise RefreshdError(
            by_hand(name, profiles), hint="Then: ecr-refreshd refresh", command=ours.refresh()
        )
    commands = (standing.login_command,) if standing.login_command else ()
    return Waiting(commands, processes=(standing.process,) if standing.process else ())


def by_hand(name: str, profiles: Profiles) -> str:
    """Return who must be run for a profile that no command of the AWS CLI signs in to."""
    if not name:
        return "The keys in the environment expire; start the service with new ones."
    origin = profiles.origin(name).profile
    process = "" if origin is None else origin.keys.get("credential_process", "")
    if process:
        tool = os.path.basename(process.split()[0].strip("\"'"))  # noqa: PTH119 - and no argument: a secret may be one
        return f"Profile {name} gets its keys from {tool}; sign in with that tool."
    return f"The session keys of profile {name} expire; get new ones with the tool that wrote them."


def waiting(document: Document, profiles: Profiles, sign_ins: Mapping[str, str] | None = None) -> Waiting:
    """Return what the registries of a status document wait for, or are about to (the standing notices).

    Args:
        document: of the service.
        profiles: the AWS files.
        sign_ins: `[login] command`.
    """
    terminal = Terminal(profiles, sign_ins or {})
    commands: dict[str, None] = {}
    others: dict[str, None] = {}
    processes: dict[str, None] = {}
    for row in document["registries"]:
        if row["phase"] == "login-required":
            name = (row["principal"] or {}).get("profile", "")
            standing = terminal.standing(name)
            if standing.login_command:
                commands[standing.login_command] = None
            elif not (standing.process and has_person()):
                others[by_hand(name, terminal.profiles)] = None
            if standing.process:
                processes[standing.process] = None
    logins = {terminal.standing(name).login_command for name in terminal.profiles.profiles}
    for notice in document.get("notices", ()):
        if str(notice.get("key", "")).startswith("ending:") and notice.get("command") in logins:
            commands[notice["command"]] = None
    return Waiting(tuple(commands), tuple(others), tuple(processes))


def _situation(args: argparse.Namespace, terminal: Terminal | None) -> Document:
    request = {"op": "settle", "timeout": _SETTLES}
    longest = timedelta(seconds=refreshing.TIMEOUT + refreshing.PERSON_TIMEOUT)
    return asking.asked_or_done(
        lambda: asking.ask(request, _SETTLES + _ASK), lambda: alone(args, Wait(), longest, terminal)
    )


def _nothing(terminal: Terminal) -> int:
    say("No registry waits for a sign-in.")
    users: dict[str, list[str]] = {}
    for name in terminal.profiles.profiles:
        if command := terminal.standing(name).login_command:
            users.setdefault(command, []).append(name)
    if users:
        say("To sign in anyway:")
    for command, names in users.items():
        more = f", also for {', '.join(names[1:])}" if names[1:] else ""
        say(f"  ecr-refreshd login {names[0]}  ({command}{more})")
    return 0


def _renewed(
    args: argparse.Namespace, commands: Collection[str], wanted: Waiting, terminal: Terminal, began: datetime
) -> Document:
    """Return the status of the registries behind these logins, once their tokens are new.

    A file tells the service of a login of AWS; of the others it is told here, by a request for what they serve.
    """
    logins = frozenset(commands)
    processes = frozenset(wanted.processes) - terminal.failures.keys()

    def about(document: Document) -> Document:
        return _about(document, logins, processes, terminal)

    def asked() -> Document:
        hosts = _to_request(asking.ask({"op": "status"}, _ASK), logins, processes, terminal)
        if hosts:
            asking.ask(
                refreshing.request(hosts, terminal.outputs, refreshing.PERSON_TIMEOUT),
                refreshing.PERSON_TIMEOUT + _ASK,
            )
        while True:
            document = about(asking.ask({"op": "status"}, _ASK))
            since = clock.now().wall - began
            if all(_is_done(row, began, since) for row in document["registries"]):
                return document
            clock.pause(_LOOK_AGAIN)

    with patience("waiting for fresh tokens"):
        return asking.asked_or_done(asked, lambda: about(_done(args, logins, processes, terminal)))


def _done(
    args: argparse.Namespace, logins: frozenset[str], processes: frozenset[str], terminal: Terminal
) -> Document:
    """Renew in this process, as no service runs; return the whole status."""
    longest = timedelta(seconds=refreshing.TIMEOUT + refreshing.PERSON_TIMEOUT)
    by_person = terminal if has_person() else None
    document = alone(args, Wait(), longest, by_person)
    # Those that the pauses of an earlier failure held back are renewed all the same: a person asks.
    late = [
        row["host"]
        for row in document["registries"]
        if row["phase"] == "login-required"
        and row["host"] in _to_request(document, logins, processes, terminal)
    ]
    return alone(args, Wait(frozenset(late), refresh=True), longest, by_person) if late else document


def _to_request(
    document: Document, logins: frozenset[str], processes: frozenset[str], terminal: Terminal
) -> list[str]:
    """Return the registries whose new login no file shows."""
    hosts = []
    for row in _about(document, logins, processes, terminal)["registries"]:
        standing = terminal.standing(row["principal"]["profile"])
        if row["phase"] != "paused" and (standing.process or (standing.is_configured and not standing.lane)):
            hosts.append(row["host"])
    return hosts


def _about(
    document: Document, logins: frozenset[str], processes: frozenset[str], terminal: Terminal
) -> Document:
    served = []
    for row in document["registries"]:
        standing = terminal.standing((row["principal"] or {}).get("profile", ""))
        is_served = standing.login_command in logins or standing.process in processes
        if row["principal"] is not None and is_served:
            served.append(row["host"])
    return report.about_hosts(dict(document), served, clock.now().wall)


def _is_done(row: Row, began: datetime, since: timedelta) -> bool:
    if row["phase"] != "renewing" and _heard_of_it(row, began):
        return True
    return since > (_NOTICED if row["phase"] in _STEADY else _PATIENCE)


def _heard_of_it(row: Row, began: datetime) -> bool:
    """Return whether AWS was asked since the sign-in began, whatever it said."""
    times = (read_time(row["obtained_at"]), read_time((row["last_error"] or {}).get("at")))
    return any(at is not None and at >= began for at in times)


def _told(document: Document, began: datetime) -> int:
    if not document["registries"]:
        say("Signed in. No registry uses this login.")
        return 0
    print_document(document, about_service=False)
    if any(r["phase"] == "login-required" and not _heard_of_it(r, began) for r in document["registries"]):
        say(
            "ecr-refreshd does not see the new login: do it and the AWS CLI use the same AWS files?",
            sys.stderr,
        )
    return report.EXIT_CODES[document["overall"]]
