"""Which helpers podman, buildah and skopeo ask, by registries.conf (containers/image pkg/sysregistriesv2).

Rules: the user's own file stands instead of the system's and its folder; the files of a ``registries.conf.d``
come after, each replacing the list of those before. An empty list is none. A file that cannot be parsed ends the
command.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from ecr_refreshd.core.clients.world import Search, Unreadable, World

KEY = "credential-helpers"
FILES = "containers-auth.json"
"""The name that stands for the login files of these programs, and for all there is if nothing is said."""
_SYSTEM = "/etc/containers/registries.conf"
_VARIABLES = ("CONTAINERS_REGISTRIES_CONF", "REGISTRIES_CONFIG_PATH")


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked for a login.

    Attributes:
        helpers: the X of docker-credential-X, or `FILES`, in their order.
        place: the file that says so, or is broken; "" if none says anything.
        trouble: why it cannot be read, "" if it can.
    """

    helpers: tuple[str, ...] = (FILES,)
    place: str = ""
    trouble: str = ""


def asked(world: World, search: Search, *, heeds_variables: bool) -> Asked:
    """Return who is asked; podman and buildah heed variables that name the file, skopeo does not."""
    named = _named(world) if heeds_variables else ""
    own = f"{world.home}/.config/containers/registries.conf"
    first = named or (own if world.read(own) is not None else _SYSTEM)
    folders = [f"{own}.d"] if first == own else [f"{_SYSTEM}.d", f"{own}.d"]
    drop_ins = [f"{each}/{name}" for each in folders for name in world.names(each) if name.endswith(".conf")]
    found = Asked()
    for path in (first, *drop_ins):
        told, trouble = _told(world, path, wanted=path == named)
        if trouble:
            search.saw(path, trouble)
            return Asked(place=path, trouble=trouble)
        if told is not None:
            found = Asked(told, path) if told else Asked()
    if found.place:
        search.saw(found.place, f"has these asked, one after the other: {', '.join(found.helpers)}")
    return found


def _named(world: World) -> str:
    """Return the file that a variable names; an empty variable hides the one behind it."""
    return next((world.env[name] for name in _VARIABLES if name in world.env), "")


def _told(world: World, path: str, *, wanted: bool) -> tuple[tuple[str, ...] | None, str]:
    """Return the helpers that a file names, None if it does not speak of them; and why it cannot be read."""
    data = world.read(path)
    if data is None:
        return None, "there is no such file" if wanted else ""
    if isinstance(data, Unreadable):
        return None, data.reason
    try:
        document = tomllib.loads(data.decode())
    except ValueError as error:
        return None, str(error)
    # Go's TOML takes a key for a field in whatever case.
    told = next((value for name, value in document.items() if name.lower() == KEY), None)
    if told is None:
        return None, ""
    if not isinstance(told, list) or not all(isinstance(each, str) for each in told):
        return None, f"{KEY} is of the wrong type"
    return tuple(told), ""
