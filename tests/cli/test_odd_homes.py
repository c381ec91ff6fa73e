"""Homes that are not as homes usually are: said in a line, or no matter at all."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli.running import House


def test_a_home_whose_name_is_no_utf8_is_a_home(tmp_path: Path) -> None:
    house = House(tmp_path)
    home = tmp_path / os.fsdecode(b"n\xff")
    (home / ".docker").mkdir(parents=True)
    environ = {"HOME": str(home), "XDG_CONFIG_HOME": "", "ECR_REFRESHD_STATE_DIR": ""}
    for command in (["run", "--once"], ["status"], ["config", "show"], ["init"]):
        done = house.run(*command, **environ)
        assert done.returncode in {0, 5}, done.stderr
        assert "Traceback" not in done.stderr + done.stdout
    assert (home / ".local/state/ecr-refreshd/state.json").exists()
