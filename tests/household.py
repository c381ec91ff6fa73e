"""The real loop in a world of its own: a clock set by hand, files in memory, an AWS that follows a script.

Nothing is mocked out of the loop or the core. What stands in for the machine is small enough to be read, and
weeks pass in seconds.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ecr_refreshd.core import hosts as ecr_hosts
from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.events import (
    Event,
    FetchFailed,
    FetchSucceeded,
    NoticeTold,
    Probed,
    SinkFailed,
    SinkSeen,
)
from ecr_refreshd.core.hosts import RegistryHost
from ecr_refreshd.core.model import (
    ABSENT,
    Category,
    Choice,
    ChosenBy,
    Complaint,
    Entry,
    EntryKind,
    Failure,
    Instant,
    Login,
    Notice,
    Principal,
    ServedElsewhere,
    Standing,
    Token,
    View,
    expiry_hint,
    fingerprint,
)
from ecr_refreshd.core.ports import AwsLook, FetchOrder, Parts, Surroundings
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.core.settings_parse import parse
from ecr_refreshd.core.state import FilePlan
from ecr_refreshd.daemon import Service

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HOME = "/home/dev/.docker/config.json"
REGIONS = {"us-west-2": "aws", "eu-west-1": "aws", "us-east-1": "aws"}
HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"


def auth_text(expires: datetime, salt: str = "") -> str:
    """Return the text of an ECR ``auth`` field whose password names its expiry."""
    inner = {"payload": salt, "version": "2", "type": "DATA_KEY", "expiration": int(expires.timestamp())}
    password = base64.b64encode(json.dumps(inner).encode()).decode()
    return base64.b64encode(f"AWS:{password}".encode()).decode()


@dataclass
class HandClock:
    wall: datetime = START
    boot: timedelta = timedelta(hours=3)

    def now(self) -> Instant:
        return Instant(self.wall, self.boot)

    def advance(self, by: timedelta) -> None:
        self.wall += by
        self.boot += by


@dataclass
class HandAlarms:
    at: datetime | None = None
    age: timedelta = timedelta(0)

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def ring_at(self, at: datetime) -> None:
        self.at = at

    def beat(self) -> timedelta:
        return self.age


@dataclass
class ScriptedAws:
    """Answers each order with `answer(order)`: a Token's life, or a Failure, or None for silence.

    `true` is AWS's own clock, where the machine's is off.
    """

    clock: HandClock
    post: Callable[[FetchSucceeded | FetchFailed], None]
    answer: Callable[[FetchOrder], timedelta | Failure | None]
    calls: list[tuple[datetime, str]] = field(default_factory=list)
    minted: int = 0
    working: bool = True
    true: Callable[[], datetime] | None = None

    def well(self) -> bool:
        return self.working

    def fetch(self, orders: Sequence[FetchOrder]) -> None:
        for order in orders:
            now = self.clock.now()
            self.calls.append((now.wall, order.grant.key))
            answer = self.answer(order)
            if isinstance(answer, timedelta):
                self.minted += 1
                end = (now.wall if self.true is None else self.true()) + answer
                text = auth_text(end, f"{order.grant.key} {self.minted}")
                token = Token(Secret(text), fingerprint(text), now.wall, end, now.boot)
                self.post(FetchSucceeded(order.grant.key, order.serial, token))
            elif answer is not None:
                self.post(FetchFailed(order.grant.key, order.serial, answer))

    def stop(self) -> None: ...


@dataclass
class File:
    """A docker config in memory: host -> auth text.

    `fault` is what the next looks and writes meet, `unwritable` what writes alone do.
    """

    auths: dict[str, str] = field(default_factory=dict)
    exists: bool = True
    fault: Failure | None = None
    unwritable: Failure | None = None
    undecodable: str = ""
    served: dict[str, ServedElsewhere] = field(default_factory=dict)
    rewrites: int = 0
    other: str = ""
    shadows: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    silent: bool = False

    def view(self, hosts: Sequence[str]) -> View:
        entries = {}
        for host in hosts:
            text = self.auths.get(host)
            entries[host] = (
                ABSENT
                if text is None
                else Entry(
                    EntryKind(self.kinds.get(host, "token")),
                    fingerprint(text),
                    expiry_hint(text),
                    Secret(text),
                )
            )
        found = tuple(host for host in self.auths if ecr_hosts.parse(host))
        rest = repr((sorted(self.auths.keys() - set(hosts)), self.other))
        return View(
            entries,
            dict(self.shadows),
            dict(self.served),
            ecr_hosts=found,
            exists=self.exists,
            rest=rest,
            undecodable=self.undecodable,
        )


class HandLane:
    """A sink's lane without a thread: what it is told happens at once, and is reported through the queue."""

    alive = True

    def __init__(self, path: str, file: File, post: Callable[[SinkSeen | SinkFailed], None]) -> None:
        self.folders = frozenset({path.rsplit("/", 1)[0]})
        self._path, self._file, self._post = path, file, post
        self._hosts: tuple[str, ...] = ()

    def start(self) -> None: ...
    def stop(self, timeout: float = 1.0) -> None: ...
    def look(self, hosts: Sequence[str] | None = None, *, again: bool = False) -> None:
        self._hosts = self._hosts if hosts is None else tuple(hosts)
        if self._file.silent:
            return
        if self._file.fault is not None:
            self._post(SinkFailed(self._path, "unparsable", self._file.fault))
        else:
            self._post(SinkSeen(self._path, self._file.view(self._hosts)))

    def write(self, serial: int, delivery: Delivery) -> None:
        tokens, removed = delivery.tokens, delivery.removed
        fault = self._file.fault or self._file.unwritable
        if fault is not None:
            self._post(SinkFailed(self._path, "unwritable", fault, serial))
            return
        self._file.rewrites += 1
        self._file.exists = True
        for host in {*removed, *tokens}:
            self._file.auths.pop(host, None)
            self._file.kinds.pop(host, None)
        self._file.auths.update({host: secret.reveal() for host, secret in tokens.items()})
        self._post(SinkSeen(self._path, self._file.view(self._hosts), serial))


