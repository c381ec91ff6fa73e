"""The command line as a person meets it: through a real process, with its exit codes."""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ecr_refreshd import __version__
from ecr_refreshd.cli import arguments
from ecr_refreshd.cli.arguments import COMMANDS, CONFIG_COMMANDS
from ecr_refreshd.core import report
from ecr_refreshd.core.settings import LOG_FORMATS, LOG_LEVELS
from ecr_refreshd.host.control import Server
from tests.cli.documents import LOGIN_ENDED, NOTICE, WEST, document, registry

GOOD = f'[[registry]]\nhost = "{WEST}"\naliases = ["registry.corp.example"]\n'
BAD = '[dokcer]\nmode = "auto"\n[renew]\nlogin_backed = 3600\n'
PROGRAM = (sys.executable, "-m", "ecr_refreshd")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for folder in ("config/ecr-refreshd", "state/ecr-refreshd", "run"):
        (tmp_path / folder).mkdir(mode=0o700, parents=True)
    return tmp_path


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "ECR_REFRESHD_STATE_DIR": str(home / "state/ecr-refreshd"),
        "PYTHONWARNINGS": "error",
        **more,
    }


def ran(home: Path, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *argv],
        capture_output=True,
        text=True,
        env=environment(home, **more),
        check=False,
        timeout=30,
    )


def on_a_terminal(home: Path, *argv: str, **more: str) -> str:
    """Return what a command prints on a terminal of 140 columns."""
    ours, theirs = pty.openpty()
    env = environment(home, COLUMNS="140", TERM="xterm", **more)
    with subprocess.Popen([*PROGRAM, *argv], stdout=theirs, stderr=theirs, stdin=theirs, env=env) as process:
        os.close(theirs)
        told = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux says EIO when the last writer has gone
                break
            if not piece:
                break
            told += piece
        process.wait(timeout=30)
    os.close(ours)
    return told.decode().replace("\r\n", "\n")


def remember(home: Path, *registries: dict[str, object], **more: object) -> None:
    state = {"schema": 1, "status": document(*registries, **more)}
    path = home / "state/ecr-refreshd/state.json"
    path.write_text(json.dumps(state))
    path.chmod(0o600)


EVERY_COMMAND: tuple[tuple[str, ...], ...] = (
    (),
    ("config",),
    *((each.name,) for each in COMMANDS),
    *(("config", each.name) for each in CONFIG_COMMANDS),
)


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_every_help_has_examples_within_80_columns(home: Path, command: tuple[str, ...]) -> None:
    done = ran(home, *command, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert "\nexamples:\n  ecr-refreshd" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stdout == ran(home, "help", *command).stdout
    assert done.stdout == ran(home, *command, "-h").stdout


@pytest.mark.parametrize("command", [*COMMANDS, *CONFIG_COMMANDS])
def test_every_usage_line_has_every_option(command: arguments.Command) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    command.add(parser)

    for action in parser._actions:
        assert (action.option_strings[0] if action.option_strings else str(action.metavar)) in command.usage


@pytest.mark.parametrize("command", [each for each in EVERY_COMMAND if each not in {("help",), ("version",)}])
def test_every_help_says_what_exit_codes_mean(home: Path, command: tuple[str, ...]) -> None:
    text = ran(home, *command, "-h").stdout

    assert "\nexit codes:\n  0" in text or command == ("config",)


def test_the_main_help_has_what_the_others_point_to(home: Path) -> None:
    """The global options are explained once; a command's own help points there in one line."""
    text = ran(home, "help").stdout
    for told in (
        "--config PATH",
        "--log-level",
        "ECR_REFRESHD_CONFIG",
        "DOCKER_CONFIG",
        "AWS_PROFILE",
        "bug",
    ):
        assert told in text
    assert "~/.config/ecr-refreshd/config.toml" in text
    of_status = ran(home, "status", "-h").stdout
    assert "--log-level" not in of_status
    assert of_status.splitlines()[-1] == "Global options, files and variables: ecr-refreshd help"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("statsu",), "ecr-refreshd status"),
        (("refesh", "public.ecr.aws"), "ecr-refreshd refresh"),
        (("--log-level", "debug", "ensrue"), "ecr-refreshd ensure"),
        (("config", "chekc"), "ecr-refreshd config check"),
        (("start",), "ecr-refreshd run"),
        (("list",), "ecr-refreshd status"),
        (("validate",), "ecr-refreshd config check"),
        (("help", "statsu"), "ecr-refreshd status"),
        (("frobnicate",), "ecr-refreshd help"),
        (("status", "--jsn"), "ecr-refreshd help status"),
    ],
)
def test_a_misspelt_command_is_answered_with_the_nearest(
    home: Path, typed: tuple[str, ...], meant: str
) -> None:
    done = ran(home, *typed, LANG="C.UTF-8")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0].startswith("ecr-refreshd: There is no ")
    assert done.stderr.splitlines()[-1] == f"  → {meant}"


