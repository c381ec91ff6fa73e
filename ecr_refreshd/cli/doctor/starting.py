"""Start a credential helper as a client would, to see whether it can be run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

WITHIN = 5.0
"""Seconds; a program that asks nothing of anybody answers in a fraction of one."""


@dataclass(frozen=True, slots=True)
class Started:
    """What came of starting a program.

    Attributes:
        problem: why it cannot be started, "" if it can.
        said: on its stdout.
        slow: it had not ended when nobody waited any longer; on a busy machine that is no fault of its own.
    """

    problem: str = ""
    said: bytes = b""
    slow: bool = False


def started(program: str, environ: Mapping[str, str]) -> Started:
    """Ask a program for its version, as a client in this environment would start it."""
    found = shutil.which(program, path=environ.get("PATH", os.defpath))
    if found is None:
        return Started("it is not on the PATH of this shell")
    try:
        child = subprocess.Popen(
            [found, "version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            start_new_session=True,
        )
    except OSError as error:
        return Started((error.strerror or type(error).__name__).lower())
    with child:
        try:
            return Started(said=child.communicate(timeout=WITHIN)[0])
        except subprocess.TimeoutExpired:
            # What it started has its group, and would stay behind.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            return Started(slow=True)
