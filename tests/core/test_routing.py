"""Promise 5: for every state of a file, a token takes the way on which its clients find it."""

from __future__ import annotations

import pytest

from ecr_refreshd.core.dockerconfig import Routes
from ecr_refreshd.core.routing import (
    Dialect,
    Means,
    Mode,
    ProgramAnswer,
    Way,
    asks_us,
    ignored_by_docker,
    pin_for,
    routing,
)

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
WORKS, MISSING = Means(), Means(helper="it is not on PATH.")
PLAIN = Routes({}, "", bare=False)
STORE = Routes({}, "desktop", bare=False)
OURS = Routes({HOST: "ecr-refreshd"}, "", bare=False)
OURS_AND_STORE = Routes({HOST: "ecr-refreshd"}, "desktop", bare=False)
ANOTHERS = Routes({HOST: "ecr-login"}, "desktop", bare=False)
FILE = Routes({HOST: ""}, "desktop", bare=False)
ALL_OURS = Routes({}, "ecr-refreshd", bare=False)

TABLE: list[tuple[Mode, Routes, Means, Way]] = [
    ("auto", PLAIN, WORKS, Way.AUTHS),
    ("auto", STORE, WORKS, Way.HELPER),
    ("auto", STORE, MISSING, Way.AUTHS),
    ("auto", OURS, WORKS, Way.HELPER),
    ("auto", OURS, MISSING, Way.AUTHS),
    ("auto", ANOTHERS, WORKS, Way.ELSEWHERE),
    ("auto", FILE, WORKS, Way.AUTHS),
    ("auto", ALL_OURS, WORKS, Way.HELPER),
    ("auths", PLAIN, WORKS, Way.AUTHS),
    ("auths", STORE, WORKS, Way.AUTHS),
    ("auths", OURS, WORKS, Way.AUTHS),
    ("auths", ANOTHERS, WORKS, Way.ELSEWHERE),
    ("helper", PLAIN, WORKS, Way.HELPER),
    ("helper", PLAIN, MISSING, Way.AUTHS),
    ("helper", STORE, WORKS, Way.HELPER),
    ("helper", ANOTHERS, WORKS, Way.HELPER),
    ("helper", ANOTHERS, MISSING, Way.ELSEWHERE),
    ("helper", FILE, WORKS, Way.HELPER),
    ("both", PLAIN, WORKS, Way.BOTH),
    ("both", PLAIN, MISSING, Way.AUTHS),
    ("both", ANOTHERS, WORKS, Way.BOTH),
    ("store", PLAIN, WORKS, Way.AUTHS),
    ("store", STORE, WORKS, Way.STORE),
    ("store", OURS_AND_STORE, WORKS, Way.STORE),
    ("store", ANOTHERS, WORKS, Way.ELSEWHERE),
    ("store", FILE, WORKS, Way.AUTHS),
    ("store", ALL_OURS, WORKS, Way.HELPER),  # a store that asks us cannot keep what we put into it
]


@pytest.mark.parametrize(("mode", "routes", "means", "way"), TABLE)
def test_the_way_in_a_docker_config(mode: Mode, routes: Routes, means: Means, way: Way) -> None:
    assert routing(HOST, routes, mode, "docker", means).way is way


@pytest.mark.parametrize("mode", ["auto", "auths", "store"])
def test_podman_knows_no_store(mode: Mode) -> None:
    assert routing(HOST, STORE, mode, "containers", WORKS).way is Way.AUTHS


@pytest.mark.parametrize(
    ("routes", "mode", "way"),
    [(OURS, "auto", Way.HELPER), (ANOTHERS, "auto", Way.ELSEWHERE), (PLAIN, "both", Way.BOTH)],
)
def test_podman_heeds_helpers(routes: Routes, mode: Mode, way: Way) -> None:
    assert routing(HOST, routes, mode, "containers", WORKS).way is way


@pytest.mark.parametrize(("mode", "routes", "means", "way"), TABLE)
def test_what_docker_does_not_read_is_said_with_the_remedy(
    mode: Mode, routes: Routes, means: Means, way: Way
) -> None:
    """Promise 7: whoever is not served learns why; whoever is, is not told anything."""
    found = routing(HOST, routes, mode, "docker", means)
    hidden = way is Way.ELSEWHERE or (way is Way.AUTHS and bool(means.helper) and routes.store != "")
    assert bool(found.reason) is hidden
    if means.helper and hidden:
        assert means.helper in found.reason


def test_a_keychain_that_docker_finds_by_itself_is_named_first() -> None:
    found = Routes({}, "", bare=True)
    keychain = Means(keychain="pass")
    assert routing(HOST, found, "auto", "docker", keychain).way is Way.HELPER
    assert pin_for(found, "docker", keychain) == "pass"
    assert pin_for(found, "docker", WORKS) == pin_for(found, "containers", keychain) == ""
    assert pin_for(STORE, "docker", keychain) == "", "a store is named already"


@pytest.mark.parametrize("dialect", ["docker", "containers"])
def test_status_does_not_promise_what_docker_ignores(dialect: Dialect) -> None:
    said = ignored_by_docker(HOST, STORE, dialect, WORKS)
    assert ("docker-credential-desktop" in said) is (dialect == "docker")
    assert ignored_by_docker(HOST, FILE, dialect, WORKS) == ""


def test_who_is_asked_for_a_host() -> None:
    assert asks_us(HOST, OURS)
    assert asks_us(HOST, ALL_OURS)
    assert not any(asks_us(HOST, routes) for routes in (PLAIN, STORE, ANOTHERS, FILE))


@pytest.mark.parametrize("routes", [STORE, ANOTHERS])
def test_a_host_is_left_alone_until_its_program_answers(routes: Routes) -> None:
    """A helper line of ours would be written, and taken back once the program has answered."""
    means = Means(remark="not found on the bare PATH.")
    asking = routing(HOST, routes, "auto", "docker", means, ProgramAnswer(is_pending=True))
    assert asking.way is Way.ELSEWHERE
    assert "asking docker-credential-" in asking.reason
