"""The healing policy: logouts and clobbers, pauses, other people's logins, wars, dead public tokens, shadows."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from ecr_refreshd.core.events import PauseAsked, RefreshAsked, ResumeAsked, SinkSeen
from ecr_refreshd.core.model import Category, Failure, Standing, View
from ecr_refreshd.core.ports import FetchOrder
from ecr_refreshd.core.state import FilePlan
from ecr_refreshd.core.wishes import Wishes
from tests.household import HOME, HOST, START, File, HandProfiles, Household, auth_text

PUBLIC = "public.ecr.aws"
CONFIG = f'[[registry]]\nhost = "{HOST}"\n'
RESPECT = CONFIG + '[heal]\non_logout = "respect"\n'
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
DENIED = Failure(Category.DENIED, "AccessDeniedException", "The role may not do this.", "Ask for it.")


def reloaded(house: Household, config: str) -> None:
    house.config = config
    house.service.reload()
    house.settle()


def told(house: Household, kind: str) -> list[str]:
    return [event for event, key in house.herald.events(kind)]


def test_a_logout_is_healed_and_the_first_time_the_person_learns_of_pause() -> None:
    """DESIGN 6: logouts spread over a day, however many, are healed at once; the notice comes once per host."""
    house = Household(CONFIG).begin()
    for _ in range(5):
        house.spoil(HOME, HOST, None)
        assert HOST in house.files[HOME].auths
        house.live(2 * HOUR)
    assert told(house, f"logout:{HOST}") == ["raised", "withdrawn"]
    assert f"ecr-refreshd pause {HOST}" in house.herald.told[0][1].body


def test_a_respected_logout_pauses_until_the_next_login() -> None:
    """`on_logout = "respect"`: until `resume`, `refresh HOST` or a login."""
    house = Household(RESPECT).begin()
    house.spoil(HOME, HOST, None)
    house.live(20 * HOUR)
    assert HOST not in house.files[HOME].auths
    row = house.row()
    assert (row["phase"], row["paused_by"], row["paused_until"]) == ("paused", "logout", None)
    assert row["sinks"][0]["state"] == "paused"

    house.spoil(HOME, HOST, auth_text(house.clock.wall + 12 * HOUR))
    assert house.row()["phase"] != "paused"


def test_a_clobber_is_healed_even_where_logouts_are_respected() -> None:
    """Our key vanished and something else changed too: a dotfile manager, not a logout."""
    house = Household(RESPECT).begin()
    house.files[HOME].other = "another credsStore, another entry"
    house.spoil(HOME, HOST, None)
    assert HOST in house.files[HOME].auths


def test_refresh_by_name_ends_a_pause_and_refresh_of_everything_does_not() -> None:
    """A person's newest word counts; everything does not mean what was excepted."""
    house = Household(RESPECT).begin()
    house.spoil(HOME, HOST, None)
    house.service.tell(RefreshAsked())
    house.settle()
    assert house.row()["phase"] == "paused"
    house.service.tell(RefreshAsked(frozenset({HOST})))
    house.settle()
    assert house.row()["phase"] == "fresh"
    assert HOST in house.files[HOME].auths


def test_a_pause_means_no_renewal_no_heal_and_no_removal_and_survives_a_restart() -> None:
    """DESIGN 3: pause HOST; kept over restarts."""
    house = Household(CONFIG).begin()
    house.service.tell(PauseAsked(HOST))
    house.settle()
    house.spoil(HOME, HOST, None)
    house.live(30 * HOUR)
    assert HOST not in house.files[HOME].auths
    assert len(house.aws.calls) == 1
    assert house.service.document()["overall"] == "ok"

    again = Household(CONFIG, files=house.files, remembered=house.saved, clock=house.clock).begin()
    again.live(HOUR)
    assert again.row()["phase"] == "paused"
    assert again.aws.calls == []
    again.service.tell(ResumeAsked(HOST))
    again.settle()
    assert again.row()["phase"] == "fresh"
    assert HOST in again.files[HOME].auths


def test_a_pause_for_a_while_ends_by_itself_in_time() -> None:
    """`pause HOST --for 2h`: no tick is needed for its end."""
    house = Household(CONFIG).begin()
    house.service.tell(PauseAsked(HOST, house.clock.wall + 2 * HOUR))
    house.settle()
    house.spoil(HOME, HOST, None)
    house.live(2 * HOUR - MINUTE)
    assert HOST not in house.files[HOME].auths
    house.live(MINUTE + timedelta(seconds=1))
    assert HOST in house.files[HOME].auths


