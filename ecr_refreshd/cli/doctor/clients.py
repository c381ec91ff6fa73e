"""What every client on this machine would send: the last word, whatever else was found or overlooked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.cli.explain import gathered
from ecr_refreshd.cli.explained import Weighed, weighed
from ecr_refreshd.cli.known import known
from ecr_refreshd.cli.words import counted
from ecr_refreshd.core.clients.families import FAMILIES
from ecr_refreshd.core.clients.judging import Known
from ecr_refreshd.core.remedies import ours as commands
from ecr_refreshd.errors import ControlError

_ONE_OF_SEVERAL = frozenset({"kubelet"})
"""Families that have other ways to a login, at which nobody looks here."""
_MOST_HOSTS = 50
"""So many are enough to see what is wrong; what is wrong with one file is so for all that stand in it."""


@dataclass(frozen=True, slots=True)
class _Cause:
    """Why clients get no login, and the file that decides it."""

    severity: Severity
    why: str
    remedy: str
    file: str


def clients(scene: Scene) -> Iterator[Finding]:
    """Find clients on PATH that would send no working login for a registry that is kept."""
    if scene.silent is not None:
        return  # what is kept, only the service knows
    world = gathered(scene.shell)
    failing: dict[_Cause, list[tuple[str, str]]] = {}
    for host in list(scene.registries)[:_MOST_HOSTS]:
        try:
            ours = _to_be_kept(known(host, scene.settings, scene.config), host, scene)
        except ControlError:
            return  # it has fallen silent since, and has each question wait
        for family in FAMILIES:
            if not family.installed(world):
                continue
            each = weighed(family, world, host, ours, scene.now, installed=True)
            if each.works == "no":
                failing.setdefault(_cause(each), []).append((host, family.name))
    for cause, found in failing.items():
        hosts = list(dict.fromkeys(host for host, _ in found))
        names = _named([each.name for each in FAMILIES if any(name == each.name for _, name in found)])
        shown = ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")
        partly = cause.severity is not Severity.ERROR
        yield Finding(
            "client.refused",
            cause.severity,
            shown,
            f"{names}: {'by its files ' if partly else ''}no pull from {shown} works. {cause.why}",
            "Pods that bring pull secrets, or have a credential provider, may pull all the same."
            if partly
            else "That is what these clients would send just now.",
            cause.remedy or commands.explain(hosts[0]),
            hosts=frozenset(hosts),
            files=frozenset({cause.file}),
        )


def _named(names: list[str]) -> str:
    """Return clients in a few words; docker, the one that most people mean, is the first of all families."""
    others = len(names) - 1
    return names[0] if not others else f"{names[0]} and {counted(others, 'other client')}"


def _cause(each: Weighed) -> _Cause:
    why = next((one.why for one in each.judged if one.works == "no"), "it finds no login")
    severity = Severity.ERROR
    if each.family.key in _ONE_OF_SEVERAL:
        told = any(outcome.credential or outcome.error for outcome in each.finding.outcomes)
        severity = Severity.WARNING if told else Severity.INFO
    return _Cause(severity, why, each.remedy.page, each.finding.source.place)


def _to_be_kept(ours: Known, host: str, scene: Scene) -> Known:
    """Return what is known of a registry that is kept as soon as somebody asks for it, service or not."""
    if not scene.can_serve(host) or any(row["host"] == host for row in scene.rows):
        return ours
    return replace(ours, kept=True, files=frozenset(scene.put_into(host)))
