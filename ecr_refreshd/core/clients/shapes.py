"""The types that a Go program wants in a docker config.

One value of another type, be it of a proxy or an alias, and it decodes no login in the file, or does not take the
file at all. From the structs of docker/cli (20.10 to 29), dockercfg 0.3, the kubelet 1.34, containers/image and
oras-go 2.6. Names are folded, as encoding/json finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ecr_refreshd.core.jsontext import folded

Fits = Callable[[Any], bool]


def is_text(value: Any) -> bool:
    """Whether a value goes into a string; null goes into everything."""
    return value is None or isinstance(value, str)


def _texts(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(map(is_text, value)))


def _object_of(fits: Fits) -> Fits:
    def check(value: Any) -> bool:
        return value is None or (isinstance(value, tuple) and all(fits(each) for _, each in value))

    return check


def _record(*names: str) -> Fits:
    """An object whose fields of these names are strings; others may be anything."""

    def check(value: Any) -> bool:
        pairs = value if isinstance(value, tuple) else ()
        return value is None or (
            isinstance(value, tuple) and all(is_text(each) for name, each in pairs if folded(name) in names)
        )

    return check


_MAP = _object_of(is_text)
_ALL_ENTRY = frozenset(
    {"username", "password", "auth", "email", "serveraddress", "identitytoken", "registrytoken"}
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What one program's struct holds.

    Attributes:
        fields: beside entries, helpers and store, what must be of which type.
        entry: the fields of an entry that must be strings.
        asks: whether it knows helpers and a store at all; else these may be anything.
        store: whether ``credsStore`` is among its fields.
    """

    fields: Mapping[str, Fits] = field(default_factory=dict)
    entry: frozenset[str] = _ALL_ENTRY
    asks: bool = True
    store: bool = True


def _fields(*texts: str, **more: Fits) -> dict[str, Fits]:
    return {**dict.fromkeys(texts, is_text), **more}


_COMMON = _fields(
    "psformat", "imagesformat", "networksformat", "pluginsformat", "volumesformat", "statsformat", "detachkeys",
    "serviceinspectformat", "servicesformat", "tasksformat", "secretformat", "configformat", "nodesformat",
    "currentcontext", httpheaders=_MAP, prunefilters=_texts, clipluginsextradirs=_texts, aliases=_MAP,
)  # fmt: skip
_OLD_PROXIES = _object_of(_record("httpproxy", "httpsproxy", "noproxy", "ftpproxy"))
_PROXIES = _object_of(_record("httpproxy", "httpsproxy", "noproxy", "ftpproxy", "allproxy"))
_PLUGINS = _object_of(_MAP)
_NEWEST = (29, 0)


def docker(version: tuple[int, ...] | None = None) -> Shape:
    """Return docker's own, by its version; None is the newest."""
    version = version or _NEWEST
    fields = {**_COMMON, "plugins": _PLUGINS, "proxies": _OLD_PROXIES if version < (23,) else _PROXIES}
    if version >= (26,):
        fields["features"] = _MAP
    if version < (29,):
        fields["experimental"] = is_text
    if version < (24,):
        fields["stackorchestrator"] = is_text
    if version < (23,):
        fields["kubernetes"] = _record("allnamespaces")
    return Shape(fields, _ALL_ENTRY if version < (29,) else _ALL_ENTRY - {"email"})


ANY = Shape()
"""A program that minds entries, helpers and the store, and nothing else."""
DOCKERCFG = Shape(
    {
        **_COMMON,
        "proxies": _OLD_PROXIES,
        "experimental": is_text,
        "stackorchestrator": is_text,
        "kubernetes": _record("allnamespaces"),
    }
)
KUBELET = Shape(
    {"httpheaders": _MAP}, frozenset({"username", "password", "auth", "email"}), asks=False, store=False
)
CONTAINERS = Shape(entry=frozenset({"auth", "identitytoken"}), store=False)
ORAS = Shape(entry=frozenset({"auth", "identitytoken", "registrytoken", "username", "password"}))
