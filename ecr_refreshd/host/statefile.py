"""The file that outlives the service: one JSON object, replaced atomically, readable by its owner alone.

Rules: a crash at any instant leaves the old file or the new one; a file that cannot be understood costs what
it knew and never the start, and one such file is kept aside for whoever wonders. No secrets are put in it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ecr_refreshd.osutil import ownership


def read(path: Path) -> dict[str, Any]:
    """Return what is remembered; empty if there is no file or it cannot be understood. Changes nothing."""
    with suppress(OSError, ValueError):
        return _read(path)
    return {}


def load(path: Path) -> tuple[dict[str, Any], str]:
    """Return what is remembered, and a sentence about a file that had to be put aside ("" if none).

    For the service, which holds the instance lock: leftovers of a killed writer go too.
    """
    with suppress(OSError):
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):
            leftover.unlink(missing_ok=True)
    try:
        return _read(path), ""
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or "it is not what we wrote"
    aside = path.with_name(path.name + ".bad")
    try:
        path.replace(aside)
    except OSError as error:
        return {}, f"{path} cannot be used ({reason}) nor put aside ({error.strerror}); starting without it."
    return (
        {},
        f"{path} could not be used ({reason}); it was put aside as {aside.name}, and we start without it.",
    )


def _read(path: Path) -> dict[str, Any]:
    # Not waiting, should it be a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a file")
        data = file.read()
    try:
        document = json.loads(data)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004 - the file's value is wrong, not a caller's type
    return document


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Replace the file; raises OSError, and then the old file stands."""
    ownership.make_folders(str(path.parent))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            ownership.inherit(descriptor, str(path.parent))
            file.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
