"""Which way a host's token takes to the clients of one file: its entry, our helper, a credential store, or none.

The rules are those of DESIGN 6; what each client does with a file is in docker-config.md 1 and 4.2. The way is
chosen anew at every look and every write, since others change the file whenever they like.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from ecr_refreshd.core.dockerconfig import OURS, Routes

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


def routing(host: str, routes: Routes, mode: Mode, dialect: Dialect, means: Means) -> Routing:
    """Return the way that a host's token takes in a file.

    Args:
        host: canonical.
        routes: where the file sends its clients now.
        mode: what the user wants.
        dialect: ``docker`` for config.json; ``containers`` for an auth.json, whose readers ignore ``credsStore``.
        means: what the machine offers.
    """
    named = routes.helpers.get(host)
    wants_helper = mode in {"helper", "both"}
    if named not in {None, "", OURS} and not (wants_helper and not means.helper):
        return Routing(Way.ELSEWHERE, reason=_left_alone(str(named), wanted=wants_helper, means=means))
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


def _left_alone(named: str, *, wanted: bool, means: Means) -> str:
    if wanted:
        return (
            f"credHelpers names docker-credential-{named} for this host, and it cannot be taken over: "
            f"{means.helper}"
        )
    return (
        f"credHelpers names docker-credential-{named} for this host, and clients ask nothing else; it is left "
        'alone. To be served from here, remove that line, or set mode = "helper" in [docker].'
    )


def _unread(store: str, problem: str) -> str:
    return (
        f"docker asks docker-credential-{store} and reads no entry of this file, and our own helper cannot be "
        f"named there: {problem}"
    )
