"""Standard streams that a caller has closed, or that are full: the exit code is right, without a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import House
from tests.test_world_ends import eventually

FULL = "ecr-refreshd: stdout cannot be written: No space left on device.\n"


def by_shell(house: House, line: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in which `$P` is the program."""
    return subprocess.run(
        ["sh", "-c", line],
        env=house.environment(P=f"{sys.executable} -m ecr_refreshd"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command", ["status", "run --once", "help", "--help", "--version", "config show", ""]
)
def test_without_stdout_the_exit_code_is_the_commands(house: House, command: str) -> None:
    usual = by_shell(house, f"$P {command}")
    closed = by_shell(house, f"$P {command} >&-")

    assert (closed.returncode, closed.stdout, closed.stderr) == (usual.returncode, "", usual.stderr)


def test_without_any_stream_the_exit_code_is_the_commands(house: House) -> None:
    assert by_shell(house, "$P status <&- >&- 2>&-").returncode == 5
    assert by_shell(house, "$P explain ghcr.io <&- >&- 2>&-").returncode == 2


@pytest.mark.parametrize(
    "command", ["status", "run --once", "help", "--help", "--version", "config show", ""]
)
def test_a_full_stdout_is_said_in_one_line(house: House, command: str) -> None:
    done = by_shell(house, f"$P {command} >/dev/full")

    assert (done.returncode, done.stderr) == (1, FULL)


def test_a_full_stdout_is_said_without_a_buffer_too(house: House) -> None:
    done = by_shell(house, "PYTHONUNBUFFERED=1 $P status >/dev/full")

    assert (done.returncode, done.stderr) == (1, FULL)


def test_a_full_stderr_costs_no_exit_code(house: House) -> None:
    done = by_shell(house, "$P explain ghcr.io 2>/dev/full")

    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_service_without_streams_runs_and_ends_with_0(house: House, closed: str, tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    line = f"exec $P run 2>{errors} {closed}"
    environ = house.environment(P=f"{sys.executable} -m ecr_refreshd")
    with subprocess.Popen(["sh", "-c", line], env=environ) as service:
        eventually(house.socket.exists)
        eventually(lambda: house.run("status").returncode == 0)
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=20) == 0
    assert "Traceback" not in errors.read_text()


def test_a_folder_of_anothers_is_said_without_a_command_too(house: House) -> None:
    """`ecr-refreshd` alone, with the HOME of a root who kept it."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    home = house.folder / "closed"
    (home / ".local/state").mkdir(parents=True)
    home.chmod(0o700)
    environ = house.environment(HOME=str(home))
    for name in ("ECR_REFRESHD_STATE_DIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        del environ[name]
    # Only then is it another: the folder of this Python may be closed to others.
    code = (
        "import os, sys; from ecr_refreshd.cli import main, manual, status\n"
        "os.setgroups([]); os.setresgid(*[12345] * 3); os.setresuid(*[12345] * 3); sys.exit(main([]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be entered" in done.stderr
    assert "Traceback" not in done.stderr
