"""Remedies for AWS credentials: sign-in, profiles, permissions, clock, proxies and certificates."""

from __future__ import annotations

from ecr_refreshd.core.remedies import Remedy


def unreachable_endpoint() -> Remedy:
    """Return what helps where one endpoint of AWS cannot be reached for hours while others can."""
    return Remedy("Other endpoints of AWS answer. Check the region, endpoint_url and the DNS of this one.")
