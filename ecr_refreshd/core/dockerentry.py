"""One entry of a docker config: which host its key stands for, and what its fields are to docker and podman."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import lru_cache

from ecr_refreshd.core import hosts as registry_hosts
from ecr_refreshd.core.model import EntryKind

# Clients prefer these to `auth` (BuildKit, docker-py) or read them beside it; ECR is basic auth and no more.
PREFERRED = frozenset({"identitytoken", "registrytoken", "username", "password"})
TEXT_FIELDS = PREFERRED | {"auth", "email", "serveraddress"}

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_ENDS_AUTHORITY = re.compile(r"[/?#]")

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

    Docker wants a colon with something before it (cli/config/configfile decodeAuth).
    """
    try:
        user, colon, password = plain(auth).partition(":")
    except ValueError:
        return "", ""
    return (user, password.strip("\0")) if colon and user else ("", "")


def plain(auth: str) -> str:
    """Decode as Go's base64 does: it passes over line ends, and wants the standard, padded alphabet else.

    Raises:
        ValueError: it is no base64.
    """
    return base64.b64decode(auth.replace("\r", "").replace("\n", ""), validate=True).decode(
        "utf-8", "replace"
    )


def legacy(key: str) -> str:
    """Return the host that docker takes a key for when the exact one is missing (ConvertToHostname).

    Since 27 it takes any URL apart; before, it knew two schemes, and nothing of users and queries.
    """
    scheme, colon, rest = key.partition("://")
    if not colon or not _SCHEME.fullmatch(scheme):
        return key.partition("/")[0]
    authority = _ENDS_AUTHORITY.split(rest, maxsplit=1)[0].rpartition("@")[2]
    return authority.removesuffix(":")


def is_namespace(key: str) -> bool:
    """Tell podman's ``host/namespace`` from a host with a path that means nothing (``host/``, ``host/v1/``)."""
    if key.lower().startswith(("https://", "http://")):
        return False
    return key.partition("/")[2].strip("/") not in ("", "v1", "v2")
