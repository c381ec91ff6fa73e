"""Whether what a client sends will be let in, whose it is, and what to type if it is not.

An end of life is AWS's own statement for our tokens; for others it is what the password says of itself, a hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ecr_refreshd.core.clients.cliconfig import VARIABLE
from ecr_refreshd.core.clients.containers import NAMING
from ecr_refreshd.core.clients.registries import FILES, KEY
from ecr_refreshd.core.clients.world import Credential, Finding, Outcome, Source
from ecr_refreshd.core.dockerconfig import OURS
from ecr_refreshd.core.hosts import PUBLIC_HOSTS
from ecr_refreshd.core.remedies import NO_REMEDY, Remedy
from ecr_refreshd.core.remedies import clients as remedies

Works = Literal["yes", "no", "unknown"]
START = remedies.start_service()
OUR_PROGRAM = f"docker-credential-{OURS}"


@dataclass(frozen=True, slots=True)
class Known:
    """What the service, or its state file, says of a host.

    Attributes:
        kept: the service keeps this host.
        ends: fingerprint -> end of life, of tokens that are ours and current.
        past: fingerprints of ours that newer tokens have replaced.
        refused: fingerprints that the registry itself refuses.
        files: where it puts this host's token, or would.
        settings: the path of its configuration, for people.
        mode: of those files (`[docker] mode`).
        to_renew: how this host gets a valid token: the sign-in that it waits for, a refresh, or how it is kept.
        note: what else is to be known of its token, as a clause; "" for nothing.
        obstacles: file -> how it becomes readable and writable, for those that are not.
    """

    kept: bool = False
    ends: Mapping[str, datetime | None] = field(default_factory=dict)
    past: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    settings: str = "config.toml"
    mode: str = "auto"
    to_renew: Remedy = START
    note: str = ""
    obstacles: Mapping[str, Remedy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """A credential, or the lack of one, judged.

    Attributes:
        whose: ``ours``, ``ours, but older``, ``foreign``, "" if there is none.
        expires_at: UTC; None if unknown.
        why: a sentence on `works`.
    """

    works: Works
    why: str
    whose: str = ""
    expires_at: datetime | None = None


def judged(finding: Finding, host: str, known: Known, now: datetime) -> tuple[Judged, ...]:
    """Return what each possible outcome comes to."""
    return tuple(_judged(outcome, host, known, now) for outcome in finding.outcomes)


def overall(each: tuple[Judged, ...]) -> Works:
    """Return whether a client works whatever chance brings."""
    answers = {one.works for one in each} or {"unknown"}
    return "no" if "no" in answers else "unknown" if "unknown" in answers else "yes"


def remedy(finding: Finding, each: tuple[Judged, ...], host: str, known: Known) -> Remedy:
    """Return what to do, nothing where nothing needs to be done."""
    if overall(each) == "yes":
        return NO_REMEDY
    if finding.remedy != NO_REMEDY:
        return finding.remedy
    if finding.chance and len(finding.outcomes) > 1:
        return Remedy(finding.chance)
    source = finding.source
    if source.place in known.obstacles:
        return known.obstacles[source.place]
    fails = any(outcome.error for outcome in finding.outcomes)
    if source.place == VARIABLE:
        return remedies.unset_variable(source.place, f"take {host} out of it")
    if source.place in NAMING:
        return remedies.unset_variable(source.place, "make the file that it names")
    if fails and not source.program:
        return remedies.correct_by_hand(source.place, "no client reads it as it is.")
    if source.program == OUR_PROGRAM:
        return remedies.helper_on_path(OUR_PROGRAM, source.key, source.place) if fails else known.to_renew
    if source.program:
        return _other_program(source, known)
    if known.mode == "store" and source.place in known.files:
        return remedies.also_in_entries(known.settings)
    if known.files and source.place.startswith("/") and source.place not in known.files:
        other = remedies.name_file(known.files, source.place, known.settings)
        if source.key:
            return remedies.take_out(source.key, source.place, other)
        return Remedy(f"No token is written there; {other}")
    return known.to_renew


def _other_program(source: Source, known: Known) -> Remedy:
    then = known.to_renew
    if source.key.startswith("credHelpers"):
        other = f'set mode = "helper" in [docker] of {known.settings}'
    elif source.key == KEY:
        return Remedy(f'Have "{FILES}" first in {KEY} of {source.place}.').then(then.command)
    elif known.mode == "store":
        return Remedy(f"Check {source.program}: `ecr-refreshd doctor` says why it fails.").then(then.command)
    else:
        other = f"put {source.program} on the PATH of the client"
    found = remedies.take_out(source.key or source.program, source.place, other)
    return Remedy(f"{found.words}.").then(then.command)


def _judged(outcome: Outcome, host: str, known: Known, now: datetime) -> Judged:
    if outcome.error:
        return Judged("no", outcome.error)
    sent = outcome.credential
    if sent is None:
        if host in PUBLIC_HOSTS:
            return Judged("yes", "without a login, within the limits of anonymous pulls")
        return Judged("no", "no login found, and ECR requires one")
    if sent.bearer:
        return Judged("no", "a registry token is sent, which ECR does not accept", "foreign")
    if not sent.auth:
        return Judged("no", "an identity token is sent, which ECR does not accept", "foreign")
    if sent.user != "AWS":
        return Judged("no", f"the user {sent.user!r} is sent; ECR's is AWS", "foreign")
    return _by_time(sent, known, now)


def _by_time(sent: Credential, known: Known, now: datetime) -> Judged:
    ours = sent.fingerprint in known.ends
    older = sent.fingerprint in known.past
    whose = "ours" if ours else "ours, but older" if older else "foreign"
    end = known.ends.get(sent.fingerprint) or sent.expires_hint
    if end is None:
        return Judged("unknown", "the token does not say until when it is valid", whose)
    if end <= now:
        return Judged("no", "token expired", whose, end)
    if sent.fingerprint in known.refused:
        return Judged("no", "the registry refuses the token", whose, end)
    return Judged("yes", "valid by AWS's statement" if ours else "valid by the token's own date", whose, end)
