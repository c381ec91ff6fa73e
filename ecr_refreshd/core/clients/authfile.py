"""One file of logins as podman, buildah and skopeo read it (containers/image pkg/docker/config).

Rules: ``credHelpers[host]`` is final for its file, ``credsStore`` is ignored, an entry without a login is as if
absent. A file that cannot be parsed ends the search.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecr_refreshd.core.clients import shapes
from ecr_refreshd.core.clients.goconfig import GoConfig, go_config, go_map
from ecr_refreshd.core.clients.world import (
    ANONYMOUS,
    Outcome,
    Search,
    Source,
    Unreadable,
    World,
    credential,
)
from ecr_refreshd.core.dockerentry import is_namespace, plain


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is.

    Attributes:
        legacy: it is a ``.dockercfg``: entries, and nothing around them.
        named_by: the variable that names it, "" if none does.
    """

    path: str
    legacy: bool = False
    named_by: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a place tells: what decides, and what may come of it; `ANONYMOUS` sends the search on."""

    source: Source
    outcomes: tuple[Outcome, ...] = (ANONYMOUS,)

    @property
    def says_nothing(self) -> bool:
        """Whether the search goes on."""
        return self.outcomes == (ANONYMOUS,)

    @property
    def fails(self) -> bool:
        """Whether nothing but an error can come of it."""
        return all(outcome.error for outcome in self.outcomes)


def told(world: World, place: Place, host: str, search: Search) -> Told:
    """Return what a file tells of a host."""
    data = world.read(place.path)
    if data is None:
        search.saw(place.path, "there is no such file")
        return Told(Source(place.path))
    config, trouble = _read(data, place)
    if trouble:
        search.saw(place.path, trouble)
        return Told(Source(place.path), (Outcome(error=f"reading JSON file {place.path}: {trouble}"),))
    closer = [key for key in config.entries if is_namespace(key) and key.startswith(f"{host}/")]
    if closer and not place.legacy:
        search.note(
            f"In {place.path} {', '.join(closer)} stand for repositories below them, and go before {host}."
        )
    if host in config.helpers:
        suffix = config.helpers[host]
        source = Source(place.path, f"credHelpers.{host}", f"docker-credential-{suffix}")
        answered = helped(world, suffix, source, host, search)
        if answered.says_nothing:
            search.saw(place.path, "has no more to tell: where it names a helper, its entries are not read")
        return answered
    if config.store:
        search.saw(place.path, f"its credsStore ({config.store}) is ignored by these programs")
    return _entered(config, place, host, search)


def helped(world: World, suffix: str, source: Source, host: str, search: Search) -> Told:
    """Return what a helper tells that `source` names."""
    answer = world.ask(suffix, host)
    if answer.error:
        search.saw(source.program, f"(named by {source.place}) fails: {answer.error}")
        return Told(source, (Outcome(error=f"error getting credentials: {answer.error}"),))
    if answer.credential is None:
        search.saw(source.program, f"(named by {source.place}) has no credential")
        return Told(source)
    search.saw(source.program, f"(named by {source.place}) answers with a credential")
    return Told(source, (Outcome(answer.credential),))


def _read(data: bytes | Unreadable, place: Place) -> tuple[GoConfig, str]:
    if isinstance(data, Unreadable):
        return GoConfig(), data.reason
    if place.legacy:
        config = go_map(data, shapes.CONTAINERS)
    else:
        config = go_config(data, whole=True, shape=shapes.CONTAINERS)
    return config, config.syntax or config.mistyped


def _entered(config: GoConfig, place: Place, host: str, search: Search) -> Told:
    keys = (
        [host]
        if host in config.entries
        else [key for key in config.entries if _stands_for(key, place) == host]
    )
    outcomes = [_entry(config, key, place.path, search) for key in keys]
    if not keys:
        search.saw(place.path, f"holds no entry for {host}")
    if len(keys) > 1:
        search.note(
            f"{place.path} holds {' and '.join(keys)}, but no {host}: one of them is taken at random."
        )
    named = " or ".join(f"auths.{key}" for key in keys)
    return Told(Source(place.path, named), tuple(dict.fromkeys(outcomes)) or (ANONYMOUS,))


def _entry(config: GoConfig, key: str, path: str, search: Search) -> Outcome:
    name = f"{path}: auths.{key}"
    try:
        user, colon, password = plain(config.entries[key].get("auth", "")).partition(":")
    except ValueError:
        search.saw(name, "its auth cannot be decoded")
        return Outcome(error="illegal base64 data in auth")
    if not colon:
        search.saw(name, "is there, and holds no login that these programs read")
        return ANONYMOUS
    search.saw(name, "holds a credential")
    return Outcome(credential(user, password.strip("\0")))


def _stands_for(key: str, place: Place) -> str:
    """Return the host that a key is taken for: only keys with a scheme are cut (normalizeAuthFileKey)."""
    bare = key.removeprefix("http://").removeprefix("https://")
    return bare.partition("/")[0] if place.legacy or bare != key else key
