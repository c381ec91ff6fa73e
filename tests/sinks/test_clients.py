"""Promise 5: the real docker and skopeo find our token in files that anybody could have written.

What docker sends is read from its own request, by a daemon that is only a socket.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from ecr_refreshd.core.dockerconfig import put_auths, read
from ecr_refreshd.core.secret import Secret
from tests.core.configs import AUTH, FORMS, HOST, Written, written
from tests.needs import need

SAMPLE = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Daemon(socketserver.ThreadingUnixStreamServer):
    """A dockerd that pulls nothing and keeps the credentials it was sent."""

    daemon_threads = True
    sent: list[dict[str, Any]]


class Request(BaseHTTPRequestHandler):
    server: Daemon

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        header = self.headers.get("X-Registry-Auth")
        if header is not None:
            self.server.sent.append(json.loads(base64.urlsafe_b64decode(header + "==")))
        self.answer()

    def answer(self) -> None:
        body = b"" if self.command == "HEAD" else b"{}"
        self.send_response(200)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(str(tmp_path / "sock"), Request) as server:
        server.sent = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def docker_sends(docker: str, daemon: Daemon, data: bytes, folder: Path) -> dict[str, Any]:
    """Let a docker client pull with this config; return the credentials in its request."""
    (folder / "docker").mkdir(exist_ok=True)
    (folder / "docker" / "config.json").write_bytes(data)
    environment = {
        "PATH": str(folder / "empty"),
        "HOME": str(folder),
        "DOCKER_CONFIG": str(folder / "docker"),
        "DOCKER_HOST": f"unix://{daemon.server_address}",
    }
    daemon.sent.clear()
    done = subprocess.run(
        [docker, "pull", f"{HOST}/node:18-slim"],
        env=environment,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert b"WARNING" not in done.stderr, done.stderr
    assert len(daemon.sent) == 1
    return daemon.sent[0]


def clean(data: bytes) -> None:
    """Leave out what makes docker look elsewhere, or decode entries at random (docker-config.md 6)."""
    routes = read(data, ()).routes
    assume(not routes.store and not routes.helpers.get(HOST))
    assume(b"!!!" not in put_auths(data, {form: Secret(AUTH) for form in FORMS[:1]}))


@pytest.mark.parametrize("docker", ["/usr/local/bin/docker", "/usr/bin/docker"])
def test_docker_sends_our_token_whatever_else_is_in_the_file(
    docker: str, daemon: Daemon, tmp_path: Path
) -> None:
    found = docker if os.access(docker, os.X_OK) else shutil.which("docker")
    need(found, "a docker client")
    assert found is not None

    @SAMPLE
    @given(written())
    def sends(config: Written) -> None:
        clean(config.data)
        sent = docker_sends(found, daemon, put_auths(config.data, {HOST: Secret(AUTH)}), tmp_path)
        assert (sent["username"], sent["password"]) == ("AWS", "new-password")
        assert not {"identitytoken", "registrytoken"} & sent.keys()

    sends()


@pytest.mark.parametrize(
    "form", [HOST, f"https://{HOST}", f"http://{HOST}/v1/", f"{HOST}/team", f"{HOST}:443", HOST.upper()]
)
def test_docker_finds_an_entry_exactly_where_we_say_that_it_does(
    form: str, daemon: Daemon, tmp_path: Path
) -> None:
    docker = shutil.which("docker")
    need(docker, "a docker client")
    assert docker is not None
    data = json.dumps({"auths": {form: {"auth": AUTH}}}).encode()
    sent = docker_sends(docker, daemon, data, tmp_path)
    assert (sent.get("username") == "AWS") == (read(data, [HOST]).entries[HOST].auth is not None)


def test_skopeo_finds_our_token_whatever_else_is_in_the_file(tmp_path: Path) -> None:
    skopeo = shutil.which("skopeo")
    need(skopeo, "skopeo")
    assert skopeo is not None
    path = tmp_path / "auth.json"

    @SAMPLE
    @given(written())
    def finds(config: Written) -> None:
        assume(HOST not in read(config.data, ()).routes.helpers)
        path.write_bytes(put_auths(config.data, {HOST: Secret(AUTH)}))
        argv = [skopeo, "login", "--get-login", "--authfile", str(path), HOST]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        assert done.stdout == "AWS\n", done.stderr

    finds()


@pytest.mark.parametrize(
    "content",
    [
        {"auths": {HOST: {"auth": AUTH}}},
        {"auths": {HOST: {"auth": AUTH}, "ghcr.io": {"auth": "eDp5"}, "a.example": {}}},
        {"psFormat": "{{.ID}}", "auths": {"z.example": {}, HOST: {"auth": AUTH}}, "HttpHeaders": {}},
        {
            "currentContext": "x",
            "plugins": {"b": {"k": "v"}, "a": {"k": "v"}},
            "auths": {HOST: {"auth": AUTH}},
        },
    ],
)
@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_a_logout_of_dockers_is_told_from_everything_else(
    content: dict[str, Any], indent: int | str | None, tmp_path: Path
) -> None:
    """DESIGN 6: our key vanished and the document is otherwise equal, whatever docker makes of its layout."""
    docker = shutil.which("docker")
    need(docker, "a docker client")
    assert docker is not None
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content, indent=indent))
    before = read(path.read_bytes(), [HOST])
    environment = {"PATH": str(tmp_path / "empty"), "HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
    subprocess.run([docker, "logout", HOST], env=environment, check=True, capture_output=True, timeout=30)
    after = read(path.read_bytes(), [HOST])
    assert after.entries[HOST].kind == "absent"
    assert after.rest == before.rest

    more = {**content, "auths": {**content["auths"], "another.example": {"auth": "eDp5"}}}
    path.write_text(json.dumps(more, indent=indent))
    assert read(path.read_bytes(), [HOST]).rest != before.rest
