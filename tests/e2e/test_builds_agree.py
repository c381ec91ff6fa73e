"""`explain` and builds: what BuildKit really sends of what docker or buildx hands it, in each state of the files.

BuildKit is the one inside a real engine, whose way out is a proxy of ours.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e import states_of_docker, states_of_others
from tests.e2e.agreeing import agree, build_client
from tests.e2e.listening import Proxy
from tests.e2e.programs import each, wanted
from tests.e2e.states import State
from tests.needs import need
from tests.world import engine
from tests.world.processes import Program

pytestmark = pytest.mark.engine
STATES = [*states_of_docker.STATES, *states_of_others.VARIABLE, *states_of_others.PER_HOST]
ALL = pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)


@pytest.fixture(scope="module")
def docker_host(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An engine that reaches registries through the proxy only, and trusts it."""
    need(not engine.missing(), engine.missing())
    folder = tmp_path_factory.mktemp("e")
    address = f"unix://{folder}/sock"
    argv = ["/usr/sbin/dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    argv += ["--host", address, "--pidfile", f"{folder}/pid", "--bridge=none", "--iptables=false"]
    env = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder),
        "HTTPS_PROXY": proxy.url,
        "SSL_CERT_FILE": str(proxy.certificate),
    }
    with Program(argv, folder / "log", env) as started:
        started.wait_until((folder / "sock").exists, "dockerd", timeout=60)
        yield address
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        point = line.split()[1]
        if point.startswith(f"{folder}/"):
            with suppress(OSError):
                subprocess.run(["umount", "--lazy", point], check=False, timeout=20)


@ALL
def test_a_build_of_docker_itself_sends_what_is_said(
    state: State, docker_host: str, proxy: Proxy, tmp_path: Path
) -> None:
    """Debian's docker speaks with BuildKit itself; later ones leave it to buildx."""
    docker = "/usr/bin/docker"
    client = build_client([docker, "build"], proxy, docker_host)
    agree("buildx", client, state, tmp_path, "docker", docker, never="identity")


@each("docker-buildx")
@ALL
def test_a_build_of_buildx_sends_what_is_said(
    state: State, program: str, docker_host: str, proxy: Proxy, tmp_path: Path
) -> None:
    buildx = wanted(program, "docker-buildx")
    client = build_client([buildx, "build"], proxy, docker_host)
    agree("buildx", client, state, tmp_path, "docker-buildx", buildx, never="identity")
