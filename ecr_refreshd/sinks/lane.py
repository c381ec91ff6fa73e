"""A thread of its own for each sink, so that a file system that hangs delays only its own files.

Rules: looks and writes of one sink happen one after another, in order; what is seen is reported only when it
differs from what was reported before, so our own writes, seen again by the watcher, decide nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.events import SinkFailed, SinkSeen
from ecr_refreshd.core.model import Category, Failure, SinkState, View
from ecr_refreshd.core.ports import Sink
from ecr_refreshd.errors import SinkError, SinkUnparsable

SECOND_LOOK = 0.2
"""Seconds. In-place writers tear: what is seen at the first event may be half a file (reliability.md 3.5)."""
_LOOKS_BEFORE_UNPARSABLE = 3


@dataclass(frozen=True, slots=True)
class _Order:
    serial: int
    delivery: Delivery


class Lane:
    """Looks at and writes one sink, in a thread that waits without waking while there is nothing to do.

    Attributes:
        folders: whose changes can change the sink, as of the newest look; another thread may read it.
    """

    def __init__(self, sink: Sink, post: Callable[[SinkSeen | SinkFailed], None]) -> None:
        self.sink = sink
        self.folders: frozenset[str] = frozenset()
        self._post = post
        self._changed = threading.Condition()
        self._hosts: tuple[str, ...] = ()
        self._wanted = False
        self._again_at: float | None = None
        self._fresh = False
        self._order: _Order | None = None
        self._stopping = False
        self._reported: object = None
        self._unparsable = 0
        self._thread = threading.Thread(target=self._run, name=f"sink {sink.path}", daemon=True)

    def start(self) -> None:
        """Begin; nothing is looked at before `look` asks for it."""
        self._thread.start()

    def look(self, hosts: Sequence[str] | None = None, *, again: bool = False) -> None:
        """Look soon; `hosts` changes what is asked about, `again` looks a second time 200 ms later."""
        with self._changed:
            if hosts is not None and tuple(hosts) != self._hosts:
                self._hosts = tuple(hosts)
                self._fresh = True
            self._wanted = True
            if again:
                self._again_at = time.monotonic() + SECOND_LOOK
            self._changed.notify()

    def write(self, serial: int, delivery: Delivery) -> None:
        """Write this next; an order that has not begun yet is replaced by it."""
        with self._changed:
            self._order = _Order(serial, delivery)
            self._changed.notify()

    @property
    def alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def stop(self, timeout: float = 1.0) -> None:
        """End after what is under way, waiting `timeout` seconds at most."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._is_due, self._until_second_look())
                order, self._order = self._order, None
                if order is None and self._stopping:
                    return
                if order is None:
                    self._wanted = False
                    if self._again_at is not None and time.monotonic() >= self._again_at:
                        self._again_at = None
                hosts = self._hosts
                if self._fresh:
                    self._fresh, self._reported = False, None
            if order is not None:
                self._carry_out(order)
            else:
                self._look_once(hosts)

    def _is_due(self) -> bool:
        return self._wanted or self._order is not None or self._stopping

    def _until_second_look(self) -> float | None:
        return None if self._again_at is None else max(0.0, self._again_at - time.monotonic())

    def _look_once(self, hosts: Sequence[str]) -> None:
        try:
            self.folders = self.sink.folders()
            view: View = self.sink.look(hosts)
        except SinkUnparsable as error:
            self._unparsable += 1
            if self._unparsable < _LOOKS_BEFORE_UNPARSABLE:
                with self._changed:
                    self._again_at = time.monotonic() + SECOND_LOOK  # it may be half written
                return
            self._report_failure(error)
        except SinkError as error:
            self._report_failure(error)
        except Exception as error:  # noqa: BLE001 - a bug in one sink must not silence it, nor stop the others
            self._report(SinkFailed(self.sink.path, SinkState.UNWRITABLE, _bug(error)), type(error))
        else:
            self._unparsable = 0
            self._report(SinkSeen(self.sink.path, view), view)

    def _carry_out(self, order: _Order) -> None:
        path = self.sink.path
        try:
            view = self.sink.write(order.delivery)
        except SinkError as error:
            self._reported = None
            self._post(SinkFailed(path, _state(error), _failure(error), order.serial))
        except Exception as error:  # noqa: BLE001 - as above
            self._reported = None
            self._post(SinkFailed(path, SinkState.UNWRITABLE, _bug(error), order.serial))
        else:
            self._reported = view
            self._post(SinkSeen(path, view, order.serial))

    def _report_failure(self, error: SinkError) -> None:
        self._report(SinkFailed(self.sink.path, _state(error), _failure(error)), (error.code, error.message))

    def _report(self, event: SinkSeen | SinkFailed, content: object) -> None:
        if self._reported != content:
            self._reported = content
            self._post(event)


def _state(error: SinkError) -> SinkState:
    return SinkState.UNPARSABLE if isinstance(error, SinkUnparsable) else SinkState.UNWRITABLE


def _failure(error: SinkError) -> Failure:
    return Failure(Category.TRANSIENT, error.code, error.message, error.hint, command=error.command)


def _bug(error: Exception) -> Failure:
    # Only the type: the text of an unforeseen exception may quote the file.
    return Failure(
        Category.TRANSIENT, f"bug.{type(error).__name__}", "An unforeseen error; the file is unchanged."
    )