@pytest.mark.skipif(sys.platform != "linux", reason="launchd's commands are others")
@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("logs", "journalctl --user --unit ecr-refreshd"),
        ("stop", "systemctl --user stop ecr-refreshd"),
    ],
)
def test_what_systemd_does_is_answered_with_its_command(home: Path, typed: str, command: str) -> None:
    assert ran(home, typed, LANG="C.UTF-8").stderr.splitlines()[-1] == f"  → {command}"


def test_no_command_says_how_to_begin_or_shows_the_status(home: Path) -> None:
    first = ran(home)
    remember(home, registry())
    then = ran(home)

    assert (first.returncode, first.stderr) == (0, "")
    assert "ecr-refreshd doctor" in first.stdout
    assert max(map(len, first.stdout.splitlines())) <= 80
    assert (then.returncode, then.stdout) == (5, ran(home, "status").stdout)


@pytest.mark.parametrize("asked", ["--help", "-h", "help"])
def test_the_credential_helper_has_a_help(home: Path, asked: str) -> None:
    script = Path(sys.executable).with_name("docker-credential-ecr-refreshd")
    done = subprocess.run(
        [script, asked], capture_output=True, text=True, env=environment(home), check=False, timeout=30
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: docker-credential-ecr-refreshd <store|get|erase|list|version>")


@pytest.mark.parametrize(
    "argv", [("version",), ("--version",), ("status", "--version"), ("config", "check", "--version")]
)
def test_version_before_and_after_the_command(home: Path, argv: tuple[str, ...]) -> None:
    done = ran(home, *argv)

    assert (done.returncode, done.stdout) == (0, f"ecr-refreshd {__version__}\n")


@pytest.mark.parametrize(
    "argv",
    [
        ("statsu",),
        ("config",),
        ("status", "--jsn"),
        ("status", "extra"),
        ("run", "--log-level", "loud"),
        ("status", "--js"),
    ],
)
def test_usage_errors_exit_2_and_say_so_on_stderr(home: Path, argv: tuple[str, ...]) -> None:
    done = ran(home, *argv)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ecr-refreshd: ")
    assert done.stderr.splitlines()[-1].strip().startswith(("→ ecr-refreshd", "-> ecr-refreshd"))


@pytest.mark.parametrize(
    "argv",
    [
        ("--config", "{}", "config", "check"),
        ("config", "--config", "{}", "check"),
        ("config", "check", "--config", "{}"),
        ("config", "check", "--config={}", "--log-level", "debug"),
        ("--log-format", "json", "config", "check", "--config={}"),
    ],
)
def test_global_options_work_before_and_after_the_command(home: Path, argv: tuple[str, ...]) -> None:
    path = home / "other.toml"
    path.write_text(BAD)
    path.chmod(0o644)

    done = ran(home, *(each.format(path) for each in argv))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"{path}:1: dokcer: unknown table (nearest valid key: docker)",
        f'{path}:4: renew.login_backed: must be text with a unit, not a bare number: write "3600s" for seconds',
    ]


def test_what_comes_after_the_command_wins(home: Path) -> None:
    done = ran(home, "--config", "/first", "config", "check", "--config", "/second")

    assert done.stderr == "/second: there is no such file\n"


def test_config_check_of_a_good_file_says_ok_and_warns(home: Path) -> None:
    path = home / "config/ecr-refreshd/config.toml"
    path.write_text(GOOD)
    path.chmod(0o644)

    done = ran(home, "config", "check")

    assert done.returncode == 0
    warning, verdict = done.stdout.splitlines()
    assert warning.startswith(f"{path}:3: registry.aliases: registry.corp.example is not AWS's")
    assert warning.endswith("(warning)")
    assert verdict == f"{path}: ok"


def test_no_config_is_fine_but_a_named_one_must_exist(home: Path) -> None:
    usual = ran(home, "config", "check")
    named = ran(home, "config", "check", ECR_REFRESHD_CONFIG=str(home / "none.toml"))

    assert usual.returncode == 0
    assert "so the defaults hold" in usual.stdout
    assert (named.returncode, named.stderr) == (2, f"{home}/none.toml: there is no such file\n")


def test_config_show_prints_the_settings_with_their_source(home: Path) -> None:
    path = home / "config/ecr-refreshd/config.toml"
    path.write_text(GOOD)
    path.chmod(0o644)

    done = ran(home, "config", "show")

    assert done.returncode == 0
    assert f'host = "{WEST}"  # {path}:2' in done.stdout.splitlines()
    assert "adopt = true  # default" in done.stdout.splitlines()


def test_status_without_a_service_tells_what_is_remembered_and_exits_5(home: Path) -> None:
    remember(home, registry())

    done = ran(home, "status")
    told = json.loads(ran(home, "status", "--json").stdout)

    assert done.returncode == 5
    assert done.stdout.startswith("No service is running")
    assert WEST in done.stdout
    assert told["pid"] is None
    assert [row["host"] for row in told["registries"]] == [WEST]


