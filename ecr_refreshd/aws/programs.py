"""Runs a credential_process, or another program, within bounds, in the child.

botocore waits for it for ever and keeps all it prints (aws.md 2.5), and would wait for a helper that it leaves
behind with its output still open. Here output is bounded, and what counts is the program itself.
"""

from __future__ import annotations

import json
import resource
import selectors
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import botocore.credentials
import dateutil.parser

from ecr_refreshd.aws.refreshing import Watch

_MOST = 1 << 20
"""Bytes of each output; credentials take a thousandth of it."""
_LINGER = 1.0
"""Seconds that output may still come when the program has ended, its helper holding it open."""


class ProgramError(Exception):
    """A credential_process did what no credential_process may.

    Attributes:
        about_output: what it printed has the wrong form.
    """

    def __init__(self, message: str, *, about_output: bool = False) -> None:
        super().__init__(message)
        self.about_output = about_output


class Here(threading.local):
    """The work that a thread is at.

    Attributes:
        running: is told what the work waits for, when a program starts on its behalf.
        ran: a credential_process was started.
        watch: who watches over its refresh tokens.
        lane: the login that it is about, "" if none.
        region: where it is about.
        metadata: what the instance's metadata service answered, see `aws.metadata`.
    """

    metadata: dict[str, str]

    running: Callable[[str], None] = staticmethod(lambda _what: None)
    ran = False
    watch: Watch | None = None
    lane = ""
    region = ""

    def __init__(self) -> None:
        super().__init__()
        self.metadata = {}


here = Here()


_UNDISTURBED = (
    "import os, signal, sys; signal.alarm(int(sys.argv[1])); signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "signal.signal(signal.SIGPIPE, signal.SIG_DFL); os.execv(sys.argv[2], sys.argv[2:])"
)
_SECONDS = 60
"""The AWS CLI gives up by itself after that long without an answer."""


def undisturbed(command: list[str]) -> list[str]:
    """Return a command line that ignores SIGTERM and ends by an alarm of its own, for a session of its own.

    Both outlive exec. So a login that a program has in hand is written whatever becomes of us, and no thread of
    ours has to live for the program to be bounded.
    """
    return [sys.executable, "-I", "-S", "-c", _UNDISTURBED, str(_SECONDS), *command]


class Program(subprocess.Popen[bytes]):
    """A `subprocess.Popen` whose `communicate` is bounded."""

    def __init__(self, command: list[str], **more: Any) -> None:
        super().__init__(command, stdin=subprocess.DEVNULL, **more)
        if sys.platform == "linux":
            # The bound on memory is ours; programs of others may need what they have in a terminal.
            with suppress(OSError, ValueError):
                hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
                resource.prlimit(self.pid, resource.RLIMIT_DATA, (hard, hard))

    def communicate(self, *_input: object, **_more: object) -> tuple[bytes, bytes]:
        """Return what it printed on stdout and stderr.

        Raises:
            ProgramError: it prints without end; it has been killed.
        """
        if self.stdout is None or self.stderr is None:
            raise AssertionError("botocore reads both outputs")
        pieces: dict[Any, bytearray] = {self.stdout: bytearray(), self.stderr: bytearray()}
        ended = None
        with selectors.DefaultSelector() as selector:
            for stream in pieces:
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(0.1)
                for key, _events in ready:
                    self._take(key.fileobj, pieces, selector)
                if not ready and self.poll() is not None:
                    ended = ended or time.monotonic()
                    if time.monotonic() - ended > _LINGER:
                        break
        self.wait()
        return bytes(pieces[self.stdout]), bytes(pieces[self.stderr])

    def _take(self, stream: Any, pieces: dict[Any, bytearray], selector: selectors.BaseSelector) -> None:
        data = stream.read1(65536)
        if not data:
            selector.unregister(stream)
        pieces[stream] += data
        if len(pieces[stream]) > _MOST:
            self.kill()
            raise ProgramError(f"printed more than {_MOST >> 20} MiB and was stopped")


def _credential_process(command: list[str], **more: Any) -> Program:
    here.ran = True
    here.running("its credential_process")
    if here.lane and here.watch is not None and (found := shutil.which(command[0])):
        here.watch.hold()  # it is the AWS CLI, see `profiles.exported`
        return Program(undisturbed([found, *command[1:]]), start_new_session=True, **more)
    return Program(command, **more)


class _BoundedProvider(botocore.credentials.ProcessProvider):  # type: ignore[misc] # botocore has no types
    def __init__(self, profile_name: str, load_config: Any, popen: Any = _credential_process) -> None:
        super().__init__(profile_name, load_config, _Checked(popen))


class _Checked:
    """Runs a program as botocore does, and looks at what it printed before botocore stumbles over it."""

    def __init__(self, popen: Callable[..., Program]) -> None:
        self._popen = popen
        self.returncode = 0
        self._program: Program

    def __call__(self, command: list[str], **more: Any) -> _Checked:
        if not command:
            raise ProgramError("is empty")
        self._program = self._popen(command, **more)
        return self

    def communicate(self) -> tuple[bytes, bytes]:
        """Return what it printed; raises ProgramError if that has not the form of credentials."""
        output, complaint = self._program.communicate()
        self.returncode = self._program.returncode
        if self.returncode == 0:
            check_output(output)
        elif not complaint.strip() and self.returncode < 0:
            complaint = f"it was killed by signal {-self.returncode}".encode()
        # botocore decodes it as UTF-8, and what cannot be decoded would hide that the program failed.
        return output, complaint.decode(errors="replace").encode()


def check_output(output: bytes) -> None:
    """Check what a credential_process printed, where botocore would raise something that names no cause.

    Raises:
        ProgramError: it is no JSON object, or one of its values is of the wrong kind.
    """
    try:
        said = json.loads(output.decode())
    except (ValueError, RecursionError) as error:
        raise ProgramError("printed something that is not JSON", about_output=True) from error
    if not isinstance(said, dict):
        raise ProgramError("printed JSON that is no object", about_output=True)
    if said.get("Version") != 1:
        return  # which botocore says
    for key in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"):
        value = said.get(key)
        optional = key in {"SessionToken", "Expiration"}
        if (
            key in said
            and not (optional and value is None)
            and not (isinstance(value, str) and value.strip())
        ):
            raise ProgramError(f"printed a value of {key} that is no text", about_output=True)
    expiration = said.get("Expiration")
    if expiration is not None and not has_zone(expiration):
        raise ProgramError("printed an Expiration that is no time with a zone", about_output=True)


def has_zone(text: str) -> bool:
    """Return whether botocore can read a text as a moment: a time that names its zone."""
    try:
        return bool(dateutil.parser.parse(text).tzinfo)
    except (ValueError, OverflowError, TypeError):
        return False


def install() -> None:
    """Let every session of this process run programs within bounds, those of source profiles too."""
    botocore.credentials.ProcessProvider = _BoundedProvider
