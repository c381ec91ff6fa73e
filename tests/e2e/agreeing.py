"""Real clients in files as anybody could have left them, and what they really send: read from their own requests.

Docker speaks to a socket that plays dockerd; the others reach the registry's real name through a proxy that ends
TLS itself and asks for a password as ECR does. A home is built anew for each state; nothing outside it is read.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecr_refreshd.core.clients.world import Outcome
from ecr_refreshd.core.model import fingerprint
from tests.world.certificates import self_signed

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
OTHER = "registry.example.com"
NOTHING = "nothing"
FAILS = "fails"


def auth(password: str, user: str = "AWS") -> str:
    """The text for an ``auth`` field."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def entry(password: str, user: str = "AWS") -> dict[str, str]:
    """An entry with a password of its own, so that one sees which one was sent."""
    return {"auth": auth(password, user)}


def answers(password: str, user: str = "AWS") -> tuple[str, int]:
    """What a helper says that knows the host."""
    return json.dumps({"ServerURL": HOST, "Username": user, "Secret": password}), 0


KNOWS_NOTHING = ("credentials not found in native keychain", 1)
IS_BROKEN = ("the vault burns", 1)
ANSWERS_EMPTY = ('{"ServerURL":"","Username":"","Secret":""}', 0)


@dataclass(frozen=True)
class State:
    """A state of the files.

    Attributes:
        config: ``~/.docker/config.json``: an object, or bytes as they are; None for no such file.
        files: others by their path in the home.
        env: variables; ``{home}`` stands for the home.
        helpers: suffix -> what this helper prints, and its exit code.
        programs: others that are on PATH.
    """

    name: str
    config: dict[str, Any] | bytes | None = None
    files: dict[str, dict[str, Any] | bytes] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    helpers: dict[str, tuple[str, int]] = field(default_factory=dict)
    programs: tuple[str, ...] = ()

    def build(self, home: Path) -> dict[str, str]:
        """Lay it out in an empty folder; return the environment of a client there."""
        files = dict(self.files)
        if self.config is not None:
            files[".docker/config.json"] = self.config
        for name, content in files.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        programs = home / "bin"
        programs.mkdir()
        (home / "run").mkdir(exist_ok=True)
        for suffix, (said, code) in self.helpers.items():
            text = f"#!/bin/sh\nread -r _\nprintf '%s\\n' '{said}'\nexit {code}\n"
            _program(programs / f"docker-credential-{suffix}", text)
        for name in self.programs:
            _program(programs / name, "#!/bin/sh\n")
        # The runtime folder of the account that runs the tests is nobody's business here.
        environment = {"HOME": str(home), "PATH": str(programs), "XDG_RUNTIME_DIR": str(home / "run")}
        for name, value in self.env.items():
            environment[name] = value.replace("{home}", str(home))
        return environment


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def sent(user: str, password: str) -> str:
    """How a login is written down here."""
    return fingerprint(auth(password, user)) if user or password else NOTHING


def promised(outcome: Outcome) -> str:
    """What an explanation says will be sent, in the same words."""
    if outcome.error:
        return FAILS
    given = outcome.credential
    if given is None:
        return NOTHING
    words = [given.fingerprint] if given.fingerprint else []
    words += ["identity"] if given.identity else []
    words += ["bearer"] if given.bearer else []
    return " ".join(words)


