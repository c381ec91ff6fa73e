"""DESIGN 6, contested: whatever of ours somebody keeps undoing, we do not keep them company at their pace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.test_ways import CONFIG, HOST, MINUTE, Home, programs
from tests.sinks.test_dockerfile import STORE

__all__ = ["programs"]

Spoil = Callable[[Any], object]
ROUND = timedelta(seconds=0.1)


def without_lines(document: Any) -> None:
    document.pop("credHelpers", None)


def with_our_line(document: Any) -> None:
    document["credHelpers"] = {HOST: "ecr-refreshd"}


def with_a_user(document: Any) -> None:
    document["auths"][HOST]["username"] = "AWS"


def with_a_twin(document: Any) -> None:
    document["auths"][f"https://{HOST}"] = {"auth": "QVdTOng="}


def with_another_store(document: Any) -> None:
    if document.pop("credsStore", None) is None:
        document["credsStore"] = "desktop"


WARS = [
    ("both", without_lines),
    ("helper", without_lines),
    ("auths", with_our_line),
    ("auths", with_a_user),
    ("auths", with_a_twin),
    ("auto", with_another_store),
    ("store", with_our_line),
]


@dataclass
class Other:
    """Who undoes each of our writes as soon as it is there."""

    home: Home
    spoil: Spoil
    theirs: bytes = b""

    def fight(self, length: timedelta) -> int:
        """Return how many of our writes there were."""
        undone = 0
        for _ in range(length // ROUND):
            if self.home.docker.read_bytes() != self.theirs:
                undone += 1
                document = self.home.document
                self.spoil(document)
                self.home.put(**document)
                self.theirs = self.home.docker.read_bytes()
                self.home.touched()
            self.home.live(ROUND)
        return undone


def at_peace(folder: Path, programs: Path, mode: str) -> Home:
    """Return a home in which each token has gone its way in peace."""
    store = programs / "docker-credential-desktop"
    store.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{STORE.format(folder=folder)}\n")
    store.chmod(0o755)
    home = Home(folder, CONFIG + f'[docker]\nmode = "{mode}"\n')
    home.put(auths={"ghcr.io": {"auth": "eDp5"}}, **({"credsStore": "desktop"} if mode == "store" else {}))
    home.begin()
    home.live(MINUTE)
    return home


def told(home: Home) -> list[str]:
    return [event for event, _key in home.herald.events("contested:")]


@pytest.mark.parametrize(("mode", "spoil"), WARS)
def test_a_war_over_anything_of_ours_is_slowed_told_once_and_over_when_the_other_stops(
    tmp_path: Path, programs: Path, mode: str, spoil: Spoil
) -> None:
    home = at_peace(tmp_path, programs, mode)
    well, other = home.document, Other(home, spoil)
    # Ten at once, then after 0.5, 1, 2 and 4 s; where each of their edits is undone by two of ours, twice ten.
    assert other.fight(timedelta(seconds=8)) <= (28 if mode == "auto" else 15)
    docker = next(sink for sink in home.row(HOST)["sinks"] if sink["path"] == str(home.docker))
    assert docker["state"] == "contested"
    assert home.row(HOST)["heals"] >= 10
    assert told(home) == ["raised"]
    assert other.fight(timedelta(minutes=5)) <= (30 if mode == "auto" else 15)
    assert told(home) == ["raised"]
    home.put(**well)
    home.touched()
    home.live(3 * MINUTE)
    assert told(home) == ["raised", "withdrawn"]
    assert home.document == well


@pytest.mark.parametrize(("mode", "spoil"), WARS)
def test_what_is_undone_now_and_then_is_healed_at_once_for_ever(
    tmp_path: Path, programs: Path, mode: str, spoil: Spoil
) -> None:
    """A dotfile manager every few minutes is no war."""
    home = at_peace(tmp_path, programs, mode)
    for _ in range(15):
        before = home.document
        spoil(before)
        home.put(**before)
        home.touched()
        assert home.document != before
        home.live(3 * MINUTE)
    assert told(home) == []
