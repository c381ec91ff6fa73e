"""`explain HOST`: per family of clients, what decides which credential they send, and whether that works.

This room only gathers: files, environment, helpers' answers, the service's own view. What clients make of them is
decided in `core.clients`. No secret is printed: a token is known by its fingerprint.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from ecr_refreshd.cli.explained import Weighed, as_json, as_text, weighed
from ecr_refreshd.cli.known import known, settings_of
from ecr_refreshd.cli.patience import patience
from ecr_refreshd.cli.show import look, say
from ecr_refreshd.core import hosts
from ecr_refreshd.core.clients import docker
from ecr_refreshd.core.clients.families import FAMILIES
from ecr_refreshd.core.clients.world import Credential, HelperAnswer, HelperList, Unreadable, World
from ecr_refreshd.core.model import EntryKind
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.errors import UsageError
from ecr_refreshd.host import clock, places, plainfile
from ecr_refreshd.sinks.ailments import Trouble
from ecr_refreshd.sinks.program import SECONDS, Found, NotFound, StoreProgram

_SCHEME = re.compile(r"[a-z+-]+://", re.IGNORECASE)
_VERSION_WITHIN = 5.0
"""Seconds. `docker --version` asks nobody, and neither does anybody else's."""
_ASK_WITHIN = 5.0
"""Seconds; the service answers from memory."""


def explain(args: argparse.Namespace) -> int:
    """Print what clients would send to a host.

    Returns:
        1 if docker's own pull fails, 4 if it works and another client on PATH fails, else 0.

    Raises:
        UsageError: no ECR host.
    """
    settings, config = settings_of(args)
    host = _host(args.host, settings)
    if not host:
        raise UsageError(
            f"{args.host} is no ECR registry, so there is nothing to explain.",
            hint="A host is ACCOUNT.dkr.ecr.REGION.amazonaws.com (ACCOUNT: twelve digits), its -fips, .cn, .eu "
            "or dual-stack form (ACCOUNT.dkr-ecr.REGION.on.aws), or public.ecr.aws.",
        )
    with patience("asking the clients' credential helpers"):
        world, ours = gathered(os.environ), known(host, settings, config)
        weights = [
            weighed(family, world, host, ours, clock.now().wall, installed=family.installed(world))
            for family in FAMILIES
        ]
    if ours.note:
        first = weights[0]
        noted = replace(first.finding, notes=(*first.finding.notes, ours.note))
        weights[0] = replace(first, finding=noted)
    if args.json:
        print(json.dumps(as_json(host, weights, clock.now().wall, clock.LocalZone()), indent=2))
    else:
        say(as_text(host, weights, clock.now().wall, look(), everything=args.all))
    return exit_code(weights, has_docker_config=world.read(docker.config_path(world)) is not None)


def _host(text: str, settings: Settings) -> str:
    """Return the host that is meant, be it in an image's name or another name of a registry; "" if it is none."""
    bare = hosts.bare(_SCHEME.sub("", text.strip()).partition("@")[0])
    aliases = {alias for each in settings.registries for alias in each.aliases}
    parsed = hosts.parse(bare)
    return parsed.name if parsed else bare if bare in aliases else ""


def gathered(environ: Mapping[str, str]) -> World:
    """Return this machine as a client with this environment sees it."""
    silent: dict[str, HelperAnswer] = {}

    @cache
    def ask(suffix: str, server: str) -> HelperAnswer:
        if (
            suffix in silent
        ):  # what waits for somebody's passphrase is not waited for in every form of the name
            return silent[suffix]
        began = time.monotonic()
        answer = _asked(StoreProgram(suffix, environ), server)
        if answer.error and time.monotonic() - began >= SECONDS:
            silent[suffix] = answer
        return answer

    def stored(suffix: str) -> HelperList:
        if suffix in silent:
            return HelperList(error=silent[suffix].error)
        began = time.monotonic()
        answer = StoreProgram(suffix, environ).list_()
        if not isinstance(answer, Trouble):
            return HelperList(tuple(answer))
        error = answer.text.rstrip(".")
        if time.monotonic() - began >= SECONDS:
            silent[suffix] = HelperAnswer(error=error)
        return HelperList(error=error)

    def which(program: str) -> bool:
        return shutil.which(program, path=environ.get("PATH", os.defpath)) is not None

    return World(
        env=environ,
        home=str(places.home(environ)).rstrip("/"),
        uid=os.geteuid(),
        platform=sys.platform,
        read=cache(_read),
        names=cache(_names),
        ask=ask,
        stored=cache(stored),
        which=which,
        version=cache(lambda program: _version(program, environ)),
        snap_home=_snap_home(environ),
        docker_is_snap=_is_snap(environ),
    )


def _snap_home(environ: Mapping[str, str]) -> str:
    """Return the HOME of docker's snap, "" if there is none."""
    config = places.snap_docker_config(environ)
    return "" if config is None else str(config.parent.parent)


def _is_snap(environ: Mapping[str, str]) -> bool:
    """Return whether the docker on PATH is the snap's."""
    program = shutil.which("docker", path=environ.get("PATH", os.defpath)) or ""
    return program.startswith("/snap/") or os.path.realpath(program) == "/usr/bin/snap"


def exit_code(weights: Sequence[Weighed], *, has_docker_config: bool) -> int:
    """Return 1 if docker's own pull fails, 4 if it works or is not here and another client fails, else 0.

    A machine without a docker client counts as docker's too where it has docker's file, or no client at all.
    """
    docker_pull = weights[0]
    here = [each for each in weights if each.installed]
    if docker_pull.installed or has_docker_config or not here:
        if docker_pull.works != "yes":
            return 1 if docker_pull.works == "no" else 4
    elif all(each.works == "no" for each in here):
        return 1
    return 0 if all(each.works == "yes" for each in here) else 4


def _read(path: str) -> bytes | Unreadable | None:
    try:
        return plainfile.read(path)[0]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        return Unreadable((getattr(error, "strerror", "") or "no such path").lower())


def _names(folder: str) -> tuple[str, ...]:
    try:
        return tuple(sorted(path.name for path in Path(folder).iterdir() if not path.is_dir()))
    except (OSError, ValueError):
        return ()


def _asked(program: StoreProgram, server: str) -> HelperAnswer:
    answer = program.get(server)
    if isinstance(answer, NotFound):
        return HelperAnswer(not_found=True)
    if not isinstance(answer, Found):
        return HelperAnswer(error=answer.text.rstrip("."))
    entry = answer.entry
    if entry.kind is EntryKind.IDENTITY:
        return HelperAnswer(Credential("", identity=True))
    return HelperAnswer(Credential(answer.username, entry.auth, entry.fingerprint, entry.expires_hint))


def _version(name: str, environ: Mapping[str, str]) -> tuple[int, ...] | None:
    program = shutil.which(name, path=environ.get("PATH", os.defpath))
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_WITHIN,
            check=False,
            env=dict(environ),
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    # podman-docker's `docker` is podman, and names itself so.
    found = re.match(rf"{name} version (\d+)\.(\d+)\.(\d+)", done.stdout, re.IGNORECASE)
    return tuple(int(part) for part in found.groups()) if found else None
