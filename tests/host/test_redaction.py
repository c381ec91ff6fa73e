"""What never reaches a log, by name and by looks; and that what people need to read does."""

from __future__ import annotations

import base64
import json

import pytest

from ecr_refreshd.core.secret import Secret
from ecr_refreshd.host.logs import Secrets
from ecr_refreshd.host.redaction import redact, scrub

PASSWORD = base64.b64encode(json.dumps({"payload": "p" * 900, "expiration": 1}).encode()).decode()
AUTH = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()
KEY = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"


@pytest.mark.parametrize(
    ("text", "canary"),
    [
        (f"put {AUTH} there", AUTH[5:40]),
        (f"password is {PASSWORD}.", PASSWORD[5:40]),
        (f"cookie {JWT}", "SflKxw"),
        ("key AKIAIOSFODNN7EXAMPLE used", "IOSFODNN"),
        ("ASIAIOSFODNN7EXAMPLE", "IOSFODNN"),
        (f"aws_secret_access_key = {KEY}", KEY),
        (f'{{"SecretAccessKey": "{KEY}"}}', KEY),
        (f"?X-Amz-Signature={'ab12' * 16}&x=1", "ab12ab12"),
        (f"X-Amz-Security-Token: {KEY}", KEY),
        ("Authorization: Basic dXNlcjpwYXNzd29yZDEyMzQ=", "dXNlcjpw"),
        ("Bearer abcdefgh.ijklmnop", "abcdefgh"),
        ("proxy http://user:hunter2hunter@proxy.example:3128/", "hunter2"),
        (f"{'Zm9v' * 40}", "Zm9vZm9v"),
        (f"{'Zm9_-v' * 30}", "Zm9_-v"),
    ],
)
def test_what_looks_like_a_secret_goes(text: str, canary: str) -> None:
    assert canary in text
    assert canary not in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "724013829182.dkr.ecr.us-west-2.amazonaws.com/node:18-slim",
        "The SSO session corp has ended; run: aws sso login --sso-session corp",
        "Error when retrieving token from sso: Token has expired and refresh failed",
        "Error loading SSO Token: Token for https://corp.awsapps.com/start does not exist",
        "SSO token: https://corp.awsapps.com/start",
        "/home/dev/.local/share/containers/storage/a/very/long/path.d/with-dashes/and_underscores/"
        + "x/" * 40,
        "arn:aws:iam::724013829182:role/an-administrator",
        "2026-03-02T20:00:00Z abcdef123456 sha256:" + "0123456789abcdef" * 4,
        "dev+arn:aws:iam::724013829182:role/x#abc123/ecr/us-west-2@http://127.0.0.1:4566",
        "line one\n\tline two",
    ],
)
def test_what_people_need_stays(text: str) -> None:
    assert scrub(text) == text


def test_control_characters_go() -> None:
    """A log line must not recolour or retitle the terminal of whoever reads it."""
    assert scrub("a\x1b[31mb\x9b1mc\r\n\x00d") == "a[31mb1mc\nd"


@pytest.mark.parametrize(
    "name",
    ["auth", "token", "authorizationToken", "SecretAccessKey", "sessionToken", "identitytoken", "Authorization",
     "X-Registry-Auth", "password", "aws_secret_access_key", "tokens", "credentials", "Set-Cookie"],
)  # fmt: skip
def test_what_stands_under_a_secrets_name_goes(name: str) -> None:
    for value in ("short", ["a"], {"b": "c"}, b"bytes", object()):
        assert redact({name: value}, scrub) == {name: "***"}


def test_numbers_flags_and_nothing_are_no_secrets() -> None:
    harmless = {"tokens": 3, "needs_auth": True, "token": None, "secret": ""}
    assert redact(harmless, scrub) == harmless


def test_everything_becomes_plain() -> None:
    """A renderer shows an object by its repr, after the redaction."""

    class Talkative:
        def __str__(self) -> str:
            return f"talks: {AUTH}"

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError(AUTH)

    value = {"a": Talkative(), "b": [Broken()], "c": {Secret("x")}, AUTH: 1, "d": (b"\xff", 1.5)}
    plain = redact(value, scrub)
    assert plain == {
        "a": "talks: ***",
        "b": ["<Broken: RuntimeError>"],
        "c": ["***"],
        "***": 1,
        "d": ["�", 1.5],
    }


def test_depth_is_bounded() -> None:
    loop: dict[str, object] = {}
    loop["again"] = loop
    assert "…" in json.dumps(redact(loop, scrub), ensure_ascii=False)


def test_known_secrets_go_whatever_they_look_like() -> None:
    secrets = Secrets()
    secrets.add(Secret("plain words!"))
    assert secrets.scrub("say plain words! twice: plain words!") == "say *** twice: ***"
    assert secrets.scrub("quoted plain%20words%21 too") == "quoted *** too"


def test_the_password_of_an_auth_text_is_known_too() -> None:
    secrets = Secrets()
    secrets.add(Secret(base64.b64encode(b"AWS:horse battery").decode()))
    assert secrets.scrub("it was horse battery all along") == "it was *** all along"


def test_texts_too_short_to_be_secrets_spoil_no_words() -> None:
    secrets = Secrets()
    secrets.add(Secret("ecr"))
    assert secrets.scrub("an ecr host") == "an ecr host"


def test_the_newest_secrets_are_kept() -> None:
    """A service lives for months; what it remembers of secrets does not grow."""
    secrets = Secrets()
    for number in range(2000):
        secrets.add(Secret(f"secret number {number}"))
    assert secrets.scrub("secret number 1999") == "***"
    assert len(secrets._texts) <= 256
