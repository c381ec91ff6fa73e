"""Docker's and podman's files as they are found: read once, and not waited for where something hangs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ecr_refreshd.cli.bounded import bounded
from ecr_refreshd.cli.kept import dialect
from ecr_refreshd.core.dockerconfig import Config
from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.core.routing import Dialect
from ecr_refreshd.errors import SinkError
from ecr_refreshd.host import plainfile
from ecr_refreshd.sinks.places import Place, resolve, shown


@dataclass(frozen=True, slots=True)
class DockerFile:
    """One file of docker's or podman's, as it was found.

    Attributes:
        path: as the user knows it.
        dialect: whose reading decides about it.
        place: where it really is; None if its links are not to be followed.
        status: of the real file; None if there is none.
        config: None where it does not parse.
        problem: why it was not read or does not parse, "" if it was.
        line: where it does not parse, 0 elsewhere.
        error: the error that reading it met.
    """

    path: str
    dialect: Dialect
    place: Place | None = None
    status: os.stat_result | None = None
    config: Config | None = None
    problem: str = ""
    line: int = 0
    error: Exception | None = None

    @property
    def real(self) -> str:
        """Where the file really is, for people."""
        return self.path if self.place is None else shown(self.place.real)

    def line_of(self, at: int) -> int:
        """Return the line that a position in the file's text lies in."""
        text = "" if self.config is None else self.config.document.text
        return text.count("\n", 0, at) + 1


def found(path: str, environ: Mapping[str, str]) -> DockerFile:
    """Return a file as it is just now."""
    kind = dialect(path, environ)
    try:
        return bounded(lambda: _read(path, kind))
    except TimeoutError as error:
        return DockerFile(path, kind, problem="it does not answer (a network file system?)", error=error)


def _read(path: str, kind: Dialect) -> DockerFile:
    try:
        place = resolve(path)
    except SinkError as error:
        return DockerFile(path, kind, problem=error.message, error=error)
    try:
        data, status = plainfile.read(place.real)
    except (FileNotFoundError, NotADirectoryError):
        return DockerFile(path, kind, place, config=Config.parse(None))
    except OSError as error:
        return DockerFile(path, kind, place, problem=(error.strerror or "").lower(), error=error)
    try:
        return DockerFile(path, kind, place, status, Config.parse(data))
    except JsonError as error:
        return DockerFile(path, kind, place, status, problem=str(error), line=error.line, error=error)
