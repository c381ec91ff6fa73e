"""Remedies for what one client reads: a variable, a key in a file, the helper that the file names."""

from __future__ import annotations

import shlex

from ecr_refreshd.core.remedies import Remedy


def refresh(host: str) -> Remedy:
    """Return how a registry gets a new token. Established: it is kept, and its principal has not failed."""
    return Remedy(command=f"ecr-refreshd refresh {shlex.quote(host)}")


def wait_for_aws() -> Remedy:
    """Return what helps while AWS cannot be asked. Established: the service, which is running, tries again."""
    return Remedy("AWS is unreachable; it is retried by itself.")


def start_service() -> Remedy:
    """Return how a registry that stands in docker's file gets a token. Established: no service is running."""
    return Remedy(command="ecr-refreshd run")


def name_registry(host: str, settings: str, *, running: bool) -> Remedy:
    """Return how a registry that no file holds is kept. The lines change our own settings and nothing else.

    Args:
        host: canonical.
        settings: the path of the settings.
        running: a service runs, and takes a saved file by itself.
    """
    lines = [f"Add to {settings}:", "[[registry]]", f'host = "{host}"']
    if running:
        return Remedy("\n".join(lines))
    return Remedy("\n".join([*lines, "# then:"]), "ecr-refreshd run")


def unset_variable(name: str, otherwise: str) -> Remedy:
    """Return how a variable stops deciding. Established: it is set in this environment. Changes this shell only.

    Args:
        name: the variable.
        otherwise: what else would help, as a clause: ``take HOST out of it``.
    """
    return Remedy(f"Unset {name}, or {otherwise}:", f"unset {name}")


def correct_by_hand(place: str, problem: str) -> Remedy:
    """Return what helps where a client cannot use a file as it is. Nothing is changed by it."""
    return Remedy(f"Correct {place}, by hand: {problem}")


def helper_on_path(program: str, key: str, place: str) -> Remedy:
    """Return what helps where a client does not find our helper."""
    return Remedy(f"Put the folder of {program} on the PATH of the client, or take {key} out of {place}.")


def take_out(key: str, place: str, otherwise: str) -> Remedy:
    """Return what helps where a line sends a client elsewhere. Nothing is changed by it."""
    return Remedy(f"Take {key} out of {place}, or {otherwise}")


def name_file(files: frozenset[str], place: str, settings: str) -> str:
    """Return the setting by which one more file is kept, as a clause: it replaces the list of files."""
    listed = ", ".join(f'"{each}"' for each in sorted({*files, place}))
    return f"name that file too: files = [{listed}] under [docker] in {settings}"


def also_in_entries(settings: str) -> Remedy:
    """Return what helps clients that read no credential store. Established: tokens go into one."""
    return Remedy(
        f'Set mode = "both" in [docker] of {settings}: these programs do not read a credential store.'
    )


def explain_as_root(host: str) -> Remedy:
    """Return how root sees what only root may read. Changes nothing; of pip's folders sudo searches none."""
    return Remedy("To know:", f'sudo "$(command -v ecr-refreshd)" explain {shlex.quote(host)}')
