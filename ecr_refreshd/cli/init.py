"""`init`: finds registries in people's files, and profiles that fit, and proposes a configuration."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ecr_refreshd.aws.partitions import regions
from ecr_refreshd.aws.profiles import Profiles
from ecr_refreshd.cli.kept import other_files
from ecr_refreshd.cli.patience import patience
from ecr_refreshd.cli.projects import is_project
from ecr_refreshd.cli.settings import ConfigFile
from ecr_refreshd.cli.show import say, say_with_advice
from ecr_refreshd.cli.words import counted
from ecr_refreshd.core import dockerconfig, hosts, imagenames, memory, placeholders
from ecr_refreshd.core.draft import Candidate, draft
from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.core.model import Choice, ChosenBy, Grant
from ecr_refreshd.core.remedies import NO_REMEDY, Remedy, service
from ecr_refreshd.core.state import State
from ecr_refreshd.errors import RefreshdError, UsageError
from ecr_refreshd.host import clock, places, plainfile, statefile
from ecr_refreshd.osutil import docker_config, ownership

_SKIPPED = frozenset(
    {".git", ".hg", ".svn", "node_modules", "vendor", ".venv", "venv", "__pycache__", ".tox", ".terraform"}
)
_NAMES = ("dockerfile", "containerfile", "jenkinsfile", "docker-bake.")
_ENDINGS = (".dockerfile", ".containerfile", ".yml", ".yaml", ".env")
"""A compose file takes the registry's name from the ``.env`` beside it."""
_SERVED = "it has served this registry before"
_MOST_FILES = 20_000
_LARGEST = 1 << 20
"""Bytes. Nobody writes a Dockerfile of a megabyte by hand."""
_MOST_BESIDE = 20
"""Files of variables in one folder that are looked into."""


@dataclass(slots=True)
class _Found:
    """What was found, and what could not be looked at.

    Attributes:
        registries: host -> where it was found.
        commented: the same for those that stand in comments; nobody pulls from there just now.
        unresolved: where names with variables stand.
        looked: how many files.
        remarks: sentences about what was passed over.
        in_docker: the registries that docker's and podman's files name.
    """

    registries: dict[str, list[str]] = field(default_factory=dict)
    commented: dict[str, list[str]] = field(default_factory=dict)
    unresolved: list[str] = field(default_factory=list)
    looked: int = 0
    remarks: list[str] = field(default_factory=list)
    in_docker: set[str] = field(default_factory=set)

    def add(self, host: str, place: str, *, commented: bool = False) -> None:
        """Take note of a registry."""
        known = (self.commented if commented else self.registries).setdefault(host, [])
        if place not in known:
            known.append(place)

    def only_commented(self) -> list[str]:
        """Return the registries that stand in comments alone, with where, in words."""
        return [
            f"{host}: {place}"
            for host, places in self.commented.items()
            if host not in self.registries
            for place in places
        ]


def init(args: argparse.Namespace) -> int:
    """Print a configuration on stdout, or with ``--write`` put it where the service looks for it.

    Raises:
        UsageError: there is a configuration already, or nothing to scan.
        RefreshdError: it could not be written.
    """
    target = ConfigFile.chosen(args).path
    if args.write and os.path.lexists(target):
        instead = service.replace_settings(str(target))
        raise UsageError(
            f"{target} exists, and is not overwritten.", hint=instead.hint, command=instead.command
        )
    found = _Found()
    wrong = docker_config.complaint()
    if wrong is not None:
        found.remarks += [wrong.message, f"  {wrong.command}"]
    _in_docker_files(found)
    if args.scan is not None:
        folder = Path(args.scan)
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder.")
        with patience(f"looking for images in {folder}"):
            _in_tree(folder, found)
    if args.write and not found.registries:
        nothing = _helps(args.scan, target)
        raise RefreshdError(
            "No ECR registry was found, so nothing was written.", hint=nothing.hint, command=nothing.command
        )
    text = draft(_candidates(found), found.unresolved, found.only_commented())
    for remark in found.remarks:
        say(remark, sys.stderr)
    _say_summary(found, args.scan)
    if args.write:
        _write(target, text)
    sys.stdout.write(text)
    if args.write:
        begin = service.start()
        say_with_advice(f"\nWrote {target}; a running service uses it at once.", begin.hint, begin.command)
    return 0


def _helps(scanned: str | None, target: Path) -> Remedy:
    """Return how a registry is found where none was; never the same command once more."""
    return service.scan(is_project=is_project()) if scanned is None else service.scan_another(str(target))


def _in_docker_files(found: _Found) -> None:
    for path in (places.docker_config(), *other_files()):
        try:
            reading = dockerconfig.read(plainfile.read(path)[0], ())
        except FileNotFoundError:
            continue
        except (OSError, JsonError) as error:
            why = (error.strerror or "").lower() if isinstance(error, OSError) else str(error)
            found.remarks.append(f"{path} was passed over: {why}.")
            continue
        for host in reading.ecr_hosts:
            found.add(host, str(path))
            found.in_docker.add(host)


