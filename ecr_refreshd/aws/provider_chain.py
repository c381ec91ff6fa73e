"""Botocore's chain of credential providers, cut down to what was chosen: a profile, or the ambient chain.

Nobody is ever prompted, and a workstation never asks a metadata service.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from botocore.utils import JSONFileCache

from ecr_refreshd.aws.ambient import gives_machine_role, has_web_identity
from ecr_refreshd.aws.candidates import named_profile
from ecr_refreshd.aws.profile import Profile

_OF_THE_MACHINE = ("container-role", "iam-role")
_FROM_FILES = (
    "assume-role", "sso", "shared-credentials-file", "login", "custom-process", "config-file", "boto-config",
    "ec2-credentials-file",
)  # fmt: skip
_CACHED = frozenset({"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"})


class MfaRequiredError(Exception):
    """An MFA code is needed, and nobody is there to type one."""


class _TerminalCache(MutableMapping[str, Any]):
    """The AWS CLI's cache of assumed roles: read, never written.

    It holds what a person got in a terminal, MFA code and all: the one way to serve such a profile (aws.md 1.2).
    """

    def __init__(self) -> None:
        self._files = JSONFileCache(str(Path("~/.aws/cli/cache").expanduser()))
        self._own: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        return self._own[key] if key in self._own else self._files[key]

    def __contains__(self, key: object) -> bool:
        try:
            return _CACHED.issubset(self[str(key)]["Credentials"])
        except (KeyError, TypeError):
            return False  # none, or just being rewritten by the CLI

    def __setitem__(self, key: str, value: Any) -> None:
        self._own[key] = value

    def __delitem__(self, key: str) -> None:
        del self._own[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)


def _refuse_prompt(_prompt: str) -> str:
    raise MfaRequiredError


def scope_of(core: Any) -> str | None:
    """Return the profile whose region and endpoints the ambient chain uses; None: `default`, if it is there."""
    name, _ = named_profile(os.environ)
    return name if name in core.full_config["profiles"] else None


def restrict(core: Any, *, ambient: bool) -> None:
    """Leave in the chain of providers only what was asked for, and nothing that asks a person."""
    chain = core.get_component("credential_provider")
    for name in _FROM_FILES if ambient else _unwanted(core.get_scoped_config()):
        chain.remove(name)  # credential_source = Ec2InstanceMetadata keeps a provider of its own
    if ambient and not has_web_identity(os.environ):
        chain.remove("assume-role-with-web-identity")  # it would take the profile's
    if not ambient:
        roles = chain.get_provider("assume-role")
        roles.cache = _TerminalCache()
        roles._prompter = _refuse_prompt  # noqa: SLF001 - its default, getpass, looks for the user's terminal


def _unwanted(scoped: Mapping[str, str]) -> tuple[str, ...]:
    """Return the providers that a named profile does without.

    One that has no credentials goes on to the container and the instance, as in botocore. A workstation is not
    asked for a metadata service.
    """
    bare = not Profile("", scoped).has_credentials
    return () if bare and gives_machine_role(os.environ, scope=scoped) else _OF_THE_MACHINE
