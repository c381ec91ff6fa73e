"""Docker's own package for credentials (docker/cli cli/config), as docker, crane and nerdctl use it.

A key is asked for in the variable DOCKER_AUTH_CONFIG, then in the helper that the file names for it, or in the
file's store, or else among its entries. What is asked first is final.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ecr_refreshd.core.clients.goconfig import GoConfig, candidates, decodes, sent
from ecr_refreshd.core.clients.world import ANONYMOUS, Credential, Outcome, Search, Source, World
from ecr_refreshd.core.dockerentry import decoded, legacy
from ecr_refreshd.core.jsontext import folded

VARIABLE = "DOCKER_AUTH_CONFIG"
_VARIABLE_SINCE = {"docker": (28, 3), "nerdctl": (2, 1, 3)}
"""nerdctl's has docker's package of 28.3 since then."""


@dataclass(frozen=True, slots=True)
class Got:
    """What one key gives.

    Attributes:
        kept: what the file's entry alone would give; older programs fall back to it where a helper fails.
    """

    source: Source
    outcomes: tuple[Outcome, ...]
    kept: tuple[Outcome, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the helper failed."""
        return any(outcome.error for outcome in self.outcomes)


@dataclass(frozen=True, slots=True)
class CliConfig:
    """A loaded file, and what goes before it.

    Attributes:
        keychain: the suffix of the store that was found because the file says nothing, "" if none.
        variable: what DOCKER_AUTH_CONFIG gives: host -> auth.
    """

    world: World
    path: str
    config: GoConfig
    variable: dict[str, str]
    keychain: str = ""

    def get(self, key: str, search: Search) -> Got:
        """Ask for a key."""
        if key in self.variable:
            search.saw(VARIABLE, f"names {key}, and goes before every file and helper")
            return Got(Source(VARIABLE, f"auths.{key}"), (Outcome(sent({"auth": self.variable[key]})),))
        suffix, source = self._chosen(key, search)
        return self._from_store(suffix, key, source, search) if suffix else self._from_file(key, search)

    def get_all(self, host: str, search: Search, *, forgives: bool) -> Got:
        """Return what a client gets for a host that gets every credential at once (configfile GetAllCredentials).

        The default store is listed first, and if that fails there are no credentials at all; then each line under
        credHelpers is followed.

        Args:
            host: canonical.
            search: collects the steps.
            forgives: a helper of another host that fails costs only that host its credential.
        """
        found, source = self._defaults(host, search)
        if found is None:
            return Got(source, (ANONYMOUS,))
        for key in self.config.helpers:
            if forgives and legacy(key) != host and key != host:
                continue
            got = self.get(key, search if legacy(key) == host else Search())
            if not got.failed:
                found[key], source = got.outcomes, got.source if legacy(key) == host else source
            elif not forgives:
                search.saw(got.source.program, f"fails for {key}, and with it every other credential is lost")
                return Got(got.source, (ANONYMOUS,))
        found |= {key: (Outcome(sent({"auth": auth})),) for key, auth in self.variable.items()}
        keys = [host] if host in found else [key for key in found if legacy(key) == host]
        if host in self.variable:
            source = Source(VARIABLE, f"auths.{host}")
        elif not keys:
            search.saw(source.program or source.place, f"holds no credential for {host}")
        outcomes = tuple(dict.fromkeys(outcome for key in keys for outcome in found[key]))
        return Got(source, outcomes or (ANONYMOUS,))

    def _defaults(self, host: str, search: Search) -> tuple[dict[str, tuple[Outcome, ...]] | None, Source]:
        """Return key -> what the default store gives, or the entries without one; None where it fails."""
        suffix = self.config.store or self.keychain
        if not suffix:
            found = {key: self._outcomes(key) for key in self.config.entries}
            keys = candidates(self.config, host)
            for each in keys:
                search.saw(f"{self.path}: auths.{each}", described(self.config, each))
            return found, Source(self.path, " or ".join(f"auths.{each}" for each in keys))
        source = Source(self.path, "credsStore" if self.config.store else "", f"docker-credential-{suffix}")
        listed = self.world.stored(suffix)
        error = listed.error
        found = {}
        for server in listed.servers:
            if legacy(server) != host and server != host:
                continue  # asked for by the client, and not from here: a store may ask its owner
            answer = self.world.ask(suffix, server)
            error = error or answer.error
            found[server] = (Outcome(answer.credential) if answer.credential else ANONYMOUS,)
        if not error:
            search.saw(source.program, f"lists {len(listed.servers)} logins")
            return found, source
        if self.variable:
            search.saw(source.program, f"fails: {error}; the logins of {VARIABLE} are sent all the same")
            return {}, source
        search.saw(
            source.program, f"fails: {error}; every credential is lost with it, those of credHelpers too"
        )
        return None, source

    def _chosen(self, key: str, search: Search) -> tuple[str, Source]:
        """Return the suffix of the helper that is asked ("": the entries count), and what says so."""
        helper = self.config.helpers.get(key)
        if helper is None:
            named = "credsStore" if self.config.store else ""
            store = self.config.store or self.keychain
            return store, Source(self.path, named, f"docker-credential-{store}")
        if not helper:
            search.saw(self.path, f"credHelpers.{key} is empty: the entries of this file count")
        return helper, Source(self.path, f"credHelpers.{key}", f"docker-credential-{helper}")

    def _from_store(self, suffix: str, key: str, source: Source, search: Search) -> Got:
        search.saw(self.path, f"sends everybody to {source.program} for {key}")
        answer = self.world.ask(suffix, key)
        kept = self._outcomes(key)
        if answer.error:
            search.saw(source.program, f"fails: {answer.error}")
            return Got(source, (Outcome(error=f"error getting credentials: {answer.error}"),), kept)
        bearer = any(outcome.credential and outcome.credential.bearer for outcome in kept)
        if bearer:
            search.note(f"The registrytoken of the entry in {self.path} is sent as well.")
        given = answer.credential
        if given is None:
            search.saw(source.program, "has no credential; nothing else is asked")
            return Got(source, (Outcome(Credential("", bearer=True)) if bearer else ANONYMOUS,))
        search.saw(source.program, "answers with a credential")
        whole = Credential(
            given.user, given.auth, given.fingerprint, given.expires_hint, given.identity, bearer
        )
        return Got(source, (Outcome(whole),))

    def _from_file(self, key: str, search: Search) -> Got:
        keys = candidates(self.config, key)
        if not keys:
            if self.config.configured:
                search.saw(self.path, f"holds no entry that counts for {key}")
            return Got(Source(self.path), (ANONYMOUS,))
        if len(keys) > 1:
            search.saw(self.path, f"holds {' and '.join(keys)}, but no {key}: one of them is taken at random")
        for each in keys:
            search.saw(f"{self.path}: auths.{each}", described(self.config, each))
        named = " or ".join(f"auths.{each}" for each in keys)
        return Got(Source(self.path, named), self._outcomes(key))

    def _outcomes(self, key: str) -> tuple[Outcome, ...]:
        """Return what the file's entry gives; where one cannot be decoded, which others were first is chance."""
        outcomes: list[Outcome] = []
        bad = bool(self.config.undecodable)
        for each in candidates(self.config, key):
            fields = self.config.entries[each]
            if not self.config.mistyped and decodes(fields):
                outcomes.append(Outcome(sent(fields)))
            if bad or self.config.mistyped:
                outcomes.append(Outcome(sent(fields, raw=True)))
        return tuple(dict.fromkeys(outcomes)) or (ANONYMOUS,)


