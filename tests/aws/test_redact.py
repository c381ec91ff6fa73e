"""What is taken out of texts that others wrote, and what stays readable."""

from __future__ import annotations

import base64
import secrets

import pytest

from ecr_refreshd.aws.redact import first_line, redacted

WHO = "arn:aws:sts::724013829182:assumed-role/AWSReservedSSO_Dev_0123456789abcdef/me@corp.example"
KEPT = [
    f"User: {WHO} is not authorized to perform: ecr:GetAuthorizationToken on resource: *",
    "Not logged in. Please run: aws sso login --profile my-profile-2",
    "/home/dev/.local/share/pipx/venvs/acme-login-2/bin/acme: no such file",
    "The source_profile 'gone' referenced in the profile 'dev' does not exist.",
    "Missing required configuration: sso_account_id, sso_registration_scopes",
    "Unable to reach https://login.corp.example/saml",
    "",
]
SECRETS = {
    "secret key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "key id": "AKIAIOSFODNN7EXAMPLE",
    "session token": "FwoGZXIvYXdzE" + base64.b64encode(b"x" * 90).decode(),
    "hex": "0123456789abcdef0123456789abcdef",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "url safe": secrets.token_urlsafe(48),
}


@pytest.mark.parametrize("text", KEPT)
def test_what_people_need_to_read_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("around", ["{}", "bad key {} given", "x={}", '{{"a": "{}"}}', "({})", "key/{}/x"])
def test_what_may_be_a_secret_goes(secret: str, around: str) -> None:
    shown = redacted(around.format(secret))
    assert not any(secret[at : at + 12] in shown for at in range(len(secret) - 12))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password: hunter2", "password: ***"),
        ("AWS_SECRET_ACCESS_KEY=short", "AWS_SECRET_ACCESS_KEY=***"),
        ('{"refresh_token": "abc"}', '{"refresh_token": "***"}'),
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("proxy http://me:pw@proxy:3128 failed", "proxy http://***@proxy:3128 failed"),
        ("see https://x.example/cb?code=abc now", "see https://x.example/cb?*** now"),
    ],
)
def test_what_is_called_a_secret_is_one(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_only_one_line_is_shown_and_of_a_traceback_the_one_that_tells() -> None:
    assert first_line("\n\n first \nsecond") == "first"
    assert first_line(" \n") == ""
    traceback = "Traceback (most recent call last):\n  File x\n    raise\nAcmeError: not logged in\n"
    assert first_line(traceback) == "AcmeError: not logged in"


def test_a_long_text_is_cut() -> None:
    assert len(redacted("word " * 1000)) == 300
