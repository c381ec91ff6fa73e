"""The real loop on a clock set by hand: what a user of weeks would see, in seconds."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from ecr_refreshd.core.events import SinkFailed, SinkSeen
from ecr_refreshd.core.model import (
    Category,
    Choice,
    ChosenBy,
    Failure,
    Instant,
    Principal,
    Standing,
    View,
)
from ecr_refreshd.daemon import Wait
from ecr_refreshd.sinks.lane import Lane
from tests.household import HOME, HOST, START, File, HandClock, Household, auth_text

CONFIG = f'[[registry]]\nhost = "{HOST}"\n'
PODMAN = "/run/user/1000/containers/auth.json"
DAY = timedelta(days=1)


def test_without_configuration_what_stands_in_the_file_is_adopted_and_renewed() -> None:
    """Zero configuration: a dead token left by a docker login is replaced at once."""
    house = Household(files={HOME: File({HOST: auth_text(START - timedelta(hours=1))})}).begin()

    assert house.row()["phase"] == "fresh"
    assert house.row()["origin"] == "adopted"
    assert house.row()["sinks"][0]["state"] == "written"
    assert len(house.aws.calls) == 1


def test_a_month_of_renewals_never_leaves_an_expired_token_on_disk() -> None:
    """Promise 1: at every instant the token on disk has a third of its life left, with three calls a day."""
    house = Household(CONFIG).begin()
    for _hour in range(24 * 30):
        house.live(timedelta(hours=1))
        expires = house.row()["expires_at"]
        assert expires is not None
        assert datetime.fromisoformat(expires) - house.clock.wall >= timedelta(hours=3, minutes=50)
        assert house.row()["sinks"][0]["state"] == "written"

    assert 30 * 3 - 1 <= len(house.aws.calls) <= 30 * 4
    assert house.files[HOME].rewrites == len(house.aws.calls)


def test_login_backed_tokens_are_renewed_hourly() -> None:
    """Promise 2: whenever the login ends, the newest token bridges at least 10 h 45 min."""
    house = Household(CONFIG)
    house.lookout.said.standings["dev"] = Standing(login_backed=True, lane="sso:corp", sso_session="corp")
    house.begin()
    house.live(DAY)

    assert 23 <= len(house.aws.calls) <= 25


def test_a_removed_entry_is_healed_without_asking_aws() -> None:
    """Promise 4, healed; counted, and from memory."""
    house = Household(CONFIG).begin()
    before = dict(house.files[HOME].auths)

    house.spoil(HOME, HOST, None)

    assert before == house.files[HOME].auths
    assert house.row()["heals"] == 1
    assert len(house.aws.calls) == 1


def test_our_older_token_coming_back_is_not_taken_for_somebody_elses() -> None:
    """A docker login that waited at its prompt writes back the token of before (docker-config.md 2.2)."""
    house = Household(CONFIG).begin()
    older = house.files[HOME].auths[HOST]
    house.live(timedelta(hours=9))
    newer = house.files[HOME].auths[HOST]
    assert newer != older

    house.spoil(HOME, HOST, older)

    assert house.files[HOME].auths[HOST] == newer


def test_a_living_foreign_login_is_kept_until_an_hour_before_it_ends() -> None:
    """Healing must not fight a person who logged in with another role."""
    house = Household(CONFIG).begin()
    theirs = auth_text(house.clock.wall + timedelta(hours=8), "theirs")
    house.spoil(HOME, HOST, theirs)

    house.live(timedelta(hours=6, minutes=50))
    assert house.files[HOME].auths[HOST] == theirs
    assert house.row()["sinks"][0]["state"] == "foreign"

    house.live(timedelta(minutes=11))
    assert house.files[HOME].auths[HOST] != theirs
    assert house.row()["sinks"][0]["state"] == "written"


def test_refresh_overwrites_a_foreign_login() -> None:
    """`refresh HOST` is the person's word."""
    house = Household(CONFIG).begin()
    house.spoil(HOME, HOST, auth_text(house.clock.wall + timedelta(hours=8), "theirs"))
    wait = Wait(frozenset({HOST}), refresh=True)

    house.service._queue.put(wait)
    house.settle()

    assert wait.done.is_set()
    assert house.row()["sinks"][0]["state"] == "written"
    assert len(house.aws.calls) == 2


