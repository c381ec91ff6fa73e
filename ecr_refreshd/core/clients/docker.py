"""The docker command line, and what is built on its code: compose, buildx.

Rules (docker/cli cli/config): DOCKER_AUTH_CONFIG since 28.3, ``credHelpers[host]``, ``credsStore``, the entries
of the file. With nothing said about credentials at all, a keychain on PATH is looked for at every command.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ecr_refreshd.core.clients.goconfig import GoConfig, candidates, decodes, go_config, sent
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
from ecr_refreshd.core.dockerentry import decoded

_VARIABLE = "DOCKER_AUTH_CONFIG"
_VARIABLE_SINCE = (28, 3)
_PULL_STRICT_SINCE = (29,)


def pulls(world: World, host: str) -> Finding:
    """Return what ``docker pull`` sends: before 29 it goes on with the file's entry where a helper fails."""
    strict = world.docker is not None and world.docker >= _PULL_STRICT_SINCE
    return looked_up(world, host, strict=strict)


def composes(world: World, host: str) -> Finding:
    """Return what ``docker compose pull`` sends; where a helper fails, so does it."""
    return looked_up(world, host, strict=True)


def looked_up(world: World, host: str, *, strict: bool) -> Finding:
    """Return what docker's own code finds for a host; `strict`: an error of a helper ends the command."""
    search = Search()
    found = _in_variable(world, host, search)
    if found is not None:
        return found
    path = config_path(world)
    config = loaded(world, path, search)
    program, source = chosen(world, config, path, host, search)
    if not program:
        return _in_file(config, path, host, search)
    return _in_store(_Asking(world, config, path, host, strict), program, source, search)


def config_path(world: World) -> str:
    """Return the file that docker reads."""
    return f"{world.env.get('DOCKER_CONFIG') or world.home + '/.docker'}/config.json"


def loaded(world: World, path: str, search: Search) -> GoConfig:
    """Read docker's file as docker does: whatever is wrong with it is a warning, and what was read counts."""
    data = world.read(path)
    if data is None:
        search.saw(path, "there is no such file")
        return GoConfig()
    if isinstance(data, Unreadable):
        search.saw(path, f"cannot be read: {data.reason}; docker warns and goes on without it")
        return GoConfig()
    config = go_config(data, whole=False)
    if config.syntax:
        search.saw(path, f"is not valid JSON ({config.syntax}); docker warns and goes on without it")
    elif config.mistyped:
        search.saw(path, f"{config.mistyped}; docker warns and decodes no entry of this file")
    return config


def chosen(world: World, config: GoConfig, path: str, host: str, search: Search) -> tuple[str, Source]:
    """Return the suffix of the helper that is asked ("": the file's entries count), and what says so."""
    helper = config.helpers.get(host)
    if helper is not None:
        if not helper:
            search.saw(path, f"credHelpers[{host}] is empty: the entries of this file count")
            return "", Source(path)
        return helper, Source(path, f"credHelpers.{host}", f"docker-credential-{helper}")
    if config.store:
        return config.store, Source(path, "credsStore", f"docker-credential-{config.store}")
    if config.configured:
        return "", Source(path)
    keychain = detected(world)
    if not keychain:
        search.saw(path, "says nothing about credentials, and no keychain's helper is on PATH")
        return "", Source(path)
    search.saw(path, f"says nothing about credentials, so docker looks for a keychain and finds {keychain}")
    return keychain, Source(path, "", f"docker-credential-{keychain}")


def detected(world: World) -> str:
    """Return the keychain that docker finds by itself, "" if none (default_store_linux.go)."""
    on_linux = "pass" if world.which("pass") else "secretservice"
    name = "osxkeychain" if world.platform == "darwin" else on_linux
    return name if world.which(f"docker-credential-{name}") else ""


def _in_variable(world: World, host: str, search: Search) -> Finding | None:
    text = world.env.get(_VARIABLE)
    if not text:
        return None
    if world.docker is not None and world.docker < _VARIABLE_SINCE:
        search.saw(_VARIABLE, "is set, but docker reads it only since 28.3")
        return None
    entries, trouble = _variable_entries(text)
    if trouble:
        search.saw(_VARIABLE, f"is set and ignored: {trouble}")
        return None
    if host not in entries:
        search.saw(_VARIABLE, f"is set and does not name {host}")
        return None
    search.saw(_VARIABLE, f"names {host}, and goes before every file and helper")
    if world.docker is None:
        search.note(f"The docker client's version is not known; only 28.3 and later read {_VARIABLE}.")
    return search.ends(Source(_VARIABLE, f"auths.{host}"), Outcome(sent({"auth": entries[host]})))


