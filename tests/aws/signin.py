"""A login by `aws login`, as it lies on disk."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ecr_refreshd.aws import running
from tests.world.aws import FakeAws
from tests.world.rendering import iso

ACCOUNT = "123456789012"
ARN = f"arn:aws:iam::{ACCOUNT}:user/me"
KEY = "ASIA0000000000000009"


WITHOUT_RUNTIME = (
    "import sys; sys.modules['awscrt'] = None\nimport ecr_refreshd.aws.child as child; child.main()"
)


def hide_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let children find no awscrt, whether it is installed or not."""
    monkeypatch.setattr(
        running, "command", lambda descriptor: [sys.executable, "-I", "-c", WITHOUT_RUNTIME, str(descriptor)]
    )


def login_file(home: Path) -> Path:
    return home / ".aws/login/cache" / f"{hashlib.sha256(ARN.encode()).hexdigest()}.json"


def aws_login(home: Path, aws: FakeAws, ttl: float) -> None:
    """Sign in as ``aws login`` does; `ttl` is the life of the keys in seconds, refreshed below five minutes."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    issued = aws.sso_login(ARN, ttl)
    keys = {"accessKeyId": KEY, "secretAccessKey": "s", "sessionToken": "t"}
    aws.account(KEY, ACCOUNT, secret="s", session_token="t")
    claims = base64.urlsafe_b64encode(json.dumps({"iat": time.time()}).encode()).decode().rstrip("=")
    document = {
        "accessToken": keys | {"accountId": ACCOUNT, "expiresAt": iso(time.time() + ttl)},
        "tokenType": "aws_sigv4",
        "clientId": "arn:aws:signin:::devtools/same-device",
        "refreshToken": issued["refreshToken"],
        "idToken": f"eyJhbGciOiJFUzM4NCJ9.{claims}.c2lnbmF0dXJl",
        "dpopKey": pem,
    }
    path = login_file(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
