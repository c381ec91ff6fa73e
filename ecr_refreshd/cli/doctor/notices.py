"""Whether anybody would hear of a login that is needed."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator

from ecr_refreshd.cli.doctor import pasted
from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.core.settings import Notify
from ecr_refreshd.notify.desktop import Desktop
from ecr_refreshd.notify.programs import Programs

_OTHER_WAYS = (
    "# and where somebody should be told, one of these:",
    '# command = ["PROGRAM"]',
    '# webhook = "https://..."',
)
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
            f"{notify.command[0]}, which is to be told of notices, {fault[0]}.",
            "Nobody hears by it that a login is needed.",
            fault[1],
        )
    if not notify.desktop or sys.platform == "darwin":
        return
    problem = _problem(scene)
    if problem:
        yield _no_desktop(problem, notify, scene)


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
        return "begins with ~, which nobody resolves there", f"{correct}: write the whole path."
    if os.path.isfile(program):  # noqa: PTH113 - a text, as the user wrote it
        named = shlex.quote(program)
        return "may not be executed", f"chmod u+x {named}"
    what = "is no file" if os.path.lexists(program) else "does not exist"
    return what, f"{correct}, or put the program there."


def _is_container(scene: Scene) -> bool:
    """Return whether this is a container, where no desktop is to be expected."""
    marks = (scene.root / ".dockerenv", scene.root / "run/.containerenv")
    variables = ("KUBERNETES_SERVICE_HOST", "container")
    return any(mark.exists() for mark in marks) or any(scene.environ.get(name) for name in variables)


def _no_desktop(problem: str, notify: Notify, scene: Scene) -> Finding:
    others = bool(notify.command) or notify.webhook is not None
    return Finding(
        "notify.no-desktop",
        Severity.INFO if others or _is_container(scene) else Severity.WARNING,
        "desktop",
        f"Notices cannot be shown on a desktop: {problem}.",
        "They go by the other ways that are configured."
        if others
        else "Nobody hears that a login is needed until a pull fails; only `ecr-refreshd status` shows it.",
        pasted.under("notify", ["desktop = false", *([] if others else _OTHER_WAYS)], scene),
    )
