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


def other_mode(home: Home, folder: Path, mode: str) -> Home:
    """Restart with another mode."""
    home.live(MINUTE)
    config = CONFIG + f'[docker]\nmode = "{mode}"\n'
    return Home(folder, config, remembered=home.saved, clock=home.clock).begin()


@pytest.mark.parametrize("mode", ["auto", "auths"])
def test_giving_a_line_back_puts_no_token_beside_it(tmp_path: Path, mode: str) -> None:
    """Nobody would renew it, and docker reads it no more."""
    home = Home(tmp_path, CONFIG + '[docker]\nmode = "helper"\n')
    home.put(credHelpers={HOST: "ecr-login"})
    home.begin()
    again = other_mode(home, tmp_path, mode)
    again.live(MINUTE)
    assert again.document == {"credHelpers": {HOST: "ecr-login"}}
    assert again.row(HOST)["sinks"][0]["state"] == "shadowed"


def test_an_empty_line_is_given_back(tmp_path: Path) -> None:
    """To docker it means this file's entries, and without it docker would ask the store."""
    home = Home(tmp_path, CONFIG + '[docker]\nmode = "helper"\n')
    home.put(credsStore="desktop", credHelpers={HOST: ""})
    home.begin()
    assert home.document["credHelpers"] == {HOST: "ecr-refreshd"}
    again = other_mode(home, tmp_path, "auths")
    assert again.document["credHelpers"] == {HOST: ""}
    assert "auth" in again.document["auths"][HOST]
    assert again.row(HOST)["sinks"][0]["state"] == "written"


def test_what_an_older_version_remembered_of_no_line_is_no_line(tmp_path: Path) -> None:
    home = Home(tmp_path, CONFIG + '[docker]\nmode = "helper"\n')
    home.put()
    home.begin()
    home.live(MINUTE)
    (row,) = [row for row in home.saved["owed"].values() if row["helpers"]]  # type: ignore[attr-defined]
    assert row["helpers"] == {HOST: ""}, "as older versions wrote it"
    del row["empty"]
    again = other_mode(home, tmp_path, "auths")
    assert "credHelpers" not in again.document


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
