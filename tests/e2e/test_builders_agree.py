"""`explain` and builders that are given every credential at once: what each really sent, in each state.

The classic builder and docker-py put all logins into X-Registry-Config; the engine takes the one of the host.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.core.dockerentry import legacy
from tests.e2e import states_of_docker, states_of_others
from tests.e2e.agreeing import agree, python_with_docker_py
from tests.e2e.listening import DockerSocket, docker_words
from tests.e2e.programs import each, wanted
from tests.e2e.states import FAILS, HOST, IS_BROKEN, NOTHING, OTHER, State, answers, entry
from tests.needs import need

BROKEN_STORE = {"auths": {HOST: {}}, "credsStore": "desktop", "credHelpers": {HOST: "ours"}}
ONE_BROKEN = {"auths": {HOST: entry("here")}, "credHelpers": {OTHER: "broken"}}
ALL_AT_ONCE = [
    State(
        "our line beside a store that fails",
        BROKEN_STORE,
        helpers={"desktop": IS_BROKEN, "ours": answers("helped")},
    ),
    State("our line beside a store that is missing", BROKEN_STORE, helpers={"ours": answers("helped")}),
    State("another host's helper fails", ONE_BROKEN, helpers={"broken": IS_BROKEN}),
    State("another host's helper is missing", ONE_BROKEN),
    State(
        "a store that lists the host",
        {"credsStore": "full"},
        helpers={"full": (json.dumps({"ServerURL": HOST, HOST: "AWS", "Username": "AWS", "Secret": "x"}), 0)},
    ),
]
STATES = [*states_of_docker.STATES, *states_of_others.VARIABLE, *ALL_AT_ONCE]
PY_BUILD = """
import io, docker
client = docker.from_env(version="1.41").api
list(client.build(fileobj=io.BytesIO(b"FROM scratch"), tag="x"))
"""


class Builds(DockerSocket):
    """Plays dockerd for builds: keeps what it would have used for HOST of all that came along."""

    def _serve(self, connection: Any) -> None:
        with connection.makefile("rwb") as stream:
            while line := stream.readline().decode().strip():
                headers: dict[str, str] = {}
                while header := stream.readline().decode().strip():
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                if headers.get("transfer-encoding") == "chunked":
                    while (size := int(stream.readline(), 16)) > 0:
                        stream.read(size + 2)
                    stream.readline()
                stream.read(int(headers.get("content-length", 0)))
                if "/build?" in line:
                    self.seen.append(_of_host(headers.get("x-registry-config", "")))
                body = b"" if line.startswith("HEAD") else b"{}"
                head = f"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: {len(body)}\r\n\r\n"
                stream.write(head.encode() + body)
                stream.flush()


def _of_host(header: str) -> str:
    """Return what the engine takes of all logins for HOST (moby registry.ResolveAuthConfig)."""
    logins: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(header + "==")) if header else {}
    found = [HOST] if HOST in logins else [key for key in logins if legacy(key) == HOST]
    return docker_words(logins[found[0]] or {}) if found else NOTHING


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builds]:
    found = Builds(tmp_path_factory.mktemp("b") / "sock")
    yield found
    found.close()


def build(argv: list[str], builds: Builds, environment: Mapping[str, str]) -> str:
    builds.seen.clear()
    more = {"DOCKER_HOST": f"unix://{builds.path}", "DOCKER_BUILDKIT": "0"}
    subprocess.run(
        argv,
        env={**environment, **more},
        cwd=environment["HOME"],
        input=b"FROM scratch",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert len(builds.seen) <= 1
    return builds.seen[0] if builds.seen else FAILS


@each("docker")
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_the_classic_builder_sends_what_is_said(
    state: State, program: str, builds: Builds, tmp_path: Path
) -> None:
    docker = wanted(program, "docker")
    argv = [docker, "build", "-"]
    agree("docker-build", lambda env: build(argv, builds, env), state, tmp_path, "docker", docker)


@pytest.mark.parametrize("state", [*states_of_docker.STATES, *ALL_AT_ONCE], ids=lambda state: state.name)
def test_a_build_by_docker_py_sends_what_is_said(state: State, builds: Builds, tmp_path: Path) -> None:
    python = python_with_docker_py()
    need(python, "docker-py")
    argv = [str(python), "-W", "ignore", "-c", PY_BUILD]
    agree("docker-py-build", lambda env: build(argv, builds, env), state, tmp_path, "python3", str(python))
