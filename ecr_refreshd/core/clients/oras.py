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
    for_password,
)


def oras(world: World, host: str) -> Finding:
    """Return what oras sends."""
    search = Search()
    source, outcomes = _store(world, config_path(world), host, search, detects=False)
    return search.ends(source, *outcomes)


def helm(world: World, host: str) -> Finding:
    """Return what helm sends for an ``oci://`` chart."""
    search = Search()
    own = world.env.get("HELM_REGISTRY_CONFIG") or f"{_helm_home(world)}/registry/config.json"
    source = Source(own)
    for path in (own, config_path(world)):
        source, outcomes = _store(world, path, host, search, detects=True)
        if outcomes != (ANONYMOUS,):
            return search.ends(source, *outcomes)
    return search.ends(source, ANONYMOUS)


def _helm_home(world: World) -> str:
    named = world.env.get("HELM_CONFIG_HOME")
    if named:
        return named
    usual = f"{world.home}/Library/Preferences" if world.platform == "darwin" else f"{world.home}/.config"
    return f"{world.env.get('XDG_CONFIG_HOME') or usual}/helm"


def _store(
    world: World, path: str, host: str, search: Search, *, detects: bool
) -> tuple[Source, tuple[Outcome, ...]]:
    data = world.read(path)
    if data is None:
        search.saw(path, "there is no such file")
    if isinstance(data, Unreadable):
        search.saw(path, f"cannot be read: {data.reason}")
        return Source(path), (Outcome(error=f"failed to open config file at {path}: {data.reason}"),)
    config = go_config(data or b"", whole=False, exact=True)
    # Entries are read one by one, when they are asked for.
    if config.syntax or config.mistyped.startswith(("credsStore", "credHelpers", "auths is")):
        search.saw(path, config.syntax or config.mistyped)
        return Source(path), (Outcome(error=f"failed to decode config file {path}"),)
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


def _asked(
    world: World, suffix: str, source: Source, host: str, search: Search
) -> tuple[Source, tuple[Outcome, ...]]:
    answer = world.ask(suffix, host)
    if answer.error:
        search.saw(source.program, f"fails: {answer.error}")
        return source, (Outcome(error=answer.error),)
    found = (
        "answers with a credential" if answer.credential else "has no credential; the entries are not read"
    )
    search.saw(source.program, f"(named by {source.place}) {found}")
    return source, (for_password(Outcome(answer.credential)),)


def _entry(config: GoConfig, path: str, host: str, search: Search) -> tuple[Source, tuple[Outcome, ...]]:
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
        outcomes.append(for_password(Outcome(sent(fields))))
    if len(keys) > 1:
        search.note(f"{path} holds {' and '.join(keys)}, but no {host}: one of them is taken at random.")
    return Source(path, " or ".join(f"auths.{key}" for key in keys)), tuple(dict.fromkeys(outcomes))
