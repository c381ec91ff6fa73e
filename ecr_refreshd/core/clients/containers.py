"""podman, buildah, skopeo (containers/image pkg/docker/config): several files, the first credential wins.

Rules: REGISTRY_AUTH_FILE, for podman and buildah else DOCKER_CONFIG, names the first file, since 2023 the only
one; podman before 4.7 and buildah give up if it is not there. registries.conf may have helpers asked before the
files, after them or in their place; what fails is passed over, and ends the command only if nobody has a login.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecr_refreshd.core.clients.authfile import Place, Told, helped, told
from ecr_refreshd.core.clients.registries import FILES, KEY, asked
from ecr_refreshd.core.clients.world import Finding, Outcome, Search, Source, Unreadable, World, for_password
from ecr_refreshd.core.remedies import clients as remedies

NAMING = ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG")
"""The variables that name a file, the first before the second."""
_TEMPORARY = "/tmp"  # noqa: S108 - podman's own choice
_Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Program:
    """One of the family.

    Attributes:
        only_one: since this version it reads no file but the one that a variable names (containers/image 5.24);
            before, it read that one first.
        bears_absence: since this version it goes on if there is no such file; () always, None never.
        has_runtime_folder: without XDG_RUNTIME_DIR and without root it makes itself one (podman GetRuntimeDir).
        more_variables: it heeds DOCKER_CONFIG as one that names a file (common/pkg/auth GetDefaultAuthFile), and
            those that name registries.conf (common/libimage).
    """

    name: str
    only_one: _Version
    bears_absence: _Version | None
    has_runtime_folder: bool = False
    more_variables: bool = True


# podman pull, run, push and search look for the file themselves (podman #18405, mended by #19391); buildah pull,
# from and push do to this day (buildah #3259).
_PODMAN = _Program("podman", (4, 4), (4, 7), has_runtime_folder=True)
_BUILDAH = _Program("buildah", (1, 29), None)
# To all of skopeo but its login, DOCKER_CONFIG names only where docker's own file is.
_SKOPEO = _Program("skopeo", (1, 11), (), more_variables=False)


def podman(world: World, host: str) -> Finding:
    """Return what podman sends for a repository that no key in a file names closer."""
    return _decide(world, host, _PODMAN)


def buildah(world: World, host: str) -> Finding:
    """Return what buildah sends for such a repository."""
    return _decide(world, host, _BUILDAH)


def skopeo(world: World, host: str) -> Finding:
    """Return what skopeo sends for such a repository."""
    return _decide(world, host, _SKOPEO)


def _decide(world: World, host: str, program: _Program) -> Finding:
    search = Search()
    places = _places(world, program, search)
    first = places[0]
    closed = world.read(first.path) if first.path == _of_account(world) else None
    if isinstance(closed, Unreadable):
        search.remedy = remedies.set_runtime_folder(world.uid)
        if program is _BUILDAH:  # seen to go on, from within its user namespace; where it looks is not known
            search.saw(first.path, closed.reason)
            return search.ends(Source(first.path))
    if (
        first.named_by
        and not _since(world, program, program.bears_absence)
        and world.read(first.path) is None
    ):
        search.saw(first.path, "there is no such file, and that ends the command")
        search.note("A build does not look for the file beforehand, and goes on without it.")
        return search.ends(
            Source(first.named_by), Outcome(error=f"stat {first.path}: no such file or directory")
        )
    order = asked(world, search, heeds_variables=program.more_variables)
    if order.trouble:
        error = f"loading registries configuration {order.place}: {order.trouble}"
        return search.ends(Source(order.place), Outcome(error=error))
    failed: Told | None = None
    last = Told(Source(first.path))
    for helper in order.helpers:
        if helper == FILES:
            last = _in_files(world, places, host, search)
        else:
            last = helped(
                world, helper, Source(order.place, KEY, f"docker-credential-{helper}"), host, search
            )
        if last.fails:
            failed = failed or last
        elif not last.says_nothing:
            # An identity token from a helper ends the search too, though no password comes of it.
            return search.ends(last.source, *map(for_password, last.outcomes))
    last = failed or last
    return search.ends(last.source, *last.outcomes)


def _in_files(world: World, places: list[Place], host: str, search: Search) -> Told:
    last = Told(Source(places[0].path))
    for place in places:
        found = told(world, place, host, search)
        if not found.says_nothing:
            return found
        if world.read(place.path) is not None:
            last = found
    return last


def _places(world: World, program: _Program, search: Search) -> list[Place]:
    """Return the files in their order (getAuthFilePaths)."""
    folder = world.env.get("DOCKER_CONFIG")
    named = _named(world, program)
    if named is not None:
        only = _since(world, program, program.only_one)
        search.saw(named.named_by, f"is set: {named.path} is the {'only' if only else 'first'} file")
        if only:
            return [named]
    config_home = world.env.get("XDG_CONFIG_HOME") or f"{world.home}/.config"
    docker = f"{folder}/config.json" if folder else f"{world.home}/.docker/config.json"
    first = named or Place(_first(world, program))
    others = dict.fromkeys((f"{config_home}/containers/auth.json", docker))
    return [
        first,
        *(Place(path) for path in others if path != first.path),
        Place(f"{world.home}/.dockercfg", legacy=True),
    ]


def _named(world: World, program: _Program) -> Place | None:
    """Return the file that a variable names."""
    whole, folder = NAMING
    if path := world.env.get(whole):
        return Place(path, named_by=whole)
    if program.more_variables and (path := world.env.get(folder)):
        return Place(f"{path}/config.json", named_by=folder)
    return None


def _first(world: World, program: _Program) -> str:
    """Return the file that a login is written to, where no variable names one."""
    if world.platform == "darwin":
        return f"{world.home}/.config/containers/auth.json"
    if world.env.get("XDG_RUNTIME_DIR"):
        return f"{world.env['XDG_RUNTIME_DIR']}/containers/auth.json"
    if program.has_runtime_folder and world.uid != 0:
        session, own = (
            f"/run/user/{world.uid}",
            f"{world.env.get('TMPDIR') or _TEMPORARY}/podman-run-{world.uid}",
        )
        return f"{session if world.names(session) else own}/containers/auth.json"
    return _of_account(world)


def _of_account(world: World) -> str:
    return f"/run/containers/{world.uid}/auth.json"


def _since(world: World, program: _Program, version: _Version | None) -> bool:
    """Tell whether the program on PATH is of this version or later; if none is there, whether the newest is."""
    if version is None:
        return False
    there = world.version(program.name)
    return there is None or there >= version
