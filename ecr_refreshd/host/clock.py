"""The two clocks of this machine, and the one place where time is read or waited for.

The wall clock can be set and is what AWS's dates are measured by. The other cannot be set and counts suspend:
CLOCK_BOOTTIME on Linux, CLOCK_MONOTONIC on macOS, where it counts sleep by Apple's manual (never run on a Mac).
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

from ecr_refreshd.core.model import Instant

_BOOT = time.CLOCK_MONOTONIC if sys.platform == "darwin" else time.CLOCK_BOOTTIME


def now() -> Instant:
    """Return this instant by both clocks, read one directly after the other."""
    return Instant(datetime.now(UTC), timedelta(microseconds=time.clock_gettime_ns(_BOOT) // 1000))


def pause(length: timedelta) -> None:
    """Do nothing for so long; suspend does not count."""
    time.sleep(length.total_seconds())


class SystemClock:
    """`core.ports.Clock` of the machine we run on."""

    def now(self) -> Instant:
        """Return this instant by both clocks."""
        return now()
