"""Reads a file of somebody else's, whatever stands in its place: a pipe, a device, a gigabyte.

A named pipe would be waited for until somebody writes into it, and /dev/zero would be read for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

LARGEST = 1 << 26
"""Bytes; a config.json with a thousand tokens has a sixteenth of it."""


def read(path: str | bytes | Path, most: int = LARGEST) -> tuple[bytes, os.stat_result]:
    """Return a file's bytes, and what the system said of it while they were read.

    Raises:
        OSError: it cannot be read, is no file, or is larger than `most`; `strerror` says which.
        ValueError: no file can have such a name.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no file", path)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(most + 1)
    finally:
        os.close(descriptor)
    if len(data) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    return data, status
