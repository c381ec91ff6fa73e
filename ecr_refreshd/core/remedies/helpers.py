"""Remedies for credential helpers and stores: PATH, links, locked or missing stores."""

from __future__ import annotations

import posixpath
import shlex

from ecr_refreshd.core.remedies import Remedy


def reach_bare_path(program: str, bare_path: str, *, is_mac: bool = False) -> Remedy:
    """Return how programs that no shell has started come to find our helper.

    Args:
        program: our helper, where this PATH finds it; it was tried and answers.
        bare_path: the PATH of those programs, on which no program of that name is.
        is_mac: nobody may write in /usr/bin there.
    """
    folder = posixpath.dirname(program) or "FOLDER"
    line = f"PATH={folder}:{bare_path}"
    if is_mac:
        return Remedy(f"Put this line at the top of the crontab: {line}")
    return Remedy(
        f"Put {line} at the top of the crontab, or link it where every program looks:",
        f"sudo ln -sf {shlex.quote(program)} /usr/bin/",
    )
