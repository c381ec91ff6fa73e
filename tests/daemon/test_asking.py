"""What people and scripts ask of the loop: ensure, the hook, a configuration that is saved."""

from __future__ import annotations

from datetime import timedelta

from ecr_refreshd.core.model import Category, EntryKind, Failure
from ecr_refreshd.waits import Wait
from tests.household import HOME, HOST, File, Household, auth_text

CONFIG = f'[[registry]]\nhost = "{HOST}"\n'
SECOND = "111122223333.dkr.ecr.us-west-2.amazonaws.com"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LIFE = timedelta(hours=12)
LOGIN = Failure(Category.LOGIN, "SSOTokenLoadError", "ended", "aws sso login")
OFFLINE = Failure(Category.TRANSIENT, "EndpointConnectionError", "AWS could not be reached.")


def ensure(house: Household, least: timedelta, *hosts: str) -> Wait:
    wait = Wait(frozenset(hosts or (HOST,)), min_ttl=least)
    house.service._queue.put(wait)
    house.settle()
    return wait


def test_ensure_is_satisfied_by_what_lasts_long_enough() -> None:
    """No call to AWS for what is there already."""
    house = Household(CONFIG).begin()
    wait = ensure(house, 2 * HOUR)
    assert wait.done.is_set()
    assert wait.ensured
    assert len(house.aws.calls) == 1


def test_ensure_renews_what_does_not_last_long_enough() -> None:
    """A long build asks for three hours when two are left."""
    house = Household(CONFIG).begin()
    house.live(4 * HOUR)
    wait = ensure(house, 11 * HOUR)
    assert wait.ensured
    assert len(house.aws.calls) == 2


def test_ensure_waits_through_a_passing_failure() -> None:
    """It returns when the token is there, not at the first refusal."""
    answers: list[object] = [OFFLINE]
    house = Household(CONFIG, answer=lambda _order: answers[-1]).begin()
    wait = ensure(house, HOUR)
    house.live(10 * MINUTE)
    assert not wait.done.is_set()
    answers.append(LIFE)
    house.live(MINUTE)
    assert wait.ensured


def test_ensure_does_not_wait_for_a_person() -> None:
    """A script learns at once that somebody must sign in."""
    house = Household(CONFIG, answer=lambda _order: LOGIN).begin()
    wait = ensure(house, HOUR)
    assert wait.done.is_set()
    assert not wait.ensured


def test_ensure_says_when_no_token_can_live_that_long() -> None:
    """Exit code 2: the wish is wrong, and asking AWS again would not help."""
    house = Household(CONFIG).begin()
    wait = ensure(house, 13 * HOUR)
    assert wait.done.is_set()
    assert wait.beyond == (HOST,)
    assert len(house.aws.calls) == 1


def test_one_token_that_was_short_says_nothing_of_the_next() -> None:
    """AWS alone knows how long its tokens live; a fresh one is asked for before the wish is called wrong."""
    lives = [timedelta(minutes=90)]
    house = Household(CONFIG, answer=lambda _order: lives[-1]).begin()
    lives.append(LIFE)
    house.live(5 * MINUTE)
    wait = ensure(house, 2 * HOUR)
    assert wait.ensured


def test_ensure_of_an_unknown_host_does_nothing() -> None:
    """Exit code 2."""
    house = Household(CONFIG).begin()
    wait = ensure(house, HOUR, "nobody.example")
    assert wait.unknown == ("nobody.example",)


def test_ensure_overwrites_somebody_elses_login_that_is_too_short_and_no_other() -> None:
    """A script's explicit wish goes before `on_foreign = "keep"`, where it has to."""
    foreign = auth_text(Household().clock.wall + 5 * HOUR)
    house = Household(CONFIG, files={HOME: File({HOST: foreign})}).begin()
    assert house.files[HOME].auths[HOST] == foreign
    assert ensure(house, 4 * HOUR).ensured
    assert house.files[HOME].auths[HOST] == foreign
    assert ensure(house, 6 * HOUR).ensured
    assert house.files[HOME].auths[HOST] != foreign


def test_ensure_looks_at_the_files_and_not_only_at_the_token() -> None:
    """Exit 0 once each has at least that much life in every sink."""
    house = Household(CONFIG).begin()
    house.files[HOME].fault = Failure(Category.TRANSIENT, "sink.readonly", "read-only")
    house.spoil(HOME, HOST, None)
    wait = ensure(house, HOUR)
    house.live(MINUTE)
    assert not wait.ensured


def test_a_file_that_never_answers_its_first_look_is_said_and_holds_nobody_up() -> None:
    """A hung network share must not keep `refresh` or `--once` waiting for minutes."""
    other = "/mnt/share/config.json"
    house = Household(CONFIG, files={HOME: File(), other: File(silent=True)}).begin()
    wait = Wait(frozenset({HOST}), refresh=True)
    house.service._queue.put(wait)
    house.settle()
    assert not wait.done.is_set()
    house.live(timedelta(seconds=11))
    assert wait.done.is_set()
    assert house.row()["sinks"][0]["state"] == "written"
    assert "does not answer" in house.service._state.sink(other).failure.message
    house.files[other].silent = False
    house.live(MINUTE)
    assert house.service._state.sink(other).failure is None


