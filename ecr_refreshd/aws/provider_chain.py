"""Which of botocore's credential providers a principal does without: so that the one that was chosen is asked."""

from __future__ import annotations

import os
from typing import Any

from ecr_refreshd.aws.ambient import gives_machine_role, has_web_identity
from ecr_refreshd.aws.candidates import named_profile
from ecr_refreshd.aws.partitions import regions
from ecr_refreshd.aws.profile import Profile

_OF_THE_MACHINE = ("container-role", "iam-role")
_FROM_FILES = (
    "assume-role", "sso", "shared-credentials-file", "login", "custom-process", "config-file", "boto-config",
    "ec2-credentials-file",
)  # fmt: skip
_WEB_IDENTITY = "assume-role-with-web-identity"
"""From the environment and from a profile alike."""


def scope_of(core: Any) -> str | None:
    """Return the profile whose region and endpoints the ambient chain uses; None: `default`, if it is there."""
    name, _ = named_profile(os.environ)
    return name if name in core.full_config["profiles"] else None


def is_of_partition(configured: str | None, region: str) -> bool:
    """Return whether a session may keep its region, where it assumes roles with keys of the registry's partition.

    A variable such as AWS_DEFAULT_REGION goes before the profile's region, and may be meant for other profiles.
    """
    return configured is not None and regions().get(configured, "") in {"", regions().get(region)}


def unwanted(core: Any, *, ambient: bool) -> tuple[str, ...]:
    """Return the providers that a principal does without.

    A named profile that has no credentials goes on to the container and the instance, as in botocore. A
    workstation is not asked for a metadata service. ``credential_source`` keeps providers of its own.
    """
    if ambient:
        return _FROM_FILES if has_web_identity(os.environ) else (*_FROM_FILES, _WEB_IDENTITY)
    scoped = core.get_scoped_config()
    if not Profile("", scoped).has_credentials and gives_machine_role(os.environ, scope=scoped):
        return ()
    return _OF_THE_MACHINE
