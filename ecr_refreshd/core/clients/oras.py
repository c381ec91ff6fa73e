"""oras and helm (oras-go v2 registry/remote/credentials): docker's file, read strictly and one entry at a time.

An empty ``credHelpers[host]`` counts as none. Helm looks into its own file first, and for a keychain.
"""

from __future__ import annotations

from ecr_refreshd.core.clients.docker import config_path
from ecr_refreshd.core.clients.goconfig import GoConfig, candidates, decodes, go_config, sent
from ecr_refreshd.core.clients.world import (
    ANONYMOUS,
    Finding,
    Outcome,
    Search,
    Source,
    Unreadable,
    World,
    for_whole_login,
)

_Told = tuple[Source, tuple[Outcome, ...]]


def oras(world: World, host: str) -> Finding:
    """Return what oras sends."""
    search = Search()
    path = config_path(world)
    config, trouble = _load(world, path, search)
    if trouble:
        return search.ends(Source(path), trouble)
    source, outcomes = _look(world, path, config, host, search)
    return search.ends(source, *map(for_whole_login, outcomes))


def helm(world: World, host: str) -> Finding:
    """Return what helm sends for an ``oci://`` chart.

    What its own file says ends the search, be it something that is never sent; docker's file is passed over where
    it cannot be loaded (pkg/registry NewClient).
    """
    search = Search()
    own = world.env.get("HELM_REGISTRY_CONFIG") or f"{_helm_home(world)}/registry/config.json"
    source = Source(own)
    for path in (own, config_path(world)):
        config, trouble = _load(world, path, search)
        if trouble and path == own:
            return search.ends(Source(own), trouble)
        if trouble:
            search.note(f"helm goes on without {path}, and does not say so.")
            break
        source, outcomes = _look(world, path, config, host, search, detects=True)
        if outcomes != (ANONYMOUS,):
            return search.ends(source, *map(for_whole_login, outcomes))
    return search.ends(source, ANONYMOUS)


def _helm_home(world: World) -> str:
    named = world.env.get("HELM_CONFIG_HOME")
    if named:
        return named
    usual = f"{world.home}/Library/Preferences" if world.platform == "darwin" else f"{world.home}/.config"
    return f"{world.env.get('XDG_CONFIG_HOME') or usual}/helm"


def _load(world: World, path: str, search: Search) -> tuple[GoConfig, Outcome | None]:
    """Return what a file holds, and the error if it cannot be loaded; entries are read when asked for."""
    data = world.read(path)
    if data is None:
        search.saw(path, "there is no such file")
    if isinstance(data, Unreadable):
        search.saw(path, f"cannot be read: {data.reason}")
        return GoConfig(), Outcome(error=f"failed to open config file at {path}: {data.reason}")
    config = go_config(data or b"", whole=False, exact=True)
    if config.syntax or config.mistyped.startswith(("credsStore", "credHelpers", "auths is")):
        search.saw(path, config.syntax or config.mistyped)
        return config, Outcome(error=f"failed to decode config file {path}")
    return config, None


def _look(
    world: World, path: str, config: GoConfig, host: str, search: Search, *, detects: bool = False
) -> _Told:
    helper = config.helpers.get(host, "")
    named = f"credHelpers.{host}" if helper else "credsStore" if config.store else ""
    suffix = helper or config.store or (_keychain(world) if detects and not config.configured else "")
    if suffix:
        return _asked(world, suffix, Source(path, named, f"docker-credential-{suffix}"), host, search)
    return _entry(config, path, host, search)


def _keychain(world: World) -> str:
    on_linux = "pass" if world.which("pass") else "secretservice"
    name = "osxkeychain" if world.platform == "darwin" else on_linux
    return name if world.which(f"docker-credential-{name}") else ""


def _asked(world: World, suffix: str, source: Source, host: str, search: Search) -> _Told:
    answer = world.ask(suffix, host)
    if answer.error:
        search.saw(source.program, f"fails: {answer.error}")
        return source, (Outcome(error=answer.error),)
    found = (
        "answers with a credential" if answer.credential else "has no credential; the entries are not read"
    )
    search.saw(source.program, f"(named by {source.place}) {found}")
    return source, (Outcome(answer.credential),)


def _entry(config: GoConfig, path: str, host: str, search: Search) -> _Told:
    keys = candidates(config, host)
    if not keys:
        search.saw(path, f"holds no entry that counts for {host}")
        return Source(path), (ANONYMOUS,)
    outcomes: list[Outcome] = []
    for key in keys:
        fields = config.entries[key]
        if not decodes(fields) or key in config.spoilt:
            search.saw(f"{path}: auths.{key}", "its auth cannot be decoded")
            outcomes.append(Outcome(error="failed to decode auth field"))
            continue
        search.saw(f"{path}: auths.{key}", "holds a credential" if sent(fields) else "is there, and empty")
        outcomes.append(Outcome(sent(fields)))
    if len(keys) > 1:
        search.note(f"{path} holds {' and '.join(keys)}, but no {host}: one of them is taken at random.")
    return Source(path, " or ".join(f"auths.{key}" for key in keys)), tuple(dict.fromkeys(outcomes))
