"""Promise 5 where a client asks for every login at once: one host that cannot be served costs no other its login.

The classic builder and docker-py send all logins they find with each build; what they sent is read from their own
request. One word too much from a helper, and older ones send none.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agreeing import python_with_docker_py
from tests.e2e.listening import DockerSocket
from tests.e2e.programs import programs, wanted
from tests.e2e.test_bad_input import Home, home, host, until
from tests.e2e.test_helper import HOST, SCRIPT, helper, kept, password
from tests.needs import need
from tests.world import homes

__all__ = ["home"]  # a fixture

ENDED, UNKNOWN = host("100000000099"), host("999999999999")
OTHER = "registry.example.com"
BUILD_BY_DOCKER_PY = """
import io, docker
client = docker.from_env(version="1.41").api
list(client.build(fileobj=io.BytesIO(b"FROM scratch"), tag="x"))
"""


class Builds(DockerSocket):
    """Plays dockerd for builds, and keeps the logins that came with the last one."""

    logins: dict[str, Any]

    def _serve(self, connection: Any) -> None:
        with connection.makefile("rwb") as stream:
            while line := stream.readline().decode().strip():
                headers = {}
                while header := stream.readline().decode().strip():
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                if headers.get("transfer-encoding") == "chunked":
                    while (size := int(stream.readline(), 16)) > 0:
                        stream.read(size + 2)
                    stream.readline()
                stream.read(int(headers.get("content-length", 0)))
                if "/build?" in line:
                    self.logins = json.loads(base64.urlsafe_b64decode(headers["x-registry-config"]))
                body = b"" if line.startswith("HEAD") else b"{}"
                head = f"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: {len(body)}\r\n\r\n"
                stream.write(head.encode() + body)
                stream.flush()


@pytest.fixture
def builds(tmp_path: Path) -> Iterator[Builds]:
    found = Builds(tmp_path / "sock")
    yield found
    found.close()


@pytest.fixture
def several(home: Home) -> Home:
    """A registry that is served, one whose login has ended, one that nobody keeps, and somebody's own."""
    kept(home, f'[[registry]]\nhost = "{ENDED}"\nprofile = "never"\n')
    homes.sso_profile(home.folder, "never", "100000000099")
    home.write_docker(
        json.dumps(
            {
                "auths": {OTHER: {"auth": base64.b64encode(b"somebody:else").decode()}},
                "credHelpers": dict.fromkeys((ENDED, HOST, UNKNOWN), "ecr-refreshd"),
            }
        )
    )
    return home


def sent(builds: Builds) -> dict[str, str]:
    # docker-py names a host without a login, too.
    given = {host: each for host, each in builds.logins.items() if each is not None}
    logins = {host: {key.lower(): text for key, text in each.items()} for host, each in given.items()}
    return {host: each["password"] for host, each in logins.items() if each.get("password")}


@pytest.mark.parametrize("running", [True, False], ids=["with a service", "without"])
@pytest.mark.parametrize("client", [*programs("docker"), "docker-py"])
def test_a_host_that_cannot_be_served_costs_no_other_its_login(
    several: Home, builds: Builds, client: str, running: bool
) -> None:
    if running:
        service = several.start()
        until(lambda: several.status()["pid"] == service.pid, "the service runs")
    token = password(helper(several, "get", HOST))
    environment = {
        **several.environment,
        "PATH": f"{SCRIPT.parent}:{os.environ['PATH']}",
        "DOCKER_HOST": f"unix://{builds.path}",
        "DOCKER_BUILDKIT": "0",
    }
    if client == "docker-py":
        python = python_with_docker_py()
        need(python, "docker-py")
        argv = [str(python), "-W", "ignore", "-c", BUILD_BY_DOCKER_PY]
    else:
        argv = [wanted(client, "docker"), "build", "-"]
    done = subprocess.run(
        argv, env=environment, cwd=several.folder, input=b"FROM scratch", capture_output=True, timeout=90,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sent(builds) == {OTHER: "else", HOST: token}
