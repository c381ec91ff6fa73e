"""Commands and the service they ask, in real processes, with a session and without."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture(params=["with a session", "without"])
def session(request: pytest.FixtureRequest, house: House) -> Iterator[str]:
    runtime = str(house.folder / "run") if request.param == "with a session" else ""
    service = house.start("run", environ={"XDG_RUNTIME_DIR": runtime})
    try:
        end = time.monotonic() + 60
        while not (house.state.parent / "sock").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        yield str(service.pid)
    finally:
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    assert not (house.state.parent / "sock").is_symlink()
    assert [path.name for path in (house.folder / "run").rglob("*sock*")] == []


@pytest.mark.parametrize("runtime", ["", "run"])
def test_every_command_finds_the_service_of_its_state_folder(
    house: House, session: str, runtime: str
) -> None:
    """In cron, after `su` and in some ssh sessions XDG_RUNTIME_DIR is not set."""
    environ = {"XDG_RUNTIME_DIR": str(house.folder / runtime) if runtime else ""}
    told = house.run("status", "--json", **environ)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["pid"] == int(session)
    for command in (["run", "--once"], ["refresh"]):
        assert house.run(*command, **environ).returncode == 0
