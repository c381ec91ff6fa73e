"""A docker config.json or containers auth.json as a sink: looked at as its clients do, written by splice."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.dockerconfig import OURS, Config, Reading, Routes, read
from ecr_refreshd.core.dockerlines import Edits, changed, edited
from ecr_refreshd.core.dockermerge import merge, merge_back
from ecr_refreshd.core.model import ABSENT, Entry, EntryKind, Owed, View
from ecr_refreshd.core.routing import (
    Dialect,
    Means,
    Mode,
    ProgramAnswer,
    Routing,
    Way,
    asked_instead,
    asks_us,
    ignored_by_docker,
    pin_for,
    routing,
)
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.undecodable import mistyped, undecodable
from ecr_refreshd.errors import SinkError, SinkUnwritable
from ecr_refreshd.sinks import stage
from ecr_refreshd.sinks.files import Rewritten, mend, rewrite
from ecr_refreshd.sinks.filestores import FileStores
from ecr_refreshd.sinks.means import Machine
from ecr_refreshd.sinks.places import Place, resolve, shown, work_tree
from ecr_refreshd.sinks.refusals import converted

if TYPE_CHECKING:
    from ecr_refreshd.sinks.otherprograms import OtherPrograms

_BY_HELPER = frozenset({Way.HELPER, Way.BOTH})
_NO_PROGRAMS: Mapping[str, str] = {"PATH": "/nonexistent"}
_NOTHING = frozenset({EntryKind.ABSENT, EntryKind.EMPTY})


class DockerFile:
    """One file of docker's or podman's, implementing `core.ports.Sink`.

    Args:
        path: the file as the user knows it.
        lock_folder: where the locks among our own processes lie.
        file_mode: the widest mode a file with a token may have; None: see `Permissions.narrowed`.
        dialect: ``docker`` for config.json, where a store or a helper beats an entry; ``containers`` for an
            auth.json, whose readers ignore ``credsStore``.
        mode: how its clients are to get their tokens (core/routing.py).
        runs_programs: its clients find the helpers and stores of this PATH; not so in a snap.
        is_needed: a file that cannot be reached is a fault, not merely absent.

    Attributes:
        on_change: called in another thread when a program that the file names has changed its answer.
    """

    def __init__(
        self,
        path: str,
        lock_folder: str,
        file_mode: int | None = None,
        dialect: Dialect = "docker",
        mode: Mode = "auto",
        *,
        runs_programs: bool = True,
        is_needed: bool = True,
    ) -> None:
        self._path = path
        self._lock_folder = lock_folder
        self._file_mode = file_mode
        self._dialect: Dialect = dialect
        self._mode: Mode = mode
        self._environ = os.environ if runs_programs else _NO_PROGRAMS
        self._machine = Machine(self._environ)
        self._is_needed = is_needed
        self._hosts: tuple[str, ...] = ()
        self._notes: tuple[str, ...] = ()
        self._kept: tuple[str, ...] = ()
        self._mended = False
        self._owed = Owed()
        self._stores = FileStores(lock_folder)
        self._others: OtherPrograms | None = None
        self.on_change: Callable[[], None] = lambda: None

    @property
    def path(self) -> str:
        """The file as the user knows it, before symlinks."""
        return self._path

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that are kept here, canonical."""
        return self._hosts

    def look(self, hosts: Sequence[str]) -> View:
        """Return what stands there under these hosts.

        Raises:
            SinkUnparsable: docker or podman would not accept the file.
            SinkUnwritable: the file cannot be read, or its links are not to be trusted.
        """
        self._hosts = tuple(hosts)
        try:
            return self._looked()
        except SinkUnwritable:
            if self._is_needed or os.path.exists(self._path):  # noqa: PTH110 - a text, as everywhere here
                raise
            return View(dict.fromkeys(self._hosts, ABSENT), exists=False)

    def _looked(self) -> View:
        place = resolve(self._path)
        with converted(place):
            if not self._mended:
                self._mend()
            found = stage.read(place.real)
            return self._view(place, found.data if found else None)

    def write(self, delivery: Delivery) -> View:
        """Bring all of these by the way that each host has just now; return what stands there then.

        Raises:
            SinkUnparsable, SinkUnwritable, SinkContended: see `sinks.files.rewrite`.
        """
        self._hosts = tuple(dict.fromkeys([*self._hosts, *delivery.tokens]))
        self._mended = False
        if self._mode == "store":
            delivery = self._without_refused(delivery)
        done = rewrite(self._path, self._lock_folder, self._file_mode, _Change(self, delivery))
        self._learn(done)
        place = resolve(self._path)
        with converted(place):
            return self._view(place, done.data)

    def folders(self) -> frozenset[str]:
        """Return the folders whose changes can change this sink: the path's, its links', its real target's."""
        return self._stores.folders().union(os.fsdecode(folder) for folder in resolve(self._path).folders)

    def _without_refused(self, delivery: Delivery) -> Delivery:
        """Put the tokens that belong there into a store, before the file says that they are there.

        Return what the file is to get: nothing for a host whose store did not take it.
        """
        place = resolve(self._path)
        with converted(place):
            found = stage.read(place.real)
            routes = Config.parse(found.data if found else None).routes()
        tokens: dict[str, dict[str, Secret]] = {}
        removed: dict[str, set[str]] = {}
        hosts = delivery.tokens.keys() | delivery.removed
        for host, each in self._routings(hosts, routes, self._means(routes)).items():
            if each.way is Way.STORE and host in delivery.tokens:
                tokens.setdefault(each.store, {})[host] = delivery.tokens[host]
            elif each.way is Way.STORE:
                removed.setdefault(each.store, set()).add(host)
        refused = self._stores.put(
            {
                name: Delivery(tokens.get(name, {}), removed=frozenset(removed.get(name, ())))
                for name in tokens.keys() | removed.keys()
            }
        )
        return replace(
            delivery,
            tokens={host: token for host, token in delivery.tokens.items() if host not in refused},
            removed=delivery.removed - refused,
            released=delivery.released - refused,
        )

    def _means(self, routes: Routes) -> Means:
        return self._machine.means(detects=self._dialect == "docker" and routes.detects)

    def edits(self, config: Config, delivery: Delivery) -> Edits:
        """Return what has to change in a file, as it is now, for each token to reach its clients."""
        there = config.routes()
        lines = frozenset(host for host, name in there.helpers.items() if name == OURS)
        routes = there.without(delivery.released, delivery.restored)
        means = self._means(routes)
        ways = {host: each.way for host, each in self._routings(delivery.tokens, routes, means).items()}
        sent = {host for host, way in ways.items() if way in _BY_HELPER and host in delivery.answered}
        tokens = {
            host: token for host, token in delivery.tokens.items() if ways[host] in {Way.AUTHS, Way.BOTH}
        }
        to_helper = [host for host in sent if ways[host] is Way.HELPER]
        entries = {host: config.entry(host, forms) for host, forms in config.forms(to_helper).items()}
        cleared = {host for host, entry in entries.items() if entry.kind not in _NOTHING}
        unhelped = {host for host, way in ways.items() if way in {Way.AUTHS, Way.STORE}}
        edits = Edits(
            tokens=tokens,
            cleared=delivery.removed | cleared,
            marked=frozenset(host for host, way in ways.items() if way is Way.STORE),
            helped=frozenset(host for host in sent if not asks_us(host, routes)),
            unhelped=(delivery.released | unhelped) & lines,
            restored=delivery.restored,
        )
        if not (edits.tokens or edits.helped or edits.marked):
            return replace(edits, storeless=_is_spare(delivery, routes))
        if means.unseen and routes.detects and means.unseen not in self._notes:
            self._notes = (*self._notes, means.unseen)
        pin = pin_for(routes, self._dialect, means)
        displaced = {host: routes.helpers.get(host) for host in edits.helped}
        self._owed = Owed(pin or self._owed.store, {**self._owed.helpers, **displaced})
        return replace(edits, store=pin)

    def _routings(
        self,
        hosts: Iterable[str],
        routes: Routes,
        means: Means,
        answers: Mapping[str, ProgramAnswer] | None = None,
    ) -> dict[str, Routing]:
        hosts = tuple(hosts)
        answers = self._answers(hosts, routes, means) if answers is None else answers
        return {
            host: routing(host, routes, self._mode, self._dialect, means, answers.get(host)) for host in hosts
        }

    def _answers(self, hosts: Iterable[str], routes: Routes, means: Means) -> dict[str, ProgramAnswer]:
        """Return what the programs say that docker asks in place of us, for the hosts where that matters."""
        asked = {
            host: (program.store, host)
            for host in hosts
            if (program := asked_instead(host, routes, self._mode, self._dialect, means)) is not None
        }
        if not asked:
            return {}
        if self._others is None:
            # Imported only now: most files name no other program.
            from ecr_refreshd.sinks.otherprograms import OtherPrograms  # noqa: PLC0415 - see above

            self._others = OtherPrograms(self._environ, self.on_change)
        answers = self._others.answers(asked.values())
        return {host: answers[question] for host, question in asked.items()}

    def _view(self, place: Place, data: bytes | None) -> View:
        config = Config.parse(data)
        reading = config.read(self._hosts)
        routes = reading.routes
        means = self._means(routes)
        answers = self._answers(self._hosts, routes, means)
        routings = self._routings(self._hosts, routes, means, answers)
        stored = self._in_stores(routings)
        found = {**reading.entries, **stored.entries}
        unseen = stored.failures.keys() - stored.entries.keys()
        lines = frozenset(host for host, name in routes.helpers.items() if name == OURS)
        # What has gone is nothing that we put: a line or a store that comes after it is somebody else's.
        self._owed = Owed(
            self._owed.store if self._owed.store == routes.store else "",
            {h: n for h, n in self._owed.helpers.items() if h in lines},
        )
        said: dict[str, None] = {}
        if means.remark and any(each.way in _BY_HELPER for each in routings.values()):
            said[means.remark] = None
        if self._mode == "auths":
            # What the user asked for is no fault of the registry; but status must not promise more than that.
            texts = (ignored_by_docker(host, routes, self._dialect, means) for host in self._hosts)
            said.update(dict.fromkeys(text for text in texts if text))
        return View(
            entries={
                h: _entry(h, found[h], each.way, routes) for h, each in routings.items() if h not in unseen
            },
            shadows={h: each.reason for h, each in routings.items() if each.way is Way.ELSEWHERE},
            served={
                h: served
                for h, each in routings.items()
                if each.way is Way.ELSEWHERE
                and (answer := answers.get(h)) is not None
                and (served := answer.served) is not None
            },
            asking=frozenset(host for host, answer in answers.items() if answer.is_pending),
            unread={h: each.reason for h, each in routings.items() if each.way is Way.AUTHS and each.reason},
            helped=frozenset(host for host, each in routings.items() if each.way in _BY_HELPER),
            both=frozenset(host for host, each in routings.items() if each.way is Way.BOTH),
            spare=frozenset(host for host, each in routings.items() if each.spare),
            stored=frozenset(host for host, each in routings.items() if each.way is Way.STORE),
            lines=lines,
            store=routes.store,
            lonely=routes.lonely,
            mode=self._mode,
            failures=stored.failures,
            owed=self._owed,
            ecr_hosts=reading.ecr_hosts,
            exists=data is not None,
            rest=reading.rest,
            undecodable=_undecodable(config, self._hosts) if self._dialect == "docker" else "",
            notes=(
                *self._notes,
                *self._kept,
                *stored.notes,
                *said,
                *_closer_notes(reading),
                *_place_notes(place, reading),
            ),
        )

    def _in_stores(self, routings: Mapping[str, Routing]) -> View:
        """Return what stands in stores instead of the file, and what is to be said of it."""
        hosts: dict[str, list[str]] = {}
        for host, each in routings.items():
            if each.way is Way.STORE:
                hosts.setdefault(each.store, []).append(host)
        return self._stores.look(hosts)

    def _mend(self) -> None:
        try:
            done = mend(self._path, self._lock_folder, self._file_mode, _Change(self, Delivery()))
        except SinkError as exc:
            # The file itself can still be read, and that is what was asked.
            self._kept = (exc.message,)
        else:
            self._learn(done)

    def _learn(self, done: Rewritten) -> None:
        self._mended = not done.unfinished
        self._kept = done.kept
        self._notes = tuple(dict.fromkeys([*self._notes, *done.notes]))