def test_refresh_of_an_unknown_host_asks_nobody() -> None:
    """The command line answers with exit code 2, and nothing was refreshed."""
    house = Household(CONFIG).begin()
    wait = Wait(frozenset({"other.example"}), refresh=True)

    house.service._queue.put(wait)
    house.settle()

    assert wait.unknown == ("other.example",)
    assert len(house.aws.calls) == 1


def test_a_restart_fetches_nothing_while_the_file_holds_our_token() -> None:
    """DESIGN 5: the state file has dates and a fingerprint, the file has the token; that is enough."""
    first = Household(CONFIG).begin()
    first.live(timedelta(hours=2))
    second = Household(CONFIG, files=first.files, remembered=first.saved, clock=first.clock).begin()

    assert second.aws.calls == []
    assert second.row()["phase"] == "fresh"

    second.spoil(HOME, HOST, None)
    assert HOST in second.files[HOME].auths


def test_a_restart_fetches_when_the_token_was_removed_meanwhile() -> None:
    """Dates without a token are worth nothing."""
    first = Household(CONFIG).begin()
    first.live(timedelta(hours=2))
    first.files[HOME].auths.clear()

    second = Household(CONFIG, files=first.files, remembered=first.saved, clock=first.clock).begin()

    assert len(second.aws.calls) == 1
    assert HOST in second.files[HOME].auths


def test_transient_failures_keep_the_good_token_and_are_tried_again_in_growing_pauses() -> None:
    """Promise 8, never worse: four hours of outage cost nothing and do not hammer."""
    outage = {"on": False}

    def answer(_order: object) -> timedelta | Failure:
        if outage["on"]:
            return Failure(Category.TRANSIENT, "EndpointConnectionError", "no route")
        return timedelta(hours=12)

    house = Household(CONFIG, answer=answer).begin()
    token = house.files[HOME].auths[HOST]
    outage["on"] = True
    house.live(timedelta(hours=11))
    assert house.files[HOME].auths[HOST] == token
    assert house.row()["phase"] == "retrying"
    calls = len(house.aws.calls)
    assert calls < 60

    outage["on"] = False
    house.live(timedelta(minutes=10))
    assert house.row()["phase"] == "fresh"
    assert house.files[HOME].auths[HOST] != token


def test_a_grant_that_waits_for_a_person_asks_again_when_the_aws_files_change_and_not_before() -> None:
    """DESIGN 5: no timed AWS call while only a person can help; after the login everything is fresh."""
    signed_in = {"yes": False}

    def answer(_order: object) -> timedelta | Failure:
        if signed_in["yes"]:
            return timedelta(hours=12)
        return Failure(Category.LOGIN, "SSOTokenLoadError", "ended", "aws sso login --sso-session corp")

    house = Household(CONFIG, answer=answer)
    house.lookout.said.standings["dev"] = Standing(login_backed=True, lane="sso:corp", sso_session="corp")
    house.begin()
    assert house.row()["phase"] == "login-required"
    house.live(DAY)
    assert len(house.aws.calls) == 1

    signed_in["yes"] = True
    house.lookout.text = "two"
    house.watcher.changed("/home/dev/.aws/config")
    house.settle()
    house.live(timedelta(seconds=1))

    assert house.row()["phase"] == "fresh"
    assert len(house.aws.calls) == 2


