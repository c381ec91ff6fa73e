"""Registry hosts: which names are Amazon ECR's, and what each name says about the call that serves it.

The set of shapes is AWS's own (amazon-ecr-credential-helper and ecr-credential-provider agree on it); the
partition of a name is told by its suffix, and a region must belong to that partition.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PUBLIC_HOSTS = ("public.ecr.aws", "ecr-public.aws.com")
PUBLIC_REGION = "us-east-1"
"""ECR Public's authorization API exists in this region only, whatever botocore would build."""

# suffix -> (partitions that use it, dual-stack)
_SUFFIXES: dict[str, tuple[tuple[str, ...], bool]] = {
    "amazonaws.com": (("aws", "aws-us-gov"), False),
    "on.aws": (("aws", "aws-us-gov"), True),
    "amazonaws.com.cn": (("aws-cn",), False),
    "on.amazonwebservices.com.cn": (("aws-cn",), True),
    "amazonaws.eu": (("aws-eusc",), False),
    "on.amazonwebservices.eu": (("aws-eusc",), True),
    "c2s.ic.gov": (("aws-iso",), False),
    "sc2s.sgov.gov": (("aws-iso-b",), False),
    "cloud.adc-e.uk": (("aws-iso-e",), False),
    "csp.hci.ic.gov": (("aws-iso-f",), False),
}

_PRIVATE = re.compile(
    r"(?P<account>[0-9]{12})\.dkr(?P<sep>[.-])ecr(?P<fips>-fips)?\."
    r"(?P<region>[a-z0-9][a-z0-9-]*)\.(?P<suffix>" + "|".join(re.escape(s) for s in _SUFFIXES) + r")"
)

# ECR's FIPS endpoints; botocore would build a name for any region, and the name would not resolve.
_FIPS_REGIONS = frozenset({"us-east-1", "us-east-2", "us-west-1", "us-west-2"})


@dataclass(frozen=True, slots=True)
class RegistryHost:
    """One ECR host, understood.

    Attributes:
        name: the canonical key in a docker config: bare, lower case, no port.
        service: ``ecr`` or ``ecr-public`` (the AWS service that mints its token).
        account: twelve digits; None for the public registry.
        region: the region whose endpoint mints its token.
        partitions: the botocore partitions that the name may belong to.
        fips, dualstack: the endpoint variant the name asks for, where it exists.
    """

    name: str
    service: str
    account: str | None
    region: str
    partitions: tuple[str, ...]
    fips: bool = False
    dualstack: bool = False


def bare(key: str) -> str:
    """Return the canonical host of a key as people and clients write it.

    Drops a scheme, a path, a ``:443`` and the case: ``https://HOST:443/v2/`` and ``host/repo`` are ``host``.
    Another port stays: it names another registry.
    """
    text = key.strip()
    for scheme in ("https://", "http://"):
        if text.lower().startswith(scheme):
            text = text[len(scheme) :]
            break
    host = text.split("/", 1)[0].split("?", 1)[0].lower()
    return host.removesuffix(":443")


def parse(key: str) -> RegistryHost | None:
    """Return what a key names if it is an ECR host in any of the forms `bare` accepts, else None."""
    name = bare(key)
    if name in PUBLIC_HOSTS:
        return RegistryHost(name, "ecr-public", None, PUBLIC_REGION, ("aws",))  # one token serves both names
    found = _PRIVATE.fullmatch(name)
    if found is None:
        return None
    partitions, dualstack = _SUFFIXES[found["suffix"]]
    if (found["sep"] == "-") is not dualstack:
        return None  # dkr.ecr goes with the classic suffixes, dkr-ecr with the dual-stack ones
    region = found["region"]
    fips = bool(found["fips"]) and (region in _FIPS_REGIONS or region.startswith("us-gov-"))
    return RegistryHost(name, "ecr", found["account"], region, partitions, fips, dualstack)


def private_name(account: str, region: str, partition: str) -> str:
    """Return the classic (IPv4) host of an account's registry in a region of a partition."""
    for suffix, (partitions, dualstack) in _SUFFIXES.items():
        if partition in partitions and not dualstack:
            return f"{account}.dkr.ecr.{region}.{suffix}"
    raise KeyError(partition)
