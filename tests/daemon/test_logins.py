"""The loop and the logins: who is told what, once; what is renewed after a login, and before its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ecr_refreshd.core.events import SignInAsked
from ecr_refreshd.core.model import Category, Failure, Login
from ecr_refreshd.core.times import spoken, timestamp
from tests.daemon.corp import COMMAND, CONFIG, HOUR, LANE, MINUTE, SECOND, SECOND_OF_TIME, Corp
from tests.household import HOME, HOST, START, HandClock

KEY = f"login:{LANE}"


def test_one_notice_for_a_session_whatever_the_number_of_its_registries() -> None:
    """DESIGN 7: what ended, until when pulls work, the command; and only once."""
    house = Corp().begin()
    house.ends()
    house.live(5 * HOUR)
    assert house.herald.events() == [("raised", KEY)]
    notice = house.service.document()["notices"][0]
    assert notice["title"] == 'AWS login "corp" is needed'
    assert "has ended" in notice["body"]
    assert "work until 20:" in notice["body"], "the last token is an hour old when the login is missed"
    assert notice["command"] == COMMAND
    assert house.row()["phase"] == house.row(SECOND)["phase"] == "login-required"


def test_after_a_login_everything_is_fresh_at_once_and_the_notice_is_gone() -> None:
    """Promise 2: one command later everything is fresh within 2 s."""
    house = Corp().begin()
    house.ends()
    house.live(3 * HOUR)
    house.signs_in()
    assert house.row()["phase"] == house.row(SECOND)["phase"] == "fresh"
    assert house.herald.events() == [("raised", KEY), ("withdrawn", KEY)]
    assert house.service.document()["notices"] == []


def test_nobody_asks_aws_by_time_while_the_disk_shows_a_dead_login() -> None:
    """DESIGN 5: a local look on every tick, no timed AWS call while that look says dead."""
    house = Corp().begin()
    house.ends()
    house.live(2 * HOUR)
    house.changes(Login(alive=False))
    calls = len(house.aws.calls)
    looks = house.lookout.looks
    house.live(20 * HOUR)
    assert len(house.aws.calls) == calls
    assert house.lookout.looks - looks >= 20 * 120 - 5


def test_a_refused_login_that_looks_alive_is_tried_again_seldom() -> None:
    """A revoked session leaves a file that looks good; somebody may have given the access back."""
    house = Corp().begin()
    house.ends()
    house.live(2 * HOUR)
    calls = len(house.aws.calls)
    house.live(20 * HOUR)
    assert 2 <= len(house.aws.calls) - calls <= 8


def test_a_mere_refresh_of_the_token_file_renews_nothing() -> None:
    """DESIGN 5: our own and the CLI's refreshes rewrite the same file."""
    house = Corp().begin()
    house.live(50 * MINUTE)
    calls = len(house.aws.calls)
    house.refreshes()
    assert len(house.aws.calls) == calls


def test_a_new_login_renews_every_grant_of_its_session_and_no_other() -> None:
    """DESIGN 5: those of a new login; the token that it gives bridges its whole length."""
    other = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
    house = Corp(CONFIG + f'[[registry]]\nhost = "{other}"\nprofile = "build"\n').begin()
    house.live(10 * MINUTE)
    before = len(house.aws.calls)
    house.signs_in()
    assert [key for _at, key in house.aws.calls[before:]] == ["dev/ecr/us-west-2"]


def test_a_new_login_while_the_service_was_down_is_noticed_at_its_start() -> None:
    """The stamp of the last login is remembered; a restart that missed a login asks AWS for new tokens."""
    house = Corp().begin()
    house.live(10 * MINUTE)
    house.lookout.logins[LANE] = replace(house.lookout.logins[LANE], stamp="another")
    again = Corp(files=house.files, remembered=house.saved, clock=house.clock, lookout=house.lookout).begin()
    assert len(again.aws.calls) == 1


def test_a_restart_neither_tells_twice_nor_asks_again() -> None:
    """No notice is raised twice for one cause, and the bridge holds over a reboot (promise 2)."""
    house = Corp().begin()
    house.ends()
    house.live(2 * HOUR)
    house.changes(Login("the first", alive=False))
    again = Corp(files=house.files, remembered=house.saved, clock=house.clock, lookout=house.lookout)
    again.lives = False
    again.begin().live(HOUR)
    assert again.herald.told == []
    assert again.aws.calls == []
    assert again.row()["phase"] == "login-required"
    assert [notice["key"] for notice in again.service.document()["notices"]] == [KEY]
    again.signs_in()
    assert again.herald.events() == [("withdrawn", KEY)]
    assert again.herald.places == [f"place of {KEY}"], "for the desktop to take back what the last run showed"


