"""Remedies for the service itself: its settings, state folder, environment, unit and registries."""

from __future__ import annotations

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
