"""Another principal for a registry, or none for a moment: what works goes on working (promise 8)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ecr_refreshd.core.events import PauseAsked
from ecr_refreshd.core.model import Category, Choice, ChosenBy, Failure, Principal
from ecr_refreshd.core.ports import FetchOrder
from tests.daemon.test_ways import Home, programs
from tests.household import HOST, HandLookout, Household, auth_text

__all__ = ["programs"]  # a fixture

HOUR, HALF_DAY = timedelta(hours=1), timedelta(hours=12)
NOBODY = Failure(Category.TRANSIENT, "NoCredentialsError", "Nobody gives credentials.", "name a profile")
NO_LOGIN = Failure(Category.LOGIN, "SSOTokenLoadError", "Nobody is signed in.", "aws sso login")
DEV, AMBIENT = (
    Choice(Principal(name), by) for name, by in (("dev", ChosenBy.DEFAULT), ("", ChosenBy.AMBIENT))
)


def answer(order: FetchOrder) -> timedelta | Failure:
    """Profile dev gets tokens; whoever else asks does not."""
    return HALF_DAY if order.grant.principal.profile == "dev" else NOBODY


def lose(home: Household) -> None:
    """~/.aws is out of sight: a dotfile manager, an encrypted home that is not mounted yet."""
    home.lookout.said = replace(home.lookout.said, offered=(AMBIENT,))
    home.lookout.text += "gone"
    home.lookout.look()
    home.settle()


def find(home: Household) -> None:
    home.lookout.said = replace(home.lookout.said, offered=(DEV,))
    home.lookout.text += "back"
    home.lookout.look()
    home.settle()


def at_a_desktop(folder: Path, config: str = "") -> Home:
    home = Home(folder, config, answer=answer, lookout=HandLookout())
    home.put(auths={HOST: {}}, credsStore="desktop")
    home.begin()
    return home


def test_profiles_that_are_gone_for_a_while_take_no_living_answer_away(tmp_path: Path) -> None:
    """The helper goes on answering until the token's own end, and only then says why it cannot."""
    home = at_a_desktop(tmp_path)
    before = home.answer()
    assert json.loads(before)["Username"] == "AWS"

    lose(home)
    home.live(HOUR)
    assert home.answer() == before
    assert home.document["credHelpers"] == {HOST: "ecr-refreshd"}
    assert home.service.document()["overall"] == "degraded", "it worked here, and cannot be renewed"

    home.live(HALF_DAY)
    assert home.answer() == ""
    assert "Nobody gives credentials" in home.refusal()
    assert home.service.document()["overall"] == "failed"

    find(home)
    assert json.loads(home.answer())["Username"] == "AWS"
    assert home.service.document()["overall"] == "ok"


def test_a_misspelt_profile_takes_no_living_answer_away(tmp_path: Path) -> None:
    config = f'[[registry]]\nhost = "{HOST}"\nprofile = "%s"\n'
    home = at_a_desktop(tmp_path, config % "dev")
    before = home.answer()
    home.config = config % "deV"
    home.service.reload()
    home.settle()
    home.live(timedelta(minutes=10))
    assert home.answer() == before
    home.config = config % "dev"
    home.service.reload()
    home.settle()
    assert home.row()["phase"] == "fresh"


def test_a_pause_refuses_all_the_same(tmp_path: Path) -> None:
    """What a person says counts (DESIGN 3: the helper answers not-found)."""
    home = at_a_desktop(tmp_path)
    home.service.tell(PauseAsked(HOST, None))
    home.settle()
    assert home.answer() == ""
    assert "paused" in home.refusal()


def test_our_own_tokens_stay_ours_over_a_restart_without_their_profile(tmp_path: Path) -> None:
    """Taken for somebody else's, they would be kept, and the bridge of the next login's end would be an hour."""
    home = Home(tmp_path, "", answer=answer, lookout=HandLookout())
    home.put(auths={HOST: {"auth": auth_text(home.clock.wall)}})
    home.begin()
    home.live(timedelta(minutes=5))
    ours = home.document["auths"][HOST]["auth"]

    lost = Home(
        tmp_path, "", answer=answer, remembered=home.saved, clock=home.clock,
        lookout=HandLookout(said=replace(home.lookout.said, offered=(AMBIENT,))),
    )  # fmt: skip
    lost.begin()
    lost.live(timedelta(minutes=5))
    assert lost.document["auths"][HOST]["auth"] == ours

    again = Home(
        tmp_path, "", answer=answer, remembered=lost.saved, clock=home.clock,
        lookout=HandLookout(said=replace(home.lookout.said, offered=(DEV,))),
    )  # fmt: skip
    again.begin()
    assert [sink["state"] for sink in again.row()["sinks"]] == ["written"]
    assert again.aws.calls == [], "and no restart asks for what is there"


def test_somebodys_token_that_dies_here_is_told_in_time(tmp_path: Path) -> None:
    """A `docker login` of this morning and no SSO login: pulls work, and the person hears until when."""
    home = Home(tmp_path, "", answer=lambda _order: NO_LOGIN)
    home.put(auths={HOST: {"auth": auth_text(home.clock.wall + 2 * HOUR)}})
    home.begin()
    told = [notice for notice in home.service.document()["notices"] if notice["key"].startswith("login:")]
    assert len(told) == 1
    assert "work until" in told[0]["body"]
    assert home.service.document()["overall"] == "login-required", "also while its token lives"
    home.live(3 * HOUR)
    document = home.service.document()
    assert document["overall"] == "login-required"
    assert "fail until then" in document["notices"][0]["body"]


def test_a_dead_entry_and_an_ended_login_are_told_on_the_first_day(tmp_path: Path) -> None:
    """A profile for its account is here, so the service is why it is installed: sign-in needed, exit 3."""
    home = Home(tmp_path, "", answer=lambda _order: NO_LOGIN)
    home.put(auths={HOST: {"auth": auth_text(home.clock.wall - HOUR)}})
    home.begin()
    document = home.service.document()
    assert (document["overall"], document["summary"]) == ("login-required", "1 sign-in needed")
    (notice,) = document["notices"]
    assert "fail until then" in notice["body"]
    assert home.herald.told[0][0] == "raised"


@pytest.mark.parametrize("mode", ["auths", "both"])
def test_another_way_is_not_a_logout(tmp_path: Path, mode: str) -> None:
    """Who changes `[docker] mode` is not told of a logout that was put back, and nothing counts as a heal."""
    home = at_a_desktop(tmp_path)
    heals = home.row()["heals"]
    home.config = f'[docker]\nmode = "{mode}"\n'
    home.service.reload()
    home.settle()
    home.touched()
    assert home.service.document()["notices"] == []
    assert home.row()["heals"] == heals
    assert "auth" in home.document["auths"][HOST]
