"""The two clocks of this machine, and the one place where time is read or waited for.

The wall clock can be set and is what AWS's dates are measured by. The other cannot be set and counts suspend:
CLOCK_BOOTTIME on Linux, CLOCK_MONOTONIC on macOS, where it counts sleep by Apple's manual (never run on a Mac).
"""

from __future__ import annotations

import calendar
import sys
import time
from datetime import UTC, datetime, timedelta, tzinfo

from ecr_refreshd.core.model import Instant

_BOOT = time.CLOCK_MONOTONIC if sys.platform == "darwin" else time.CLOCK_BOOTTIME


def now() -> Instant:
    """Return this instant by both clocks, read one directly after the other."""
    return Instant(datetime.now(UTC), timedelta(microseconds=time.clock_gettime_ns(_BOOT) // 1000))


def pause(length: timedelta) -> None:
    """Do nothing for so long; suspend does not count."""
    time.sleep(length.total_seconds())


class LocalZone(tzinfo):
    """The zone this machine is set to, with the system's own rules for every date, so that DST is right."""

    def utcoffset(self, at: datetime | None) -> timedelta:
        """Return how far local time is ahead of UTC."""
        if at is None:
            return timedelta(0)
        # mktime takes local time; -1 lets it find out whether summer time holds.
        seconds = time.mktime((*at.timetuple()[:8], -1))
        return timedelta(seconds=calendar.timegm(at.timetuple()) - int(seconds))

    def fromutc(self, at: datetime) -> datetime:
        """Return the local time of a UTC time."""
        seconds = calendar.timegm(at.timetuple())
        return at + timedelta(seconds=time.localtime(seconds).tm_gmtoff)

    def dst(self, _at: datetime | None) -> timedelta | None:
        """Return None: nobody here asks."""
        return None

    def tzname(self, _at: datetime | None) -> str:
        """Return the zone's name."""
        return "local"


class SystemClock:
    """`core.ports.Clock` of the machine we run on."""

    def now(self) -> Instant:
        """Return this instant by both clocks."""
        return now()
