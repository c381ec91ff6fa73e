"""The standard streams where the caller has closed them, or nothing more can be written to them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


def fill_closed() -> None:
    """Put the null device wherever a standard stream is closed, so that nothing else is opened in its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - the lowest number is given
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - it lasts as long as we do
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - see above


def show_nothing_more(error: OSError) -> None:
    """Say why stdout cannot be written, unless its reader has gone (`status | head`); drop what is buffered."""
    if not isinstance(error, BrokenPipeError):
        with suppress(OSError):
            print(f"ecr-refreshd: stdout cannot be written: {error.strerror}.", file=sys.stderr, flush=True)
    discard(sys.stdout)


def discard(stream: TextIO) -> None:
    """Send nowhere what is still buffered for a stream: the interpreter would complain when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
