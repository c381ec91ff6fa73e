"""Waits for what children say, for a word from another thread, or for time to pass; and for nothing else."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress

from ecr_refreshd.aws.running import Running


class Ears:
    """One thread listens; any thread may `nudge` it."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        for end in (self._ours, self._theirs):
            end.setblocking(False)  # noqa: FBT003 - its only argument
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ours, selectors.EVENT_READ)

    def nudge(self) -> None:
        """End the wait of the listening thread."""
        with suppress(OSError):  # so many unheard nudges that one more makes no difference; or nobody listens
            self._theirs.send(b"!")

    def listen(self, children: Sequence[Running], seconds: float | None) -> Iterator[Running]:
        """Yield the children that have said something, sending what waits to be sent to them meanwhile.

        Args:
            children: those there are now.
            seconds: how long to wait for one of them; None for ever.
        """
        by_socket = {child.socket: child for child in children if not child.closed}
        self._follow(by_socket)
        for key, ready in self._selector.select(seconds):
            child = by_socket.get(key.fileobj)  # type: ignore[call-overload] # only sockets were registered
            if child is None:
                with suppress(BlockingIOError):
                    self._ours.recv(4096)
                continue
            if ready & selectors.EVENT_WRITE:
                child.write()
            if ready & selectors.EVENT_READ:
                yield child

    def _follow(self, by_socket: dict[socket.socket, Running]) -> None:
        for known in [key.fileobj for key in self._selector.get_map().values()]:
            if known is not self._ours and known not in by_socket:
                self._selector.unregister(known)
        for ours, child in by_socket.items():
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.wants_to_write else 0)
            try:
                self._selector.modify(ours, events)
            except KeyError:
                self._selector.register(ours, events)

    def close(self) -> None:
        """Listen no more."""
        self._selector.close()
        self._ours.close()
        self._theirs.close()