@dataclass(frozen=True, slots=True)
class _Change:
    """The contents of a rewrite: what a delivery makes of the file, as the file is by then."""

    file: DockerFile
    delivery: Delivery

    def wanted(self, data: bytes | None) -> bytes | None:
        """Return the file as it is to be; None if there is none and nothing to put."""
        config = Config.parse(data)
        return changed(config, self.file.edits(config, self.delivery), exists=data is not None)

    def holds_token(self, data: bytes) -> bool:
        """Return whether a token of a kept host stands in a version, be it ours or not."""
        return any(entry.auth for entry in read(data, self.file.hosts).entries.values())

    def merged(self, base: bytes, ours: bytes, theirs: bytes) -> bytes:
        """Return the three-way merge, with all of it."""
        both = merge(base, ours, theirs, {})
        both = self.wanted(both) or both
        pin, routes = self.delivery.unpinned, Config.parse(both).routes()
        if pin and not routes.store and not routes.detects and Config.parse(theirs).routes().store == pin:
            # While we gave the store back, somebody put in what hides the keychain without it.
            return edited(both, Edits(store=pin)) or both
        return both

    def merged_back(self, current: bytes, cut_off: bytes, *, untouched: bool) -> bytes:
        """Return the file with an edit that a crash had cut off."""
        return merge_back(current, cut_off, untouched=untouched)


