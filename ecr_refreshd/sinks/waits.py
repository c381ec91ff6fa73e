"""Waiting for other programs, a moment at a time: all that this room has to do with the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime


def pause(seconds: float) -> None:
    """Let others get on with it."""
    time.sleep(seconds)


def utc_now() -> datetime:
    """Return the wall clock's time, for what says itself when it ends."""
    return datetime.now(UTC)


def attempts(patience: float, every: float) -> Iterator[None]:
    """Yield at once, and again after each pause, until the patience is used up (both in seconds)."""
    end = time.monotonic() + patience
    yield
    while time.monotonic() < end:
        time.sleep(every)
        yield
