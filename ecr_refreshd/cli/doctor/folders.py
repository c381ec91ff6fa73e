"""What is wrong with the service's own folders: another user's, open to all, or a file in their place."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from ecr_refreshd.cli.doctor import pasted
from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.errors import ConfigError
from ecr_refreshd.host import places

_STARTS_NOT = "The service does not start with it, and no command can remember anything."
_ELSEWHERE = "Set ECR_REFRESHD_STATE_DIR to a folder of yours, or give this one back"


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
        told = _fault(folder)
        if told is None or told[0] in found:
            continue
        found.add(told[0])
        yield Finding("state.folder", Severity.ERROR, str(folder), told[0], why, told[1])


def _fault(folder: Path) -> tuple[str, str] | None:
    """Return what is wrong with a folder, and how to mend it; None if nothing is, or it can be made."""
    there, me = folder, os.geteuid()
    while not os.path.lexists(there):
        there = there.parent
    named = shlex.quote(str(there))
    try:
        status = there.stat()
    except OSError as error:
        return f"{there} cannot be looked at: {(error.strerror or '').lower()}.", f"ls -ld {named}"
    if not there.is_dir():
        return f"{there} is a file, and a folder has to be there.", f"mv {named} {named}.old"
    if there != folder:
        if os.access(there, os.W_OK | os.X_OK):
            return None
        return f"{folder} cannot be made: you may not write in {there}.", _given_back(there, status.st_uid)
    if status.st_uid != me:
        return f"{there} belongs to user id {status.st_uid}, and you are {me}.", _given_back(
            there, status.st_uid
        )
    if status.st_mode & 0o022:
        what = f"Others can write in {there} (mode {status.st_mode & 0o7777:04o})."
        return what, pasted.steps("If nobody but you has used it", [f"chmod 700 {named}"])
    if not os.access(there, os.W_OK | os.X_OK):
        return f"You may not write in {there}.", f"chmod 700 {named}"
    return None


def _given_back(folder: Path, owner: int) -> str:
    named = shlex.quote(str(folder))
    if owner == os.geteuid():
        return f"chmod 700 {named}"
    command = f"sudo chown -R {os.geteuid()} {named}"
    return command if folder.is_relative_to(places.home()) else pasted.steps(_ELSEWHERE, [command])
