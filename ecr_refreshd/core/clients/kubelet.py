"""The kubelet (pkg/credentialprovider): the first file that it can parse, entries only, every match in turn.

It knows no helpers and no stores; a file is read again after five minutes. It runs as root, often without HOME.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fnmatch import translate

from ecr_refreshd.core.clients import shapes
from ecr_refreshd.core.clients.goconfig import Fields, GoConfig, go_config, go_map
from ecr_refreshd.core.clients.world import (
    Credential,
    Finding,
    Outcome,
    Search,
    Source,
    Unreadable,
    World,
    credential,
)
from ecr_refreshd.core.dockerentry import plain

_FILES = (
    "/var/lib/kubelet/config.json",
    "/config.json",
    "/root/.docker/config.json",
    "/.docker/config.json",
    "/var/lib/kubelet/.dockercfg",
    "/.dockercfg",
    "/root/.dockercfg",
)
_OF_ROOT = "/root/"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_ELSEWHERE = (
    "A pod's imagePullSecrets, and an image credential provider (ecr-credential-provider) in the kubelet's "
    "settings, are tried as well; they are not looked at here."
)


def decide(world: World, host: str) -> Finding:
    """Return what the kubelet of this machine gives the container runtime for a pod without pull secrets."""
    search = Search(notes=[_ELSEWHERE])
    for path in _FILES:
        data = world.read(path)
        if data is None:
            continue
        if isinstance(data, Unreadable) and world.uid != 0:
            return search.is_closed(path, data.reason, host)
        if isinstance(data, Unreadable):
            search.saw(path, f"cannot be read ({data.reason}), so the next file is tried")
            continue
        legacy = path.endswith(".dockercfg")
        config = go_map(data, shapes.KUBELET) if legacy else go_config(data, whole=True, shape=shapes.KUBELET)
        if config.syntax or config.mistyped or not all(map(_decodes, config.entries.values())):
            search.saw(path, "cannot be parsed as a whole, so the next file is tried")
            continue
        return _in_file(config, path, host, search)
    search.saw(" ".join(_FILES), "none of them is there")
    return search.ends(Source(_FILES[0]))


def _in_file(config: GoConfig, path: str, host: str, search: Search) -> Finding:
    found: list[tuple[datetime, str, Credential]] = []
    for key in (key for key in config.entries if _stands_for(key, host)):
        one = credential(*_login(config.entries[key]))
        if one is not None:
            found.append((one.expires_hint or _LONG_AGO, key, one))
    if path.startswith(_OF_ROOT):
        search.note(f"A kubelet without HOME, as under systemd, does not look into {path}.")
    if not found:
        search.saw(path, f"is the file that counts, and holds no login for {host}")
        return search.ends(Source(path))
    _, key, best = max(found, key=lambda each: each[:2])
    search.saw(f"{path}: auths.{key}", "holds a credential")
    if len(found) > 1:
        search.note("Each of several entries is tried in turn; the one that lives longest is shown.")
    return search.ends(Source(path, f"auths.{key}"), Outcome(best))


def _login(fields: Fields) -> tuple[str, str]:
    """Return user and password, as decodeDockerConfigFieldAuth has them: ``auth`` counts, padded or not.

    Raises:
        ValueError: it is no base64 of ``user:password``.
    """
    auth = fields.get("auth", "")
    if not auth:
        return fields.get("username", ""), fields.get("password", "")
    bare = auth.replace("\r", "").replace("\n", "")
    padded = bare if auth.strip().endswith("=") else bare + "=" * (-len(bare) % 4)
    user, colon, password = plain(padded).partition(":")
    if not colon:
        raise ValueError
    return user, password


def _decodes(fields: Fields) -> bool:
    try:
        _login(fields)
    except ValueError:
        return False
    return True


def _stands_for(key: str, host: str) -> bool:
    """Tell whether a key is for all repositories of a host; parts of its name may be patterns (URLsMatch)."""
    bare = key.removeprefix("https://").removeprefix("http://")
    named, _, path = bare.partition("/")
    if re.match(r"v[12]/", path):
        path = path[2:].removeprefix("/")
    if path.strip("/"):
        return False
    parts, asked = named.split("."), host.split(".")
    return len(parts) == len(asked) and all(
        re.fullmatch(translate(part), each) for part, each in zip(parts, asked, strict=True)
    )
