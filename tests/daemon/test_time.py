"""Suspend, clocks that jump, networks that come late, a scheduler that dies: the loop and time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ecr_refreshd.core.model import Category, Failure
from tests.daemon.corp import Corp
from tests.household import HOME, HOST, File, Household, auth_text

CONFIG = f'[[registry]]\nhost = "{HOST}"\n'
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
OFFLINE = Failure(Category.TRANSIENT, "EndpointConnectionError", "AWS could not be reached.")


@pytest.mark.parametrize("hours", [0.2, 10, 30, 24 * 21])
def test_after_any_sleep_the_token_is_fresh_within_a_tick(hours: float) -> None:
    """Minutes to weeks: timers stand still in suspend, deadlines do not."""
    house = Household(CONFIG).begin()
    house.live(5 * HOUR)
    house.clock.advance(timedelta(hours=hours))
    house.live(30 * SECOND)
    row = house.row()
    assert row["phase"] == "fresh"
    assert row["sinks"][0]["state"] == "written"


def test_offline_just_after_a_resume_is_no_error_and_is_retried_soon() -> None:
    """DESIGN 5: the network is not up yet; retries after 2, 5, 10, 20 s, and nobody is alarmed."""
    answers: list[object] = [timedelta(hours=12)]
    house = Household(CONFIG, answer=lambda _order: answers[-1]).begin()
    answers.append(OFFLINE)
    house.clock.advance(9 * HOUR)
    house.live(110 * SECOND)
    assert house.row()["phase"] == "fresh"
    assert "grant.failed" not in house.log.events()
    assert len(house.aws.calls) >= 6
    answers.append(timedelta(hours=12))
    house.live(21 * SECOND)
    assert house.row()["phase"] == "fresh"


def test_offline_for_longer_is_an_error_after_all() -> None:
    """Two minutes are enough for a network."""
    answers: list[object] = [timedelta(hours=12)]
    house = Household(CONFIG, answer=lambda _order: answers[-1]).begin()
    answers.append(OFFLINE)
    house.clock.advance(9 * HOUR)
    house.live(30 * MINUTE)
    assert house.row()["phase"] == "retrying"
    assert "grant.failed" in house.log.events()


def test_a_resume_is_noticed_and_a_quiet_hour_is_none() -> None:
    """The loop turns every 30 s; only a longer silence is a sleep."""
    house = Household(CONFIG).begin()
    house.live(HOUR)
    assert "clock.resumed" not in house.log.events()
    house.clock.advance(10 * MINUTE)
    house.live(SECOND)
    assert house.log.events().count("clock.resumed") == 1


@pytest.mark.parametrize("by", [-40 * 24 * HOUR, -HOUR, HOUR, 40 * 24 * HOUR])
def test_a_wall_clock_that_is_set_costs_no_token(by: timedelta) -> None:
    """Whichever clock says it is time is believed; the loop neither stalls nor spins."""
    house = Household(CONFIG).begin()
    house.live(HOUR)
    house.clock.wall += by
    house.live(12 * HOUR)
    assert house.row()["sinks"][0]["state"] == "written"
    assert 2 <= len(house.aws.calls) <= 5


def test_a_clock_that_is_set_right_is_a_reason_to_ask_again() -> None:
    """Found by the ninety days: AWS refuses a clock that is off, and the next try was hours away."""
    skewed = Failure(Category.CONFIG, "InvalidSignatureException", "The clock is off.")
    answers: list[object] = [timedelta(hours=12)]
    house = Household(CONFIG, answer=lambda _order: answers[-1]).begin()
    answers.append(skewed)
    house.clock.wall += timedelta(days=1)
    house.live(2 * HOUR)
    assert house.row()["phase"] == "blocked"
    answers.append(timedelta(hours=12))
    house.clock.wall -= timedelta(days=1)
    house.live(MINUTE)
    assert house.row()["phase"] == "fresh"


def test_somebodys_login_is_kept_although_the_clock_is_set_right_meanwhile() -> None:
    """Found by the ninety days: a day that was only the clock's made it look as if it had been kept for a day."""
    house = Household(CONFIG).begin()
    house.clock.wall -= timedelta(days=1)
    theirs = auth_text(house.clock.wall + timedelta(days=1) + 8 * HOUR, "somebody")
    house.spoil(HOME, HOST, theirs)
    house.clock.wall += timedelta(days=1)
    house.live(3 * HOUR)
    assert house.files[HOME].auths[HOST] == theirs
    house.live(5 * HOUR)
    assert house.files[HOME].auths[HOST] != theirs


def test_a_login_made_before_the_clock_was_set_back_is_no_reason_to_hurry_for_ever() -> None:
    """Its date lies in the future then; a token younger than it would be renewed again and again."""
    house = Corp().begin()
    house.live(30 * MINUTE)
    house.signs_in()
    house.clock.wall -= timedelta(days=3)
    before = len(house.aws.calls)
    house.live(12 * HOUR)
    assert len(house.aws.calls) - before <= 14


def test_after_a_sleep_the_registry_is_asked_whether_the_token_still_works() -> None:
    """[probe] doubt: after resume; once, when the network has had time."""
    house = Household(CONFIG).begin()
    house.live(HOUR)
    house.clock.advance(2 * HOUR)
    house.live(10 * MINUTE)
    assert len(house.prober.asked) == 1


