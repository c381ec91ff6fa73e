"""`login`: which sign-ins are run, by which AWS CLI, and what is said where none can be."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.aws.profiles import Profiles
from ecr_refreshd.cli import awscli
from ecr_refreshd.cli.login import waiting
from tests.cli import standin
from tests.cli.documents import WEST, document, registry
from tests.cli.running import House
from tests.world import homes

ACCOUNT = "724013829182"
EAST = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
CORP = ["sso", "login", "--sso-session", "corp"]


def row(host: str, profile: str, phase: str = "login-required", **more: Any) -> dict[str, Any]:
    principal = {"profile": profile, "role_arn": None, "chosen_by": "config", "login_backed": True}
    return registry(host, phase=phase, principal=principal, **more)


def fresh(host: str, profile: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    times = {"obtained_at": now.isoformat(), "expires_at": (now + timedelta(hours=12)).isoformat()}
    return row(host, profile, "fresh", **times)


def service_of(
    house: House, before: dict[str, Any], after: Callable[[], dict[str, Any]]
) -> AbstractContextManager[None]:
    """Have a service that notices a sign-in."""

    def answer(_request: dict[str, Any]) -> dict[str, Any]:
        return after() if standin.runs(house.folder) else before

    return house.answering(answer)


def argvs(house: House) -> list[list[str]]:
    return [run["argv"] for run in standin.runs(house.folder)]


@pytest.fixture
def corp(house: House) -> House:
    """A home with profiles of an SSO session and of an `aws login`."""
    homes.sso_profile(house.folder, "dev", ACCOUNT)
    homes.sso_profile(house.folder, "prod", ACCOUNT)
    homes.profile(house.folder, "me", login_session=f"arn:aws:iam::{ACCOUNT}:user/me")
    return house


def test_each_login_that_is_waited_for_is_run_once_one_after_another(corp: House) -> None:
    path = standin.install(corp.folder)
    before = document(
        row(WEST, "dev"), row("public.ecr.aws", "prod"), row(EAST, "me"), overall="login-required"
    )
    # The stand-in's sign-ins leave nothing behind; that everything is fresh is this service's word.
    with service_of(
        corp, before, lambda: document(fresh(WEST, "dev"), fresh("public.ecr.aws", "prod"), fresh(EAST, "me"))
    ):
        done = corp.run("login", PATH=path)

    assert argvs(corp) == [CORP, ["login", "--profile", "me"]]
    assert done.returncode == 0, done.stderr
    assert [host in done.stdout for host in (WEST, EAST, "public.ecr.aws")] == [True] * 3


def test_a_login_about_to_end_is_worth_one_too(corp: House) -> None:
    """The standing notice says that it ends; nobody has to wait until it has."""
    profiles = Profiles.load(corp.environment())
    notice = {"key": "ending:sso:corp", "command": "aws sso login --sso-session corp"}
    other = {"key": "logout:x", "command": "ecr-refreshd pause x"}

    found = waiting(document(row(WEST, "dev", "fresh"), notices=[notice, other]), profiles)

    assert found.commands == ("aws sso login --sso-session corp",)


def test_nothing_waits_and_nothing_is_opened(corp: House) -> None:
    """Never a browser unasked; what could be signed in to is listed."""
    path = standin.install(corp.folder)
    with corp.answering(document(row(WEST, "dev", "fresh"))):
        done = corp.run("login", PATH=path)

    assert (done.returncode, argvs(corp)) == (0, [])
    assert done.stdout.splitlines() == [
        "No registry waits for a sign-in.",
        "To sign in anyway:",
        "  ecr-refreshd login dev  (aws sso login --sso-session corp, also for prod)",
        "  ecr-refreshd login me  (aws login --profile me)",
    ]


@pytest.mark.parametrize(
    ("profile", "argv"),
    [
        ("dev", CORP),
        ("corp", CORP),
        ("admin", CORP),
        ("old", ["sso", "login", "--profile", "old"]),
        ("me", ["login", "--profile", "me"]),
        ("mfa", ["sts", "get-caller-identity", "--profile", "mfa"]),
        ("with space", ["sso", "login", "--profile", "with space"]),
    ],
)
def test_each_kind_of_profile_has_its_sign_in(corp: House, profile: str, argv: list[str]) -> None:
    """SSO by its session (by name too), old ones by themselves, `aws login`, MFA; chains by their source."""
    homes.role_chain(corp.folder, "admin", f"arn:aws:iam::{ACCOUNT}:role/admin", "dev")
    homes.legacy_sso_profile(corp.folder, "old", ACCOUNT)
    homes.static_keys(corp.folder, "keys", homes.access_key())
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/me"
    homes.role_chain(corp.folder, "mfa", f"arn:aws:iam::{ACCOUNT}:role/mfa", "keys", mfa_serial=serial)
    homes.section(
        corp.folder / ".aws/config",
        "profile 'with space'",
        {
            "sso_start_url": "https://x",
            "sso_region": "us-east-1",
            "sso_account_id": ACCOUNT,
            "sso_role_name": "R",
        },
    )
    path = standin.install(corp.folder)
    with corp.answering(document(fresh(WEST, "nobody"))):
        done = corp.run("login", profile, PATH=path)

    assert argvs(corp) == [argv]
    assert done.returncode == 0, done.stderr
    assert "Signed in. No registry uses this login." in done.stdout


def test_only_its_own_tool_signs_in_to_a_credential_process(corp: House) -> None:
    """Its arguments are not shown: people put secrets there."""
    homes.profile(corp.folder, "vault", credential_process="/opt/bin/aws-vault exec hunter2 --json")
    homes.static_keys(corp.folder, "session", "ASIA0000000000000000", session_token="t")
    path = standin.install(corp.folder)
    with corp.answering(document(row(WEST, "vault"), row(EAST, "session"), overall="failed")):
        named = corp.run("login", "vault", PATH=path)
        all_ = corp.run("login", PATH=path)

    assert (named.returncode, all_.returncode, argvs(corp)) == (1, 3, [])
    assert "Profile vault gets its keys from aws-vault; sign in with that tool." in named.stderr
    assert "aws-vault" in all_.stderr
    assert "session keys of profile session expire" in all_.stderr
    assert "hunter2" not in named.stderr + all_.stderr


def test_keys_that_do_not_end_need_no_sign_in(corp: House) -> None:
    homes.static_keys(corp.folder, "ci", homes.access_key())

    done = corp.run("login", "ci")

    assert done.returncode == 0
    assert "needs no sign-in" in done.stdout


@pytest.mark.parametrize(("name", "said"), [("dve", "did you mean dev?"), ("broken", "end in a loop")])
def test_a_profile_that_is_not_there(corp: House, name: str, said: str) -> None:
    homes.role_chain(corp.folder, "broken", f"arn:aws:iam::{ACCOUNT}:role/admin", "gone")

    done = corp.run("login", name)

    assert done.returncode == (2 if name == "dve" else 1)
    assert said in done.stderr


def test_no_aws_cli_is_said_with_where_to_get_one(corp: House) -> None:
    """The user's PATH counts, and no other."""
    empty = corp.folder / "empty"
    empty.mkdir()

    done = corp.run("login", "dev", PATH=str(empty))

    assert done.returncode == 1
    assert "`aws sso login --sso-session corp` signs in, but there is no AWS CLI on the PATH" in done.stderr
    assert "https://docs.aws.amazon.com/" in done.stderr


