"""Status documents as a service would give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WEST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
FILE = "/home/dev/.docker/config.json"
PHASES = ("paused", "login-required", "blocked", "expired", "retrying", "renewing", "fresh")


def at(**apart: float) -> str:
    return (NOW + timedelta(**apart)).isoformat().replace("+00:00", "Z")


def registry(host: str = WEST, **more: Any) -> dict[str, Any]:
    return {
        "host": host,
        "phase": "fresh",
        "origin": "config",
        "grant": "dev/ecr/us-west-2",
        "expires_at": at(hours=11, minutes=12),
        "obtained_at": at(minutes=-48),
        "next_renewal_at": at(minutes=12),
        "fingerprint": "0123456789ab",
        "principal": {
            "profile": "dev",
            "role_arn": None,
            "sso_session": "corp",
            "chosen_by": "account",
            "login_backed": True,
        },
        "region": "us-west-2",
        "account": "724013829182",
        "heals": 0,
        "last_error": None,
        "sinks": [{"path": FILE, "kind": "auths", "state": "written", "detail": ""}],
    } | more


def complaint(message: str, command: str = "", code: str = "watch.failed") -> dict[str, Any]:
    return {"code": code, "message": message, "command": command}


def document(*registries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "pid": 4711,
        "version": "0.1.0",
        "started_at": at(hours=-2, minutes=-3),
        "overall": "ok",
        "registries": list(registries),
        "notices": [],
    } | more


LOGIN_ENDED = registry(
    phase="login-required",
    next_renewal_at=None,
    last_error={
        "code": "SSOTokenLoadError",
        "category": "login",
        "message": "The SSO login of session corp has ended.",
        "at": at(minutes=-12),
        "hint": "aws sso login --sso-session corp",
    },
    sinks=[
        {"path": FILE, "kind": "auths", "state": "written", "detail": "mode narrowed from 0644 to 0600"},
        {
            "path": "/run/user/1000/containers/auth.json",
            "kind": "auths",
            "state": "unparsable",
            "detail": "line 3",
        },
    ],
    heals=3,
)
NOTICE = {
    "key": "login:corp",
    "title": "Sign in to corp",
    "body": "The AWS login has ended; pulls go on for 11 h.",
    "command": "aws sso login --sso-session corp",
    "since": at(minutes=-12),
}
EVERYTHING = document(
    *(
        registry(f"{number:012d}.dkr.ecr.us-west-2.amazonaws.com", phase=phase)
        for number, phase in enumerate(PHASES)
    ),
    registry(
        "public.ecr.aws", phase="blocked", principal=None, expires_at=None, obtained_at=None, origin="adopted"
    ),
    LOGIN_ENDED,
    overall="login-required",
    notices=[NOTICE],
    degraded=[complaint("The file watcher died and was started again.")],
)
