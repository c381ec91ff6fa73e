"""A `credential_process` that needs a person: started seldom unasked, and for a person in their terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.test_bad_input import GOOD, Home, home, host
from tests.e2e.test_bad_input import until as soon
from tests.world import homes

__all__ = ["home"]  # a fixture

HOST = host(GOOD)
SECRET = "the-secret-of-these-keys"
CONFIG = f'[[registry]]\nhost = "{HOST}"\nprofile = "corp"\n[probe]\nwhen = "off"\n'
QUICK = "[aws]\ncredential_process_timeout = '2s'\n"


def program(house: Home, body: str, profile: str = "corp") -> Path:
    """Make a program of a shell script that notes each start, and the profile that runs it."""
    printed = {"Version": 1, "AccessKeyId": homes.access_key(), "SecretAccessKey": SECRET}
    script = house.folder / f"getcreds-{profile}"
    script.write_text(
        f"#!/bin/sh\ndate +%s >> {house.folder}/starts\n{body}\ncat <<'END'\n{json.dumps(printed)}\nEND\n"
    )
    script.chmod(0o700)
    homes.profile(house.folder, profile, credential_process=str(script))
    return script


def until(true: Callable[[], bool], what: str) -> None:
    soon(true, what, 60.0)


def starts(house: Home) -> int:
    path = house.folder / "starts"
    return len(path.read_text().split()) if path.exists() else 0


def row(house: Home) -> dict:
    return house.rows().get(HOST, {"phase": "not there yet"})


class Person:
    """A person at a terminal in which a command runs; `answers` are typed when the words before them are seen."""

    def __init__(self, house: Home, *words: str, answers: dict[str, str] | None = None) -> None:
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            house.command(*words),
            env=house.environment,
            cwd=house.folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no other threads
        )
        os.close(theirs)
        self.seen = ""
        waiting = dict(answers or {})
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    data = os.read(ours, 65536)
                except OSError:
                    break
                if not data:
                    break
                self.seen += data.decode(errors="replace")
            for question in [question for question in waiting if question in self.seen]:
                os.write(ours, f"{waiting.pop(question)}\n".encode())
        os.close(ours)
        self.code = self.process.wait(20)


ASKS = "exec 3<>/dev/tty || exit 1\nprintf 'Code: ' >&3\nread code <&3\n[ \"$code\" = 123456 ] || exit 1"
"""A program that needs a code each time; without a terminal it fails at once."""
WAITS = 'if [ ! -e "$HOME/signed-in" ]; then echo "open https://login.example/" >&2; sleep 300; fi'
"""A program that opens a page and waits; its login lies where no file of AWS tells of it."""


def test_a_page_is_opened_once_and_a_person_is_told(home: Home) -> None:
    """DESIGN 5: login required at the first overdue start, one notice, and no other start for 15 min."""
    program(home, WAITS)
    home.write_config(CONFIG + QUICK)
    home.start()
    until(lambda: row(home)["phase"] == "login-required", "the overdue program is login required")
    status = home.status()
    found = status["registries"][0]
    assert found["last_error"]["code"] == "fetch.overdue"
    assert "within 2 s: its credential_process may wait for a person" in found["last_error"]["message"]
    assert found["last_error"]["hint"].endswith("then: ecr-refreshd refresh")
    assert found["next_renewal_at"] is not None
    assert [notice["key"] for notice in status["notices"]] == ["login:profile:corp"]
    assert home.run("ensure", HOST, "--min-ttl", "1h", "--timeout", "5s").returncode != 0
    assert starts(home) == 1, "a script is no person"


def test_a_restart_opens_no_second_page(home: Home) -> None:
    program(home, WAITS)
    home.write_config(CONFIG + QUICK)
    first = home.start()
    until(lambda: starts(home) == 1, "it is started")
    first.kill()
    first.wait(10)
    home.start()
    until(lambda: home.status()["pid"] is not None and row(home)["phase"] == "retrying", "it is not started")
    assert home.run("run", "--once").returncode != 0
    assert starts(home) == 1


def test_a_program_may_take_as_long_as_the_settings_say(home: Home) -> None:
    """A push to a phone takes longer than AWS may."""
    program(home, "sleep 4")
    home.write_config(CONFIG + "[aws]\ntimeout = '2s'\ncredential_process_timeout = '30s'\n")
    home.start()
    until(lambda: row(home)["phase"] == "fresh", "the answer counts")
    assert starts(home) == 1


def test_who_waits_for_a_person_delays_nobody_else(home: Home) -> None:
    program(home, "sleep 300")
    home.profile("good")
    other = host("100000000002")
    home.write_config(
        f'{CONFIG}[[registry]]\nhost = "{other}"\nprofile = "good"\n[aws]\ncredential_process_timeout = "10m"\n'
    )
    home.start()
    until(lambda: home.rows().get(other, {}).get("phase") == "fresh", "the others are served")
    assert row(home)["phase"] == "renewing"


def test_after_a_sign_in_that_no_file_shows_refresh_makes_it_fresh(home: Home) -> None:
    """Promise 2: one command later everything is fresh."""
    program(home, WAITS)
    home.write_config(CONFIG + QUICK)
    home.start()
    until(lambda: row(home)["phase"] == "login-required", "the login is needed")
    (home.folder / "signed-in").touch()
    done = home.run("refresh")
    assert done.returncode == 0, done.stderr
    assert row(home)["phase"] == "fresh"
    assert home.status()["notices"] == []
    assert starts(home) == 2


@pytest.mark.parametrize("command", [("refresh",), ("login", "corp"), ("login",)])
def test_a_program_asks_in_the_terminal_of_who_asked(home: Home, command: tuple[str, ...]) -> None:
    """It prints keys only with a person there; they reach the fetch, and it is started once for it."""
    program(home, ASKS)
    home.write_config(CONFIG)
    home.start()
    until(lambda: row(home)["phase"] == "login-required", "without a terminal it fails")
    before = starts(home)
    person = Person(home, *command, answers={"Code: ": "123456"})
    assert person.code == 0, person.seen
    assert row(home)["phase"] == "fresh"
    assert starts(home) == before + 1
    assert SECRET not in person.seen
    for path in home.folder.rglob("*"):
        if path.is_file() and not path.name.startswith("getcreds"):
            assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("command", [("refresh",), ("login", "corp"), ("login",)])
def test_without_a_service_the_terminal_serves_too(home: Home, command: tuple[str, ...]) -> None:
    program(home, ASKS)
    home.write_config(CONFIG)
    person = Person(home, *command, answers={"Code: ": "123456"})
    assert person.code == 0, person.seen
    assert HOST in json.loads(home.docker.read_text())["auths"]
    assert starts(home) == 1


def test_a_wrong_code_costs_one_start(home: Home) -> None:
    program(home, ASKS)
    home.write_config(CONFIG)
    home.start()
    until(lambda: row(home)["phase"] == "login-required", "without a terminal it fails")
    before = starts(home)
    person = Person(home, "refresh", answers={"Code: ": "1"})
    assert person.code in {1, 3}
    assert "failed with exit code 1" in person.seen
    assert starts(home) == before + 1


def test_a_person_need_not_wait_for_the_start_that_hangs(home: Home) -> None:
    """The service's own start waits for a page that nobody looks at; the person's takes its place."""
    program(home, "if [ ! -t 0 ]; then sleep 300; fi\n" + ASKS)
    home.write_config(CONFIG + "[aws]\ncredential_process_timeout = '10m'\n")
    home.start()
    until(lambda: starts(home) == 1, "it hangs")
    person = Person(home, "refresh", answers={"Code: ": "123456"})
    assert person.code == 0, person.seen
    assert starts(home) == 2


def test_login_runs_the_configured_command_then_renews(home: Home) -> None:
    """[login] command: for tools that nobody can know."""
    program(home, 'if [ ! -e "$HOME/signed-in" ]; then exit 1; fi')
    tool = home.folder / "assume"
    tool.write_text('#!/bin/sh\nprintf "Sign in? " > /dev/tty\nread word < /dev/tty\n: > "$HOME/signed-in"\n')
    tool.chmod(0o700)
    home.write_config(f"{CONFIG}[login]\ncommand = {{ corp = '{tool} corp' }}\n")
    home.start()
    until(lambda: row(home)["phase"] == "login-required", "nobody is signed in")
    assert f"{tool} corp" in row(home)["last_error"]["hint"]
    person = Person(home, "login", answers={"Sign in? ": "yes"})
    assert person.code == 0, person.seen
    assert row(home)["phase"] == "fresh"


def test_two_roles_above_one_program_start_it_once(home: Home) -> None:
    program(home, "sleep 1")
    tables = []
    for number in range(3):
        account = f"1{number:011}"
        homes.role_chain(home.folder, f"role{number}", f"arn:aws:iam::{account}:role/r", "corp")
        tables.append(f'[[registry]]\nhost = "{host(account)}"\nprofile = "role{number}"\n')
    home.write_config("".join(tables) + "[probe]\nwhen = 'off'\n")
    home.start()
    until(lambda: {each["phase"] for each in home.rows().values()} == {"fresh"}, "all are fresh")
    assert starts(home) == 1
