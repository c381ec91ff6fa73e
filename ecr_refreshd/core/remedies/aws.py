"""Remedies for AWS credentials: sign-in, profiles, permissions, clock, proxies and certificates."""

from __future__ import annotations

import json
from datetime import timedelta

from ecr_refreshd.core.durations import duration_text
from ecr_refreshd.core.model import Standing
from ecr_refreshd.core.remedies import Remedy

REFRESH = "ecr-refreshd refresh"
ROLE_LASTS = 3600
"""Seconds of a role session, where the profile has no duration_seconds (AWS's own default)."""


def enter_code(command: str, seconds: int = ROLE_LASTS) -> Remedy:
    """Return how a person gives an MFA code, and how long what it gets is good.

    Args:
        command: of the AWS CLI, which caches the role session where the service reads it.
        seconds: the length of that session.
    """
    lasts = duration_text(timedelta(seconds=seconds))
    words = f"This asks for the code; its session lasts {lasts}, a registry token got with it up to 12h:"
    return Remedy(words, command)


def sign_in(standing: Standing) -> Remedy:
    """Return how a person signs in again for a principal whose login has ended.

    A file of the AWS CLI tells the service of a new login. A `credential_process` keeps its login elsewhere, so
    the service has to be asked to look again.

    Args:
        standing: what the AWS files and `[login] command` say of the principal.
    """
    command = standing.login_command
    if standing.code_lasts and not standing.is_configured:
        return enter_code(command, standing.code_lasts)
    if standing.process:
        how = f"`{command}`" if command else standing.program
        return Remedy(f"Sign in with {how}, then:", REFRESH)
    if command:
        return Remedy("", command)
    return Remedy("Sign in again with the tool that gives you these credentials.")


def name_profile(host: str, profile: str) -> Remedy:
    """Return how to say which profile serves a registry for which none fits.

    Established: no profile's account is the registry's. The lines change our own settings, and nothing else.

    Args:
        host: the registry.
        profile: the likeliest profile; "" where none has credentials of that partition.
    """
    if not profile:
        return Remedy("Make a profile for that account: aws configure sso")
    lines = f'[[registry]] with host = "{host}" and profile = {json.dumps(profile, ensure_ascii=False)}'
    return Remedy(
        f"Registries can be opened to other accounts; to use that profile, write in config.toml: {lines}"
    )


def unreachable_endpoint() -> Remedy:
    """Return what helps where one endpoint of AWS cannot be reached for hours while others can."""
    return Remedy("Other endpoints of AWS answer. Check the region, endpoint_url and the DNS of this one.")
