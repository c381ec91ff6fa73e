"""Runs a credential_process, or another program, within bounds, in the child.

botocore waits for it for ever and keeps all it prints (aws.md 2.5), and would wait for a helper that it leaves
behind with its output still open. Here output is bounded, and what counts is the program itself.
"""

from __future__ import annotations

import json
import math
import os
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import botocore.credentials
import dateutil.parser

from ecr_refreshd.aws.frames import ProgramGroup
from ecr_refreshd.aws.refreshing import Watch
from ecr_refreshd.core.printed import Printed, digest
from ecr_refreshd.core.secret import Secret

_MOST = 1 << 20
"""Bytes of each output; credentials take a thousandth of it."""
_SLOW = 2.0
"""Seconds after which a program may be waiting for a person, and others need not wait for it."""
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


class ProgramOverdueError(Exception):
    """A credential_process did not end in time; it has been killed."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class Here(threading.local):
    """The work that a thread is at.

    Attributes:
        running: is told what the work waits for, when a program starts on its behalf, and for how many seconds at
            most (0: unknown); then "", when it has ended.
        tell: is told of the process groups of programs.
        step_out: lets another thread work, since this one waits for a program; `step_in` ends that.
        ran: a credential_process was started.
        took: for how many seconds it ran.
        asked_at: when the work was asked for (monotonic seconds).
        process_timeout: seconds that a credential_process may run.
        supplied: what it has printed for a person, in place of a start.
        watch: who watches over its refresh tokens.
        lane: the login that it is about, "" if none.
        region: where it is about.
        metadata: what the instance's metadata service answered, see `aws.metadata`.
    """

    metadata: dict[str, str]

    running: Callable[[str, float], None] = staticmethod(lambda _what, _seconds: None)
    tell: Callable[[ProgramGroup], None] = staticmethod(lambda _group: None)
    step_out: Callable[[], None] = staticmethod(lambda: None)
    step_in: Callable[[], None] = staticmethod(lambda: None)
    ran = False
    took = 0.0
    asked_at = 0.0
    process_timeout = 60.0
    supplied: Printed | None = None
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
    """A `subprocess.Popen` whose `communicate` is bounded.

    Args:
        command: the program and its arguments.
        seconds: after which it is killed, with what it has started; None leaves that to others.
    """

    def __init__(self, command: list[str], seconds: float | None = None, **more: Any) -> None:
        self._seconds = seconds
        self._began = time.monotonic()
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
            ProgramOverdueError: it did not end in time; likewise.
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
                self._check_time()
        self._wait_in_time()
        return bytes(pieces[self.stdout]), bytes(pieces[self.stderr])

    def _check_time(self) -> None:
        if (
            self._seconds is not None
            and time.monotonic() - self._began > self._seconds
            and self.poll() is None
        ):
            self.kill()
            raise ProgramOverdueError(self._seconds)

    def _wait_in_time(self) -> None:
        """Wait for a program that has closed its outputs and goes on."""
        left = None if self._seconds is None else max(0.0, self._seconds - (time.monotonic() - self._began))
        try:
            self.wait(left)
        except subprocess.TimeoutExpired:
            self._check_time()
            self.wait()

    def _take(self, stream: Any, pieces: dict[Any, bytearray], selector: selectors.BaseSelector) -> None:
        data = stream.read1(65536)
        if not data:
            selector.unregister(stream)
        pieces[stream] += data
        if len(pieces[stream]) > _MOST:
            self.kill()
            raise ProgramError(f"printed more than {_MOST >> 20} MiB and was stopped")


class GroupProgram(Program):
    """A program in a process group of its own, so that it can be killed with all that it has started."""

    def __init__(
        self, command: list[str], seconds: float, tell: Callable[[ProgramGroup], None], **more: Any
    ) -> None:
        self._tell = tell
        with _starting:
            if _ending.is_set():
                raise ProgramError("was not started, since the service ends")
            super().__init__(command, seconds, process_group=0, **more)
            _groups.add(self.pid)
        tell(ProgramGroup(self.pid))

    def kill(self) -> None:
        """Kill its group, before the program is reaped: until then no other process can get its number."""
        if self.poll() is None:
            _kill_group(self.pid)

    def communicate(self, *_input: object, **_more: object) -> tuple[bytes, bytes]:
        """Return what it printed; see `Program`."""
        try:
            return super().communicate()
        finally:
            if self.poll() is None:
                self.kill()
            self.wait()
            _groups.discard(self.pid)
            self._tell(ProgramGroup(self.pid, has_ended=True))


_starting = threading.Lock()
_ending = threading.Event()
_groups: set[int] = set()


def _kill_group(number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL)


def end_all() -> None:
    """Kill the programs that run, and start no more; safe in a signal handler of the main thread."""
    _ending.set()
    with _starting:
        for number in tuple(_groups):
            _kill_group(number)


@dataclass(eq=False, slots=True)
class _Run:
    """One start of a program, for all principals that were asked for before it ended."""

    ended: threading.Event = field(default_factory=threading.Event)
    ended_at: float = math.inf
    took: float = 0.0
    output: tuple[int, bytes, bytes] = (0, b"", b"")
    error: Exception | None = None


_guard = threading.Lock()
_runs: dict[tuple[str, ...], _Run] = {}


class SharedProgram:
    """Stands in for the `Popen` that botocore asks for: one start serves all who ask for the same at once.

    Attributes:
        returncode: the exit status, once `communicate` has returned.
    """

    def __init__(self, command: list[str], **more: Any) -> None:
        self._command = command
        self._more = more
        self.returncode = 0

    def communicate(self) -> tuple[bytes, bytes]:
        """Return what the program printed on stdout and stderr. Raises what starting it, or `Program`, raises."""
        here.running("its credential_process", here.process_timeout)
        with _guard:
            run = _runs.get(tuple(self._command))
            if run is None or run.ended_at < here.asked_at:
                run = _runs[tuple(self._command)] = _Run()
                start = partial(self._run, run, here.process_timeout, here.tell)
                threading.Thread(target=start, daemon=True).start()
        if not run.ended.wait(_SLOW):
            here.step_out()
            run.ended.wait()
            here.step_in()
        here.running("", 0.0)
        here.took = run.took
        if run.error is not None:
            raise run.error
        self.returncode = run.output[0]
        return run.output[1:]

    def _run(self, run: _Run, seconds: float, tell: Callable[[ProgramGroup], None]) -> None:
        began = time.monotonic()
        try:
            process = GroupProgram(self._command, seconds, tell, **self._more)
            output = process.communicate()
            run.output = process.returncode, *output
        except Exception as error:  # noqa: BLE001 - it is raised again, in each thread that waits
            run.error = error
        run.ended_at = time.monotonic()
        run.took = run.ended_at - began
        run.ended.set()


class _Supplied:
    """Stands in for a program that a person has run: its output is known."""

    returncode = 0

    def __init__(self, output: Secret) -> None:
        self._output = output

    def communicate(self) -> tuple[bytes, bytes]:
        """Return what it printed."""
        here.took = math.inf  # it may well have needed that person
        return self._output.reveal().encode(), b""


def _credential_process(command: list[str], **more: Any) -> Program | SharedProgram | _Supplied:
    here.ran = True
    if here.supplied is not None:
        if here.supplied.command != digest(command):
            raise ProgramError("is another one for the service than the one that was started in the terminal")
        return _Supplied(here.supplied.output)
    if here.lane and here.watch is not None and (found := shutil.which(command[0])):
        here.running("its credential_process", 0.0)
        here.watch.hold()  # it is the AWS CLI, see `profiles.exported`
        return Program(undisturbed([found, *command[1:]]), start_new_session=True, **more)
    return SharedProgram(command, **more)


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
