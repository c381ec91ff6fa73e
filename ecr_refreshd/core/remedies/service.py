"""Remedies for the service itself: its settings, state folder, environment, unit and registries."""

from __future__ import annotations

import shlex

from ecr_refreshd.core.remedies import Remedy

# -- what other programs have a command for ------------------------------------------------------------------


def stop(*, macos: bool) -> Remedy:
    """Return how a service is stopped; established is only the system. It stops our own unit or agent."""
    if macos:
        command = 'launchctl bootout "gui/$(id -u)/io.github.ecr-refreshd"'
        return Remedy("A service in a terminal ends by Ctrl-C; that of launchd by:", command)
    return Remedy(
        "A service in a terminal ends by Ctrl-C; that of systemd by:", "systemctl --user stop ecr-refreshd"
    )


def read_log(*, macos: bool) -> Remedy:
    """Return where the service's log is; established is only the system. It changes nothing."""
    if macos:
        return Remedy(
            "The log of the launchd agent is a file:", 'tail -n 50 "$HOME/Library/Logs/ecr-refreshd.log"'
        )
    return Remedy("The log of the systemd unit is in the journal:", "journalctl --user --unit ecr-refreshd")


# -- how to begin --------------------------------------------------------------------------------------------


def name_registries(*, adopts: bool) -> Remedy:
    """Return how a service that keeps nothing gets its first registry. The command only prints.

    Established: it keeps none.

    Args:
        adopts: it also keeps what it finds in docker's and podman's files.
    """
    words = "It keeps a registry as soon as its login is in one of these. To name some:" if adopts else ""
    return Remedy(words or "To name some:", "ecr-refreshd init --scan .")


def start() -> Remedy:
    """Return how a service is started in a terminal; established: nothing. It runs until it is ended."""
    return Remedy("To start one:", "ecr-refreshd run")


def replace_settings(path: str) -> Remedy:
    """Return how a settings file makes room for a new one; established: it exists. It renames that file."""
    command = f"mv {shlex.quote(path)} {shlex.quote(f'{path}.old')}"
    return Remedy("`ecr-refreshd init` prints what would be written. To move the file away first:", command)
