"""What every client on this machine would send: the last word, whatever else was found or overlooked."""

from __future__ import annotations

from collections.abc import Iterator

from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.cli.explain import gathered, installed, known
from ecr_refreshd.cli.explained import weighed
from ecr_refreshd.core.clients.families import FAMILIES

_MOST_HOSTS = 50
"""So many are enough to see what is wrong; what is wrong with one file is so for all that stand in it."""


def clients(scene: Scene) -> Iterator[Finding]:
    """Find clients on PATH that would send no working login for a registry that is kept."""
    world = gathered(scene.shell)
    failing: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for host in list(scene.registries)[:_MOST_HOSTS]:
        ours = known(host)
        for family in FAMILIES:
            if not installed(family, scene.shell):
                continue
            each = weighed(family, world, host, ours, scene.now, installed=True)
            if each.works == "no":
                why = next((one.why for one in each.judged if one.works == "no"), "it finds no login")
                failing.setdefault((why, each.remedy), []).append((host, family.name))
    for (why, remedy), found in failing.items():
        hosts = list(dict.fromkeys(host for host, _ in found))
        names = ", ".join(dict.fromkeys(name for _, name in found))
        shown = ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")
        yield Finding(
            "client.refused",
            Severity.ERROR,
            shown,
            f"{names}: no pull from {shown} works. {why}",
            "That is what these clients would send just now.",
            remedy or f"ecr-refreshd explain {hosts[0]}",
        )
