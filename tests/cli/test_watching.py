"""`status --watch`: live where a person looks, one block or line for each change where a program reads."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ecr_refreshd.cli.watching import essence, fitted
from ecr_refreshd.core.times import timestamp
from tests.cli.documents import EVERYTHING, NOTICE, WEST, at, complaint, document, registry
from tests.cli.running import House
from tests.cli.terminal import Terminal

ACCOUNT_REGION = "724013829182 us-west-2"
ENDED = document(registry(phase="login-required"), overall="login-required", notices=[NOTICE])


def remember(house: House, *registries: dict[str, Any]) -> None:
    house.state.write_text(json.dumps({"schema": 1, "status": document(*registries)}))
    house.state.chmod(0o600)


# -- on a terminal ------------------------------------------------------------------------------------------


def test_a_change_is_drawn_where_the_picture_stands_and_the_last_one_stays(house: House) -> None:
    """No alternate screen: Ctrl-C leaves what was seen last, and the exit code is that state's."""
    told = [document(registry(), registry("public.ecr.aws"))]
    with house.answering(lambda _request: told[0]), Terminal(house, "status", "--watch", columns=140) as seen:
        seen.screen.feed("$ ecr-refreshd status --watch\r\n")
        seen.until(lambda screen: "ok: " in screen.text)
        assert "public.ecr.aws" in seen.screen.text

        told[0] = ENDED
        seen.until(lambda screen: "sign in: " in screen.text)
        first, *picture = seen.screen.text.splitlines()
        seen.type(b"\x03")
        code = seen.ended()

    assert first == "$ ecr-refreshd status --watch"
    assert picture[0] == "▲ Sign in to corp"
    assert "ok: " not in seen.screen.text
    assert "public.ecr.aws" not in seen.screen.text
    assert seen.screen.text.startswith("\n".join([first, *picture]))
    assert "Traceback" not in seen.screen.text
    assert seen.screen.wraps
    assert code == 3


def is_quiet(house: House, seen: Terminal) -> bool:
    """Whether three seconds pass without a redraw, and with one question a second at most."""
    drawn, asked = len(seen.screen.raw), len(house.asked)
    begun = time.monotonic()
    try:
        seen.until(lambda screen: len(screen.raw) > drawn, 3)
    except AssertionError as error:
        return "not seen" in str(error) and len(house.asked) - asked <= time.monotonic() - begun + 2
    return False


def test_nothing_is_drawn_and_hardly_anything_done_while_nothing_changes(house: House) -> None:
    """At most one question a second, and no redrawing that would undo a selection by mouse."""
    with house.answering(ENDED), Terminal(house, "status", "--watch") as seen:
        seen.until(lambda screen: "sign in: " in screen.text)
        # A minute may end in between, and what is shown with it; who redraws every second does so in each window.
        assert any(is_quiet(house, seen) for _ in range(3))
        seen.type(b"\x03")
        assert seen.ended() == 3


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_as_everywhere_else(house: House, environ: dict[str, str], coloured: bool) -> None:
    with house.answering(ENDED), Terminal(house, "status", "--watch", **environ) as seen:
        seen.until(lambda screen: "sign in: " in screen.text)

        assert bool(re.search(r"\x1b\[[0-9;]+m", seen.screen.raw)) is coloured


def test_what_a_short_window_has_no_room_for_is_counted(house: House) -> None:
    """And the picture stays in place there too; a taller one shows it all."""
    with house.answering(EVERYTHING), Terminal(house, "status", "--watch", columns=60, rows=12) as seen:
        seen.until(lambda screen: "more lines" in screen.text)
        lines = seen.screen.text.splitlines()
        seen.resize(60, 200)
        seen.until(lambda screen: "written" in screen.text and "more lines" not in screen.text)
        whole = seen.screen.text.splitlines()

    (hidden,) = re.findall(r"and (\d+) more lines", lines[-1])
    assert len(lines) == 11
    assert lines[:10] == whole[:10]
    assert len(whole) == 10 + int(hidden)


def test_a_window_made_narrower_is_drawn_anew(house: House) -> None:
    """The old picture's lines break; none of them is left over."""
    end = timestamp(datetime.now(UTC) + timedelta(hours=9))
    told = document(registry(expires_at=end), registry("public.ecr.aws", expires_at=end))
    with house.answering(told), Terminal(house, "status", "--watch", columns=140) as seen:
        seen.until(lambda screen: "REGISTRY" in screen.text)
        seen.resize(50, 40)
        seen.until(lambda screen: WEST not in screen.text and ACCOUNT_REGION in screen.text)

        assert seen.screen.text.count("ecr-refreshd 0.1.0") == 1
        assert seen.screen.text.count(ACCOUNT_REGION) == 1
        assert max(map(len, seen.screen.text.splitlines())) <= 50


