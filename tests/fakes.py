"""Stand-ins for the adapters: in memory, in no time, and under the same contracts (tests/contracts/)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.dockerconfig import Config, put_auths, read
from ecr_refreshd.core.events import FetchFailed, FetchSucceeded
from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.core.model import Category, Complaint, Failure, Instant, Token, View, fingerprint
from ecr_refreshd.core.ports import Clock, FetchOrder, Post
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import SinkError, SinkUnparsable


class MemorySink:
    """A docker config that is only bytes.

    Attributes:
        content: the bytes; edit them as another program would. None when there is no file.
        refusal: raised by every write while it is set.
        writes: the hosts of each write that changed the bytes.
    """

    def __init__(self, path: str = "/home/dev/.docker/config.json", content: bytes | None = None) -> None:
        self.path = path
        self.content = content
        self.refusal: SinkError | None = None
        self.writes: list[tuple[str, ...]] = []
        self._hosts: tuple[str, ...] = ()

    def look(self, hosts: Sequence[str]) -> View:
        self._hosts = tuple(hosts)
        return self._view()

    def write(self, delivery: Delivery) -> View:
        tokens, removed = delivery.tokens, delivery.removed
        self._hosts = tuple(dict.fromkeys([*self._hosts, *tokens]))
        if self.refusal is not None:
            raise self.refusal
        shadows = self._view().shadows
        allowed = {host: token for host, token in tokens.items() if host not in shadows}
        left = self.content
        if removed and left is not None:
            left = Config.parse(left).without_auths(removed)
        new = put_auths(left, allowed) if allowed else left
        if new != self.content:
            self.content = new
            self.writes.append(tuple(allowed))
        return self._view()

    def folders(self) -> frozenset[str]:
        return frozenset({str(Path(self.path).parent)})

    def _view(self) -> View:
        try:
            reading = read(self.content, self._hosts)
        except JsonError as exc:
            raise SinkUnparsable(f"{self.path}: {exc}", code="sink.unparsable") from exc
        routes = reading.routes
        shadows = {host: "credHelpers" for host in self._hosts if host in routes.helpers}
        there = self.content is not None
        return View(reading.entries, shadows, ecr_hosts=reading.ecr_hosts, exists=there, rest=reading.rest)


class FakeClock:
    """Both clocks, set by hand. `advance` lets time go by, `set_wall` is somebody who sets the time."""

    def __init__(self, wall: datetime = datetime(2026, 3, 2, 8, tzinfo=UTC)) -> None:
        self._now = Instant(wall, timedelta(hours=3))
        self.passed: list[Callable[[], None]] = []

    def now(self) -> Instant:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now = Instant(self._now.wall + by, self._now.boot + by)
        for tell in self.passed:
            tell()

    def set_wall(self, wall: datetime) -> None:
        self._now = Instant(wall, self._now.boot)


class FakeAlarms:
    """Alarms that ring while a `FakeClock` is advanced; `dead` is what APScheduler's thread can become."""

    def __init__(self, ring: Callable[[], None], clock: FakeClock) -> None:
        self.at: datetime | None = None
        self.dead = False
        self._ring = ring
        self._clock = clock
        self._beaten = clock.now().boot
        self._running = False

    def start(self) -> None:
        self._running = True
        self._beaten = self._clock.now().boot
        self._clock.passed.append(self._look)
        self._look()

    def ring_at(self, at: datetime) -> None:
        self.at = at
        self._look()

    def beat(self) -> timedelta:
        if self._running and not self.dead:
            self._beaten = self._clock.now().boot
        return self._clock.now().boot - self._beaten

    def stop(self) -> None:
        self._running = False
        if self._look in self._clock.passed:
            self._clock.passed.remove(self._look)

    def _look(self) -> None:
        if self._running and not self.dead and self.at is not None and self.at <= self._clock.now().wall:
            self.at = None
            self._ring()


class FakeWatcher:
    """A watcher that is told what changed. `silent` loses events, which costs a check and no more."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self.watched: frozenset[str] = frozenset()
        self.degraded: tuple[Complaint, ...] = ()
        self.silent = False
        self._changed = changed
        self._unseen: set[str] = set()

    def watch(self, folders: frozenset[str]) -> None:
        self.watched = folders

    def touch(self, path: str) -> None:
        folder = str(Path(path).parent)
        if folder not in self.watched:
            return
        if self.silent:
            self._unseen.add(folder)
        else:
            self._changed(path)

    def check(self) -> tuple[Complaint, ...]:
        unseen, self._unseen = self._unseen, set()
        for folder in sorted(unseen & self.watched):
            self._changed(folder)
        return self.degraded

    def stop(self) -> None:
        self.watched = frozenset()


class FakeFetcher:
    """A fetcher that follows a script.

    Attributes:
        script: what it answers to an order: the life of a token, a failure, or None for silence.
        orders: every order so far.
    """

    def __init__(
        self, post: Post, clock: Clock, script: Callable[[FetchOrder], timedelta | Failure | None]
    ) -> None:
        self.script = script
        self.orders: list[FetchOrder] = []
        self._post = post
        self._clock = clock
        self._silent: list[FetchOrder] = []
        self._stopped = False

    def fetch(self, orders: Sequence[FetchOrder]) -> None:
        for order in orders:
            self.orders.append(order)
            answer = self._ending() if self._stopped else self.script(order)
            if isinstance(answer, timedelta):
                self._give(order, answer)
            elif answer is None:
                self._silent.append(order)
            else:
                self._fail(order, answer)

    def stop(self) -> None:
        self._stopped = True
        silent, self._silent = self._silent, []
        for order in silent:
            self._fail(order, self._ending())

    def _give(self, order: FetchOrder, life: timedelta) -> None:
        now = self._clock.now()
        auth = base64.b64encode(f"AWS:{order.grant.key} {len(self.orders)}".encode()).decode()
        token = Token(Secret(auth), fingerprint(auth), now.wall, now.wall + life, now.boot)
        self._post(FetchSucceeded(order.grant.key, order.serial, token))

    def _fail(self, order: FetchOrder, failure: Failure) -> None:
        failed = replace(failure, at=self._clock.now().wall)
        self._post(FetchFailed(order.grant.key, order.serial, failed))

    @staticmethod
    def _ending() -> Failure:
        return Failure(Category.TRANSIENT, "fetch.stopped", "The service is ending.")
