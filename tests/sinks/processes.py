"""Other people's processes, as seen from outside."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def runs(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ends(pid: int) -> bool:
    """Whether a process that was just killed is gone within moments."""
    for _ in range(200):
        if not runs(pid):
            return True
        time.sleep(0.01)
    return False
