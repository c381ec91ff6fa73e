"""Lengths of time as they are typed in an option."""

from __future__ import annotations

from datetime import timedelta

from ecr_refreshd.core.durations import WrongValueError, parse_duration
from ecr_refreshd.errors import UsageError


def length(option: str, text: str) -> timedelta:
    """Return the length that an option names.

    Raises:
        UsageError: it names none, or nothing at all.
    """
    try:
        found = parse_duration(text)
    except WrongValueError as error:
        raise UsageError(f"{option}: {error}") from error
    if not found:
        raise UsageError(f"{option}: must be longer than 0 s")
    return found
