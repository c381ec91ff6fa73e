"""Where the real clients are: on PATH, from packages, or in the folder that ``make clients`` fills."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.needs import need

FOLDER = "ECR_REFRESHD_TEST_CLIENTS"
"""Names that folder, and more as PATH does. Where it is unset, as without Go, nothing is expected to be there."""
BUILT = frozenset(
    {
        "docker",
        "docker-compose",
        "crane",
        "oras",
        "docker-credential-ecr-login",
        "testcontainers-go",
        "kubelet-logins",
    }
)
"""What ``make clients`` builds (.ci/clients); others are used where somebody has put them."""
PACKAGED = frozenset({"docker", "podman", "buildah", "skopeo"})
"""What a Debian package brings, and CI installs."""


def programs(name: str) -> list[str]:
    """Every program of this name, whatever its version; [""] for none, so that a test can say so."""
    folders = [
        *os.environ.get(FOLDER, "").split(os.pathsep),
        *os.get_exec_path(),
        "/usr/local/bin",
        "/usr/bin",
    ]
    found = [os.path.realpath(Path(each) / name) for each in folders if each]
    return list(dict.fromkeys(each for each in found if os.access(each, os.X_OK))) or [""]


def wanted(program: str, name: str) -> str:
    """Return a program that was found; else skip, or fail where CI has installed or built it."""
    if program:
        return program
    if name in PACKAGED or (name in BUILT and os.environ.get(FOLDER)):
        need(program, name)
    built = (
        "`make clients` builds it, with Go" if name in BUILT else f"{FOLDER} may name a folder that has it"
    )
    pytest.skip(f"{name} is in no Debian package; {built}")


def client(name: str) -> str:
    """Return the first program of this name, the newest where ``make clients`` has built it."""
    return wanted(programs(name)[0], name)


def each(name: str) -> pytest.MarkDecorator:
    """Let a test meet every version of a program that this machine has."""
    return pytest.mark.parametrize("program", programs(name))
