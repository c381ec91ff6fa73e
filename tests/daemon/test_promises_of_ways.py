"""Promises 3, 5 and 8 of the ways that tokens take, whatever others do to the files, and however it comes out.

The real core decides, and the real sinks carry it out in real files. Hypothesis plays AWS, the programs and
people that edit these files, and whoever installs and removes helpers and keychains.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ecr_refreshd.core import decisions, machine
from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.dockerconfig import OURS, Config
from ecr_refreshd.core.events import (
    Event,
    FetchFailed,
    FetchSucceeded,
    PauseAsked,
    RefreshAsked,
    ResumeAsked,
    SinkFailed,
    SinkSeen,
    Ticked,
)
from ecr_refreshd.core.model import (
    ABSENT,
    Category,
    ChosenBy,
    Entry,
    EntryKind,
    Failure,
    Grant,
    Instant,
    Principal,
    Standing,
    Token,
    View,
    fingerprint,
)
from ecr_refreshd.core.ports import Sink
from ecr_refreshd.core.routing import Means, Mode
from ecr_refreshd.core.schedule import alive
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.state import FilePlan, Plan, Registry, State
from ecr_refreshd.errors import SinkError, SinkUnparsable, SinkUnwritable
from ecr_refreshd.sinks.dockerfile import DockerFile
from ecr_refreshd.sinks.helperfolder import HelperFolder

HOSTS = ("724013829182.dkr.ecr.us-west-2.amazonaws.com", "111122223333.dkr.ecr.eu-west-1.amazonaws.com")
NAMES = ("config.json", "auth.json", "helper")
FILES = NAMES[:2]
STRANGERS = {"ghcr.io": {"auth": "eDp5"}, "https://index.docker.io/v1/": {}}
STARTS: tuple[Any, ...] = (
    None,
    {},
    {"auths": STRANGERS},
    {"auths": {HOSTS[0]: {}}, "credsStore": "desktop"},
    {"auths": {HOSTS[0]: {"auth": "QVdTOmRlYWQ="}, **STRANGERS}, "credsStore": "pass"},
    {"credHelpers": {HOSTS[0]: "ecr-login", "gcr.io": "gcloud"}, "credsStore": "desktop"},
)
KEYCHAIN = "keychain"
QUICK = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
STORMY = 40
"""More writes than this at one instant are a storm."""

LONGEST_WAR = 13
"""Writes in a second and a half."""


def _beside(document: Any, host: str, key: str, value: Any) -> None:
    entry = document.get("auths", {}).get(host)
    if isinstance(entry, dict):
        entry[key] = value


SPOILT: dict[str, Callable[[Any, str], object]] = {
    "no line": lambda document, host: document.get("credHelpers", {}).pop(host, None),
    "our line": lambda document, host: document.setdefault("credHelpers", {}).update({host: OURS}),
    "another's line": lambda document, host: document.setdefault("credHelpers", {}).update(
        {host: "ecr-login"}
    ),
    "no entry": lambda document, host: document.get("auths", {}).pop(host, None),
    "a user": lambda document, host: _beside(document, host, "username", "AWS"),
    "a twin": lambda document, host: document.setdefault("auths", {}).update(
        {f"https://{host}": {"auth": "QVdTOng="}}
    ),
}
"""What others do to what we have written."""


@dataclass
class Machine:
    """What this machine offers, as somebody last left it."""

    helper: str = ""
    keychain: str = ""

    def means(self, *, detects: bool) -> Means:
        return Means(self.helper, self.keychain if detects else "")


@dataclass
class Store:
    """A credential store that works, except for these hosts; a `dead` one does not answer at all."""

    kept: dict[str, Secret] = field(default_factory=dict)
    refuses: frozenset[str] = frozenset()
    dead: bool = False

    def look(self, hosts: Iterable[str]) -> View:
        if self.dead:
            raise SinkUnwritable("It is locked.", code="store.locked")
        return View({host: self.entry(host) for host in hosts})

    def entry(self, host: str) -> Entry:
        auth = self.kept.get(host)
        return ABSENT if auth is None else Entry(EntryKind.TOKEN, fingerprint(auth.reveal()), None, auth)

    def put(self, delivery: Delivery) -> dict[str, SinkUnwritable]:
        if self.dead:
            raise SinkUnwritable("It is locked.", code="store.locked")
        self.kept.update({host: auth for host, auth in delivery.tokens.items() if host not in self.refuses})
        for host in delivery.removed - self.refuses:
            self.kept.pop(host, None)
        hosts = (delivery.tokens.keys() | delivery.removed) & self.refuses
        return {host: SinkUnwritable("No.", code="store.failed") for host in hosts}

    def folders(self) -> frozenset[str]:
        return frozenset()


def auth_text(end: datetime, mark: int | str) -> str:
    password = base64.b64encode(json.dumps({"mark": mark, "expiration": int(end.timestamp())}).encode())
    return base64.b64encode(b"AWS:" + password).decode()


def strangers(data: bytes | None) -> Any:
    """What stands in a file that is no business of ours."""
    document = json.loads(data or b"{}") or {}
    document.pop("credsStore", None)
    for name in ("auths", "credHelpers"):
        found = document.pop(name, None) or {}
        kept = {key: value for key, value in found.items() if key.removeprefix("https://") not in HOSTS}
        if kept:
            document[name] = kept
    return document


class Ways(RuleBasedStateMachine):
    """Steps the core through whatever comes, and has the sinks do what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=QUICK))
        self.now = Instant(datetime(2026, 3, 2, tzinfo=UTC), timedelta(hours=1))
        self.state = State(started=self.now.boot)
        self.plan = Plan()
        self.machine = Machine()
        self.stores: dict[str, Store] = {}
        self.sinks: dict[str, Sink] = {}
        self.orders: dict[str, tuple[int, Delivery]] = {}
        self.fetches: dict[str, int] = {}
        self.minted = 0
        self.at_once = 0
        self.mode: Mode = "auto"
        self.snapshots: list[bytes] = []
        self.named_us = False

    def teardown(self) -> None:
        try:
            self.all_is_well_in_the_end()
        finally:
            shutil.rmtree(self.folder)

    # -- the machine's side ---------------------------------------------------------------------------------

    def step(self, event: Event) -> None:
        self.state, decided = machine.step(self.state, event, self.now, self.plan)
        for decision in decided:
            match decision:
                case decisions.Fetch(orders):
                    self.fetches.update({order.grant.key: order.serial for order in orders})
                case decisions.Write(path, serial, delivery):
                    self.at_once += 1
                    assert self.at_once < STORMY, f"{path} is written over and over"
                    self.orders[Path(path).name] = (serial, delivery)
        self.state, more = machine.step(self.state, Ticked(), self.now, self.plan)
        assert more == (), "settling twice at one instant decides nothing the second time"

    def path(self, name: str) -> Path:
        return self.folder / name

    def data(self, name: str) -> bytes | None:
        path = self.path(name)
        return path.read_bytes() if path.exists() else None

    def make_sinks(self, mode: Mode) -> None:
        self.mode = mode
        locks = str(self.folder / "locks")
        self.sinks["helper"] = HelperFolder(str(self.path("helper")), locks)
        for name in FILES:
            dialect: Any = "docker" if name == "config.json" else "containers"
            sink = DockerFile(str(self.path(name)), locks, dialect=dialect, mode=mode)
            sink._machine = self.machine  # type: ignore[assignment]
            sink._stores.store = lambda name: self.stores.setdefault(name, Store())  # type: ignore[method-assign,assignment,return-value]
            self.sinks[name] = sink

    def look(self, name: str) -> None:
        path = str(self.path(name))
        try:
            self.step(SinkSeen(path, self.sinks[name].look(HOSTS)))
        except SinkError as error:
            self.step(self.failed(name, error))

    def failed(self, name: str, error: SinkError, serial: int = 0) -> SinkFailed:
        failure = Failure(Category.TRANSIENT, error.code, error.message, error.hint)
        kind = "unparsable" if isinstance(error, SinkUnparsable) else "unwritable"
        return SinkFailed(str(self.path(name)), kind, failure, serial)

    def carry_out(self, name: str) -> None:
        order = self.orders.pop(name, None)
        if order is None:
            return
        serial, delivery = order
        before = self.data(name) if name in FILES else None
        try:
            view = self.sinks[name].write(delivery)
        except SinkError as error:
            assert name not in FILES or self.data(name) == before, "a write that failed has changed something"
            self.step(self.failed(name, error, serial))
            return
        if name in FILES:
            self.check_file(name, before)
        self.step(SinkSeen(str(self.path(name)), view, serial))

    def check_file(self, name: str, before: bytes | None) -> None:
        after = self.data(name)
        assert strangers(before) == strangers(after), "nobody else's login, line or setting has changed"
        old, new = Config.parse(before).routes(), Config.parse(after).routes()
        docker = name == "config.json"
        if old.store or not docker:
            assert new.store == old.store, "somebody's store stays"
        elif old.detects and not new.detects:
            assert new.store == self.machine.keychain, "the keychain that docker found is still found"
        for host, line in new.helpers.items():
            if line == OURS and old.helpers.get(host) != OURS:
                assert not self.machine.helper, "nobody is sent to a helper that does not run"
                assert (self.path("helper") / host).exists(), "nobody is sent to a helper without an answer"
        for host, line in old.helpers.items():
            if line not in {OURS, ""} and self.mode not in {"helper", "both"}:
                assert new.helpers.get(host) == line, "another's line is left alone"

    # -- everybody else -------------------------------------------------------------------------------------

    @initialize(
        mode=st.sampled_from(get_args(Mode)),
        start=st.sampled_from(STARTS),
        folder=st.sampled_from([None, 0o777]),
    )
    def begin(self, mode: Mode, start: Any, folder: int | None) -> None:
        if folder is not None:
            self.path("helper").mkdir()
            self.path("helper").chmod(folder)
        grant = Grant(Principal("dev"), "ecr", "us-west-2")
        registries = {
            host: Registry(host, "config", grant, ChosenBy.CONFIG, Standing(), "us-west-2") for host in HOSTS
        }
        roles = dict(zip(NAMES, ("named", "named", "helper"), strict=True))
        files = tuple(FilePlan(str(self.path(name)), role) for name, role in roles.items())
        self.plan = Plan(registries, files, "seed")
        for name in FILES:
            if start is not None:
                self.put(name, start)
        self.make_sinks(mode)
        self.step(Ticked())
        for name in NAMES:
            self.look(name)

    def put(self, name: str, document: Any) -> None:
        data = json.dumps(document, indent="\t").encode()
        self.snapshots.append(data)
        fresh = self.path(f"{name}.fresh")
        fresh.write_bytes(data)
        fresh.rename(self.path(name))

    @rule(by=st.sampled_from([0.1, 1, 2.5, 20, 31, 600, 3600, 7 * 3600, 40 * 3600]))
    def time_goes_by(self, by: float) -> None:
        self.at_once = 0
        self.now = Instant(self.now.wall + timedelta(seconds=by), self.now.boot + timedelta(seconds=by))
        self.step(Ticked())

    @rule(well=st.booleans(), life=st.sampled_from([600, 12 * 3600]))
    def aws_answers(self, *, well: bool, life: int) -> None:
        while self.fetches:
            key, serial = self.fetches.popitem()
            if not well:
                self.step(FetchFailed(key, serial, Failure(Category.DENIED, "AccessDenied", "No.", "Ask.")))
                continue
            self.minted += 1
            end = self.now.wall + timedelta(seconds=life)
            text = auth_text(end, self.minted)
            self.step(
                FetchSucceeded(
                    key, serial, Token(Secret(text), fingerprint(text), self.now.wall, end, self.now.boot)
                )
            )

    @rule(host=st.sampled_from(HOSTS), what=st.sampled_from([PauseAsked, ResumeAsked, RefreshAsked]))
    def somebody_asks(self, host: str, what: Any) -> None:
        self.step(what(frozenset({host})) if what is RefreshAsked else what(host))

    @rule(name=st.sampled_from(FILES), store=st.sampled_from(["", "desktop", "pass"]))
    def somebody_sets_the_store(self, name: str, store: str) -> None:
        self.edit(name, lambda document: document.update(credsStore=store))

    @rule(name=st.sampled_from(FILES))
    def somebody_takes_the_store_out(self, name: str) -> None:
        self.edit(name, lambda document: document.pop("credsStore", None))

    @rule(
        name=st.sampled_from(FILES),
        host=st.sampled_from(HOSTS),
        line=st.sampled_from(["ecr-login", "", OURS, None]),
    )
    def somebody_writes_a_line(self, name: str, host: str, line: str | None) -> None:
        self.named_us = self.named_us or line == OURS

        def write(document: Any) -> None:
            lines = document.setdefault("credHelpers", {})
            if line is None:
                lines.pop(host, None)
            else:
                lines[host] = line

        self.edit(name, write)

    @rule(
        name=st.sampled_from(FILES),
        host=st.sampled_from(HOSTS),
        kind=st.sampled_from(["gone", "marker", "theirs", "dead", "other user", "identity"]),
    )
    def somebody_logs_in_or_out(self, name: str, host: str, kind: str) -> None:
        entry: dict[str, Any] = {
            "marker": {},
            "theirs": {"auth": auth_text(self.now.wall + timedelta(hours=11), "theirs")},
            "dead": {"auth": auth_text(self.now.wall - timedelta(hours=1), "dead")},
            "other user": {"auth": base64.b64encode(b"me:mine").decode()},
            "identity": {"identitytoken": "idtoken"},
        }

        def write(document: Any) -> None:
            entries = document.setdefault("auths", {})
            if kind == "gone":
                entries.pop(host, None)
            else:
                entries[host] = entry[kind]

        self.edit(name, write)

    @rule(name=st.sampled_from(FILES), host=st.sampled_from(HOSTS), how=st.sampled_from(list(SPOILT)))
    def somebody_undoes_whatever_we_write(self, name: str, host: str, how: str) -> None:
        """Ten times at once, then after 0.5 s, and so on; whatever it is that they undo."""
        self.named_us = self.named_us or how == "our line"
        undone = 0
        for number in range(16):
            if number == 3 and not undone:
                return  # we write nothing here just now
            delivery = self.orders[name][1] if name in self.orders else Delivery()
            undone += host in delivery.tokens or host in delivery.released
            self.all_writes_are_carried_out()
            self.edit(name, lambda document: SPOILT[how](document, host))
            self.time_goes_by(0.1)
        assert undone <= LONGEST_WAR, "we fight at the other's pace"

    def edit(self, name: str, change: Any) -> None:
        try:
            document = json.loads(self.data(name) or b"{}") or {}
        except ValueError:
            return
        change(document)
        self.put(name, document)
        self.look(name)

    @rule(name=st.sampled_from(FILES), pick=st.integers(0, 20))
    def somebody_puts_an_older_version_back(self, name: str, pick: int) -> None:
        if self.snapshots:
            self.path(name).write_bytes(self.snapshots[pick % len(self.snapshots)])
            self.look(name)

    @rule(name=st.sampled_from(FILES), what=st.sampled_from([b'{"auths": ', b"", b"null", None]))
    def somebody_breaks_empties_or_removes_a_file(self, name: str, what: bytes | None) -> None:
        if what is None:
            self.path(name).unlink(missing_ok=True)
        else:
            self.path(name).write_bytes(what)
        self.look(name)

    @rule(helper=st.sampled_from(["", "it is not on PATH"]), keychain=st.sampled_from(["", KEYCHAIN]))
    def somebody_installs_or_removes_programs(self, helper: str, keychain: str) -> None:
        self.machine.helper, self.machine.keychain = helper, keychain
        for name in NAMES:
            self.look(name)

    @rule(
        name=st.sampled_from(["desktop", "pass"]), refuses=st.sets(st.sampled_from(HOSTS)), dead=st.booleans()
    )
    def a_store_fails_or_is_mended(self, name: str, refuses: set[str], *, dead: bool) -> None:
        store = self.stores.setdefault(name, Store())
        store.refuses, store.dead = frozenset(refuses), dead
        for each in FILES:
            self.look(each)

    @rule(open_to_all=st.booleans())
    def somebody_opens_or_shuts_the_helpers_folder(self, *, open_to_all: bool) -> None:
        if self.path("helper").exists():
            self.path("helper").chmod(0o777 if open_to_all else 0o700)
            self.look("helper")

    @rule(mode=st.sampled_from(get_args(Mode)))
    def somebody_changes_the_mode(self, mode: Mode) -> None:
        self.all_writes_are_carried_out()  # the lanes are made anew, and end what is under way
        self.make_sinks(mode)
        for name in NAMES:
            self.look(name)

    @rule(name=st.sampled_from(NAMES))
    def a_write_is_carried_out(self, name: str) -> None:
        self.carry_out(name)

    @rule()
    def all_writes_are_carried_out(self) -> None:
        while self.orders:
            self.carry_out(next(iter(self.orders)))

    # -- what always holds ----------------------------------------------------------------------------------

    @invariant()
    def nothing_is_left_lying_about(self) -> None:
        found = {path.name for path in self.folder.iterdir()}
        assert found <= {*NAMES, "locks"}

    def all_is_well_in_the_end(self) -> None:
        """As each thing works again, each client finds a living token where it looks, and nowhere else."""
        self.fetches.clear()
        for store in self.stores.values():
            store.refuses, store.dead = frozenset(), False
        for name in FILES:
            try:
                Config.parse(self.data(name))
            except ValueError:
                self.path(name).unlink()
        for host in HOSTS:
            self.step(ResumeAsked(host))
        self.go_on(aws=False)
        lines = [Config.parse(self.data(name)).routes().helpers.get(host) for name in FILES for host in HOSTS]
        assert OURS not in lines or not self.machine.helper, "no line leads to a helper that does not run"
        self.step(RefreshAsked(frozenset(HOSTS)))
        self.go_on(aws=True)
        if self.mode == "both" and not self.machine.helper:
            self.check(entries_only=True)
        if self.path("helper").exists():
            self.path("helper").chmod(0o700)
        self.go_on(aws=True)
        self.check()
        for gone in ("credsStore", "credHelpers"):
            for name in FILES:
                self.edit(name, lambda document, gone=gone: document.pop(gone, None))
            self.go_on(aws=False)
            self.check()
        self.machine.helper = "it is gone"
        self.go_on(aws=False)
        self.check()

    def go_on(self, *, aws: bool) -> None:
        for _ in range(7):
            self.time_goes_by(60)
            if aws:
                self.aws_answers(well=True, life=12 * 3600)
            self.all_writes_are_carried_out()
            for name in NAMES:
                self.look(name)
            self.all_writes_are_carried_out()

    def check(self, *, entries_only: bool = False) -> None:
        (key,) = self.plan.by_grant()
        token = self.state.grant(key).token
        assert alive(token, self.now)
        assert token is not None
        for name in FILES:
            for host in HOSTS:
                if entries_only:
                    entry = Config.parse(self.data(name)).read([host]).entries[host]
                    assert entry.fingerprint == token.fingerprint, "kubelet reads it, whatever the helper has"
                else:
                    self.check_host(name, host, token.fingerprint)

    def check_host(self, name: str, host: str, newest: str) -> None:
        config = Config.parse(self.data(name))
        routes = config.routes()
        entry = config.read([host]).entries[host]
        line = routes.helpers.get(host)
        answer = HelperFolder(str(self.path("helper")), str(self.folder / "locks")).answer(host)
        store = "" if line == "" or name != "config.json" else routes.store
        if line not in {None, "", OURS}:
            assert self.mode not in {"helper", "both"} or self.machine.helper
        elif line == OURS:
            by_store = routes.store and name == "config.json"
            wanted = self.mode in {"helper", "both"} or (self.mode == "auto" and by_store)
            assert wanted or (self.named_us and self.mode == "auto"), "our line goes with its reason"
            assert isinstance(answer, Entry)
            assert answer.fingerprint == newest
            assert (
                (entry.fingerprint == newest) if self.mode == "both" else (entry.kind is not EntryKind.TOKEN)
            )
        elif self.mode == "store" and store:
            assert self.stores[store].entry(host).fingerprint == newest
            assert entry.kind in {EntryKind.EMPTY, EntryKind.ABSENT}
        else:
            assert entry.fingerprint == newest, "docker-py and kubelet at least read the file"
            needs_helper = self.mode in {"helper", "both"} or (self.mode == "auto" and store)
            assert not needs_helper or self.machine.helper


TestPromisesOfWays = pytest.mark.filterwarnings("error")(Ways.TestCase)
TestPromisesOfWays.settings = settings(
    max_examples=80,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate] if os.environ.get("SEEDED") else list(Phase),
)