def test_two_writers_at_war_are_calmed_and_peace_ends_it() -> None:
    """Contested: ten undos within moments, then growing pauses; never a hot loop, never given up."""
    house = Household(CONFIG).begin()
    for _ in range(40):
        if HOST in house.files[HOME].auths:
            house.spoil(HOME, HOST, None)
        house.live(timedelta(milliseconds=100))
    assert house.row()["sinks"][0]["state"] == "contested"
    assert house.files[HOME].rewrites < 20

    house.live(timedelta(minutes=2))
    assert house.row()["sinks"][0]["state"] == "written"


def test_a_logout_every_hour_is_healed_at_once_for_ever() -> None:
    """Logouts spread over a day are no war."""
    house = Household(CONFIG).begin()
    for _ in range(48):
        house.live(timedelta(minutes=30))
        house.spoil(HOME, HOST, None)
        assert HOST in house.files[HOME].auths
    assert house.row()["heals"] == 48


def test_a_file_that_does_not_parse_is_not_written_and_taken_up_again() -> None:
    """Never written while broken; the state says so."""
    house = Household(CONFIG).begin()
    rewrites = house.files[HOME].rewrites
    house.files[HOME].fault = Failure(Category.TRANSIENT, "sink.unparsable", "line 3: not JSON")
    house.spoil(HOME, HOST, None)
    house.live(timedelta(hours=9))
    assert house.files[HOME].rewrites == rewrites
    assert house.row()["sinks"][0]["state"] == "unparsable"
    assert house.service.document()["overall"] == "degraded"

    house.files[HOME].fault = None
    house.live(timedelta(minutes=1))
    assert HOST in house.files[HOME].auths
    assert house.service.document()["overall"] == "ok"


def test_registries_of_one_grant_cost_one_call_and_one_rewrite() -> None:
    """Promise 9: 100 accounts of a region, one token, one rewrite."""
    accounts = "\n".join(
        f'[[registry]]\nhost = "{n:012}.dkr.ecr.us-west-2.amazonaws.com"' for n in range(100)
    )
    house = Household(accounts).begin()

    assert len(house.aws.calls) == 1
    assert house.files[HOME].rewrites == 1
    assert house.service.document()["overall"] == "ok"


def test_grants_of_one_batch_share_a_rewrite() -> None:
    """Two regions asked for together are written together."""
    config = '[[registry]]\naccount = "724013829182"\nregions = ["us-west-2", "eu-west-1"]\n'
    house = Household(config).begin()

    assert len(house.aws.calls) == 2
    assert house.files[HOME].rewrites == 1
    house.live(timedelta(days=2))
    assert house.files[HOME].rewrites <= len(house.aws.calls)


def test_a_dead_alarm_clock_ends_the_service() -> None:
    """APScheduler's thread can die unseen: the supervisor starts us again."""
    house = Household(CONFIG).begin()
    house.alarms.age = timedelta(seconds=91)
    house.live(timedelta(seconds=31))

    assert house.service._exit == 1


def test_a_suspend_of_ten_hours_is_noticed_within_a_tick() -> None:
    """Deadlines are wall-clock times checked by a bounded tick: a lid closed over the renewal costs 30 s."""
    house = Household(CONFIG).begin()
    house.live(timedelta(hours=1))
    house.clock.advance(timedelta(hours=12))
    house.alarms.at = None
    house.live(timedelta(seconds=31))

    assert house.row()["phase"] == "fresh"


def test_a_wall_clock_set_back_does_not_stop_renewals() -> None:
    """The second clock counts: with the wall clock back by a month, tokens are still renewed in time."""
    house = Household(CONFIG).begin()
    house.clock.wall -= timedelta(days=30)
    house.live(timedelta(hours=9))

    assert len(house.aws.calls) >= 2


