"""The credential stores that a docker file sends its clients to, each host with its own trouble.

One store that is locked, or that does not take one token, spoils nothing for the other hosts of the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.model import Category, Failure, View
from ecr_refreshd.errors import SinkError

if TYPE_CHECKING:
    from ecr_refreshd.sinks.store import CredentialStore


class FileStores:
    """The stores of one file.

    Args:
        lock_folder: where the locks among our own processes lie.
    """

    def __init__(self, lock_folder: str) -> None:
        self._lock_folder = lock_folder
        self._stores: dict[str, CredentialStore] = {}
        self._refused: dict[str, Failure] = {}

    def put(self, parts: Mapping[str, Delivery]) -> frozenset[str]:
        """Put into each store (by its name) what belongs there; return the hosts for which that went wrong."""
        for name, part in parts.items():
            hosts = part.tokens.keys() | part.removed
            self._refused = {host: each for host, each in self._refused.items() if host not in hosts}
            try:
                troubles: Mapping[str, SinkError] = self.store(name).put(part)
            except SinkError as error:
                troubles = dict.fromkeys(hosts, error)
            self._refused |= {host: _failure(error) for host, error in troubles.items()}
        tried = frozenset[str]().union(*(part.tokens.keys() | part.removed for part in parts.values()))
        return tried & self._refused.keys()

    def look(self, hosts: Mapping[str, Sequence[str]]) -> View:
        """Return what stands in each store under its hosts; of one that does not answer, no entries."""
        views: list[View] = []
        failures: dict[str, Failure] = {}
        for name, some in hosts.items():
            try:
                views.append(self.store(name).look(some))
            except SinkError as error:
                failures |= dict.fromkeys(some, _failure(error))
            else:
                failures |= {host: self._refused[host] for host in some if host in self._refused}
        return View(
            {host: entry for view in views for host, entry in view.entries.items()},
            failures=failures,
            notes=tuple(note for view in views for note in view.notes),
        )

    def folders(self) -> frozenset[str]:
        """Return the folders whose changes can change a store."""
        return frozenset[str]().union(*(store.folders() for store in self._stores.values()))

    def store(self, name: str) -> CredentialStore:
        """Return a store by the suffix of its helper."""
        # Imported only now: a service that puts nothing into stores is smaller without (DESIGN 11).
        from ecr_refreshd.sinks.store import CredentialStore  # noqa: PLC0415 - see above

        if name not in self._stores:
            self._stores[name] = CredentialStore(name, self._lock_folder, os.environ)
        return self._stores[name]


def _failure(error: SinkError) -> Failure:
    return Failure(Category.TRANSIENT, error.code, error.message, error.hint, command=error.command)
