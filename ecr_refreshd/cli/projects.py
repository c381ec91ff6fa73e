"""Whether the folder in which a command runs is one whose files may name registries."""

from __future__ import annotations

from pathlib import Path

from ecr_refreshd.host import places

_SIGNS = (".git", "Dockerfile*", "*.dockerfile", "Containerfile", "compose*.y*ml", "docker-compose*.y*ml")


def is_project() -> bool:
    """Return whether this folder is a project: neither the home nor ``/``, where a scan would never end."""
    try:
        here = Path.cwd()
        if here in {Path("/"), places.home().resolve()}:
            return False
        return any(next(here.glob(sign), None) is not None for sign in _SIGNS)
    except OSError:  # it is gone, or closed to this user
        return False
