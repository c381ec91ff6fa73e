"""Stand-ins for the adapters: in memory, in no time, and under the same contracts (tests/contracts/)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ecr_refreshd.core.dockerconfig import put_auths, read
from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.core.model import View
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

    def write(self, tokens: Mapping[str, Secret]) -> View:
        self._hosts = tuple(dict.fromkeys([*self._hosts, *tokens]))
        if self.refusal is not None:
            raise self.refusal
        shadows = self._view().shadows
        allowed = {host: token for host, token in tokens.items() if host not in shadows}
        new = put_auths(self.content, allowed) if allowed else self.content
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
        shadows = {
            host: "credHelpers" if host in routes.helpers else "credsStore"
            for host in self._hosts
            if host in routes.helpers or routes.store
        }
        return View(reading.entries, shadows, reading.ecr_hosts, self.content is not None)