def test_a_denied_profile_gives_way_to_the_next_of_the_account() -> None:
    """DESIGN 4: first one not denied."""

    def answer(order: object) -> timedelta | Failure:
        if order.grant.principal.profile == "readonly":
            return Failure(Category.DENIED, "AccessDeniedException", "not allowed")
        return timedelta(hours=12)

    house = Household(CONFIG, answer=answer)
    house.lookout.said.offered = (
        Choice(Principal("readonly"), ChosenBy.ACCOUNT),
        Choice(Principal("admin"), ChosenBy.ACCOUNT),
    )
    house.service._wishes.reread(house.lookout.said)
    house.begin()

    assert house.row()["principal"]["profile"] == "admin"
    assert house.row()["phase"] == "fresh"


def test_a_reload_takes_new_registries_and_a_bad_file_leaves_the_old_ones() -> None:
    """SIGHUP: the new settings, or a line in the log and the old ones."""
    house = Household(CONFIG).begin()
    house.config = CONFIG + '[[registry]]\nhost = "724013829182.dkr.ecr.eu-west-1.amazonaws.com"\n'
    house.service.reload()
    house.settle()
    assert len(house.service.document()["registries"]) == 2
    assert house.told[-2:] == ["RELOADING=1", "READY=1"]

    house.config = "nonsense = 1"
    house.service.reload()
    house.settle()
    assert len(house.service.document()["registries"]) == 2
    assert "config.refused" in house.log.events()


def test_podmans_file_gets_only_hosts_that_stand_in_it() -> None:
    """DESIGN 6: an auth.json is not filled with hosts nobody put there, but a stale one in it is renewed."""
    other = "724013829182.dkr.ecr.eu-west-1.amazonaws.com"
    config = '[[registry]]\naccount = "724013829182"\nregions = ["us-west-2", "eu-west-1"]\n'
    stale = auth_text(START - timedelta(hours=1))
    house = Household(config, files={HOME: File(), PODMAN: File({HOST: stale})}).begin()

    assert {HOST, other} == set(house.files[HOME].auths)
    assert {HOST} == set(house.files[PODMAN].auths)
    assert house.files[PODMAN].auths[HOST] == house.files[HOME].auths[HOST]


def test_where_only_podmans_file_exists_it_is_the_default() -> None:
    """Creating config.json would hide the logins of auth.json from crane and ko."""
    house = Household(CONFIG, files={HOME: File(exists=False), PODMAN: File({"quay.io": "eDp5"})}).begin()

    assert HOST in house.files[PODMAN].auths
    assert house.files[HOME].auths == {}


def test_a_look_from_before_a_host_was_known_never_overwrites_it() -> None:
    """What was not looked at is not taken for absent."""
    house = Household(CONFIG).begin()
    other = "724013829182.dkr.ecr.us-west-2.on.aws"
    house.config = CONFIG + f'[[registry]]\nhost = "{other}"\n'
    theirs = auth_text(house.clock.wall + timedelta(hours=9), "theirs")
    house.files[HOME].auths[other] = theirs
    house.service.reload()
    house.settle()

    assert house.files[HOME].auths[other] == theirs


def test_nothing_the_loop_says_or_keeps_shows_a_token() -> None:
    """Promise 6: log lines, memory and status hold fingerprints only."""
    house = Household(CONFIG).begin()
    text = house.files[HOME].auths[HOST]
    house.spoil(HOME, HOST, None)
    house.live(DAY)

    for said in (house.log.lines, house.saved, house.service.document(), house.service._state):
        assert text not in repr(said)
        assert text[8:40] not in repr(said)


def test_a_doubled_or_stale_look_decides_nothing() -> None:
    """Level, not edge: the same view again is no news."""
    house = Household(CONFIG).begin()
    rewrites = house.files[HOME].rewrites
    for _ in range(5):
        house.service._queue.put(SinkSeen(HOME, house.files[HOME].view([HOST])))
    house.settle()

    assert house.files[HOME].rewrites == rewrites


def test_the_household_clock_moves_both_ways() -> None:
    """The harness itself: both clocks move together unless a test sets one."""
    clock = HandClock()
    clock.advance(timedelta(seconds=5))

    assert START + timedelta(seconds=5) == clock.wall


