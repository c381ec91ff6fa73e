"""Remedies for credential helpers and stores: PATH, links, locked or missing stores."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Sequence

from ecr_refreshd.core.remedies import Remedy


def reach_bare_path(program: str, bare_path: str, *, is_mac: bool = False) -> Remedy:
    """Return how programs that no shell has started come to find our helper.

    Args:
        program: our helper, where this PATH finds it; it was tried and answers.
        bare_path: the PATH of those programs, on which no program of that name is.
        is_mac: nobody may write in /usr/bin there.
    """
    folder = posixpath.dirname(program) or "FOLDER"
    line = f"PATH={folder}:{bare_path}"
    if is_mac:
        return Remedy(f"Put this line at the top of the crontab: {line}")
    return Remedy(
        f"Put {line} at the top of the crontab, or link it where every program looks:",
        f"sudo ln -s {shlex.quote(program)} /usr/bin/",
    )


def exact_hosts(place: str, program: str, hosts: Sequence[str], *, answers: bool) -> Remedy:
    """Return what to write in place of a key under ``credHelpers`` that matches nothing; the user edits the file.

    Args:
        place: the file and line of the key.
        program: the credential helper that it names.
        hosts: the registries that are known here and that the key was meant for.
        answers: that program is on PATH and can be run; named without, docker 29 fails at every pull.
    """
    if not answers:
        return Remedy(f"Delete that line of {place}: docker-credential-{program} cannot be run here.")
    lines = ", ".join(f'"{host}": "{program}"' for host in hosts)
    written = f"each registry by its whole name: {lines}" if hosts else "each registry by its whole name"
    return Remedy(f"In {place}, write {written}; or delete that line.")


def store_of_one_vendor(place: str, program: str, *, is_ecr: bool) -> Remedy:
    """Return how logins come back that a store of one vendor hides; the file is the user's to edit."""
    if is_ecr:
        return Remedy(
            f"Delete the line credsStore in {place}: ecr-refreshd keeps the ECR registries without it."
        )
    return Remedy(
        f"Delete the line credsStore in {place}, and name docker-credential-{program} under credHelpers for each "
        "of its registries."
    )


def auth_variable(path: str) -> Remedy:
    """Return how DOCKER_AUTH_CONFIG is taken out of a shell. Established: the shell has it.

    Args:
        path: what it holds, where that is a path; podman has another variable for one.
    """
    words = "Take it out where it is set too (~/.profile, the CI's settings)"
    if path:
        words = (
            "DOCKER_AUTH_CONFIG holds the JSON text itself; for a path docker has DOCKER_CONFIG (a folder) and "
            f"podman REGISTRY_AUTH_FILE. {words}"
        )
    return Remedy(f"{words}:", "unset DOCKER_AUTH_CONFIG")


def auth_variable_keys(keys: Sequence[str]) -> Remedy:
    """Return where the keys belong that DOCKER_AUTH_CONFIG may not hold. Established: the shell has it."""
    return Remedy(
        f"{', '.join(keys)} belongs in config.json. Correct the variable where it is set, or take it out:",
        "unset DOCKER_AUTH_CONFIG",
    )


def link_on_path(program: str, link: str, *, is_free: bool) -> Remedy:
    """Return how a PATH comes to find our helper. It makes one link.

    Args:
        program: our helper.
        link: where every PATH looks.
        is_free: nothing is there, not even a link that leads to nothing.
    """
    if is_free:
        return Remedy(command=f"sudo ln -s {shlex.quote(program)} {shlex.quote(link)}")
    return Remedy(f"{link} is there already: put {posixpath.dirname(program)} before it on PATH.")


def reinstall() -> Remedy:
    """Return what helps where our helper is not installed beside this program. It names no package registry."""
    return Remedy("Install ecr-refreshd again, as you did before; with pipx:", "pipx reinstall ecr-refreshd")


def first_on_path(program: str, other: str) -> Remedy:
    """Return how our helper is found before another program of its name, which stays where it is.

    Established: both are there, and the other one comes first on this PATH.
    """
    folder = shlex.quote(posixpath.dirname(program))
    return Remedy(
        f"{other} is not ours and is left. Put the folder of ours first, in ~/.profile too:",
        f'export PATH={folder}:"$PATH"',
    )
