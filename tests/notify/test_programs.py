"""How a module of ours is run in a process of its own."""

from __future__ import annotations

import site
import subprocess
from pathlib import Path

import pytest

from ecr_refreshd.notify import programs


def test_our_children_are_isolated() -> None:
    """A PYTHONPATH or a module in the current folder is nobody's way in."""
    assert programs.python("json.tool")[1:] == ["-I", "-m", "json.tool"]


def test_our_children_are_found_when_pip_has_installed_us_for_one_user_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The isolated mode leaves that folder out, and every notice would fail with a wrong reason."""
    monkeypatch.setattr(site, "ENABLE_USER_SITE", True)
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(Path(programs.__file__).parents[2]))
    argv = programs.python("platform")
    assert argv[1:3] == ["-E", "-P"]
    assert subprocess.run(argv, capture_output=True, check=False).returncode == 0
