"""Where everything lies: settings, state, locks, the control socket, and the files that clients read.

Rules: a place is computed from the environment and the home folder alone, so that two processes of one user
find the same one; nothing ever lies in ``/tmp``, where others can put a name before us. An XDG variable that
is empty or relative counts as unset, as the XDG Base Directory Specification demands.
"""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from ecr_refreshd.core.remedies import Remedy
from ecr_refreshd.core.remedies import service as remedies
from ecr_refreshd.errors import ConfigError
from ecr_refreshd.host import signpost
from ecr_refreshd.osutil import ownership, variables

NAME = "ecr-refreshd"
_MACOS = sys.platform == "darwin"


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the home folder: HOME, else what the user database says (cron and some units have no HOME).

    Raises:
        ConfigError: neither knows one.
    """
    named = _absolute(environ, "HOME")
    if named is not None:
        return named
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError as exc:
        raise _refused(
            f"There is no HOME, and user id {os.geteuid()} is not in the user database.", remedies.no_home()
        ) from exc


def config_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the usual place of the settings. One that a person names must exist: the command line sees to it."""
    return _config_home(environ) / NAME / "config.toml"


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of what is remembered: no secrets in it."""
    named = environ.get("ECR_REFRESHD_STATE_DIR", "")
    if named.startswith("~/"):  # a unit file expands nothing, and people write it there
        return home(environ) / named[2:]
    if named:
        return Path(named).absolute()
    if _MACOS:
        return home(environ) / "Library" / "Application Support" / NAME
    return (_absolute(environ, "XDG_STATE_HOME") or home(environ) / ".local" / "state") / NAME


def state_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the file that outlives the service."""
    return state_folder(environ) / "state.json"


def lock_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the locks."""
    return state_folder(environ) / "locks"


def helper_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of what our credential helper answers.

    It is found from HOME alone: the environment of a docker started by cron, sudo or a desktop is not ours.
    """
    if _MACOS:
        return home(environ) / "Library" / "Application Support" / NAME / "helper"
    return home(environ) / ".local" / "state" / NAME / "helper"


