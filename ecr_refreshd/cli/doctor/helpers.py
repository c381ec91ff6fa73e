"""What is wrong with the programs that clients ask for logins: missing, broken, locked, or not on every PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ecr_refreshd.cli.doctor.finding import Finding, Mend, Severity
from ecr_refreshd.cli.doctor.scene import DockerFile, Scene
from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.dockerconfig import OURS, Config
from ecr_refreshd.core.jsontext import Member
from ecr_refreshd.host import places
from ecr_refreshd.sinks import dockerfile
from ecr_refreshd.sinks.ailments import Ailment, Trouble
from ecr_refreshd.sinks.means import PROGRAM, Machine
from ecr_refreshd.sinks.program import StoreProgram

_STARTS_WITHIN = 5.0
"""Seconds; a program that asks nothing of anybody answers in a fraction of one."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A helper that a file names.

    Attributes:
        name: the X of docker-credential-X.
        file: that names it.
        members: where.
        hosts: for which; none for the store of all.
    """

    name: str
    file: DockerFile
    members: tuple[Member, ...]
    hosts: tuple[str, ...]

    @property
    def program(self) -> str:
        """Return the program's name."""
        return f"docker-credential-{self.name}"

    @property
    def place(self) -> str:
        """Return where it is named, for people."""
        return f"{self.file.real} (line {self.lines})"

    @property
    def lines(self) -> str:
        """Return the numbers of the lines in which it is named."""
        return ", ".join(
            str(line) for line in sorted({self.file.line_of(each.start) for each in self.members})
        )


def within_reach() -> str:
    """Return the command that puts our helper where a PATH finds it."""
    beside = Path(sys.executable).parent / PROGRAM
    found = shutil.which(PROGRAM) or (str(beside) if beside.exists() else "")
    if not found:
        return "pipx install --force ecr-refreshd"
    return f"sudo ln -sf {found} /usr/local/bin/{PROGRAM}"


def programs(scene: Scene) -> Iterator[Finding]:
    """Find helpers and stores that are named in a file and do not do what a client asks of them."""
    for file in scene.files:
        if file.config is None:
            continue
        for asked in _named(file, file.config):
            if asked.name == OURS:
                yield from _our_own(asked, scene)
            else:
                yield from _of_others(asked, scene)


def _named(file: DockerFile, config: Config) -> Iterator[_Asked]:
    routes = config.routes()
    lines: dict[str, list[Member]] = {}
    for owner in config.objects("credhelpers"):
        for member in owner.members:
            if member.value and routes.helpers.get(member.name) == member.value:
                lines.setdefault(member.value, []).append(member)
    for name, members in lines.items():
        yield _Asked(name, file, tuple(members), tuple(member.name for member in members))
    if routes.store and file.dialect == "docker":
        yield _Asked(routes.store, file, tuple(config.root_members("credsstore")), ())


def _our_own(asked: _Asked, scene: Scene) -> Iterator[Finding]:
    means = Machine().means(detects=False)
    subject = asked.program
    hosts = ", ".join(asked.hosts[:3]) + (f" and {len(asked.hosts) - 3} more" if len(asked.hosts) > 3 else "")
    if means.helper:
        yield Finding(
            "helper.dead",
            Severity.ERROR,
            subject,
            f"{asked.place} sends docker to {subject} for {hosts or 'every registry'}, and that cannot be run: "
            f"{means.helper}",
            "docker 29 and later then fail at every pull and build, of any registry; older ones send no login.",
            within_reach(),
            _without_lines(asked, scene) if asked.hosts else None,
        )
    elif means.remark:
        yield Finding(
            "helper.bare-path",
            Severity.WARNING,
            subject,
            f"{subject} is on the PATH of this shell only, not on that of programs that no shell has started (an "
            f"IDE, cron), and {asked.place} sends docker to it for {hosts or 'every registry'}.",
            "docker fails there, or sends no login.",
            within_reach(),
        )


def _without_lines(asked: _Asked, scene: Scene) -> Mend:
    """Return how dead lines of ours are taken out, by the same splice that put them there."""
    sink = dockerfile.DockerFile(
        asked.file.path,
        str(places.lock_folder()),
        scene.settings.docker.file_mode,
        asked.file.dialect,
        "auths",
    )
    return Mend(
        f"{asked.file.real} no longer sends {', '.join(asked.hosts)} to {asked.program}",
        partial(_release, sink, asked.hosts),
    )


def _release(sink: dockerfile.DockerFile, hosts: tuple[str, ...]) -> None:
    places.private_folder(places.lock_folder())
    sink.write(Delivery(released=frozenset(hosts)))


def _of_others(asked: _Asked, scene: Scene) -> Iterator[Finding]:
    problem = _does_not_start(asked.program, scene)
    whose = ", ".join(asked.hosts) if asked.hosts else "every registry"
    if problem:
        yield Finding(
            "helper.dead",
            Severity.ERROR,
            asked.program,
            f"{asked.place} sends docker to {asked.program} for {whose}, and that cannot be run: {problem}.",
            "docker 29 and later then fail at every pull and build; older ones send no login for it.",
            f"Install {asked.program}, or put its folder on PATH; or, where it is gone, take out what names "
            f"it: line {asked.lines} of {asked.file.real}.",
        )
    elif not asked.hosts:
        yield from _ailing(asked, scene)


def _does_not_start(program: str, scene: Scene) -> str:
    """Return why a program cannot be started, "" if it can; what it answers is not looked at."""
    found = shutil.which(program, path=scene.shell.get("PATH", os.defpath))
    if found is None:
        return "it is not on the PATH of this shell"
    try:
        subprocess.run(
            [found, "version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_STARTS_WITHIN,
            check=False,
            env=dict(scene.shell),
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return ""  # an old one that knows no such verb may wait for its stdin; it does run
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
    return ""


def _ailing(asked: _Asked, scene: Scene) -> Iterator[Finding]:
    """Find what ails the store of all: without it docker has no login for anybody."""
    store = StoreProgram(asked.name, scene.shell)
    listed = store.list_()
    found = listed if isinstance(listed, Trouble) else store.concealed() if "" in listed else None
    if found is None:
        return
    if found.state is Ailment.FAILED:
        # `list` of the secret service hides its reason; `get` of anything tells it.
        reason = store.get("nothing.invalid")
        found = reason if isinstance(reason, Trouble) else found
    yield Finding(
        f"store.{found.state}",
        Severity.WARNING if found.state is Ailment.LOCKED else Severity.ERROR,
        asked.program,
        found.text,
        f"{asked.place} names it as the store of every login, so docker gets none of those that lie in it.",
        found.hint,
    )
