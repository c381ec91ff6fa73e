"""What the service says of itself: the first line of its log, and systemd's ``STATUS=``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from ecr_refreshd.core import report, statusline
from ecr_refreshd.core.model import Instant
from ecr_refreshd.core.narrate import Remark
from ecr_refreshd.core.ports import Parts
from ecr_refreshd.core.state import Plan, State
from ecr_refreshd.core.times import timestamp

_INTRODUCED_WITHIN = timedelta(seconds=3)
"""After which the first line is logged although a file has not been read yet."""


class ServiceStatus:
    """Sends each text once; used by the loop's thread alone."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._introduces_at: timedelta | None = None
        self._pending: list[Remark] = []
        self._sent = ""

    def begin(self, now: Instant) -> None:
        """Have the first line logged as soon as it is known what is kept."""
        self._introduces_at = now.boot + _INTRODUCED_WITHIN

    def is_due(self, state: State, plan: Plan, now: Instant) -> bool:
        """Return whether the first line can be logged now: every file has been read, or that takes too long."""
        if self._introduces_at is None:
            return False
        return now.boot >= self._introduces_at or all(state.sink(file.path).looked for file in plan.files)

    def log(self, remarks: Iterable[Remark]) -> None:
        """Log what happened, behind the first line."""
        self._pending.extend(remarks)
        if self._introduces_at is None:
            self._flush()

    def end(self) -> None:
        """Log what has waited for a first line that never came."""
        self._introduces_at = None
        self._flush()

    def _flush(self) -> None:
        for remark in self._pending:
            getattr(self._parts.log, remark.level)(remark.event, **remark.fields)
        self._pending.clear()

    def introduce(self, document: report.Document, now: Instant) -> None:
        """Log the first line, and what has waited for it."""
        self._introduces_at = None
        rows = document["registries"]
        self._parts.log.info(
            "service.started",
            version=document["version"],
            registries=len(rows),
            next_renewal_at=timestamp(statusline.next_renewal(rows)),
            message=statusline.started_text(document, now.wall, self._parts.zone),
        )
        self._flush()
        self.send(document, now)

    def send(self, document: report.Document, now: Instant) -> None:
        """Send the status to the service manager, if it has changed."""
        text = statusline.status_text(document, now.wall, self._parts.zone)
        if text != self._sent:
            self._sent = text
            self._parts.supervise(f"STATUS={text}")
