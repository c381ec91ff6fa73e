"""The control socket, with real sockets, real second processes and clients that mean no good."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.errors import ConfigError, ControlError, NoServiceError, UsageError
from ecr_refreshd.host import control
from ecr_refreshd.host.control import Server, ask
from tests.needs import need


def echo(request: dict[str, Any]) -> dict[str, Any]:
    return {"echo": request}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ecr-refreshd" / "sock"


@pytest.fixture
def serve(path: Path) -> Iterator[Callable[..., Server]]:
    before = set(threading.enumerate())
    servers: list[Server] = []

    def start(answer: control.Answer = echo, at: Path = path) -> Server:
        servers.append(Server(at, answer))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
    assert soon(lambda: set(threading.enumerate()) <= before)
    assert not path.exists()


def client(path: Path) -> socket.socket:
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.settimeout(10)
    one.connect(str(path))
    return one


def soon(what: Callable[[], bool]) -> bool:
    for _ in range(1000):
        if what():
            return True
        time.sleep(0.01)
    return False


def test_a_question_is_answered(serve: Callable[..., Server], path: Path) -> None:
    serve()
    assert ask(path, {"op": "status", "text": "zwölf\n"}, 5) == {"echo": {"op": "status", "text": "zwölf\n"}}
    assert ask(path, {}, 5) == {"echo": {}}


def test_an_answer_may_be_large(serve: Callable[..., Server], path: Path) -> None:
    """A thousand registries are a megabyte of status."""
    whole = {"registries": ["x" * 1000] * 3000}
    serve(lambda request: whole)
    assert ask(path, {}, 20) == whole


def test_an_error_of_the_answers_own_is_an_answer(serve: Callable[..., Server], path: Path) -> None:
    serve(lambda request: {"error": "unknown-host", "hosts": ["a"]})
    assert ask(path, {}, 5)["error"] == "unknown-host"


def test_folder_and_socket_are_private(serve: Callable[..., Server], path: Path) -> None:
    serve()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_write_is_refused(serve: Callable[..., Server], path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with pytest.raises(ConfigError):
        serve()


# -- nobody there -----------------------------------------------------------------------------------------------


def test_no_socket_is_no_service(path: Path) -> None:
    with pytest.raises(NoServiceError) as caught:
        ask(path, {}, 5)
    assert caught.value.exit_code == 5
    with pytest.raises(NoServiceError):
        ask(path / "below" / "a-file", {}, 5)


def test_a_stale_socket_is_no_service_and_is_replaced(serve: Callable[..., Server], path: Path) -> None:
    """A service that was killed leaves its socket behind."""
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    with pytest.raises(NoServiceError):
        ask(path, {}, 5)
    serve()
    assert ask(path, {}, 5) == {"echo": {}}


def test_a_socket_somebody_listens_on_is_not_stolen(serve: Callable[..., Server], path: Path) -> None:
    """Two services with two state folders but one XDG_RUNTIME_DIR hold two instance locks."""
    serve(lambda request: {"who": "first"})
    with pytest.raises(ControlError, match="another service"):
        serve(lambda request: {"who": "second"})
    assert ask(path, {}, 5) == {"who": "first"}


def test_a_file_in_the_way_is_not_removed(serve: Callable[..., Server], path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_text("mine")
    with pytest.raises(ControlError, match="in the way"):
        serve()
    assert path.read_text() == "mine"
    path.unlink()


def test_a_socket_of_the_next_service_is_not_removed(serve: Callable[..., Server], path: Path) -> None:
    server = serve()
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        server.stop()
        assert path.exists()
    path.unlink()


def test_a_path_too_long_for_a_socket_is_told(serve: Callable[..., Server], tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100) / "sock"
    with pytest.raises(ControlError, match="103 is the most") as caught:
        serve(at=long)
    assert "ECR_REFRESHD_STATE_DIR" in caught.value.hint
    with pytest.raises(NoServiceError, match="103 is the most"):
        ask(long, {}, 5)


# -- other users ------------------------------------------------------------------------------------------------


def test_the_kernel_says_who_asks(path: Path, serve: Callable[..., Server]) -> None:
    serve()
    with client(path) as one:
        assert control._uid_of(one) == os.geteuid()


ASK_AS = """
import os, sys
from pathlib import Path
from ecr_refreshd.host.control import ask
os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
try:
    print(ask(Path(sys.argv[1]), {}, 5))
except Exception as error:
    print(type(error).__name__, error)
