"""What lies on disk of a login (aws.md 1.1, 1.3, 2.2, 2.4, 5.4), in every form that tools leave it in."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_refreshd.aws import logins

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def sso(legacy: bool = False, without: str = "", **more: str) -> logins.Found:
    document = {
        "startUrl": "https://corp.awsapps.com/start", "region": "us-east-1", "accessToken": "a",
        "expiresAt": text(NOW + HOUR), "clientId": "c", "clientSecret": "s", "refreshToken": "r",
        "registrationExpiresAt": text(NOW + 24 * HOUR),
    } | more  # fmt: skip
    document.pop(without, None)
    return logins.sso(json.dumps(document).encode(), legacy=legacy)


def identity(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJFUzM4NCJ9.{payload}.c2lnbmF0dXJl"


def aws_login(without: str = "", **more: object) -> logins.Found:
    keys = {
        "accessKeyId": "A",
        "secretAccessKey": "s",
        "sessionToken": "t",
        "expiresAt": text(NOW + HOUR / 4),
    }
    document = {
        "accessToken": keys, "tokenType": "aws_sigv4", "clientId": "arn:aws:signin:::devtools/same-device",
        "refreshToken": "r", "idToken": identity(iat=int(NOW.timestamp())), "dpopKey": "k",
    } | more  # fmt: skip
    document.pop(without, None)
    return logins.aws_login(json.dumps(document).encode())


# -- SSO -----------------------------------------------------------------------------------------------------

PAST = text(NOW - HOUR)


@pytest.mark.parametrize(
    ("found", "alive"),
    [
        (sso(), True),
        (sso(expiresAt=PAST), True),  # the refresh token gives another
        (sso(expiresAt=PAST, without="refreshToken"), False),
        (sso(expiresAt=PAST, without="clientId"), False),
        (sso(expiresAt=PAST, registrationExpiresAt=PAST), False),
        (sso(registrationExpiresAt=PAST), True),
        (sso(legacy=True), True),
        (sso(legacy=True, expiresAt=PAST), False),  # nobody refreshes these, whatever stands in them
        (sso(without="accessToken"), False),
        (sso(without="expiresAt"), False),
        (sso(expiresAt="soon"), True),  # others read more than we do: asking tells
    ],
)
def test_whether_asking_may_succeed(found, alive: bool) -> None:
    assert found.at(NOW).alive is alive


def test_the_end_of_a_login_as_far_as_the_disk_tells() -> None:
    assert sso(legacy=True).at(NOW).ends_at == NOW + HOUR
    assert sso(without="refreshToken").at(NOW).ends_at == NOW + HOUR
    assert sso().at(NOW).ends_at == NOW + 24 * HOUR
    assert sso(registrationExpiresAt=text(NOW + HOUR / 2)).at(NOW).ends_at == NOW + HOUR
    assert sso(registrationExpiresAt="?").at(NOW).ends_at is None


def test_another_login_and_a_refreshed_token_have_other_stamps() -> None:
    stamps = {sso().stamp, sso(accessToken="b").stamp, sso(refreshToken="b").stamp, sso(expiresAt=PAST).stamp}
    assert len(stamps) == 4
    assert all(len(stamp) == 12 for stamp in stamps)
    assert sso().stamp == sso(region="eu-west-1").stamp
    assert sso(without="accessToken").stamp == ""


# -- aws login -----------------------------------------------------------------------------------------------


def test_a_login_lasts_twelve_hours_from_when_the_person_signed_in() -> None:
    found = aws_login().at(NOW)
    assert (found.alive, found.refreshes) == (True, False)
    assert found.expires_at == NOW + HOUR / 4
    assert found.ends_at == NOW + 12 * HOUR


def test_its_stamp_outlives_a_refresh_and_not_another_login() -> None:
    refreshed = aws_login(refreshToken="r2", accessToken={"expiresAt": text(NOW + 2 * HOUR)})
    assert refreshed.stamp == aws_login().stamp
    assert aws_login(idToken=identity(iat=1)).stamp != aws_login().stamp


def test_without_an_id_token_a_refresh_looks_like_a_login() -> None:
    found = aws_login(without="idToken")
    assert found.refreshes
    assert found.ends_at is None
    assert found.stamp != aws_login(without="idToken", refreshToken="r2").stamp != ""


@pytest.mark.parametrize("key", ["accessToken", "refreshToken", "dpopKey", "clientId"])
def test_a_file_that_boto3_would_not_take_is_no_login(key: str) -> None:
    assert aws_login(without=key) == logins.NONE


def test_its_dead_keys_are_renewed_and_a_past_end_is_only_a_hint() -> None:
    dead = {"expiresAt": PAST}
    assert aws_login(accessToken=dead).at(NOW).alive
    assert aws_login(accessToken=dead, idToken=identity(iat=1)).at(NOW).alive


@pytest.mark.parametrize(
    "token",
    [
        "x.y.z",
        "x",
        "",
        "..",
        "a.e30.c",
        identity(iat="soon"),
        identity(iat=1e99),
        identity(iat=None),
        "a.W10.c",
        "é.é.é",
    ],
)
def test_an_id_token_that_tells_nothing_ends_nothing(token: str) -> None:
    found = aws_login(idToken=token)
    assert found.ends_at is None
    assert found.at(NOW).alive


# -- keys ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("x_security_token_expires", "2026-11-23T10:00:00Z"),  # saml2aws
        ("x_security_token_expires", "2026-11-23T11:00:00+01:00"),
        ("aws_session_expiration", "2026-11-23T10:00:00+0000"),
        ("expiration", "2026-11-23 10:00:00"),  # aws-mfa, in UTC
        ("aws_expiration", "2026-11-23T10:00:00.000Z"),
        ("aws_expiration", "2026-11-23 10:00:00 +0000 UTC"),  # as Go prints it
        ("aws_expiration", "1795428000"),
    ],
)
def test_tools_leave_the_end_of_session_keys_in_many_forms(key: str, value: str) -> None:
    found = logins.session_keys({"aws_access_key_id": "A", "aws_session_token": "t", key: value})
    assert found is not None
    login = found.at(NOW)
    assert (login.alive, login.refreshes) == (True, False)
    assert login.ends_at == login.expires_at == NOW + HOUR
    assert not found.at(NOW + 2 * HOUR).alive


def test_keys_with_no_end_or_junk_for_one_say_nothing() -> None:
    assert logins.session_keys({"aws_session_token": "t"}) is None
    assert logins.session_keys({"aws_session_token": "t", "expiration": "never"}) is None
    found = logins.session_keys({"x_security_token_expires": "junk", "expiration": "2026-11-23 10:00:00"})
    assert found is not None
    assert found.ends_at == NOW + HOUR


def test_other_keys_are_another_login() -> None:
    stamps = {
        found.stamp
        for token in "tu"
        if (found := logins.session_keys({"aws_session_token": token, "expiration": "2026-11-23 10:00:00"}))
    }
    assert len(stamps) == 2


# -- whatever stands there -----------------------------------------------------------------------------------


def test_times_in_every_dress() -> None:
    for said in (
        "2026-11-23T09:00:00Z",
        "2026-11-23T09:00:00UTC",
        "2026-11-23T10:00:00+01:00",
        "1795424400000",
    ):
        assert logins.moment(said) == NOW
    for said in (
        "",
        "soon",
        None,
        True,
        [],
        {},
        "9" * 13,
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+23:00",
    ):
        assert logins.moment(said) is None or logins.moment(said).tzinfo is UTC


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([
    "accessToken", "expiresAt", "refreshToken", "clientId", "clientSecret", "registrationExpiresAt", "idToken",
    "dpopKey",
])  # fmt: skip
CONTENTS = st.binary(max_size=64) | st.dictionaries(FIELDS, JSON).map(lambda said: json.dumps(said).encode())


@given(content=CONTENTS, legacy=st.booleans())
def test_no_content_is_an_exception(content: bytes, legacy: bool) -> None:
    for found in (logins.sso(content, legacy=legacy), logins.aws_login(content)):
        login = found.at(NOW)
        assert not (login.torn and login.alive)
        assert login.stamp or not login.alive


def test_a_document_of_brackets_is_torn() -> None:
    assert logins.sso(b"[" * 100_000, legacy=False).torn