def _variable_entries(text: str) -> tuple[dict[str, str], str]:
    """Return host -> auth, or why docker ignores the variable (configfile.parseEnvConfig)."""
    try:
        document = json.loads(text)
    except ValueError:
        return {}, "it is not valid JSON"
    auths = document.get("auths") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(auths, dict | None):
        return {}, "it is not an object with auths"
    if set(document) - {"auths"}:
        return {}, "it holds more than auths"
    entries: dict[str, str] = {}
    for host, entry in (auths or {}).items():
        auth = entry.get("auth") if isinstance(entry, dict) else None
        if not auth or set(entry) - {"auth"}:
            return {}, f"the entry of {host} is not one auth and nothing else"
        if not decoded(str(auth))[0]:
            return {}, f"the auth of {host} cannot be decoded"
        entries[host] = str(auth)
    return entries, ""


@dataclass(frozen=True, slots=True)
class _Asking:
    world: World
    config: GoConfig
    path: str
    host: str
    strict: bool


def _in_store(asking: _Asking, program: str, source: Source, search: Search) -> Finding:
    answer = asking.world.ask(program, asking.host)
    kept = _file_outcomes(asking.config, asking.host)
    if answer.error:
        search.saw(source.program, f"fails: {answer.error}")
        if asking.strict:
            return search.ends(source, Outcome(error=f"error getting credentials - {answer.error}"))
        search.note(
            "The helper fails. This version's pull then falls back to the entry of the file by accident; "
            "`docker run`, and every docker from 29 on, fail instead."
        )
        return search.ends(source, *kept)
    bearer = any(outcome.credential and outcome.credential.bearer for outcome in kept)
    if bearer:
        search.note(f"The registrytoken of the entry in {asking.path} is sent as well.")
    if answer.credential is None:
        search.saw(source.program, "knows no credential for it; docker looks no further")
        only_bearer = Outcome(Credential("", bearer=True))
        return search.ends(source, only_bearer if bearer else ANONYMOUS)
    search.saw(source.program, "answers with a credential")
    given = answer.credential
    whole = Credential(given.user, given.auth, given.fingerprint, given.expires_hint, given.identity, bearer)
    return search.ends(source, Outcome(whole))


def _in_file(config: GoConfig, path: str, host: str, search: Search) -> Finding:
    keys = candidates(config, host)
    if not keys:
        if config.configured:
            search.saw(path, f"holds no entry that docker takes for {host}")
        return search.ends(Source(path), ANONYMOUS)
    if len(keys) > 1:
        search.saw(path, f"holds {' and '.join(keys)}, but no {host}: docker takes one at random")
    bad = [key for key in config.undecodable if key not in keys]
    if bad and not config.mistyped:
        search.note(
            f"The entry of {', '.join(bad)} in {path} cannot be decoded, and docker stops decoding there: "
            "whether it has decoded this one before is chance. Remove that entry, or log in to it again."
        )
    for key in keys:
        search.saw(f"{path}: auths.{key}", _described(config, key))
    return search.ends(
        Source(path, " or ".join(f"auths.{key}" for key in keys)), *_file_outcomes(config, host)
    )


def _described(config: GoConfig, key: str) -> str:
    fields = config.entries[key]
    if not decodes(fields):
        return "its auth cannot be decoded"
    return "holds a credential" if sent(fields) else "is there, and empty"


def _file_outcomes(config: GoConfig, host: str) -> list[Outcome]:
    outcomes: list[Outcome] = []
    bad = bool(config.undecodable)
    for key in candidates(config, host):
        fields = config.entries[key]
        if not config.mistyped and decodes(fields):
            outcomes.append(Outcome(sent(fields)))
        if bad or config.mistyped:
            outcomes.append(Outcome(sent(fields, raw=True)))
    return outcomes or [ANONYMOUS]
