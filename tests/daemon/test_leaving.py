"""What is left when registries leave: what gave way to us is given back, and nobody has logged out."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.core.events import PauseAsked, ResumeAsked
from ecr_refreshd.waits import Wait
from tests.daemon.test_changing_ways import keychain_on
from tests.daemon.test_ways import CONFIG, HOST, MINUTE, NOT_SIGNED_IN, Home, programs

__all__ = ["programs"]

NOTHING = '[discover]\nignore = ["*"]\n'
PINNED = {"credHelpers": {HOST: "ecr-refreshd"}, "credsStore": "secretservice"}


def reloaded(home: Home, config: str) -> Home:
    home.config = config
    home.service.reload()
    home.settle()
    return home


@pytest.mark.parametrize("start", [None, {}, {"HttpHeaders": {"X": "y"}}])
def test_a_store_that_we_named_goes_with_our_last_line(
    tmp_path: Path, programs: Path, start: dict[str, Any] | None
) -> None:
    """Docker finds the same keychain by itself again, so nothing vanishes."""
    keychain_on(programs)
    home = Home(tmp_path)
    if start is not None:
        home.put(**start)
    home.begin()
    assert home.document == {**(start or {}), **PINNED}
    reloaded(home, NOTHING)
    assert home.document == (start or {})
    home.live(MINUTE)
    owed: Any = home.saved["owed"]
    assert str(home.docker) not in owed


def test_a_service_that_starts_after_the_registry_has_left_gives_back_too(
    tmp_path: Path, programs: Path
) -> None:
    keychain_on(programs)
    home = Home(tmp_path)
    home.begin()
    home.live(MINUTE)
    again = Home(tmp_path, NOTHING, remembered=home.saved, clock=home.clock)
    again.service.run(Wait())
    assert again.document == {}
    owed: Any = again.saved["owed"]
    assert str(home.docker) not in owed, "`run --once` waits for it"


@pytest.mark.parametrize(
    "others",
    [{"auths": {"ghcr.io": {}}}, {"credHelpers": {"gcr.io": "gcloud"}}, {"credsStore": "pass"}],
)
def test_a_store_that_something_else_needs_by_then_stays(
    tmp_path: Path, programs: Path, others: dict[str, Any]
) -> None:
    """With an entry or a line in the file docker looks for no keychain, and the logins in it would vanish."""
    keychain_on(programs)
    home = Home(tmp_path)
    home.begin()
    lines = {**PINNED["credHelpers"], **others.get("credHelpers", {})}  # type: ignore[dict-item]
    home.put(**{**PINNED, **others, "credHelpers": lines})
    home.touched()
    reloaded(home, NOTHING)
    assert home.document == {"credsStore": "secretservice", **others}


def test_a_store_that_was_needed_goes_once_it_is_no_more(tmp_path: Path, programs: Path) -> None:
    keychain_on(programs)
    home = Home(tmp_path)
    home.begin()
    home.put(**PINNED, auths={"ghcr.io": {}})
    home.touched()
    reloaded(home, NOTHING)
    home.put(credsStore="secretservice", auths={})
    home.touched()
    assert home.document == {"auths": {}}


def test_a_store_that_a_person_names_after_we_have_left_stays(tmp_path: Path, programs: Path) -> None:
    keychain_on(programs)
    home = Home(tmp_path)
    home.begin()
    reloaded(home, NOTHING)
    home.put(credsStore="secretservice")
    home.touched()
    home.live(10 * MINUTE)
    assert home.document == {"credsStore": "secretservice"}


def test_a_store_stays_while_any_registry_is_kept(tmp_path: Path, programs: Path) -> None:
    """Also while that one waits for a login: it would be taken out and put in again."""
    keychain_on(programs)
    answers: list[Any] = [timedelta(hours=12), NOT_SIGNED_IN]
    home = Home(tmp_path, answer=lambda _order: answers.pop(0) if len(answers) > 1 else answers[0])
    home.begin()
    other = CONFIG.replace("724013829182", "111122223333").replace("us-west-2", "eu-west-1")
    reloaded(home, other)
    assert home.document == {"credsStore": "secretservice"}


def test_a_line_that_a_person_has_paused_stays_and_the_store_with_it(tmp_path: Path, programs: Path) -> None:
    keychain_on(programs)
    home = Home(tmp_path)
    home.begin()
    home.service.tell(PauseAsked(HOST))
    home.settle()
    reloaded(home, NOTHING)
    assert home.document == PINNED
    home.service.tell(ResumeAsked(HOST))
    home.settle()
    assert home.document == {}


MODES = ("auths", "helper", "both", "auths", "both", "helper", "store", "auths", "store", "auto")


def test_a_tour_of_the_modes_is_no_heal_and_no_logout(tmp_path: Path, programs: Path) -> None:
    store = programs / "docker-credential-desktop"
    store.write_text(
        f"#!/bin/sh\nPATH=/usr/bin:/bin\ncase $1 in\nstore) cat > {tmp_path}/kept ;;\n"
        f"get) cat {tmp_path}/kept 2>/dev/null || "
        "{ echo credentials not found in native keychain; exit 1; } ;;\n"
        f"erase) rm -f {tmp_path}/kept ;;\nesac\n"
    )
    store.chmod(0o755)
    home = Home(tmp_path, CONFIG)
    home.put(credsStore="desktop", auths={})
    home.begin()
    for mode in MODES:
        reloaded(home, f'{CONFIG}[docker]\nmode = "{mode}"\n')
        home.live(MINUTE)
        assert home.row(HOST)["heals"] == 0, mode
        assert {sink["state"] for sink in home.row(HOST)["sinks"]} == {"written"}
    assert home.herald.told == []


@pytest.mark.parametrize("mode", ["auths", "helper", "both"])
def test_a_registry_that_left_and_came_back_was_not_logged_out(tmp_path: Path, mode: str) -> None:
    config = f'{CONFIG}[docker]\nmode = "{mode}"\n'
    home = Home(tmp_path, config)
    home.put(HttpHeaders={"X": "y"})
    home.begin()
    reloaded(home, NOTHING)
    home.live(MINUTE)
    if mode == "auths":  # what a person does while nobody keeps it is no business of ours
        home.put(HttpHeaders={"X": "y"})
        home.touched()
    reloaded(home, config)
    home.live(MINUTE)
    assert home.herald.told == []
    assert home.row(HOST)["heals"] == 0
    assert {sink["state"] for sink in home.row(HOST)["sinks"]} == {"written"}


def test_another_helper_that_is_named_again_by_the_settings_is_no_news(tmp_path: Path) -> None:
    home = Home(tmp_path, CONFIG + '[docker]\nmode = "helper"\n')
    home.put(credHelpers={HOST: "ecr-login"})
    home.begin()
    reloaded(home, CONFIG)
    home.live(MINUTE)
    assert home.document["credHelpers"] == {HOST: "ecr-login"}
    assert home.herald.told == []


def test_a_logout_while_it_is_kept_is_one_all_the_same(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.put(auths={"ghcr.io": {"auth": "eDp5"}})
    home.begin()
    home.put(auths={"ghcr.io": {"auth": "eDp5"}})
    home.touched()
    assert home.herald.events() == [("raised", f"logout:{HOST}")]
    assert home.row(HOST)["heals"] == 1
    assert json.dumps(home.document).count(HOST) == 1