@dataclass
class HandProfiles:
    """One profile that serves everything, unless a test says otherwise."""

    standings: dict[str, Standing] = field(default_factory=dict)
    offered: tuple[Choice, ...] = (Choice(Principal("dev"), ChosenBy.ENVIRONMENT),)
    unknown: frozenset[str] = frozenset()
    """Hosts that no profile fits."""

    def choices(self, host: RegistryHost) -> Sequence[Choice]:
        return () if host.name in self.unknown else self.offered

    def standing(self, principal: Principal) -> Standing:
        return self.standings.get(principal.profile, Standing())

    def nobody_for(self, host: object) -> Failure:
        return Failure(Category.CONFIG, "profile.none", "no profile for this account")


@dataclass
class HandLookout:
    """What lies around: set its fields, then `look` (or let the loop do so)."""

    post: Callable[[Surroundings], None] = lambda _seen: None
    said: HandProfiles = field(default_factory=HandProfiles)
    text: str = "one"
    shared: str = ""
    config: str = "a config"
    logins: dict[str, Login] = field(default_factory=dict)
    folders: frozenset[str] = frozenset({"/home/dev/.aws", "/home/dev/.config/ecr-refreshd"})
    trouble: str = ""
    hangs: timedelta = timedelta(0)
    looks: int = 0
    reported: Surroundings | None = None

    def first(self) -> Surroundings:
        self.reported = Surroundings(
            AwsLook(self.text, self.shared, dict(self.logins), self.said), self.config
        )
        return self.reported

    def look(self) -> None:
        self.looks += 1
        before = self.reported
        if self.first() != before:
            self.post(self.reported)

    def overdue(self) -> timedelta:
        return self.hangs

    def stop(self) -> None: ...


@dataclass
class HandHerald:
    """Keeps what it was told, and delivers all of it."""

    post: Callable[[Event], None]
    problems: tuple[str, ...] = ()
    told: list[tuple[str, Notice]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    announced: list[Mapping[str, object]] = field(default_factory=list)
    signed_in: list[str] = field(default_factory=list)
    configured: list[object] = field(default_factory=list)

    def configure(self, notify: object, hooks: object) -> None:
        self.configured.append((notify, hooks))

    def tell(self, event: str, notice: Notice, place: str = "") -> None:
        self.told.append((event, notice))
        self.places.append(place)
        self.post(NoticeTold(notice.key, event, self.problems, f"place of {notice.key}"))

    def renewed(self, document: Mapping[str, object]) -> None:
        self.announced.append(document)

    def sign_in(self, command: str) -> None:
        self.signed_in.append(command)

    def finish(self, seconds: float) -> None: ...

    def stop(self) -> None: ...
    def events(self, kind: str = "") -> list[tuple[str, str]]:
        return [(event, notice.key) for event, notice in self.told if notice.key.startswith(kind)]


@dataclass
class HandProber:
    """Answers every probe with `answer(host, fingerprint)`; None is silence."""

    post: Callable[[Event], None]
    answer: Callable[[str, str], str | None] = lambda _host, _fingerprint: "accepted"
    asked: list[tuple[str, str]] = field(default_factory=list)

    def probe(self, host: str, fingerprint: str, auth: Secret) -> None:
        self.asked.append((host, fingerprint))
        answer = self.answer(host, fingerprint)
        if answer is not None:
            self.post(Probed(host, fingerprint, answer, "HTTP 403." if answer == "refused" else ""))

    def stop(self) -> None: ...


class HandWatcher:
    alive = True

    def __init__(self, changed: Callable[[str], None]) -> None:
        self.changed = changed
        self.folders: frozenset[str] = frozenset()

    def watch(self, folders: frozenset[str]) -> None:
        fresh, self.folders = folders - self.folders, folders
        for folder in sorted(fresh):
            self.changed(folder)

    def check(self) -> tuple[Complaint, ...]:
        return ()

    def stop(self) -> None: ...


@dataclass
class Lines:
    """A log that keeps its lines."""

    lines: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)

    def info(self, event: str, **fields: object) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        self.lines.append(("error", event, fields))

    def events(self) -> list[str]:
        return [event for _level, event, _fields in self.lines]


