"""The unit files: what systemd and launchd themselves accept, and each trap of reliability.md 5 a rule."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecr_refreshd import daemon
from ecr_refreshd.errors import ConfigError, LockHeldError
from tests.needs import need

ROOT = Path(__file__).parent.parent
USER = ROOT / "systemd" / "ecr-refreshd.service"
SYSTEM = ROOT / "systemd" / "ecr-refreshd@.service"
PLIST = ROOT / "launchd" / "io.github.ecr-refreshd.plist"


def directives(path: Path) -> dict[str, str]:
    """Return "Section.Key" -> value; a key that stands twice is a mistake here."""
    found: dict[str, str] = {}
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            assert f"{section}.{name}" not in found
            found[f"{section}.{name}"] = value
    return found


# -- systemd ---

# directive -> (values that are right, why)
BOTH = {
    "Service.Type": ({"notify"}, "notify-reload is an unknown type before 253, and then Type=simple"),
    "Service.ExecReload": ({"/bin/kill -HUP $MAINPID"}, "without it `systemctl reload` fails"),
    "Service.Restart": ({"on-failure"}, "a service that was told to end stays down"),
    "Service.RestartSec": ({"5"}, "the default of 100 ms would hammer"),
    "Service.KillMode": ({"control-group"}, "SIGTERM lets an AWS child write the login that it is renewing"),
    "Service.UMask": ({"0077"}, "state, locks and socket are the user's alone"),
    "Service.LimitCORE": ({"0"}, "tokens are in memory"),
    "Service.NoNewPrivileges": ({"yes"}, "works without namespaces"),
    "Service.RestrictSUIDSGID": ({"yes"}, "works without namespaces"),
    "Service.RestrictNamespaces": ({"yes"}, "works without namespaces"),
    "Service.SystemCallFilter": ({"@system-service"}, "works without namespaces"),
    "Service.SystemCallErrorNumber": ({"EPERM"}, "a helper that tries too much gets an error, not SIGSYS"),
    "Service.OOMPolicy": (
        {"continue"},
        "an AWS child that is killed for its memory must not end the service",
    ),
    "Unit.StartLimitIntervalSec": ({"0"}, "systemd would give up for good after a few failures"),
}
FORBIDDEN = {
    "Service.RuntimeDirectory": "removed when the unit ends: with 75, it takes another instance's socket along",
    "Service.StateDirectory": "is ~/.config/NAME in user units of systemd 252",
    "Service.MemoryDenyWriteExecute": "a credential_process written for node would break",
    "Service.ProtectHome": "makes /run/user read-only; with ReadWritePaths= it pins an old ~/.docker",
    "Service.ReadWritePaths": "a bind mount stays on the old folder, and on a file it forbids rename",
    "Service.BindPaths": "same",
    "Service.DynamicUser": "fails with 217 in user units, and has no home",
    "Service.NotifyAccess": "main is enough: no child speaks for us",
    "Service.TimerSlackNSec": "would put off each heal",
}
NAMESPACED = {
    *("PrivateUsers", "PrivateTmp", "PrivateDevices", "PrivateMounts", "PrivateNetwork", "ProtectSystem"),
    *("ProtectProc", "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectClock"),
    *("ProtectControlGroups", "ProtectHostname", "CapabilityBoundingSet", "InaccessiblePaths", "User"),
}


@pytest.mark.parametrize("path", [USER, SYSTEM], ids=["user", "system"])
@pytest.mark.parametrize("name", BOTH)
def test_a_unit_says(path: Path, name: str) -> None:
    values, why = BOTH[name]
    assert directives(path).get(name) in values, why


@pytest.mark.parametrize("path", [USER, SYSTEM], ids=["user", "system"])
@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_unit_does_not_say(path: Path, name: str) -> None:
    assert name not in directives(path), FORBIDDEN[name]


def test_the_user_unit_needs_no_namespaces() -> None:
    """In a user manager they do nothing in silence, or end the start with 217 or 218 (reliability.md 5.2)."""
    used = {name.removeprefix("Service.") for name in directives(USER)}
    assert not used & NAMESPACED


def test_the_user_unit_starts_what_pipx_installs() -> None:
    unit = directives(USER)
    assert unit["Service.ExecStart"] == "%h/.local/bin/ecr-refreshd run"
    assert unit["Install.WantedBy"] == "default.target"


def test_the_system_template_does_not_ask_for_roots_home() -> None:
    """%h is the home of the manager's user, whatever User= says."""
    unit = directives(SYSTEM)
    assert unit["Service.User"] == "%i"
    assert unit["Service.ProtectSystem"] == "full", "strict would make /var/lib/jenkins read-only"
    assert not [name for name, value in unit.items() if "%h" in value or "%E" in value]


