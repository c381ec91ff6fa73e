"""Why a profile was chosen for a registry, and which others fit, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REASONS = {"config": "as configured", "account": "fits the account"}
OTHER_ACCOUNT = "of another account"


def is_of_other_account(row: Mapping[str, Any]) -> bool:
    """Return whether a row's principal is of another account than its registry, as far as is known."""
    return bool((row.get("principal") or {}).get("other_account"))


def reason_text(row: Mapping[str, Any]) -> str:
    """Return why a row's principal was chosen; "" where its name says it."""
    principal = row.get("principal") or {}
    profile, chosen_by = principal.get("profile", ""), principal.get("chosen_by", "")
    reason = _REASONS.get(chosen_by, "")
    if chosen_by == "environment":
        reason = f"from {principal.get('variable') or 'AWS_PROFILE'}"
    if chosen_by == "default":
        alone = "any account will do" if row.get("account") is None else "the only profile"
        reason = "the default" if profile == "default" else alone
    other = OTHER_ACCOUNT if principal.get("other_account") else ""
    return ", ".join(text for text in (reason, other) if text)


def fitting_text(row: Mapping[str, Any]) -> str:
    """Return which profiles fit, where there are several: "2 profiles fit: dev (used), admin"."""
    principal = row.get("principal") or {}
    others = principal.get("also_fits") or []
    if not others:
        return ""
    profile = principal.get("profile", "")
    if profile and not principal.get("other_account"):
        return f"{len(others) + 1} profiles fit: {profile} (used), {', '.join(others)}"
    return (
        f"{'1 profile fits' if len(others) == 1 else f'{len(others)} profiles fit'} too: {', '.join(others)}"
    )