def described(config: GoConfig, key: str) -> str:
    """Return a few words on an entry."""
    fields = config.entries[key]
    if not decodes(fields):
        return "its auth cannot be decoded"
    return "holds a credential" if sent(fields) else "is there, and empty"


def read_variable(
    world: World, search: Search, reader: str = "", version: tuple[int, ...] | None = None
) -> dict[str, str]:
    """Return what DOCKER_AUTH_CONFIG gives: host -> auth; nothing if it is ignored.

    Args:
        world: the machine.
        search: told of it.
        reader: docker or nerdctl; "" for others that are built on docker's code.
        version: the reader's; None if it is unknown.
    """
    text = world.env.get(VARIABLE)
    if not text:
        return {}
    if version is not None and version < _VARIABLE_SINCE[reader]:
        since = ".".join(map(str, _VARIABLE_SINCE[reader]))
        search.saw(VARIABLE, f"is set, but {reader} reads it only since {since}")
        return {}
    entries, trouble = _entries(text)
    if trouble:
        search.saw(VARIABLE, f"is set and ignored: {trouble}")
    elif version is None:
        search.note(f"{VARIABLE} is set; only programs built on docker 28.3 or later read it.")
    return entries


def _entries(text: str) -> tuple[dict[str, str], str]:
    """Return host -> auth, or why the variable is ignored as a whole (configfile.parseEnvConfig)."""
    text = text.lstrip(" \t\r\n")
    try:
        document, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return {}, "it is not valid JSON"
    # To Go's decoder a closing bracket is the end of what there is, be there one to close or not.
    if text[end:].lstrip(" \t\r\n")[:1] not in ("", "}", "]"):
        return {}, "it is more than one object"
    if not isinstance(document, dict):
        return {}, "it is not an object"
    entries: dict[str, str] = {}
    for name, auths in document.items():
        if folded(name) != "auths" or not isinstance(auths, dict | None):
            return {}, "it holds something else than auths"
        for host, entry in (auths or {}).items():
            auth, trouble = _auth(host, entry)
            if trouble:
                return {}, trouble
            entries[host] = auth
    return entries, ""


def _auth(host: str, entry: Any) -> tuple[str, str]:
    fields = {folded(name): value for name, value in entry.items()} if isinstance(entry, dict) else {}
    auth = fields.get("auth")
    if set(fields) - {"auth"}:
        return "", f"the entry of {host} holds something else than auth"
    if not isinstance(auth, str) or not auth:
        return "", f"the entry of {host} has no auth"
    return (auth, "") if decoded(auth)[0] else ("", f"the auth of {host} cannot be decoded")
