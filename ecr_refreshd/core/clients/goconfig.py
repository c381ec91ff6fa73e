"""A docker config as Go's ``encoding/json`` fills it in, mistakes included.

A mistake of syntax leaves nothing at all; a value of the wrong type is passed over and the rest is read, but the
program hears of it, and docker then decodes no entry (docker/cli configfile.LoadFromReader).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ecr_refreshd.core.clients import shapes
from ecr_refreshd.core.clients.shapes import Shape
from ecr_refreshd.core.clients.world import Credential, credential
from ecr_refreshd.core.dockerentry import decoded, legacy
from ecr_refreshd.core.jsontext import Document, JsonError, JsonObject, Member, folded, scan, scan_object

_OPENED = frozenset({"auths", "credhelpers"})
_EXACT = frozenset({"auths", "credHelpers", "credsStore"})
_NEWEST = shapes.docker()
Fields = dict[str, str]


@dataclass(slots=True)
class GoConfig:
    """What a Go program knows of a file.

    Attributes:
        entries: key -> the texts of an entry by folded name.
        syntax: why nothing could be read, "" if it could.
        mistyped: the first value of a wrong type, "" if there is none.
        spoilt: the keys of entries that hold a value of a wrong type.
    """

    entries: dict[str, Fields] = field(default_factory=dict)
    helpers: dict[str, str] = field(default_factory=dict)
    store: str = ""
    syntax: str = ""
    mistyped: str = ""
    spoilt: set[str] = field(default_factory=set)

    @property
    def configured(self) -> bool:
        """Whether anything is said about credentials (docker/cli ContainsAuth)."""
        return bool(self.store or self.helpers or self.entries)

    @property
    def undecodable(self) -> list[str]:
        """The keys whose ``auth`` is not the base64 of ``user:password``."""
        return [key for key, fields in self.entries.items() if not decodes(fields)]


def go_config(data: bytes, *, whole: bool, exact: bool = False, shape: Shape = _NEWEST) -> GoConfig:
    """Return what a Go program makes of a file.

    Args:
        data: its bytes.
        whole: json.Unmarshal, which wants one document and no more (podman); else json.Decoder (docker), which
            stops reading behind the first, and takes an empty file for nothing.
        exact: the names at the top do not fold case, and the last of two equal ones replaces the first (oras).
        shape: the types that it wants.
    """
    config = GoConfig()
    if whole and not data.strip():
        config.syntax = "unexpected end of JSON input"
        return config
    try:
        document = scan(data, _OPENED)
    except JsonError as error:
        root = None if whole else _first_object(data)
        if root is None:
            config.syntax = str(error)
            return config
        document = Document(data, data.decode("latin-1"), root, 0, 0)
    for member in document.root.members if document.root else ():
        if not exact:
            _fill(config, document.text, member, shape)
        elif member.name in _EXACT:
            if member.name == "auths":
                config.entries.clear()
            _fill(config, document.text, member, shape)
    return config


def go_map(data: bytes, shape: Shape = _NEWEST) -> GoConfig:
    """Return what a Go program makes of an old ``.dockercfg``: entries, and nothing around them."""
    return go_config(b'{"auths":' + data + b"}", whole=True, shape=shape)


def decodes(fields: Fields) -> bool:
    """Tell whether an entry's ``auth`` can be decoded, or there is none."""
    return not fields.get("auth") or bool(decoded(fields["auth"])[0])


def sent(fields: Fields, *, raw: bool = False) -> Credential | None:
    """Return what an entry gives docker; `raw`: its ``auth`` was never decoded."""
    user, password = fields.get("username", ""), fields.get("password", "")
    if fields.get("auth") and not raw:
        user, password = decoded(fields["auth"])
    identity, bearer = bool(fields.get("identitytoken")), bool(fields.get("registrytoken"))
    return credential(user, password, identity=identity, bearer=bearer)


def candidates(config: GoConfig, host: str) -> list[str]:
    """Return the key under which docker finds a host; several where it takes any of them (file_store.go Get)."""
    if host in config.entries:
        return [host]
    return [key for key in config.entries if legacy(key) == host]


def _first_object(data: bytes) -> JsonObject | None:
    text = data.decode("latin-1")
    start = len(text) - len(text.lstrip(" \t\n\r"))
    if text[start : start + 1] != "{":
        return None
    try:
        return scan_object(text, start, _OPENED)
    except JsonError:
        return None


def _fill(config: GoConfig, text: str, member: Member, shape: Shape) -> None:
    name = folded(member.name)
    if name == "credsstore" and shape.store:
        if isinstance(member.value, str):
            config.store = member.value
        elif member.value is not None:
            _mistype(config, "credsStore")
    if name in shape.fields and not shape.fields[name](member.value):
        _mistype(config, member.name)
    if name not in _OPENED or member.value is None or (name == "credhelpers" and not shape.asks):
        return
    if not isinstance(member.value, JsonObject):
        _mistype(config, "auths" if name == "auths" else "credHelpers")
        return
    for each in member.value.members:
        if name == "auths":
            _enter(config, text, each, shape)
        elif isinstance(each.value, str | None):
            config.helpers[each.name] = each.value or ""
        else:
            _mistype(config, f"credHelpers[{each.name}]")


def _enter(config: GoConfig, text: str, member: Member, shape: Shape) -> None:
    fields: Fields = {}
    config.entries[member.name] = fields
    config.spoilt.discard(member.name)
    if member.value is None:
        return
    if not isinstance(member.value, tuple) and text[member.at] != "{":
        _mistype(config, f"auths[{member.name}]")
        config.spoilt.add(member.name)
        return
    pairs: list[tuple[str, Any]] = [(m.name, m.value) for m in scan_object(text, member.at).members]
    for name, value in pairs:
        if folded(name) not in shape.entry or value is None:
            continue
        if isinstance(value, str):
            fields[folded(name)] = value
        else:
            _mistype(config, f"{name} of auths[{member.name}]")
            config.spoilt.add(member.name)


def _mistype(config: GoConfig, what: str) -> None:
    config.mistyped = config.mistyped or f"{what} is of the wrong type"
