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
from ecr_refreshd.cli import asking, awscli
from ecr_refreshd.cli.patience import patience
from ecr_refreshd.cli.run import alone
from ecr_refreshd.cli.settings import ConfigFile
from ecr_refreshd.cli.show import print_document, say, show_error
from ecr_refreshd.cli.words import read_time
from ecr_refreshd.core import report
from ecr_refreshd.core.model import Principal
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
    """

    commands: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()


def login(args: argparse.Namespace) -> int:
    """Sign in, say what became fresh, and return the exit code of the registries that it was about.

    Raises:
        UsageError: a profile that is not there.
        RefreshdError: the sign-in did not succeed, or cannot be done by the AWS CLI.
    """
    settings = ConfigFile.chosen(args).load()
    environ = {**os.environ, **settings.environment.set}
    profiles = Profiles.load(environ)
    if args.profile:
        command = command_of(args.profile, profiles)
        if not command:
            say(f"Profile {args.profile} needs no sign-in: its credentials do not expire.")
            return 0
        wanted = Waiting((command,))
    else:
        with patience("looking for what has to be signed in to"):
            wanted = waiting(_situation(args), profiles)
    if not wanted.commands and not wanted.by_hand:
        return _nothing(profiles)
    began = clock.now().wall
    for sentence in wanted.by_hand:
        say(sentence, sys.stderr)
    done = [command for command in wanted.commands if _succeeds(command, environ)]
    told = _told(_renewed(args, done, profiles, began), began) if done else 0
    if len(done) < len(wanted.commands):
        return RefreshdError.exit_code
    return told or (report.EXIT_CODES["login-required"] if wanted.by_hand else 0)


def command_of(name: str, profiles: Profiles) -> str:
    """Return what signs in to a profile, or to an sso-session of that name; "" if nothing has to.

    Raises:
        UsageError: there is neither.
        RefreshdError: only the profile's own tool can sign in, or nothing can.
    """
    if name not in profiles.profiles and name in profiles.sessions:
        for each, profile in profiles.profiles.items():
            if profile.keys.get("sso_session") == name:
                return profiles.standing(Principal(each)).login_command
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
    standing = profiles.standing(Principal(name))
    if standing.login_backed and not standing.login_command:
        raise RefreshdError(
            by_hand(name, profiles), hint="Then: ecr-refreshd refresh", command="ecr-refreshd refresh"
        )
    return standing.login_command


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


def waiting(document: Document, profiles: Profiles) -> Waiting:
    """Return what the registries of a status document wait for, or are about to (the standing notices)."""
    commands: dict[str, None] = {}
    others: dict[str, None] = {}
    for row in document["registries"]:
        if row["phase"] == "login-required":
            name = (row["principal"] or {}).get("profile", "")
            command = profiles.standing(Principal(name)).login_command
            if command:
                commands[command] = None
            else:
                others[by_hand(name, profiles)] = None
    logins = {profiles.standing(Principal(name)).login_command for name in profiles.profiles}
    for notice in document.get("notices", ()):
        if str(notice.get("key", "")).startswith("ending:") and notice.get("command") in logins:
            commands[notice["command"]] = None
    return Waiting(tuple(commands), tuple(others))


def _situation(args: argparse.Namespace) -> Document:
    request = {"op": "settle", "timeout": _SETTLES}
    return asking.asked_or_done(lambda: asking.ask(request, _SETTLES + _ASK), lambda: alone(args, Wait()))


def _nothing(profiles: Profiles) -> int:
    say("No registry waits for a sign-in.")
    users: dict[str, list[str]] = {}
    for name in profiles.profiles:
        if command := profiles.standing(Principal(name)).login_command:
            users.setdefault(command, []).append(name)
    if users:
        say("To sign in anyway:")
    for command, names in users.items():
        more = f", also for {', '.join(names[1:])}" if names[1:] else ""
        say(f"  ecr-refreshd login {names[0]}  ({command}{more})")
    return 0


def _succeeds(command: str, environ: Mapping[str, str]) -> bool:
    """Run a sign-in and return whether it succeeded; the next is tried in any case."""
    try:
        awscli.sign_in(command, environ)
    except RefreshdError as error:
        show_error(error)
        return False
    return True


def _renewed(
    args: argparse.Namespace, commands: Collection[str], profiles: Profiles, began: datetime
) -> Document:
    """Return the status of the registries behind these logins, once their tokens are new."""
    logins = frozenset(commands)

    def asked() -> Document:
        while True:
            document = _about(asking.ask({"op": "status"}, _ASK), logins, profiles)
            since = clock.now().wall - began
            if all(_is_done(row, began, since) for row in document["registries"]):
                return document
            clock.pause(_LOOK_AGAIN)

    with patience("waiting for fresh tokens"):
        return asking.asked_or_done(asked, lambda: _about(alone(args, Wait()), logins, profiles))


def _about(document: Document, logins: frozenset[str], profiles: Profiles) -> Document:
    served = [
        row["host"]
        for row in document["registries"]
        if row["principal"] is not None
        and profiles.standing(Principal(row["principal"]["profile"])).login_command in logins
    ]
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
