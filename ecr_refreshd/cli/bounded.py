"""Read what may hang (a network share, a service) in a thread of its own, for a few seconds at most."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

ANSWERS_WITHIN = 5.0
"""Seconds, for a file or the service; both take milliseconds unless something hangs."""

T = TypeVar("T")


def bounded(read: Callable[[], T], seconds: float = ANSWERS_WITHIN) -> T:
    """Return what a function returns.

    Raises:
        TimeoutError: it has not returned by then; its thread is left to what it hangs in.
        Exception: what the function itself raised.
    """
    found: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(read())
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that asked
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not found:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    return found[0]
