"""`explain` never disagrees with the clients: what the real ones sent in each state of the files is what it says.

Where a client itself leaves it to chance, what it sent is one of what is said to be possible.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecr_refreshd.cli.explain import gathered
from tests.e2e import states_of_docker, states_of_others, states_of_podman
from tests.e2e.agreeing import (
    DECIDE,
    IMAGE,
    Client,
    agree,
    docker_client,
    docker_py,
    python_with_docker_py,
    registry_client,
)
from tests.e2e.listening import DockerSocket, Proxy
from tests.e2e.programs import each, wanted
from tests.e2e.states import FAILS, HOST, State, entry, promised, sent
from tests.needs import need

STATES = [*states_of_docker.STATES, *states_of_podman.STATES]
DOCKER = [*STATES, *states_of_others.VARIABLE]
ALL = pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)


@pytest.fixture(scope="module")
def python_client() -> Iterator[Client]:
    python = python_with_docker_py()
    need(python, "docker-py")
    assert python is not None
    with docker_py(python) as client:
        yield client


@each("docker")
@pytest.mark.parametrize("state", DOCKER, ids=lambda state: state.name)
def test_docker_sends_what_is_said(state: State, program: str, daemon: DockerSocket, tmp_path: Path) -> None:
    docker = wanted(program, "docker")
    agree("docker", docker_client(docker, daemon, "pull", IMAGE), state, tmp_path, "docker", docker)


@each("docker")
@pytest.mark.parametrize(
    "state", [one for one in DOCKER if one.helpers or "missing" in one.name], ids=lambda state: state.name
)
def test_docker_run_sends_what_is_said(
    state: State, program: str, daemon: DockerSocket, tmp_path: Path
) -> None:
    docker = wanted(program, "docker")
    client = docker_client(docker, daemon, "create", "--pull=always", IMAGE)
    agree("docker-run", client, state, tmp_path, "docker", docker)


@each("skopeo")
@ALL
def test_skopeo_sends_what_is_said(state: State, program: str, proxy: Proxy, tmp_path: Path) -> None:
    argv = [wanted(program, "skopeo"), "inspect", "--tls-verify=false", f"docker://{IMAGE}"]
    agree("skopeo", registry_client(argv, proxy), state, tmp_path, "skopeo", program)


def podman(program: str, storage: list[str], folder: Path) -> list[str]:
    """Return how podman pulls and touches nothing that is anybody's."""
    elsewhere = [*storage, "--tmpdir", f"{folder}/tmp", "--network-config-dir", f"{folder}/cni"]
    return [wanted(program, "podman"), *elsewhere, "pull", "--tls-verify=false"]


@each("podman")
@ALL
def test_podman_sends_what_is_said(
    state: State, program: str, proxy: Proxy, storage: list[str], tmp_path: Path
) -> None:
    argv = [*podman(program, storage, tmp_path), IMAGE]
    agree("podman", registry_client(argv, proxy), state, tmp_path, "podman", program)


@each("podman")
def test_a_namespace_goes_before_the_host(
    program: str, proxy: Proxy, storage: list[str], tmp_path: Path
) -> None:
    """What is said holds for a repository that no key names closer; where one does, that is said too."""
    closer = f"{HOST}/team"
    state = State("", {"auths": {HOST: entry("here"), closer: entry("team")}})
    environment = state.build(tmp_path)
    ask = registry_client([*podman(program, storage, tmp_path), f"{closer}/node:18"], proxy)
    assert ask(environment) == sent("AWS", "team")
    (note,) = DECIDE["podman"](gathered(environment), HOST).notes
    assert closer in note


@each("buildah")
@ALL
def test_buildah_sends_what_is_said(
    state: State, program: str, proxy: Proxy, storage: list[str], tmp_path: Path
) -> None:
    argv = [wanted(program, "buildah"), *storage, "pull", "--tls-verify=false", IMAGE]
    agree("buildah", registry_client(argv, proxy), state, tmp_path, "buildah", program)


@each("buildah")
def test_a_build_goes_on_without_the_file(
    program: str, proxy: Proxy, storage: list[str], tmp_path: Path
) -> None:
    """Where a pull gives up for want of the file that a variable names, it is said that a build does not."""
    files = {"auths": {HOST: entry("here")}}
    environment = State("", files, {}, {"DOCKER_CONFIG": "{home}/gone"}).build(tmp_path)
    (tmp_path / "Containerfile").write_text(f"FROM {IMAGE}\n")
    argv = [wanted(program, "buildah"), *storage]
    argv += ["bud", "--tls-verify=false", "--file", "Containerfile", "."]
    assert registry_client(argv, proxy)(environment) != FAILS
    finding = DECIDE["buildah"](gathered(environment), HOST)
    assert [promised(outcome) for outcome in finding.outcomes] == [FAILS]
    assert any("build" in note for note in finding.notes)


@ALL
def test_docker_py_sends_what_is_said(state: State, python_client: Client, tmp_path: Path) -> None:
    agree("docker-py", python_client, state, tmp_path, "python3", sys.executable)
