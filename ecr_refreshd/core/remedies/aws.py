"""Remedies for AWS credentials: sign-in, profiles, permissions, clock, proxies and certificates."""

from __future__ import annotations

import json

from ecr_refreshd.core.remedies import Remedy


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
