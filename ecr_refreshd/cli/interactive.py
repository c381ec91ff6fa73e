"""Start what may ask a person for something (a page, a code, a key) in that person's own terminal.

What a `credential_process` prints there goes to the fetch that needs it, by the control socket or within this
process: it is written nowhere, and the program is not started a second time.
"""

from __future__ import annotations

import json
import queue
import selectors
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ecr_refreshd.aws.profiles import Profiles
from ecr_refreshd.cli import awscli
from ecr_refreshd.cli.show import say
from ecr_refreshd.core import signin
from ecr_refreshd.core.events import FetchFailed
from ecr_refreshd.core.model import Category, Failure, Principal, Standing
from ecr_refreshd.core.ports import Clock, Fetcher, FetchOrder, Post
from ecr_refreshd.core.printed import Printed, digest
from ecr_refreshd.core.process_starts import PERSON_TIMEOUT
from ecr_refreshd.core.remedies.aws import sign_in
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import RefreshdError
from ecr_refreshd.host import clock

_LONGEST_OUTPUT = 32 * 1024
"""Bytes; a request on the control socket holds it. Credentials take a tenth of that."""


@dataclass(slots=True)
class Terminal:
    """The sign-ins and programs that are run in the terminal.

    Attributes:
        profiles: the AWS files.
        commands: `[login] command`.
        environ: the environment of the programs.
        outputs: what each `credential_process` has printed, by `Standing.process`.
        failures: why it printed nothing, likewise.
    """

    profiles: Profiles
    commands: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    outputs: dict[str, Printed] = field(default_factory=dict)
    failures: dict[str, RefreshdError] = field(default_factory=dict)

    def standing(self, profile: str) -> Standing:
        """Return how a person signs in to a profile."""
        principal = Principal(profile)
        return signin.configured(self.profiles.standing(principal), principal, self.commands)

    def sign_in(self, command: str) -> bool:
        """Run a sign-in and return whether it succeeded; what failed is said."""
        try:
            awscli.sign_in(command, self.environ)
        except RefreshdError as error:
            say(f"ecr-refreshd: {error.message}\n{error.hint}", sys.stderr)
            return False
        return True

    def start(self, processes: Iterable[str]) -> None:
        """Start each `credential_process` that has not been started yet, one after another.

        A profile that is in no AWS file here is left to the service, which may read others.
        """
        for process in processes:
            if process in self.outputs or process in self.failures or process not in self.profiles.profiles:
                continue
            try:
                self.outputs[process] = self._output(process)
            except RefreshdError as error:
                self.failures[process] = error
                say(f"ecr-refreshd: {error.message}\n{error.hint}", sys.stderr)

    def _output(self, process: str) -> Printed:
        line = self.profiles.profiles[process].keys.get("credential_process", "")
        remedy = sign_in(self.standing(process))
        failed = f"The credential_process of profile {process}"
        try:
            argv = shlex.split(line)
        except ValueError:
            argv = []
        if not argv:
            raise RefreshdError(f"{failed} cannot be read here.", hint=remedy.hint, command=remedy.command)
        say(
            f"Starting {self.profiles.standing(Principal(process)).program} for profile {process}", sys.stderr
        )
        try:
            with subprocess.Popen(argv, stdout=subprocess.PIPE, env=dict(self.environ)) as program:
                output = _output_of(program, failed)
        except OSError as exc:
            raise RefreshdError(f"{failed} cannot be started: {exc.strerror}.") from exc
        if program.returncode:
            raise RefreshdError(
                f"{failed} failed with exit code {program.returncode}.",
                hint=remedy.hint,
                command=remedy.command,
            )
        if not _is_document(output):
            raise RefreshdError(f"{failed} printed something that is not JSON.")
        return Printed(Secret(output.decode()), digest(argv))


def _is_document(output: bytes) -> bool:
    try:  # as UTF-8, as botocore and the AWS CLI read it
        return isinstance(json.loads(output.decode()), dict)
    except (ValueError, RecursionError):
        return False


