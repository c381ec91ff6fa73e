"""The control socket: one JSON object on one line each way, between a command and the running service.

Rules: only this user and root are answered, by what the kernel says of the peer; a request and a connection
are bounded in size, time and number, so that nobody can hold up the others or the end of the service. Whoever
waits for a long answer has a thread of its own, so `status` is never behind it. Idle, the one thread sleeps.
Standard library only and little of it: `status` loads this on every prompt.
"""

from __future__ import annotations

import errno
import json
import os
import selectors
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ecr_refreshd.core.remedies import ours
from ecr_refreshd.errors import ControlError, NoServiceError, RefreshdError
from ecr_refreshd.host.places import private_folder
from ecr_refreshd.osutil import ownership

_LONGEST_PATH = 103
"""Bytes: `sun_path` has 104 on macOS and 108 on Linux, one of them for the end of the text."""
_LARGEST_REQUEST = 256 << 10
_LARGEST_ANSWER = 64 << 20
_PATIENCE = 5.0
"""Seconds a client has to send its request, and to take its answer."""
_MOST_CLIENTS = 64
_MORE = (
    "Its log may say why: ~/Library/Logs/ecr-refreshd.log"
    if sys.platform == "darwin"
    else "Its log may say why: journalctl --user -u ecr-refreshd"
)

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def ask(path: Path, request: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Ask the running service and return its answer.

    Args:
        path: the service's socket.
        request: a JSON object.
        timeout: seconds for the whole exchange.

    Raises:
        NoServiceError: nothing listens there.
        ControlError: the service refused, failed or did not answer in time.
    """
    end = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        _connect(client, path, timeout)
        if "supplied" in request:
            _see_who_gets_keys(client, path)
        try:
            with suppress(BrokenPipeError):  # who is refused is answered unheard
                client.sendall(json.dumps(request).encode() + b"\n")
            line = _read_line(client, end, _LARGEST_ANSWER)
        except TimeoutError as exc:
            raise ControlError(
                f"The service did not answer within {timeout:g} s; it may be busy or stopped.", hint=_MORE
            ) from exc
        except OSError as exc:
            raise ControlError(f"The service broke off the connection: {exc.strerror}", hint=_MORE) from exc
    return _understood(line)


def _connect(client: socket.socket, path: Path, timeout: float) -> None:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise NoServiceError(_too_long(path))
    client.settimeout(timeout)
    try:
        client.connect(os.fspath(path))
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as exc:
        raise NoServiceError("No ecr-refreshd service is running for this user.", hint=ours.RUN) from exc
    except PermissionError as exc:
        raise ControlError(f"{path}: this socket belongs to another user.") from exc
    except OSError as exc:
        reason = "too many others are asking" if exc.errno == errno.EAGAIN else exc.strerror or str(exc)
        raise ControlError(f"The service cannot be reached at {path}: {reason}", hint=_MORE) from exc


def _see_who_gets_keys(client: socket.socket, path: Path) -> None:
    """Raise ControlError if the service at the other end is another user's."""
    uid = _uid_of(client)
    if uid == os.geteuid():
        return
    try:
        # Imported only now: `status` loads this module on every prompt.
        import pwd  # noqa: PLC0415 - see above

        who = pwd.getpwuid(uid).pw_name
    except KeyError:
        who = f"user id {uid}"
    raise ControlError(f"{path}: this service belongs to {who}, so it is given no keys.")


def _understood(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError as exc:
        raise ControlError("The service ended before it had answered.", hint=_MORE) from exc
    if not isinstance(answer, dict):
        raise ControlError("The service answered something else than a JSON object.", hint=_MORE)
    if "refused" in answer:
        raise ControlError(str(answer["refused"]), hint=str(answer.get("hint", "")))
    return answer


def _read_line(connection: socket.socket, end: float, most: int) -> bytes:
    """Return what comes before the first newline, or before the other side ends; raises OSError."""
    received = bytearray()
    while b"\n" not in received:
        remaining = end - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        connection.settimeout(remaining)
        chunk = connection.recv(65536)
        if not chunk:
            break
        received += chunk
        if len(received) > most:
            raise OSError(errno.EMSGSIZE, f"more than {most} bytes")
    return bytes(received.partition(b"\n")[0])


class Server:
    """Answers on the control socket, each client in a thread of its own.

    `answer` gets the request and returns the answer, in any thread and several at a time; it may wait. The key
    ``refused`` is this module's own: `ask` raises its text as ControlError.
    """

    def __init__(self, path: Path, answer: Answer) -> None:
        self._path = path
        self._answer = answer
        self._lock = threading.Lock()
        self._clients: dict[socket.socket, threading.Thread] = {}
        self._listener: socket.socket | None = None
        self._inode = 0
        self._wake: socket.socket | None = None
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen from now on. The caller holds the instance lock, so a socket nobody listens on is stale.

        Raises:
            ControlError: another service listens there, or the socket cannot be made.
            ConfigError: the socket's folder is not private.
        """
        private_folder(self._path.parent)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bind(listener)
            listener.listen(_MOST_CLIENTS)
            listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            self._inode = self._path.stat().st_ino
            self._wake, asleep = socket.socketpair()
            selector = selectors.DefaultSelector()
            selector.register(listener, selectors.EVENT_READ)
            selector.register(asleep, selectors.EVENT_READ)
        except BaseException:
            listener.close()
            raise
        self._listener = listener
        self._thread = threading.Thread(
            target=self._serve, args=(listener, asleep, selector), name="control", daemon=True
        )
        self._thread.start()

    def _bind(self, listener: socket.socket) -> None:
        if len(os.fsencode(self._path)) > _LONGEST_PATH:
            raise ControlError(
                _too_long(self._path), hint="Set ECR_REFRESHD_STATE_DIR to a folder with a shorter path."
            )
        try:
            self._remove_stale()
            listener.bind(os.fspath(self._path))
            self._path.chmod(0o600)
            ownership.inherit(str(self._path), str(self._path.parent))
        except OSError as exc:
            raise ControlError(f"{self._path}: no control socket: {exc.strerror}") from exc

    def _remove_stale(self) -> None:
        try:
            found = self._path.lstat().st_mode
            if stat.S_ISLNK(found):  # the signpost of a service that had its socket elsewhere, and has ended
                self._path.unlink()
                return
            if not stat.S_ISSOCK(found):
                raise ControlError(f"{self._path}: is in the way of the control socket, and is none.")
        except FileNotFoundError:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            try:
                probe.connect(os.fspath(self._path))
            except (ConnectionRefusedError, FileNotFoundError):
                self._path.unlink(missing_ok=True)
                return
            except OSError as exc:
                if exc.errno != errno.EAGAIN:  # a full queue has somebody behind it
                    raise
        raise ControlError(
            f"{self._path}: another service, with another state folder, listens there.",
            hint="Give each service an XDG_RUNTIME_DIR of its own.",
        )

    def stop(self) -> None:
        """Stop at once: clients that wait are cut off, and the socket goes. Waits a second at most."""
        thread, self._thread = self._thread, None
        if thread is None or self._wake is None or self._listener is None:
            return
        end = time.monotonic() + 1
        self._ending.set()
        self._wake.close()
        thread.join(1)
        self._listener.close()
        with suppress(FileNotFoundError):  # removed by somebody else, or with its folder
            if self._path.lstat().st_ino == self._inode:
                self._path.unlink()
        with self._lock:
            clients = dict(self._clients)
        for client in clients:
            _hang_up(client)
        for worker in clients.values():
            worker.join(max(0.0, end - time.monotonic()))

    def _serve(
        self, listener: socket.socket, asleep: socket.socket, selector: selectors.DefaultSelector
    ) -> None:
        with asleep, selector:
            while not self._ending.is_set():
                selector.select()
                if self._ending.is_set():
                    return
                try:
                    client, _ = listener.accept()
                except BlockingIOError:
                    continue
                except OSError:
                    # Out of descriptors: the caller stays in the queue, and asking on would spin.
                    self._ending.wait(1)
                    continue
                self._admit(client)

    def _admit(self, client: socket.socket) -> None:
        client.settimeout(_PATIENCE)
        with self._lock:
            full = len(self._clients) >= _MOST_CLIENTS
            if not full:
                worker = threading.Thread(target=self._attend, args=(client,), name="client", daemon=True)
                self._clients[client] = worker
                try:
                    worker.start()
                except RuntimeError:  # the system gives us no more threads (RLIMIT_NPROC, TasksMax)
                    del self._clients[client]
                    full = True
        if full:
            client.settimeout(0)
            _send(
                client,
                {
                    "refused": "The service is busy with too many other commands.",
                    "hint": "Try again in a moment.",
                },
            )
            client.close()

    def _attend(self, client: socket.socket) -> None:
        try:
            answer = self._answer_to(client)
            if answer is not None:
                client.settimeout(_PATIENCE)
                _send(client, answer)
        finally:
            with self._lock:
                del self._clients[client]
            client.close()

    def _answer_to(self, client: socket.socket) -> dict[str, Any] | None:
        if _uid_of(client) not in {os.geteuid(), 0}:
            return {"refused": "This service belongs to another user."}
        try:
            line = _read_line(client, time.monotonic() + _PATIENCE, _LARGEST_REQUEST)
        except OSError as exc:
            if exc.errno == errno.EMSGSIZE:
                return {"refused": f"A request is larger than {_LARGEST_REQUEST} bytes."}
            return None
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            return {"refused": "A request is one JSON object on one line."}
        try:
            return self._answer(request)
        except RefreshdError as error:
            return {"refused": error.message, "hint": error.hint}
        except Exception as error:  # noqa: BLE001 - a bug in one answer must not end the service
            return {"refused": f"An unforeseen error in the service ({type(error).__name__})."}


def _send(client: socket.socket, answer: dict[str, Any]) -> None:
    with suppress(OSError):  # the client has gone, or takes nothing; there is nobody to tell
        client.sendall(json.dumps(answer).encode() + b"\n")


def _hang_up(client: socket.socket) -> None:
    with suppress(OSError):  # it has gone already
        client.shutdown(socket.SHUT_RDWR)


def _uid_of(client: socket.socket) -> int:
    """Return the user at the other end, as the kernel knows them."""
    if (
        sys.platform == "darwin"
    ):  # never run on a Mac: <sys/ucred.h>, SOL_LOCAL 0, LOCAL_PEERCRED 1, struct xucred
        _, uid = struct.unpack_from("=II", client.getsockopt(0, 1, 76))
        return int(uid)
    _, uid, _ = struct.unpack("=iII", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


def _too_long(path: Path) -> str:
    return (
        f"The path of the control socket has {len(os.fsencode(path))} bytes, and {_LONGEST_PATH} is the most"
        f" that every system takes: {path}"
    )
