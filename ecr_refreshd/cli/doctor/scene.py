"""What `doctor` looks at, read once: the settings, the service's word, the files of docker and podman.

Nothing is changed by looking, and nothing that hangs is waited for longer than a few seconds.
"""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ecr_refreshd import __version__
from ecr_refreshd.aws.partitions import regions
from ecr_refreshd.cli.bounded import ANSWERS_WITHIN
from ecr_refreshd.cli.doctor.dockerfiles import DockerFile, found
from ecr_refreshd.cli.kept import file_plans
from ecr_refreshd.cli.offline import aws_files, registries
from ecr_refreshd.cli.settings import ConfigFile
from ecr_refreshd.core import memory, plan
from ecr_refreshd.core.fallback import Rank
from ecr_refreshd.core.model import Standing
from ecr_refreshd.core.ports import AwsLook
from ecr_refreshd.core.remedies import ours
from ecr_refreshd.core.report import CONFIG_INVALID
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.core.state import Registry
from ecr_refreshd.errors import ConfigError, ControlError, NoServiceError, RefreshdError
from ecr_refreshd.host import clock, control, places, plainfile, statefile

_NAMING_FILES = ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that the checks look at.

    Attributes:
        shell: the environment of whoever asks.
        environ: the same with what the settings put into the service's.
        now: when this began (UTC).
        config: the path of the settings.
        settings: the defaults where the file cannot be used.
        refused: why it cannot; then no check says anything that hangs on a setting.
        written: what the file says, table by table; empty where it is no TOML.
        running: a service answers.
        silent: why a service that may be there cannot be asked.
        document: the status document, of the service or as it was kept.
        theirs: the variables of the service's environment that matter; empty with no service.
        files: docker's and podman's.
        aws: the AWS files; None where they could not be read in time.
        registries: what is kept, by the settings and files as they are now; none if `refused`.
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
        remembered = statefile.read(places.state_file())
        document, silent = _document(remembered, now)
        running = document["pid"] is not None
        if refused is None and not chosen.found:
            refused = _gone(chosen.path, document)
        theirs = _environment() if running else {}
        # As the service does: the settings may name the files. Unreadable, it has them from before.
        environ = {**shell, **(settings.environment.set if refused is None else _places_of(theirs))}
        files = tuple(found(path, environ) for path in _paths(settings, refused, document, environ))
        aws = aws_files(environ)
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
            theirs=theirs,
            files=files,
            aws=aws,
            registries={}
            if aws is None or refused is not None
            else registries(settings, _hosts(files), remembered, aws, environ),
        )

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """The registries of the status document."""
        return list(self.document["registries"])

    def planned(self, passed: Mapping[str, Rank]) -> Mapping[str, Registry]:
        """Return what is kept where these grants are passed over: each by the next candidate."""
        if self.aws is None:
            return self.registries
        made = plan.make(
            self.settings,
            file_plans(self.settings, self.environ),
            list(self.registries),
            self.aws.profiles,
            regions(),
            seed="",
            zone=clock.LocalZone(),
            passed=passed,
        )
        return {host: each for host, each in made.registries.items() if host in self.registries}

    def serves(self, host: str) -> bool:
        """Return whether a registry is kept, by the service that runs or by one that would."""
        return host in self.registries or any(row["host"] == host for row in self.rows)

    def can_serve(self, host: str) -> bool:
        """Return whether a registry is kept, and somebody is there to ask for it."""
        registry = self.registries.get(host)
        if registry is None and self.refused is not None and self.running:
            return any(row["host"] == host and row["phase"] != "blocked" for row in self.rows)
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

    def is_put_into(self, path: str) -> bool:
        """Return whether tokens are put into a file that is not there yet."""
        planned = {each.path: each.role for each in file_plans(self.settings, self.environ)}
        return planned.get(path) in {"named", "default"}

    def renewal(self, host: str) -> list[str]:
        """Return the commands that bring a registry a fresh token; a sign-in or a pause may stand before it."""
        if any(row["host"] == host and row["phase"] == "paused" for row in self.rows):
            return [ours.resume(host)]
        registry = self.registries.get(host)
        again = ours.refresh(host)
        if registry is None or self.alive(registry.standing) or not registry.standing.login_command:
            return [again]
        return [registry.standing.login_command, again]

    def alive(self, standing: Standing) -> bool:
        """Return whether the disk shows a login by which AWS may be asked; where it shows none, yes."""
        login = None if self.aws is None else self.aws.logins.get(standing.lane)
        return login is None or login.alive


def _written(config: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(plainfile.read(config)[0].decode())
    except (OSError, ValueError):
        return {}


def _gone(path: Path, document: Mapping[str, Any]) -> ConfigError | None:
    """Return why the service cannot read its settings again, where their file is gone."""
    if any(complaint["code"] == CONFIG_INVALID for complaint in document["degraded"]):
        return ConfigError(f"{path}: there is no such file")
    return None


def _places_of(theirs: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the service's environment that name files."""
    return {name: theirs[name] for name in _NAMING_FILES if name in theirs}


def _paths(
    settings: Settings, refused: ConfigError | None, document: Mapping[str, Any], environ: Mapping[str, str]
) -> list[str]:
    """Return the files that are kept: as this shell sees it, and as the service does."""
    helper = str(places.helper_folder(environ))
    every = [str(sink["path"]) for row in document["registries"] for sink in row["sinks"]]
    served = [path for path in every if not path.startswith(helper)]
    if refused is not None and served:
        return list(dict.fromkeys(served))
    planned = [each.path for each in file_plans(settings, environ)]
    return [path for path in dict.fromkeys([*planned, *served]) if not path.startswith(helper)]


def _document(remembered: Mapping[str, Any], now: datetime) -> tuple[Mapping[str, Any], RefreshdError | None]:
    kept = memory.last_document(remembered, now, __version__)
    try:
        return control.ask(places.socket_to_ask(), {"op": "status"}, ANSWERS_WITHIN), None
    except NoServiceError:
        return kept, None
    except (ControlError, ConfigError) as error:
        return kept, error


def _environment() -> Mapping[str, str]:
    try:
        answer = control.ask(places.socket_to_ask(), {"op": "environment"}, ANSWERS_WITHIN)
    except ControlError:
        return {}
    told = answer.get("environment")
    return told if isinstance(told, dict) else {}  # a service of an older version knows no such question


def _hosts(files: tuple[DockerFile, ...]) -> list[str]:
    """Return the ECR hosts that the files hold."""
    return [host for file in files if file.config for host in file.config.read(()).ecr_hosts]
