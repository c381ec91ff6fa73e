"""What is missing on this machine: the AWS CLI that signs in, credentials of any kind, clients that pull."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from ecr_refreshd.aws import ambient
from ecr_refreshd.aws.profiles import places
from ecr_refreshd.cli import awscli
from ecr_refreshd.cli.doctor import profiles
from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.core.remedies import aws as remedies

_CLIENTS = ("docker", "podman", "nerdctl", "skopeo", "buildah", "crane", "helm", "kubelet")


def sign_in(scene: Scene) -> Iterator[Finding]:
    """Find that no AWS CLI can run the sign-in of a registry's login; one finding for what is wrong with it."""
    behind: dict[str, list[str]] = {}
    for registry in scene.registries.values():
        if registry.standing.login_command:
            behind.setdefault(registry.standing.login_command, []).append(registry.host)
    found: set[str] = set()
    for command, hosts in behind.items():
        error = awscli.hindrance(command, scene.shell)
        if error is None or error.hint in found:
            continue
        found.add(error.hint)
        ended = any(not scene.alive(scene.registries[host].standing) for host in hosts)
        yield Finding(
            "aws.cli",
            Severity.WARNING if ended else Severity.INFO,
            "aws",
            error.message,
            f"Nobody can sign in here for {hosts[0]} without it."
            if ended
            else "When the login ends, nobody can sign in here without it.",
            f"Install the AWS CLI version 2: {error.hint}",
        )


def credentials(scene: Scene) -> Iterator[Finding]:
    """Find that there is nothing at all by which AWS could be asked."""
    files = [path for path in places(scene.environ) if os.path.exists(path)]  # noqa: PTH110 - texts, from variables
    if profiles.has_problems(scene):
        return  # what is there cannot be read, and that is a finding of its own
    if files or ambient.exists(scene.environ):
        return
    cli = "" if shutil.which("aws", path=scene.shell.get("PATH")) else ", and no AWS CLI is on the PATH"
    config, keys = places(scene.environ)
    yield Finding(
        "aws.none",
        Severity.WARNING if scene.registries else Severity.INFO,
        "~/.aws",
        f"There are no AWS credentials here: neither {config} nor {keys} exists, the environment has no keys"
        f"{cli}.",
        "No token can be had without them.",
        remedies.first_profile(has_cli=not cli).hint,
    )


def pullers(scene: Scene) -> Iterator[Finding]:
    """Find that no program is here that would pull an image."""
    path = scene.shell.get("PATH")
    if any(shutil.which(name, path=path) for name in _CLIENTS):
        return
    yield Finding(
        "clients.none",
        Severity.INFO,
        "PATH",
        "Neither docker nor podman, nor another client of registries, is on the PATH.",
        "Tokens are kept all the same, for clients that read the files from elsewhere.",
        "Install one where images are pulled; beside a build server that is as it should be.",
    )
