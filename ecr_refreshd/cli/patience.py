"""Whatever takes longer than a second says that it is at work, where a person may be watching."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def patience(doing: str) -> Iterator[None]:
    """Say on a terminal's stderr what is being done, if it is still being done after a second."""
    if not sys.stderr.isatty():
        yield
        return
    timer = threading.Timer(1.0, print, (f"{doing} ...",), {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def has_person() -> bool:
    """Return whether a person can answer: the standard input is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()
