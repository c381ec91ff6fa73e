"""What `doctor` looks at, read once: the settings, the service's word, the files of docker and podman.

Nothing is changed by looking, and nothing that hangs is waited for longer than a few seconds.
"""

from __future__ import annotations

import argparse
import os
import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from ecr_refreshd import __version__
from ecr_refreshd.aws.files import AwsFiles
from ecr_refreshd.aws.partitions import regions
from ecr_refreshd.cli.kept import dialect, file_plans
from ecr_refreshd.cli.settings import ConfigFile
from ecr_refreshd.core import memory, plan
from ecr_refreshd.core.dockerconfig import Config
from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.core.model import Standing
from ecr_refreshd.core.ports import AwsLook
from ecr_refreshd.core.routing import Dialect
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.core.state import Registry
from ecr_refreshd.errors import ConfigError, ControlError, NoServiceError, RefreshdError, SinkError
from ecr_refreshd.host import clock, control, places, plainfile, statefile
from ecr_refreshd.sinks.places import Place, resolve, shown

_ANSWERS_WITHIN = 5.0
"""Seconds, for a file or the service; both take milliseconds unless something hangs."""

T = TypeVar("T")


def bounded(look: Callable[[], T], seconds: float = _ANSWERS_WITHIN) -> T:
    """Return what a look finds.

    Raises:
        TimeoutError: it has found nothing by then; its thread is left to whatever it hangs in.
        Exception: what the look itself raised.
    """
    found: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(look())
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that asked
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not found:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    return found[0]


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


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that the checks look at.

    Attributes:
        shell: the environment of whoever asks.
        environ: the same with what the settings put into the service's.
        now: when this began (UTC).
        config: the path of the settings.
        settings: the defaults where the file cannot be used.
        refused: why it cannot.
        written: what the file says, table by table; empty where it is no TOML.
        running: a service answers.
        silent: why a service that may be there cannot be asked.
        document: the status document, of the service or as it was kept.
        theirs: the variables of the service's environment that matter; empty with no service.
        files: docker's and podman's.
        aws: the AWS files; None where they could not be read in time.
        registries: what is kept, by the settings and files as they are now.
        root: where the system's own folders begin.
    """

    shell: Mapping[str, str]
    environ: Mapping[str, str]
    now: datetime
    config: Path
    settings: Settings
    refused: ConfigError | None
    written: Mapping[str, Any]
    running: bool
    silent: RefreshdError | None
    document: Mapping[str, Any]
    theirs: Mapping[str, str]
    files: tuple[DockerFile, ...]
    aws: AwsLook | None
    registries: Mapping[str, Registry]
    root: Path = Path("/")

    @classmethod
    def gathered(cls, args: argparse.Namespace) -> Scene:
        """Look at this machine, as the shell that asks sees it."""
        now = clock.now().wall
        chosen = ConfigFile.chosen(args)
        settings, refused = Settings(), None
        try:
            settings = chosen.load()
        except ConfigError as error:
            refused = error
        shell = dict(os.environ)
        environ = {**shell, **settings.environment.set}  # as the service does: it may name the files
        remembered = statefile.read(places.state_file())
        document, silent = _document(remembered, now)
        running = document["pid"] is not None
        files = tuple(_file(path, environ) for path in _paths(settings, document, environ))
        aws = _aws(environ)
        return cls(
            shell=shell,
            environ=environ,
            now=now,
            config=chosen.path,
            settings=settings,
            refused=refused,
            written=_written(chosen.path),
            running=running,
            silent=silent,
            document=document,
            theirs=_environment() if running else {},
            files=files,
            aws=aws,
            registries={} if aws is None else _registries(settings, files, remembered, aws, environ),
        )

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """The registries of the status document."""
        return list(self.document["registries"])

    def serves(self, host: str) -> bool:
        """Return whether a registry is kept, by the service that runs or by one that would."""
        return host in self.registries or any(row["host"] == host for row in self.rows)

    def can_serve(self, host: str) -> bool:
        """Return whether a registry is kept, and somebody is there to ask for it."""
        registry = self.registries.get(host)
        return registry is not None and registry.blocked is None

    def put_into(self, host: str) -> list[str]:
        """Return the files into which a registry's token is put: the named or docker's, and where it stands."""
        planned = {each.path: each.role for each in file_plans(self.settings, self.environ)}
        return [
            file.path
            for file in self.files
            if planned.get(file.path) in {"named", "default"}
            or (file.config is not None and host in file.config.read(()).ecr_hosts)
        ]

    def renewal(self, host: str) -> str:
        """Return the commands that bring a registry a fresh token, be it that a person has to sign in first."""
        registry = self.registries.get(host)
        again = f"ecr-refreshd refresh {host}"
        if registry is None or self.alive(registry.standing) or not registry.standing.login_command:
            return again
        return f"{registry.standing.login_command}, then: {again}"

    def alive(self, standing: Standing) -> bool:
        """Return whether the disk shows a login by which AWS may be asked; where it shows none, yes."""
        login = None if self.aws is None else self.aws.logins.get(standing.lane)
        return login is None or login.alive


def _written(config: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(plainfile.read(config)[0].decode())
    except (OSError, ValueError):
        return {}


def _paths(settings: Settings, document: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Return the files that are kept: as this shell sees it, and as the service does."""
    helper = str(places.helper_folder(environ))
    served = [str(sink["path"]) for row in document["registries"] for sink in row["sinks"]]
    planned = [each.path for each in file_plans(settings, environ)]
    return [path for path in dict.fromkeys([*planned, *served]) if not path.startswith(helper)]


def _document(remembered: Mapping[str, Any], now: datetime) -> tuple[Mapping[str, Any], RefreshdError | None]:
    kept = memory.last_document(remembered, now, __version__)
    try:
        return control.ask(places.socket_to_ask(), {"op": "status"}, _ANSWERS_WITHIN), None
    except NoServiceError:
        return kept, None
    except (ControlError, ConfigError) as error:
        return kept, error


def _environment() -> Mapping[str, str]:
    try:
        answer = control.ask(places.socket_to_ask(), {"op": "environment"}, _ANSWERS_WITHIN)
    except ControlError:
        return {}
    told = answer.get("environment")
    return told if isinstance(told, dict) else {}  # a service of an older version knows no such question


def _file(path: str, environ: Mapping[str, str]) -> DockerFile:
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
        said = f"line {error.line}, column {error.column}: {error.reason}"
        return DockerFile(path, kind, place, status, problem=said, line=error.line, error=error)


def _aws(environ: Mapping[str, str]) -> AwsLook | None:
    try:
        return bounded(AwsFiles(environ, clock.SystemClock()).look)
    except (OSError, RefreshdError):  # of which TimeoutError is one
        return None


def _registries(
    settings: Settings,
    files: tuple[DockerFile, ...],
    remembered: Mapping[str, Any],
    aws: AwsLook,
    environ: Mapping[str, str],
) -> Mapping[str, Registry]:
    stand = [host for file in files if file.config for host in file.config.read(()).ecr_hosts]
    made = plan.make(
        settings,
        file_plans(settings, environ),
        [*memory.adopted(remembered), *stand],
        aws.profiles,
        regions(),
        seed="",
        zone=clock.LocalZone(),
    )
    return made.registries
