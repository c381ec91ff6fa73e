"""`ensure` for scripts: its exit codes are a contract, and each failure says its cause and the way out."""

from __future__ import annotations

import signal
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ecr_refreshd.cli import asking
from tests.cli.documents import FILE, LOGIN_ENDED, WEST, document, registry
from tests.cli.running import House

EAST = "724013829182.dkr.ecr.eu-west-1.amazonaws.com"


def row(host: str = WEST, hours: float = 11.99, **more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    times = {
        "expires_at": (now + timedelta(hours=hours)).isoformat(),
        "obtained_at": (now + timedelta(hours=hours - 12)).isoformat(),
    }
    return registry(host, **{**times, **more})


def answer(*rows: dict[str, Any], ensured: bool = False, **more: Any) -> dict[str, Any]:
    return document(*rows, **{"ensured": ensured, "beyond": [], **more})


def sink(state: str, detail: str = "") -> list[dict[str, str]]:
    return [{"path": FILE, "kind": "auths", "state": state, "detail": detail}]


def test_a_line_for_each_host_and_exit_0(house: House) -> None:
    with house.answering(answer(row(), row(EAST, 3.01), ensured=True)):
        done = house.run("ensure", f"https://{WEST}/", EAST, WEST, "--min-ttl", "2h")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{WEST}: fresh for 11 h 59 min", f"{EAST}: fresh for 3 h"]
    assert house.asked == [{"op": "ensure", "hosts": [WEST, EAST], "min_ttl": 7200.0, "timeout": 60.0}] or (
        house.asked[0]["hosts"] == [WEST, EAST] and 59 < house.asked[0]["timeout"] <= 60
    )


def test_login_required_is_3_with_what_works_and_the_command(house: House) -> None:
    """Whatever becomes of the others; a script knows that waiting is of no use."""
    waits = row(EAST, 1.01, phase="login-required", last_error=LOGIN_ENDED["last_error"])
    with house.answering(answer(row(), waits, overall="login-required")):
        done = house.run("ensure", WEST, EAST, "--min-ttl", "2h")

    assert done.returncode == 3
    assert done.stdout == f"{WEST}: fresh for 11 h 59 min\n"
    assert done.stderr.splitlines() == [
        f"{EAST}: login-required, pulls work for 1 h more: The SSO login of session corp has ended.",
        "  → aws sso login --sso-session corp",
    ]


@pytest.mark.parametrize(
    ("overall", "hours", "code", "works"),
    [("failed", -1, 1, "pulls fail"), ("degraded", 1, 4, "pulls work"), ("ok", 1, 4, "pulls work")],
)
def test_other_failures_are_1_or_4_by_the_state_of_these_hosts(
    house: House, overall: str, hours: float, code: int, works: str
) -> None:
    """Also where all is as well as it can be, only not for so long as was asked for."""
    with house.answering(answer(row(hours=hours), overall=overall, late=True)):
        done = house.run("ensure", WEST, "--min-ttl", "2h", "--timeout", "1s")

    assert (done.returncode, done.stdout) == (code, "")
    assert works in done.stderr
    assert "2 h could not be had within 1 s" in done.stderr


def test_without_min_ttl_each_needs_two_hours(house: House) -> None:
    """Most builds end within that, and a token has at least four when it is renewed."""
    with house.answering(answer(row(hours=3), ensured=True)):
        done = house.run("ensure", WEST)

    assert done.returncode == 0
    assert house.asked[0]["min_ttl"] == 7200.0


def test_more_life_than_aws_gives_is_2(house: House) -> None:
    with house.answering(answer(row(), row(EAST), beyond=[WEST, EAST])):
        done = house.run("ensure", WEST, EAST, "--min-ttl", "13h")

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"{host}: its tokens are valid for 12 h, and --min-ttl asks for more." for host in (WEST, EAST)
    ]


KEPT = ["724013829182.dkr.ecr.us-west-2.amazonaws.com", "public.ecr.aws"]


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("724013829182.dkr.ecr.us-wset-2.amazonaws.com", KEPT[0]),
        ("724013829182.dkr.ecr.us-west-2.amazonaws.con", KEPT[0]),
        ("72401382918.dkr.ecr.us-west-2.amazonaws.com", KEPT[0]),
        ("724013829182.dkr.ecr.us-west2.amazonaws.com", KEPT[0]),
        ("public.ecr.was", KEPT[1]),
        ("724013829182.dkr.ecr.us-west-1.amazonaws.com", ""),
        ("724013829183.dkr.ecr.us-west-2.amazonaws.com", ""),
        ("999988887777.dkr.ecr.us-east-1.amazonaws.com", ""),
        ("99998888777.dkr.ecr.us-west-2.amazonaws.com", ""),
        ("724013829182.dkr.ecr.eu-cental-1.amazonaws.com", ""),
    ],
)
def test_only_a_slip_of_the_pen_gets_a_suggestion(asked: str, near: str) -> None:
    """Another account's or region's host is another registry, and no typing error."""
    said = asking.unknown_host([asked], KEPT).message
    assert said == f"ecr-refreshd does not keep {asked}" + (f"; did you mean {near}?" if near else ".")


