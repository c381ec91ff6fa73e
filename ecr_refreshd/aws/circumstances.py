"""Find out, after a failure, what explains it: mistakes in the AWS files, and whose certificates are trusted.

It runs in the child, once something has failed, so that a principal that works costs nothing.
"""

from __future__ import annotations

import os
from typing import Any

from ecr_refreshd.aws import mistakes, trust
from ecr_refreshd.aws.ambient import gives_machine_role
from ecr_refreshd.aws.profiles import Profiles


def look(error: BaseException, profile: str) -> dict[str, Any]:
    """Return what is to be known of a failure, as attributes of an `Asker`; nothing where that fails too.

    Args:
        error: what was raised.
        profile: who asked; "" for the ambient credentials.
    """
    try:
        return _look(error, profile)
    except Exception:  # noqa: BLE001 - the failure itself must be told, whatever its circumstances
        return {}


def _look(error: BaseException, profile: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    profiles = Profiles.load(os.environ)
    if type(error).__name__ == "ProfileNotFound":
        found["profiles"] = tuple(profiles.profiles)
    if type(error).__name__ == "NoCredentialsError":
        found["has_machine_role"] = gives_machine_role(os.environ)
    if profile:
        found["mistake"] = mistakes.on_the_way(profiles, profile)
    if type(error).__name__ == "SSLError":
        details = getattr(error, "kwargs", {})
        keys = profiles.profiles[profile].keys if profile in profiles.profiles else {}
        if bundle := trust.bundle_of(keys, os.environ):
            found["bundle_fault"] = trust.fault_of(bundle)
        if "CERTIFICATE_VERIFY_FAILED" in str(details.get("error", "")):
            found["trust"] = trust.of_child(str(details.get("endpoint_url", "")), keys, os.environ)
    return found
