"""What a name of AWS's world may be in the settings file: hosts, regions, accounts, profiles, roles.

The rules of `core.settings_kinds` hold: WrongValueError with a message for people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ecr_refreshd.core.durations import WrongValueError, shown
from ecr_refreshd.core.hosts import RegistryHost, bare
from ecr_refreshd.core.hosts import parse as parse_host
from ecr_refreshd.core.settings_kinds import nearest, text

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST_LIKE = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]{{1,5}})?")
_PATTERN = re.compile(r"[a-z0-9.*?:-]+")
_ROLE = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}", re.ASCII)
# Whoever writes here loses the login of a registry that is not AWS's: these are never another name of one.
_OTHERS_REGISTRIES = frozenset(
    (
        "docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "ghcr.io",
        "quay.io",
        "gcr.io",
        "registry.gitlab.com",
    )
)


def pattern(raw: object) -> str:
    """A host, or a pattern that must match the whole of one."""
    word = bare(text(raw))
    if not _PATTERN.fullmatch(word):
        raise WrongValueError(
            f'{shown(text(raw))} is not a host or a pattern; in a pattern "*" stands for any text and "?" for'
            " one character, and it must match the whole host"
        )
    if not set(word) & {"*", "?"} and parse_host(word) is None:
        raise WrongValueError(
            f'{shown(word)} can match no ECR host: a pattern must match the whole host (write "{word}*")'
        )
    return word


def account(raw: object) -> str:
    """An AWS account number."""
    if type(raw) is int:
        raise WrongValueError(f'must be text in quotes, for its leading zeros: write "{raw:012d}"')
    word = text(raw)
    if not re.fullmatch(r"[0-9]{12}", word):
        raise WrongValueError(f"{shown(word)} is not an account number: it has 12 digits")
    return word


def region(regions: Mapping[str, str]) -> Callable[[object], str]:
    """Return the kind of regions that botocore's partitions know (region -> partition)."""

    def known(raw: object) -> str:
        word = text(raw)
        if word not in regions:
            near = nearest(word, regions)
            meant = f' (nearest: "{near}")' if near else ""
            raise WrongValueError(f"{shown(word)} is not an AWS region{meant}")
        return word

    return known


def ecr_host(regions: Mapping[str, str]) -> Callable[[object], RegistryHost]:
    """Return the kind of ECR hosts, in any form, whose region exists in the partition of their suffix."""
    known = region(regions)

    def parsed(raw: object) -> RegistryHost:
        found = parse_host(text(raw))
        if found is None:
            raise WrongValueError(
                f"{shown(text(raw))} is not an ECR host; it looks like"
                ' "724013829182.dkr.ecr.us-west-2.amazonaws.com" or "public.ecr.aws"'
            )
        partition = regions[known(found.region)]
        if partition not in found.partitions:
            raise WrongValueError(
                f"{found.region} is a region of the partition {partition}, whose hosts have another suffix"
                f" than {shown(found.name)}"
            )
        return found

    return parsed


def alias(raw: object) -> str:
    """Another name of a registry: a host, with its port if it has one."""
    word = text(raw)
    name = bare(word)
    if "/" in word.split("://", 1)[-1].rstrip("/") or len(name) > 255 or not _HOST_LIKE.fullmatch(name):
        raise WrongValueError(f"{shown(word)} is not a host name")
    if name in _OTHERS_REGISTRIES:
        raise WrongValueError(f"{shown(name)} is another provider's registry: its login would be overwritten")
    return name


def is_aws_name(host: str) -> bool:
    """Return whether a host is AWS's own: an ECR host, or a VPC endpoint of one."""
    return parse_host(host) is not None or host.endswith((".vpce.amazonaws.com", ".vpce.amazonaws.com.cn"))


def profile(raw: object) -> str:
    """A profile's name; "" is the ambient chain."""
    word = text(raw)
    if "]" in word or word != word.strip():
        raise WrongValueError(f"{shown(word)} cannot be a profile's name")
    return word


def role_arn(raw: object) -> str:
    """The ARN of a role."""
    word = text(raw)
    if not _ROLE.fullmatch(word):
        raise WrongValueError(
            f'{shown(word)} is not a role; it looks like "arn:aws:iam::724013829182:role/NAME"'
        )
    return word


def arn_partition(arn: str) -> str:
    """Return the partition of a role's ARN."""
    return arn.split(":", 2)[1]


def external_id(raw: object) -> str:
    """An external ID, in STS's own terms. Never quoted: some organisations treat it as a secret."""
    word = text(raw)
    if not re.fullmatch(r"[\w+=,.@:/-]{2,1224}", word, re.ASCII):
        raise WrongValueError("is not an external ID: 2 to 1224 letters, digits or any of _+=,.@:/-")
    return word


def sso_session(name: str) -> None:
    """Raise WrongValueError unless a name can be an sso-session's."""
    profile(name or "]")


def signs_in(name: str) -> None:
    """Raise WrongValueError unless a name can be a profile's, an sso-session's or a program's."""
    profile(name or "]")


def session_name(raw: object) -> str:
    """A role session's name, in STS's own terms."""
    word = text(raw)
    if not re.fullmatch(r"[\w+=,.@-]{2,64}", word, re.ASCII):
        raise WrongValueError(
            f"{shown(word)} is not a session name: 2 to 64 letters, digits or any of _+=,.@-"
        )
    return word
