"""Runs other people's programs: bounded in time, in a process group of their own, ended with us.

A program gets its text on stdin and nothing of ours besides; what it prints is nobody's business here.
"""

from __future__ import annotations

import os
import signal
import site
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ecr_refreshd.osutil.python import module_command

SECONDS = 10.0
"""DESIGN 4: a program that is told of something has ten seconds."""


_DIES_WITHIN = 0.5
"""Seconds, for what the kernel does at once unless a disk hangs."""


def python(module: str) -> list[str]:
    """Return the command line that runs a module of ours, isolated from PYTHON variables and the current folder.

    But for a package that pip has installed for this user only: the isolated mode would not find it.
    """
    user = (
        site.ENABLE_USER_SITE
        and Path(site.getusersitepackages()).resolve() in Path(__file__).resolve().parents
    )
    return module_command(module, user_site=bool(user))


class Programs:
    """Those that run just now; `stop` ends them all and lets none begin."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopping = False

    def run(self, argv: Sequence[str], text: str, *, seconds: float = SECONDS, name: str = "") -> str:
        """Run a program with this text on stdin; return why that did not go well, "" if it did.

        Args:
            argv: the program and its arguments; found on the PATH of our environment.
            text: for its stdin.
            seconds: then it is killed, with everything it started.
            name: how it is called in the answer; its own if not given.
        """
        name = name or argv[0]
        started = self.start(argv)
        if isinstance(started, str):
            return f"{name} could not be started: {started}"
        try:
            with suppress(BrokenPipeError):
                started.communicate(text.encode(), timeout=seconds)
            code = started.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end(started)
            return f"{name} took longer than {seconds:.0f} s, and was ended."
        self._close(started)  # what it has left running on purpose is its own business
        if code == 0 or self._stopping:
            return ""
        return f"{name} ended with {'signal' if code < 0 else 'exit code'} {abs(code)}."

    def start(self, argv: Sequence[str], *, answers: bool = False) -> subprocess.Popen[bytes] | str:
        """Start a program and leave it running, or return why not; `answers`: the caller reads its stdout."""
        with self._guard:
            if self._stopping:
                return "the service is ending"
            try:
                program = subprocess.Popen(
                    argv,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE if answers else subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=dict(self._environ),
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                return (error.strerror if isinstance(error, OSError) else "") or "its arguments are unusable"
            self._running.add(program)
            return program

    def end(self, program: subprocess.Popen[bytes]) -> None:
        """End a program, and everything that it started and left in its group."""
        _kill(program)
        with suppress(
            subprocess.TimeoutExpired
        ):  # killed, but stuck in a disk that hangs: nobody waits for that
            program.wait(_DIES_WITHIN)
        self._close(program)

    def _close(self, program: subprocess.Popen[bytes]) -> None:
        for pipe in (program.stdin, program.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        with self._guard:
            self._running.discard(program)

    def stop(self) -> None:
        """End them all."""
        self._stopping = True  # first: a program that is being started from a disk that hangs holds the guard
        if self._guard.acquire(timeout=_DIES_WITHIN):
            try:
                running = list(self._running)
            finally:
                self._guard.release()
            for program in running:
                _kill(program)


def _kill(program: subprocess.Popen[bytes]) -> None:
    if program.returncode is not None:
        return  # its number may be somebody else's by now
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)
