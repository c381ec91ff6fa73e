"""The docker command line, and what runs with it: compose, buildx, and all of it under ``sudo``.

Compose and buildx are programs of their own, with docker's code of their day in them: docker's version says
nothing of them.

Rules: whatever is wrong with config.json is a warning, and what was read of it counts; with nothing said about
credentials a keychain on PATH is looked for at every command. Where a helper fails, docker's pull before 29 (and
its run, long ago) falls back to the file by accident, and everything else fails.
"""

from __future__ import annotations

from dataclasses import replace

from ecr_refreshd.core.clients import shapes
from ecr_refreshd.core.clients.cliconfig import CliConfig, read_variable
from ecr_refreshd.core.clients.goconfig import GoConfig, go_config, go_map
from ecr_refreshd.core.clients.world import (
    Credential,
    Finding,
    Outcome,
    Search,
    Source,
    Unreadable,
    World,
    for_whole_login,
)
from ecr_refreshd.core.remedies import clients as remedies

_PULL_FAILS_SINCE = (29,)
_RUN_FAILS_SINCE = (23,)
"""The real 20.10 forgives, and 28.2 does not; nothing between them was tried."""
_NO_OLD_FILE_SINCE = (23,)
_BUILDX_SINCE = (23,)
"""``docker build`` is buildx since then; before, docker spoke with BuildKit itself."""
_BUILD_FORGIVES_SINCE = (23,)
"""In 20.10 one helper that fails costs the classic builder every credential, in 28.2 only that helper's own."""
_Version = tuple[int, ...] | None
"""Of docker; None if it is not there, does not tell or does not count: it reads as the newest does."""


def pulls(world: World, host: str) -> Finding:
    """Return what ``docker pull`` sends."""
    return _forgiving(world, host, "pull", _PULL_FAILS_SINCE)


def runs(world: World, host: str) -> Finding:
    """Return what ``docker run`` and ``docker create`` send when they pull."""
    return _forgiving(world, host, "run", _RUN_FAILS_SINCE)


def composes(world: World, host: str) -> Finding:
    """Return what ``docker compose`` sends: where a helper fails, so does it, whatever docker's own version."""
    search = Search()
    got = _loaded(world, search, version=None).get(host, search)
    return search.ends(got.source, *got.outcomes)


def _forgiving(world: World, host: str, verb: str, fails_since: tuple[int, ...]) -> Finding:
    search = Search()
    version = world.version("docker")
    got = _loaded(world, search, version).get(host, search)
    if got.failed and version is not None and version < fails_since:
        search.note(
            f"The helper fails. This version's {verb} then takes the file's own entry by accident; docker "
            f"{fails_since[0]} and later fail instead."
        )
        return search.ends(got.source, *got.kept)
    return search.ends(got.source, *got.outcomes)


def builds(world: World, host: str) -> Finding:
    """Return what BuildKit is given by buildx or ``docker build`` for a registry that asks for a password.

    An identity token goes before user and password (session/auth/authprovider toCredentials). buildx's own files
    per host (``buildx/config/HOST``) are for registries with bearer tokens: a password is asked without a scope.
    """
    search = Search()
    version = world.version("docker")
    itself = version is not None and version < _BUILDX_SINCE
    got = _loaded(world, search, version if itself else None).get(host, search)
    return search.ends(got.source, *(_for_buildkit(outcome) for outcome in got.outcomes))


def builds_classic(world: World, host: str) -> Finding:
    """Return what the classic builder sends, which is given every credential at once (X-Registry-Config)."""
    search = Search()
    version = world.version("docker")
    forgives = version is None or version >= _BUILD_FORGIVES_SINCE
    got = _loaded(world, search, version).get_all(host, search, forgives=forgives)
    return search.ends(got.source, *got.outcomes)


