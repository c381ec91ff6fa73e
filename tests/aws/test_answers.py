"""What is an answer, and what only looks like one."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from ecr_refreshd.aws.answers import AnswerError, clock_lead, granted

AUTH = base64.b64encode(b"AWS:password").decode()
LATER = datetime.now(UTC) + timedelta(hours=12)


def test_both_services_forms_are_read_and_the_end_is_in_utc() -> None:
    here = LATER.astimezone(timezone(timedelta(hours=5, minutes=30)))
    data = {"authorizationToken": AUTH, "expiresAt": here, "proxyEndpoint": "https://724013829182.dkr.ecr.x"}
    private = granted(1, {"authorizationData": [data]}, "111111111111")
    public = granted(
        2, {"authorizationData": {"authorizationToken": AUTH, "expiresAt": LATER}}, "111111111111"
    )
    assert (private.account, public.account) == ("724013829182", "111111111111")
    assert private.expires_at == public.expires_at == LATER.isoformat()
    assert AUTH not in repr(private)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({}, "answer.foreign"),
        ({"authorizationData": []}, "answer.empty"),
        ({"authorizationData": [{}]}, "answer.empty"),
        ({"authorizationData": [{"authorizationToken": "%%%", "expiresAt": LATER}]}, "answer.unreadable"),
        ({"authorizationData": [{"authorizationToken": "QVdT", "expiresAt": LATER}]}, "answer.unreadable"),
        ({"authorizationData": [{"authorizationToken": AUTH}]}, "answer.endless"),
        (
            {
                "authorizationData": [
                    {"authorizationToken": AUTH, "expiresAt": datetime(2015, 1, 1, tzinfo=UTC)}
                ]
            },
            "answer.expired",
        ),
    ],
)
def test_each_thing_that_may_be_wrong_has_a_name(answer, code: str) -> None:
    with pytest.raises(AnswerError) as raised:
        granted(1, answer, "")
    assert raised.value.code == code


def test_the_clock_is_compared_with_the_answers_date() -> None:
    assert clock_lead(format_datetime(datetime.now(UTC) - timedelta(minutes=20))) == 20
    assert clock_lead("") == 0
    assert clock_lead("yesterday") == 0


@pytest.mark.parametrize(
    "form",
    [
        "{date} GMT",
        "{date} -0000",
        "{date}",
        "{date} GMT, {date} GMT",
        "{date} +0000",
    ],
)
def test_a_date_header_of_any_form_is_read_or_passed_over(form: str) -> None:
    """A proxy may send it twice, or without a zone: a failure to read it would cost the grant its answer."""
    date = f"{datetime.now(UTC) - timedelta(minutes=20):%a, %d %b %Y %H:%M:%S}"
    assert clock_lead(form.format(date=date)) == 20


@pytest.mark.parametrize("text", ["Sun, 99 Nov 2026 21:30:14 GMT", "GMT, GMT", "0", "\xff"])
def test_a_date_header_that_is_none_tells_nothing(text: str) -> None:
    assert clock_lead(text) == 0


@pytest.mark.parametrize("form", ["{}", "{} -0000", "{} GMT, {} GMT", "{} GMT,{} GMT", "{} EST"])
def test_a_date_that_a_proxy_has_spoiled_is_read_all_the_same(form: str) -> None:
    """Without a zone, with an unknown one, or twice: HTTP's dates are GMT (RFC 9110)."""
    date = (datetime.now(UTC) - timedelta(minutes=20)).strftime("%a, %d %b %Y %H:%M:%S")
    assert clock_lead(form.format(date, date)) == 20
    assert clock_lead("Sun, 31 Feb 2026 25:61:00 GMT") == 0
