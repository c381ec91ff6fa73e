"""podman, buildah, skopeo (containers/image pkg/docker/config): several files, the first credential wins.

Rules: REGISTRY_AUTH_FILE, for podman else DOCKER_CONFIG, names the first file, since 2023 the only one.
``credHelpers[host]`` is final for its file, ``credsStore`` is ignored, an entry without a login is as if absent.
A file that cannot be parsed ends the command if the search comes to it.
"""

from __future__ import annotations

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
from ecr_refreshd.core.dockerentry import decoded, is_namespace, legacy

_ONLY_ONE_SINCE = {"podman": (4, 4), "skopeo": (1, 11), "buildah": (1, 29)}
"""Since containers/image 5.24; before, a named file came first and the others after it."""


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    legacy: bool = False


def podman(world: World, host: str) -> Finding:
    """Return what podman and buildah send for a repository that no key in a file names closer."""
    folder = world.env.get("DOCKER_CONFIG")
    return _decide(world, host, f"{folder}/config.json" if folder else "")


def skopeo(world: World, host: str) -> Finding:
    """Return what skopeo sends; to all but its login, DOCKER_CONFIG names only where docker's own file is."""
    return _decide(world, host, "")


def _decide(world: World, host: str, docker_first: str) -> Finding:
    search = Search()
    places = _places(world, docker_first, search)
    last = Source(places[0].path)
    for place in places:
        data = world.read(place.path)
        if data is None:
            search.saw(place.path, "there is no such file")
            continue
        config, trouble = _read(data, place)
        if trouble:
            search.saw(place.path, trouble)
            return search.ends(
                Source(place.path), Outcome(error=f"reading JSON file {place.path}: {trouble}")
            )
        source, outcomes = _in_file(world, config, place, host, search)
        if outcomes != (ANONYMOUS,):
            return search.ends(source, *outcomes)
        last = source
    return search.ends(last, ANONYMOUS)


def _places(world: World, docker_first: str, search: Search) -> list[_Place]:
    """Return the files in their order (getAuthFilePaths; common/pkg/auth GetDefaultAuthFile)."""
    named, folder = world.env.get("REGISTRY_AUTH_FILE"), world.env.get("DOCKER_CONFIG")
    first = named or docker_first
    if first:
        only = _only_one(world)
        rank = "only" if only else "first"
        search.saw("REGISTRY_AUTH_FILE" if named else "DOCKER_CONFIG", f"is set: {first} is the {rank} file")
        if only:
            return [_Place(first)]
    elif world.platform == "darwin":
        first = f"{world.home}/.config/containers/auth.json"
    elif world.env.get("XDG_RUNTIME_DIR"):
        first = f"{world.env['XDG_RUNTIME_DIR']}/containers/auth.json"
    else:
        first = f"/run/containers/{world.uid}/auth.json"
    config_home = world.env.get("XDG_CONFIG_HOME") or f"{world.home}/.config"
    docker = f"{folder}/config.json" if folder else f"{world.home}/.docker/config.json"
    paths = [first, f"{config_home}/containers/auth.json", docker]
    return [*(_Place(path) for path in dict.fromkeys(paths)), _Place(f"{world.home}/.dockercfg", legacy=True)]


def _only_one(world: World) -> bool:
    known = ((world.version(program), since) for program, since in _ONLY_ONE_SINCE.items())
    return all(version >= since for version, since in known if version is not None)


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
    return source, (for_password(Outcome(answer.credential)),)


def _entry(config: GoConfig, key: str, path: str, search: Search) -> Outcome:
    auth = config.entries[key].get("auth", "")
    user, password = decoded(auth)
    if user:
        search.saw(f"{path}: auths.{key}", "holds a credential")
        return Outcome(credential(user, password))
    if auth and not _is_base64(auth):
        search.saw(f"{path}: auths.{key}", "its auth cannot be decoded")
        return Outcome(error="illegal base64 data in auth")
    search.saw(f"{path}: auths.{key}", "is there, and holds no login that these programs read")
    return ANONYMOUS


def _is_base64(auth: str) -> bool:
    """Tell a text that cannot be decoded from one that decodes to no ``user:password``."""
    return len("".join(auth.split())) % 4 == 0 and all(
        letter.isascii() and (letter.isalnum() or letter in "+/=\r\n") for letter in auth
    )


def _stands_for(key: str, place: _Place) -> str:
    """Return the host that a key is taken for: only keys with a scheme are cut (normalizeAuthFileKey)."""
    return legacy(key) if place.legacy or key.startswith(("http://", "https://")) else key