def test_reminders_come_60_and_15_minutes_before_the_last_token_dies_and_when_it_has() -> None:
    """DESIGN 7: and at no other time."""
    house = Corp().begin()
    house.ends()
    house.live(14 * HOUR)
    assert house.herald.events() == [("raised", KEY), *[("reminded", KEY)] * 3]
    assert "fail until then" in house.herald.told[-1][1].body


def test_a_night_asleep_brings_one_reminder_and_not_three() -> None:
    """Marks that passed while nobody looked are one piece of news."""
    house = Corp().begin()
    house.ends()
    house.live(2 * HOUR)
    house.clock.advance(timedelta(hours=40))
    house.live(MINUTE)
    assert house.herald.events() == [("raised", KEY), ("reminded", KEY)]


def test_before_a_known_end_a_person_is_warned_and_the_tokens_are_minted_once_more() -> None:
    """DESIGN 5, last mint; DESIGN 7: the floor at the end of a login is nearly a whole token's life."""
    house = Corp()
    end = START + 3 * HOUR + 25 * MINUTE
    house.lookout.logins[LANE] = Login("legacy", True, refreshes=False, expires_at=end, ends_at=end)
    house.begin().live(end - START - 31 * MINUTE)
    assert house.herald.events() == []
    house.live(2 * MINUTE)
    assert house.herald.events() == [("raised", f"ending:{LANE}")]
    assert "ends at 11:25" in house.herald.told[0][1].title
    house.live(28 * MINUTE)
    house.ends()
    house.changes(Login("legacy", False, refreshes=False, expires_at=end, ends_at=end))
    house.live(2 * MINUTE)
    assert house.aws.calls[-1][0] > end - 11 * MINUTE
    assert ("withdrawn", f"ending:{LANE}") in house.herald.events()


def test_a_configured_length_is_the_end_where_the_disk_does_not_tell() -> None:
    """[notify] sso_session_duration."""
    house = Corp(CONFIG + '[notify]\nsso_session_duration = { corp = "8h" }\nwarn_before = "20m"\n').begin()
    house.live(30 * MINUTE)
    house.signs_in()
    house.live(7 * HOUR + 39 * MINUTE)
    assert house.herald.events() == []
    house.live(2 * MINUTE)
    assert house.herald.events() == [("raised", f"ending:{LANE}")]


def test_the_length_of_sessions_is_learned_from_their_ends() -> None:
    """aws.md 5.4: the end of an SSO session is not on disk; after three alike it is told, as expected."""
    house = Corp().begin()
    for _ in range(3):
        house.signs_in()
        house.live(8 * HOUR - 10 * MINUTE)
        house.ends()
        house.live(16 * HOUR)
    assert house.herald.events("ending:") == []
    house.signs_in()
    house.live(7 * HOUR + 29 * MINUTE)
    assert house.herald.events("ending:") == []
    house.live(3 * MINUTE)
    assert house.herald.events("ending:") == [("raised", f"ending:{LANE}")]
    assert "is expected to end" in house.herald.told[-1][1].title


def test_two_revoked_sessions_foretell_no_end() -> None:
    """An administrator revoked them after 50 minutes each; the next one is told to end at no time."""
    house = Corp().begin()
    for _ in range(2):
        house.signs_in()
        house.live(50 * MINUTE)
        house.ends()
        house.live(3 * HOUR)
    house.signs_in()
    house.live(3 * HOUR)
    assert house.herald.events("ending:") == []
    assert house.row()["phase"] == "fresh"


