"""Profiles of ``aws login``: their refresh tokens are good once too, and boto3 needs awscrt to use them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import signal
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ecr_refreshd.core.model import Failure
from tests.aws.asking import children, ecr, wait_until
from tests.needs import need
from tests.world import homes
from tests.world.aws import FakeAws
from tests.world.rendering import iso

ARN = "arn:aws:iam::123456789012:user/me"


@pytest.fixture(autouse=True)
def _runtime() -> None:
    need(importlib.util.find_spec("awscrt"), "awscrt is not installed (pip install 'botocore[crt]')")


def login_file(home: Path) -> Path:
    return home / ".aws/login/cache" / f"{hashlib.sha256(ARN.encode()).hexdigest()}.json"


def aws_login(home: Path, aws: FakeAws, ttl: float) -> None:
    """Sign in as ``aws login`` does; `ttl` is the life of the keys in seconds, refreshed below five minutes."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    issued = aws.sso_login(ARN, ttl)
    keys = {"accessKeyId": "ASIA0000000000000009", "secretAccessKey": "s", "sessionToken": "t"}
    aws.account(keys["accessKeyId"], "123456789012", secret="s", session_token="t")
    document = {
        "accessToken": keys | {"accountId": "123456789012", "expiresAt": iso(time.time() + ttl)},
        "tokenType": "aws_sigv4",
        "clientId": "arn:aws:signin:::devtools/same-device",
        "refreshToken": issued["refreshToken"],
        "idToken": "x.y.z",
        "dpopKey": pem,
    }
    path = login_file(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


@pytest.fixture
def home(tmp_path) -> Path:
    homes.profile(tmp_path, "con", login_session=ARN, region="us-west-2")
    return tmp_path


def test_a_login_serves_and_is_refreshed_once_for_all_above_it(asking, aws, home) -> None:
    homes.role_chain(home, "above", "arn:aws:iam::222222222222:role/x", "con")
    aws_login(home, aws, ttl=60)
    answers = asking.ask(ecr("con"), ecr("con", "eu-west-1"), ecr("above"))
    assert {answer.account for answer in answers.values()} == {"123456789012", "222222222222"}
    assert [call.outcome for call in aws.calls("CreateOAuth2Token")] == ["ok"]


def failure(asking) -> Failure:
    found = asking.failure(ecr("con"))
    assert isinstance(found, Failure)
    return found


def test_nobody_signed_in(asking, home) -> None:
    found = failure(asking)
    assert (found.category, found.code, found.hint) == (
        "login", "LoginTokenLoadError", "aws login --profile con",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "category", "code"),
    [("{}", "login", "LoginTokenLoadError"), ("", "login", "DamagedLoginError")],
)
def test_a_login_file_without_a_login(asking, home, content: str, category: str, code: str) -> None:
    login_file(home).parent.mkdir(parents=True)
    login_file(home).write_text(content)
    found = failure(asking)
    assert (found.category, found.code) == (category, code)


@pytest.mark.parametrize(
    ("error", "category", "code"),
    [
        ("TOKEN_EXPIRED", "login", "LoginRefreshRequired"),
        ("USER_CREDENTIALS_CHANGED", "login", "LoginRefreshRequired"),
        ("INSUFFICIENT_PERMISSIONS", "denied", "LoginInsufficientPermissions"),
        ("SOMETHING_ELSE", "login", "LoginError"),
    ],
)
def test_what_sign_in_says_to_a_refresh(asking, aws, home, error: str, category: str, code: str) -> None:
    aws_login(home, aws, ttl=-60)
    aws.fault("CreateOAuth2Token", code="AccessDeniedException", status=400, extra={"error": error})
    found = failure(asking)
    assert (found.category, found.code) == (category, code)


@pytest.mark.parametrize("code", ["InternalServerException", "TooManyRequestsError"])
def test_a_refresh_that_failed_in_passing(asking, aws, home, code: str) -> None:
    aws_login(home, aws, ttl=-60)
    aws.fault("CreateOAuth2Token", code=code, status=500)
    assert failure(asking).category == "transient"


def test_a_refused_refresh_token_is_not_sent_again(asking, aws, home) -> None:
    aws_login(home, aws, ttl=-60)
    aws.sso_end()
    for _ in range(2):
        found = failure(asking)
        assert (found.category, found.code) == ("login", "LoginRefreshRequired")
    assert len(aws.calls("CreateOAuth2Token")) == 1
    aws_login(home, aws, ttl=-60)
    asking.token(ecr("con"))


def test_a_child_that_is_told_to_end_finishes_its_refresh(asking, aws, home) -> None:
    aws_login(home, aws, ttl=-60)
    before = login_file(home).read_bytes()
    aws.fault("CreateOAuth2Token", delay_after=0.7, times=1)
    asking.begin(ecr("con"))
    wait_until(lambda: aws.calls("CreateOAuth2Token"))
    os.kill(next(children()), signal.SIGTERM)
    assert asking.answer().failure.code == "child.died"
    assert login_file(home).read_bytes() != before
    asking.token(ecr("con"))