def test_another_profile_takes_over_what_the_one_before_wrote() -> None:
    """A token of ours is not somebody else's login because another principal serves the host now."""
    house = Household(CONFIG).begin()
    before = house.files[HOME].auths[HOST]
    house.config = CONFIG + 'profile = "other"\n'
    house.service.reload()
    house.settle()

    assert house.row()["principal"]["profile"] == "other"
    assert house.files[HOME].auths[HOST] != before


def test_an_entry_with_an_absurd_end_does_not_end_the_service() -> None:
    """What stands in a file is somebody else's text; a year 1 in it is a login that has ended."""
    house = Household(CONFIG).begin()
    house.spoil(HOME, HOST, auth_text(datetime(1, 1, 1, tzinfo=UTC)))

    assert house.row()["sinks"][0]["state"] == "written"


def test_a_config_that_is_removed_is_healed_where_it_was() -> None:
    """Promise 4: podman's file takes its place only where there never was one; docker reads no other."""
    house = Household(CONFIG, files={HOME: File(), PODMAN: File({"quay.io": "eDp5"})}).begin()
    house.files[HOME].exists = False
    house.spoil(HOME, HOST, None)

    assert HOST in house.files[HOME].auths
    assert HOST not in house.files[PODMAN].auths


def test_a_podman_logout_is_healed_in_podmans_file() -> None:
    """Promise 4: with REGISTRY_AUTH_FILE podman reads that file alone."""
    stale = auth_text(START - timedelta(hours=1))
    house = Household(CONFIG, files={HOME: File(), PODMAN: File({HOST: stale})}).begin()
    house.spoil(PODMAN, HOST, None)
    assert house.files[PODMAN].auths == house.files[HOME].auths

    house.files[PODMAN].exists = False
    house.spoil(PODMAN, HOST, None)
    assert house.files[PODMAN].auths == {}, "a file that was removed is not made again: podman has another"


def test_a_refresh_does_not_doom_a_later_login_in_another_file() -> None:
    """A person's word counts for what stood there when it was given."""
    house = Household(CONFIG, files={HOME: File(), PODMAN: File({"quay.io": "eDp5"})}).begin()
    house.service._queue.put(Wait(frozenset({HOST}), refresh=True))
    house.settle()
    theirs = auth_text(house.clock.wall + timedelta(hours=8), "theirs")
    house.spoil(PODMAN, HOST, theirs)

    assert house.files[PODMAN].auths[HOST] == theirs


def test_a_reload_tries_again_what_was_denied() -> None:
    """DESIGN 5: denied and config errors, on a change of files or config; a proxy may be set there."""
    allowed = {"yes": False}

    def answer(_order: object) -> timedelta | Failure:
        return timedelta(hours=12) if allowed["yes"] else Failure(Category.DENIED, "AccessDenied", "no")

    house = Household(CONFIG, answer=answer).begin()
    assert house.row()["phase"] == "blocked"
    allowed["yes"] = True
    house.service.reload()
    house.settle()

    assert house.row()["phase"] == "fresh"


def test_a_damaged_memory_costs_its_rows_only() -> None:
    """Dates that somebody edited, without a zone or beyond every calendar, do not end the service."""
    for end in ("2026-03-02T19:00:00", "9999-12-31T23:59:59-12:00"):
        row = {"fingerprint": "0" * 12, "obtained_at": "2026-03-02T07:00:00+00:00", "expires_at": end}
        house = Household(CONFIG, remembered={"grants": {"dev/ecr/us-west-2": row}}).begin()
        house.live(timedelta(hours=1))

        assert house.row()["phase"] == "fresh"


