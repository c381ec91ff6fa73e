"""Homes: writes the files of ~/.aws as the AWS CLI and people write them, and the environment that goes with one.

Each function adds to what stands there, so that a home may hold many profiles. Names of token files are the
CLI's: SHA-1 of the session's name, or of the start URL for a legacy profile.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shlex
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from tests.world.rendering import iso

START_URL = "https://corp.awsapps.com/start"
SSO_REGION = "us-east-1"
DAY = 86400.0


class SsoIssuer(Protocol):
    """A fake AWS, here or in another process."""

    def sso_login(self, *, session: str, ttl: float | None) -> Any:
        """Begin a portal session."""


class Registrar(Protocol):
    """A fake AWS, here or in another process."""

    def account(self, *, access_key: str, account: str, secret: str, session_token: str) -> Any:
        """Register an access key."""


def environment(url: str, home: Path | str, **more: str) -> dict[str, str]:
    """Return the whole environment of a child whose HOME is `home` and whose AWS is at `url`.

    Nothing of the caller's own environment goes along but PATH: its proxies, its CA bundles and its AWS
    variables would be another world's.
    """
    services_here = ("ECR", "ECR_PUBLIC", "STS", "SSO", "SSO_OIDC", "SIGNIN")
    return {
        "HOME": str(home),
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": url,
        **{f"AWS_ENDPOINT_URL_{name}": url for name in services_here},
        **more,
    }


def access_key() -> str:
    """Make up a long-lived access key id that no other test uses."""
    return "AKIA" + secrets.token_hex(8).upper()


def profile(home: Path, name: str, **keys: str) -> None:
    """Append a profile with these keys to ~/.aws/config."""
    section(home / ".aws/config", "default" if name == "default" else f"profile {name}", keys)


def section(path: Path, title: str, keys: dict[str, str]) -> None:
    """Append an ini section to a file, 0600, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"[{title}]", *(f"{key} = {value}" for key, value in keys.items()), ""]
    with open(path, "a", opener=_private) as file:
        file.write("\n".join(lines) + "\n")


def static_keys(
    home: Path,
    name: str,
    access_key: str,
    *,
    aws: Registrar | None = None,
    account: str = "",
    session_token: str = "",
    secret: str = "",
    region: str = "",
) -> None:
    """A profile with keys in ~/.aws/credentials; with `aws` and `account`, those keys are that account's."""
    secret = secret or hashlib.sha256(access_key.encode()).hexdigest()[:40]
    keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret}
    if session_token:
        keys["aws_session_token"] = session_token
    section(home / ".aws/credentials", name, keys)
    if region:
        profile(home, name, region=region)
    if aws is not None:
        aws.account(access_key=access_key, account=account, secret=secret, session_token=session_token)


def sso_profile(
    home: Path, name: str, account: str, *, session: str = "corp", role: str = "Developer", region: str = ""
) -> None:
    """A profile on an ``sso_session`` (written once), without a login."""
    config = home / ".aws/config"
    title = f"sso-session {session}"
    if not (config.exists() and f"[{title}]" in config.read_text()):
        section(
            config,
            title,
            {
                "sso_start_url": START_URL,
                "sso_region": SSO_REGION,
                "sso_registration_scopes": "sso:account:access",
            },
        )
    more = {"region": region} if region else {}
    profile(home, name, sso_session=session, sso_account_id=account, sso_role_name=role, **more)


def legacy_sso_profile(home: Path, name: str, account: str, *, role: str = "Developer") -> None:
    """A profile of the old form, with the start URL in it: botocore never refreshes its token."""
    profile(
        home, name, sso_start_url=START_URL, sso_region=SSO_REGION, sso_account_id=account, sso_role_name=role
    )


def role_chain(home: Path, name: str, role_arn: str, source: str, **more: str) -> None:
    """A profile that assumes a role from another profile."""
    profile(home, name, role_arn=role_arn, source_profile=source, **more)


def web_identity(home: Path, name: str, role_arn: str) -> Path:
    """A profile that trades a token file for a role; return the file."""
    token = home / "web-identity-token"
    token.write_text("header.payload.signature")
    profile(home, name, role_arn=role_arn, web_identity_token_file=str(token), role_session_name="pod")
    return token


def credential_process(home: Path, name: str, script: str) -> None:
    """A profile whose credentials a Python program prints; `script` is its text."""
    program = home / f"credential-process-{name}.py"
    program.write_text(script)
    profile(home, name, credential_process=shlex.join([sys.executable, str(program)]))


def printed_credentials(access_key: str, secret: str = "secret", **more: str) -> str:
    """The text of a credential_process program that answers with these keys."""
    document = {"Version": 1, "AccessKeyId": access_key, "SecretAccessKey": secret} | more
    return f"print({json.dumps(document)!r})\n"


def token_file(home: Path, name: str) -> Path:
    """Where the token of an ``sso_session`` (by name) or of a legacy profile (by start URL) lies."""
    return home / ".aws/sso/cache" / f"{hashlib.sha1(name.encode()).hexdigest()}.json"


def sso_login(
    home: Path,
    aws: SsoIssuer,
    session: str = "corp",
    *,
    ttl: float | None = None,
    registration: float = 90 * DAY,
    refreshable: bool = True,
) -> Path:
    """Log in as ``aws sso login`` does: a new portal session, its token written in place; return the file.

    Args:
        home: whose login.
        aws: the fake that issues the tokens.
        session: the sso_session's name, or the start URL of a legacy profile.
        ttl: life of the access token in seconds; default the fake's. Below 15 minutes botocore refreshes it.
        registration: life of the client registration in seconds.
        refreshable: whether the file holds what a refresh needs.
    """
    issued = aws.sso_login(session=session, ttl=ttl)
    document = {
        "startUrl": START_URL,
        "region": SSO_REGION,
        "accessToken": issued["accessToken"],
        "expiresAt": iso(issued["expires_at"]),
        "clientId": "fake-client",
        "clientSecret": "fake-client-secret",
        "registrationExpiresAt": iso(time.time() + registration),
    }
    if refreshable:
        document["refreshToken"] = issued["refreshToken"]
    path = token_file(home, session)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", opener=_private) as file:
        file.write(json.dumps(document))
    return path


def sso_logout(home: Path) -> None:
    """Log out as ``aws sso logout`` does: every file with an access token goes."""
    for path in (home / ".aws/sso/cache").glob("*.json"):
        if "accessToken" in json.loads(path.read_text()):
            path.unlink()


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)
