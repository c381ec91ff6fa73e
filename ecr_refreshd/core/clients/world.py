"""What a client finds on a machine, and what it makes of it: the values that all families share.

A client's search is told as steps, in its order. It ends in one outcome, or in several where the client itself
leaves it to chance (Go's maps have no order).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ecr_refreshd.core.model import expiry_hint, fingerprint
from ecr_refreshd.core.remedies import NO_REMEDY, Remedy
from ecr_refreshd.core.remedies import clients as remedies
from ecr_refreshd.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is there and cannot be read; `reason` in the system's words ("permission denied")."""

    reason: str


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client sends.

    Attributes:
        user: of basic authentication; "" if there is none.
        auth: base64 of ``user:password``; None if there is no user.
        fingerprint: of `auth`, "" if there is none.
        expires_hint: what an ECR password says of its end (UTC).
        identity, bearer: an identity token, a registry token is sent with it or instead.
    """

    user: str
    auth: Secret | None = None
    fingerprint: str = ""
    expires_hint: datetime | None = None
    identity: bool = False
    bearer: bool = False


def credential(
    user: str, password: str, *, identity: bool = False, bearer: bool = False
) -> Credential | None:
    """Return what these make together; None if they are nothing."""
    if not user and not password:
        return Credential("", identity=identity, bearer=bearer) if identity or bearer else None
    auth = base64.b64encode(f"{user}:{password}".encode("utf-8", "replace")).decode()
    return Credential(user, Secret(auth), fingerprint(auth), expiry_hint(auth), identity, bearer)


@dataclass(frozen=True, slots=True)
class HelperAnswer:
    """What a credential helper says to ``get``.

    Attributes:
        credential: None if it has none: `not_found`, or an answer without user and secret.
        not_found: it said so in the one sentence that clients know.
        error: what else it said or did, in docker's words; "" if nothing went wrong.
    """

    credential: Credential | None = None
    not_found: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class HelperList:
    """What a credential helper answers to ``list``: the servers that it knows, or why it failed ("" if not)."""

    servers: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """A machine as one user's clients see it.

    Attributes:
        env: the environment of the client.
        home: what it takes for the home folder; "" for /, since names are put behind it.
        read: gives a file's bytes, None if there is no such file.
        names: gives the names of the files in a folder, sorted; none if there is no such folder.
        ask: gives a helper's answer to ``get``: its suffix (the X of docker-credential-X), a server.
        stored: gives a helper's answer to ``list``: its suffix.
        which: tells whether a program is on PATH.
        version: gives a program's version; None if it is not on PATH or does not tell.
        snap_home: what a docker that is a snap takes for the home folder; "" if there is no such snap.
        docker_is_snap: the docker on PATH is that snap.
    """

    env: Mapping[str, str]
    home: str
    uid: int
    platform: str
    read: Callable[[str], bytes | Unreadable | None]
    names: Callable[[str], tuple[str, ...]]
    ask: Callable[[str, str], HelperAnswer]
    stored: Callable[[str], HelperList]
    which: Callable[[str], bool]
    version: Callable[[str], tuple[int, ...] | None]
    snap_home: str = ""
    docker_is_snap: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """What decides: a variable or a file, the key in it, the program that is asked; "" where there is none."""

    place: str = ""
    key: str = ""
    program: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One place that a client looks at, and what it finds there."""

    place: str
    found: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a client does in the end: send a credential, ask anonymously (neither), or fail with `error`."""

    credential: Credential | None = None
    error: str = ""


ANONYMOUS = Outcome()


def for_password(outcome: Outcome) -> Outcome:
    """Return what is sent to a registry that asks for a password, as ECR does: no token of another kind."""
    sent = outcome.credential
    if sent is None:
        return outcome
    return Outcome(replace(sent, identity=False, bearer=False)) if sent.auth else ANONYMOUS


def for_whole_login(outcome: Outcome) -> Outcome:
    """Return what is sent there by clients to whom a login without user or password is none."""
    sent = outcome.credential
    if sent is None or not sent.auth:
        return for_password(outcome)
    half = credential(sent.user, "") if sent.user else sent
    return ANONYMOUS if half is None or half.fingerprint == sent.fingerprint else for_password(outcome)


@dataclass(frozen=True, slots=True)
class Finding:
    """How a client comes to what it sends.

    Attributes:
        outcomes: one; more where the client leaves it to chance; none where it cannot be told.
        notes: what else is worth knowing, a sentence each.
        remedy: what to do before anything else helps, or to know; nothing where the usual helps.
        chance: what ends it that there are several outcomes; "" where the usual does.
    """

    steps: tuple[Step, ...]
    source: Source
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()
    remedy: Remedy = NO_REMEDY
    chance: str = ""


@dataclass(slots=True)
class Search:
    """Collects the steps of a search while it goes on."""

    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    remedy: Remedy = NO_REMEDY
    chance: str = ""

    def saw(self, place: str, found: str) -> None:
        """Add a step."""
        self.steps.append(Step(place, found))

    def note(self, sentence: str) -> None:
        """Add something that is worth knowing."""
        self.notes.append(sentence)

    def is_closed(self, path: str, reason: str, host: str) -> Finding:
        """Return that it cannot be told, because only root may look at what decides."""
        self.saw(path, f"cannot be looked at from here: {reason}")
        self.remedy = remedies.explain_as_root(host)
        return self.ends(Source(path))

    def ends(self, source: Source, *outcomes: Outcome) -> Finding:
        """Return what was found; equal outcomes count once."""
        told = tuple(dict.fromkeys(outcomes))
        return Finding(tuple(self.steps), source, told, tuple(self.notes), self.remedy, self.chance)