def test_one_paused_host_does_not_keep_the_others_of_its_grant_from_renewal() -> None:
    """One token serves many registries."""
    other = "111122223333.dkr.ecr.us-west-2.amazonaws.com"
    house = Household(CONFIG + f'[[registry]]\nhost = "{other}"\n').begin()
    house.service.tell(PauseAsked(HOST))
    house.settle()
    before = house.files[HOME].auths[HOST]
    house.live(30 * HOUR)
    assert house.row(other)["phase"] == "fresh"
    assert house.files[HOME].auths[HOST] == before


@pytest.mark.parametrize("kind", ["identity", "other-user"])
def test_a_login_of_another_kind_is_replaced_once_with_a_notice(kind: str) -> None:
    """DESIGN 6: configured registry: replace once; who puts it back meant it."""
    house = Household(CONFIG).begin()
    house.files[HOME].kinds[HOST] = kind
    house.spoil(HOME, HOST, "theirs")
    assert house.files[HOME].auths[HOST] != "theirs"
    assert told(house, f"replaced:{HOST}") == ["raised"]

    house.files[HOME].kinds[HOST] = kind
    house.spoil(HOME, HOST, "theirs")
    house.live(HOUR)
    assert house.files[HOME].auths[HOST] == "theirs"
    assert house.row()["sinks"][0]["state"] == "foreign"


def test_a_war_brings_one_notice_and_peace_withdraws_it() -> None:
    """DESIGN 6, contested: 60 s of peace end it."""
    house = Household(CONFIG).begin()
    for _ in range(30):
        if HOST in house.files[HOME].auths:
            house.files[HOME].other += "x"
            house.spoil(HOME, HOST, None)
        house.live(timedelta(milliseconds=300))
    assert told(house, "contested:") == ["raised"]
    house.live(3 * MINUTE)
    assert told(house, "contested:") == ["raised", "withdrawn"]
    assert house.row()["sinks"][0]["state"] == "written"


def public(remaining: timedelta, config: str, answer: object = DENIED) -> Household:
    file = File({PUBLIC: auth_text(START + remaining), HOST: auth_text(START - HOUR)})
    return Household(config, files={HOME: file}, answer=lambda _order: answer).begin()


def test_a_dead_public_token_that_cannot_be_renewed_is_removed() -> None:
    """DESIGN 6: it breaks pulls that need no login; private entries stay; its host stays remembered."""
    house = public(-HOUR, "")
    assert PUBLIC not in house.files[HOME].auths
    assert HOST in house.files[HOME].auths
    assert {row["host"] for row in house.service.document()["registries"]} == {PUBLIC, HOST}
    assert house.row(PUBLIC)["heals"] == 0


def test_a_public_token_that_lives_or_can_be_renewed_stays() -> None:
    """Only what is worthless goes."""
    assert PUBLIC in public(HOUR, "").files[HOME].auths
    house = public(-HOUR, "", timedelta(hours=12))
    assert house.row(PUBLIC)["sinks"][0]["state"] == "written"


def test_a_public_token_dies_by_both_clocks_or_not_at_all() -> None:
    """A wall clock that jumped ahead makes no token worthless."""
    house = public(HOUR, "")
    house.clock.wall += timedelta(days=2)
    house.live(MINUTE)
    assert PUBLIC in house.files[HOME].auths
    house.live(HOUR)
    assert PUBLIC not in house.files[HOME].auths


def test_our_own_dead_public_token_is_removed_too_and_comes_back_with_the_login() -> None:
    """Whoever wrote it."""
    answers: list[object] = [timedelta(hours=12)]
    house = Household(f'[[registry]]\nhost = "{PUBLIC}"\n', answer=lambda _order: answers[-1]).begin()
    answers.append(DENIED)
    house.live(13 * HOUR)
    assert PUBLIC not in house.files[HOME].auths
    answers.append(timedelta(hours=12))
    house.lookout.text = "changed"
    house.watcher.changed("/home/dev/.aws/config")
    house.settle()
    house.live(MINUTE)
    assert house.row(PUBLIC)["sinks"][0]["state"] == "written"
    assert house.row(PUBLIC)["heals"] == 0, "nobody undid it"
    assert house.herald.events("logout:") == []


def test_a_store_that_appears_is_said() -> None:
    """Docker Desktop sets a credsStore: from then on docker reads another place, and the person learns it."""
    house = Household(CONFIG).begin()
    house.files[HOME].shadows[HOST] = "credsStore names docker-credential-desktop."
    house.spoil(HOME, HOST, house.files[HOME].auths[HOST])
    assert told(house, "shadowed:") == ["raised"]
    assert house.row()["sinks"][0]["state"] == "shadowed"
    house.files[HOME].shadows.clear()
    house.spoil(HOME, HOST, house.files[HOME].auths[HOST])
    assert told(house, "shadowed:") == ["raised", "withdrawn"]


