"""One AWS child as its parent sees it: started, asked, listened to, ended, and reaped without anybody waiting.

Rules: what the child's programs leave behind goes with it only if it had to be ended; its end is believed when
the operating system says so, and never waited for by the closing of a pipe that a program may hold open.
"""

from __future__ import annotations

import os
import signal
import site
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ecr_refreshd.aws import frames, memorylimit
from ecr_refreshd.aws.frames import Ask, Begin, ProgramGroup, Said
from ecr_refreshd.aws.redact import first_line
from ecr_refreshd.core.ports import FetchOrder
from ecr_refreshd.core.printed import Printed
from ecr_refreshd.osutil.python import module_command

_MODULE = "ecr_refreshd.aws.child"
_READ = 65536


def python(module: str) -> list[str]:
    """Return the command line that runs a module of ours.

    Isolated from the environment's PYTHON variables and from the current folder, as far as this package is found
    without them (`osutil.python`).
    """
    own = Path(__file__).resolve()
    user = site.ENABLE_USER_SITE and Path(site.getusersitepackages()).resolve() in own.parents
    return module_command(module, user_site=bool(user))


def command(descriptor: int) -> list[str]:
    """Return the command line of a child that answers on this descriptor."""
    return [*python(_MODULE), str(descriptor)]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds.

    Attributes:
        grant: from when somebody works on it to its answer, where its order names no time of its own.
        child: the life of a child, unless what it is asking for just then takes longer.
        grace: for a login that is just being renewed, when its child has to end.
        process: for a `credential_process`, likewise; None: as `grant`.
    """

    grant: float = 30.0
    child: float = 90.0
    grace: float = 3.0
    process: float | None = None


class Job:
    """One order on its way.

    Attributes:
        number: the name the child knows it by.
        alone: it hung last time, so it gets a child of its own.
        deadline: monotonic seconds until which it is to be answered; None while nobody works on it.
        waits: what it was last known to wait for, in words.
        in_program: that is a program that bounds itself, and may outlast the life of a child.
        moves: how often it went from a child that had to be ended to another.
        supplied: what its `credential_process` has printed in a person's terminal; None if it is to be started.
    """

    __slots__ = ("alone", "deadline", "in_program", "moves", "number", "order", "supplied", "waits")

    def __init__(
        self, number: int, order: FetchOrder, *, alone: bool, supplied: Printed | None = None
    ) -> None:
        self.number = number
        self.order = order
        self.alone = alone
        self.supplied = supplied
        self.deadline: float | None = None
        self.waits = ""
        self.in_program = False
        self.moves = 0

    @property
    def lane(self) -> str:
        """Return the login, or the `credential_process`, it shares with others, "" if none."""
        standing = self.order.standing
        return standing.lane or (standing.process and f"process:{standing.process}")

    def timeout(self, limits: Limits) -> float:
        """Return for how many seconds somebody may work on it, programs aside."""
        own = self.order.timeout
        return limits.grant if own is None else own.total_seconds()

    def process_timeout(self, limits: Limits) -> float:
        """Return for how many seconds its `credential_process` may run."""
        own = self.order.process_timeout
        if own is not None:
            return own.total_seconds()
        return limits.grant if limits.process is None else limits.process

    @property
    def may_run(self) -> bool:
        """Return whether it may need a program of the user's: a person renews it, and no login known to us."""
        return self.order.standing.login_backed and not self.order.standing.lane


