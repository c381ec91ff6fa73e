"""`run` with nothing to keep says so once, and how to begin."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from ecr_refreshd import __version__
from tests.cli.running import House
from tests.cli.terminal import Terminal


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("", "and none in {home}/.docker/config.json, "),
        ("[discover]\nadopt = false\n", "[discover] adopts none"),
    ],
)
def test_a_service_that_keeps_nothing_says_where_it_looks_and_how_to_begin(
    tmp_path: Path, config: str, said: str
) -> None:
    house = House(tmp_path)
    house.write_config(config)
    service = house.start("run", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert service.stdout is not None
    lines = [service.stdout.readline().decode()]
    while "No registry is kept" not in lines[-1]:
        assert lines[-1], lines
        lines.append(service.stdout.readline().decode())
    service.send_signal(signal.SIGTERM)
    rest, _ = service.communicate(timeout=30)
    assert "No registry is kept" not in rest.decode()
    assert said.format(home=tmp_path) in lines[-1]
    assert lines[-1].endswith(" → ecr-refreshd init --scan .\n")
    assert f"ecr-refreshd {__version__}: keeping no registry yet\n" in lines
    assert rest.decode().endswith(" · stopped\n")


def test_on_a_terminal_its_lines_are_short(tmp_path: Path) -> None:
    house = House(tmp_path)
    with Terminal(house, "run", columns=200) as seen:
        seen.until(lambda screen: "init --scan" in screen.text)
        seen.type(b"\x03")
        seen.until(lambda screen: "stopped" in screen.text)
        assert seen.ended() == 0
    lines = seen.screen.text.splitlines()
    assert f"  {tmp_path}/.docker/config.json" in lines
    assert "  → ecr-refreshd init --scan ." in lines
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 80


def test_a_file_that_cannot_be_read_is_named_with_exit_code_4(tmp_path: Path) -> None:
    """Nobody knows which registries stand in it, so nothing is well (DESIGN 3)."""
    house = House(tmp_path)
    (tmp_path / ".docker/config.json").mkdir(parents=True)
    done = house.run("run", "--once")
    assert done.returncode == 4
    assert f"{tmp_path}/.docker/config.json" in done.stdout
    assert "is a directory, and has to be a file" in done.stdout