def socket(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the socket on which the service listens."""
    runtime = None if _MACOS else _absolute(environ, "XDG_RUNTIME_DIR")
    # After `su` or `sudo -u` the variable may still name the runtime folder of somebody else.
    if runtime is not None and _is_ours(runtime):
        return runtime / NAME / "sock"
    return state_folder(environ) / "sock"


def socket_to_ask(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the socket on which our state folder's service seems to listen; if there is none, where it would.

    Cron, ``sudo -u`` and CI have no XDG_RUNTIME_DIR, while the service they ask has one; or the other way about.

    Raises:
        ConfigError: the state folder cannot be entered.
    """
    usual, post = socket(environ), state_folder(environ) / "sock"
    try:
        found = signpost.followed(post)
    except PermissionError as exc:
        raise _closed(post.parent) from exc
    if found is not None:
        return found
    places = [usual]
    # Whoever names a state folder means the service of that folder, and no other.
    if not _MACOS and not environ.get("ECR_REFRESHD_STATE_DIR"):
        places.append(Path(f"/run/user/{os.geteuid()}") / NAME / "sock")
    others = {place for place in places if signpost.is_anothers(place, post)}
    listening = next((place for place in places if place.exists() and place not in others), usual)
    return post if listening in others else listening


def _closed(folder: Path) -> ConfigError:
    """Return what is wrong on the way to what we keep; a root that had our HOME leaves such folders."""
    shut = ownership.deepest(folder)
    if not os.access(shut.path, os.X_OK, effective_ids=True):
        what = f"{shut.path} cannot be entered: it"
    else:
        what = f"{folder} cannot be made: {shut.path}"
    return _refused(
        f"{what} belongs to {shut.owner}, and you are {shut.user.who}.",
        remedies.closed(shut, of_state=_is_state(shut.path)),
    )


def _is_state(path: str) -> bool:
    """Return whether a path is the state folder or lies in it: nobody else has made what is there."""
    return Path(path).is_relative_to(os.path.realpath(state_folder()))


def _refused(message: str, remedy: Remedy) -> ConfigError:
    return ConfigError(message, hint=remedy.hint, command=remedy.command)


def docker_config(environ: Mapping[str, str] = os.environ) -> Path:
    """Return docker's own config.json; docker takes DOCKER_CONFIG as it is, so a relative one is the caller's."""
    folder = environ.get("DOCKER_CONFIG")
    return (Path(folder).absolute() if folder else home(environ) / ".docker") / "config.json"


def containers_auth_files(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return the auth.json files that podman, buildah and skopeo read, in their order (docker-config.md 4.1).

    With REGISTRY_AUTH_FILE they read that one alone; but a shell without the variable reads the others.
    """
    if _MACOS:
        files = [home(environ) / ".config" / "containers" / "auth.json"]
    else:
        runtime = _absolute(environ, "XDG_RUNTIME_DIR")
        session = runtime / "containers" if runtime else Path(f"/run/containers/{os.geteuid()}")
        files = [session / "auth.json"] if _may_be_entered(session) else []
        files += [_config_home(environ) / "containers" / "auth.json"]
    named = environ.get("REGISTRY_AUTH_FILE")
    if named:
        files.insert(0, Path(named).absolute())
    return tuple(dict.fromkeys(files))


def snap_docker_config(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the config.json of a docker that is a snap, None where docker is none.

    snapd runs it with ``~/snap/docker/current`` for HOME, a link that every refresh of the snap points elsewhere.
    """
    folder = home(environ) / "snap" / "docker"
    program = shutil.which("docker", path=environ.get("PATH", os.defpath)) or ""
    # /snap/bin/docker is a link to /usr/bin/snap, which goes by the name that it is called.
    is_snap = program.startswith("/snap/") or os.path.realpath(program) == "/usr/bin/snap"
    return folder / "current" / ".docker" / "config.json" if is_snap or _is_folder(folder) else None


def helm_config(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file in which helm keeps logins of its own, None where there is no helm."""
    named = environ.get("HELM_REGISTRY_CONFIG")
    if named:
        return Path(named).absolute()
    usual = home(environ) / "Library" / "Preferences" if _MACOS else _config_home(environ)
    folder = _absolute(environ, "HELM_CONFIG_HOME") or usual / "helm"
    return folder / "registry" / "config.json" if _is_folder(folder) else None


def private_folder(path: Path) -> Path:
    """Make a folder that only this user can enter, with its parents where they are missing, and return it.

    Raises:
        ConfigError: it belongs to somebody else, others can write in it, or it cannot be made.
    """
    try:
        _make(path)
        status = path.stat()
        if status.st_uid == os.geteuid() and not status.st_mode & 0o022 and status.st_mode & 0o055:
            path.chmod(0o700)
    except OSError as exc:
        if isinstance(exc, PermissionError):
            raise _closed(path) from exc
        named = variables.naming_file(str(path))
        if named is not None:
            raise _refused(f"{path} cannot be made: {named[0]}", named[1]) from exc
        raise _refused(
            f"{path}: cannot be made a private folder: {exc.strerror}",
            remedies.cannot_be_made(found := ownership.deepest(path), of_state=_is_state(found.path)),
        ) from exc
    found = ownership.of(path)
    if not ownership.is_trusted(status.st_uid):
        raise _refused(
            f"{path}: refused, because it belongs to {found.owner} and you are {found.user.who}.",
            remedies.closed(found, of_state=_is_state(found.path)),
        )
    if status.st_mode & 0o022:
        raise _refused(f"{path}: refused, because others can write in it.", remedies.open_to_others(found))
    return path


def _make(path: Path) -> None:
    try:
        ownership.make_folders(str(path))
        if not stat.S_ISDIR(path.stat().st_mode):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    except OSError:
        # A parent on a read-only file system may answer EROFS although it exists.
        if not path.is_dir():
            raise


def _config_home(environ: Mapping[str, str]) -> Path:
    return _absolute(environ, "XDG_CONFIG_HOME") or home(environ) / ".config"


def _absolute(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name, "")
    return Path(value) if value.startswith("/") else None


def _is_ours(folder: Path) -> bool:
    try:
        status = folder.stat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _may_be_entered(folder: Path) -> bool:
    """Return whether what exists on the way to a folder lets this user in; podman would fail there too."""
    return os.access(ownership.deepest(folder).path, os.X_OK)


def _is_folder(path: Path) -> bool:
    """Return whether a folder is there that this user can look at; below a closed one, pathlib raises."""
    return os.path.isdir(path)  # noqa: PTH112 - see above
