"""What this machine offers to docker's clients: whether our helper answers by its name, which keychain they find.

Clients look on the PATH of whoever started them; the service's own is that of the shell that installed it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecr_refreshd.core.dockerconfig import OURS
from ecr_refreshd.core.remedies import helpers
from ecr_refreshd.core.routing import Means

if TYPE_CHECKING:
    from ecr_refreshd.sinks.keychain import Contents

PROGRAM = f"docker-credential-{OURS}"
_PROGRAM_BESIDE = "ecr-refreshd"
_KEYCHAIN_MEMORY = 60.0
"""Seconds. A login made meanwhile is written into the file by docker itself, which ends its search."""
_PROBLEM_MEMORY = 60.0
"""Seconds. A machine that has just been started may answer late once, and must not be held to it."""
BARE_PATH = "/usr/bin:/bin"
"""The least that a program gets which no shell has started: cron's (Debian 12 has it built in)."""
_ANSWERS_WITHIN = 5.0
"""Seconds. Where the shell part has to ask Python, an answer takes a fraction of one."""


class Machine:
    """Finds the means, and remembers what does not change by itself.

    Args:
        environ: in which helpers are looked for and run.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._tried: tuple[object, ...] = ()
        self._problem = ""
        self._tried_at = 0.0
        self._keychain: _Keychain | None = None

    def means(self, *, detects: bool) -> Means:
        """Return what is there now; a keychain is looked for only where docker does so too (`detects`)."""
        problem = self._helper_problem()
        found = self._keychain_there() if detects else None
        keychain = found.name if found is not None and found.contents.logins else ""
        unseen = "" if found is None or not found.contents.unseen else _unseen(found)
        return Means(problem, keychain, "" if problem else _remark(self._environ), unseen)

    def _helper_problem(self) -> str:
        """Return why our helper cannot be run by its name, "" if it can."""
        found = shutil.which(PROGRAM, path=self._environ.get("PATH", os.defpath))
        if found is None:
            return (
                f"{PROGRAM} is not on the PATH of this service. Put the folder it was installed to on PATH."
            )
        try:
            there = os.stat(found)  # noqa: PTH116 - of what PATH names, as exec sees it
        except OSError:
            return f"{found} vanished while it was looked at."
        looked = (found, there.st_ino, there.st_mtime_ns, _program_of(found, self._environ))
        now = time.monotonic()
        if looked != self._tried or (self._problem and now - self._tried_at > _PROBLEM_MEMORY):
            self._tried, self._problem, self._tried_at = looked, _problem_of(found, self._environ), now
        return self._problem

    def _keychain_there(self) -> _Keychain | None:
        """Return the keychain that docker would find by itself, None if there is none."""
        # Imported only where docker would look for one: it brings what speaks with its program.
        from ecr_refreshd.sinks import keychain  # noqa: PLC0415 - see above

        name = keychain.detected(self._environ)
        if name is None:
            return None
        now = time.monotonic()
        known = self._keychain
        if known is None or known.name != name or now - known.asked_at > _KEYCHAIN_MEMORY:
            known = self._keychain = _Keychain(name, keychain.contents(name, self._environ), now)
        return known


def _program_of(helper: str, environ: Mapping[str, str]) -> str:
    """Return the program that our helper asks what it does not know, found as its script does; "" if none is."""
    for beside in (helper, os.path.realpath(helper)):
        near = os.path.join(os.path.dirname(beside), _PROGRAM_BESIDE)  # noqa: PTH118, PTH120 - as the script does
        if os.access(near, os.X_OK):
            return near
    return shutil.which(_PROGRAM_BESIDE, path=environ.get("PATH", os.defpath)) or ""


def _unseen(found: _Keychain) -> str:
    return (
        f"docker looked for logins in docker-credential-{found.name} by itself while this file held none, and "
        f"what lies there could not be seen. {found.contents.unseen} If you keep logins there, docker finds them "
        f'again with "credsStore": "{found.name}" in this file.'
    )


def _remark(environ: Mapping[str, str]) -> str:
    """Return what is to be said where programs with a bare PATH do not find our helper, "" if they do."""
    if shutil.which(PROGRAM, path=BARE_PATH):
        return ""
    found = shutil.which(PROGRAM, path=environ.get("PATH", os.defpath)) or PROGRAM
    remedy = helpers.reach_bare_path(found, BARE_PATH, is_mac=sys.platform == "darwin")
    return f"cron and other programs with a bare PATH ({BARE_PATH}) do not find {PROGRAM}. {remedy.hint}"


@dataclass(frozen=True, slots=True)
class _Keychain:
    """What a keychain said, and when (monotonic seconds)."""

    name: str
    contents: Contents
    asked_at: float


def _problem_of(program: str, environ: Mapping[str, str]) -> str:
    """Run our helper once: a dead line breaks docker 29 and later, even for images that need no login."""
    try:
        child = subprocess.Popen(
            [PROGRAM, "version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            start_new_session=True,
        )
    except OSError as exc:
        return f"{program} does not run: {exc.strerror}."
    with child:
        try:
            said, _ = child.communicate(timeout=_ANSWERS_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)  # the shell part waits for Python, which would stay behind
            return f"{program} does not run: it does not answer."
    if child.returncode != 0 or OURS.encode() not in said:
        return f"{program} does not answer as it should; reinstall ecr-refreshd."
    return ""