def test_a_client_that_waits_no_longer_is_forgotten() -> None:
    """A wait whose client has given up must not stay for the life of the service."""
    house = Household(CONFIG, answer=lambda _order: None).begin()
    assert not house.service.wait(Wait(frozenset({HOST}), refresh=True), 0.01)
    house.settle()
    assert house.service._waits._waiting == []


def test_the_hook_hears_of_each_new_token_once_it_stands_everywhere() -> None:
    """[hooks] on_renewed: hosts and expiry, no token; a restart announces nothing anew."""
    house = Household(CONFIG + f'[[registry]]\nhost = "{SECOND}"\n').begin()
    assert house.herald.announced == [
        {"hosts": [SECOND, HOST], "expires_at": house.row()["expires_at"]},
    ]
    house.live(20 * HOUR)
    assert len(house.herald.announced) == len(house.aws.calls)
    house.live(MINUTE)
    again = Household(
        CONFIG + f'[[registry]]\nhost = "{SECOND}"\n',
        files=house.files,
        remembered=house.saved,
        clock=house.clock,
    ).begin()
    assert again.herald.announced == []


def save(house: Household, config: str) -> None:
    house.config = config
    house.lookout.config = f"digest of {config}"
    house.watcher.changed("/home/dev/.config/ecr-refreshd/config.toml")
    house.settle()
    house.live(timedelta(seconds=1))


def test_a_deleted_configuration_means_the_defaults_and_a_saved_one_does_not() -> None:
    """Within two seconds (DESIGN 4); a file that is removed and made anew by its editor was never gone."""
    silent = CONFIG + "[discover]\nadopt = false\n"
    house = Household(silent, files={HOME: File({HOST: "", SECOND: ""})}).begin()
    for text, digest in (("", ""), (silent, "as before")):
        house.config, house.lookout.config = text, digest
        house.lookout.look()
        house.settle()
        house.live(timedelta(seconds=0.5))
    assert len(house.service.document()["registries"]) == 1
    house.config, house.lookout.config = "", ""
    house.lookout.look()
    house.settle()
    house.live(timedelta(seconds=2))
    assert [row["origin"] for row in house.service.document()["registries"]] == ["adopted", "adopted"]
    assert house.service.document()["degraded"] == []


def test_a_saved_configuration_is_in_force_at_once() -> None:
    """DESIGN 4: SIGHUP and a saved file reload it."""
    house = Household(CONFIG).begin()
    save(house, CONFIG + f'[[registry]]\nhost = "{SECOND}"\n')
    assert house.row(SECOND)["phase"] == "fresh"
    assert house.told.count("RELOADING=1") == 1


def test_a_bad_configuration_leaves_the_old_one_in_force_and_says_so_until_it_is_mended() -> None:
    """DESIGN 4: and says so."""
    house = Household(CONFIG).begin()
    save(house, CONFIG + "colour = 1\n")
    assert house.row()["phase"] == "fresh"
    assert [each["code"] for each in house.service.document()["degraded"]] == ["config.invalid"]
    save(house, CONFIG)
    assert house.service.document()["degraded"] == []


def test_a_configuration_that_is_touched_and_says_the_same_reloads_nothing() -> None:
    """Editors and dotfile managers touch files."""
    house = Household(CONFIG).begin()
    house.watcher.changed("/home/dev/.config/ecr-refreshd/config.toml")
    house.live(timedelta(seconds=1))
    assert "RELOADING=1" not in house.told


def test_a_registry_that_leaves_the_configuration_keeps_its_entry_and_is_left_alone() -> None:
    """DESIGN 4: no longer renewed or healed; its entry stays."""
    house = Household(CONFIG + f'[[registry]]\nhost = "{SECOND}"\n').begin()
    save(house, CONFIG)
    kept = house.files[HOME].auths[SECOND]
    house.live(20 * HOUR)
    assert house.files[HOME].auths[SECOND] == kept
    house.spoil(HOME, SECOND, None)
    house.live(HOUR)
    assert SECOND not in house.files[HOME].auths


def test_ensure_does_not_wait_for_a_file_that_a_person_has_to_mend() -> None:
    """What does not parse a second later was not in the middle of a write; pulls fail meanwhile."""
    house = Household(CONFIG).begin()
    house.files[HOME].fault = Failure(Category.CONFIG, "sink.unparsable", "line 2")
    house.watcher.changed(HOME)
    house.settle()
    wait = ensure(house, HOUR)
    house.live(MINUTE)
    assert wait.done.is_set()
    assert not wait.ensured


def test_a_login_that_ecr_never_takes_is_degraded_and_not_waited_for() -> None:
    """Under an adopted host it is left alone (DESIGN 6); but "all is well" would be a lie."""
    house = Household(files={HOME: File({HOST: "theirs"}, kinds={HOST: EntryKind.IDENTITY})}).begin()
    assert house.service.document()["overall"] == "degraded"
    (sink,) = house.row()["sinks"]
    assert (sink["state"], sink["works"]) == ("foreign", False)
    wait = ensure(house, HOUR)
    assert wait.done.is_set()
    assert not wait.ensured
