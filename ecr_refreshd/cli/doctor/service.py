"""What is wrong with the service: absent, silent, of another version, or with another environment."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from ecr_refreshd import __version__
from ecr_refreshd.cli.doctor import pasted
from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.profiles import misspelt
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.cli.environment import COMPARED, told
from ecr_refreshd.core.dockerconfig import OURS
from ecr_refreshd.core.remedies import Remedy
from ecr_refreshd.core.remedies import service as remedies
from ecr_refreshd.errors import ControlError
from ecr_refreshd.host import places
from ecr_refreshd.sinks.means import PROGRAM

_UNIT = "ecr-refreshd.service"
_UNITS = re.compile(r"ecr-refreshd(?:@[\w.-]+)?\.service")
_ANSWERS_WITHIN = 5.0
"""Seconds, for systemctl."""


def presence(scene: Scene) -> Iterator[Finding]:
    """Find that no service runs, that it does not answer, or that it is of another version than this command."""
    if scene.silent is not None:
        what, how = _silent(scene)
        yield Finding(
            "service.silent",
            Severity.ERROR,
            "ecr-refreshd",
            what,
            "Whether anything is kept fresh cannot be told.",
            how,
        )
    elif not scene.running:
        yield Finding(
            "service.absent",
            Severity.WARNING,
            "ecr-refreshd",
            "No service is running for this user.",
            "Tokens end 12 hours after they were made, and nothing renews or heals them.",
            _start(scene),
        )
    elif scene.document.get("version") != __version__:
        yield Finding(
            "service.version",
            Severity.WARNING,
            "ecr-refreshd",
            f"The running service is version {scene.document.get('version')}, and this command is {__version__}.",
            "What was installed since is not in use yet.",
            restart(scene),
        )


def _start(scene: Scene) -> str:
    state = _systemctl("is-enabled", _UNIT)
    if state in {"enabled", "disabled", "static", "linked"}:
        return remedies.start_unit(_UNIT).page
    agent = Path("~/Library/LaunchAgents/io.github.ecr-refreshd.plist").expanduser()
    if sys.platform == "darwin" and agent.exists():
        return remedies.start_agent(os.getuid(), str(agent)).page
    shipped = resources.files("ecr_refreshd") / "share" / "systemd" / _UNIT
    has_systemd = bool(_systemctl("show", "--property=Version"))
    program = places.home(scene.environ) / ".local/bin/ecr-refreshd"  # what the unit starts
    if has_systemd and isinstance(shipped, Path) and shipped.is_file() and program.exists():
        return remedies.install_unit(str(shipped)).page
    return pasted.steps("In this terminal, or by whatever starts services here", [pasted.ours("run", scene)])


def restart(scene: Scene) -> str:
    """Return how the service is started anew, in the way that it was started."""
    first = "" if scene.refused is None else "Correct the settings first: it does not start with them. "
    pid = scene.document["pid"] or _holder()
    of_user, unit = _unit(pid, scene.root)
    if unit:
        again = remedies.restart_unit(unit, of_user=of_user)
        return Remedy(f"{first}Then:", again.command).page if first else again.page
    return f"{first}{remedies.restart_process(pid, pasted.ours('run', scene)).page}"


def _silent(scene: Scene) -> tuple[str, str]:
    """Return what is wrong with a service that does not answer, and what to do about it."""
    assert scene.silent is not None  # noqa: S101 - for the type checker
    pid = _holder()
    if not isinstance(scene.silent, ControlError) or pid is None:
        return scene.silent.message, pasted.hinted(scene.silent.hint) or restart(scene)
    if _state(pid, scene.root) in {"T", "t"}:
        what = f"The service (process {pid}) is stopped (Ctrl-Z, or kill -STOP), and answers nobody."
        return what, remedies.go_on(pid).page
    of_user, unit = _unit(pid, scene.root)
    if not unit:
        return scene.silent.message, restart(scene)
    return scene.silent.message, remedies.restart_unit(unit, of_user=of_user, look_first=True).page


def _holder() -> int | None:
    """Return the process that says in the lock's file that it is the service."""
    try:
        pid, _, word = (places.lock_folder() / "instance.lock").read_text()[:32].strip().partition(" ")
    except (OSError, ValueError):
        return None
    return int(pid) if pid.isdecimal() and word == "serves" else None