def test_a_store_that_was_there_from_the_beginning_is_no_news() -> None:
    """Status shows it; nobody is told unasked of what they have chosen."""
    house = Household(CONFIG)
    house.files[HOME].shadows[HOST] = "credsStore names docker-credential-pass."
    house.begin().live(HOUR)
    assert house.herald.told == []


def test_what_worked_and_is_denied_now_is_told() -> None:
    """Promise 7: before the first pull fails, with until when pulls work."""
    answers: list[object] = [timedelta(hours=12)]
    house = Household(CONFIG, answer=lambda _order: answers[-1]).begin()
    answers.append(DENIED)
    house.live(9 * HOUR)
    assert told(house, "failing:") == ["raised"]
    assert "may not do this" in house.herald.told[0][1].body
    answers.append(timedelta(hours=12))
    house.live(5 * HOUR)
    assert told(house, "failing:")[-1] == "withdrawn"


def test_a_restart_does_not_tell_again_what_is_denied_and_asks_at_once() -> None:
    """No notice is raised twice for one cause; and a restart is often meant as a new try."""
    answers: list[object] = [timedelta(hours=12)]
    house = Household(CONFIG, answer=lambda _order: answers[-1]).begin()
    answers.append(DENIED)
    house.live(9 * HOUR)
    again = Household(
        CONFIG,
        files=house.files,
        remembered=house.saved,
        clock=house.clock,
        answer=lambda _order: answers[-1],
    ).begin()
    assert again.herald.told == []
    assert len(again.aws.calls) == 1
    answers.append(timedelta(hours=12))
    again.live(5 * HOUR)
    assert told(again, "failing:") == ["withdrawn"]


def test_a_token_renewed_while_the_one_before_it_is_written_is_no_heal() -> None:
    """Heals count what others have undone, and nothing else."""
    house = Household(CONFIG).begin()
    house.live(30 * HOUR)
    assert house.row()["heals"] == 0


def test_naming_a_registry_loses_none_of_the_others() -> None:
    """Adoption stays on when registries are configured (DESIGN 4)."""
    other = "111122223333.dkr.ecr.us-west-2.amazonaws.com"
    house = Household(files={HOME: File({HOST: "", other: ""})}).begin()
    reloaded(house, CONFIG)
    house.live(20 * HOUR)
    assert {host: house.row(host)["origin"] for host in (HOST, other)} == {HOST: "config", other: "adopted"}
    assert house.row(other)["phase"] == "fresh"
    reloaded(house, f"{CONFIG}[discover]\nadopt = false\n")
    assert [row["host"] for row in house.service.document()["registries"]] == [HOST]


def test_what_leaves_the_configuration_is_not_adopted_for_our_own_entry() -> None:
    """Its entry stays and is no longer renewed (DESIGN 4), also by the next run; a new login counts."""
    other = "111122223333.dkr.ecr.us-west-2.amazonaws.com"
    house = Household(f'{CONFIG}[[registry]]\nhost = "{other}"\n').begin()
    reloaded(house, CONFIG)
    house.live(MINUTE)
    again = Household(CONFIG, files=house.files, remembered=house.saved, clock=house.clock).begin()
    for each in (house, again):
        each.live(HOUR)
        assert [row["host"] for row in each.service.document()["registries"]] == [HOST]
    again.spoil(HOME, other, None)
    again.live(MINUTE)
    again.spoil(HOME, other, "")
    again.live(MINUTE)
    assert again.row(other)["origin"] == "adopted"


def test_what_left_the_configuration_is_known_before_all_files_are_seen() -> None:
    """The first look of a run at another file tells nothing of the entry that ours left in this one."""
    other = "111122223333.dkr.ecr.us-west-2.amazonaws.com"
    files = [FilePlan(path, "named") for path in ("/home/dev/.config/containers/auth.json", HOME)]
    settings = Household(CONFIG).settings()
    wishes = Wishes(settings, HandProfiles(), {}, (), "seed", UTC, dropped=[other])
    wishes.plan(files)
    for file, hosts in zip(files, [(), (HOST, other)], strict=True):
        wishes.learn([SinkSeen(file.path, View(ecr_hosts=hosts))])
    assert other not in wishes.adopted
    assert wishes.dropped == {other}


