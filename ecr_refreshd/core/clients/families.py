"""The families of clients that are explained, and the programs by which one knows that a machine has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ecr_refreshd.core.clients import docker
from ecr_refreshd.core.clients.world import Finding, World


@dataclass(frozen=True, slots=True)
class Family:
    """Clients that decide alike.

    Attributes:
        key: a short and stable name, for scripts.
        name: for people.
        decide: what they send to a host.
        programs: they are there if one of these is on PATH; none: they are libraries, and nobody can tell.
    """

    key: str
    name: str
    decide: Callable[[World, str], Finding]
    programs: tuple[str, ...] = ()


FAMILIES = (
    Family("docker", "docker pull, push", docker.pulls, ("docker",)),
    Family("compose", "docker compose; docker run, create", docker.composes, ("docker",)),
)
