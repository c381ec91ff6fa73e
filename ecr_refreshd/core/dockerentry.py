"""One entry of a docker config: which host its key stands for, and what its fields are to docker and podman."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from functools import lru_cache

from ecr_refreshd.core import hosts as registry_hosts
from ecr_refreshd.core.model import EntryKind

# Clients prefer these to `auth` (BuildKit, docker-py) or read them beside it; ECR is basic auth and no more.
PREFERRED = frozenset({"identitytoken", "registrytoken", "username", "password"})
TEXT_FIELDS = PREFERRED | {"auth", "email", "serveraddress"}

# Remembered, since the same keys are met at every look: a thousand of them cost 4 ms otherwise.
bare = lru_cache(4096)(registry_hosts.bare)


@lru_cache(4096)
def ecr_name(key: str) -> str:
    """Return the canonical name if a key is an ECR host in any form; else ""."""
    host = registry_hosts.parse(key)
    return host.name if host else ""


def kind_of(auth: str, fields: Mapping[str, str]) -> EntryKind:
    """Return what an entry is, given its ``auth`` text and its fields by folded name."""
    if fields.get("identitytoken") or fields.get("registrytoken"):
        return EntryKind.IDENTITY
    if not auth:
        return EntryKind.EMPTY
    user, password = decoded(auth)
    if not user:
        return EntryKind.UNDECODABLE
    if user != "AWS":
        return EntryKind.OTHER_USER
    return EntryKind.TOKEN if password else EntryKind.UNDECODABLE


def decoded(auth: str) -> tuple[str, str]:
    """Return user and password as docker decodes them, or two empty texts.

    Go's base64 passes over line ends and takes nothing else that is not of the standard, padded alphabet;
    docker then wants a colon with something before it (cli/config/configfile decodeAuth).
    """
    try:
        plain = base64.b64decode(auth.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        return "", ""
    user, colon, password = plain.decode("utf-8", "replace").partition(":")
    return (user, password.strip("\0")) if colon and user else ("", "")


def legacy(key: str) -> str:
    """Return the host that docker takes a key for when the exact one is missing (ConvertToHostname)."""
    for scheme in ("https://", "http://"):
        key = key.removeprefix(scheme)
    return key.partition("/")[0]


def is_namespace(key: str) -> bool:
    """Tell podman's ``host/namespace`` from a host with a path that means nothing (``host/``, ``host/v1/``)."""
    if key.lower().startswith(("https://", "http://")):
        return False
    return key.partition("/")[2].strip("/") not in ("", "v1", "v2")
