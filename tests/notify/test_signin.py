"""A sign-in that a person has asked for: started once, outside of us, and telling nobody what is secret."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ecr_refreshd.core.events import SignInStarted
from tests.notify.heralding import COMMAND, Heralding, program


def test_a_second_press_while_it_runs_is_no_failure(tmp_path: Path) -> None:
    """The unit's name is in use, so no second one starts; and the person is not told that it failed."""
    program(tmp_path, "", "aws")
    program(tmp_path, "sys.exit(1)", "systemd-run")
    program(tmp_path, "sys.exit('is-active' not in sys.argv)", "systemctl")
    with Heralding({"PATH": str(tmp_path)}) as made:
        made.herald.sign_in(COMMAND)
        assert made.next() == SignInStarted("")


def test_a_proxys_password_is_in_no_argument(tmp_path: Path) -> None:
    """Promise 6: every user of the machine can read arguments."""
    kept = tmp_path / "kept"
    text = f'open("{kept}", "w").write(json.dumps([sys.argv, os.environ["HTTPS_PROXY"]]))'
    program(tmp_path, text, "systemd-run")
    program(tmp_path, "", "aws")
    proxy = "http://me:canary@proxy.example:3128"
    with Heralding({"PATH": str(tmp_path), "HTTPS_PROXY": proxy}) as made:
        made.herald.sign_in(COMMAND)
        assert made.next() == SignInStarted("")
    argv, passed_on = json.loads(kept.read_text())
    assert "--setenv=HTTPS_PROXY" in argv
    assert "canary" not in str(argv)
    assert passed_on == proxy


@pytest.mark.parametrize("command", ["", "aws sso login --sso-session 'corp"])
def test_a_command_that_cannot_be_read_is_said_and_the_next_one_still_starts(
    tmp_path: Path, command: str
) -> None:
    """One that raises would end the thread, and every later press would be lost."""
    program(tmp_path, "", "aws")
    program(tmp_path, "", "systemd-run")
    with Heralding({"PATH": str(tmp_path)}) as made:
        made.herald.sign_in(command)
        assert "cannot be read" in made.next(5).problem  # type: ignore[union-attr] # a SignInStarted
        made.herald.sign_in(COMMAND)
        assert made.next(5) == SignInStarted("")


def test_the_service_is_told_when_a_sign_in_that_no_file_shows_has_ended(tmp_path: Path) -> None:
    """A tool may keep its login in a keychain: the unit asks for the tokens once the tool has ended well."""
    kept = tmp_path / "kept"
    program(tmp_path, f'open("{kept}", "w").write(json.dumps(sys.argv))', "systemd-run")
    program(tmp_path, "", "assume")
    with Heralding({"PATH": str(tmp_path)}) as made:
        made.herald.sign_in("assume corp", ["a.example", "b.example"])
        assert made.next() == SignInStarted("")
    argv = json.loads(kept.read_text())
    assert argv[-2:] == [str(tmp_path / "assume"), "corp"]
    (after,) = (word for word in argv if word.startswith("--property=ExecStopPost="))
    # Of what stands in quotes, systemd.service(5) reads only doubled dollars otherwise than a shell.
    shell, *words = shlex.split(after.partition("=")[2].partition("=")[2].replace("$$", "$"))
    asked = tmp_path / "asked"
    program(tmp_path, f'open("{asked}", "w").write(json.dumps(sys.argv))', "python")
    words[-1] = words[-1].replace(sys.executable, str(tmp_path / "python"))
    for result in ("exit-code", "success"):
        assert not asked.exists()
        subprocess.run([shell, *words], env={"SERVICE_RESULT": result}, check=True)
    assert json.loads(asked.read_text())[1:] == [
        "-P",
        "-m",
        "ecr_refreshd",
        "refresh",
        "a.example",
        "b.example",
    ]
