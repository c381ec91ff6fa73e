"""`pause` and `resume`: with a service by asking it, without one in the state file, under the service's lock."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_refreshd.cli.table import Look, render
from ecr_refreshd.cli.unattended import BLANK, with_pause
from ecr_refreshd.core import memory
from ecr_refreshd.core.model import Instant
from ecr_refreshd.core.state import Pause
from ecr_refreshd.host.lock import InstanceLock
from tests.cli.documents import FILE, LOGIN_ENDED, NOW, WEST, at, document, registry
from tests.cli.running import House

EAST = "724013829182.dkr.ecr.eu-west-1.amazonaws.com"
CONFIG = f'[[registry]]\nhost = "{WEST}"\naliases = ["registry.corp.example"]\n'


def remember(house: House, **memory_: Any) -> None:
    house.state.write_text(json.dumps({"schema": 1, **memory_}))
    house.state.chmod(0o600)


def remembered(house: House) -> dict[str, Any]:
    return json.loads(house.state.read_text())


def paused(**more: Any) -> dict[str, Any]:
    return document(registry(**{"phase": "paused", "paused_until": None, "paused_by": "asked", **more}))


# -- with a service -----------------------------------------------------------------------------------------


def test_a_pause_says_what_it_means_and_how_it_ends(house: House) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        return paused(paused_until=request["until"])

    with house.answering(answer):
        done = house.run("pause", WEST.upper(), "--for", "1h 30m")

    (asked,) = house.asked
    end = datetime.fromisoformat(asked["until"])
    assert (asked["op"], asked["host"], asked["until"][-1]) == ("pause", WEST, "Z")
    assert abs(end - datetime.now(UTC) - timedelta(minutes=90)) < timedelta(minutes=1)
    assert done.returncode == 0
    assert (
        done.stdout
        == (
            f"{WEST}: paused until {end:%H:%M} (in 1 h 30 min): not renewed, not restored.\n"
            f"  → ecr-refreshd resume {WEST}\n"
        )
        or end.date() != datetime.now(UTC).date()
    )


def test_a_pause_without_an_end_lasts_until_resume(house: House) -> None:
    with house.answering(paused()):
        done = house.run("pause", WEST)

    assert house.asked == [{"op": "pause", "host": WEST, "until": None}]
    assert done.stdout.splitlines()[:2] == [
        f"{WEST}: paused: not renewed, not restored.",
        f"  → ecr-refreshd resume {WEST}",
    ]


def test_resume_says_how_the_registry_is_and_what_helps(house: House) -> None:
    with house.answering(document(LOGIN_ENDED)):
        done = house.run("resume", WEST)

    assert done.returncode == 0
    assert done.stdout.splitlines()[0].startswith(f"{WEST}: was not paused; login-required")
    assert done.stdout.splitlines()[-1] == "  → aws sso login --sso-session corp"


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_an_unknown_host_is_2(house: House, command: str) -> None:
    with house.answering(
        {"error": "unknown-host", "hosts": ["public.ecr.awss"], "known": ["public.ecr.aws"]}
    ):
        done = house.run(command, "public.ecr.awss")

    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean public.ecr.aws?" in done.stderr


def test_a_service_that_did_not_pause_is_an_error(house: House) -> None:
    """Never "paused" where it is not."""
    with house.answering(document(registry())):
        done = house.run("pause", WEST)

    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("length", ["0s", "soon", "3600", "-1h"])
def test_what_is_no_length_is_a_usage_error(house: House, length: str) -> None:
    done = house.run("pause", WEST, f"--for={length}")

    assert (done.returncode, done.stdout) == (2, "")
    assert "--for" in done.stderr


def test_resume_of_a_paused_registry_says_so(house: House) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        return paused() if request == {"op": "status"} else document(registry())

    with house.answering(answer):
        done = house.run("resume", WEST)

    assert done.returncode == 0
    assert done.stdout.startswith(f"{WEST}: resumed; fresh")


# -- without one --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [WEST, "registry.corp.example", EAST, "public.ecr.aws"],
    ids=["configured", "alias", "row", "adopted"],
)
def test_what_is_known_is_paused_in_the_state_file_and_resumed_there(house: House, host: str) -> None:
    """Configured hosts, their aliases, those of the last status, those adopted; `core.memory` reads it back."""
    house.write_config(CONFIG)
    remember(house, adopted=["public.ecr.aws"], status=document(registry(EAST)), seed="s")

    first = house.run("pause", host, "--for", "2h")
    kept = memory.pauses(remembered(house))
    second = house.run("resume", host)

    assert first.returncode == 0, first.stderr
    assert "No service is running" in first.stdout
    assert list(kept) == [host]
    assert kept[host].by == "asked"
    assert kept[host].until is not None
    assert abs(kept[host].until - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)
    assert second.returncode == 0
    assert second.stdout.splitlines()[0] == f"{host}: resumed. No service is running."
    assert "was not paused" in house.run("resume", host).stdout
    assert memory.pauses(remembered(house)) == {}
    assert remembered(house)["seed"] == "s"
    assert house.state.stat().st_mode & 0o777 == 0o600


def test_before_anything_ever_ran(house: House) -> None:
    house.write_config(CONFIG)

    done = house.run("pause", WEST)

    assert done.returncode == 0, done.stderr
    assert memory.recall(remembered(house), Instant(NOW, timedelta())).pauses == {WEST: Pause(None, "asked")}


def test_a_host_that_stands_nowhere_is_2_even_if_it_is_well_formed(house: House) -> None:
    house.write_config(CONFIG)

    done = house.run("pause", WEST.replace("west", "east"))

    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean" not in done.stderr, "another region is no misspelling"
    assert not house.state.exists()


def test_status_shows_the_pause_of_a_service_that_does_not_run(house: House) -> None:
    remember(house, status=document(registry(EAST), registry()))
    house.run("pause", EAST)

    row = json.loads(house.run("status", "--json").stdout)["registries"][0]
    text = house.run("status").stdout
    house.run("resume", EAST)
    after = json.loads(house.run("status", "--json").stdout)["registries"][0]

    assert (row["host"], row["phase"], row["paused_by"]) == (EAST, "paused", "asked")
    assert f"  → ecr-refreshd resume {EAST}\n" in text
    assert (after["phase"], after["paused_by"]) != ("paused", "asked")


def test_a_command_that_is_at_work_is_waited_for_and_then_said(house: House) -> None:
    house.write_config(CONFIG)
    remember(house)
    lock = InstanceLock(house.state.parent / "locks")
    lock.acquire()
    try:
        done = house.run("pause", WEST)
    finally:
        lock.release()

    assert (done.returncode, done.stdout) == (1, "")
    assert "Another command of ecr-refreshd is at work" in done.stderr
    assert "restart" not in done.stderr


def test_a_lock_whose_holder_answers_nobody_is_said_and_nothing_is_changed(house: House) -> None:
    house.write_config(CONFIG)
    remember(house)
    lock = InstanceLock(house.state.parent / "locks")
    lock.acquire(serving=True)
    try:
        done = house.run("pause", WEST)
    finally:
        lock.release()

    assert (done.returncode, done.stdout) == (1, "")
    assert "holds the lock" in done.stderr
    assert "nothing was changed" in done.stderr
    assert remembered(house) == {"schema": 1}


def test_a_service_that_is_just_starting_is_asked_once_it_listens(house: House) -> None:
    house.write_config(CONFIG)
    lock = InstanceLock(house.state.parent / "locks")
    lock.acquire(serving=True)

    def starting() -> None:
        time.sleep(1)
        with house.answering(paused()):
            while not house.asked:
                time.sleep(0.05)
            time.sleep(0.2)

    service = threading.Thread(target=starting)
    service.start()
    done = house.run("pause", WEST)
    service.join()
    lock.release()

    assert done.returncode == 0, done.stderr
    assert "No service" not in done.stdout


def test_a_wrong_config_is_2_and_nothing_is_changed(house: House) -> None:
    house.write_config("[dokcer]\n")

    assert house.run("pause", WEST).returncode == 2
    assert not house.state.exists()


# -- the rows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "phase"),
    [
        ({}, "fresh"),
        ({"expires_at": at(hours=-1)}, "expired"),
        ({"expires_at": None}, "renewing"),
        ({"last_error": {"category": "login"}}, "login-required"),
        ({"last_error": {"category": "denied"}}, "blocked"),
        ({"last_error": {"category": "transient"}}, "retrying"),
    ],
)
def test_a_row_after_its_pause_is_what_can_be_told_without_looking(more: dict[str, Any], phase: str) -> None:
    sinks = [{"path": FILE, "kind": "auths", "state": "paused", "detail": ""}]
    kept = {
        "status": document(
            registry(phase="paused", paused_by="asked", paused_until=None, sinks=sinks, **more)
        )
    }

    changed, row = with_pause(kept, WEST, None, NOW)

    assert row["phase"] == phase
    assert row["sinks"][0]["state"] == "missing"
    assert changed["status"]["registries"] == [row]
    assert memory.last_document(changed, NOW, "0")["registries"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([at(hours=1), "login"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["state", "category", "path", "until", WEST]), inner, max_size=3)
    ),
    max_leaves=8,
)
ROW = st.fixed_dictionaries(
    {}, optional={"host": st.just(WEST), "phase": st.just("paused") | JSON, **dict.fromkeys(BLANK, JSON)}
)


@given(ROW, JSON, st.booleans())
def test_a_state_file_that_is_not_what_was_written_stops_no_pause(
    row: Any, pauses: Any, begins: bool
) -> None:
    """Whatever stands there, the pause is kept, and the next service reads it."""
    kept = {"status": {"registries": [row]}, "pauses": pauses}

    changed, told = with_pause(kept, WEST, Pause(None, "asked") if begins else None, NOW)

    assert (WEST in memory.pauses(changed)) is begins
    assert (told["phase"] == "paused") is begins


def test_a_state_file_that_cannot_be_read_is_put_aside_and_said(house: House) -> None:
    house.write_config(CONFIG)
    house.state.write_text("{")
    house.state.chmod(0o600)

    done = house.run("pause", WEST)

    assert done.returncode == 0
    assert "put aside" in done.stderr
    assert list(memory.pauses(remembered(house))) == [WEST]


@pytest.mark.parametrize(
    ("by", "end", "said"),
    [
        ("asked", at(hours=2), "paused until 14:00 (in 2 h): "),
        ("asked", at(hours=26), "paused until Fri 14:00 (in 1 d 2 h): "),
        ("asked", at(minutes=-3), "the pause ended 3 min ago"),
        ("logout", None, "paused by a docker logout (heal.on_logout): not renewed, not restored"),
    ],
)
def test_status_shows_paused_rows_with_their_end(by: str, end: str | None, said: str) -> None:
    row = registry(
        phase="paused",
        paused_by=by,
        paused_until=end,
        last_error=LOGIN_ENDED["last_error"],
        sinks=[{"path": FILE, "kind": "auths", "state": "paused", "detail": ""}],
    )

    text = render(document(row), NOW, Look(width=240))

    assert said in text
    assert f"→ ecr-refreshd resume {WEST}" in text
    assert "has ended" not in text, "what failed before matters to nobody while it is left alone"
    assert text.count(FILE) == 1


def put(house: House, host: str) -> None:
    path = house.folder / ".docker/config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"auths": {host: {"auth": "QVdTOmRlYWQ="}}}))


def test_before_the_first_run_what_docker_holds_is_known(house: House) -> None:
    put(house, EAST)

    done = house.run("pause", EAST)

    assert (done.returncode, done.stderr) == (0, "")
    assert memory.pauses(remembered(house)) == {EAST: Pause(None, "asked")}
    told = house.run("explain", EAST).stdout
    assert f"ecr-refreshd resume {EAST}" in told
    assert house.run("resume", EAST).returncode == 0
    assert memory.pauses(remembered(house)) == {}


def test_what_docker_holds_is_unknown_where_it_is_not_adopted(house: House) -> None:
    house.write_config("[discover]\nadopt = false\n")
    put(house, EAST)

    assert house.run("pause", EAST).returncode == 2


def test_refresh_says_that_it_ended_a_pause(house: House) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        return paused() if request["op"] == "status" else document(registry())

    with house.answering(answer):
        done = house.run("refresh", WEST)

    assert done.stdout.splitlines()[0] == f"{WEST}: pause ended"
    with house.answering(document(registry())):
        assert "pause ended" not in house.run("refresh", WEST).stdout
    assert "ends its pause" in house.run("refresh", "--help").stdout


def test_no_end_is_shown_of_a_token_that_no_file_holds() -> None:
    gone = {"path": FILE, "kind": "auths", "state": "paused", "detail": "", "works": False}
    row = registry(phase="paused", paused_until=None, paused_by="logout", works_until=None, sinks=[gone])
    text = render(document(row), NOW, Look())

    assert "token: none" in text
    assert "until" not in text
    assert "next renewal" not in text


def test_the_end_is_shown_of_a_token_that_lasts_through_its_pause() -> None:
    held = {"path": FILE, "kind": "auths", "state": "paused", "detail": "", "works": True}
    row = registry(phase="paused", paused_until=None, paused_by="asked", sinks=[held])
    text = render(document(row), NOW, Look())

    assert "token: until 23:12" in text
    assert "next renewal" not in text