def _is_spare(delivery: Delivery, routes: Routes) -> bool:
    """Return whether the store that a file names is one that we put there and that nothing needs any more."""
    given_back = any(delivery.restored.get(host) for host in delivery.released)
    pinned = bool(delivery.unpinned) and routes.store == delivery.unpinned
    return pinned and routes.bare and not routes.helpers and not given_back


def _entry(host: str, entry: Entry, way: Way, routes: Routes) -> Entry:
    """Return what stands under a host, seen from the way its token takes."""
    if way is Way.HELPER:
        if entry.kind in {EntryKind.TOKEN, EntryKind.UNDECODABLE}:
            return Entry(
                EntryKind.EMPTY
            )  # docker reads none beside a helper, and nobody wanted a secret there
        return Entry(EntryKind.HELPER) if asks_us(host, routes) else entry
    if way is Way.BOTH and not asks_us(host, routes):
        return replace(entry, untidy=True)
    if way in {Way.AUTHS, Way.STORE} and routes.helpers.get(host) == OURS:
        return replace(entry, untidy=True)
    return entry


def _undecodable(config: Config, hosts: Sequence[str]) -> str:
    found = next(chain(mistyped(config), undecodable(config, frozenset(hosts))), None)
    if found is None:
        return ""
    return f"docker decodes no login in this file, because {found.what} (line {found.line})"


def _closer_notes(reading: Reading) -> tuple[str, ...]:
    return tuple(
        f"{key} holds another login, which podman, buildah and skopeo take for what lies below it. To have it "
        f"served from here: podman logout {key}"
        for key in reading.closer
    )


def _place_notes(place: Place, reading: Reading) -> tuple[str, ...]:
    """Return what is to be said about where the file lies, once it holds a token."""
    tree = work_tree(place.folder) if any(entry.auth for entry in reading.entries.values()) else None
    if tree is None:
        return ()
    note = (
        f"{shown(place.real)} lies in the git work tree {shown(tree)}: a token there is one `git add` away from "
        "being published. Ignore the file there, or let DOCKER_CONFIG name a folder outside."
    )
    return (note,)
