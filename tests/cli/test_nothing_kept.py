"""`run` with nothing to keep says so once, and how to begin."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import House


@pytest.mark.parametrize(("config", "begin"), [("", "docker login"), ("[discover]\nadopt = false\n", "init")])
def test_a_service_that_keeps_nothing_says_where_it_looks_and_how_to_begin(
    tmp_path: Path, config: str, begin: str
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
    assert begin in lines[-1]
    assert str(tmp_path / "config/ecr-refreshd/config.toml") in lines[-1]


def test_a_file_that_cannot_be_read_is_named_with_exit_code_4(tmp_path: Path) -> None:
    """Nobody knows which registries stand in it, so nothing is well (DESIGN 3)."""
    house = House(tmp_path)
    (tmp_path / ".docker/config.json").mkdir(parents=True)
    done = house.run("run", "--once")
    assert done.returncode == 4
    assert f"{tmp_path}/.docker/config.json" in done.stdout
    assert "not a regular file" in done.stdout