"""


def ask_as(uid: int, path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ASK_AS, str(path), str(uid)], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_another_user_is_refused_by_the_folder_and_by_the_peer(
    path: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    need(os.geteuid() == 0, "only root can become another user")
    serve()
    assert "ControlError" in ask_as(65534, path)
    for folder in (path.parent, *path.parent.parents):
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(0o711)
    path.chmod(0o666)
    assert "belongs to another user" in ask_as(65534, path)
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert "echo" in ask_as(65534, path), "the owner is answered"
    assert "echo" in ask_as(0, path), "so is root"


def test_a_refusal_arrives_although_nobody_reads_the_question(tmp_path: Path) -> None:
    """Who is refused is answered unheard: the question may meet a closed door, with the answer behind it."""
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def refuse() -> None:
            one, _ = listener.accept()
            one.sendall(b'{"refused": "not you"}\n')
            one.close()

        for _ in range(50):
            door = threading.Thread(target=refuse)
            door.start()
            with pytest.raises(ControlError, match="not you"):
                ask(path, {"long": "x" * 4_000_000}, 10)
            door.join(10)


# -- clients that mean no good ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", [b"\n", b"[]\n", b"nonsense\n", b"\xff\xfe\n", b"[" * 20000 + b"\n", b'"x"\n']
)
def test_nonsense_is_refused(path: Path, serve: Callable[..., Server], line: bytes) -> None:
    serve()
    with client(path) as one:
        one.sendall(line)
        assert "one JSON object" in json.loads(one.makefile().readline())["refused"]
    assert ask(path, {}, 5) == {"echo": {}}


def test_a_request_without_an_end_is_bounded(path: Path, serve: Callable[..., Server]) -> None:
    serve()
    with client(path) as one, pytest.raises(OSError):  # noqa: PT012 - one of a thousand sends
        for _ in range(1000):
            one.sendall(b"x" * 65536)
    assert ask(path, {}, 5) == {"echo": {}}


def test_silent_and_slow_clients_hold_nobody_up(
    path: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the others, nor the end; and they are shown the door, however they drip."""
    monkeypatch.setattr(control, "_PATIENCE", 0.3)
    serve()
    silent, slow = client(path), client(path)
    assert ask(path, {}, 5) == {"echo": {}}
    with pytest.raises(OSError):  # noqa: PT012 - one of a thousand sends
        for _ in range(1000):
            slow.send(b"{")
            time.sleep(0.01)
    assert silent.recv(1) == b""
    silent.close()
    slow.close()


def test_a_client_that_takes_no_answer_is_left(
    path: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_PATIENCE", 0.3)
    server = serve(lambda request: {"big": "x" * (8 << 20)})
    with client(path) as one:
        one.sendall(b"{}\n")
        assert soon(lambda: len(server._clients) == 1)
        assert soon(lambda: not server._clients)


def test_a_client_that_hangs_up_is_no_matter(path: Path, serve: Callable[..., Server]) -> None:
    serve()
    for _ in range(20):
        with client(path) as one:
            one.sendall(b'{"op"')
    assert ask(path, {}, 5) == {"echo": {}}


def test_too_many_clients_are_told_so_and_then_served_again(path: Path, serve: Callable[..., Server]) -> None:
    server = serve()
    crowd = [client(path) for _ in range(control._MOST_CLIENTS)]
    assert soon(lambda: len(server._clients) == control._MOST_CLIENTS)
    with pytest.raises(ControlError, match="busy"):
        ask(path, {}, 5)
    for one in crowd:
        one.close()
    assert soon(lambda: not server._clients)
    assert ask(path, {}, 5) == {"echo": {}}


def test_running_out_of_descriptors_ends_nothing(path: Path, serve: Callable[..., Server]) -> None:
    """`accept` fails then while the listener stays readable: no spin, no end."""
    server = serve()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    spare = os.open("/dev/null", os.O_RDONLY)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, limits[1]))
    try:
        one.connect(str(path))
        time.sleep(0.2)
        assert server._thread is not None
        assert server._thread.is_alive()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    one.sendall(b"{}\n")
    one.settimeout(10)
    assert one.makefile().readline() == '{"echo": {}}\n'
    one.close()


# -- answers that take long, or fail -----------------------------------------------------------------------------


