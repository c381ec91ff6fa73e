"""A docker config.json or containers auth.json as its clients read it, and our entries in it: bytes -> bytes.

Clients here are docker's and podman's Go code: names of fields fold case, two ``auths`` objects are merged, the
last of two equal keys wins. What others (docker-py, Java) read differently is written so that all agree.
Writing is a splice: no byte outside our entries changes, and writing twice equals writing once.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from ecr_refreshd.core.dockerentry import (
    PREFERRED,
    TEXT_FIELDS,
    bare,
    decoded,
    ecr_name,
    is_namespace,
    kind_of,
    legacy,
)
from ecr_refreshd.core.jsonedit import Fresh, Splice, quoted
from ecr_refreshd.core.jsontext import Deep, Document, JsonObject, Member, fail, folded, scan, scan_object
from ecr_refreshd.core.model import ABSENT, Entry, EntryKind, expiry_hint, fingerprint
from ecr_refreshd.core.secret import Secret

OURS = "ecr-refreshd"
"""The suffix by which docker calls our credential helper."""
OPENED = frozenset({"auths", "credhelpers"})


@dataclass(frozen=True, slots=True)
class Routes:
    """Where a file sends its clients for credentials, before its entries.

    Attributes:
        helpers: ``credHelpers``, host -> suffix of the helper's name.
        store: ``credsStore``, "" if there is none.
        bare: there is no entry; one that is ``{}`` counts.
    """

    helpers: dict[str, str]
    store: str
    bare: bool

    @property
    def detects(self) -> bool:
        """Return whether docker looks for a keychain by itself (docker/cli ContainsAuth)."""
        return self.bare and not self.store and not self.helpers

    def without(self, released: Collection[str], restored: Mapping[str, str]) -> Routes:
        """Return the routes as they are once our lines for these hosts are gone, or have given way to others."""
        left = {
            host: restored.get(host, name) if host in released and name == OURS else name
            for host, name in self.helpers.items()
            if not (host in released and name == OURS and host not in restored)
        }
        return Routes(left, self.store, self.bare)

    @property
    def lonely(self) -> bool:
        """Return whether docker would look for a keychain if neither a store nor a line of ours were there."""
        return self.bare and all(name == OURS for name in self.helpers.values())


@dataclass(frozen=True, slots=True)
class Reading:
    """What clients read in one file.

    Attributes:
        entries: what stands under each host that was asked about.
        routes: what clients turn to before these.
        ecr_hosts: ECR hosts under ``auths`` or ``credHelpers``, canonical, in order of appearance.
        rest: see `core.model.View.rest`.
        closer: keys of single namespaces (``host/team``) that hold another login: podman, buildah and skopeo take
            those before the host's own.
    """

    entries: dict[str, Entry]
    routes: Routes
    ecr_hosts: tuple[str, ...]
    rest: str
    closer: tuple[str, ...] = ()


def read(data: bytes | None, hosts: Collection[str]) -> Reading:
    """Return what `Config.read` finds in these bytes. Raises JsonError."""
    return Config.parse(data).read(hosts)


def entries(data: bytes | None, hosts: Collection[str]) -> dict[str, Entry]:
    """Return what clients find under each host. Raises JsonError."""
    return read(data, hosts).entries


def put_auths(data: bytes | None, tokens: Mapping[str, Secret]) -> bytes:
    """Return these bytes as `Config.with_auths` makes them. Raises JsonError."""
    return Config.parse(data).with_auths(tokens)


def _write_entry(config: Config, splice: Splice, member: Member, auth: str) -> None:
    """Give one entry this ``auth``, and take from it what clients would prefer."""
    if member.value is None:
        splice.put(member.at, member.end, {quoted("auth"): quoted(auth)})
        return
    found = _only_auth(config, member)
    if found is not None:
        splice.put(*found, quoted(auth))
        return
    owner = scan_object(config.document.text, member.at)
    exact = [i for i, field in enumerate(owner.members) if field.name == "auth"]
    dropped = {
        i
        for i, field in enumerate(owner.members)
        if folded(field.name) in PREFERRED or (folded(field.name) == "auth" and i not in exact[:1])
    }
    if exact and owner.members[exact[0]].value != auth:
        splice.put(owner.members[exact[0]].at, owner.members[exact[0]].end, quoted(auth))
    splice.edit(owner, dropped, {} if exact else {quoted("auth"): quoted(auth)})


def _only_auth(config: Config, member: Member) -> tuple[int, int] | None:
    """Return the span of ``auth`` in an entry that is nothing else and spells it plainly; else None.

    Most entries are, and a thousand of them need not be scanned once more.
    """
    pairs = config.pairs(member)
    if len(pairs) != 1 or pairs[0][0] != "auth" or pairs[0][1] is None:
        return None
    text, spelt = config.document.text, f'"{pairs[0][1]}"'
    at = text.rfind(spelt, member.at, member.end)
    end = at + len(spelt)
    return (at, end) if at >= 0 and text[end : member.end].strip() == "}" else None


@dataclass(frozen=True, slots=True)
class Config:
    """A scanned file, checked for the types that docker's and podman's readers insist on."""

    document: Document
    _canonical: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, data: bytes | None) -> Config:
        """Scan a file.

        Args:
            data: its bytes; None when there is none. Empty and blank count as ``{}``, as docker reads them.

        Raises:
            JsonError: docker or podman would not accept the file; line and column say where.
        """
        document = scan(data or b"", OPENED)
        config = cls(document, _last_auths(document))
        config._check()
        return config

    def routes(self) -> Routes:
        """Return the helpers and the store that clients are sent to."""
        helpers: dict[str, str] = {}
        for owner in self.objects("credhelpers"):
            helpers.update((member.name, member.value or "") for member in owner.members)
        store = ""
        for member in self.root_members("credsstore"):
            store = store if member.value is None else member.value
        return Routes(helpers, store, bare=not any(True for _ in self.entries()))

    def read(self, hosts: Collection[str]) -> Reading:
        """Read the file as docker and podman do; `hosts` are canonical (bare, lower-case) names."""
        routes = self.routes()
        keys = (*(member.name for member in self.entries()), *routes.helpers)
        forms = self.forms(hosts)
        return Reading(
            entries={host: self.entry(host, forms[host]) for host in hosts},
            routes=routes,
            ecr_hosts=tuple(dict.fromkeys(name for name in map(ecr_name, keys) if name)),
            closer=tuple(self._closer(frozenset(hosts))),
            rest=self._rest({id(member) for members in forms.values() for member in members}),
        )

    def _closer(self, hosts: Collection[str]) -> Iterator[str]:
        for member in self.entries():
            if "/" in member.name and is_namespace(member.name) and bare(member.name) in hosts:
                user = self._user_of(member)
                if user and user != "AWS":
                    yield member.name

    def _rest(self, ours: Collection[int]) -> str:
        """Return a digest of all but these entries, the same however docker lays the file out at a logout.

        It sorts what it writes and leaves out what is empty.
        """
        entries = ((m, self.pairs(m)) for m in self.entries() if id(m) not in ours)
        root = self.document.root
        fields = [m for m in root.members if folded(m.name) != "auths"] if root else []
        others = sorted((m.name, self._told(m, pairs)) for m, pairs in entries)
        values = sorted((m.name, self._told(m, m.value)) for m in fields if m.value not in _EMPTY)
        return hashlib.sha256(repr((others, values)).encode("utf-8", "replace")).hexdigest()[:16]

    def _told(self, member: Member, value: Any) -> str:
        try:
            return repr(_in_order(value))
        except RecursionError:  # a few hundred deep: then it is told as it is spelt
            return self.document.text[member.at : member.end]

    def without_auths(self, hosts: Iterable[str]) -> bytes:
        """Return the file without the entries of these hosts, in whatever form; nothing else changes."""
        splice = Splice(self.document)
        gone = {id(member) for members in self.forms(hosts).values() for member in members}
        for owner in self.objects("auths"):
            dropped = {i for i, member in enumerate(owner.members) if id(member) in gone}
            if dropped:
                splice.edit(owner, dropped, {})
        return splice.result()

    def with_auths(self, tokens: Mapping[str, Secret]) -> bytes:
        """Return the file with these tokens in it, and nothing else changed.

        The key is the bare host. Other forms of the host that exist are brought along, because some clients
        prefer them (nerdctl asks for ``host:443`` first, podman for ``host/namespace``). Fields that clients
        prefer to ``auth`` go; others, such as ``email``, stay. A new file is laid out as docker does.

        Args:
            tokens: canonical host -> the text for ``auth`` (standard base64, as AWS returned it).
        """
        splice = Splice(self.document)
        missing: dict[str, Fresh] = {}
        for host, members in self.forms(tokens).items():
            auth = tokens[host].reveal()
            for member in members:
                if not self.tidy(member, auth):
                    _write_entry(self, splice, member, auth)
            if not self.has_canonical(host):
                missing[quoted(host)] = {quoted("auth"): quoted(auth)}
        if missing:
            self.add(splice, "auths", missing)
        return splice.result()

    def add(self, splice: Splice, name: str, fresh: Mapping[str, Fresh]) -> None:
        """Add members to the last object of this name: the one that readers who know no merging take."""
        document = self.document
        if document.root is None:
            text = splice.style.render({quoted(name): fresh}, "")
            blank = not document.text.strip()
            ending = (
                "\r\n" if document.text.endswith("\r\n") else "\n" if document.text.endswith("\n") else ""
            )
            start, end = (0, len(document.text)) if blank else (document.start, document.end)
            splice.put(start, end, text + (ending if blank else ""))
            return
        exact = [member for member in self.root_members(folded(name)) if member.name == name]
        if not exact:
            splice.edit(document.root, (), {quoted(name): fresh})
        elif isinstance(exact[-1].value, JsonObject):
            splice.edit(exact[-1].value, (), fresh)
        else:
            splice.put(exact[-1].at, exact[-1].end, fresh)

    def root_members(self, name: str) -> list[Member]:
        """Return the members of the root that Go reads as this (folded) field."""
        root = self.document.root
        return [m for m in root.members if folded(m.name) == name] if root else []

    def objects(self, name: str) -> Iterator[JsonObject]:
        """Return the objects that Go merges into this field."""
        return (m.value for m in self.root_members(name) if isinstance(m.value, JsonObject))

    def entries(self) -> Iterator[Member]:
        """Return every entry of every ``auths``, in order: a later one wins."""
        return (member for owner in self.objects("auths") for member in owner.members)

    def forms(self, hosts: Iterable[str]) -> dict[str, list[Member]]:
        """Return, for each host, its entries in every form that some client may read instead of it."""
        wanted = {bare(host): host for host in hosts}
        forms: dict[str, list[Member]] = {host: [] for host in hosts}
        if not forms:
            return forms
        for member in self.entries():
            host = wanted.get(bare(member.name))
            if host is not None and (not is_namespace(member.name) or self._user_of(member) == "AWS"):
                forms[host].append(member)
        return forms

    def has_canonical(self, host: str) -> bool:
        """Tell whether the bare host stands where every reader looks: in the last ``auths`` of that name."""
        return host in self._canonical

    def tidy(self, member: Member, auth: str) -> bool:
        """Tell whether an entry is this token and nothing that a client would prefer to it."""
        pairs = self.pairs(member)
        if dict(pairs).get("auth") != auth:
            return False
        names = [folded(name) for name, _ in pairs]
        return names.count("auth") == 1 and not PREFERRED.intersection(names)

    def entry(self, host: str, forms: list[Member]) -> Entry:
        """Return what clients find under a host, given all its forms."""
        read_by_docker = [m for m in forms if m.name == host] or [m for m in forms if legacy(m.name) == host]
        if not read_by_docker:
            return ABSENT
        fields = self.fields(read_by_docker[-1])
        auth = fields.get("auth", "")
        untidy = not self.has_canonical(host) or not all(self.tidy(member, auth) for member in forms)
        if not auth and fields.get("username"):
            pair = f"{fields['username']}:{fields.get('password', '')}"
            auth = base64.b64encode(pair.encode("utf-8", "replace")).decode()
        kind = kind_of(auth, fields)
        if kind is EntryKind.EMPTY:
            return Entry(kind, untidy=untidy)
        return Entry(
            kind,
            fingerprint(auth) if auth else "",
            expiry_hint(auth) if kind is EntryKind.TOKEN else None,
            Secret(auth) if kind is EntryKind.TOKEN else None,
            untidy,
        )

    def pairs(self, member: Member) -> tuple[tuple[str, Any], ...]:
        """Return the fields of an entry, duplicates and all; none for ``null``."""
        value = member.value
        if isinstance(value, Deep) and value.text.startswith("{"):
            owner = scan_object(self.document.text, member.at)
            return tuple((field.name, field.value) for field in owner.members)
        return () if value is None else value

    def fields(self, member: Member) -> dict[str, str]:
        """Return the texts of an entry by folded name; a later one wins, null changes nothing (as in Go)."""
        pairs = ((folded(name), value) for name, value in self.pairs(member))
        return {name: value for name, value in pairs if name in TEXT_FIELDS and value}

    def _user_of(self, member: Member) -> str:
        return decoded(self.fields(member).get("auth", ""))[0]

    def _check(self) -> None:
        """Refuse what makes docker or podman refuse the file, or read it otherwise than it is read here."""
        text = self.document.text
        for name in ("auths", "credhelpers"):
            found = self.root_members(name)
            for member in found:
                if member.value is not None and not isinstance(member.value, JsonObject):
                    fail(text, member.at, f"{member.name!r} is not an object")
                if member.value is None and len(found) > 1:
                    fail(text, member.at, f"{member.name!r} stands there more than once, here as null")
        for member in self.entries():
            if not isinstance(self.pairs(member), tuple):
                fail(text, member.at, "an entry of 'auths' is not an object")
            for name, value in self.pairs(member):
                if not isinstance(value, str | None) and folded(name) in TEXT_FIELDS:
                    fail(text, member.at, f"{folded(name)!r} of an entry of 'auths' is not a string")
        strings = [m for owner in self.objects("credhelpers") for m in owner.members]
        for member in [*strings, *self.root_members("credsstore")]:
            if not isinstance(member.value, str | None):
                fail(text, member.at, "the name of a credential helper is not a string")


_EMPTY: tuple[object, ...] = (None, "", False, (), [])


def _in_order(value: Any) -> Any:
    """Return a value whose objects are told in the order of their keys; of equal keys, as they stand."""
    if isinstance(value, JsonObject):
        value = tuple((member.name, member.value) for member in value.members)
    if isinstance(value, tuple):
        # Told as text once, at the end: the text of a text doubles with every level.
        return tuple(sorted(((name, _in_order(item)) for name, item in value), key=itemgetter(0)))
    return [_in_order(item) for item in value] if isinstance(value, list) else value


def _last_auths(document: Document) -> frozenset[str]:
    """Return the keys of the last ``auths`` of exactly that name."""
    exact = [m.value for m in document.root.members if m.name == "auths"] if document.root else []
    last = exact[-1] if exact else None
    return frozenset(m.name for m in last.members) if isinstance(last, JsonObject) else frozenset()
