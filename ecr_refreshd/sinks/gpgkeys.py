"""Whether gpg has the secret keys of pass: its own words for a locked one and for a missing one are the same."""

# Paths are texts here, as everywhere in the service; nothing is done to them but joining.
# ruff: noqa: PTH118
from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_SECONDS = 5.0
_NO_SUCH_KEY = 2


def missing(environ: Mapping[str, str]) -> str:
    """Return the ids of a store of pass if gpg has the secret key to none; "" if it has one, or cannot tell."""
    top = environ.get("PASSWORD_STORE_DIR") or os.path.join(environ.get("HOME", ""), ".password-store")
    ids: list[str] = []
    for folder in (os.path.join(top, "docker-credential-helpers"), top):
        with suppress(OSError, ValueError):
            lines = Path(folder, ".gpg-id").read_text("utf-8").splitlines()
            ids = [text for line in lines if (text := line.partition("#")[0].strip())]
            break
    if not ids or any(_has_secret(each, environ) is not False for each in ids):
        return ""
    return ", ".join(ids)


def _has_secret(key: str, environ: Mapping[str, str]) -> bool | None:
    """Return whether gpg has the secret part of a key; None if that cannot be told."""
    try:
        done = subprocess.run(
            ["gpg", "--batch", "--no-tty", "--list-secret-keys", "--", key],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**environ, "LC_ALL": "C"},
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode == 0:
        return True
    return False if done.returncode == _NO_SUCH_KEY and b"No secret key" in done.stderr else None
