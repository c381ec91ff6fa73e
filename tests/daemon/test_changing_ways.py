"""Promise 5 by the real loop, where somebody changes what the way of a token hangs on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.daemon.test_ways import CONFIG, HOST, MINUTE, Home, programs
from tests.household import auth_text

__all__ = ["programs"]


def keychain_on(folder: Path) -> None:
    found = folder / "docker-credential-secretservice"
    found.write_text("""#!/bin/sh\necho '{"https://ghcr.io":"me"}'\n""")
    found.chmod(0o755)


def test_a_store_that_went_leaves_the_keychain_to_docker(tmp_path: Path, programs: Path) -> None:
    """Docker Desktop is uninstalled; without our line docker would find its keychain by itself again."""
    home = Home(tmp_path)
    home.put(credsStore="desktop")
    home.begin()
    keychain_on(programs)
    home.put(credHelpers=home.document["credHelpers"])
    home.touched()
    assert home.document == {"credHelpers": {HOST: "ecr-refreshd"}, "credsStore": "secretservice"}
    home.live(10 * MINUTE)
    assert home.document == {"credHelpers": {HOST: "ecr-refreshd"}, "credsStore": "secretservice"}


def test_a_line_that_a_person_writes_after_ours_has_gone_is_theirs(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.put(credsStore="desktop")
    home.begin()
    home.put()
    home.touched()
    assert "auths" in home.document
    home.put(credHelpers={HOST: "ecr-refreshd"})
    home.touched()
    home.live(10 * MINUTE)
    assert home.document == {"credHelpers": {HOST: "ecr-refreshd"}}


@pytest.mark.parametrize("broken", ["open", "file"])
def test_an_entry_beside_a_helper_that_cannot_be_prepared_is_renewed_all_the_same(
    tmp_path: Path, broken: str
) -> None:
    """For what reads the file and knows no helper: kubelet, Watchtower."""
    if broken == "open":
        (tmp_path / "helper").mkdir(mode=0o777)
        (tmp_path / "helper").chmod(0o777)
    else:
        (tmp_path / "helper").write_text("")
    home = Home(tmp_path, CONFIG + '[docker]\nmode = "both"\n')
    home.put(auths={HOST: {"auth": auth_text(home.clock.wall, "old")}})
    home.begin()
    first = json.dumps(home.document)
    assert auth_text(home.clock.wall, "old") not in first
    home.live(60 * 13 * MINUTE)
    assert json.dumps(home.document) != first