class Running:
    """A child process.

    Attributes:
        jobs: what it has been asked and not answered, by number.
        alone: it serves one job only, one that hung before.
        born: monotonic seconds.
        undone: what it had not answered when it was told to end; what of it comes all the same is still good.
        ending: it has been told to end; `kill_at` is when it is killed. Its lanes stay its own until it is dead.
        leaving: it has nothing more to do, and was told so.
    """

    def __init__(self, environ: Mapping[str, str], begin: Begin, limits: Limits, *, alone: bool) -> None:
        """Start it. Raises OSError."""
        self.alone = alone
        self._limits = limits
        self.jobs: dict[int, Job] = {}
        self.undone: dict[int, Job] = {}
        self.born = time.monotonic()
        self.ending = False
        self.leaving = False
        self.kill_at: float | None = None
        self._killed = False
        self._lanes: set[str] = set()
        self._groups: set[int] = set()
        self._lines = frames.Lines()
        self._unsent = bytearray()
        self.oom_kills = memorylimit.kills()
        self.socket, theirs = socket.socketpair()
        # What it says before it can answer, such as why it cannot be loaded. A full pipe must not stop it.
        self._complaint, complaint = (
            os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if hasattr(os, "pipe2") else os.pipe()
        )
        with theirs, open(complaint, "wb") as stderr:  # noqa: PTH123 - a descriptor
            try:
                self._process = subprocess.Popen(
                    command(theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    env=dict(environ),
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            except OSError:
                self.close()
                raise
        self.socket.setblocking(False)  # noqa: FBT003 - its only argument
        self._send(begin.frame())

    @property
    def closed(self) -> bool:
        """Return whether nothing more can be heard from it."""
        return self.socket.fileno() < 0

    @property
    def wants_to_write(self) -> bool:
        """Return whether something waits to be sent."""
        return bool(self._unsent) and not self.closed

    @property
    def lanes(self) -> frozenset[str]:
        """Return the logins that it may be renewing."""
        if self.ending:
            return frozenset(self._lanes)
        return frozenset(job.lane for job in self.jobs.values() if job.lane)

    def ask(self, jobs: list[Job]) -> None:
        """Ask for jobs that share one principal."""
        first = jobs[0].order
        self.jobs.update({job.number: job for job in jobs})
        grants = {job.number: job.order.grant for job in jobs}
        timeout = max(job.process_timeout(self._limits) for job in jobs)
        ask = Ask(first.grant.principal, first.standing, grants, timeout, jobs[0].supplied)
        self._send(ask.frame())

    def only_waits(self, oldest: float) -> bool:
        """Return whether it is too old to be given more, and only waits for programs."""
        return self.born <= oldest and bool(self.jobs) and all(job.in_program for job in self.jobs.values())

    @property
    def end_at(self) -> float:
        """Return when it must have ended (monotonic seconds): what it has begun is not thrown away."""
        begun = (job.deadline for job in self.jobs.values() if job.deadline is not None)
        return max(self.born + self._limits.child, *begun, 0.0)

    def _send(self, frame: frames.Frame) -> None:
        self._unsent += frames.line(frame)
        self.write()

    def write(self) -> None:
        """Send what can be sent without waiting."""
        try:
            while self._unsent:
                del self._unsent[: self.socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()  # it is dead, which its reader hears too

    def read(self) -> Iterator[Said]:
        """Yield what it has said; closes our end when it has closed its own. Raises FrameError."""
        try:
            data = self.socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.socket.close()
            return
        for frame in self._lines.feed(data):
            said = frames.read_said(frame)
            if isinstance(said, ProgramGroup):
                (self._groups.discard if said.has_ended else self._groups.add)(said.group)
            else:
                yield said

    def leave(self) -> None:
        """Tell it that nothing more will come; it ends at once, or is killed after a while."""
        self.leaving = True
        self.kill_at = time.monotonic() + 1.0
        self._send(frames.END)

    def end(self, grace: float) -> list[Job]:
        """Make it end, `grace` seconds from now at the latest; returns the jobs it leaves undone."""
        self.undone, self._lanes, self.jobs = self.jobs, set(self.lanes), {}
        self.ending = True
        self.kill_at = time.monotonic() + grace
        with suppress(ProcessLookupError):
            self._process.terminate()
        return list(self.undone.values())

    def is_gone(self, now: float) -> bool:
        """Return whether it is dead and reaped; kills what is overdue."""
        overdue = self.kill_at is not None and now >= self.kill_at
        if overdue or (self.ending and self.closed):
            self._kill_group()
        return self._process.poll() is not None

    def _kill_group(self) -> None:
        """Kill it and its programs. Before it is reaped: until then nobody else can get its group's number."""
        if self._process.returncode is None:
            self._killed = True
            for group in (*self._groups, self._process.pid):
                with suppress(ProcessLookupError, PermissionError):
                    if os.getsid(group) == self._process.pid:  # its number may be another's by now
                        os.killpg(group, signal.SIGKILL)

    @property
    def fate(self) -> str:
        """Return in words how it ended."""
        code = self._process.returncode
        if code is None:
            return "it closed its side"
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        said = self._last_words()
        return f"exit status {code}{f': {said}' if said else ''}"

    @property
    def was_killed(self) -> bool:
        """Return whether somebody else has killed it: the kernel, for want of memory, as likely as not."""
        return self._process.returncode == -signal.SIGKILL and not self._killed

    def _last_words(self) -> str:
        """Return the line of what it wrote on stderr that says most, redacted; "" if it wrote nothing."""
        try:
            os.set_blocking(self._complaint, False)
            return first_line(os.read(self._complaint, _READ).decode(errors="replace"))
        except OSError:
            return ""

    def close(self) -> None:
        """Let go of the socket and the pipe."""
        self.socket.close()
        if self._complaint >= 0:
            os.close(self._complaint)
            self._complaint = -1
