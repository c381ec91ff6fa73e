"""The kubelet (pkg/credentialprovider): the first file that it can parse, entries only, every match in turn.

It knows no helpers and no stores; a file is read again after five minutes. It runs as root, often without HOME. A
key may be a pattern, part by part between dots, and an auth may lack its padding.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase

from ecr_refreshd.core.clients.goconfig import Fields, GoConfig, go_config, go_map, sent
from ecr_refreshd.core.clients.world import (
    ANONYMOUS,
    Credential,
    Finding,
    Outcome,
    Search,
    Source,
    Unreadable,
    World,
)

_FILES = (
    "/var/lib/kubelet/config.json",
    "/config.json",
    "/root/.docker/config.json",
    "/.docker/config.json",
    "/var/lib/kubelet/.dockercfg",
    "/.dockercfg",
    "/root/.dockercfg",
)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def decide(world: World, host: str) -> Finding:
    """Return what the kubelet of this machine gives the container runtime for a pod without pull secrets."""
    search = Search()
    search.note(
        "A pod's imagePullSecrets, and an image credential provider (ecr-credential-provider) in the kubelet's "
        "settings, are tried as well; they are not looked at here."
    )
    for path in _FILES:
        data = world.read(path)
        if data is None:
            continue
        if isinstance(data, Unreadable):
            search.saw(path, f"cannot be looked at from here: {data.reason}")
            search.note(f"To know: sudo ecr-refreshd explain {host}")
            return search.ends(Source(path))
        config = go_map(data) if path.endswith(".dockercfg") else go_config(data, whole=True)
        for fields in config.entries.values():
            _pad(fields)
        # What it does not know, as credsStore, may be of whatever type.
        mistyped = config.mistyped.startswith("auths") or " of auths[" in config.mistyped or config.spoilt
        if config.syntax or mistyped or config.undecodable:
            search.saw(path, "cannot be parsed as a whole, so the next file is tried")
            continue
        return _in_file(config, path, host, search)
    search.saw(" ".join(_FILES), "none of them is there")
    return search.ends(Source(_FILES[0]), ANONYMOUS)


def _in_file(config: GoConfig, path: str, host: str, search: Search) -> Finding:
    keys = [key for key in config.entries if _matches(_stands_for(key), host)]
    found: list[tuple[datetime, str, Credential]] = []
    for key in keys:
        one = sent({name: text for name, text in config.entries[key].items() if not name.endswith("token")})
        if one is not None:
            found.append((one.expires_hint or _LONG_AGO, key, one))
    if config.store or config.helpers:
        search.saw(path, "its credsStore and credHelpers mean nothing to the kubelet")
    if not found:
        search.saw(path, f"is the file that counts, and holds no login for {host}")
        return search.ends(Source(path), ANONYMOUS)
    _, key, best = max(found, key=lambda each: each[:2])
    search.saw(f"{path}: auths.{key}", "holds a credential")
    if len(found) > 1:
        search.note("Each of several entries is tried in turn; the one that lives longest is shown.")
    return search.ends(Source(path, f"auths.{key}"), Outcome(best))


def _stands_for(key: str) -> str:
    """Return the host whose every repository a key stands for, "" if it is only for some."""
    bare = key.split("://", 1)[-1]
    host, _, path = bare.partition("/")
    return host if path.strip("/") in ("", "v1", "v2") else ""


def _matches(pattern: str, host: str) -> bool:
    """Tell whether a host is meant (URLsMatch): a star is for some letters between two dots."""
    parts, names = pattern.split("."), host.split(".")
    return len(parts) == len(names) and all(map(fnmatchcase, names, parts))


def _pad(fields: Fields) -> None:
    auth = fields.get("auth", "").strip()
    if auth and not auth.endswith("="):
        fields["auth"] = auth + "=" * (-len(auth) % 4)
