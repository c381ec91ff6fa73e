"""Docker's own search for a keychain, done as docker does it, so that we never switch it off unnoticed.

With no store, no helper and no entry in config.json, docker looks for a keychain at every command and reads the
user's logins from it (cli/config/credentials/default_store*.go). One entry of ours would end that search, and
logins kept there would vanish from docker.
"""

from __future__ import annotations

# ruff: noqa: PTH118, PTH207 - paths are texts here, as everywhere in the service
import glob
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from ecr_refreshd.sinks.ailments import Ailment, Trouble
from ecr_refreshd.sinks.passfolder import PassFolder
from ecr_refreshd.sinks.program import StoreProgram

_TIMEOUT = 5.0
"""Seconds. A keychain that asks nothing of anybody lists its entries in a fraction of one."""
_NO_SESSION = "no D-Bus session"


def detected(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the suffix of the helper that docker would find on this PATH, or None."""
    path = environ.get("PATH", os.defpath)
    if sys.platform == "darwin":
        name = "osxkeychain"
    else:
        # Whoever has `pass` gets no other keychain, even if pass has no helper.
        name = "pass" if shutil.which("pass", path=path) else "secretservice"
    return name if shutil.which(f"docker-credential-{name}", path=path) else None


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies in a keychain.

    Attributes:
        logins: it holds some, or may.
        unseen: why that could not be seen although it may, "" if it could.
    """

    logins: bool
    unseen: str = ""


def contents(name: str, environ: Mapping[str, str]) -> Contents:
    """Ask a helper for its list, and return whether it names at least one login.

    One that waits for somebody to unlock it may hold some: docker finds them again as soon as that is done. Of
    one that fails otherwise, what lies on the disk tells whether anything could vanish from docker: `pass` that
    was never initialised and a machine without a desktop have nothing there, and to name such a store in the
    file would break what does not look for keychains.
    """
    found = StoreProgram(name, environ, _TIMEOUT).list_()
    if not isinstance(found, Trouble):
        return Contents(bool(found))
    if found.state is Ailment.UNPREPARED:
        return Contents(logins=False)
    if (found.state is Ailment.LOCKED and _NO_SESSION not in found.text) or _lies_on_disk(name, environ):
        return Contents(logins=True)
    return Contents(logins=False, unseen="" if name == "pass" else found.text)


def _lies_on_disk(name: str, environ: Mapping[str, str]) -> bool:
    """Return whether a keychain has kept something here that its helper cannot reach just now."""
    if name == "pass":
        return PassFolder(environ).holds_logins()
    home = environ.get("HOME", "")
    data = environ.get("XDG_DATA_HOME") or os.path.join(home, ".local/share")
    kept = (os.path.join(data, "keyrings", "*.keyring"), os.path.join(data, "kwalletd", "*.kwl"))
    return name == "secretservice" and any(glob.glob(pattern) for pattern in kept)
