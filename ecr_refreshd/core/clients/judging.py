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

Works = Literal["yes", "no", "unknown"]
OUR_PROGRAM = f"docker-credential-{OURS}"


@dataclass(frozen=True, slots=True)
class Known:
    """What the service, or its state file, says of a host.

    Attributes:
        kept: the service keeps this host.
        ends: fingerprint -> end of life, of tokens that are ours and current.
        past: fingerprints of ours that newer tokens have replaced.
        files: where it puts this host's token, or would.
        settings: the path of its configuration, for people.
        mode: of those files (`[docker] mode`).
        hint: what helps where it has tried and has no living token, "" where it has one or may get one.
        to_keep: how to have it keep this host, where it does not.
        obstacles: file -> what to do about what keeps it from being read or written.
    """

    kept: bool = False
    ends: Mapping[str, datetime | None] = field(default_factory=dict)
    past: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    settings: str = "config.toml"
    mode: str = "auto"
    hint: str = ""
    to_keep: str = "ecr-refreshd run"
    obstacles: Mapping[str, str] = field(default_factory=dict)


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


def remedy(finding: Finding, each: tuple[Judged, ...], host: str, known: Known) -> str:
    """Return what to do, "" where nothing needs to be done."""
    if overall(each) == "yes":
        return ""
    if finding.remedy or (finding.chance and len(finding.outcomes) > 1):
        return finding.remedy or finding.chance
    source = finding.source
    if source.place in known.obstacles:
        return known.obstacles[source.place]
    fails = any(outcome.error for outcome in finding.outcomes)
    if source.place == VARIABLE:
        return f"unset {source.place}, or take {host} out of it"
    if source.place in NAMING:
        return f"unset {source.place}, or make the file that it names"
    if fails and not source.program:
        return f"Mend {source.place}: nothing reads it as it is."
    if source.program == OUR_PROGRAM:
        if fails:
            return f"Put the folder of {OUR_PROGRAM} on PATH, or take {source.key} out of {source.place}"
        return _keep(host, known)
    if source.program:
        return _other_program(source, host, known)
    if known.mode == "store" and source.place in known.files:
        return (
            f'Set mode = "both" in [docker] of {known.settings}: these programs do not read what lies in a '
            "credential store."
        )
    if known.files and source.key and source.place not in known.files:
        return (
            f"Take {source.key} out of {source.place}, or name that file too: {_named(source.place, known)}"
        )
    if known.files and source.place.startswith("/") and source.place not in known.files:
        return f"Nothing is put there. To have it so: {_named(source.place, known)}"
    return _keep(host, known)


def _named(place: str, known: Known) -> str:
    """Return what to put into the settings so that a file is kept; who names one names them all."""
    files = ", ".join(f'"{each}"' for each in sorted({*known.files, place}))
    return f"files = [{files}] under [docker] in {known.settings}"


def _other_program(source: Source, host: str, known: Known) -> str:
    if source.key.startswith("credHelpers"):
        return (
            f'Take {source.key} out of {source.place}, or set mode = "helper" in [docker] of the settings of '
            f"ecr-refreshd; then: {_keep(host, known)}"
        )
    if source.key == KEY:
        return f'Have "{FILES}" first in {KEY} of {source.place}; then: {_keep(host, known)}'
    if known.mode == "store":
        return f"Mend {source.program} (`ecr-refreshd doctor` says what ails it); then: {_keep(host, known)}"
    return (
        f"Take {source.key or source.program} out of {source.place}, or put {source.program} on PATH; or have "
        f"our helper put before it: {_keep(host, known)}"
    )


def _keep(host: str, known: Known) -> str:
    if known.obstacles:
        return next(iter(known.obstacles.values()))
    if known.kept:
        return known.hint or f"ecr-refreshd refresh {host}"
    return known.to_keep


def _judged(outcome: Outcome, host: str, known: Known, now: datetime) -> Judged:
    if outcome.error:
        return Judged("no", f"it fails: {outcome.error}")
    sent = outcome.credential
    if sent is None:
        if host in PUBLIC_HOSTS:
            return Judged("yes", "it pulls without a login, as everybody may here, within anonymous limits")
        return Judged("no", "it sends no credential, and the registry lets nobody in without one")
    if sent.bearer:
        return Judged("no", "it sends a registry token, which ECR does not take", "foreign")
    if not sent.auth:
        return Judged("no", "it sends an identity token, which ECR does not take", "foreign")
    if sent.user != "AWS":
        return Judged("no", f"it sends the user {sent.user!r}; ECR's is AWS", "foreign")
    return _by_time(sent, known, now)


def _by_time(sent: Credential, known: Known, now: datetime) -> Judged:
    ours = sent.fingerprint in known.ends
    older = sent.fingerprint in known.past
    whose = "ours" if ours else "ours, but older" if older else "foreign"
    end = known.ends.get(sent.fingerprint) or sent.expires_hint
    if end is None:
        return Judged("unknown", "nothing says until when its token lives", whose)
    if end <= now:
        return Judged("no", "its token has ended", whose, end)
    told = "by AWS's statement" if ours else "by its own words"
    return Judged("yes", f"its token lives, {told},", whose, end)
