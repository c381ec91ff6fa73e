"""What listens to the clients, and keeps what each of them really sent.

Docker speaks to a socket that plays dockerd; the others reach the registry's real name through a proxy that ends
TLS itself and asks for a password as ECR does.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.e2e.states import HOST, NOTHING, sent
from tests.world.certificates import self_signed


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
                    self.seen.append(docker_words(_decoded(headers.get("x-registry-auth", ""))))
                body = b"" if line.startswith("HEAD") else b"{}"
                head = f"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: {len(body)}\r\n\r\n"
                stream.write(head.encode() + body)
                stream.flush()


def _decoded(header: str) -> dict[str, str]:
    return json.loads(base64.urlsafe_b64decode(header + "==")) if header else {}


def docker_words(given: Mapping[str, str]) -> str:
    """Return how one of docker's logins is written down here."""
    given = {name.lower(): value for name, value in given.items()}
    login = sent(given.get("username", ""), given.get("password", ""))
    words = [] if login == NOTHING else [login]
    words += [word for word in ("identity", "registry") if given.get(f"{word}token")]
    return " ".join(words).replace("registry", "bearer") or NOTHING


class Proxy:
    """A proxy behind whose every name stands a registry that wants a password; keeps what it was given."""

    def __init__(self, folder: Path) -> None:
        self.certificate, key = self_signed(folder, [HOST])
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self.certificate, key)
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