def test_a_configuration_that_names_nothing_keeps_all_that_stands_in_the_files() -> None:
    """A deleted configuration means the defaults, at once (DESIGN 4): no token is fetched anew, no line goes."""
    other = "111122223333.dkr.ecr.us-west-2.amazonaws.com"
    house = Household(f'{CONFIG}[[registry]]\nhost = "{other}"\n').begin()
    calls, rewrites = len(house.aws.calls), house.files[HOME].rewrites
    reloaded(house, "")
    house.live(MINUTE)
    assert {house.row(host)["phase"] for host in (HOST, other)} == {"fresh"}
    assert (len(house.aws.calls), house.files[HOME].rewrites) == (calls, rewrites)


def many(count: int, first: int = 0) -> dict[str, str]:
    return {f"{n:012}.dkr.ecr.us-west-2.amazonaws.com": "" for n in range(first, first + count)}


def test_whoever_is_left_out_by_the_limit_is_said_so() -> None:
    """At most 1,000 hosts are adopted (DESIGN 4); `ignore` is named, and makes room at once."""
    house = Household(files={HOME: File(many(1002))}).begin()
    document = house.service.document()
    assert len(document["registries"]) == 1000
    assert document["overall"] == "degraded"
    (said,) = document["degraded"]
    assert "2 registries are skipped, such as 000000001000." in said["message"]
    assert "[discover] ignore" in said["message"]
    reloaded(house, '[discover]\nignore = ["00000000000*"]\n')
    document = house.service.document()
    assert len(document["registries"]) == 992
    assert (document["overall"], document["degraded"]) == ("ok", [])


def test_dead_hosts_that_nobody_can_serve_take_no_place_of_living_ones() -> None:
    """A docker config of ten years; what a profile fits comes first, whenever it was found."""
    dead, living = many(1000), many(3, first=5000)
    house = Household(files={HOME: File({**dead, **living})})
    house.lookout.said.unknown = frozenset(dead)
    house.begin()
    rows = {row["host"]: row["phase"] for row in house.service.document()["registries"]}
    assert len(rows) == 1000
    assert {rows.get(host) for host in living} == {"fresh"}


def test_a_login_that_ends_concerns_every_registry_behind_it() -> None:
    """Whoever is told once by a program is told of all of them, also of those that AWS refuses a moment later."""
    slow = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
    config = (
        f'[[registry]]\nhost = "{HOST}"\nprofile = "dev"\n[[registry]]\nhost = "{slow}"\nprofile = "dev"\n'
    )
    standing = Standing(login_backed=True, lane="sso:corp", sso_session="corp", login_command="aws sso login")

    def answer(order: FetchOrder) -> Failure | None:
        ended = Failure(Category.LOGIN, "TokenRetrievalError", "The AWS login has ended.", "aws sso login")
        return None if order.grant.region == "eu-west-1" else ended

    house = Household(config, answer=answer)
    house.lookout.said.standings["dev"] = standing
    house.begin()
    (notice,) = house.service.document()["notices"]
    assert HOST in notice["body"]
    assert slow in notice["body"]


def test_a_person_who_tries_again_does_not_put_off_the_next_try() -> None:
    """While an administrator mends something; the pauses grow by the service's own tries alone."""
    house = Household(CONFIG, answer=lambda _order: DENIED).begin()
    for _ in range(5):
        house.service.tell(RefreshAsked(frozenset({HOST})))
        house.settle()
    before = len(house.aws.calls)
    house.live(timedelta(minutes=16))
    assert len(house.aws.calls) == before + 1


def test_a_file_that_cannot_be_read_is_degraded_although_no_registry_is_known() -> None:
    """Which registries stand in it nobody knows; with a registry its own row says it (DESIGN 3)."""
    fault = Failure(Category.TRANSIENT, "sink.unreadable", "It cannot be read.", "sudo chown me it")
    house = Household(files={HOME: File(fault=fault)}).begin()
    document = house.service.document()
    assert document["overall"] == "degraded"
    (row,) = document["files"]
    assert row["detail"] == "It cannot be read."
    house.files[HOME].fault = None
    house.live(timedelta(minutes=6))
    assert house.service.document()["overall"] == "ok"
    assert house.service.document()["files"] == []


def test_how_long_somebody_elses_login_is_kept_is_a_field_of_its_own() -> None:
    house = Household(CONFIG, {HOME: File({HOST: auth_text(START + 11 * HOUR, "theirs")})}).begin()
    (sink,) = house.row()["sinks"]
    assert sink["kept_until"] == "2026-03-02T18:00:00.000Z"
    assert "2026" not in sink["detail"]
