"""Remedies for the docker and podman files: owners, modes, links, mounts, contents."""

from __future__ import annotations

import shlex

from ecr_refreshd.core.remedies import Remedy


def narrow_mode(path: str, mode: int, *, mine: bool) -> Remedy:
    """Return how a file that holds logins is closed to those who have no business in it.

    Args:
        path: the real file.
        mode: what its group and its access list may keep; changes nothing but that.
        mine: it belongs to the user who asks.
    """
    return Remedy(command=f"{'' if mine else 'sudo '}chmod {mode:04o} {shlex.quote(path)}")
