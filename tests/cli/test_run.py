"""`run` as a person meets it: its first and last line, its log, and what it says to the service manager."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ecr_refreshd import __version__
from tests.cli.documents import WEST
from tests.cli.running import House
from tests.cli.terminal import Terminal
from tests.world import homes
from tests.world.aws import FakeAws

ACCOUNT = "724013829182"
SIGN_IN = "aws sso login --sso-session corp"


@pytest.fixture(scope="module")
def aws() -> Iterator[FakeAws]:
    with FakeAws() as fake:
        yield fake


@pytest.fixture
def keyed(house: House, aws: FakeAws) -> dict[str, str]:
    """A home with a dead token and a profile with keys; returns its environment."""
    homes.static_keys(
        house.folder, "dev", "AKIAFIRSTLINEFIRSTLN", aws=aws, account=ACCOUNT, region="us-west-2"
    )
    leave_a_dead_token(house.folder, aws)
    house.write_config(f'[[registry]]\nhost = "{WEST}"\nprofile = "dev"\n')
    return environment(house, aws)


@pytest.fixture
def signed_out(house: House, aws: FakeAws) -> dict[str, str]:
    """A home with a dead token and an SSO profile without a login; returns its environment."""
    homes.sso_profile(house.folder, "dev", ACCOUNT)
    leave_a_dead_token(house.folder, aws)
    return environment(house, aws)


def leave_a_dead_token(home: Path, aws: FakeAws) -> None:
    dead = aws.issue("ecr", "us-west-2", ACCOUNT, ttl=-60)["auth"]
    (home / ".docker").mkdir()
    path = home / ".docker/config.json"
    path.write_text(json.dumps({"auths": {WEST: {"auth": dead}}}))
    path.chmod(0o600)


def environment(house: House, aws: FakeAws) -> dict[str, str]:
    names = aws.environment(house.folder)
    return {name: names[name] for name in names if name.startswith("AWS_")}


def statuses(house: House, environ: dict[str, str], until: str) -> list[str]:
    """Run the service until its status has this in it; return every status that the service manager got."""
    seen: list[str] = []
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        address = str(house.folder / "notify")
        manager.bind(address)
        manager.settimeout(1)
        service = house.start("run", environ={**environ, "NOTIFY_SOCKET": address}, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 40
        while not any(until in each for each in seen):
            assert time.monotonic() < end, seen
            seen += received(manager)
        service.send_signal(signal.SIGTERM)
        assert service.wait(20) == 0
        while more := received(manager):
            seen += more
    return seen


def received(manager: socket.socket) -> list[str]:
    try:
        text = manager.recv(4096).decode()
    except TimeoutError:
        return []
    return [line for line in text.splitlines() if line != "WATCHDOG=1"] or [""]


def test_systemd_is_told_what_is_fresh_and_what_comes_next(house: House, keyed: dict[str, str]) -> None:
    """`systemctl --user status` has a line for people."""
    seen = statuses(house, keyed, "1 fresh")
    told = [line for line in seen if line.startswith("STATUS=")]

    assert any(re.fullmatch(r"STATUS=1 fresh, next renewal .*\d\d:\d\d", line) for line in told)
    assert len(told) == len(set(told)), "each is sent once"
    assert seen[-2:] == ["STOPPING=1", "STATUS=stopping"]


def test_systemd_is_told_that_a_sign_in_is_needed(house: House, signed_out: dict[str, str]) -> None:
    assert f"STATUS=sign in: {SIGN_IN}" in statuses(house, signed_out, "sign in")


def test_the_terminal_shows_lines_for_people_from_the_first_to_the_last(
    house: House, keyed: dict[str, str]
) -> None:
    with Terminal(house, "run", columns=100, rows=45, **keyed) as seen:
        seen.until(lambda screen: "Ctrl-C ends" in screen.text and "dev: renewed" in screen.text)
        seen.type(b"\x03")
        assert seen.ended() == 0
    lines = seen.screen.text.splitlines()

    assert lines[0] == f"ecr-refreshd {__version__}: keeping 1 registry, renewing 1 now"
    assert any(re.match(rf"\d\d:\d\d:\d\d ✓ dev: renewed {WEST}, valid until ", line) for line in lines)
    assert any(line.startswith(f"{WEST}  ") for line in lines), "and a summary"
    assert re.fullmatch(r"(\^C)?\d\d:\d\d:\d\d · stopped", lines[-1])
    assert not any("None" in line or "null" in line or "=" in line for line in lines)


def test_the_first_line_is_first_after_a_restart_too(house: House, keyed: dict[str, str]) -> None:
    """A token of before is found while another file is still being read."""
    assert house.run("run", "--once", **keyed).returncode == 0
    with Terminal(house, "run", columns=100, rows=45, **keyed) as seen:
        seen.until(lambda screen: "kept the token" in screen.text)
    lines = seen.screen.text.splitlines()

    assert re.fullmatch(
        rf"ecr-refreshd {__version__}: keeping 1 registry, next renewal .*\d\d:\d\d", lines[0]
    )


def test_a_failure_on_a_terminal_is_a_line_with_its_command(house: House, signed_out: dict[str, str]) -> None:
    with Terminal(house, "run", columns=160, rows=45, **signed_out) as seen:
        seen.until(lambda screen: f"→ {SIGN_IN}" in screen.text)

        assert re.search(rf"(?m)^\d\d:\d\d:\d\d ✗ dev: .* → {SIGN_IN}$", seen.screen.text)


def test_once_in_a_pipe_has_no_json_before_its_result(house: House, signed_out: dict[str, str]) -> None:
    done = house.run("run", "--once", **signed_out)

    assert WEST in done.stdout
    assert re.match(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d ✗ dev: .* → {SIGN_IN}\n", done.stderr)
    assert "{" not in done.stderr


def test_json_is_for_those_who_ask_for_it(house: House, signed_out: dict[str, str]) -> None:
    done = house.run("run", "--once", "--log-format", "json", **signed_out)

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["command"] for line in lines if line["event"] == "grant.failed"] == [SIGN_IN]
