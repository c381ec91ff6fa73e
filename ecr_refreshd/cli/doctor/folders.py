"""What is wrong with the service's own folders: another user's, open to all, or a file in their place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.core.remedies import Remedy, files, service
from ecr_refreshd.errors import ConfigError
from ecr_refreshd.host import places
from ecr_refreshd.osutil import ownership, variables

_STARTS_NOT = "The service does not start with it, and no command can remember anything."


def closed(scene: Scene) -> Iterator[Finding]:
    """Find folders of ours that would be refused, by the rules of `host.places.private_folder`."""
    if isinstance(scene.silent, ConfigError):
        return  # it is that already, on the way to the socket
    state, helper = places.state_folder(), places.helper_folder()
    found: set[str] = set()
    for folder, why in (
        (state, _STARTS_NOT),
        (places.lock_folder(), _STARTS_NOT),
        (places.socket().parent, "The service does not start with it: commands could not ask it."),
        (helper, "Our credential helper has no answer there, so that docker gets no login from it."),
    ):
        fault = _fault(folder)
        if fault is None or fault[1].hint in found:
            continue
        found.add(fault[1].hint)
        yield Finding("state.folder", Severity.ERROR, str(folder), fault[0], why, fault[1].page)


def home(scene: Scene) -> Iterator[Finding]:
    """Find that HOME is another user's: what is looked at and kept is then theirs."""
    user = ownership.current_user(scene.shell)
    if not user.home or user.has_home or user.home_owner_uid < 0:
        return
    yield Finding(
        "home.anothers",
        Severity.WARNING if user.has_anothers_home else Severity.ERROR,
        user.home,
        f"HOME is {user.home}, which belongs to {user.home_owner}, and you are {user.who}.",
        f"The files, logins and service that are looked at here are those of {user.home_owner}."
        if user.has_anothers_home
        else "What is put there is shared with its owner, or cannot be written.",
        files.whose_home(user, files.ANOTHER_STATE_FOLDER).page,
    )


def _fault(folder: Path) -> tuple[str, Remedy] | None:
    """Return what is wrong with a folder, and how to mend it; None if nothing is, or it can be made."""
    there = folder
    while not os.path.lexists(there):
        there = there.parent
    found = ownership.deepest(str(there))
    if not os.path.exists(there):  # noqa: PTH110 - a folder on the way may be closed, and pathlib raises then
        return f"{there} cannot be looked at: {found.path} lets {found.user.who} not in.", service.closed(
            found
        )
    named = None if found.is_folder else variables.naming_file(str(folder))
    if named is not None:
        return named
    if not found.is_folder:
        return (
            f"{there} is a file, and a folder has to be there.",
            service.cannot_be_made(found, of_state=there == folder),
        )
    if there != folder:
        if os.access(there, os.W_OK | os.X_OK):
            return None
        if found.is_read_only:
            what = f"{folder} cannot be made: {there} is mounted read-only."
            return what, files.read_only(found, files.ANOTHER_STATE_FOLDER)
        why = f"it belongs to {found.owner}"
        if found.is_ours:
            why = f"its mode is {found.mode:04o}"
        return f"{folder} cannot be made in {there}: {why}.", service.closed(found)
    if not ownership.is_trusted(found.owner_uid):
        what = f"{there} belongs to {found.owner}, and you are {found.user.who}."
        return what, service.closed(found, of_state=True)
    if found.mode & 0o022:
        what = f"Others can write in {there} (mode {found.mode:04o})."
        return what, service.open_to_others(found)
    if not os.access(there, os.W_OK | os.X_OK):
        return f"You may not write in {there}.", service.closed(found)
    return None
