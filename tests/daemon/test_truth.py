"""What is said of a registry is what its clients get, from the first moment on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ecr_refreshd.core import memory, report
from ecr_refreshd.core.model import Category, Failure, ServedElsewhere
from ecr_refreshd.waits import Wait
from tests.household import HOME, HOST, START, File, HandLookout, Household, auth_text

HOUR = timedelta(hours=1)
CONFIG = f'[[registry]]\nhost = "{HOST}"\nprofile = "dev"\n'
PROBED = f'{CONFIG}[probe]\nwhen = "always"\n'
OTHER = "999988887777.dkr.ecr.us-east-1.amazonaws.com"
DENIED = Failure(Category.DENIED, "AccessDeniedException", "denied")
FULL = Failure(Category.TRANSIENT, "sink.unwritable", "The disk is full.", "df -h /", command="df -h /")
AUTH_JSON = "/run/user/1000/containers/auth.json"


def refusing(config: str = PROBED) -> Household:
    """A registry that refuses every token that AWS issues for it."""
    house = Household(config)
    house.prober.answer = lambda _host, _fingerprint: "refused"
    return house.begin()


def ensured(house: Household) -> bool:
    """Return whether `ensure` would say yes within a minute."""
    wait = Wait(frozenset({HOST}), min_ttl=HOUR)
    house.service._queue.put(wait)
    house.settle()
    house.live(timedelta(seconds=60))
    return wait.ensured


def test_a_registry_that_refuses_our_tokens_is_not_fresh() -> None:
    """Two tokens in a row: its word holds for later ones until it takes one."""
    house = refusing()
    document = house.service.document()
    (row,) = document["registries"]
    assert (row["phase"], document["overall"]) == ("blocked", "degraded")
    assert (row["last_error"]["code"], row["last_error"]["category"]) == ("registry.refused", "denied")
    assert row["last_error"]["command"] == f"ecr-refreshd refresh {HOST}"
    assert row["sinks"][0]["works"] is False
    assert not ensured(house)

    house.live(9 * HOUR)
    assert house.row()["phase"] == "blocked"
    house.prober.answer = lambda _host, _fingerprint: "accepted"
    house.live(9 * HOUR)
    assert house.row()["phase"] == "fresh"
    assert ensured(house)


def test_a_restart_does_not_forget_that_tokens_are_refused() -> None:
    first = refusing()
    first.service._save()
    second = Household(PROBED, first.files, remembered=first.saved, clock=first.clock)
    second.prober.answer = lambda _host, _fingerprint: None
    second.begin()
    assert second.row()["phase"] == "blocked"
    assert second.service.document()["overall"] == "degraded"


def test_a_refresh_waits_for_what_the_registry_says() -> None:
    """Its answer to the new token decides the exit code, so it is not given before."""
    house = refusing()
    house.prober.answer = lambda _host, _fingerprint: None
    wait = Wait(frozenset({HOST}), refresh=True)
    house.service._queue.put(wait)
    house.settle()
    house.live(timedelta(seconds=2))
    assert not wait.done.is_set()
    house.live(timedelta(seconds=60))
    assert wait.done.is_set(), "an answer that never comes is not waited for"


def test_a_token_that_cannot_be_written_is_unwritten() -> None:
    house = Household(CONFIG, {HOME: File({HOST: auth_text(START - HOUR)}, unwritable=FULL)}).begin()
    document = house.service.document()
    (row,) = document["registries"]
    assert (row["phase"], document["overall"]) == ("unwritten", "degraded")
    assert document["summary"] == "1 not written"
    assert row["works_until"] is None
    assert (row["sinks"][0]["state"], row["sinks"][0]["command"]) == ("unwritable", "df -h /")
    assert not ensured(house)


def test_the_state_file_tells_what_could_not_be_written() -> None:
    """Without a service `status` goes by it; exit 5 is not the only sign that none runs."""
    house = Household(CONFIG, {HOME: File(unwritable=FULL)}).begin()
    house.service._save()
    last = memory.last_document(house.saved, house.clock.wall, "0")
    assert (last["overall"], last["summary"]) == ("not-running", "1 not written")
    assert last["registries"][0]["phase"] == "unwritten"
    old = memory.last_document(house.saved, house.clock.wall + 13 * HOUR, "0")
    assert old["registries"][0]["phase"] == "expired"


def test_a_value_of_a_wrong_type_costs_docker_the_login() -> None:
    """The token is in the file, and docker decodes none of it."""
    house = Household(CONFIG, {HOME: File(undecodable="docker decodes no login: x")}).begin()
    (row,) = house.service.document()["registries"]
    assert (row["phase"], row["sinks"][0]["state"]) == ("unwritten", "unparsable")
    assert house.files[HOME].auths, "other clients read it"
    assert not ensured(house)


def test_a_file_that_does_not_parse_any_more_is_not_forgotten() -> None:
    """Our token stood in podman's file; that it cannot be read now does not make the registry fresh."""
    files = {HOME: File(), AUTH_JSON: File({HOST: auth_text(START - HOUR)})}
    house = Household(CONFIG, files).begin()
    assert house.row()["phase"] == "fresh"
    files[AUTH_JSON].fault = Failure(Category.CONFIG, "sink.unparsable", "line 3")
    house.watcher.changed(AUTH_JSON)
    house.settle()
    assert house.row()["phase"] == "unwritten"
    assert [sink["state"] for sink in house.row()["sinks"]] == ["written", "unparsable"]


