"""Testcontainers: for Java its RegistryAuthLocator, for Go its docker_auth.go with the library dockercfg.

Both take a whole config.json from DOCKER_AUTH_CONFIG, which is older than docker's own and looser, and both go
on without a credential where anything fails.
"""

from __future__ import annotations

from dataclasses import replace

from ecr_refreshd.core.clients.cliconfig import VARIABLE
from ecr_refreshd.core.clients.docker import config_path
from ecr_refreshd.core.clients.goconfig import GoConfig, candidates, go_config, sent
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
    place, config = _config(world, search)
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


def go(world: World, host: str) -> Finding:
    """Return what Testcontainers for Go sends."""
    search = Search()
    place, config = _config(world, search)
    known = candidates(config, host)
    if host not in config.helpers and not known:
        search.saw(
            place, f"names {host} neither under auths nor under credHelpers, so nobody is asked for it"
        )
        return search.ends(Source(place), ANONYMOUS)
    # Every host that the file knows is asked for at once, and one failure spoils all.
    failing = _failing(world, config)
    if failing:
        search.saw(place, f"{failing} fails, and with it the login to every registry")
        return search.ends(Source(place), ANONYMOUS)
    suffix, key = config.helpers.get(host, ""), f"credHelpers.{host}"
    if host not in config.helpers:
        suffix, key = config.store, "credsStore"
    if suffix:
        source = Source(place, key, f"docker-credential-{suffix}")
        answer = world.ask(suffix, host)
        if answer.credential is not None:
            search.saw(source.program, "answers with a credential")
            return search.ends(source, Outcome(answer.credential))
        search.saw(source.program, "has no credential")
        if host in config.helpers:
            return search.ends(source, ANONYMOUS)
    return _entry(place, config, host, search)


def _config(world: World, search: Search) -> tuple[str, GoConfig]:
    text = world.env.get(VARIABLE)
    place = VARIABLE if text else config_path(world)
    data = text.encode("utf-8", "replace") if text else world.read(place)
    if data is None or isinstance(data, Unreadable):
        search.saw(place, "there is no such file" if data is None else f"cannot be read: {data.reason}")
        return place, GoConfig()
    if text:
        search.saw(VARIABLE, "is set, and is read instead of the file")
    config = go_config(data, whole=False)
    if config.syntax or config.mistyped:
        search.saw(place, f"{config.syntax or config.mistyped}; it goes on without a login")
        return place, GoConfig()
    return place, config


def _failing(world: World, config: GoConfig) -> str:
    for host in {*config.entries, *config.helpers}:
        suffix = config.helpers.get(host) or config.store
        # A program that is not there counts as having nothing (dockercfg GetCredentialsFromHelper).
        if suffix and world.which(f"docker-credential-{suffix}") and world.ask(suffix, host).error:
            return f"docker-credential-{suffix} for {host}"
    bad = [] if config.store else config.undecodable
    return f"the auth of {bad[0]}" if bad else ""


def _entry(place: str, config: GoConfig, host: str, search: Search) -> Finding:
    keys = candidates(config, host)
    if not keys:
        search.saw(place, f"holds no entry for {host}")
        return search.ends(Source(place), ANONYMOUS)
    found = sent(config.entries[keys[0]])
    search.saw(f"{place}: auths.{keys[0]}", "holds a credential" if found else "is there, and empty")
    whole = replace(found, bearer=False) if found and found.auth else found
    return search.ends(Source(place, f"auths.{keys[0]}"), Outcome(whole))
