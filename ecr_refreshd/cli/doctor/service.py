"""What is wrong with the service: absent, silent, of another version, with another environment, or in trouble."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ecr_refreshd import __version__
from ecr_refreshd.cli.doctor import pasted
from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.cli.environment import COMPARED, told
from ecr_refreshd.cli.words import read_time, until
from ecr_refreshd.core.dockerconfig import OURS
from ecr_refreshd.host import clock
from ecr_refreshd.sinks.means import PROGRAM

_UNIT = "ecr-refreshd.service"
_ANSWERS_WITHIN = 5.0
"""Seconds, for systemctl."""


def presence(scene: Scene) -> Iterator[Finding]:
    """Find that no service runs, that it does not answer, or that it is of another version than this command."""
    if scene.silent is not None:
        yield Finding(
            "service.silent",
            Severity.ERROR,
            "ecr-refreshd",
            scene.silent.message,
            "Whether anything is kept fresh cannot be told.",
            scene.silent.hint or _restart(),
        )
    elif not scene.running:
        yield Finding(
            "service.absent",
            Severity.WARNING,
            "ecr-refreshd",
            "No service is running for this user.",
            "Tokens end 12 hours after they were made, and nothing renews or heals them.",
            _start(),
        )
    elif scene.document.get("version") != __version__:
        yield Finding(
            "service.version",
            Severity.WARNING,
            "ecr-refreshd",
            f"The running service is version {scene.document.get('version')}, and this command is {__version__}.",
            "What was installed since is not in use yet.",
            _restart(),
        )


def _start() -> str:
    state = _systemctl("is-enabled", _UNIT)
    if state in {"enabled", "disabled", "static", "linked"}:
        return (
            f"systemctl --user enable --now {_UNIT}; should it end again: journalctl --user -u {_UNIT} -n 30"
        )
    agent = Path("~/Library/LaunchAgents/io.github.ecr-refreshd.plist").expanduser()
    if sys.platform == "darwin" and agent.exists():
        return f"launchctl bootstrap gui/{os.getuid()} {agent}"
    return 'ecr-refreshd run (in this terminal, or for good as the README\'s chapter "Running it" says)'


def _restart() -> str:
    if _systemctl("is-active", _UNIT) == "active":
        return f"systemctl --user restart {_UNIT}"
    return "End the running `ecr-refreshd run` (Ctrl-C there), and start it again: ecr-refreshd run"


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
    if not scene.theirs:
        return
    if scene.theirs.get("HOME") != scene.shell.get("HOME", scene.theirs.get("HOME")):
        return  # another home altogether, by ECR_REFRESHD_STATE_DIR: nothing is meant to be the same
    differing: list[str] = []
    for name in COMPARED:
        here, there = told(name, scene.shell.get(name, "")), scene.theirs.get(name, "")
        if here == there or (name.islower() and here == scene.theirs.get(name.upper(), "")):
            continue
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
    value = "..." if "***" in there else shlex.quote(there)
    if name in pasted.variables(scene):
        without = f"take {name} out of [environment] in {scene.config}"
    else:
        without = f"take it from the service: {_restart()}, from a shell without it"
    return f"export {name}={value} (in ~/.profile, so that each shell has it); or {without}"


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


def trouble(scene: Scene) -> Iterator[Finding]:
    """Find what the service itself complains of: what it cannot watch or write, and notices that reach nobody."""
    if not scene.running:
        return
    for text in scene.document.get("degraded", ()):
        yield Finding(
            "service.degraded",
            Severity.WARNING,
            "ecr-refreshd",
            str(text),
            "The service works on, less well than it could.",
            _raised(str(text), scene.root) or _restart(),
        )
    for row in scene.rows:
        yield from _of_registry(row, scene)
    for notice in scene.document.get("notices", ()):
        for problem in notice.get("problems", ()):
            yield Finding(
                "notify.undelivered",
                Severity.WARNING,
                str(notice["key"]),
                f'The notice "{notice["title"]}" reached nobody by one of its ways: {problem}',
                "You may not hear of the next one in time either.",
                f"Name a program or a webhook under [notify] in {scene.config}, or set desktop = false there",
            )


def _raised(text: str, root: Path) -> str:
    found = re.search(r"raise (fs\.inotify\.\w+)", text)
    return inotify(found[1], root) if found else ""


def inotify(name: str, root: Path) -> str:
    """Return the commands that raise a limit of inotify, now and for good."""
    usual = 1024 if name.endswith("instances") else 524288
    try:
        now = int((root / "proc/sys" / name.replace(".", "/")).read_text())
    except (OSError, ValueError):
        now = 0
    # A file for each limit, the last of all that are read: one that is there already may set less.
    file = f"/etc/sysctl.d/zz-{name}.conf"
    return f"echo {name}={max(usual, 2 * now)} | sudo tee {file} && sudo sysctl --system"


def _of_registry(row: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    host = str(row["host"])
    if row["phase"] == "paused":
        ends = read_time(row.get("paused_until"))
        until_when = "" if ends is None else f" until {until(ends, scene.now, clock.LocalZone())}"
        yield Finding(
            "registry.paused",
            Severity.INFO,
            host,
            f"{host} is paused{until_when}.",
            "Nothing renews or heals it meanwhile.",
            f"ecr-refreshd resume {host}",
        )
    for sink in row["sinks"]:
        if sink["state"] == "contested":
            yield Finding(
                "sink.contested",
                Severity.WARNING,
                host,
                f"Something keeps rewriting the entry of {host} in {sink['path']}.",
                "It is put back each time, and a pull in between may fail.",
                f"End what does (a dotfile manager, a script with docker login); or: ecr-refreshd pause {host}",
            )
        elif sink["state"] in {"unwritable", "shadowed", "missing"} and sink.get("detail"):
            yield Finding(
                f"sink.{sink['state']}",
                Severity.WARNING if sink["state"] != "unwritable" else Severity.ERROR,
                f"{host} in {sink['path']}",
                str(sink["detail"]),
                "Clients that read this file find no fresh token there.",
                f"Mend what it names, then: ecr-refreshd refresh {host}",
                hosts=frozenset({host}),
                files=frozenset({str(sink["path"])}),
            )