class DockerSocket:
    """Plays dockerd on a unix socket, and keeps what each pull would have logged in with."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: list[str] = []
        self._server = _Serving(socket.AF_UNIX, str(path), self._serve)

    def close(self) -> None:
        self._server.close()

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rwb") as stream:
            while (request := _request(stream)) is not None:
                line, headers = request
                if "/images/create" in line:
                    self.seen.append(_docker_words(headers.get("x-registry-auth", "")))
                body = b"" if line.startswith("HEAD") else b"{}"
                head = f"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: {len(body)}\r\n\r\n"
                stream.write(head.encode() + body)
                stream.flush()


def _docker_words(header: str) -> str:
    given = json.loads(base64.urlsafe_b64decode(header + "==")) if header else {}
    given = {name.lower(): value for name, value in given.items()}
    login = sent(given.get("username", ""), given.get("password", ""))
    words = [] if login == NOTHING else [login]
    words += [word for word in ("identity", "registry") if given.get(f"{word}token")]
    return " ".join(words).replace("registry", "bearer") or NOTHING


class Proxy:
    """A proxy behind whose every name stands a registry that wants a password; keeps what it was given."""

    def __init__(self, folder: Path) -> None:
        certificate, key = self_signed(folder, [HOST])
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        self.seen: list[str] = []
        self._server = _Serving(socket.AF_INET, ("127.0.0.1", 0), self._serve)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def close(self) -> None:
        self._server.close()

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rwb") as stream:
            request = _request(stream)
            if request is None or not request[0].startswith(f"CONNECT {HOST}:443 "):
                return
            stream.write(b"HTTP/1.1 200 OK\r\n\r\n")
            stream.flush()
        with self._tls.wrap_socket(connection, server_side=True) as inner, inner.makefile("rwb") as stream:
            while (request := _request(stream)) is not None:
                header = request[1].get("authorization")
                self.seen.append(_registry_words(header or ""))
                challenge = f'WWW-Authenticate: Basic realm="https://{HOST}/",service="ecr.amazonaws.com"\r\n'
                status = "401 Unauthorized" if header is None else "403 Forbidden"
                stream.write(f"HTTP/1.1 {status}\r\n{challenge}Content-Length: 0\r\n\r\n".encode())
                stream.flush()


def _registry_words(header: str) -> str:
    scheme, _, text = header.partition(" ")
    if scheme.lower() == "bearer":
        return "bearer"
    user, _, password = base64.b64decode(text).decode().partition(":")
    return sent(user, password)


class _Serving:
    """Gives each connection to a function on a thread of its own; `close` ends them all."""

    def __init__(self, family: int, address: Any, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.bind(address)
        self._listener.listen()
        self.port = self._listener.getsockname()[1] if family == socket.AF_INET else 0
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(5)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                thread = threading.Thread(target=self._one, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _one(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection:
            connection.settimeout(10)
            self._serve(connection)


def _request(stream: Any) -> tuple[str, dict[str, str]] | None:
    line = stream.readline().decode("latin-1").strip()
    if not line:
        return None
    headers: dict[str, str] = {}
    while header := stream.readline().decode("latin-1").strip():
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    stream.read(int(headers.get("content-length", 0)))
    return line, headers


Client = Callable[[Mapping[str, str]], str]


def docker_client(program: str, daemon: DockerSocket, *command: str) -> Client:
    """A docker client that pulls, or does what else pulls; what it sent, or that it gave up before."""

    def pull(environment: Mapping[str, str]) -> str:
        daemon.seen.clear()
        argv = [program, *(command or ("pull",)), f"{HOST}/node:18"]
        _run(argv, {**environment, "DOCKER_HOST": f"unix://{daemon.path}"})
        assert len(daemon.seen) <= 1, daemon.seen
        return daemon.seen[0] if daemon.seen else FAILS

    return pull


def registry_client(argv: list[str], proxy: Proxy, has_none: bytes = b"") -> Client:
    """A client that speaks with the registry itself: the best it offered, or that it never came so far.

    `has_none`: what one says that knocks before it looks for a credential, when it has found none.
    """

    def ask(environment: Mapping[str, str]) -> str:
        proxy.seen.clear()
        said = _run(argv, {**environment, "HTTPS_PROXY": proxy.url}).stderr
        # pytest shows it beside a disagreement: without it, trouble of another kind looks like one.
        sys.stderr.write(said.decode(errors="replace"))
        offered = [each for each in proxy.seen if each != NOTHING]
        return offered[-1] if offered else NOTHING if proxy.seen and has_none in said else FAILS

    return ask


def _run(argv: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    # Its helpers are found on the PATH of the state; the program itself by its full name.
    return subprocess.run(
        argv, env=dict(environment), cwd=environment["HOME"], capture_output=True, timeout=30, check=False
    )


_DOCKER_PY = """
import json, os, sys
from docker import auth
for line in sys.stdin:
    request = json.loads(line)
    os.environ.clear()
    os.environ.update(request["env"])
    try:
        config = auth.load_config()
        found = auth.resolve_authconfig(config, request["host"]) or {}
        found = {name.lower(): value for name, value in found.items()}
    except Exception as error:
        found = {"error": repr(error)}
    print(json.dumps(found), flush=True)
"""


@contextmanager
def docker_py(python: str) -> Iterator[Client]:
    """docker-py in one process for all states: its import takes longer than everything else."""
    argv = [python, "-W", "ignore", "-c", _DOCKER_PY]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        stdin, stdout = child.stdin, child.stdout

        def ask(environment: Mapping[str, str]) -> str:
            stdin.write(json.dumps({"env": dict(environment), "host": HOST}) + "\n")
            stdin.flush()
            found = json.loads(stdout.readline())
            if "error" in found:
                return FAILS
            if "identitytoken" in found:
                return "identity"
            return sent(found.get("username", ""), found.get("password", ""))

        yield ask
        stdin.close()


def python_with_docker_py() -> str | None:
    """An interpreter that has docker-py: this one, or the one that a variable names."""
    named = os.environ.get("ECR_REFRESHD_TEST_DOCKERPY")
    for python in (sys.executable, named):
        if (
            python
            and subprocess.run([python, "-c", "import docker"], capture_output=True, check=False).returncode
            == 0
        ):
            return python
    return None


def docker_programs() -> list[str]:
    """Every docker client of this machine, whatever its version."""
    found = [shutil.which("docker"), "/usr/local/bin/docker", "/usr/bin/docker"]
    return list(dict.fromkeys(os.path.realpath(each) for each in found if each and os.access(each, os.X_OK)))