def test_status_works_before_anything_ever_ran(home: Path) -> None:
    done = ran(home, "status")

    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout.splitlines()[0] == "No service has run yet."


@pytest.mark.parametrize(
    ("overall", "code"), [("ok", 0), ("failed", 1), ("login-required", 3), ("degraded", 4), ("starting", 4)]
)
def test_status_exits_as_the_overall_state_of_a_running_service(home: Path, overall: str, code: int) -> None:
    answer = document(registry(), overall=overall)
    server = Server(
        home / "run/ecr-refreshd/sock", lambda request: answer if request == {"op": "status"} else {}
    )
    server.start()
    try:
        done = ran(home, "status", "--json")
    finally:
        server.stop()

    assert (done.returncode, json.loads(done.stdout)) == (code, answer)
    assert report.EXIT_CODES[overall] == code


def test_a_service_that_refuses_is_an_error(home: Path) -> None:
    server = Server(
        home / "run/ecr-refreshd/sock", lambda _request: {"refused": "Not now.", "hint": "Later."}
    )
    server.start()
    try:
        done = ran(home, "status", LANG="C.UTF-8")
    finally:
        server.stop()

    assert (done.returncode, done.stdout, done.stderr) == (1, "", "ecr-refreshd: Not now.\n  → Later.\n")


def test_colour_and_tables_only_on_a_terminal(home: Path) -> None:
    remember(home, registry(), LOGIN_ENDED, notices=[NOTICE])
    piped = ran(home, "status", FORCE_COLOR="1").stdout
    waits = "asking the service ...\n"  # on a machine that is busy
    coloured = on_a_terminal(home, "status").replace(waits, "")
    plain = on_a_terminal(home, "status", NO_COLOR="1").replace(waits, "")

    assert "\x1b" not in piped
    assert "REGISTRY" not in piped
    assert "\x1b[" in coloured
    assert "REGISTRY" in coloured
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_a_terminal_of_another_encoding_gets_what_it_can_show(home: Path) -> None:
    remember(home, LOGIN_ENDED)

    done = ran(home, "status", PYTHONIOENCODING="ascii")

    assert done.returncode == 5
    assert "-> aws sso login --sso-session corp" in done.stdout


def test_a_reader_who_leaves_early_causes_no_complaint(home: Path) -> None:
    """`status | head -0` must not end in a traceback."""
    remember(home, *(registry(f"{number:012d}.dkr.ecr.us-west-2.amazonaws.com") for number in range(3000)))
    command = f"{sys.executable} -m ecr_refreshd status --json | head -c 1 >/dev/null"

    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, env=environment(home), check=False, timeout=30
    )

    assert done.stderr == b""


def test_status_loads_nothing_heavy(home: Path) -> None:
    """`status` runs in prompts and loops: no AWS, no scheduler, no TOML."""
    code = (
        "import sys; from ecr_refreshd.cli import main; code = main(['status', '--json'])\n"
        "heavy = {'boto3', 'botocore', 'apscheduler', 'watchdog', 'structlog', 'tomllib', 'ecr_refreshd.aws'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment(home),
        check=False,
        timeout=30,
    )

    assert (done.returncode, done.stderr) == (5, "")


@pytest.mark.parametrize(
    ("argv", "answer"),
    [
        (("ensure", WEST, "--min-ttl", "1h"), {"ensured": True, "beyond": []}),
        (("refresh", WEST), {}),
        (("pause", WEST), {}),
        (("resume", WEST), {}),
    ],
)
def test_what_asks_the_service_loads_nothing_of_its(
    home: Path, argv: tuple[str, ...], answer: dict[str, object]
) -> None:
    """Scripts call these often; with a service running they only ask."""
    code = (
        f"import sys; from ecr_refreshd.cli import main; code = main({list(argv)!r})\n"
        "heavy = {'boto3', 'botocore', 'apscheduler', 'watchdog', 'structlog', 'tomllib', 'ecr_refreshd.aws'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else code)"
    )
    phase = "paused" if argv[0] == "pause" else "fresh"
    server = Server(
        home / "run/ecr-refreshd/sock", lambda _request: document(registry(phase=phase), **answer)
    )
    server.start()
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=environment(home),
            check=False,
            timeout=30,
        )
    finally:
        server.stop()

    assert (done.returncode, done.stderr) == (0, "")


def test_options_know_the_same_words_as_the_settings() -> None:
    """The parser has its own copy, so that `status` need not load the settings."""
    assert arguments.LOG_LEVELS == LOG_LEVELS
    assert arguments.LOG_FORMATS == LOG_FORMATS


def test_the_help_says_what_a_report_of_a_bug_needs(home: Path) -> None:
    """Nobody else than its reader knows who that is."""
    assert (
        "To report a bug, include the output of:\n  ecr-refreshd version; ecr-refreshd doctor --json"
    ) in ran(home, "help").stdout
