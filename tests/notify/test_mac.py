"""Notices on macOS, by programs that stand in for its own and keep what they are given. Never run on a Mac."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecr_refreshd.notify import mac, signin
from ecr_refreshd.notify.programs import Programs
from tests.notify.heralding import COMMAND, notice, program

BODY = '"; do shell script "touch /tmp/owned" & "'
Given = Callable[[], list[list[str]]]


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    made = Programs({"PATH": str(tmp_path)})
    yield made
    made.stop()


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """Return what the stand-ins were given so far, each with its name first."""
    kept = tmp_path / "kept"
    return lambda: [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are found on the PATH of the service."""
    monkeypatch.setenv("PATH", str(tmp_path))


def stand_in(folder: Path, name: str, code: int = 0) -> None:
    line = 'json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n"'
    program(folder, f'open("{folder}/kept", "a").write({line}); sys.exit({code})', name)


def test_terminal_notifier_shows_and_takes_back_under_our_key(
    tmp_path: Path, programs: Programs, given: Given
) -> None:
    """A reminder takes the place of the notice: one cause, one group."""
    stand_in(tmp_path, "terminal-notifier")
    stand_in(tmp_path, "osascript")
    screen = mac.Screen(programs)
    assert [screen.show(event, notice(), "") for event in ("raised", "reminded", "withdrawn")] == [""] * 3
    shown = [
        "terminal-notifier", "-title", notice().title, "-message", notice().body, "-group", notice().key,
    ]  # fmt: skip
    assert given() == [shown, shown, ["terminal-notifier", "-remove", notice().key]]


@pytest.mark.parametrize("there", [False, True])
def test_osascript_gets_the_text_as_arguments_and_never_as_script(
    tmp_path: Path, programs: Programs, given: Given, *, there: bool
) -> None:
    """Where terminal-notifier is missing or fails; a failure's text quotes what AWS said."""
    if there:
        stand_in(tmp_path, "terminal-notifier", 1)
    stand_in(tmp_path, "osascript")
    assert mac.Screen(programs).show("raised", notice(body=BODY), "") == ""
    name, option, script, *texts = given()[-1]
    assert (name, option, texts) == ("osascript", "-e", [notice().title, BODY])
    assert BODY not in script


def test_neither_program_is_said(programs: Programs) -> None:
    """Promise 7."""
    assert "osascript could not be started" in mac.Screen(programs).show("raised", notice(), "")


def test_a_sign_in_runs_in_the_terminal(
    tmp_path: Path, programs: Programs, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN 7: never as our child."""
    monkeypatch.setattr(signin.sys, "platform", "darwin")
    stand_in(tmp_path, "osascript")
    program(tmp_path, "", "aws")
    assert signin.start(programs, COMMAND, {"PATH": str(tmp_path)}) == ""
    assert given()[-1][-1] == f"{tmp_path}/aws sso login --sso-session corp"