def test_a_file_that_could_not_be_read_for_a_moment_is_well_again() -> None:
    """What a look found wrong, the next look finds mended; there may be nothing to write for hours."""
    house = Household(CONFIG).begin()
    failure = Failure(Category.TRANSIENT, "sink.unreadable", "no permission")
    house.service._queue.put(SinkFailed(HOME, "unwritable", failure))
    house.settle()
    assert house.row()["sinks"][0]["state"] == "unwritable"
    house.watcher.changed(HOME)
    house.settle()

    assert house.row()["sinks"][0]["state"] == "written"
    assert "sink.recovered" in house.log.events()


def test_a_token_that_was_lost_is_not_called_valid() -> None:
    """Promise 7: dates that the state file remembers bridge nothing when no file holds the token any more."""
    ended = Failure(Category.LOGIN, "SSOTokenLoadError", "ended", "aws sso login --sso-session corp")
    for config in (CONFIG, ""):  # an adopted host that once succeeded counts too
        first = Household(config, {HOME: File({HOST: auth_text(START)})}).begin()
        first.live(timedelta(hours=2))
        first.files[HOME].auths.clear()
        second = Household(
            config, first.files, lambda _order: ended, remembered=first.saved, clock=first.clock
        ).begin()

        assert second.row()["expires_at"] is None
        assert second.row()["phase"] == "login-required"
        assert second.service.document()["overall"] == "login-required"
        assert [line[2]["valid_until"] for line in second.log.lines if line[1] == "grant.failed"] == [None]


class StuckSink:
    """A file on a disk that does not answer."""

    def __init__(self, path: str, release: threading.Event) -> None:
        self.path = path
        self.stuck = threading.Event()
        self._release = release

    def look(self, _hosts: object) -> View:
        self.stuck.set()
        self._release.wait(20)
        return View()

    def folders(self) -> frozenset[str]:
        return frozenset()


def test_files_that_hang_together_hold_up_the_end_as_long_as_one() -> None:
    """The end is bounded however many files there are; who came too late to be served is not left waiting."""
    release = threading.Event()
    sinks = [StuckSink(f"/stuck/{n}", release) for n in range(6)]
    house = Household(CONFIG).begin()
    for sink in sinks:
        lane = Lane(sink, house.service._queue.put)
        lane.start()
        lane.look()
        assert sink.stuck.wait(20)
        house.service._lanes._lanes[sink.path] = lane
    late = Wait()
    house.service._queue.put(late)

    began = time.monotonic()
    house.clock.now = lambda: Instant(house.clock.wall, timedelta(seconds=time.monotonic()))
    house.service._end()
    lasted = time.monotonic() - began
    release.set()
    for sink in sinks:
        house.service._lanes._lanes[sink.path].stop(20)

    assert lasted < len(sinks) / 2, "each of them alone takes a second"
    assert late.done.is_set()


def test_a_login_after_a_refresh_that_failed_is_kept() -> None:
    """A person's word is about what stood there when it was given; their newest login counts."""
    outage = {"on": False}

    def answer(_order: object) -> timedelta | Failure:
        return Failure(Category.TRANSIENT, "x", "no route") if outage["on"] else timedelta(hours=12)

    house = Household(CONFIG, answer=answer).begin()
    outage["on"] = True
    house.service._queue.put(Wait(frozenset({HOST}), refresh=True))
    house.settle()
    theirs = auth_text(house.clock.wall + timedelta(hours=8), "theirs")
    house.spoil(HOME, HOST, theirs)
    house.live(timedelta(minutes=1))

    assert house.files[HOME].auths[HOST] == theirs


def test_a_clock_set_back_does_not_keep_a_foreign_login_beyond_its_end() -> None:
    """Promise 4: the clock that cannot be set counts for it too."""
    house = Household(CONFIG).begin()
    theirs = auth_text(house.clock.wall + timedelta(hours=8), "theirs")
    house.spoil(HOME, HOST, theirs)
    house.clock.wall -= timedelta(days=2)
    house.live(timedelta(hours=7, minutes=1))

    assert house.files[HOME].auths[HOST] != theirs
