"""Docker's own search for a keychain, done as docker does it, so that we never switch it off unnoticed.

With no store, no helper and no entry in config.json, docker looks for a keychain at every command and reads the
user's logins from it (cli/config/credentials/default_store*.go). One entry of ours would end that search, and
logins kept there would vanish from docker.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping

from ecr_refreshd.sinks.ailments import Ailment, Trouble
from ecr_refreshd.sinks.program import StoreProgram

_TIMEOUT = 5.0
"""Seconds. A keychain that asks nothing of anybody lists its entries in a fraction of one."""


def detected(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the suffix of the helper that docker would find on this PATH, or None."""
    path = environ.get("PATH", os.defpath)
    if sys.platform == "darwin":
        name = "osxkeychain"
    else:
        # Whoever has `pass` gets no other keychain, even if pass has no helper.
        name = "pass" if shutil.which("pass", path=path) else "secretservice"
    return name if shutil.which(f"docker-credential-{name}", path=path) else None


def holds_logins(name: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Ask a helper for its list, and tell whether it names at least one login.

    One that waits for somebody to unlock it may hold some: docker finds them again as soon as that is done. One
    that fails otherwise can give docker no login either, so it counts as empty, and so does one that nobody can
    unlock because there is no session: to name it in the file would break what does not look for keychains.
    """
    found = StoreProgram(name, environ, _TIMEOUT).list_()
    if isinstance(found, Trouble):
        return found.state is Ailment.LOCKED and "D-Bus" not in found.text
    return bool(found)
