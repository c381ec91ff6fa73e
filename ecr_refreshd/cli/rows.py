"""The registries of a status document as a table: the widest layout that fits; what rows share is said once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from ecr_refreshd.cli.principals import OTHER_ACCOUNT, is_of_other_account, reason_text
from ecr_refreshd.cli.words import counted, moment, read_time, span
from ecr_refreshd.core.times import spoken

Row = Mapping[str, Any]

LABELS = {"login-required": "sign in", "unwritten": "not written"}
"""How a phase is shown, where that is not its own name."""
SERVED = frozenset({"fresh", "renewing", "paused"})
_URGENCY = ("login-required", "blocked", "expired", "unwritten", "retrying", "renewing", "fresh", "paused")
_ORIGINS = {
    "config": "in the settings",
    "added": "added",
    "adopted": "found in docker's config",
    "on-demand": "asked for by a client",
}
_PLAIN = re.compile(r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")
_SHORT_FOR = "Names are short for ACCOUNT.dkr.ecr.REGION.amazonaws.com."
_GAP = 2
_MOST_PROFILES = 4
"""Profiles whose reasons are said below a table that has no room for them."""


class Cells(NamedTuple):
    """What a registry's row says, by column."""

    registry: str
    state: str
    token: str
    renewal: str
    profile: str
    origin: str


_TITLES = Cells("REGISTRY", "STATE", "TOKEN", "RENEWAL", "PROFILE", "ORIGIN")


class _Layout(NamedTuple):
    """How much of a row is shown.

    Attributes:
        has_host: the whole host, not only account and region.
        has_rest: how long a token is still valid, beside the time of day.
        has_reason: why the profile was chosen.
        columns: of `Cells`.
    """

    has_host: bool
    has_rest: bool
    has_reason: bool
    columns: tuple[int, ...] = (0, 1, 2, 3, 4)


_LAYOUTS = (
    _Layout(has_host=True, has_rest=True, has_reason=True, columns=(0, 1, 2, 3, 4, 5)),
    _Layout(has_host=True, has_rest=True, has_reason=True),
    _Layout(has_host=True, has_rest=True, has_reason=False),
    _Layout(has_host=True, has_rest=False, has_reason=False),
    _Layout(has_host=False, has_rest=True, has_reason=True),
    _Layout(has_host=False, has_rest=True, has_reason=False),
    _Layout(has_host=False, has_rest=False, has_reason=False),
    _Layout(has_host=False, has_rest=False, has_reason=False, columns=(0, 1, 2, 4)),
    _Layout(has_host=False, has_rest=False, has_reason=False, columns=(0, 1, 2)),
)
"""Widest first."""


class Table(NamedTuple):
    """A table that fits: `header`, a line and the row itself for each registry, and what is said once below."""

    header: str
    lines: tuple[tuple[Row, Sequence[str]], ...]
    below: tuple[str, ...]