def test_a_host_that_another_program_serves_is_served() -> None:
    """`credHelpers` names a helper that answers: nothing is ours to write, and nothing is wrong."""
    file = File(
        shadows={HOST: "docker-credential-ecr-login answers for it"},
        served={HOST: ServedElsewhere("docker-credential-ecr-login", None, START)},
    )
    house = Household(CONFIG, {HOME: file}, lambda _order: DENIED).begin()
    document = house.service.document()
    assert (document["overall"], house.row()["phase"]) == ("ok", "fresh")
    assert house.row()["sinks"][0]["works"] is True
    assert ensured(house)
    file.served.clear()
    house.watcher.changed(HOME)
    house.settle()
    assert house.service.document()["overall"] == "failed"


def test_nothing_is_ok_before_the_first_look() -> None:
    house = Household("", {HOME: File({HOST: auth_text(START - HOUR)}, silent=True)}).begin()
    document = house.service.document()
    assert document["overall"] == "starting"
    assert report.EXIT_CODES[document["overall"]] != 0
    assert document["summary"].startswith("starting")
    house.files[HOME].silent = False
    house.watcher.changed(HOME)
    house.settle()
    assert house.service.document()["overall"] == "ok"


class TestWhichCount:
    """DESIGN 3: configured, added or named; and whatever was found for which a principal can be asked here."""

    @staticmethod
    def two(lacks: str, config: str = "", answer=lambda _order: timedelta(hours=12)) -> Household:
        """Two hosts in a file, one of which no profile here could serve."""
        lookout = HandLookout()
        choices = lookout.said.choices
        lookout.said.choices = lambda host: () if host.name == lacks else choices(host)
        stood = {host: auth_text(START - HOUR) for host in (HOST, OTHER)}
        return Household(config, {HOME: File(stood)}, answer, lookout=lookout).begin()

    def test_a_host_that_nobody_here_can_serve_is_skipped_and_said(self) -> None:
        document = self.two(OTHER).service.document()
        assert document["overall"] == "ok"
        assert document["summary"] == "1 fresh, 1 registry skipped: no profile for account 999988887777"
        assert {row["host"]: row["counts"] for row in document["registries"]} == {HOST: True, OTHER: False}

    def test_it_counts_where_nothing_else_is_kept(self) -> None:
        lookout = HandLookout()
        lookout.said = replace(lookout.said, offered=())
        stood = {HOST: auth_text(START - HOUR)}
        house = Household("", {HOME: File(stood)}, lookout=lookout).begin()
        assert house.service.document()["overall"] == "failed"
        assert house.service.document()["summary"] == "1 blocked"

    def test_it_counts_where_it_is_named(self) -> None:
        document = self.two(OTHER).service.document()
        named = report.about_hosts(document, [OTHER], START)
        assert (named["overall"], named["summary"]) == ("failed", "1 blocked")

    def test_one_that_is_denied_and_never_worked_does_not_count(self) -> None:
        def answer(order):
            return DENIED if order.grant.region == "us-east-1" else timedelta(hours=12)

        document = self.two("", answer=answer).service.document()
        assert (document["overall"], document["summary"]) == (
            "ok",
            "1 fresh, 1 registry skipped: access denied",
        )

    def test_one_that_is_denied_and_worked_counts(self) -> None:
        allowed = [timedelta(hours=12)]

        def answer(order):
            return DENIED if order.grant.region == "us-east-1" and not allowed else timedelta(hours=12)

        house = self.two("", answer=answer)
        assert house.service.document()["overall"] == "ok"
        allowed.clear()
        house.live(9 * HOUR)
        assert house.service.document()["overall"] == "degraded"

    def test_ignored_hosts_are_counted_and_not_denied(self) -> None:
        """They stand in the file, and are left out on purpose."""
        document = self.two("", '[discover]\nignore = ["*"]\n').service.document()
        assert (document["overall"], document["ignored"]) == ("ok", [HOST, OTHER])
        assert document["summary"] == "2 hosts ignored ([discover] ignore)"


def test_invalid_settings_make_it_degraded() -> None:
    """All tokens are fresh by the old ones, and the next start would fail."""
    house = Household(CONFIG).begin()
    house.config = "nonsense"
    house.service.reload()
    house.settle()
    document = house.service.document()
    assert document["overall"] == "degraded"
    (complaint,) = document["degraded"]
    assert (complaint["code"], complaint["command"]) == ("config.invalid", "ecr-refreshd config check")


@pytest.mark.parametrize(
    ("phases", "told"),
    [
        (["fresh"] * 3 + ["login-required"], "3 fresh, 1 sign-in needed"),
        (["login-required"] * 2 + ["paused"], "2 sign-ins needed, 1 paused"),
        ([], "no registries"),
    ],
)
def test_the_summary_counts_by_phase(phases: list[str], told: str) -> None:
    rows = [{"phase": phase, "counts": True, "host": "h"} for phase in phases]
    assert report.summary(rows, ()) == told
