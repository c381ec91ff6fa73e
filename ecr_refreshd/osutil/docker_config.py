"""DOCKER_CONFIG as people set it by mistake: to the file, or with a ``~`` that no shell has expanded."""

# Paths are the texts of a variable; pathlib would make other texts of some.
# ruff: noqa: PTH100, PTH111, PTH112, PTH113, PTH118, PTH119, PTH120
from __future__ import annotations

import os
from collections.abc import Mapping

from ecr_refreshd.core.model import Complaint
from ecr_refreshd.core.remedies import Remedy
from ecr_refreshd.core.remedies.files import docker_config_variable

_HOME_PREFIXES = ("~/", "$HOME/", "${HOME}/")


def meant_folder(environ: Mapping[str, str] = os.environ) -> str:
    """Return the folder that DOCKER_CONFIG should name; "" if what it names can be meant.

    docker takes the variable as it is: `DOCKER_CONFIG=~/.docker/config.json` has it read
    ``~/.docker/config.json/config.json`` (docker/cli#7235, #5037).
    """
    value = environ.get("DOCKER_CONFIG", "")
    named = value.strip("\"'") if value[:1] in {'"', "'"} else value
    home = environ.get("HOME") or os.path.expanduser("~")
    for prefix in _HOME_PREFIXES:
        if named == prefix.rstrip("/") or named.startswith(prefix):
            named = os.path.join(home, named[len(prefix) :]).rstrip("/")
            break
    folder = os.path.abspath(named) if named else ""
    if os.path.basename(folder) == "config.json" and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return "" if not value or folder == os.path.abspath(value) else folder


def is_named(path: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether DOCKER_CONFIG is why a file is looked for at this path."""
    value = environ.get("DOCKER_CONFIG", "")
    return bool(value) and os.path.abspath(value) == os.path.dirname(path)


def complaint(environ: Mapping[str, str] = os.environ) -> Complaint | None:
    """Return what is to be said of DOCKER_CONFIG in a status document, None if it can be meant."""
    found = fault(os.path.join(os.path.abspath(environ.get("DOCKER_CONFIG", "")), "config.json"), environ)
    if found is None:
        return None
    what, remedy = found
    return Complaint("docker.config-folder", f"{what} {remedy.words}", remedy.command)


def fault(path: str, environ: Mapping[str, str] = os.environ) -> tuple[str, Remedy] | None:
    """Return what is wrong with DOCKER_CONFIG where it leads to this path, and how it is corrected."""
    if not is_named(path, environ):
        return None
    value, folder = environ["DOCKER_CONFIG"], meant_folder(environ)
    if os.path.isfile(folder or value):  # some other file: nobody can say which folder is meant
        return f"DOCKER_CONFIG is {value}, which is a file; docker takes it for a folder.", (
            docker_config_variable("")
        )
    if not folder:
        return None
    what = (
        "which is the file; docker takes it for a folder"
        if os.path.isfile(value)
        else "and docker expands nothing"
    )
    if os.path.basename(value.rstrip("/")) == "config.json" and not os.path.isfile(value):
        what = "and docker looks for config.json in that"
    return f"DOCKER_CONFIG is {value}, {what}.", docker_config_variable(folder)
