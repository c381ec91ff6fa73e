"""The watcher's traps in the real program: an edit is healed within a tick; `status` says what is degraded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.test_bad_input import Home, home, host, until
from tests.world import hang

__all__ = ["home"]  # a fixture

HOST = host("100000000001")
A_TICK = 45.0
"""Seconds, with a margin for a machine that is busy."""


@pytest.fixture
def running(home: Home) -> Home:
    home.profile("dev")
    home.write_config(f'[[registry]]\nhost = "{HOST}"\nprofile = "dev"\n')
    home.start()
    until(lambda: holds(home.docker), "the token on disk")
    return home


def holds(path: Path) -> bool:
    try:
        return HOST in json.loads(path.read_text())["auths"]
    except (FileNotFoundError, KeyError, ValueError):
        return False


def test_a_folder_that_is_moved_away_and_made_anew(running: Home, tmp_path: Path) -> None:
    """Inotify goes on following the old one."""
    folder = running.docker.parent
    folder.rename(tmp_path / "elsewhere")
    folder.mkdir(mode=0o700)
    until(lambda: holds(running.docker), "a new file in the new folder", A_TICK)
    running.docker.write_text('{"auths": {}}')
    until(lambda: holds(running.docker), "healed there", A_TICK)


def test_a_link_that_leads_elsewhere_now(running: Home, tmp_path: Path) -> None:
    """Dotfile managers do it: the file is another one, in another folder."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir(mode=0o700)
        shutil.copy(running.docker, tmp_path / name / "config.json")
    running.docker.unlink()
    running.docker.symlink_to(tmp_path / "one/config.json")
    until(lambda: holds(tmp_path / "one/config.json"), "through the first link", A_TICK)
    (tmp_path / "two/config.json").write_text('{"auths": {"ghcr.io": {"auth": "eDp5"}}}')
    fresh = running.docker.with_name("fresh")
    fresh.symlink_to(tmp_path / "two/config.json")
    fresh.replace(running.docker)
    until(lambda: holds(tmp_path / "two/config.json"), "through the second", A_TICK)
    assert "ghcr.io" in (tmp_path / "two/config.json").read_text()


def test_a_share_that_stops_answering_is_named_and_holds_up_nobody(running: Home, tmp_path: Path) -> None:
    """Clauses 6 and 7: a file of the same user elsewhere hangs; this one is healed, and status is answered."""
    hang.required()
    share = tmp_path / "share"
    share.mkdir(mode=0o700)
    running.write_config(
        running.config.read_text() + f"[docker]\nfiles = ['{running.docker}', '{share}/config.json']\n"
    )
    until(lambda: holds(share / "config.json"), "the second file")
    with hang.silent(share):
        until(
            lambda: any(str(share) in each["message"] for each in running.status()["degraded"]),
            "that it hangs",
            90,
        )
        running.docker.write_text('{"auths": {}}')
        until(lambda: holds(running.docker), "the other file is healed", A_TICK)
        assert running.run("status").returncode in {0, 4}
