"""Log lines for people: a subject, what happened, and the command; one line, whatever the fields hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_refreshd.core.logtext import Line, line

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
LOGIN = "aws sso login --sso-session corp"


def told(event: str, **fields: Any) -> Line:
    return line(event, fields, NOW, UTC)


@pytest.mark.parametrize(
    ("event", "fields", "text"),
    [
        (
            "grant.renewed",
            {"grant": "dev/ecr/us-west-2", "hosts": [HOST], "expires_at": "2026-01-01T23:12:00.000Z"},
            f"dev: renewed {HOST}, valid until 23:12",
        ),
        (
            "grant.renewed",
            {
                "grant": "dev+arn:aws:iam::724013829182:role/pull#ab12cd/ecr/us-west-2",
                "hosts": ["a", "b", "c"],
            },
            "dev as pull: renewed 3 registries",
        ),
        (
            "grant.recalled",
            {"grant": "(ambient)/ecr-public/us-east-1", "hosts": ["a"]},
            "AWS: kept the token of a",
        ),
        ("sink.written", {"path": "/c.json", "hosts": ["a", "b"]}, "/c.json: wrote 2 registries"),
        ("sink.healed", {"host": HOST, "heals": 2}, f"{HOST}: login restored"),
        ("host.paused", {"host": HOST, "until": "2026-01-01T14:00:00Z"}, f"{HOST}: paused until 14:00"),
        ("host.paused", {"host": HOST, "until": None}, f"{HOST}: paused"),
        ("clock.resumed", {"seconds": 18000}, "awake again after 300 min of sleep"),
        ("registry.probed", {"host": HOST, "answer": "refused"}, f"{HOST}: the registry refuses the token"),
        (
            "sink.unwritable",
            {"path": "/c.json", "message": "/c.json: permission denied."},
            "/c.json: permission denied",
        ),
        (
            "notice.undelivered",
            {"problems": ["no bus", "no webhook"]},
            "notification not delivered: no bus; no webhook",
        ),
        ("anything.else", {"size": 3, "empty": ""}, "anything.else size=3"),
    ],
)
def test_what_is_said_of_an_event(event: str, fields: dict[str, Any], text: str) -> None:
    assert told(event, **fields).text == text


def test_a_failure_says_how_long_pulls_work_and_what_helps() -> None:
    said = told(
        "grant.failed",
        grant="dev/ecr/us-west-2",
        message="The AWS login has ended.",
        hint=f"Sign in: {LOGIN}",
        command=LOGIN,
        valid_until="2026-01-01T23:12:00Z",
    )

    assert said == Line(
        good=False, text="dev: the AWS login has ended (pulls work until 23:12). Sign in:", command=LOGIN
    )


def test_advice_without_a_command_is_not_lost() -> None:
    assert told("grant.failed", grant="dev/ecr/x", message="Denied.", hint="Ask your admin.").command == (
        "Ask your admin."
    )


EVENTS = st.sampled_from(
    [
        "grant.renewed",
        "grant.failed",
        "sink.unwritable",
        "notice.raised",
        "registry.probed",
        "clock.resumed",
        "other",
    ]
)
TEXTS = st.text("aT:/+#. \n\r\x0b\u2028", max_size=12)
VALUES = st.none() | TEXTS | st.lists(TEXTS, max_size=3)
FIELDS = ("grant", "hosts", "message", "hint", "path", "until")


@given(EVENTS, st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, VALUES)))
def test_whatever_the_fields_hold_it_is_one_line(event: str, fields: dict[str, Any]) -> None:
    said = told(event, **fields)

    assert len(f"{said.text} {said.command}".splitlines()) == 1