class Household:
    """A service with everything around it; `live` lets time pass."""

    def __init__(
        self,
        config: str = "",
        files: Mapping[str, File] | None = None,
        answer: Callable[[FetchOrder], timedelta | Failure | None] = lambda _order: timedelta(hours=12),
        remembered: Mapping[str, object] | None = None,
        clock: HandClock | None = None,
        lookout: HandLookout | None = None,
    ) -> None:
        self.clock = clock or HandClock()
        self.files = dict(files) if files is not None else {HOME: File()}
        self.alarms = HandAlarms()
        self.lookout = lookout or HandLookout()
        self.log = Lines()
        self.saved: dict[str, object] = {}
        self.told: list[str] = []
        self.config = config
        roles = ("default", *("also",) * (len(self.files) - 1))
        plans = tuple(FilePlan(path, role) for path, role in zip(self.files, roles, strict=True))
        parts = Parts(
            clock=self.clock,
            alarms=self._alarms,
            fetcher=lambda post: self._fetcher(post, answer),
            lane=lambda path, post: HandLane(path, self.files[path], post),
            watcher=self._watcher,
            lookout=self._lookout,
            herald=self._herald,
            prober=self._prober,
            zone=UTC,
            regions=REGIONS,
            files=lambda _settings: plans,
            reload=self.settings,
            save=self.saved.update,
            supervise=self.told.append,
            log=self.log,
        )
        self.service = Service(parts, self.settings(), remembered or {}, version="0", seed="seed")

    def settings(self) -> Settings:
        return parse(self.config, regions=REGIONS, source="config.toml")

    def _alarms(self, ring: Callable[[], None]) -> HandAlarms:
        self.ring = ring
        return self.alarms

    def _fetcher(self, post, answer) -> ScriptedAws:
        self.aws = ScriptedAws(self.clock, post, answer)
        return self.aws

    def _lookout(self, post: Callable[[Surroundings], None]) -> HandLookout:
        self.lookout.post = post
        return self.lookout

    def _herald(self, post: Callable[[Event], None]) -> HandHerald:
        self.herald = HandHerald(post)
        return self.herald

    def _prober(self, post: Callable[[Event], None]) -> HandProber:
        self.prober = HandProber(post)
        return self.prober

    def _watcher(self, changed: Callable[[str], None]) -> HandWatcher:
        self.watcher = HandWatcher(changed)
        return self.watcher

    def begin(self) -> Household:
        self.service.begin()
        self.settle()
        return self

    def settle(self) -> None:
        """Turn the loop until nothing is left in its queue; a loop that never rests is a failure."""
        for _ in range(200):
            items = self.service.drain()
            if not items and self.service.tick_due > self.clock.boot:
                return
            self.service.turn(items)
        raise AssertionError("the loop never comes to rest")

    def live(self, by: timedelta, *, step: timedelta | None = None) -> None:
        """Let time pass: the loop turns when an alarm rings or a tick is due, as it would."""
        end = self.clock.boot + by
        while self.clock.boot < end:
            ahead = [end - self.clock.boot, self.service.tick_due - self.clock.boot]
            if self.alarms.at is not None:
                ahead.append(self.alarms.at - self.clock.wall)
            move = max(min(ahead), timedelta(milliseconds=1))
            self.clock.advance(min(move, step or move))
            if self.alarms.at is not None and self.alarms.at <= self.clock.wall:
                self.alarms.at = None
                self.ring()
            self.settle()

    def spoil(self, path: str, host: str, text: str | None) -> None:
        """Let somebody else edit a file, as the watcher would see it."""
        if text is None:
            self.files[path].auths.pop(host, None)
        else:
            self.files[path].auths[host] = text
        self.watcher.changed(path)
        self.settle()

    def row(self, host: str = HOST) -> dict:
        return next(row for row in self.service.document()["registries"] if row["host"] == host)
