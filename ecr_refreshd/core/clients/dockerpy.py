"""docker-py (docker/auth.py), and what is built on it: docker-compose 1, Ansible, Airflow.

Its rules are Python's: names are compared letter by letter, one entry that cannot be decoded ends everything, a
file that is not JSON counts as empty. A helper that has nothing sends it on to the entries.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from ecr_refreshd.core.clients.world import (
    ANONYMOUS,
    Credential,
    Finding,
    HelperList,
    Outcome,
    Search,
    Source,
    Unreadable,
    World,
    credential,
)

_Entries = dict[str, Credential | None]


class _BadEntryError(ValueError):
    """An entry on which docker-py fails as a whole; the text says which and how."""


def decide(world: World, host: str) -> Finding:
    """Return what docker-py sends."""
    search = Search()
    path = _file(world, search)
    document = _document(world, path, search) if path else {}
    if not isinstance(document, dict):
        search.saw(path, "is JSON, and no object")
        return search.ends(Source(path), Outcome(error="AttributeError: the config is no object"))
    try:
        entries = _all_entries(document)
    except _BadEntryError as error:
        search.saw(path, str(error))
        return search.ends(Source(path), Outcome(error=f"docker-py cannot be used at all: {error}"))
    helpers, store = document.get("credHelpers") or {}, document.get("credsStore") or ""
    if not isinstance(helpers, dict):
        search.saw(path, "credHelpers is no object")
        return search.ends(Source(path), Outcome(error="AttributeError: credHelpers is no object"))
    suffix = helpers.get(host) or store
    if suffix:
        key = f"credHelpers.{host}" if helpers.get(host) else "credsStore"
        source = Source(path, key, f"docker-credential-{suffix}")
        answer = world.ask(str(suffix), host)
        if answer.error:
            search.saw(source.program, f"fails: {answer.error}")
            return search.ends(source, Outcome(error=f"Credentials store error: {answer.error}"))
        if answer.credential is not None:
            search.saw(source.program, "answers with a credential")
            return search.ends(source, Outcome(answer.credential))
        search.saw(source.program, "has no credential; the entries of the file are next")
    return _entry(entries, path, host, search)


def builds(world: World, host: str) -> Finding:
    """Return what docker-py's build sends: every credential at once, and none at all if one helper fails."""
    search = Search()
    path = _file(world, search)
    document = _document(world, path, search) if path else {}
    try:
        entries = _all_entries(document) if isinstance(document, dict) else {}
    except _BadEntryError as error:
        search.saw(path, str(error))
        return search.ends(Source(path), Outcome(error=f"docker-py cannot be used at all: {error}"))
    helpers = document.get("credHelpers") or {} if isinstance(document, dict) else None
    if not isinstance(helpers, dict):
        search.saw(path, "is no object, or its credHelpers is none")
        return search.ends(Source(path), Outcome(error="AttributeError: an object is expected"))
    key = host if host in entries else next((each for each in entries if _hostname(each) == host), "")
    found, source = entries.get(key), Source(path, f"auths.{key}" if key else "")
    if suffix := str(document.get("credsStore") or ""):
        store = Source(path, "credsStore", f"docker-credential-{suffix}")
        listed = world.stored(suffix)
        for server in listed.servers if not listed.error else ():
            if _hostname(server) == host:
                answer = world.ask(suffix, server)
                listed = HelperList(listed.servers, answer.error)
                found, source = answer.credential, store
        if listed.error:
            return _store_fails(store, listed.error, search)
    for each, helper in helpers.items():
        helped = Source(path, f"credHelpers.{each}", f"docker-credential-{helper or ''}")
        if not helper:  # runs a program of that name, unlike a pull
            return _store_fails(helped, "there is no such program", search)
        answer = world.ask(str(helper), each)
        if answer.error:
            return _store_fails(helped, answer.error, search)
        if _hostname(each) == host:
            found, source = answer.credential, helped
    search.saw(source.program or source.place or "the entries", "give a credential" if found else "give none")
    return search.ends(source, Outcome(found))


def _store_fails(source: Source, error: str, search: Search) -> Finding:
    search.saw(source.program, f"fails: {error}; the build ends before it begins")
    return search.ends(source, Outcome(error=f"Credentials store error: {error}"))


def _file(world: World, search: Search) -> str:
    named = world.env.get("DOCKER_CONFIG")
    places = [f"{world.home}/.docker/config.json", f"{world.home}/.dockercfg"]
    if named:
        places.insert(0, f"{named}/config.json")
    for path in places:
        if world.read(path) is not None:
            return path
        search.saw(path, "there is no such file")
    return ""


def _document(world: World, path: str, search: Search) -> Any:
    data = world.read(path)
    if data is None or isinstance(data, Unreadable):
        search.saw(path, "cannot be read, and counts as empty")
        return {}
    try:
        return json.loads(data.decode())
    except (ValueError, RecursionError):
        search.saw(path, "is not JSON in UTF-8, and counts as empty")
        return {}


def _all_entries(document: dict[str, Any]) -> _Entries:
    """Return host -> what is sent; a document without any field about credentials is tried as entries itself."""
    auths = document.get("auths")
    if auths:
        if not isinstance(auths, dict):
            raise _BadEntryError("auths is no object")
        return {key: _parsed(key, entry) for key, entry in auths.items()}
    if document.get("credsStore") or document.get("credHelpers"):
        return {}
    if not all(isinstance(entry, dict) for entry in document.values()):
        return {}
    return {key: _parsed(key, entry) for key, entry in document.items()}


def _parsed(key: str, entry: Any) -> Credential | None:
    if not isinstance(entry, dict):
        raise _BadEntryError(f"the entry of {key} is no object")
    if "identitytoken" in entry:
        return Credential("", identity=True)
    if "auth" not in entry:
        return None
    try:
        user, password = base64.b64decode(entry["auth"].encode("ascii")).split(b":", 1)
        return credential(user.decode(), password.decode())
    except (ValueError, AttributeError) as error:
        raise _BadEntryError(f"the auth of {key} cannot be decoded") from error


def _entry(entries: _Entries, path: str, host: str, search: Search) -> Finding:
    key = host if host in entries else next((each for each in entries if _hostname(each) == host), "")
    if not key:
        search.saw(
            path or "the entries", f"hold nothing for {host}" if not path else f"holds no entry for {host}"
        )
        return search.ends(Source(path), ANONYMOUS)
    search.saw(f"{path}: auths.{key}", "holds a credential" if entries[key] else "is there, and empty")
    return search.ends(Source(path, f"auths.{key}"), Outcome(entries[key]))


def _hostname(key: str) -> str:
    return key.replace("http://", "").replace("https://", "").split("/", 1)[0]
