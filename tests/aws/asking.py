"""Asking through the real fetcher and the real child: one call, every answer, and nothing left behind."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from ecr_refreshd.aws.fetcher import Fetcher
from ecr_refreshd.aws.profiles import Profiles
from ecr_refreshd.aws.running import Limits
from ecr_refreshd.core.events import FetchFailed, FetchSucceeded
from ecr_refreshd.core.model import Failure, Grant, Principal, Standing
from ecr_refreshd.core.ports import Answer, FetchOrder
from ecr_refreshd.host.clock import SystemClock

REGION = "us-west-2"
PATIENT = Limits()


def ecr(profile: str, region: str = REGION, **more: object) -> Grant:
    return Grant(Principal(profile), "ecr", region, **more)  # type: ignore[arg-type]


def wait_until(what: Callable[[], object], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Return whether a process has ended, whether or not its new parent has taken note."""
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True


class Asking:
    """A fetcher and its answers; a context manager that checks that no child outlives it."""

    def __init__(self, environ: Mapping[str, str], limits: Limits = PATIENT) -> None:
        self.environ = dict(environ)
        self.answers: queue.Queue[Answer] = queue.Queue()
        self.fetcher = Fetcher(self.answers.put, self.environ, SystemClock(), limits=limits)
        self._serial = 0

    def order(self, grant: Grant, standing: Standing | None = None) -> FetchOrder:
        self._serial += 1
        standing = standing or Profiles.load(self.environ).standing(grant.principal)
        return FetchOrder(grant, self._serial, standing)

    def begin(self, *grants: Grant) -> None:
        self.fetcher.fetch([self.order(grant) for grant in grants])

    def answer(self, timeout: float = 30.0) -> Answer:
        return self.answers.get(timeout=timeout)

    def ask(self, *grants: Grant, timeout: float = 30.0) -> dict[str, Answer]:
        """Ask for grants, and return the answer to each by its key."""
        self.begin(*grants)
        got = [self.answer(timeout) for _ in grants]
        return {answer.grant: answer for answer in got}

    def token(self, grant: Grant) -> FetchSucceeded:
        answer = self.ask(grant)[grant.key]
        assert isinstance(answer, FetchSucceeded), answer
        return answer

    def failure(self, grant: Grant) -> Failure:
        answer = self.ask(grant)[grant.key]
        assert isinstance(answer, FetchFailed), answer
        return answer.failure

    def close(self) -> None:
        self.fetcher.stop()
        assert list(children()) == []
        assert self.answers.empty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.fetcher.stop()


def children(parent: int = 0) -> Iterator[int]:
    """Yield the AWS children of a process (this one), and its zombies."""
    parent = parent or os.getpid()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and (fields[0] == "Z" or b"ecr_refreshd.aws.child" in command):
            yield int(folder.name)
