"""A file system that never answers: a FUSE mount without anybody behind it. Linux, and for root only."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.needs import need

_MNT_FORCE, _MNT_DETACH = 1, 2


def required() -> None:
    """Skip a test where no such mount can be made: a container without FUSE is nothing that CI could install."""
    need(os.geteuid() == 0, "only root can mount a file system that never answers")
    if sys.platform != "linux" or not Path("/dev/fuse").exists():
        pytest.skip("there is no FUSE here")


@contextmanager
def silent(folder: Path) -> Iterator[None]:
    """Mount it over a folder; whoever looks there hangs until this ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={descriptor},rootmode=40000,user_id=0,group_id=0".encode()
    try:
        if libc.mount(b"silent", os.fsencode(folder), b"fuse", 0, options):
            pytest.skip(f"no FUSE mount can be made here: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            libc.umount2(os.fsencode(folder), _MNT_FORCE | _MNT_DETACH)
    finally:
        os.close(descriptor)  # ends the connection: whoever hangs gets an error
