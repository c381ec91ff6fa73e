"""The shapes that the loop asks of its adapters. Five protocols and nothing else.

Every implementation, real or fake, passes the same contract test (tests/contracts/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ecr_refreshd.core.events import FetchFailed, FetchSucceeded
from ecr_refreshd.core.model import Grant, Instant, Standing, View
from ecr_refreshd.core.secret import Secret


class Clock(Protocol):
    """Both clocks, read together."""

    def now(self) -> Instant:
        """Return this instant: aware UTC, and the clock that counts suspend."""
        ...


class Alarms(Protocol):
    """The alarm clock. It rings by calling what it was made with; it decides nothing."""

    def start(self) -> None:
        """Begin to keep time."""
        ...

    def ring_at(self, at: datetime) -> None:
        """Ring once at this wall-clock time, in place of the time asked for before."""
        ...

    def beat(self) -> timedelta:
        """Ask for a sign of life, and return how old the newest one is (by a clock that cannot be set)."""
        ...

    def stop(self) -> None:
        """Stop at once, without waiting for anything."""
        ...


@dataclass(frozen=True, slots=True)
class FetchOrder:
    """One authorization token to be asked for."""

    grant: Grant
    serial: int
    standing: Standing


class Fetcher(Protocol):
    """Whoever asks AWS. Answers come as events, one per order, through the function it was made with."""

    def fetch(self, orders: Sequence[FetchOrder]) -> None:
        """Ask for all of these; returns at once. Every order is answered, by a failure if need be."""
        ...

    def stop(self) -> None:
        """End what is under way: at once, or after 3 s where a login is just being renewed."""
        ...


Answer = FetchSucceeded | FetchFailed
Post = Callable[[Answer], None]


class Sink(Protocol):
    """One place for tokens: a docker config file or a containers auth.json."""

    @property
    def path(self) -> str:
        """The file as the user knows it, before symlinks."""
        ...

    def look(self, hosts: Sequence[str]) -> View:
        """Return what stands there under these hosts. Raises SinkError."""
        ...

    def write(self, tokens: Mapping[str, Secret]) -> View:
        """Put all of these in one rewrite, and return what stands there now. Raises SinkError."""
        ...

    def folders(self) -> frozenset[str]:
        """Return the folders whose changes can change this sink: the path's, and its real target's."""
        ...


class Watcher(Protocol):
    """Whoever sees files change. It calls what it was made with; a lost call costs one tick."""

    def watch(self, folders: frozenset[str]) -> None:
        """Watch exactly these folders from now on; missing ones as soon as they appear."""
        ...

    def check(self) -> tuple[str, ...]:
        """Mend what has died; return a sentence for each thing that is degraded."""
        ...

    def stop(self) -> None:
        """Stop at once."""
        ...
