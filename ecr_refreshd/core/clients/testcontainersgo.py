"""Testcontainers for Go: its docker_auth.go, with the library dockercfg.

Rules: it gathers a login for every host that the config names, and one failure spoils all. The config may come
whole from DOCKER_AUTH_CONFIG; but an entry without user and password in plain words is looked up in the file,
whatever it holds: by helper, store, entry or keychain. A helper that is not there has nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ecr_refreshd.core.clients.cliconfig import VARIABLE
from ecr_refreshd.core.clients.docker import config_path
from ecr_refreshd.core.clients.goconfig import Fields, GoConfig, go_config, sent
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
from ecr_refreshd.core.dockerentry import decoded


@dataclass(frozen=True, slots=True)
class _Got:
    source: Source
    credential: Credential | None = None
    error: str = ""


def decide(world: World, host: str) -> Finding:
    """Return what Testcontainers for Go sends."""
    search = Search()
    path = config_path(world)
    file, trouble = _read(world, path, search)
    place, config = path, file
    text = world.env.get(VARIABLE)
    if text:
        search.saw(VARIABLE, "is set, and names the registries instead of the file")
        search.note(f"An entry of {VARIABLE} that has only an auth is looked up in {path} all the same.")
        place, config = VARIABLE, go_config(text.encode("utf-8", "replace"), whole=True)
        if config.syntax or config.mistyped:
            search.saw(VARIABLE, f"{config.syntax or config.mistyped}; it goes on without a login")
            return search.ends(Source(VARIABLE), ANONYMOUS)
    elif trouble:
        return search.ends(Source(path), ANONYMOUS)
    looked_up = {key for key, fields in config.entries.items() if not _plain(fields)} | set(config.helpers)
    found = {key: _looked_up(world, path, file, trouble, key) for key in sorted(looked_up)}
    failing = next((got for got in found.values() if got.error), None)
    if failing:
        search.saw(
            failing.source.program or path, f"{failing.error}; with it the login to every registry is lost"
        )
        return search.ends(failing.source, ANONYMOUS)
    keys = [key for key in (*config.entries, *config.helpers) if key == host]
    keys = keys or [key for key in config.entries if _host(key) == host]
    if not keys:
        search.saw(place, f"names {host} neither under auths nor under credHelpers: nobody is asked for it")
        return search.ends(Source(place), ANONYMOUS)
    outcomes: list[Outcome] = []
    source = Source(place, " or ".join(f"auths.{key}" for key in dict.fromkeys(keys)))
    for key in dict.fromkeys(keys):
        fields = config.entries.get(key)
        if fields is not None and _plain(fields):
            outcomes.append(Outcome(sent(fields, raw=True)))
            search.saw(f"{place}: auths.{key}", "holds user and password")
        if key in found:
            source = found[key].source
            outcomes.append(Outcome(_together(found[key].credential, fields or {})))
            what = "gives a credential" if found[key].credential else "has none"
            search.saw(source.program or source.place, f"is looked up for {key}, and {what}")
    return search.ends(source, *outcomes)


def _read(world: World, path: str, search: Search) -> tuple[GoConfig, str]:
    """Return the file, and why it cannot be used; no file is no trouble."""
    data = world.read(path)
    if data is None:
        search.saw(path, "there is no such file")
        return GoConfig(), ""
    if isinstance(data, Unreadable):
        search.saw(path, f"cannot be read: {data.reason}")
        return GoConfig(), data.reason
    config = go_config(data, whole=False)
    trouble = config.syntax or config.mistyped or ("" if data.strip() else "unexpected end of JSON input")
    if trouble:
        search.saw(path, f"{trouble}; it goes on without a login")
    return config, trouble


def _plain(fields: Fields) -> bool:
    return bool(fields.get("username") or fields.get("password"))


def _looked_up(world: World, path: str, file: GoConfig, trouble: str, key: str) -> _Got:
    """Look a key up in the file (dockercfg GetRegistryCredentials)."""
    if trouble:
        return _Got(Source(path), error=trouble)
    if key in file.helpers:
        return _asked(world, file.helpers[key], Source(path, f"credHelpers.{key}"), key)
    if file.store:
        got = _asked(world, file.store, Source(path, "credsStore"), key)
        if got.credential or got.error:
            return got
    if key not in file.entries:
        return _asked(world, "", Source(path), key)
    fields, source = file.entries[key], Source(path, f"auths.{key}")
    if fields.get("identitytoken"):
        return _Got(source, Credential("", identity=True))
    if fields.get("username") and fields.get("password"):
        return _Got(source, credential(fields["username"], fields["password"]))
    if not fields.get("auth"):
        return _Got(source)
    user, password = decoded(fields["auth"])
    return (
        _Got(source, credential(user, password)) if user else _Got(source, error="its auth cannot be decoded")
    )


def _asked(world: World, suffix: str, source: Source, key: str) -> _Got:
    """Ask a helper; "" is the keychain that there may be."""
    on_linux = "pass" if world.which("pass") else "secretservice"
    suffix = suffix or ("osxkeychain" if world.platform == "darwin" else on_linux)
    source = replace(source, program=f"docker-credential-{suffix}")
    if not world.which(source.program):
        return _Got(source)
    answer = world.ask(suffix, key)
    return _Got(source, answer.credential, answer.error)


def _together(found: Credential | None, fields: Fields) -> Credential | None:
    """Add the tokens of an entry to what was found for it; an identity token only beside a user."""
    bearer = bool(fields.get("registrytoken"))
    if found and found.user:
        return replace(found, identity=bool(fields.get("identitytoken")), bearer=bearer)
    identity = found is not None and found.identity
    return Credential("", identity=identity, bearer=bearer) if identity or bearer else None


def _host(key: str) -> str:
    """Return the host of a key that is a URL, "" of any other."""
    _, is_url, rest = key.partition("://")
    return rest.partition("/")[0] if is_url else ""
