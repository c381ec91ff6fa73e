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
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ecr_refreshd.cli.explained import as_json, as_text, weighed
from ecr_refreshd.cli.kept import file_plans
from ecr_refreshd.cli.patience import patience
from ecr_refreshd.cli.settings import ConfigFile
from ecr_refreshd.cli.show import look, say
from ecr_refreshd.cli.words import read_time
from ecr_refreshd.core import dockerconfig, hosts, memory
from ecr_refreshd.core.clients.families import FAMILIES, Family
from ecr_refreshd.core.clients.judging import Known
from ecr_refreshd.core.clients.world import Credential, HelperAnswer, HelperList, Unreadable, World
from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.core.model import EntryKind
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.errors import ConfigError, NoServiceError, UsageError
from ecr_refreshd.host import clock, control, places, plainfile, statefile
from ecr_refreshd.sinks.ailments import Trouble
from ecr_refreshd.sinks.program import SECONDS, Found, NotFound, StoreProgram

_SCHEME = re.compile(r"[a-z+-]+://", re.IGNORECASE)
_VERSION_WITHIN = 5.0
"""Seconds. `docker --version` asks nobody, and neither does anybody else's."""
_ASK_WITHIN = 5.0
"""Seconds; the service answers from memory."""


def explain(args: argparse.Namespace) -> int:
    """Print what clients would send to a host; return 0, 4 or 1: all of those that are there work, some, none.

    Raises:
        UsageError: no ECR host.
    """
    settings, config = _settings(args)
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
            weighed(family, world, host, ours, clock.now().wall, installed=installed(family, os.environ))
            for family in FAMILIES
        ]
    if args.json:
        print(json.dumps(as_json(host, weights), indent=2))
    else:
        say(as_text(host, weights, clock.now().wall, look()))
    return _exit_code([each.works for each in weights if each.counts])


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
        home=str(places.home(environ)),
        uid=os.geteuid(),
        platform=sys.platform,
        read=cache(_read),
        names=cache(_names),
        ask=ask,
        stored=cache(stored),
        which=which,
        version=cache(lambda program: _version(program, environ)),
    )


def installed(family: Family, environ: Mapping[str, str]) -> bool | None:
    """Return whether a client of this family is on PATH; None if that cannot be told."""
    if not family.programs:
        return None
    path = environ.get("PATH", os.defpath)
    return any(shutil.which(program, path=path) for program in family.programs)


def _exit_code(works: list[str]) -> int:
    if all(each == "yes" for each in works):
        return 0
    return 1 if all(each == "no" for each in works) else 4


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


def _settings(args: argparse.Namespace) -> tuple[Settings, Path]:
    """Return the settings and their path; the defaults if the file cannot be used: `config check` says why."""
    chosen = ConfigFile.chosen(args)
    try:
        return chosen.load(), chosen.path
    except ConfigError:
        return Settings(), chosen.path


def known(host: str, settings: Settings, config: Path) -> Known:
    """Return what the service says of a host, or its state file when none runs, or else the settings."""
    remembered = statefile.read(places.state_file())
    try:
        document: Mapping[str, Any] = control.ask(places.socket_to_ask(), {"op": "status"}, _ASK_WITHIN)
    except (NoServiceError, ConfigError):
        document = memory.last_document(remembered, clock.now().wall, "")
    rows = [row for row in document.get("registries", ()) if row.get("host") == host]
    if not rows:
        return _to_come(host, settings, config, running=document.get("pid") is not None)
    row = rows[0]
    grant = remembered.get("grants", {}).get(row.get("grant") or "", {})
    ends = {
        each["fingerprint"]: read_time(each.get("expires_at"))
        for each in (grant, row)
        if each.get("fingerprint")
    }
    return Known(
        kept=True,
        ends=ends,
        past=frozenset(grant.get("past", ())) - set(ends),
        files=frozenset(sink["path"] for sink in row.get("sinks", ()) if not _ours(sink["path"])),
        settings=str(config),
        mode=settings.docker.mode,
        hint=_hint(row),
    )


def _hint(row: Mapping[str, Any]) -> str:
    """Return what helps a registry that waits for somebody; a new token alone would not be had."""
    error = row.get("last_error") or {}
    waits = row.get("phase") in {"login-required", "blocked", "expired"}
    asks_somebody = error.get("category") in {"login", "denied", "config"}
    return str(error.get("hint") or "") if waits and asks_somebody else ""


def _to_come(host: str, settings: Settings, config: Path, *, running: bool) -> Known:
    """Return what is known of a host that no service keeps: it may be configured all the same, or be adopted."""
    environ = {**os.environ, **settings.environment.set}
    plans = file_plans(settings, environ)
    files = frozenset(each.path for each in plans if each.role in {"named", "default"})
    kept = any(host in {each.host, *each.aliases} for each in settings.registries)
    stands = any(host in _ecr_hosts(each.path) for each in plans)
    lines = [f"Add to {config}:", "[[registry]]", f'host = "{host}"']
    if not running:
        lines.append("# and then: ecr-refreshd run")
    to_keep = "ecr-refreshd run" if settings.discover.adopt and stands and not running else "\n".join(lines)
    return Known(kept, files=files, settings=str(config), mode=settings.docker.mode, to_keep=to_keep)


def _ecr_hosts(path: str) -> tuple[str, ...]:
    data = _read(path)
    try:
        return dockerconfig.read(data, ()).ecr_hosts if isinstance(data, bytes) else ()
    except JsonError:
        return ()


def _ours(path: str) -> bool:
    """Return whether a sink is our helper's own, which no client reads."""
    return path.startswith(str(places.helper_folder()))
