"""Tell whether the kernel killed a process for the memory limit of this process's control group."""

from __future__ import annotations

import re
from pathlib import Path

_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_LIMITS = ("memory.max", "memory.limit_in_bytes")
_UNLIMITED = 1 << 60
"""Bytes; version 1 writes a huge number where there is no limit."""


def kills(root: Path = Path("/")) -> int:
    """Return how many processes of this control group were killed for memory so far; 0 if that is unknown.

    Args:
        root: where the system's own folders begin.
    """
    for folder in _folders(root):
        for name in ("memory.events", "memory.oom_control"):
            if found := _KILLS.search(_text(folder / name)):
                return int(found[1])
    return 0


def limit(root: Path = Path("/")) -> int:
    """Return the smallest memory limit of this control group and those around it, in bytes; 0: none is known."""
    found = [
        int(text) for folder in _folders(root) for name in _LIMITS if (text := _text(folder / name)).isdigit()
    ]
    return min((each for each in found if each < _UNLIMITED), default=0)


def _folders(root: Path) -> list[Path]:
    """Return the folders that describe this control group, its own first, then those around it.

    A container sees its own group at the root of the mount (cgroup namespaces), so that comes last in any case.
    """
    mount = root / "sys/fs/cgroup"
    found: list[Path] = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        base = mount / "memory" if "memory" in controllers.split(",") else mount
        if controllers and base == mount:
            continue
        own = base / path.lstrip("/")
        found += [own, *(each for each in own.parents if each == base or base in each.parents)]
    return [*found, mount, mount / "memory"]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
