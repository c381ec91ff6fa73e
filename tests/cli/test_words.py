"""Times for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ecr_refreshd.cli.words import moment, read_time, span

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (18720, "5 h 12 min"),
        (86400, "1 d"),
        (86400 + 3600 * 3 + 59, "1 d 3 h"),
        (86400 + 59 * 60, "1 d"),
        (-90, "1 min"),
    ],
)
def test_span(seconds: float, said: str) -> None:
    assert span(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(18720, "in 5 h 12 min"), (-720, "12 min ago"), (0.4, "now"), (-0.4, "now")]
)
def test_moment(seconds: float, said: str) -> None:
    assert moment(NOW + timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize("text", [None, 7, "", "soon", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_none(text: object) -> None:
    assert read_time(text) is None


@pytest.mark.parametrize(
    "text", ["2026-01-01T12:00:00Z", "2026-01-01T14:00:00.000+02:00", "2026-01-01T12:00:00"]
)
def test_times_are_utc(text: str) -> None:
    assert read_time(text) == NOW
