"""A small threaded HTTP server on loopback: one function from request to answer, ended within a second.

Rules: head and body leave in one write (two cost 40 ms a call: Nagle waits for the delayed ACK); every
connection is known and shut down at the end, so that no thread outlives the server, whatever hangs.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

LIMIT = 64 * 1024 * 1024
"""The largest body taken, in bytes."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent: `path` without its query, header names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def host(self) -> str:
        """The Host header, as sent."""
        return self.headers.get("host", "")

    def form(self) -> dict[str, str]:
        """The body, read as an HTML form (how STS is spoken to)."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    def json(self) -> dict[str, Any]:
        """The body, read as a JSON object; an empty body is an empty object."""
        return dict(json.loads(self.body or b"{}"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. `date` is the Date header in seconds since 1970, None for none at all."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    date: float | None = None
    length: int | None = None

    def head(self, *, keep: bool) -> bytes:
        """The status line and headers; `length` overrides the body's own (the answer to a HEAD)."""
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.date is not None:
            lines.append(f"Date: {formatdate(self.date, usegmt=True)}")
        lines.append(f"Content-Length: {len(self.body) if self.length is None else self.length}")
        lines.append(f"Connection: {'keep-alive' if keep else 'close'}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class HangUp(Exception):  # noqa: N818 - it is what the server does, not what went wrong
    """Raised by an answering function to close the connection without a word."""


def as_json(
    document: Any, status: int = 200, *, content_type: str = "application/json", **headers: str
) -> Answer:
    """An answer with a JSON body; underscores in header names stand for hyphens."""
    named = {"Content-Type": content_type} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return Answer(status, json.dumps(document).encode(), named)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


class Loopback:
    """Serves ``respond(request) -> Answer`` on 127.0.0.1 until `close`; a context manager.

    Args:
        respond: called in the connection's own thread; may raise `HangUp`.
        port: 0 takes a free one.
        tls: a server-side context for HTTPS.
        tunnel: a server-side context for what comes through CONNECT: whatever the name, it ends here.
    """

    def __init__(
        self,
        respond: Callable[[Request], Answer],
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        tunnel: ssl.SSLContext | None = None,
    ) -> None:
        self.stopping = threading.Event()
        self.tls = tls is not None
        self._server = _Server(("127.0.0.1", port), respond, tls, tunnel)
        self.port: int = self._server.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name=f"loopback:{self.port}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening, shut every connection, wait (at most 5 s a thread) for its thread to end."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self._server.shutdown()
        self._thread.join(5)
        self._server.hang_up()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self,
        address: tuple[str, int],
        respond: Callable[[Request], Answer],
        tls: ssl.SSLContext | None,
        tunnel: ssl.SSLContext | None,
    ) -> None:
        self.respond = respond
        self.tunnel = tunnel
        self._tls = tls
        self._open: dict[socket.socket, threading.Thread] = {}
        self._guard = threading.Lock()
        super().__init__(address, _Connection)

    def server_bind(self) -> None:
        # HTTPServer's own looks the address up by name, which takes seconds where DNS is dead.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            # The handshake waits for the connection's own thread: a client that never speaks stops nobody.
            request = self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        with self._guard:
            self._open[request] = thread
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except (OSError, ValueError):
            pass  # the client went away, or does not trust the certificate: its own log says so
        finally:
            self.leave(request)

    def leave(self, connection: socket.socket) -> None:
        """Close a connection and forget it."""
        with self._guard:
            self._open.pop(connection, None)
        self.shutdown_request(connection)

    def change(self, plain: socket.socket, wrapped: socket.socket) -> None:
        """Remember a connection by the socket it has become."""
        with self._guard:
            self._open[wrapped] = self._open.pop(plain)

    def hang_up(self) -> None:
        with self._guard:
            still_open = dict(self._open)
        for connection, thread in still_open.items():
            with suppress(OSError):
                # The plain socket's shutdown: a TLS farewell would wait for the other side's.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            thread.join(5)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that vanished is no news."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    _tunnel: ssl.SSLSocket | None = None

    def __getattr__(self, name: str) -> Any:
        # Every method is answered alike; the parent looks for do_GET, do_PUT and so on.
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _connect(self, tunnel: ssl.SSLContext) -> None:
        """Open a tunnel to ourselves: go on with the same connection, inside TLS."""
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self._tunnel = tunnel.wrap_socket(self.connection, server_side=True, do_handshake_on_connect=False)
        self.server.change(self.connection, self._tunnel)
        self.connection = self.request = self._tunnel
        self.setup()
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        if self._tunnel is not None:
            self.server.leave(self._tunnel)

    def _answer(self) -> None:
        if self.command == "CONNECT" and self.server.tunnel is not None:
            self._connect(self.server.tunnel)
            return
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers=self._joined_headers(),
            body=self._body(),
        )
        try:
            answer = self.server.respond(request)
        except HangUp:
            self.close_connection = True
            return
        body = b"" if request.method == "HEAD" else answer.body
        self.wfile.write(answer.head(keep=not self.close_connection) + body)

    def _joined_headers(self) -> dict[str, str]:
        # Docker names each media type in an Accept header of its own; together they are one list (RFC 9110).
        joined: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            joined[key] = f"{joined[key]}, {value}" if key in joined else value
        return joined

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        length = min(int(self.headers.get("Content-Length") or 0), LIMIT)
        return self.rfile.read(length) if length else b""

    def _chunks(self) -> bytes:
        pieces: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Keep quiet: the fakes keep logs of their own."""