@pytest.mark.parametrize("fault", ["login", "clock"])
def test_a_clock_mended_after_boot_mends_what_it_spoiled(fault: str) -> None:
    """A clock eight hours fast (local time in the RTC): the login seems to have ended until NTP sets it."""
    house = Corp(clock=HandClock(START + 8 * HOUR))
    ends_at = house.clock.wall - 2 * HOUR
    standing = Login("legacy", alive=fault == "clock", refreshes=False, expires_at=ends_at, ends_at=ends_at)
    house.lookout.logins[LANE] = standing
    skewed = Failure(Category.CONFIG, "SignatureDoesNotMatch", "The clock is wrong.", cause="clock")
    ended = Failure(Category.LOGIN, "SSOTokenLoadError", "ended")
    house.aws.answer = lambda _order: skewed if fault == "clock" else ended
    house.begin()
    house.live(MINUTE)
    assert house.row()["phase"] in {"login-required", "blocked"}
    house.clock.wall -= 8 * HOUR
    house.aws.answer = lambda _order: timedelta(hours=12)
    house.lookout.logins[LANE] = replace(standing, alive=True)
    house.live(31 * SECOND_OF_TIME)
    assert house.row()["phase"] == "fresh"
    assert house.service.document()["notices"] == []
    assert house.service.document()["started_at"] < timestamp(house.clock.wall)


def test_an_end_that_was_learned_wrongly_is_no_end() -> None:
    """An administrator has made sessions longer: the notice goes when the hour has passed."""
    house = Corp(CONFIG + '[notify]\nsso_session_duration = { corp = "2h" }\n').begin()
    house.signs_in()
    house.live(3 * HOUR)
    assert house.herald.events() == [("raised", f"ending:{LANE}"), ("withdrawn", f"ending:{LANE}")]
    assert house.row()["phase"] == "fresh"


def test_a_token_file_that_is_half_written_is_looked_at_again_and_is_no_logout() -> None:
    """aws.md 1.1: the AWS CLI truncates its files before it writes them."""
    house = Corp().begin()
    house.changes(Login(torn=True))
    house.lookout.logins[LANE] = house._login("the next", house.clock.wall + 2 * HOUR)
    house.live(31 * SECOND_OF_TIME)
    assert house.service.document()["registries"][0]["phase"] == "fresh"
    assert len(house.aws.calls) == 2, "the new login behind it was seen without another event"


def test_a_file_that_was_half_written_and_says_the_same_again_is_no_new_login() -> None:
    """The CLI rewrites the file in place at each of its refreshes, and so does whoever touches it."""
    house = Corp().begin()
    before = house.lookout.logins[LANE]
    house.changes(Login(torn=True))
    house.changes(before)
    assert len(house.aws.calls) == 1


def test_an_ended_login_raises_its_notice_on_the_first_day() -> None:
    """A host that was only found in a file counts where a login that has ended could serve it."""
    house = Corp(config="")
    house.files[HOME].auths[HOST] = "QVdTOm9sZA=="
    house.ends()
    house.begin().live(HOUR)
    assert house.row()["phase"] == "login-required"
    assert [event for event, _key in house.herald.events("login:")] == ["raised"]


def test_the_button_of_a_notice_starts_its_command_and_a_stale_one_nothing() -> None:
    """DESIGN 7: the action **Sign in**; never unasked."""
    house = Corp().begin()
    house.service.tell(SignInAsked(KEY))
    house.settle()
    house.ends()
    house.live(2 * HOUR)
    assert house.herald.signed_in == []
    house.service.tell(SignInAsked(KEY))
    house.settle()
    assert house.herald.signed_in == [COMMAND]


def test_what_was_not_delivered_is_said() -> None:
    """DESIGN 7: a notice that could not be delivered is said so in `status`."""
    house = Corp().begin()
    house.herald.problems = ("There is no desktop to show it on.",)
    house.ends()
    house.live(2 * HOUR)
    assert house.service.document()["notices"][0]["problems"] == ["There is no desktop to show it on."]


def test_a_login_that_ended_has_its_token_asked_about_once_at_the_registry() -> None:
    """DESIGN 5: "valid until" is AWS's statement; the registry's own answer stands beside it."""
    house = Corp().begin()
    house.ends()
    house.live(3 * HOUR)
    assert len(house.prober.asked) == 1, "one registry of the grant, once"
    assert house.row(house.prober.asked[0][0])["probe"]["answer"] == "accepted"
    assert "The registry confirmed it at" in house.service.document()["notices"][0]["body"]


def test_time_for_people_is_their_own() -> None:
    """Somebody in Berlin reads 21:00 when it is 20:00 UTC."""
    at, now = datetime(2026, 3, 2, 20, 0, tzinfo=UTC), START
    assert spoken(at, now, timezone(HOUR)) == "21:00"
    assert spoken(at + timedelta(hours=5), now, timezone(HOUR)) == "Tue 02:00"
    assert spoken(at + timedelta(days=30), now, UTC) == "2026-04-01 20:00"