def test_it_survives_a_restart_of_the_service(house: House) -> None:
    """It says that no service runs, and goes on."""
    remember(house, registry())
    with Terminal(house, "status", "--watch") as seen:
        seen.until(lambda screen: "No service is running" in screen.text)
        with house.answering(ENDED):
            seen.until(lambda screen: "sign in: " in screen.text)
        seen.until(lambda screen: "No service is running" in screen.text)
        seen.type(b"\x03")

        assert seen.ended() == 5


def test_a_service_that_does_not_answer_is_said_with_what_was_known(house: House) -> None:
    answers: list[dict[str, Any]] = [document(registry())]
    with house.answering(lambda _request: answers[-1]), Terminal(house, "status", "--watch") as seen:
        seen.until(lambda screen: "ok: " in screen.text)
        answers.append({"refused": "The service is busy."})
        seen.until(lambda screen: "! The service is busy." in screen.text)
        assert WEST in seen.screen.text
        seen.type(b"\x03")

        assert seen.ended() == 4


# -- elsewhere ----------------------------------------------------------------------------------------------


def watching(house: House, *argv: str, **environ: str) -> subprocess.Popen[bytes]:
    return house.start("status", "--watch", *argv, stdout=subprocess.PIPE, environ=environ)


def stopped(command: subprocess.Popen[bytes]) -> str:
    command.send_signal(signal.SIGINT)
    out, _ = command.communicate(timeout=20)
    return str(out, "utf-8")


def asked_again(house: House) -> None:
    """Wait until the command has certainly printed what was told last."""
    before, end = len(house.asked), time.monotonic() + 20
    while len(house.asked) < before + 2:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_in_a_pipe_a_block_for_each_change_with_its_time(house: House) -> None:
    told = [document(registry())]
    with house.answering(lambda _request: told[0]):
        command = watching(house)
        asked_again(house)
        told[0] = document(registry(next_renewal_at=at(minutes=11)))
        asked_again(house)
        told[0] = ENDED
        asked_again(house)
        out = stopped(command)

    assert command.returncode == 3
    assert "\x1b" not in out
    blocks = re.split(r"^\d{4}-\d\d-\d\dT[\d:.]+Z\n", out, flags=re.MULTILINE)[1:]
    assert ["ok: " in block for block in blocks] == [True, False]
    assert "Sign in to corp" in blocks[1]


def test_json_is_a_document_a_line_for_each_change(house: House) -> None:
    """Also on a terminal of a program that reads one."""
    told = [document(registry())]
    with house.answering(lambda _request: told[0]):
        command = watching(house, "--json")
        asked_again(house)
        told[0] = ENDED
        asked_again(house)
        out = stopped(command)

    assert command.returncode == 3
    assert [json.loads(line) for line in out.splitlines()] == [document(registry()), ENDED]


def test_a_dumb_terminal_gets_blocks(house: House) -> None:
    with house.answering(ENDED), Terminal(house, "status", "--watch", TERM="dumb") as seen:
        seen.until(lambda screen: "sign in: " in screen.text)

        assert "\x1b" not in seen.screen.raw


def test_a_reader_who_leaves_ends_it_without_complaint(house: House) -> None:
    told = [document(registry())]
    with house.answering(lambda _request: told[0]):
        command = house.start("status", "--watch", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert command.stdout
        command.stdout.readline()
        command.stdout.close()
        told[0] = ENDED
        assert command.wait(20) == 1
        assert command.stderr
        assert command.stderr.read() == b""
        command.stderr.close()


# -- the pieces ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", range(-1, 8))
def test_what_fits_is_never_more_than_there_is_room_for(rows: int) -> None:
    lines = [str(number) for number in range(5)]

    shown = fitted(lines, rows, 80)

    assert len(shown) <= max(rows, 1)
    if rows < 5:
        hidden = re.findall(r"and (\d+) more", shown[-1])
        assert int(hidden[0]) + len(shown) - 1 == 5


def test_a_long_command_takes_the_rows_that_it_needs() -> None:
    """Cut, it could not be copied; it counts for as many rows as it takes."""
    lines = ["a", "b" * 20, "c"]

    assert fitted(lines, 4, 10) == lines
    assert fitted(lines, 3, 10) == ["a", "... and 3 more lines; a taller window shows them"]


def test_a_command_wider_than_the_window_is_whole(house: House) -> None:
    command = f"aws sso login --profile {'long-' * 20}name"
    told = document(registry(), notices=[NOTICE | {"command": command}])
    with house.answering(told), Terminal(house, "status", "--watch", columns=60) as seen:
        seen.until(lambda screen: "ok: " in screen.text)

        assert command in seen.screen.text.replace("\n", "")


def test_time_alone_is_no_change() -> None:
    """Minutes that pass, and a sentence that counts them, are no news."""
    one = document(registry(), degraded=[complaint("Main loop stalled for 120 s.")])
    other = document(
        registry(next_renewal_at=None),
        degraded=[complaint("Main loop stalled for 150 s.")],
    )

    assert essence(one) == essence(other)
    assert essence(one) != essence(document(registry(phase="expired")))
