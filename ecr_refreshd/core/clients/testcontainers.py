"""Testcontainers for Java: its RegistryAuthLocator.

It takes a whole config.json from DOCKER_AUTH_CONFIG, which is older than docker's own and looser, and goes on
without a credential where anything fails.
"""

from __future__ import annotations

from dataclasses import replace

from ecr_refreshd.core.clients import shapes
from ecr_refreshd.core.clients.cliconfig import VARIABLE
from ecr_refreshd.core.clients.docker import config_path
from ecr_refreshd.core.clients.goconfig import GoConfig, candidates, go_config, sent
from ecr_refreshd.core.clients.shapes import Shape
from ecr_refreshd.core.clients.world import (
    ANONYMOUS,
    Finding,
    Outcome,
    Search,
    Source,
    Unreadable,
    World,
)


def java(world: World, host: str) -> Finding:
    """Return what Testcontainers for Java sends; where it finds nothing, docker-java reads the file's entries."""
    search = Search()
    place, config = configured(world, search)
    suffix, key = config.helpers.get(host, ""), f"credHelpers.{host}"
    if host not in config.helpers:
        suffix, key = config.store.strip(), "credsStore"
    if suffix:
        source = Source(place, key, f"docker-credential-{suffix}")
        answer = world.ask(suffix, host)
        if answer.credential is not None:
            search.saw(source.program, "answers with a credential")
            return search.ends(source, Outcome(answer.credential))
        search.saw(source.program, f"fails: {answer.error}" if answer.error else "has no credential")
    return _entry(place, config, host, search)


def configured(world: World, search: Search, shape: Shape | None = None) -> tuple[str, GoConfig]:
    """Return where the names of registries are from, the variable or docker's file, and what stands there.

    `shape`: the types that a Go program wants; Java's is content with any, and reads no further than it must.
    """
    text = world.env.get(VARIABLE)
    place = VARIABLE if text else config_path(world)
    data = text.encode("utf-8", "replace") if text else world.read(place)
    if data is None or isinstance(data, Unreadable):
        search.saw(place, "there is no such file" if data is None else f"cannot be read: {data.reason}")
        return place, GoConfig()
    if text:
        search.saw(VARIABLE, "is set, and is read instead of the file")
    config = go_config(data, whole=bool(text and shape), shape=shape or shapes.ANY)
    if config.syntax or config.mistyped:
        search.saw(place, f"{config.syntax or config.mistyped}; it goes on without a login")
        return place, GoConfig()
    return place, config


def _entry(place: str, config: GoConfig, host: str, search: Search) -> Finding:
    keys = candidates(config, host)
    if not keys:
        search.saw(place, f"holds no entry for {host}")
        return search.ends(Source(place), ANONYMOUS)
    found = sent(config.entries[keys[0]])
    search.saw(f"{place}: auths.{keys[0]}", "holds a credential" if found else "is there, and empty")
    whole = replace(found, bearer=False) if found and found.auth else found
    return search.ends(Source(place, f"auths.{keys[0]}"), Outcome(whole))