@pytest.mark.parametrize("path", [USER, SYSTEM], ids=["user", "system"])
def test_exit_codes_that_trying_again_cannot_help_end_it(path: Path) -> None:
    codes = {int(code) for code in directives(path)["Service.RestartPreventExitStatus"].split()}
    assert codes == {LockHeldError("", serving=True).exit_code, ConfigError.exit_code}


@pytest.mark.parametrize("path", [USER, SYSTEM], ids=["user", "system"])
def test_the_watchdog_forgives_a_late_tick_and_no_more(path: Path) -> None:
    seconds = int(directives(path)["Service.WatchdogSec"])
    assert 2 <= seconds / daemon.TICK.total_seconds() <= 5


@pytest.mark.parametrize("path", [USER, SYSTEM], ids=["user", "system"])
def test_what_the_service_speaks_is_allowed(path: Path) -> None:
    """AF_NETLINK: getaddrinfo asks the kernel for its addresses."""
    families = set(directives(path)["Service.RestrictAddressFamilies"].split())
    assert families == {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"}


@pytest.mark.parametrize("path", [USER, SYSTEM], ids=["user", "system"])
def test_systemd_itself_finds_nothing_to_say(path: Path, tmp_path: Path) -> None:
    """`verify` ends with 0 although a key is unknown; what it prints is what counts."""
    need(sys.platform == "darwin" or shutil.which("systemd-analyze"), "the package systemd is not installed")
    if sys.platform == "darwin":
        pytest.skip("systemd is Linux's")
    program = tmp_path / ".local" / "bin" / "ecr-refreshd"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    unit = tmp_path / path.name.replace("@.", "@root.")
    unit.write_text(path.read_text().replace("/usr/local/bin/ecr-refreshd", str(program)))
    scope = ["--user"] if path is USER else []
    done = subprocess.run(
        ["systemd-analyze", *scope, "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(runtime)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# -- launchd ---


def test_the_agent_is_what_launchd_needs() -> None:
    agent = plistlib.loads(PLIST.read_bytes())
    assert agent["Label"] == PLIST.stem
    assert agent["KeepAlive"] == {"SuccessfulExit": False}, "keys are ORed: another one would start it always"
    assert agent["Umask"] == 0o077, "launchd reads decimal"
    assert agent["ThrottleInterval"] == 30
    assert agent["ExitTimeOut"] == 10
    assert agent["AbandonProcessGroup"] is False, "our children end with us"
    assert agent["LimitLoadToSessionType"] == "Aqua"
    assert agent["ProcessType"] != "Background", "CPU and disk would be throttled, and healing with them"
    assert "/opt/homebrew/bin" in agent["EnvironmentVariables"]["PATH"].split(":"), "launchd's PATH lacks it"
    assert agent["HardResourceLimits"]["Core"] == 0
    assert not {"StandardErrorPath", "StandardOutPath"} & agent.keys(), (
        "launchd rotates no log, nor expands ~"
    )


def test_the_agents_shell_becomes_the_service(tmp_path: Path) -> None:
    """Signals go to the process launchd started; a log beyond its size is put aside, once."""
    agent = plistlib.loads(PLIST.read_bytes())
    program = tmp_path / ".local" / "bin" / "ecr-refreshd"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$0 $1 $$" >&2\n')
    program.chmod(0o755)
    logs = tmp_path / "Library" / "Logs"
    logs.mkdir(parents=True)
    log = logs / "ecr-refreshd.log"
    log.write_bytes(b"x" * 6_000_000)
    pids = []
    for _ in range(2):
        service = subprocess.Popen(
            agent["ProgramArguments"], env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        )
        assert service.wait(20) == 0
        pids.append(service.pid)
    assert log.read_text() == "".join(f"{program} run {pid}\n" for pid in pids)
    assert sorted(each.name for each in logs.iterdir()) == ["ecr-refreshd.log", "ecr-refreshd.log.1"]


def test_apples_or_libplists_parser_takes_it() -> None:
    need(shutil.which("plutil") or shutil.which("plistutil"), "neither plutil nor plistutil is installed")
    if shutil.which("plutil"):
        argv = ["plutil", "-lint", str(PLIST)]
    else:
        argv = ["plistutil", "-i", str(PLIST), "-o", os.devnull]
    subprocess.run(argv, check=True, capture_output=True)
