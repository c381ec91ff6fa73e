"""Times and durations as people say them: ``5 h 12 min``, ``in 45 s``, ``2 d 3 h ago``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from ecr_refreshd.core.times import spoken

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def span(duration: timedelta) -> str:
    """Return a duration's two largest units, the rest cut off; below an hour one unit is enough."""
    left = abs(int(duration.total_seconds()))
    for position, (unit, seconds) in enumerate(_UNITS):
        if left >= seconds:
            count, rest = divmod(left, seconds)
            if seconds >= 3600:
                smaller, each = _UNITS[position + 1]
                if rest // each:
                    return f"{count} {unit} {rest // each} {smaller}"
            return f"{count} {unit}"
    return "0 s"


def moment(at: datetime, now: datetime) -> str:
    """Return when something is, seen from now."""
    apart = at - now
    if abs(apart) < timedelta(seconds=1):
        return "now"
    return f"in {span(apart)}" if apart > timedelta(0) else f"{span(apart)} ago"


def until(at: datetime, now: datetime, zone: tzinfo) -> str:
    """Return a time to come, by the clock on the wall and from now: ``16:05 (in 2 h)``."""
    return f"{spoken(at, now, zone)} ({moment(at, now)})"


def advice_lines(hint: str, command: str | None, arrow: str) -> list[str]:
    """Return the lines below a message: words if there are any, then each line of the command behind an arrow.

    Args:
        hint: the whole advice, which ends in the command; "" for none.
        command: its part that can be pasted; "" or None: the advice has no such part.
        arrow: what the place can show.
    """
    if not command:
        return [f"{arrow} {hint}"] if hint else []
    lines = command.split("\n")
    words = hint.removesuffix(command).removesuffix(" ".join(lines)).strip()
    return [*([words] if words else []), *(f"{arrow} {line}" for line in lines)]


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 pull``, ``2 files``, ``3 registries``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def read_time(text: object) -> datetime | None:
    """Return the UTC time that an ISO-8601 text names, None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
