"""The families of clients that are explained, and the programs by which one knows that a machine has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ecr_refreshd.core.clients import (
    containers,
    docker,
    dockerpy,
    ggcr,
    kubelet,
    nerdctl,
    oras,
    testcontainers,
    testcontainersgo,
)
from ecr_refreshd.core.clients.world import Finding, World


@dataclass(frozen=True, slots=True)
class Family:
    """Clients that decide alike.

    Attributes:
        key: a short and stable name, for scripts.
        name: for people.
        decide: what they send to a host.
        programs: they are there if one of these is on PATH.
        is_here: tells it where no program does; None: it cannot be told, as of a library.
    """

    key: str
    name: str
    decide: Callable[[World, str], Finding]
    programs: tuple[str, ...] = ()
    is_here: Callable[[World], bool] | None = None

    def installed(self, world: World) -> bool | None:
        """Return whether a client of this family is on a machine; None if that cannot be told."""
        if self.programs:
            return any(world.which(program) for program in self.programs)
        return None if self.is_here is None else self.is_here(world)


FAMILIES = (
    Family("docker", "docker pull, push", docker.pulls, ("docker",)),
    Family("docker-run", "docker run, create", docker.runs, ("docker",)),
    Family("compose", "docker compose", docker.composes, ("docker",)),
    Family("buildx", "docker build (BuildKit), buildx", docker.builds, ("docker", "buildx", "buildctl")),
    Family("docker-build", "docker build (classic builder)", docker.builds_classic, ("docker",)),
    Family("podman", "podman", containers.podman, ("podman",)),
    Family("buildah", "buildah", containers.buildah, ("buildah",)),
    Family("skopeo", "skopeo", containers.skopeo, ("skopeo",)),
    Family("crane", "crane, cosign", ggcr.decide, ("crane", "cosign")),
    Family("ko", "ko", ggcr.ko, ("ko",)),
    Family("kaniko", "kaniko", ggcr.kaniko),
    Family("docker-py", "docker-py, docker-compose 1, Ansible", dockerpy.decide),
    Family("docker-py-build", "builds by docker-py, docker-compose 1, Ansible", dockerpy.builds),
    Family("nerdctl", "nerdctl", nerdctl.decide, ("nerdctl",)),
    Family("oras", "oras", oras.oras, ("oras",)),
    Family("helm", "helm (oci://)", oras.helm, ("helm",)),
    Family("kubelet", "kubelet", kubelet.decide, ("kubelet",)),
    Family("testcontainers-java", "Testcontainers for Java", testcontainers.java),
    Family("testcontainers-go", "Testcontainers for Go", testcontainersgo.decide),
    Family("docker-snap", "docker of the snap", docker.in_snap, is_here=docker.has_snap_beside),
    Family("sudo-docker", "sudo docker", docker.sudo),
)
