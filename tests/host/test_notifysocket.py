"""What systemd hears, at a real datagram socket."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecr_refreshd.host.notifysocket import NotifySocket


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(10)
        yield one


def test_a_state_arrives(systemd: socket.socket) -> None:
    notify = NotifySocket({"NOTIFY_SOCKET": systemd.getsockname()})
    notify.tell("READY=1\nSTATUS=3 registries, next renewal 14:05")
    assert systemd.recv(4096) == b"READY=1\nSTATUS=3 registries, next renewal 14:05"


def test_a_reload_carries_the_time_it_began(systemd: socket.socket) -> None:
    """Without MONOTONIC_USEC a reload under Type=notify-reload hangs (reliability.md 5.1)."""
    before = time.monotonic_ns() // 1000
    NotifySocket({"NOTIFY_SOCKET": systemd.getsockname()}).tell("RELOADING=1")
    first, second = systemd.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    name, _, stamp = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(stamp) <= time.monotonic_ns() // 1000


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")
def test_an_abstract_socket_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(b"\0ecr-refreshd-test-%d" % time.monotonic_ns())
        systemd.settimeout(10)
        name = systemd.getsockname()[1:].decode()
        NotifySocket({"NOTIFY_SOCKET": f"@{name}"}).tell("WATCHDOG=1")
        assert systemd.recv(4096) == b"WATCHDOG=1"


def test_no_child_inherits_the_way_to_systemd() -> None:
    environ = {"NOTIFY_SOCKET": "/run/nothing", "PATH": "/bin"}
    NotifySocket(environ)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_socket_nothing_happens(environ: dict[str, str]) -> None:
    NotifySocket(environ).tell("READY=1")


def test_a_dead_or_full_socket_disturbs_nobody(systemd: socket.socket, tmp_path: Path) -> None:
    NotifySocket({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")
    notify = NotifySocket({"NOTIFY_SOCKET": systemd.getsockname()})
    for _ in range(5000):
        notify.tell("WATCHDOG=1")