@pytest.mark.parametrize(
    ("version", "profile", "runs"),
    [
        (standin.VERSION_1, "dev", False),
        ("aws-cli/2.31.9 Python/3.13.7", "me", False),
        ("aws-cli/2.31.9 Python/3.13.7", "dev", True),
        (standin.VERSION_1, "mfa", True),
        ("a wrapper of somebody's", "dev", True),
    ],
)
def test_a_cli_that_is_too_old_is_recognised(corp: House, version: str, profile: str, runs: bool) -> None:
    """Version 1 has no `sso login`, `aws login` came with 2.32; what tells no version is given a try."""
    homes.static_keys(corp.folder, "keys", homes.access_key())
    homes.role_chain(
        corp.folder,
        "mfa",
        f"arn:aws:iam::{ACCOUNT}:role/m",
        "keys",
        mfa_serial=f"arn:aws:iam::{ACCOUNT}:mfa/me",
    )
    path = standin.install(corp.folder, version=version)
    with corp.answering(document()):
        done = corp.run("login", profile, PATH=path)

    assert bool(argvs(corp)) is runs
    assert done.returncode == (0 if runs else 1)
    if not runs:
        assert f"is the AWS CLI {version[8:12]}" in done.stderr
        assert "https://docs.aws.amazon.com/" in done.stderr


@pytest.mark.parametrize(
    ("ends", "why"), [(253, "its settings"), (254, "refused"), (255, "given up"), (7, "exit code 7)")]
)
def test_a_sign_in_that_fails_is_1_and_says_what_still_works(corp: House, ends: int, why: str) -> None:
    path = standin.install(corp.folder, ends=ends)

    done = corp.run("login", "dev", PATH=path)

    assert done.returncode == 1
    assert why in done.stderr
    assert "Valid tokens continue to work." in done.stderr
    assert done.stderr.endswith("aws sso login --sso-session corp\n")


