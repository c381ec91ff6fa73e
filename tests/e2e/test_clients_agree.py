"""`explain` never disagrees with the clients: what the real ones sent in each state of the files is what it says.

Where a client itself leaves it to chance, what it sent is one of what is said to be possible.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecr_refreshd.cli.explain import gathered
from ecr_refreshd.core.clients.families import FAMILIES
from tests.e2e import states_of_docker, states_of_podman
from tests.e2e.agreeing import (
    FAILS,
    HOST,
    Client,
    DockerSocket,
    Proxy,
    State,
    docker_client,
    docker_programs,
    docker_py,
    entry,
    promised,
    python_with_docker_py,
    registry_client,
    sent,
)
from tests.needs import need

STATES = [*states_of_docker.STATES, *states_of_podman.STATES]
ALL = pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
DECIDE = {family.key: family.decide for family in FAMILIES}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerSocket]:
    found = DockerSocket(tmp_path_factory.mktemp("d") / "sock")
    yield found
    found.close()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    need(shutil.which("openssl"), "openssl")
    found = Proxy(tmp_path_factory.mktemp("proxy"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def storage() -> Iterator[list[str]]:
    """Options for an image store that is nobody's. podman takes no run root of more than 50 characters."""
    need(os.geteuid() == 0, "root: without it podman wants a user namespace before it looks at any login")
    with tempfile.TemporaryDirectory() as folder:
        yield ["--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]


@pytest.fixture(scope="module")
def python_client() -> Iterator[Client]:
    python = python_with_docker_py()
    need(python, "docker-py")
    assert python is not None
    with docker_py(python) as client:
        yield client


def agree(family: str, client: Client, state: State, home: Path, name: str, program: str) -> None:
    """Let a client act, and compare with what is said of it."""
    environment = state.build(home)
    # The version of a client decides, so it stands on PATH.
    (home / "bin" / name).symlink_to(program)
    world = gathered(environment)
    said = [promised(outcome) for outcome in DECIDE[family](world, HOST).outcomes]
    assert client(environment) in said


@pytest.mark.parametrize("program", docker_programs())
@ALL
def test_docker_sends_what_is_said(state: State, program: str, daemon: DockerSocket, tmp_path: Path) -> None:
    need(docker_programs(), "a docker client")
    agree("docker", docker_client(program, daemon), state, tmp_path, "docker", program)


@pytest.mark.parametrize("program", docker_programs())
@pytest.mark.parametrize(
    "state", [one for one in STATES if one.helpers or "missing" in one.name], ids=lambda state: state.name
)
def test_docker_run_sends_what_is_said(
    state: State, program: str, daemon: DockerSocket, tmp_path: Path
) -> None:
    client = docker_client(program, daemon, "create", "--pull=always")
    agree("docker-run", client, state, tmp_path, "docker", program)


@ALL
def test_skopeo_sends_what_is_said(state: State, proxy: Proxy, tmp_path: Path) -> None:
    skopeo = shutil.which("skopeo")
    need(skopeo, "skopeo")
    argv = [str(skopeo), "inspect", "--tls-verify=false", f"docker://{HOST}/node:18"]
    agree("skopeo", registry_client(argv, proxy), state, tmp_path, "skopeo", str(skopeo))


@ALL
def test_podman_sends_what_is_said(state: State, proxy: Proxy, storage: list[str], tmp_path: Path) -> None:
    podman = shutil.which("podman")
    need(podman, "podman")
    elsewhere = [*storage, "--tmpdir", f"{tmp_path}/tmp", "--network-config-dir", f"{tmp_path}/cni"]
    argv = [str(podman), *elsewhere, "pull", "--tls-verify=false", f"{HOST}/node:18"]
    agree("podman", registry_client(argv, proxy), state, tmp_path, "podman", str(podman))


def test_a_namespace_goes_before_the_host(proxy: Proxy, storage: list[str], tmp_path: Path) -> None:
    """What is said holds for a repository that no key names closer; where one does, that is said too."""
    podman = shutil.which("podman")
    need(podman, "podman")
    closer = f"{HOST}/team"
    state = State("", {"auths": {HOST: entry("here"), closer: entry("team")}})
    environment = state.build(tmp_path)
    argv = [str(podman), *storage, "--tmpdir", f"{tmp_path}/tmp", "pull", "--tls-verify=false"]
    ask = registry_client([*argv, f"{closer}/node:18"], proxy)
    assert ask(environment) == sent("AWS", "team")
    (note,) = DECIDE["podman"](gathered(environment), HOST).notes
    assert closer in note


@ALL
def test_buildah_sends_what_is_said(state: State, proxy: Proxy, storage: list[str], tmp_path: Path) -> None:
    buildah = shutil.which("buildah")
    need(buildah, "buildah")
    argv = [str(buildah), *storage, "pull", "--tls-verify=false", f"{HOST}/node:18"]
    agree("buildah", registry_client(argv, proxy), state, tmp_path, "buildah", str(buildah))


def test_a_build_goes_on_without_the_file(proxy: Proxy, storage: list[str], tmp_path: Path) -> None:
    """Where a pull gives up for want of the file that a variable names, it is said that a build does not."""
    buildah = shutil.which("buildah")
    need(buildah, "buildah")
    environment = State("", {"auths": {HOST: entry("here")}}, {}, {"DOCKER_CONFIG": "{home}/gone"}).build(
        tmp_path
    )
    (tmp_path / "Containerfile").write_text(f"FROM {HOST}/node:18\n")
    argv = [str(buildah), *storage, "bud", "--tls-verify=false", "--file", "Containerfile", "."]
    assert registry_client(argv, proxy)(environment) != FAILS
    finding = DECIDE["buildah"](gathered(environment), HOST)
    assert [promised(outcome) for outcome in finding.outcomes] == [FAILS]
    assert any("build" in note for note in finding.notes)


@ALL
def test_docker_py_sends_what_is_said(state: State, python_client: Client, tmp_path: Path) -> None:
    agree("docker-py", python_client, state, tmp_path, "python3", sys.executable)


@ALL
def test_crane_sends_what_is_said(state: State, proxy: Proxy, tmp_path: Path) -> None:
    crane = shutil.which("crane")
    if crane is None:
        pytest.skip("crane is in no Debian package")
    argv = [crane, "manifest", "--insecure", f"{HOST}/node:18"]
    agree("crane", registry_client(argv, proxy), state, tmp_path, "crane", crane)


@ALL
def test_oras_sends_what_is_said(state: State, proxy: Proxy, tmp_path: Path) -> None:
    oras = shutil.which("oras")
    if oras is None:
        pytest.skip("oras is in no Debian package")
    argv = [oras, "manifest", "fetch", "--insecure", f"{HOST}/node:18"]
    agree("oras", registry_client(argv, proxy, b"basic"), state, tmp_path, "oras", oras)
