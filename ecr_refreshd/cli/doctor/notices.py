"""Check the ways by which a notice reaches a person: desktop, command, webhook."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

from ecr_refreshd.cli.doctor import pasted
from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.core.remedies import files
from ecr_refreshd.notify.desktop import Desktop
from ecr_refreshd.notify.programs import Programs
from ecr_refreshd.osutil import ownership

_OTHER_WAYS = (
    "# and to be notified in another way, one of these:",
    '# command = ["PROGRAM"]',
    '# webhook = "https://..."',
)
_DESKTOP = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_CURRENT_DESKTOP")
_BUS = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


def ways(scene: Scene) -> Iterator[Finding]:
    """Find that a notice would reach nobody."""
    if scene.refused is not None:
        return
    notify = scene.settings.notify
    if notify.command and (fault := _fault(notify.command[0], "command under [notify]", scene)):
        yield Finding(
            "notify.command",
            Severity.WARNING,
            notify.command[0],
            f"{notify.command[0]}, the command for notices, {fault[0]}.",
            "It does not report that a login is needed.",
            fault[1],
        )
    if not notify.desktop or sys.platform == "darwin":
        return
    has_others = bool(notify.command) or notify.webhook is not None
    # Where no desktop is to be expected (a server, a container), its absence matters only for logins that end.
    if not _expects_desktop(scene) and (has_others or not _needs_person(scene)):
        return
    problem = _problem(scene)
    if problem:
        yield _no_desktop(problem, scene, has_others=has_others)


def _expects_desktop(scene: Scene) -> bool:
    """Return whether this shell belongs to a desktop, or the settings ask for one."""
    table = scene.written.get("notify")
    is_wanted = isinstance(table, dict) and table.get("desktop") is True
    return is_wanted or any(scene.shell.get(name) for name in _DESKTOP)


def _needs_person(scene: Scene) -> bool:
    """Return whether a registry is kept with a login that a person must renew."""
    kept = any(registry.standing.login_backed for registry in scene.registries.values())
    return kept or any((row.get("principal") or {}).get("login_backed") for row in scene.rows)


def _problem(scene: Scene) -> str:
    """Return why no desktop shows notices of the service; of one in this shell, if none runs."""
    environ = dict(scene.environ)
    if scene.theirs:
        for name in _BUS:
            environ.pop(name, None)
        environ |= {name: scene.theirs[name] for name in _BUS if name in scene.theirs}
    programs = Programs(environ)
    try:
        return Desktop(programs, environ, lambda _event: None).problem()
    finally:
        programs.stop()


def hook(scene: Scene) -> Iterator[Finding]:
    """Find that the program which is to run after a renewal cannot."""
    argv = scene.settings.hooks.on_renewed
    if (
        scene.refused is not None
        or not argv
        or not (fault := _fault(argv[0], "on_renewed under [hooks]", scene))
    ):
        return
    yield Finding(
        "hooks.on-renewed",
        Severity.WARNING,
        argv[0],
        f"{argv[0]}, which is to run after each renewal, {fault[0]}.",
        "Tokens are renewed all the same; what it should do with them is not done.",
        fault[1],
    )


def _fault(program: str, setting: str, scene: Scene) -> tuple[str, str] | None:
    """Return why the service cannot start a program, and what to do; None if it can."""
    path = scene.theirs.get("PATH") or scene.environ.get("PATH")
    if shutil.which(program, path=path) is not None:
        return None
    correct = f"Correct {setting} in {scene.config}"
    if "/" not in program:
        return "is not on the service's PATH", f"{correct}; an absolute path is safest."
    if program.startswith("~"):
        return "begins with ~, which is not expanded there", f"{correct}: write the whole path."
    if os.path.isfile(program):  # noqa: PTH113 - a text, as the user wrote it
        return "may not be executed", files.executable(ownership.of(program)).page
    what = "is not a file" if os.path.lexists(program) else "does not exist"
    return what, f"{correct}, or put the program there."


def _no_desktop(problem: str, scene: Scene, *, has_others: bool) -> Finding:
    is_missing = _expects_desktop(scene) and not has_others
    return Finding(
        "notify.no-desktop",
        Severity.WARNING if is_missing else Severity.INFO,
        "desktop",
        f"Notices cannot be shown on a desktop: {problem}.",
        "They are sent by the command or webhook in the settings."
        if has_others
        else "A login that is needed shows only in `ecr-refreshd status`, until a pull fails.",
        pasted.under("notify", ["desktop = false", *([] if has_others else _OTHER_WAYS)], scene),
    )