def test_one_that_fails_stops_no_other_but_the_exit_code_tells(corp: House) -> None:
    program = corp.folder / "bin/aws"
    path = standin.install(corp.folder)
    program.rename(corp.folder / "bin/real")
    program.write_text(f'#!/bin/sh\ncase "$1" in sso) exit 255;; esac\nexec {corp.folder}/bin/real "$@"\n')
    program.chmod(0o755)
    before = document(row(WEST, "dev"), row(EAST, "me"), overall="failed")
    with service_of(corp, before, lambda: document(row(WEST, "dev"), fresh(EAST, "me"))):
        done = corp.run("login", PATH=path)

    assert done.returncode == 1
    assert argvs(corp) == [["login", "--profile", "me"]]
    assert EAST in done.stdout
    assert WEST not in done.stdout


def test_a_login_that_the_service_does_not_see_is_said(corp: House) -> None:
    """It may read other AWS files; the person is not left with a success that is none."""
    path = standin.install(corp.folder)
    code = (
        "import sys; from datetime import timedelta; from ecr_refreshd.cli import login, main\n"
        "login._PATIENCE = timedelta(seconds=1)\n"
        "sys.exit(main(['login', 'dev']))"
    )
    lives = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    with corp.answering(document(row(WEST, "dev", expires_at=lives))):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=corp.environment(PATH=path),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    assert done.returncode == 3
    assert "use the same AWS files?" in done.stderr


def test_the_environment_of_the_settings_counts(corp: House) -> None:
    """The service reads the AWS files that its settings name; so must whoever signs in for it."""
    other = corp.folder / "other"
    homes.section(other, "profile elsewhere", {"login_session": f"arn:aws:iam::{ACCOUNT}:user/me"})
    corp.write_config(f'[environment]\nset = {{ AWS_CONFIG_FILE = "{other}" }}\n')
    path = standin.install(corp.folder)
    with corp.answering(document()):
        done = corp.run("login", "elsewhere", PATH=path)

    assert done.returncode == 0, done.stderr
    assert argvs(corp) == [["login", "--profile", "elsewhere"]]


def on_terminal(house: House, path: str) -> tuple[subprocess.Popen[bytes], int]:
    ours, theirs = pty.openpty()
    command = house.start(
        "login",
        "dev",
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        environ={"PATH": path},
        start_new_session=True,
        preexec_fn=lambda: _control(theirs),
    )
    os.close(theirs)
    return command, ours


def _control(terminal: int) -> None:
    import fcntl  # noqa: PLC0415 - between fork and exec
    import termios  # noqa: PLC0415 - same

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def drained(ours: int) -> bytes:
    told = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says EIO when the last writer has gone
            return told
        if not piece:
            return told
        told += piece


def test_the_sign_in_has_the_users_terminal_and_ctrl_c_ends_both_with_130(corp: House) -> None:
    """Codes and prompts are typed there; nobody is left behind."""
    path = standin.install(corp.folder, takes=60)
    command, ours = on_terminal(corp, path)
    end = time.monotonic() + 20
    while not standin.runs(corp.folder) and time.monotonic() < end:
        time.sleep(0.05)
    (run,) = standin.runs(corp.folder)

    os.write(ours, b"\x03")
    told = drained(ours)

    assert command.wait(20) == 130
    os.close(ours)
    assert run["terminal"]
    assert run["group"] == command.pid
    assert b"Attempting to open your default browser." in told
    assert b"ecr-refreshd" not in told.split(b"$ aws")[0]


def test_a_cli_that_does_not_end_by_ctrl_c_is_ended(tmp_path: Path) -> None:
    """Its answer to the first signal is awaited: it may be writing the token."""
    program = tmp_path / "aws"
    program.write_text(
        f"#!/bin/sh\ntrap '' INT TERM\necho $$ > {tmp_path}/pid\nsleep 30 & wait; wait; wait; sleep 30\n"
    )
    program.chmod(0o755)
    code = (
        "import os; from ecr_refreshd.cli import awscli\n"
        "awscli._ENDS = 0.2\n"
        "try: awscli.sign_in('aws x', os.environ)\n"
        "except KeyboardInterrupt: raise SystemExit(130)"
    )
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    command = subprocess.Popen([sys.executable, "-c", code], env=environ, start_new_session=True)
    end = time.monotonic() + 20
    while not (tmp_path / "pid").exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(command.pid, signal.SIGINT)

    assert command.wait(20) == 130
    os.killpg(command.pid, signal.SIGKILL)  # the stand-in's own `sleep`


def test_exit_codes_of_the_cli_have_their_words() -> None:
    assert set(awscli._ENDED) == {253, 254, 255}
    assert json.dumps(awscli._NEEDED) == '{"sso": [2, 0], "login": [2, 32]}'