def _state(pid: int, root: Path) -> str:
    """Return the letter by which the kernel says what a process does, "" if it cannot be told."""
    try:
        return (root / f"proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _unit(pid: int | None, root: Path) -> tuple[bool, str]:
    """Return whether a process runs under its user's systemd, and its unit; "" where it runs by itself."""
    try:
        groups = "" if pid is None else (root / f"proc/{pid}/cgroup").read_text()
    except OSError:
        groups = ""
    found = _UNITS.search(groups)
    if found is None:
        return False, ""
    return "/user@" in groups, found[0]


def _systemctl(verb: str, unit: str) -> str:
    """Return what the user's systemd answers, "" where there is none."""
    program = shutil.which("systemctl")
    if program is None or not os.environ.get("XDG_RUNTIME_DIR"):
        return ""
    try:
        return subprocess.run(
            [program, "--user", verb, unit],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ANSWERS_WITHIN,
            check=False,
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def environment(scene: Scene) -> Iterator[Finding]:
    """Find variables that this shell has and the service has not, or has otherwise."""
    if not scene.theirs or scene.refused is not None:
        return  # what the settings give the service is not known, nor could the remedy be put there
    if scene.theirs.get("HOME") != scene.shell.get("HOME", scene.theirs.get("HOME")):
        return  # another home altogether, by ECR_REFRESHD_STATE_DIR: nothing is meant to be the same
    differing: list[str] = []
    for name in COMPARED:
        here, there = told(name, scene.shell.get(name, "")), scene.theirs.get(name, "")
        if here == there or (name.islower() and here == scene.theirs.get(name.upper(), "")):
            continue
        if name == misspelt(scene):
            continue  # a slip of this shell, which the service is not to be given too
        differing.append(name)
    missing = _not_found(scene)
    wanted = _wanted(differing, missing, scene)
    yield from _of_variables(
        [name for name in differing if scene.shell.get(name)], _told(wanted, scene), scene
    )
    for name in differing:
        if not scene.shell.get(name):
            yield from _of_variables([name], _taken_over(name, scene), scene)
    for program, here in missing.items():
        yield Finding(
            "service.path",
            Severity.WARNING,
            program,
            f"{program} is at {here} in this shell, and the service's PATH does not lead to it.",
            "What the service needs it for fails there, though it works here.",
            _told(wanted, scene),
        )


def _of_variables(names: list[str], how: str, scene: Scene) -> Iterator[Finding]:
    """Return one finding for variables that go into one table: two would have it written twice."""
    if not names:
        return
    said = [
        f"{name} is {_quoted(told(name, scene.shell.get(name, '')))} in this shell, and "
        f"{_quoted(scene.theirs.get(name, ''))} for the service."
        for name in names
    ]
    yield Finding(
        "service.environment",
        Severity.WARNING,
        ", ".join(names),
        " ".join(said),
        "The service looks at other files, or uses another profile or proxy, than commands in this shell.",
        how,
    )


def _quoted(value: str) -> str:
    return f'"{value}"' if value else "not set"


def _wanted(differing: list[str], missing: Mapping[str, str], scene: Scene) -> dict[str, str]:
    """Return what the settings have to give the service: what they give now, and what it lacks."""
    wanted = pasted.variables(scene)
    wanted |= {name: scene.shell[name] for name in differing if scene.shell.get(name)}
    if missing:
        folders = dict.fromkeys(str(Path(here).parent) for here in missing.values())
        wanted["PATH"] = ":".join([*folders, *filter(None, [scene.theirs.get("PATH", "")])])
    return wanted


def _told(wanted: Mapping[str, str], scene: Scene) -> str:
    # A password is theirs to type; a command line with it would be ours to have shown.
    shown = {name: value if told(name, value) == value else "..." for name, value in wanted.items()}
    return pasted.environment(shown, scene)


def _taken_over(name: str, scene: Scene) -> str:
    there = scene.theirs.get(name, "")
    value = "..." if "***" in there else there
    if name in pasted.variables(scene):
        without = f"Take {name} out of [environment] in {scene.config}"
    else:
        without = "Start the service anew without it"
    words = f"{without}; or put it into ~/.profile, so that each shell has it:"
    return remedies.set_variable(name, value, words).page


def _not_found(scene: Scene) -> dict[str, str]:
    """Return where the programs are that are found here and not there; a PATH differs everywhere."""
    theirs = scene.theirs.get("PATH", "")
    missing: dict[str, str] = {}
    for program in sorted(_needed(scene)):
        here = shutil.which(program, path=scene.shell.get("PATH", os.defpath))
        if here is not None and shutil.which(program, path=theirs) is None:
            missing[program] = here
    return missing


def _needed(scene: Scene) -> set[str]:
    names = {PROGRAM}
    for file in scene.files:
        if file.config is not None:
            routes = file.config.routes()
            stores = {routes.store, *routes.helpers.values()} - {"", OURS}
            names |= {f"docker-credential-{name}" for name in stores}
    profiles = getattr(scene.aws.profiles, "profiles", {}) if scene.aws is not None else {}
    for profile in profiles.values():
        try:
            words = shlex.split(profile.keys.get("credential_process", ""))
        except ValueError:
            continue
        if words and "/" not in words[0]:
            names.add(words[0])
    return names
