"""Remedies for the service itself: its settings, state folder, environment, unit and registries."""

from __future__ import annotations

import errno
import shlex

from ecr_refreshd.core.ownership import Ownership
from ecr_refreshd.core.remedies import Remedy, files


def no_home() -> Remedy:
    """Return what helps a user of whom the user database knows nothing, and who has no HOME."""
    return Remedy("Set HOME to a folder of this user.")


def closed(found: Ownership, *, of_state: bool = False) -> Remedy:
    """Return how this user gets a state folder.

    Changes the owner of what root left in this user's own home (see `files.given_back`).

    Args:
        found: the folder that keeps them out; its owner, its mount and HOME are established.
        of_state: it is the state folder itself or one of those in it, which only ecr-refreshd makes.
    """
    command = f"sudo chown -R {found.user.id} {shlex.quote(found.path)}"
    if of_state and found.may_be_given and not found.is_ours and not found.is_read_only:
        return Remedy(command=command)
    return files.given_back(found, otherwise=files.ANOTHER_STATE_FOLDER)


def cannot_be_made(found: Ownership) -> Remedy:
    """Return what helps where a state folder cannot be made: a file in the way, a read-only disk.

    Established: what the last thing on the way is that can be looked at.
    """
    if found.is_read_only:
        return files.read_only(files.ANOTHER_STATE_FOLDER)
    return Remedy(f"{files.ANOTHER_STATE_FOLDER[0].upper()}{files.ANOTHER_STATE_FOLDER[1:]}.")


def open_to_others(*found: Ownership) -> Remedy:
    """Return how folders of ours are closed again. Established: others may write in them, and whose they are."""
    paths = " ".join(shlex.quote(each.path) for each in found)
    if not all(each.is_ours for each in found):
        return Remedy(f"{found[0].path} belongs to {found[0].owner}: {files.ANOTHER_STATE_FOLDER}.")
    return Remedy("If nobody but you has used it:", f"chmod 700 {paths}")


def settings_of_another(found: Ownership) -> Remedy:
    """Return what helps where the settings, or their folder, belong to neither this user nor root.

    Nothing is changed: whoever owns them could have put commands into them. Established: whose they are.
    """
    if found.user.has_anothers_home:
        return files.whose_home(found.user)
    own = "use settings of your own (--config, or ECR_REFRESHD_CONFIG)"
    return Remedy(f"{found.path} belongs to {found.owner}, and you are {found.user.who}: {own}.")


def settings_open_to_others(found: Ownership) -> Remedy:
    """Return how settings are closed to others, or their folder. Established: whose it is, and its mount."""
    command = f"chmod go-w {shlex.quote(found.path)}"
    if found.is_read_only:
        return Remedy(
            "It is mounted read-only with that mode: mount the file itself (in Kubernetes by subPath)."
        )
    if found.is_ours:
        return Remedy(command=command)
    if found.owner_uid == 0 and found.is_below_home and found.user.has_home:
        return Remedy(command=f"sudo {command}")
    return Remedy(f"{found.path} belongs to {found.owner}: ask them for a mode that only they may write.")


def folder_refuses(found: Ownership, number: int) -> Remedy:
    """Return what helps where a folder of ours, the locks or the helper's answers, cannot be used.

    Established: the `errno` that it was met with, and the deepest folder on the way that can be looked at.
    """
    if number in {errno.EACCES, errno.EPERM} or found.is_read_only:
        return closed(found)
    return files.disk(number, found.path) or cannot_be_made(found)


def settings_unreadable(found: Ownership, number: int) -> Remedy:
    """Return what helps where the settings cannot be read.

    Established: the `errno` that it was met with, and the deepest part of the path that can be looked at.
    """
    own = "use settings of your own (--config, or ECR_REFRESHD_CONFIG)"
    return files.given_back(found, otherwise=own) if number == errno.EACCES else Remedy()


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
