"""What is wrong with the programs that clients ask for logins: missing, broken, locked, or not on every PATH."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ecr_refreshd.cli.doctor import pasted
from ecr_refreshd.cli.doctor.dockerfiles import DockerFile
from ecr_refreshd.cli.doctor.finding import Finding, Mend, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.cli.doctor.starting import WITHIN, started
from ecr_refreshd.cli.doctor.unread import matches_nothing
from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.dockerconfig import OURS, Config
from ecr_refreshd.core.jsontext import Member
from ecr_refreshd.core.remedies import helpers as remedies
from ecr_refreshd.host import places
from ecr_refreshd.sinks import dockerfile
from ecr_refreshd.sinks.ailments import Ailment, Trouble
from ecr_refreshd.sinks.means import BARE_PATH, PROGRAM
from ecr_refreshd.sinks.program import StoreProgram

_MARK = b"The credential helper of ecr-refreshd"
"""It stands in the second line of our script."""


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
    def keys(self) -> str:
        """Return the keys that name it, for people; a file may be one line."""
        if not self.hosts:
            return "credsStore"
        return ", ".join(f"credHelpers.{json.dumps(host)}" for host in self.hosts)

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


def within_reach(environ: Mapping[str, str]) -> str:
    """Return the command that puts our helper where a PATH finds it."""
    beside = Path(sys.executable).parent / PROGRAM
    found = str(beside) if beside.exists() else next(filter(_is_ours, _all_on_path(environ)), "")
    there = f"/usr/local/bin/{PROGRAM}"
    if not found or os.path.realpath(found) == os.path.realpath(there):
        return remedies.reinstall().page
    return remedies.link_on_path(found, there, is_free=not os.path.lexists(there)).page


def _all_on_path(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield every program of our helper's name that a PATH leads to, first the one that is taken."""
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        if found := shutil.which(PROGRAM, path=folder or "."):
            yield found


def _is_ours(path: str) -> bool:
    """Return whether a program is our helper, be it broken or not, and no other of that name."""
    try:
        with Path(path).open("rb") as file:
            return _MARK in file.read(512)
    except OSError:
        return False


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
            if matches_nothing(member.name):
                continue  # it names the program for nobody
            if member.value and routes.helpers.get(member.name) == member.value:
                lines.setdefault(member.value, []).append(member)
    for name, members in lines.items():
        yield _Asked(name, file, tuple(members), tuple(member.name for member in members))
    if routes.store and file.dialect == "docker":
        yield _Asked(routes.store, file, tuple(config.root_members("credsstore")), ())


def _our_own(asked: _Asked, scene: Scene) -> Iterator[Finding]:
    subject = asked.program
    hosts = ", ".join(asked.hosts[:3]) + (f" and {len(asked.hosts) - 3} more" if len(asked.hosts) > 3 else "")
    sends = f"{asked.place} sends docker to {subject} for {hosts or 'every registry'}"
    answer = started(subject, scene.shell)
    problem, how = answer.problem, within_reach(scene.shell)
    if not problem and not answer.slow and OURS.encode() not in answer.said:
        problem = "it does not answer as it should"
        first = next(_all_on_path(scene.shell), "")
        if first and not _is_ours(first):
            problem = f"{first}, which this PATH leads to first, is another program of that name"
            how = _out_of_the_way(first, scene)
    if problem:
        yield Finding(
            "helper.dead",
            Severity.ERROR,
            subject,
            f"{sends}, and that cannot be run: {problem}.",
            "docker 29 and later then fail at every pull and build, of any registry; older ones send no login.",
            how,
            None if not asked.hosts or _would_be_put_back(scene) else _without_lines(asked, scene),
            frozenset(asked.hosts),
            frozenset({asked.file.path}),
        )
    elif answer.slow:
        yield Finding(
            "helper.slow",
            Severity.WARNING,
            subject,
            f"{sends}, and that did not answer within {WITHIN:.0f} s.",
            "Each pull waits for it. It may be well on a machine that is less busy.",
            f"time {subject} version",
        )
    elif not shutil.which(PROGRAM, path=BARE_PATH):
        yield Finding(
            "helper.bare-path",
            Severity.WARNING,
            subject,
            f"{subject} is on the PATH of this shell, not on the bare one of cron ({BARE_PATH}), and {sends}.",
            "docker fails there, or sends no login.",
            remedies.reach_bare_path(
                shutil.which(PROGRAM, path=scene.shell.get("PATH", os.defpath)) or PROGRAM,
                BARE_PATH,
                is_mac=sys.platform == "darwin",
            ).page,
        )


def _out_of_the_way(first: str, scene: Scene) -> str:
    """Return how another program of our helper's name gives way, and ours comes to be found."""
    real = os.path.realpath(first)
    others = [each for each in _all_on_path(scene.shell) if os.path.realpath(each) != real]
    beside = str(Path(sys.executable).parent / PROGRAM)
    found = next(filter(_is_ours, [*others, beside]), "")
    return (remedies.first_on_path(found, first) if found else remedies.reinstall()).page


def _would_be_put_back(scene: Scene) -> bool:
    """Return whether a service runs that finds our helper, and so puts its lines into the file again."""
    if scene.silent is not None:
        return True  # it may, once it is awake
    return scene.running and shutil.which(PROGRAM, path=scene.theirs.get("PATH", "")) is not None


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
    # What it answers is not looked at: an old one that knows no such verb may wait for its stdin, and does run.
    problem = started(asked.program, scene.shell).problem
    whose = ", ".join(asked.hosts) if asked.hosts else "every registry"
    if problem:
        yield Finding(
            "helper.dead",
            Severity.ERROR,
            asked.program,
            f"{asked.place} sends docker to {asked.program} for {whose}, and that cannot be run: {problem}.",
            "docker 29 and later then fail at every pull and build; older ones send no login for it.",
            _other_name(asked)
            or f"Install {asked.program}, or put its folder on PATH; or, where it is gone, "
            f"take out what names it: {asked.keys} (line {asked.lines} of {asked.file.real}).",
            hosts=frozenset(asked.hosts),
            files=frozenset({asked.file.path}),
        )
    elif not asked.hosts:
        yield from _ailing(asked, scene)


def _other_name(asked: _Asked) -> str:
    """Return what to write where somebody wrote the whole name of a program, a common slip."""
    right = asked.name.removeprefix("docker-credential-")
    if right in {asked.name, ""}:
        return ""
    return (
        f'Write "{right}" in place of "{asked.name}" for {asked.keys} (line {asked.lines} of {asked.file.real}): '
        "docker puts docker-credential- before it by itself."
    )


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
        pasted.hinted(found.hint),
        files=frozenset({asked.file.path}),
    )