def test_a_refused_token_is_renewed_early_once_and_a_second_refusal_is_told() -> None:
    """DESIGN 5: one early renewal per token on refusal, a second refusal is a notice."""
    house = Household(CONFIG).begin()
    house.prober.answer = lambda _host, _fingerprint: "refused"
    house.live(HOUR)
    house.clock.advance(2 * HOUR)
    house.live(2 * HOUR)
    assert len(house.aws.calls) == 2
    assert [event for event, _ in house.herald.events("refused:")] == ["raised"]
    house.prober.answer = lambda _host, _fingerprint: "accepted"
    house.live(8 * HOUR)
    assert [event for event, _ in house.herald.events("refused:")] == ["raised", "withdrawn"]


def test_a_kept_login_of_somebody_and_our_own_token_are_asked_about_once_each() -> None:
    """Found by the ninety days: after a resume each question made the loop forget that it had asked the other."""
    house = Household(CONFIG).begin()
    house.spoil(HOME, HOST, auth_text(house.clock.wall + 8 * HOUR, "somebody"))
    house.clock.advance(2 * HOUR)
    house.live(10 * MINUTE)
    assert len(house.prober.asked) == 2
    assert len({fingerprint for _host, fingerprint in house.prober.asked}) == 2


def test_two_files_with_a_login_of_somebody_each_are_asked_about_once_each() -> None:
    """Found by chance (the stateful test): two questions about one host made each other forgotten, for ever."""
    podman = "/run/user/1000/containers/auth.json"
    end = Household().clock.wall + 8 * HOUR
    files = {HOME: File({HOST: auth_text(end, "one")}), podman: File({HOST: auth_text(end, "another")})}
    house = Household(CONFIG, files=files).begin()
    house.live(10 * MINUTE)
    assert len(house.prober.asked) == 2


def test_a_kept_login_that_the_registry_refuses_is_kept_no_longer() -> None:
    """What it says of itself was wrong: revoked, or of another account."""
    house = Household(CONFIG).begin()
    house.prober.answer = lambda _host, _fingerprint: "refused"
    house.spoil(HOME, HOST, auth_text(house.clock.wall + 8 * HOUR, "somebody"))
    assert house.row()["sinks"][0]["state"] == "written"
    assert len(house.aws.calls) == 1


def test_probing_can_be_switched_off_and_made_a_habit() -> None:
    """[probe] when: off, always."""
    silent = Household(CONFIG + '[probe]\nwhen = "off"\n').begin()
    silent.clock.advance(2 * HOUR)
    silent.live(HOUR)
    assert silent.prober.asked == []
    always = Household(CONFIG + '[probe]\nwhen = "always"\n').begin()
    always.live(24 * HOUR)
    assert len(always.prober.asked) == len(always.aws.calls)


def test_an_alarm_that_is_lost_costs_a_tick() -> None:
    """Whatever becomes of a job in the scheduler (reliability.md 1.3): the loop's own tick finds what is due."""
    house = Household(CONFIG).begin()
    house.alarms.ring_at = lambda _at: None  # type: ignore[method-assign] # nothing is ever rung
    house.live(30 * HOUR)
    assert len(house.aws.calls) >= 4
    assert house.row()["phase"] == "fresh"


def test_twelve_registries_due_at_once_are_all_renewed() -> None:
    """A pool of workers with a grace of a second would lose those that have to queue."""
    hosts = [f"{100000000000 + n}.dkr.ecr.us-west-2.amazonaws.com" for n in range(12)]
    tables = "".join(f'[[registry]]\nhost = "{name}"\nprofile = "p{n}"\n' for n, name in enumerate(hosts))
    house = Household(tables).begin()
    house.clock.advance(20 * HOUR)
    house.live(MINUTE)
    assert {house.row(name)["phase"] for name in hosts} == {"fresh"}
    assert len(house.aws.calls) == 24


def test_a_dead_scheduler_ends_the_service_within_three_ticks() -> None:
    """DESIGN 5: the alarm clock is APScheduler's; its thread can die in silence."""
    house = Household(CONFIG).begin()
    house.alarms.age = timedelta(seconds=91)
    house.live(31 * SECOND)
    assert house.service._exit == 1


def test_a_process_that_was_frozen_does_not_take_its_scheduler_for_dead() -> None:
    """`docker pause` on a sidecar stops every thread; whoever wakes first finds the others silent."""
    house = Household(CONFIG).begin()
    house.live(MINUTE)
    house.alarms.age = timedelta(minutes=5)
    house.clock.advance(5 * MINUTE)
    house.settle()
    assert house.service._exit is None


@pytest.mark.parametrize("part", ["watcher", "children"])
def test_the_watchdog_is_fed_only_while_everything_is_well(part: str) -> None:
    """Clause 7: `WATCHDOG=1` from a service whose watcher or children are dead would be a lie."""
    house = Household(CONFIG).begin()
    house.live(MINUTE)
    assert house.told.count("WATCHDOG=1") >= 2
    if part == "watcher":
        house.watcher.alive = False
    else:
        house.aws.working = False
    before = house.told.count("WATCHDOG=1")
    house.live(5 * MINUTE)
    assert house.told.count("WATCHDOG=1") == before


def test_a_loop_that_no_longer_comes_round_is_said_in_status() -> None:
    """Status is answered by another thread, so it can tell."""
    house = Household(CONFIG).begin()
    house.clock.advance(5 * MINUTE)
    assert [each["code"] for each in house.service.document()["degraded"]] == ["service.stalled"]


def test_an_outlook_that_hangs_is_said_in_status() -> None:
    """A home on a dead network share stops nobody but itself."""
    house = Household(CONFIG).begin()
    house.lookout.hangs = 2 * MINUTE
    house.live(MINUTE)
    assert any("AWS files" in each["message"] for each in house.service.document()["degraded"])
    assert house.told.count("WATCHDOG=1") >= 2
