"""Whether anybody would hear of a login that is needed."""

from __future__ import annotations

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
    notify = scene.settings.notify
    if notify.command:
        program = notify.command[0]
        if shutil.which(program, path=scene.theirs.get("PATH") or scene.environ.get("PATH")) is None:
            yield _program_missing(program, scene)
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


def _program_missing(program: str, scene: Scene) -> Finding:
    return Finding(
        "notify.command",
        Severity.WARNING,
        program,
        f"{program}, which is to be told of notices, is not on the service's PATH.",
        "Nobody hears by it that a login is needed.",
        f"Correct command under [notify] in {scene.config}; an absolute path is safest.",
    )


def _no_desktop(problem: str, notify: Notify, scene: Scene) -> Finding:
    others = bool(notify.command) or notify.webhook is not None
    return Finding(
        "notify.no-desktop",
        Severity.INFO if others else Severity.WARNING,
        "desktop",
        f"Notices cannot be shown on a desktop: {problem}.",
        "They go by the other ways that are configured."
        if others
        else "Nobody hears that a login is needed until a pull fails; only `ecr-refreshd status` shows it.",
        pasted.under("notify", ["desktop = false", *([] if others else _OTHER_WAYS)], scene),
    )