def sudo(world: World, host: str) -> Finding:
    """Return what ``sudo docker`` sends: root's files count, and none of the user's variables."""
    root = replace(world, home=_root_home(world), uid=0, env={"HOME": _root_home(world)})
    path = config_path(root)
    data = world.read(path)
    note = f"Under sudo docker reads {path}, not your own file; sudo -E, or the group docker, keeps to yours."
    if world.uid != 0 and isinstance(data, Unreadable):
        search = Search(notes=[note])
        return search.is_closed(path, data.reason, host)
    finding = pulls(root, host)
    if world.uid != 0 and finding.source.program:
        # It was asked as this user, with this user's files; root's answer may be another.
        search = Search(list(finding.steps[:-1]), [note])
        return search.is_closed(finding.source.program, "it would be asked as root", host)
    return replace(finding, notes=(*finding.notes, note))


def in_snap(world: World, host: str) -> Finding:
    """Return what ``docker pull`` of docker's snap sends, where the docker on PATH is another."""
    if not world.snap_home:
        return Search().ends(Source())
    return pulls(replace(world, docker_is_snap=True), host)


def has_snap_beside(world: World) -> bool:
    """Return whether there is a snap of docker, and the docker on PATH is another."""
    return bool(world.snap_home) and not world.docker_is_snap


def config_path(world: World) -> str:
    """Return the file that docker reads."""
    home = world.snap_home if world.docker_is_snap else world.home
    folder = world.env.get("DOCKER_CONFIG") or f"{home}/.docker"
    return f"{folder.rstrip('/')}/config.json"


def _loaded(world: World, search: Search, version: _Version) -> CliConfig:
    path = config_path(world)
    variable = read_variable(world, search, "docker", version)
    config = _read(world, path, search, version)
    keychain = ""
    if not config.configured:
        keychain = _detected(world)
        found = f"finds {keychain} on PATH" if keychain else "finds none on PATH"
        search.saw(path, f"says nothing about credentials; docker looks for a keychain by itself and {found}")
    return CliConfig(world, path, config, variable, keychain)


def _read(world: World, path: str, search: Search, version: _Version) -> GoConfig:
    data = world.read(path)
    if data is None:
        search.saw(path, "there is no such file")
        return _old(world, search, version)
    if isinstance(data, Unreadable):
        search.saw(path, f"cannot be read: {data.reason}; docker warns and goes on without it")
        return GoConfig()
    config = go_config(data, whole=False, shape=shapes.docker(version))
    if config.syntax:
        search.saw(path, f"is not valid JSON ({config.syntax}); docker warns and goes on without it")
        search.remedy = remedies.correct_by_hand(path, f"{config.syntax}. Until then it is not written to.")
    elif config.mistyped:
        search.saw(path, f"{config.mistyped}; docker warns and decodes no entry of this file")
        search.remedy = remedies.correct_by_hand(
            path, f"{config.mistyped}, and with it docker decodes no login."
        )
    elif config.undecodable:
        search.note(
            f"The entry of {' and '.join(config.undecodable)} in {path} cannot be decoded. Docker stops decoding "
            "there, and takes the entries in no order: whether the others work is chance. Remove it."
        )
        search.chance = (
            f"Take the entry of {' and '.join(config.undecodable)} out of {path}, by hand: a login or logout by "
            "docker may empty others with it. `ecr-refreshd doctor` names its line."
        )
    return config


def _old(world: World, search: Search, version: _Version) -> GoConfig:
    """Read the file of docker 1.6 and before, which docker did until 23."""
    path = f"{world.home}/.dockercfg"
    data = world.read(path) if version is not None and version < _NO_OLD_FILE_SINCE else None
    if not isinstance(data, bytes):
        return GoConfig()
    search.saw(path, "is read instead: this docker is older than 23")
    return go_map(data, shapes.docker(version))


def _detected(world: World) -> str:
    """Return the keychain that docker finds by itself, "" if none (default_store_linux.go)."""
    on_linux = "pass" if world.which("pass") else "secretservice"
    name = "osxkeychain" if world.platform == "darwin" else on_linux
    return name if world.which(f"docker-credential-{name}") else ""


def _for_buildkit(outcome: Outcome) -> Outcome:
    sent = outcome.credential
    if sent is not None and sent.identity:
        return Outcome(Credential("", identity=True))
    return for_whole_login(outcome)


def _root_home(world: World) -> str:
    return "/var/root" if world.platform == "darwin" else "/root"
