"""A docker config.json or containers auth.json as a sink: looked at as its clients do, written by splice."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ecr_refreshd.core.dockerconfig import Config, Reading, Routes, read
from ecr_refreshd.core.dockermerge import merge, merge_back
from ecr_refreshd.core.model import View
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import SinkError
from ecr_refreshd.sinks import keychain, stage
from ecr_refreshd.sinks.files import Rewritten, mend, rewrite
from ecr_refreshd.sinks.places import Place, resolve, shown, work_tree
from ecr_refreshd.sinks.refusals import converted

Dialect = Literal["docker", "containers"]
OwnMode = Literal["auto", "auths"]

_KEYCHAIN_MEMORY = 60.0
"""Seconds. A login made meanwhile is written into the file by docker itself, which ends its search."""


class DockerFile:
    """One file of docker's or podman's, implementing `core.ports.Sink`.

    Args:
        path: the file as the user knows it.
        lock_folder: where the locks among our own processes lie.
        file_mode: the widest mode a file with a token may have (0o600).
        dialect: ``docker`` for config.json, where a store or a helper beats an entry; ``containers`` for an
            auth.json, whose readers ignore ``credsStore``.
        own_mode: ``auto`` writes nothing where no client would read it; ``auths`` writes anyway.
    """

    def __init__(
        self,
        path: str,
        lock_folder: str,
        file_mode: int = 0o600,
        dialect: Dialect = "docker",
        own_mode: OwnMode = "auto",
    ) -> None:
        self._path = path
        self._lock_folder = lock_folder
        self._file_mode = file_mode
        self._dialect = dialect
        self._own_mode = own_mode
        self._hosts: tuple[str, ...] = ()
        self._notes: tuple[str, ...] = ()
        self._kept: tuple[str, ...] = ()
        self._mended = False
        self._keychain: _Keychain | None = None

    @property
    def path(self) -> str:
        """The file as the user knows it, before symlinks."""
        return self._path

    def look(self, hosts: Sequence[str]) -> View:
        """Return what stands there under these hosts.

        Raises:
            SinkUnparsable: docker or podman would not accept the file.
            SinkUnwritable: the file cannot be read, or its links are not to be trusted.
        """
        self._hosts = tuple(hosts)
        place = resolve(self._path)
        with converted(place):
            if not self._mended:
                self._mend()
            found = stage.read(place.real)
            return self._view(place, found.data if found else None)

    def write(self, tokens: Mapping[str, Secret], removed: frozenset[str] = frozenset()) -> View:
        """Put all of these, and take out those hosts' entries, in one rewrite; return what stands there now.

        Hosts whose entry no client would read are not put; the view's shadows name them.

        Raises:
            SinkUnparsable, SinkUnwritable, SinkContended: see `sinks.files.rewrite`.
        """
        self._hosts = tuple(dict.fromkeys([*self._hosts, *tokens]))
        self._mended = False
        done = rewrite(self._path, self._lock_folder, self._file_mode, _Tokens(self, tokens, removed))
        self._learn(done)
        place = resolve(self._path)
        with converted(place):
            return self._view(place, done.data)

    def folders(self) -> frozenset[str]:
        """Return the folders whose changes can change this sink: the path's, its links', its real target's."""
        return frozenset(os.fsdecode(folder) for folder in resolve(self._path).folders)

    def shadows(self, routes: Routes, hosts: Iterable[str]) -> dict[str, str]:
        """Return the hosts whose entry no client of this file would read, each with the reason and remedy."""
        reasons = {host: self._shadow(routes, host) for host in hosts}
        return {host: reason for host, reason in reasons.items() if reason}

    def allowed(self, routes: Routes, tokens: Mapping[str, Secret]) -> dict[str, Secret]:
        """Return the tokens that this file is to carry."""
        if self._own_mode == "auths":
            return dict(tokens)
        shadowed = self.shadows(routes, tokens)
        return {host: token for host, token in tokens.items() if host not in shadowed}

    def _shadow(self, routes: Routes, host: str) -> str:
        helper = routes.helpers.get(host)
        if helper:
            return (
                f"credHelpers names docker-credential-{helper} for this host, and clients ask nothing else; it "
                "is left alone. To be served from here, remove that line."
            )
        if self._dialect == "containers" or helper is not None:
            return ""  # podman knows no store; an empty helper name means this file to docker
        if routes.store:
            return (
                f"credsStore names docker-credential-{routes.store}, and docker reads no entry of this file. "
                'Remove that line; or set mode = "auths" in [docker], for podman and docker-py, which read it.'
            )
        found = self._keychain_with_logins() if routes.detects else ""
        if found:
            return (
                f"docker finds docker-credential-{found} by itself and keeps other logins there; an entry here "
                f'would hide them. Add "credsStore": "{found}" to {self._path}, or set mode = "auths".'
            )
        return ""

    def _keychain_with_logins(self) -> str:
        """Return the keychain that docker would find by itself, if it holds a login; else ""."""
        name = keychain.detected()
        if name is None:
            return ""
        now = time.monotonic()
        known = self._keychain
        if known is None or known.name != name or now - known.asked_at > _KEYCHAIN_MEMORY:
            known = self._keychain = _Keychain(name, keychain.holds_logins(name), now)
        return name if known.holds_logins else ""

    def _view(self, place: Place, data: bytes | None) -> View:
        reading = read(data, self._hosts)
        shadows = self.shadows(reading.routes, self._hosts)
        unread: tuple[str, ...] = ()
        if self._own_mode == "auths" and shadows:
            # Written all the same, for podman, skopeo and docker-py; status must not promise more than that.
            unread, shadows = tuple(dict.fromkeys(shadows.values())), {}
        return View(
            entries=reading.entries,
            shadows=shadows,
            ecr_hosts=reading.ecr_hosts,
            exists=data is not None,
            rest=reading.rest,
            notes=(*self._notes, *self._kept, *unread, *_place_notes(place, reading)),
        )

    def _mend(self) -> None:
        try:
            done = mend(self._path, self._lock_folder, self._file_mode, _Tokens(self, {}))
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
class _Keychain:
    """What a keychain said, and when (monotonic seconds)."""

    name: str
    holds_logins: bool
    asked_at: float


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The contents of a rewrite: tokens, for the hosts whose entry would be read; and entries that go."""

    file: DockerFile
    tokens: Mapping[str, Secret]
    removed: frozenset[str] = frozenset()

    def wanted(self, data: bytes | None) -> bytes | None:
        """Return the file with the tokens; None if nothing in it is to change."""
        config = Config.parse(data)
        allowed = self.file.allowed(config.routes(), self.tokens)
        if self.removed and data is not None:
            config = Config.parse(config.without_auths(self.removed))
            return config.with_auths(allowed)
        return config.with_auths(allowed) if allowed else None

    def merged(self, base: bytes, ours: bytes, theirs: bytes) -> bytes:
        """Return the three-way merge, with the tokens."""
        return merge(base, ours, theirs, self.tokens)

    def merged_back(self, current: bytes, cut_off: bytes, *, untouched: bool) -> bytes:
        """Return the file with an edit that a crash had cut off."""
        return merge_back(current, cut_off, untouched=untouched)


def _place_notes(place: Place, reading: Reading) -> tuple[str, ...]:
    """Return what is to be said about where the file lies, once it may hold a token."""
    if not reading.ecr_hosts:
        return ()
    tree = work_tree(place.folder)
    if tree is None:
        return ()
    note = (
        f"{shown(place.real)} lies in the git work tree {shown(tree)}: a token there is one `git add` away from "
        "being published. Ignore the file there, or let DOCKER_CONFIG name a folder outside."
    )
    return (note,)