def _output_of(program: subprocess.Popen[bytes], failed: str) -> bytes:
    """Return what a program prints on stdout until it ends; it has the terminal for all else."""
    stream = program.stdout
    if stream is None:
        raise AssertionError("its stdout is a pipe")
    output = bytearray()
    end = clock.now().boot + PERSON_TIMEOUT
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while clock.now().boot < end and len(output) <= _LONGEST_OUTPUT:
                if selector.select(0.1):
                    data = stream.read1(65536)  # type: ignore[attr-defined] # a buffered reader
                    if not data:
                        break
                    output += data
                elif program.poll() is not None:
                    break  # what it has left behind holds its output open
        if len(output) <= _LONGEST_OUTPUT:
            program.wait(max(0.0, (end - clock.now().boot).total_seconds()))
    except subprocess.TimeoutExpired:
        awscli.end(program)
        raise RefreshdError(f"{failed} did not end within 10 min.") from None
    except BaseException:
        awscli.end(program)
        raise
    if len(output) > _LONGEST_OUTPUT:
        awscli.end(program)  # it may wait for somebody to read the rest
        raise RefreshdError(f"{failed} printed more than {_LONGEST_OUTPUT >> 10} KiB.")
    return bytes(output)


class TerminalFetcher:
    """`core.ports.Fetcher` of a command in a terminal: each `credential_process` is started there, one at a time.

    Args:
        fetcher: asks AWS with what a program has printed.
        post: is given the answers of orders whose program failed.
        terminal: starts the programs.
        now: both clocks.
    """

    def __init__(self, fetcher: Fetcher, post: Post, terminal: Terminal, now: Clock) -> None:
        self._fetcher = fetcher
        self._post = post
        self._terminal = terminal
        self._clock = now
        self._orders: queue.SimpleQueue[tuple[FetchOrder, ...]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def fetch(self, orders: Sequence[FetchOrder]) -> None:
        """Ask for all of these; returns at once."""
        others = [order for order in orders if not order.standing.process]
        if others:
            self._fetcher.fetch(others)
        for process in dict.fromkeys(order.standing.process for order in orders if order.standing.process):
            self._orders.put(tuple(order for order in orders if order.standing.process == process))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            orders = self._orders.get()
            try:
                self._start(orders)
            except Exception as error:  # noqa: BLE001 - a mistake here must not leave orders without an answer
                what = f"Starting the credential_process failed unexpectedly: {type(error).__name__}."
                self._answer(orders, Failure(Category.TRANSIENT, "bug.terminal", what))

    def _start(self, orders: Sequence[FetchOrder]) -> None:
        process = orders[0].standing.process
        self._terminal.start([process])
        if process in self._terminal.failures:
            self._refuse(orders)
            return
        if process in self._terminal.outputs:
            self._fetcher.supply(process, self._terminal.outputs[process])
        self._fetcher.fetch(orders)

    def _refuse(self, orders: Sequence[FetchOrder]) -> None:
        error = self._terminal.failures[orders[0].standing.process]
        remedy = sign_in(orders[0].standing)
        failure = Failure(
            Category.LOGIN, "process.failed", error.message, remedy.hint,
            command=remedy.command, awaits_person=True,
        )  # fmt: skip
        self._answer(orders, failure)

    def _answer(self, orders: Sequence[FetchOrder], failure: Failure) -> None:
        for order in orders:
            failed = replace(failure, at=self._clock.now().wall)
            self._post(FetchFailed(order.grant.key, order.serial, failed))

    def supply(self, process: str, printed: Printed) -> None:
        """Use what a program has printed."""
        self._fetcher.supply(process, printed)

    def well(self) -> bool:
        """Return whether the fetcher works."""
        return self._fetcher.well()

    def stop(self) -> None:
        """End what is under way; a program in the terminal is the person's to end."""
        self._fetcher.stop()
