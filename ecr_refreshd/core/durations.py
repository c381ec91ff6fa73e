"""Durations and windows as people write them in a settings file: ``"1h"``, ``"5h 30m"``, ``"50%-67%"``.

A number always carries its unit: a bare 3600 is a guess that someone will get wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

_DURATION = re.compile(
    r"(?:(?P<days>[0-9]{1,5})d)? *(?:(?P<hours>[0-9]{1,6})h)? *"
    r"(?:(?P<minutes>[0-9]{1,7})m)? *(?:(?P<seconds>[0-9]{1,9})s)?"
)
_WINDOW = re.compile(r"(?P<start>[0-9]{1,3}(?:\.[0-9]{1,3})?) ?% ?- ?(?P<end>[0-9]{1,3}(?:\.[0-9]{1,3})?) ?%")


class WrongValueError(ValueError):
    """What was written is not a possible value; the message says so to people."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a token's life, as fractions of it: from `start` to `end`, 0 < start <= end < 1."""

    start: float
    end: float


def parse_duration(text: str) -> timedelta:
    """Return the duration that a text such as ``5h 30m`` names.

    Raises:
        WrongValueError: the text names none.
    """
    found = _DURATION.fullmatch(text.strip())
    parts = {unit: int(count) for unit, count in found.groupdict().items() if count} if found else {}
    if not parts:
        raise WrongValueError(f'{shown(text)} is not a duration; write it as "90s", "30m", "1h" or "5h 30m"')
    return timedelta(**parts)


def parse_window(text: str) -> Window:
    """Return the window that a text such as ``50%-67%`` names.

    Raises:
        WrongValueError: the text names none, or one that a token's life does not have.
    """
    found = _WINDOW.fullmatch(text.strip())
    if found is None:
        raise WrongValueError(f'{shown(text)} is not a window of a token\'s life; write it as "50%-67%"')
    start, end = float(found["start"]), float(found["end"])
    if start > end:
        raise WrongValueError(f"{shown(text)} ends before it begins")
    # A renewal later than 95 % of the life leaves 36 minutes of twelve hours for every retry there will be.
    if start < 1 or end > 95:
        raise WrongValueError(f"{shown(text)} must lie between 1% and 95% of the token's life")
    return Window(start / 100, end / 100)


def duration_text(duration: timedelta) -> str:
    """Return the shortest text that `parse_duration` reads as this duration (whole seconds)."""
    left = int(duration.total_seconds())
    parts = []
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, seconds)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def window_text(window: Window) -> str:
    """Return the text that `parse_window` reads as this window."""
    return f"{round(window.start * 100, 3):g}%-{round(window.end * 100, 3):g}%"


def shown(text: str) -> str:
    """Return a text as an error message quotes it: in quotes, short, without control characters."""
    clean = "".join(char if char.isprintable() else "?" for char in text)
    return f'"{clean}"' if len(clean) <= 80 else f'"{clean[:77]}..."'