def test_an_unknown_host_is_2_with_the_nearest_known_one(house: House) -> None:
    known = {"error": "unknown-host", "hosts": ["public.ecr.awss"], "known": [WEST, "public.ecr.aws"]}
    with house.answering(known):
        done = house.run("ensure", "public.ecr.awss", "--min-ttl", "2h")

    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean public.ecr.aws?" in done.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"sinks": sink("shadowed", "credsStore names pass")},
            "config.json: shadowed (credsStore names pass)",
        ),
        ({"sinks": []}, "its token is in no file"),
        (
            {"phase": "paused", "paused_until": None, "paused_by": "asked"},
            "it is paused until it is resumed",
        ),
    ],
)
def test_a_living_token_that_nobody_can_read_is_no_success(
    house: House, more: dict[str, Any], said: str
) -> None:
    """In every sink: only the files count."""
    with house.answering(answer(row(hours=1.01 if more.get("phase") else 11.9, **more), overall="degraded")):
        done = house.run("ensure", WEST, "--min-ttl", "2h")

    assert done.returncode == 4
    assert said in done.stderr
    assert "\n  → ecr-refreshd " in done.stderr


@pytest.mark.parametrize(
    ("state", "more", "works", "command"),
    [
        ("unparsable", {}, "pulls fail", "ecr-refreshd doctor"),
        ("missing", {}, "pulls fail", "ecr-refreshd refresh"),
        ("foreign", {"works": False}, "pulls fail", "ecr-refreshd refresh"),
        ("unwritable", {}, "pulls work for", "ecr-refreshd doctor"),
    ],
)
def test_pulls_are_not_said_to_work_where_no_client_finds_a_login(
    house: House, state: str, more: dict[str, Any], works: str, command: str
) -> None:
    """Promise 7: the token lives, and what matters is what clients read."""
    sinks = [{"path": "/h/config.json", "kind": "auths", "state": state, "detail": "why", **more}]
    with house.answering(answer(row(hours=11.9, sinks=sinks), overall="degraded")):
        done = house.run("ensure", WEST, "--min-ttl", "2h")
    assert done.returncode == 4
    assert works in done.stderr
    assert f"→ {command}" in done.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ("ensure", "--min-ttl", "2h"),
        ("ensure", WEST, "--min-ttl", "3600"),
        ("ensure", WEST, "--min-ttl", "0s"),
        ("ensure", WEST, "--min-ttl", "2h", "--timeout", "soon"),
    ],
)
def test_what_is_no_length_is_a_usage_error(house: House, argv: tuple[str, ...]) -> None:
    done = house.run(*argv)

    assert (done.returncode, done.stdout) == (2, "")
    assert "--min-ttl" in done.stderr or "--timeout" in done.stderr or "HOST" in done.stderr


def test_a_long_patience_asks_again(house: House) -> None:
    """A service keeps nobody for longer than five minutes; the person's own limit counts."""
    answers = iter([answer(row(hours=1), late=True), answer(row(), ensured=True)])
    with house.answering(lambda _request: next(answers)):
        done = house.run("ensure", WEST, "--min-ttl", "2h", "--timeout", "1h")

    assert done.returncode == 0
    assert [request["timeout"] for request in house.asked] == [240.0, 240.0]


def test_a_service_of_another_version_is_said(house: House) -> None:
    with house.answering({"error": "unknown-op"}):
        done = house.run("ensure", WEST, "--min-ttl", "2h")

    assert done.returncode == 1
    assert "another version" in done.stderr


def test_ctrl_c_ends_it_at_once_with_130(house: House) -> None:
    asked = threading.Event()
    ends = threading.Event()

    def slow(_request: dict[str, Any]) -> dict[str, Any]:
        asked.set()
        ends.wait()
        return answer(row())

    with house.answering(slow):
        command = house.start(
            "ensure", WEST, "--min-ttl", "2h", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert asked.wait(20)
        try:
            command.send_signal(signal.SIGINT)
            out, err = command.communicate(timeout=60)  # the service answers only after it
        finally:
            ends.set()

    assert (command.returncode, out, err) == (130, b"", b"")
