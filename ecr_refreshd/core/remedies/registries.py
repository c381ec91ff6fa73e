"""Remedies for one registry: commands of this program that concern it and nothing else."""

from __future__ import annotations

import shlex

from ecr_refreshd.core.remedies import Remedy


def refresh(host: str, words: str = "") -> Remedy:
    """Return how a registry gets a new token now, over whatever stands in its files."""
    return Remedy(words, f"ecr-refreshd refresh {shlex.quote(host)}")


def pause(host: str, words: str = "") -> Remedy:
    """Return how a registry's entries are left to another program."""
    return Remedy(words, f"ecr-refreshd pause {shlex.quote(host)}")


def explain(host: str, words: str = "") -> Remedy:
    """Return how one sees which file, key and program decide for a registry."""
    return Remedy(words, f"ecr-refreshd explain {shlex.quote(host)}")


def let_in(host: str, profile: str) -> Remedy:
    """Return what helps where a registry refuses tokens that AWS has just issued; established is that it does."""
    who = f"profile {profile}" if profile else "these credentials"
    return refresh(
        host, f"Check that the registry's policy lets {who} in, and that this clock is right. Then:"
    )
