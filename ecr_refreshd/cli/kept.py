"""Which files are kept, and whose reading decides about each, in the environment of a service or of a shell."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ecr_refreshd.core import dockerconfig
from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.core.routing import Dialect
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.core.state import FilePlan
from ecr_refreshd.host import places, plainfile


def dialect(path: str, environ: Mapping[str, str] = os.environ) -> Dialect:
    """Return whose reading decides about a file; REGISTRY_AUTH_FILE may give podman's any name."""
    if path == str(places.docker_config(environ)):
        return "docker"
    named = Path(path).name == "auth.json" or Path(path) in places.containers_auth_files(environ)
    return "containers" if named else "docker"


def file_plans(settings: Settings, environ: Mapping[str, str] = os.environ) -> tuple[FilePlan, ...]:
    """Return the files to keep: those that are named, else docker's own and podman's (DESIGN 4)."""
    helper = FilePlan(str(places.helper_folder(environ)), "helper")
    if settings.docker.files:
        named = (str(_expanded(text, environ).absolute()) for text in settings.docker.files)
        return (*(FilePlan(path, "named") for path in dict.fromkeys(named)), helper)
    default = str(places.docker_config(environ))
    # An auth.json that is a link to docker's own file is that file, and has no second reading.
    real = os.path.realpath(default)
    also = (str(path) for path in other_files(environ) if os.path.realpath(path) != real)
    return (FilePlan(default, "default"), *(FilePlan(path, "also") for path in also), helper)


def other_files(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return the files beside docker's own that get the hosts which stand in them (DESIGN 6)."""
    found = (places.snap_docker_config(environ), places.helm_config(environ))
    return (*places.containers_auth_files(environ), *(path for path in found if path is not None))


def is_needed(path: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether a file that cannot be reached is a fault: not podman's, of a session that there is not."""
    beside = Path(path) in other_files(environ) and path != environ.get("REGISTRY_AUTH_FILE")
    return not beside or Path(path).is_relative_to(places.home(environ))


def runs_programs(path: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the clients of a file can run helpers and stores; a snap sees no program of the system."""
    snap = places.snap_docker_config(environ)
    return snap is None or path != str(snap)


def ecr_hosts(path: str) -> tuple[str, ...]:
    """Return the registries of ECR that a file holds; none where it cannot be read."""
    try:
        return dockerconfig.read(plainfile.read(path)[0], ()).ecr_hosts
    except (OSError, ValueError, JsonError):
        return ()


def _expanded(text: str, environ: Mapping[str, str]) -> Path:
    return places.home(environ) / text[2:] if text.startswith("~/") else Path(text).expanduser()
