"""podman, buildah, skopeo (containers/image pkg/docker/config): several files, the first credential wins.

Rules: REGISTRY_AUTH_FILE, for podman and buildah else DOCKER_CONFIG, names the first file, since 2023 the only
one; podman before 4.7 and buildah give up if it is not there. ``credHelpers[host]`` is final for its file,
``credsStore`` is ignored, an entry without a login is as if absent. A file that cannot be parsed ends the command
if the search comes to it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from ecr_refreshd.core.clients.goconfig import GoConfig, go_config, go_map
from ecr_refreshd.core.clients.world import (
    ANONYMOUS,
    Finding,
    Outcome,
    Search,
    Source,
    Unreadable,
    World,
    credential,
    for_password,
)
from ecr_refreshd.core.dockerentry import is_namespace, legacy

NAMING = ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG")
"""The variables that name a file, the first before the second."""
_Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Program:
    """One of the family, and what it makes of a file that a variable names.

    Attributes:
        only_one: since this version it reads no other (containers/image 5.24); before, it read that one first.
        bears_absence: since this version it goes on if there is no such file; () always, None never.
        docker_first: DOCKER_CONFIG is such a variable too (common/pkg/auth GetDefaultAuthFile).
    """

    name: str
    only_one: _Version
    bears_absence: _Version | None
    docker_first: bool = True


# podman pull, run, push and search look for the file themselves (podman #18405, mended by #19391); buildah pull,
# from and push do to this day (buildah #3259).
_PODMAN = _Program("podman", (4, 4), (4, 7))
_BUILDAH = _Program("buildah", (1, 29), None)
# To all of skopeo but its login, DOCKER_CONFIG names only where docker's own file is.
_SKOPEO = _Program("skopeo", (1, 11), (), docker_first=False)


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    legacy: bool = False
    named_by: str = ""


def podman(world: World, host: str) -> Finding:
    """Return what podman sends for a repository that no key in a file names closer."""
    return _decide(world, host, _PODMAN)


def buildah(world: World, host: str) -> Finding:
    """Return what buildah sends for such a repository."""
    return _decide(world, host, _BUILDAH)


def skopeo(world: World, host: str) -> Finding:
    """Return what skopeo sends for such a repository."""
    return _decide(world, host, _SKOPEO)


def _decide(world: World, host: str, program: _Program) -> Finding:
    search = Search()
    places = _places(world, program, search)
    last = Source(places[0].path)
    for place in places:
        data = world.read(place.path)
        if data is None:
            search.saw(place.path, "there is no such file")
            if place.named_by and not _since(world, program, program.bears_absence):
                return search.ends(
                    Source(place.named_by), Outcome(error=f"stat {place.path}: no such file or directory")
                )
            continue
        config, trouble = _read(data, place)
        if trouble:
            search.saw(place.path, trouble)
            return search.ends(
                Source(place.path), Outcome(error=f"reading JSON file {place.path}: {trouble}")
            )
        source, outcomes = _in_file(world, config, place, host, search)
        if outcomes != (ANONYMOUS,):
            # An identity token from a helper ends the search too, though no password comes of it.
            return search.ends(source, *map(for_password, outcomes))
        last = source
    return search.ends(last, ANONYMOUS)


def _places(world: World, program: _Program, search: Search) -> list[_Place]:
    """Return the files in their order (getAuthFilePaths)."""
    folder = world.env.get("DOCKER_CONFIG")
    named = _named(world, program)
    if named is not None:
        only = _since(world, program, program.only_one)
        search.saw(named.named_by, f"is set: {named.path} is the {'only' if only else 'first'} file")
        if only:
            return [named]
    config_home = world.env.get("XDG_CONFIG_HOME") or f"{world.home}/.config"
    docker = f"{folder}/config.json" if folder else f"{world.home}/.docker/config.json"
    first = named or _Place(_first(world))
    others = dict.fromkeys((f"{config_home}/containers/auth.json", docker))
    return [
        first,
        *(_Place(path) for path in others if path != first.path),
        _Place(f"{world.home}/.dockercfg", legacy=True),
    ]


def _named(world: World, program: _Program) -> _Place | None:
    """Return the file that a variable names."""
    whole, folder = NAMING
    if path := world.env.get(whole):
        return _Place(path, named_by=whole)
    if program.docker_first and (path := world.env.get(folder)):
        return _Place(f"{path}/config.json", named_by=folder)
    return None


def _first(world: World) -> str:
    """Return the file that a login is written to, where no variable names one."""
    if world.platform == "darwin":
        return f"{world.home}/.config/containers/auth.json"
    if world.env.get("XDG_RUNTIME_DIR"):
        return f"{world.env['XDG_RUNTIME_DIR']}/containers/auth.json"
    return f"/run/containers/{world.uid}/auth.json"


def _since(world: World, program: _Program, version: _Version | None) -> bool:
    """Tell whether the program on PATH is of this version or later; if none is there, whether the newest is."""
    if version is None:
        return False
    there = world.version(program.name)
    return there is None or there >= version


def _read(data: bytes | Unreadable, place: _Place) -> tuple[GoConfig, str]:
    if isinstance(data, Unreadable):
        return GoConfig(), data.reason
    config = go_map(data) if place.legacy else go_config(data, whole=True)
    return config, config.syntax or ("" if config.mistyped.startswith("credsStore") else config.mistyped)


def _in_file(
    world: World, config: GoConfig, place: _Place, host: str, search: Search
) -> tuple[Source, tuple[Outcome, ...]]:
    closer = [key for key in config.entries if is_namespace(key) and key.startswith(f"{host}/")]
    if closer and not place.legacy:
        search.note(
            f"In {place.path} {', '.join(closer)} stand for repositories below them, and go before {host}."
        )
    if host in config.helpers:
        return _helped(world, config.helpers[host], place.path, host, search)
    if config.store:
        search.saw(place.path, f"its credsStore ({config.store}) is ignored by these programs")
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
    return Source(place.path, named), tuple(dict.fromkeys(outcomes)) or (ANONYMOUS,)


def _helped(
    world: World, suffix: str, path: str, host: str, search: Search
) -> tuple[Source, tuple[Outcome, ...]]:
    source = Source(path, f"credHelpers.{host}", f"docker-credential-{suffix}")
    answer = world.ask(suffix, host)
    if answer.error:
        search.saw(source.program, f"(named by {path}) fails: {answer.error}")
        return source, (Outcome(error=f"error getting credentials: {answer.error}"),)
    if answer.credential is None:
        search.saw(
            source.program, f"(named by {path}) has no credential; the entries of that file are not read"
        )
        return source, (ANONYMOUS,)
    search.saw(source.program, f"(named by {path}) answers with a credential")
    return source, (Outcome(answer.credential),)


def _entry(config: GoConfig, key: str, path: str, search: Search) -> Outcome:
    name = f"{path}: auths.{key}"
    try:
        user, colon, password = _text(config.entries[key].get("auth", "")).partition(":")
    except ValueError:
        search.saw(name, "its auth cannot be decoded")
        return Outcome(error="illegal base64 data in auth")
    if not colon:
        search.saw(name, "is there, and holds no login that these programs read")
        return ANONYMOUS
    search.saw(name, "holds a credential")
    return Outcome(credential(user, password.strip("\0")))


def _text(auth: str) -> str:
    """Decode as Go's base64 does, which passes over line ends and wants all else of the standard alphabet.

    Raises:
        ValueError: it is no base64.
    """
    plain = base64.b64decode(auth.replace("\r", "").replace("\n", ""), validate=True)
    return plain.decode("utf-8", "replace")


def _stands_for(key: str, place: _Place) -> str:
    """Return the host that a key is taken for: only keys with a scheme are cut (normalizeAuthFileKey)."""
    return legacy(key) if place.legacy or key.startswith(("http://", "https://")) else key
