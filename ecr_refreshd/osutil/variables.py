"""Environment variables that name a file where a folder has to be."""

# Paths are the texts of variables; pathlib would make other texts of some.
# ruff: noqa: PTH100, PTH112, PTH120
from __future__ import annotations

import os
from collections.abc import Mapping

from ecr_refreshd.core.remedies import Remedy
from ecr_refreshd.core.remedies.files import variable_names_file
from ecr_refreshd.osutil import ownership

_FOLDERS = (
    "ECR_REFRESHD_STATE_DIR",
    "DOCKER_CONFIG",
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "HOME",
)


def naming_file(path: str, environ: Mapping[str, str] = os.environ) -> tuple[str, Remedy] | None:
    """Return which variable puts a path at or below a file, as a sentence, and what helps; None if none does.

    Example: with ``XDG_CONFIG_HOME=/home/u/notes.txt`` the settings are in ``/home/u/notes.txt/ecr-refreshd``.
    """
    place = os.path.abspath(path)
    for name in _FOLDERS:
        value = environ.get(name, "")
        named = os.path.abspath(value) if value.startswith("/") else ""
        if not named or not f"{place}/".startswith(f"{named}/"):
            continue
        there = named
        while not os.path.lexists(there):
            there = os.path.dirname(there)
        if not os.path.isdir(there):
            what = "a file" if there == named else f"below the file {there}"
            helps = variable_names_file(name, ownership.current_user(environ))
            return f"{name} is {value}, which is {what}; it has to be a folder.", helps
    return None
