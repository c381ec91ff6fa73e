"""Puts the loop's parts together: the one place that knows every adapter."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from ecr_refreshd.aws.fetcher import Fetcher
from ecr_refreshd.aws.files import AwsFiles
from ecr_refreshd.aws.partitions import regions
from ecr_refreshd.aws.probing import Prober
from ecr_refreshd.cli.interactive import Terminal, TerminalFetcher
from ecr_refreshd.cli.kept import dialect, file_plans, is_needed, runs_programs
from ecr_refreshd.core.events import Event, FetchSucceeded
from ecr_refreshd.core.model import Complaint
from ecr_refreshd.core.ports import Answer, Log, Parts, Post, Surroundings
from ecr_refreshd.core.routing import Mode
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.host import places, statefile
from ecr_refreshd.host.alarms import SchedulerAlarms
from ecr_refreshd.host.clock import LocalZone, SystemClock
from ecr_refreshd.host.logs import Secrets
from ecr_refreshd.host.lookout import Lookout, digest
from ecr_refreshd.host.watching import Watching
from ecr_refreshd.notify.herald import Herald
from ecr_refreshd.osutil import docker_config
from ecr_refreshd.sinks.dockerfile import DockerFile
from ecr_refreshd.sinks.helperfolder import HelperFolder
from ecr_refreshd.sinks.lane import Lane


class Assembly:
    """The parts, for the settings in force; `reload` reads them again."""

    def __init__(
        self,
        config: Path,
        load: Callable[[], Settings],
        settings: Settings,
        *,
        log: Log,
        known: Secrets,
        supervise: Callable[[str], None],
        terminal: Terminal | None = None,
    ) -> None:
        self._config = config
        self._terminal = terminal
        self._load = load
        self._log = log
        self._known = known
        self._supervise = supervise
        self._clock = SystemClock()
        self._replaced: dict[str, str | None] = {}
        self._take(settings)

    def parts(self) -> Parts:
        """Return the parts."""
        return Parts(
            clock=self._clock,
            alarms=SchedulerAlarms,
            fetcher=self._fetcher,
            lane=self._lane,
            watcher=Watching,
            lookout=self._lookout,
            herald=self._herald,
            prober=self._prober,
            zone=LocalZone(),
            regions=regions(),
            files=file_plans,
            reload=self._reload,
            save=self._save,
            supervise=self._supervise,
            log=self._log,
            complaints=_complaints,
        )

    def _fetcher(self, post: Post) -> Fetcher | TerminalFetcher:
        def take(answer: Answer) -> None:
            if isinstance(answer, FetchSucceeded) and answer.token.auth is not None:
                self._known.add(answer.token.auth)
            post(answer)

        fetcher = Fetcher(take, os.environ, self._clock)
        return (
            fetcher if self._terminal is None else TerminalFetcher(fetcher, post, self._terminal, self._clock)
        )

    def _lookout(self, post: Callable[[Surroundings], None]) -> Lookout:
        aws = AwsFiles(os.environ, self._clock)
        own = frozenset({str(self._config.parent), str(self._config.resolve().parent)})

        def see() -> tuple[Surroundings, frozenset[str]]:
            return Surroundings(aws.look(), digest(self._config)), aws.folders() | own

        return Lookout(see, post)

    def _herald(self, post: Callable[[Event], None]) -> Herald:
        return Herald(post, os.environ)

    def _prober(self, post: Callable[[Event], None]) -> Prober:
        return Prober(post, os.environ)

    def _reload(self) -> Settings:
        settings = self._load()
        self._take(settings)
        return settings

    def _take(self, settings: Settings) -> None:
        self._settings = settings
        # One environment for us, the AWS child and docker's helpers, as if the service had been started in it.
        for name, value in self._replaced.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        self._replaced = {name: os.environ.get(name) for name in settings.environment.set}
        os.environ.update(settings.environment.set)

    def _lane(self, path: str, post: Callable[[Event], None]) -> Lane:
        docker = self._settings.docker
        locks = str(places.private_folder(places.lock_folder()))
        if path == str(places.helper_folder()):
            return Lane(HelperFolder(path, locks), post)
        sink = DockerFile(
            path,
            locks,
            docker.file_mode,
            dialect(path),
            cast("Mode", docker.mode),
            runs_programs=runs_programs(path),
            is_needed=is_needed(path),
        )
        lane = Lane(sink, post)
        sink.on_change = lane.look
        return lane

    def _save(self, memory: Mapping[str, Any]) -> None:
        statefile.write(places.state_file(), memory)


def _complaints() -> tuple[Complaint, ...]:
    found = docker_config.complaint()
    return () if found is None else (found,)
