"""Which way a host's token takes to the clients of one file: its entry, our helper, a credential store, or none.

The rules are those of DESIGN 6; what each client does with a file is in docker-config.md 1 and 4.2. The way is
chosen anew at every look and every write, since others change the file whenever they like.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from ecr_refreshd.core.dockerconfig import OURS, Routes
from ecr_refreshd.core.model import ServedElsewhere

Mode = Literal["auto", "auths", "helper", "both", "store"]
Dialect = Literal["docker", "containers"]


class Way(StrEnum):
    """How clients come to a token."""

    AUTHS = "auths"
    HELPER = "helper"
    BOTH = "both"
    STORE = "store"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Means:
    """What this machine offers.

    Attributes:
        helper: why our helper cannot be run by its name, "" if it can.
        keychain: the store that docker finds by itself and that holds logins, "" if there is none.
        remark: what is to be said of our helper although it can be run, "" if nothing is.
        unseen: what is to be said of a keychain that may hold logins, for all anybody can tell, "" if nothing is.
    """

    helper: str = ""
    keychain: str = ""
    remark: str = ""
    unseen: str = ""

    @property
    def is_found_everywhere(self) -> bool:
        """Return whether our helper runs for cron too, on the barest PATH there is."""
        return not (self.helper or self.remark)


@dataclass(frozen=True, slots=True)
class ProgramAnswer:
    """What the helper or store that docker asks in place of us says of a host.

    Attributes:
        served: it has a credential that works; None if not.
        reason: why not, as part of a sentence.
        is_pending: it has not answered yet, so that nobody knows.
    """

    served: ServedElsewhere | None = None
    reason: str = ""
    is_pending: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """The program that docker asks for a host now, and whether it is left alone whatever it answers."""

    store: str
    is_kept: bool


@dataclass(frozen=True, slots=True)
class Routing:
    """A host's way.

    Attributes:
        store: for `Way.STORE`, the suffix of the store's helper.
        spare: its clients are sent to our helper by a line that nothing but itself calls for.
        reason: for `Way.ELSEWHERE`, why nothing is written; else why docker does not read what is, "" if it does.
    """

    way: Way
    store: str = ""
    spare: bool = False
    reason: str = ""


def asked_instead(host: str, routes: Routes, mode: Mode, dialect: Dialect, means: Means) -> Asked | None:
    """Return the program that has to be asked for a host before its way is chosen, None if none has.

    That is another helper that the file names for it, which is left alone; or the store, before a line of ours
    takes the host from it, where the line would break docker for programs with a bare PATH. The arguments are
    those of `routing`.
    """
    named = routes.helpers.get(host)
    wants_helper = mode in {"helper", "both"}
    if named not in {None, "", OURS}:
        return None if wants_helper and not means.helper else Asked(str(named), is_kept=True)
    store = "" if named is not None else store_for(routes, dialect, means)
    if mode != "auto" or store in {"", OURS} or means.is_found_everywhere:
        return None
    return Asked(store, is_kept=False)


def routing(
    host: str,
    routes: Routes,
    mode: Mode,
    dialect: Dialect,
    means: Means,
    answer: ProgramAnswer | None = None,
) -> Routing:
    """Return the way that a host's token takes in a file.

    Args:
        host: canonical.
        routes: where the file sends its clients now.
        mode: what the user wants.
        dialect: ``docker`` for config.json; ``containers`` for an auth.json, whose readers ignore ``credsStore``.
        means: what the machine offers.
        answer: of the program that `asked_instead` names; None where it names none, or that was not asked.
    """
    asked = asked_instead(host, routes, mode, dialect, means)
    named = routes.helpers.get(host)
    wants_helper = mode in {"helper", "both"}
    if asked is not None and answer is not None and answer.is_pending:
        return Routing(Way.ELSEWHERE, reason=_asking(asked.store))
    if asked is not None and asked.is_kept:
        wanted = means.helper if wants_helper else None
        return Routing(Way.ELSEWHERE, reason=_left_alone(asked.store, wanted, answer))
    if asked is not None and answer is not None and answer.served is not None:
        return Routing(Way.ELSEWHERE, reason=_what_works_stays(answer.served, means))
    # Our own line does not count: it goes where it is of no use. An empty one means this file's entries.
    store = "" if named == "" else store_for(routes, dialect, means)
    if wants_helper or store == OURS or (mode == "auto" and (named == OURS or store)):
        if not means.helper:
            return Routing(Way.BOTH if mode == "both" else Way.HELPER, spare=not (wants_helper or store))
        return Routing(Way.AUTHS, reason=_unread(store, means.helper) if store else "")
    if mode == "store" and store:
        return Routing(Way.STORE, store)
    return Routing(Way.AUTHS)


def asks_us(host: str, routes: Routes) -> bool:
    """Return whether a file sends the clients of a host to our helper."""
    return routes.helpers.get(host, routes.store) == OURS


def store_for(routes: Routes, dialect: Dialect, means: Means) -> str:
    """Return the store that docker asks instead of reading a file's entries, "" if there is none."""
    if dialect == "containers":
        return ""
    return routes.store or (means.keychain if routes.detects else "")


def pin_for(routes: Routes, dialect: Dialect, means: Means) -> str:
    """Return the store that has to be named in a file before anything else is written to it, "" if none has to.

    One entry or line of ours ends docker's own search for a keychain, and the logins in it would vanish.
    """
    return means.keychain if dialect == "docker" and routes.detects else ""


def ignored_by_docker(host: str, routes: Routes, dialect: Dialect, means: Means) -> str:
    """Return what is to be said of an entry that is wanted although docker reads a store, "" if it is read."""
    store = "" if routes.helpers.get(host) == "" else store_for(routes, dialect, means)
    if not store:
        return ""
    return (
        f"docker asks docker-credential-{store} and reads no entry of this file; podman and docker-py do. For "
        'docker, set mode = "auto" in [docker].'
    )


def _left_alone(named: str, problem: str | None, answer: ProgramAnswer | None) -> str:
    program = f"docker-credential-{named}"
    if problem is not None:
        return f"credHelpers names {program} for this host, and it cannot be taken over: {problem}"
    if answer is not None and answer.served is not None:
        return f"Served by {program}, which credHelpers names for this host."
    why = f"{program}, which credHelpers names for this host, does not serve it"
    why += f": {answer.reason}." if answer is not None and answer.reason else "."
    return (
        f'{why} Fix that program; or delete the line, or set mode = "helper" in [docker], to have the host '
        "served from here."
    )


def _asking(store: str) -> str:
    return (
        f"Still asking docker-credential-{store} whether it serves this host; until it has answered, the host is "
        "left to it."
    )


def _what_works_stays(served: ServedElsewhere, means: Means) -> str:
    return (
        f"Served by {served.program}, which stays in place. To have it served from here: "
        f"{means.helper or means.remark}"
    )


def _unread(store: str, problem: str) -> str:
    return (
        f"docker asks docker-credential-{store} and reads no entry of this file, and our own helper cannot be "
        f"named there: {problem}"
    )
