"""Times as text: ISO-8601 for scripts, a clock's words for people."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

_YEARS = range(1970, 2300)


def timestamp(at: datetime | None) -> str | None:
    """Return an ISO-8601 UTC text with a Z, or None."""
    return (
        None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def spoken(at: datetime, now: datetime, zone: tzinfo) -> str:
    """Return a time as people say it: ``19:42`` today, ``Tue 07:42`` within the week, else with the date."""
    there, today = at.astimezone(zone), now.astimezone(zone).date()
    days = (there.date() - today).days
    if days == 0:
        return f"{there:%H:%M}"
    return f"{there:%a %H:%M}" if 0 < days < 7 else f"{there:%Y-%m-%d %H:%M}"


def parsed(text: str) -> datetime:
    """Return the time (UTC) of an RFC 3339 text; one that was never written raises ValueError or TypeError.

    Times so far off could not be added to.
    """
    at = datetime.fromisoformat(text)
    if at.year not in _YEARS:
        raise ValueError(text)
    return at.astimezone(UTC)
