"""Testcontainers for Go: its docker_auth.go with the library dockercfg.

It takes a whole config.json from DOCKER_AUTH_CONFIG, which is older than docker's own and looser, and goes on
without a credential where anything fails.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ecr_refreshd.core.clients import shapes
from ecr_refreshd.core.clients.cliconfig import VARIABLE
from ecr_refreshd.core.clients.docker import config_path
from ecr_refreshd.core.clients.goconfig import Fields, GoConfig, go_config
from ecr_refreshd.core.clients.testcontainers import configured
from ecr_refreshd.core.clients.world import (
    ANONYMOUS,
    Credential,
    Finding,
    Outcome,
    Search,
    Source,
    Unreadable,
    World,
    credential,
)
from ecr_refreshd.core.dockerentry import legacy, plain


def decide(world: World, host: str) -> Finding:
    """Return what Testcontainers for Go sends.

    A variable gives the names of registries, and logins that are written out as user and password; every other
    login is looked up in the file. One that fails costs the logins of all.
    """
    search = Search()
    place, config = configured(world, search, shapes.DOCKERCFG)
    file = _file(world, config)
    named = dict.fromkeys([*config.entries, *config.helpers])
    keys = [host] if host in named else [key for key in named if _is_url_of(key, host)]
    if not keys:
        search.saw(
            place, f"names {host} neither under auths nor under credHelpers, so nobody is asked for it"
        )
        return search.ends(Source(place), ANONYMOUS)
    every = [(key, _entered(world, file, key, fields)) for key, fields in config.entries.items()]
    every += [(key, _looked_up(world, file, key)) for key in config.helpers]
    failing = next((one.error for _, one in every if one.error), "")
    if failing:
        search.saw(place, f"{failing} fails, and with it the login to every registry")
        return search.ends(Source(place), ANONYMOUS)
    found = [one for key, one in every if key in keys]
    if place == VARIABLE:
        search.note(
            f"From {VARIABLE} it takes a login only if that is written as username and password; one in auth is "
            f"looked up in {config_path(world)} instead."
        )
    for one in found:
        search.saw(one.source.program or f"{one.source.place}: {one.source.key}", one.words)
    return search.ends(found[0].source, *(Outcome(one.credential) for one in found))


@dataclass(frozen=True, slots=True)
class _Got:
    """What one key gives; `error` names what failed."""

    source: Source
    credential: Credential | None = None
    error: str = ""

    @property
    def words(self) -> str:
        return "gives a credential" if self.credential else "gives none"


def _file(world: World, config: GoConfig) -> tuple[str, GoConfig | None]:
    """Return the file in which logins are looked up; None if it cannot be read."""
    path = config_path(world)
    if not world.env.get(VARIABLE):
        return path, config
    data = world.read(path)
    if data is None:
        return path, GoConfig()
    if isinstance(data, Unreadable):
        return path, None
    read = go_config(data, whole=False, shape=shapes.DOCKERCFG)
    return path, None if read.syntax or read.mistyped else read


def _entered(world: World, file: tuple[str, GoConfig | None], key: str, fields: Fields) -> _Got:
    """Return what an entry gives (getDockerAuthConfigs)."""
    user, password = fields.get("username", ""), fields.get("password", "")
    identity, bearer = bool(fields.get("identitytoken")), bool(fields.get("registrytoken"))
    if user or password:
        place = VARIABLE if world.env.get(VARIABLE) else file[0]
        given = credential(user, password, identity=identity, bearer=bearer)
        return _Got(Source(place, f"auths.{key}"), given)
    got = _looked_up(world, file, key)
    if got.credential is not None and got.credential.auth:
        return replace(got, credential=replace(got.credential, identity=identity, bearer=bearer))
    identity = got.credential is not None
    return replace(got, credential=credential("", "", identity=identity, bearer=bearer))


def _looked_up(world: World, file: tuple[str, GoConfig | None], key: str) -> _Got:
    """Return what the file, or a program that it names, has for a key (dockercfg GetRegistryCredentials)."""
    path, config = file
    if config is None:
        return _Got(Source(path), error=path)
    if key in config.helpers:
        # An empty name is meant to be the platform's own program, but comes to none.
        return _asked(world, config.helpers[key], key, Source(path, f"credHelpers.{key}"))
    if config.store:
        got = _asked(world, config.store, key, Source(path, "credsStore"))
        if got.error or got.credential is not None:
            return got
    fields, source = config.entries.get(key, {}), Source(path, f"auths.{key}")
    if fields.get("identitytoken"):
        return _Got(source, Credential("", identity=True))
    if fields.get("username") and fields.get("password"):
        return _Got(source, credential(fields["username"], fields["password"]))
    try:
        user, colon, password = plain(fields.get("auth", "")).partition(":")
    except ValueError:
        return _Got(source, error=f"the auth of {key}")
    if fields.get("auth") and not colon:
        return _Got(source, error=f"the auth of {key}")
    if user:
        return _Got(source, credential(user, password))
    return _Got(source, Credential("", identity=True) if password else None)


def _asked(world: World, suffix: str, key: str, source: Source) -> _Got:
    source = replace(source, program=f"docker-credential-{suffix}")
    if not suffix or not world.which(source.program):
        return _Got(source)
    answer = world.ask(suffix, key)
    return _Got(source, answer.credential, f"{source.program} for {key}" if answer.error else "")


def _is_url_of(key: str, host: str) -> bool:
    return "://" in key and legacy(key) == host