def _in_tree(folder: Path, found: _Found) -> None:
    beside: dict[Path, dict[str, tuple[str, ...]]] = {}
    for path in _worth_reading(folder, found):
        try:
            data, _ = plainfile.read(path, _LARGEST)
        except OSError as error:
            large = error.errno == errno.EFBIG
            found.remarks.append(
                f"{path} {'is larger than 1 MiB, and was passed over' if large else 'could not be read'}."
            )
            continue
        found.looked += 1
        shown = path.relative_to(folder)
        if path.parent not in beside:
            beside[path.parent] = _variables_in(path.parent)
        for mention in imagenames.mentions(data.decode("utf-8", "replace"), beside[path.parent]):
            if mention.host:
                found.add(mention.host, f"{shown}:{mention.line}", commented=mention.commented)
            else:
                found.unresolved.append(f"{shown}:{mention.line}: {mention.text}")


def _variables_in(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return what the ``.env`` of a folder, and others called so, give to variables: each of the values."""
    values: dict[str, tuple[str, ...]] = {}
    for path in sorted(folder.glob("*.env"))[:_MOST_BESIDE]:
        try:
            data, _ = plainfile.read(path, _LARGEST)
        except OSError:
            continue  # it is looked at as a file of the tree too, and said there
        for name, told in placeholders.given(data.decode("utf-8", "replace")).items():
            values[name] = tuple(dict.fromkeys([*values.get(name, ()), *told]))
    return values


def _worth_reading(folder: Path, found: _Found) -> Iterator[Path]:
    """Yield the files that may name images, in order; links to other folders are not followed."""
    count = 0
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if each not in _SKIPPED)
        for name in sorted(files):
            small = name.lower()
            if not (small.startswith(_NAMES) or small.endswith(_ENDINGS)):
                continue
            path = Path(root, name)
            if not path.is_file():
                continue  # a pipe would hold us up, and a dead link is nothing
            count += 1
            if count > _MOST_FILES:
                found.remarks.append(
                    f"Only the first {_MOST_FILES:,} files were looked at; scan a smaller folder."
                )
                return
            yield path


def _candidates(found: _Found) -> list[Candidate]:
    profiles, known = Profiles.load(os.environ), regions()
    # Keys of this shell are not the service's: it is never given any.
    without_keys = {name: value for name, value in os.environ.items() if name != "AWS_ACCESS_KEY_ID"}
    lasting = replace(profiles, environ=without_keys)
    state = memory.recall(statefile.read(places.state_file()), clock.now())
    candidates = []
    for name, where in found.registries.items():
        host = hosts.parse(name)
        if host is None:
            continue
        partition = known.get(host.region, "")
        choices = lasting.choices(host) or profiles.choices(host)
        served = next((each for each in choices if _has_served(each, host, state)), None)
        best = served or next(iter(choices), None)
        others = [each for each in choices if each is not best and each.principal.profile]
        is_machine = best is not None and not best.principal.profile
        candidates.append(
            Candidate(
                name,
                tuple(where),
                None if best is None else best.principal.profile,
                ChosenBy.ACCOUNT if best is None else best.chosen_by,
                tuple(each.principal.profile for each in others if each.fits and not is_machine),
                partition if partition in host.partitions else "",
                _SERVED if served and not is_machine else "" if best is None else _reason(best),
                tuple(each.principal.profile for each in others if is_machine),
            )
        )
    return candidates


def _has_served(choice: Choice, host: hosts.RegistryHost, state: State) -> bool:
    """Return whether the state file remembers a token that a principal got for a registry."""
    grant = Grant(choice.principal, host.service, host.region, host.fips, host.dualstack)
    return state.grant(grant.key).token is not None


def _reason(choice: Choice) -> str:
    """Return why a profile is proposed, where the rule that chose it does not say all."""
    if choice.other_account:
        return "of another account; registries can be opened to it"
    return f"{choice.variable} names it" if choice.variable else ""


def _say_summary(found: _Found, scanned: str | None) -> None:
    """Say how many registries were found, and in which kind of file."""
    docker, tree = "docker's and podman's files", f"{counted(found.looked, 'file')} of {scanned}"
    total = counted(len(found.registries), "registry", "registries")
    if not found.registries:
        where = docker if scanned is None else f"{docker}, and none in {tree}"
        helps = NO_REMEDY if scanned is not None else service.scan(is_project=is_project())
        say_with_advice(f"No ECR registry found in {where}.", helps.hint, helps.command)
    elif scanned is None:
        say(f"{total} found in {docker}.", sys.stderr)
    else:
        in_tree = sum(bool(set(where) - _docker_files()) for where in found.registries.values())
        parts = [(len(found.in_docker), docker), (in_tree, tree)]
        told = ", ".join(f"{number or 'none'} in {where}" for number, where in parts)
        say(f"{total} found: {told}.", sys.stderr)


def _docker_files() -> set[str]:
    return {str(path) for path in (places.docker_config(), *places.containers_auth_files())}


def _write(path: Path, text: str) -> None:
    try:
        if path == places.config_file():
            places.private_folder(
                path.parent
            )  # elsewhere the folder is somebody's own, with modes of its own
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            ownership.inherit(descriptor, str(path.parent))
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"{path} exists, and is not overwritten.") from error
    except OSError as error:
        raise RefreshdError(f"{path} could not be written: {error.strerror}.") from error
