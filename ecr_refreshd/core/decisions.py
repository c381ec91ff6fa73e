"""What the loop is told to do, as imperatives; each is carried out by an adapter, which answers by events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.model import Instant, Notice
from ecr_refreshd.core.ports import FetchOrder
from ecr_refreshd.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask AWS for these authorization tokens, all together."""

    orders: tuple[FetchOrder, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """Bring this to a sink, in one rewrite."""

    path: str
    serial: int
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell a person that a notice is ``raised``, ``reminded`` of or ``withdrawn``; `place`: see NoticeTold."""

    event: str
    notice: Notice
    place: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask a registry whether it takes this token."""

    host: str
    fingerprint: str
    auth: Secret


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the hook that these hosts have a new token, which stands in every file by now."""

    document: Mapping[str, Any]


Decision = Fetch | Write | Tell | Probe | Announce


class Wake:
    """The earliest of the moments that it is told about, in the future, as a wall-clock time (UTC)."""

    def __init__(self, now: Instant) -> None:
        self._now = now
        self.at: datetime | None = None

    def wall(self, at: datetime) -> None:
        """Take note of a wall-clock time."""
        if at > self._now.wall and (self.at is None or at < self.at):
            self.at = at

    def boot(self, at: timedelta | None) -> None:
        """Take note of a time of the suspend-counting clock."""
        if at is not None:
            self.wall(self._now.wall + (at - self._now.boot))