def test_status_is_not_behind_a_refresh(path: Path, serve: Callable[..., Server]) -> None:
    done = threading.Event()
    serve(lambda request: {"refreshed": done.wait(20)} if request["op"] == "refresh" else {"status": 1})
    answers: list[dict[str, Any]] = []
    waiter = threading.Thread(target=lambda: answers.append(ask(path, {"op": "refresh"}, 20)))
    waiter.start()
    for _ in range(5):
        assert ask(path, {"op": "status"}, 5) == {"status": 1}
    assert not answers
    done.set()
    waiter.join(20)
    assert answers == [{"refreshed": True}]


def test_a_client_does_not_wait_longer_than_it_said(path: Path, serve: Callable[..., Server]) -> None:
    done = threading.Event()
    serve(lambda request: {"late": done.wait(20)})
    with pytest.raises(ControlError, match=r"within 0\.2 s"):
        ask(path, {}, 0.2)
    done.set()


def test_the_end_cuts_off_who_waits(path: Path, serve: Callable[..., Server]) -> None:
    done = threading.Event()
    server = serve(lambda request: {"late": done.wait(20)})
    failures: list[ControlError] = []

    def wait() -> None:
        with pytest.raises(ControlError) as caught:
            ask(path, {}, 20)
        failures.append(caught.value)

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert soon(lambda: len(server._clients) == 1)
    ending = threading.Thread(target=server.stop)
    ending.start()
    waiter.join(20)
    assert "ended" in failures[0].message
    done.set()
    ending.join(20)
    with pytest.raises(NoServiceError):
        ask(path, {}, 5)


def test_errors_for_people_arrive_as_such(path: Path, serve: Callable[..., Server]) -> None:
    def refuse(request: dict[str, Any]) -> dict[str, Any]:
        raise UsageError("no such host", hint="ecr-refreshd status")

    serve(refuse)
    with pytest.raises(ControlError, match="no such host") as caught:
        ask(path, {}, 5)
    assert caught.value.hint == "ecr-refreshd status"


def test_a_bug_in_an_answer_ends_nothing_and_tells_no_text(path: Path, serve: Callable[..., Server]) -> None:
    """The text of an exception nobody foresaw may quote a secret."""

    def fail(request: dict[str, Any]) -> dict[str, Any]:
        raise ValueError("canary-secret")

    serve(fail)
    for _ in range(3):
        with pytest.raises(ControlError, match="ValueError") as caught:
            ask(path, {}, 5)
        assert "canary" not in caught.value.message


def test_it_can_be_stopped_twice_and_before_it_began(path: Path) -> None:
    server = Server(path, echo)
    server.stop()
    server.start()
    server.stop()
    server.stop()


def test_it_sleeps_while_nobody_asks(path: Path, serve: Callable[..., Server]) -> None:
    if sys.platform == "darwin":
        pytest.skip("macOS does not count the switches of a thread")
    server = serve()
    ask(path, {}, 5)
    assert soon(lambda: not server._clients)
    assert server._thread is not None
    status = Path(f"/proc/self/task/{server._thread.native_id}/status")
    time.sleep(0.1)
    before = [line for line in status.read_text().splitlines() if "ctxt" in line]
    time.sleep(1)
    assert [line for line in status.read_text().splitlines() if "ctxt" in line] == before


def test_it_loads_nothing_heavy() -> None:
    """`status` runs in prompts: what it imports is what it costs."""
    code = (
        "import sys, ecr_refreshd.host.control\n"
        "heavy = {'boto3', 'botocore', 'apscheduler', 'watchdog', 'structlog', 'asyncio', 'logging'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_system_without_threads_to_spare_costs_one_answer(serve: Callable[..., Server], path: Path) -> None:
    """TasksMax of the unit, or a user's process limit: the next command is answered again."""
    serve()
    before = threading.stack_size(1 << 46)  # more than there is of address space, so none can be started
    try:
        with pytest.raises(ControlError, match="too many"):
            ask(path, {"op": "status"}, 10)
    finally:
        threading.stack_size(before)

    assert ask(path, {"op": "status"}, 10) == {"echo": {"op": "status"}}


def test_keys_go_to_no_service_of_another_user(
    serve: Callable[..., Server], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever listens there, by what the kernel says: nothing is sent before that is known."""
    asked: list[dict[str, Any]] = []
    serve(lambda request: asked.append(request) or {})
    assert ask(path, {"supplied": {"corp": "keys"}}, 10) == {}
    monkeypatch.setattr(control, "_uid_of", lambda _socket: 65534)
    with pytest.raises(ControlError, match="belongs to nobody"):
        ask(path, {"supplied": {"corp": "keys"}}, 10)
    assert len(asked) == 1