class Rows:
    """The cells of rows, for one moment, zone and arrow."""

    def __init__(self, now: datetime, zone: tzinfo, arrow: str) -> None:
        self._now = now
        self._zone = zone
        self._arrow = arrow

    def table(self, rows: Sequence[Row], width: int) -> Table | None:
        """Return the widest layout that has room, None if none has."""
        ordered = most_urgent_first(rows)
        several = len(ordered) > 1
        is_one = len({self.profile(row) for row in ordered}) == 1
        for layout in _LAYOUTS:
            cells = [self._cells(row, layout) for row in ordered]
            columns = [
                c
                for c in layout.columns
                if c < 4 or not several or len({each[c] for each in cells}) > 1 or (c == 4 and not is_one)
            ]
            widths = [max(len(_TITLES[c]), *(len(each[c]) for each in cells)) for c in columns]
            if sum(widths) + _GAP * (len(widths) - 1) > width:
                continue
            padded = [[each[c].ljust(w) for c, w in zip(columns, widths, strict=True)] for each in cells]
            header = (" " * _GAP).join(_TITLES[c].ljust(w) for c, w in zip(columns, widths, strict=True))
            below = tuple(self._below(ordered, cells, layout, columns))
            return Table(header.rstrip(), tuple(zip(ordered, padded, strict=True)), below)
        return None

    def _below(
        self, rows: Sequence[Row], cells: Sequence[Cells], layout: _Layout, columns: Sequence[int]
    ) -> Iterator[str]:
        """Yield what is the same in every row, and what a narrow layout leaves out."""
        told = []
        is_one = len({self.profile(row) for row in rows}) == 1
        if 4 not in columns and is_one:
            told.append(f"profile {self.profile(rows[0])}")
        if 5 not in columns and len({each.origin for each in cells}) == 1 and cells[0].origin:
            told.append(cells[0].origin)
        others = [] if 4 in columns or is_one else list(filter(is_of_other_account, rows))
        for row in others[:_MOST_PROFILES]:
            yield f"{row.get('host')}: profile {self.profile(row)}."
        if told and len(rows) > 1:
            yield f"All {len(rows)}: {', '.join(told)}."
        elif told and 5 not in columns and told[-1] != _ORIGINS["config"]:
            yield f"{told[-1][0].upper()}{told[-1][1:]}."
        if 4 in columns and not layout.has_reason:
            profiles = list(dict.fromkeys(self.profile(row) for row in rows))
            if len(profiles) <= _MOST_PROFILES and any("(" in each for each in profiles):
                yield f"{'Profile' if len(profiles) == 1 else 'Profiles'}: {', '.join(profiles)}."
        if not layout.has_host and any(_PLAIN.fullmatch(str(row.get("host"))) for row in rows):
            yield _SHORT_FOR

    def _cells(self, row: Row, layout: _Layout) -> Cells:
        host = str(row.get("host", ""))
        return Cells(
            host if layout.has_host else short_name(host),
            label(row),
            self.token(row, has_rest=layout.has_rest),
            self.renewal(row),
            self.profile(row, has_reason=layout.has_reason),
            origin(row),
        )

    def token(self, row: Row, *, has_rest: bool = True) -> str:
        """Return until when the token of a row is valid, by the clock on the wall."""
        # A token that no client finds is nobody's life left.
        expires = read_time(row.get("works_until" if self._is_lost(row) else "expires_at"))
        if expires is None:
            return "none"
        if expires <= self._now:
            return f"expired {moment(expires, self._now)}"
        rest = f" ({span(expires - self._now)})" if has_rest else ""
        return f"until {spoken(expires, self._now, self._zone)}{rest}"

    @staticmethod
    def _is_lost(row: Row) -> bool:
        """Return whether no file holds the newest token, so that no client finds it."""
        sinks = row.get("sinks", ())
        is_gone = bool(sinks) and not any(sink.get("works", True) for sink in sinks)
        return row.get("phase") == "unwritten" or (row.get("phase") == "paused" and is_gone)

    def renewal(self, row: Row) -> str:
        """Return when a row's token is renewed next."""
        at = read_time(row.get("next_renewal_at"))
        is_timed = at is not None and bool((row.get("principal") or {}).get("process"))
        if row.get("phase") == "login-required" and not is_timed:
            return "at sign-in"  # another try by time may come before, and is not worth waiting for
        if at is None or row.get("phase") == "paused":
            return "-"
        return moment(max(at, self._now), self._now)

    def profile(self, row: Row, *, has_reason: bool = True) -> str:
        """Return the AWS profile of a row, with the role that is assumed from it."""
        principal = row.get("principal")
        if not principal:
            return "none"
        told = str(principal.get("profile") or "no profile")
        role = principal.get("role_arn")
        if role:
            told += f" {self._arrow} {role.rsplit(':role/', 1)[-1]}"
        why = reason_text(row) if has_reason else OTHER_ACCOUNT if is_of_other_account(row) else ""
        return f"{told} ({why})" if why else told


def most_urgent_first(rows: Sequence[Row]) -> list[Row]:
    """Return rows with those first that need a person; those equally urgent as they were."""
    return sorted(rows, key=_urgency)


def _urgency(row: Row) -> int:
    phase = row.get("phase")
    if phase not in _URGENCY:
        return 0
    broken = any(sink.get("state") not in {"written", "foreign", "paused"} for sink in row.get("sinks", ()))
    if phase in {"renewing", "fresh"} and broken:
        return _URGENCY.index("unwritten")
    skipped = phase not in SERVED and not row.get("counts", True)
    return len(_URGENCY) if skipped else _URGENCY.index(phase)


def label(row: Row) -> str:
    """Return how a row's phase is shown; a registry that nobody here can serve is skipped."""
    phase = str(row.get("phase", ""))
    if phase not in SERVED and not row.get("counts", True):
        return "skipped"
    return LABELS.get(phase, phase)


def origin(row: Row) -> str:
    """Return why a registry is kept."""
    return _ORIGINS.get(str(row.get("origin", "")), "")


def short_name(host: str) -> str:
    """Return account and region for a host of the usual form, else the host."""
    found = _PLAIN.fullmatch(host)
    return f"{found['account']} {found['region']}" if found else host


def summary(rows: Sequence[Row]) -> str:
    """Return how many rows there are in each state: ``3 fresh, 1 sign-in needed``."""
    counts: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: -1 if row.get("phase") == "fresh" else _urgency(row)):
        counts[label(row)] = counts.get(label(row), 0) + 1
    told = [f"{number} {'sign-in needed' if name == 'sign in' else name}" for name, number in counts.items()]
    return ", ".join(told) or counted(0, "registry", "registries")


def next_renewal(rows: Sequence[Row]) -> datetime | None:
    """Return the first renewal that comes by itself."""
    times = [
        read_time(row.get("next_renewal_at"))
        for row in rows
        if row.get("phase") in {"fresh", "renewing", "retrying"}
    ]
    return min((at for at in times if at is not None), default=None)
