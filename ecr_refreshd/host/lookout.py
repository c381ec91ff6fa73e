"""The lookout: sees in a thread of its own what the service depends on and does not own.

Logins, profiles and the configuration may lie on a network share that hangs; the loop does not. What it sees is
reported only when it differs from what was reported before, so an uneventful look wakes nobody else.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from ecr_refreshd.core.ports import Surroundings

_ZERO = timedelta(0)
_LARGEST = 1 << 20
"""Bytes; no configuration is larger."""


class Lookout:
    """`core.ports.Lookout`.

    Args:
        see: looks; it may take long, and raises nothing that is foreseen.
        post: is given what was seen, in the lookout's own thread.

    Attributes:
        folders: whose changes can change what is seen, as of the newest look; another thread may read it.
        trouble: a sentence about why the newest look came to nothing, "" if it did not.
    """

    def __init__(
        self, see: Callable[[], tuple[Surroundings, frozenset[str]]], post: Callable[[Surroundings], None]
    ) -> None:
        self.folders: frozenset[str] = frozenset()
        self.trouble = ""
        self._see = see
        self._post = post
        self._changed = threading.Condition()
        self._wanted = False
        self._stopping = False
        self._since: float | None = None
        self._reported: Surroundings | None = None
        self._thread: threading.Thread | None = None

    def first(self) -> Surroundings:
        """Look in the caller's own thread, and return what is seen."""
        seen, self.folders = self._see()
        self._reported = seen
        return seen

    def look(self) -> None:
        """Look soon, and report it if it differs."""
        with self._changed:
            self._wanted = True
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)
                self._thread.start()
            self._changed.notify()

    def overdue(self) -> timedelta:
        """Return for how long the look under way has been; zero when none is. Suspend does not count."""
        since = self._since
        return _ZERO if since is None else timedelta(seconds=time.monotonic() - since)

    def stop(self) -> None:
        """End; a look that hangs is not waited for."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(0.2)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted or self._stopping)
                if self._stopping:
                    return
                self._wanted = False
                self._since = time.monotonic()
            try:
                seen, self.folders = self._see()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next look may go well
                self.trouble = f"The AWS files could not be looked at ({type(error).__name__})."
                continue
            finally:
                self._since = None
            self.trouble = ""
            if seen != self._reported:
                self._reported = seen
                self._post(seen)


def digest(path: Path) -> str:
    """Return a digest of a file's content, "" if there is none that can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        try:
            return hashlib.sha256(file.read(_LARGEST)).hexdigest()
        except OSError:
            return ""
