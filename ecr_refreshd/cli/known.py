"""What is known of one registry: by the running service, by its state file, or by the files alone."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecr_refreshd.cli.bounded import ANSWERS_WITHIN
from ecr_refreshd.cli.kept import ecr_hosts, file_plans
from ecr_refreshd.cli.offline import aws_files, registries
from ecr_refreshd.cli.settings import ConfigFile
from ecr_refreshd.cli.words import read_time
from ecr_refreshd.core import memory
from ecr_refreshd.core.clients.judging import Known
from ecr_refreshd.core.pulls import REGISTRY_REFUSES
from ecr_refreshd.core.remedies import Remedy, ours
from ecr_refreshd.core.remedies import clients as remedies
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.core.state import Registry
from ecr_refreshd.errors import ConfigError, NoServiceError, SinkError
from ecr_refreshd.host import clock, control, places, statefile
from ecr_refreshd.osutil import docker_config
from ecr_refreshd.sinks.obstacles import obstacle
from ecr_refreshd.sinks.places import resolve


def settings_of(args: argparse.Namespace) -> tuple[Settings, Path]:
    """Return the settings and their path; the defaults if the file cannot be used: `config check` says why."""
    chosen = ConfigFile.chosen(args)
    try:
        return chosen.load(), chosen.path
    except ConfigError:
        return Settings(), chosen.path


def known(host: str, settings: Settings, config: Path) -> Known:
    """Return what is known of a registry, and how it gets a valid token.

    Raises:
        ControlError: a service runs and does not answer as it should.
    """
    remembered = statefile.read(places.state_file())
    try:
        document: Mapping[str, Any] = control.ask(places.socket_to_ask(), {"op": "status"}, ANSWERS_WITHIN)
    except (NoServiceError, ConfigError):
        document = memory.last_document(remembered, clock.now().wall, "")
    rows = [row for row in document.get("registries", ()) if row.get("host") == host]
    running = document.get("pid") is not None
    if rows:
        found = _by_row(rows[0], remembered, settings, config, running=running)
    else:
        found = _by_files(host, settings, config, remembered, running=running)
    wrong = docker_config.complaint({**os.environ, **settings.environment.set})
    if wrong is not None:  # whatever is put there, no client finds it
        found = replace(found, to_renew=Remedy(wrong.message, wrong.command))
    return replace(found, obstacles=_obstacles(settings, found.files))


def _by_row(
    row: Mapping[str, Any], remembered: Mapping[str, Any], settings: Settings, config: Path, *, running: bool
) -> Known:
    grant = remembered.get("grants", {}).get(row.get("grant") or "", {})
    ends = {
        each["fingerprint"]: read_time(each.get("expires_at"))
        for each in (grant, row)
        if each.get("fingerprint")
    }
    principal = row.get("principal") or {}
    return Known(
        kept=True,
        ends=ends,
        past=frozenset(grant.get("past", ())) - set(ends),
        refused=_refused(row),
        files=frozenset(sink["path"] for sink in row.get("sinks", ()) if not _is_ours(sink["path"])),
        settings=str(config),
        mode=settings.docker.mode,
        note=_of_other_account(principal.get("profile")) if principal.get("other_account") else "",
        to_renew=_to_renew(row, running=running),
    )


def _refused(row: Mapping[str, Any]) -> frozenset[str]:
    """Return the newest token, if the registry refused it or the two before it."""
    probe, error = row.get("probe") or {}, row.get("last_error") or {}
    refused = probe.get("answer") == "refused" or error.get("code") == REGISTRY_REFUSES
    return frozenset({str(row["fingerprint"])} if refused and row.get("fingerprint") else ())


def _of_other_account(profile: str | None) -> str:
    """Return what is to be known of a token for which another account's principal asks."""
    who = f"the profile {profile}" if profile else "credentials"
    return (
        f"its token is asked for by {who} of another account, and works if the registry admits that account"
    )


def _note(registry: Registry) -> str:
    used = [each.choice for each in registry.candidates if each.grant == registry.grant]
    return _of_other_account(used[0].principal.profile) if used and used[0].other_account else ""


def _to_renew(row: Mapping[str, Any], *, running: bool) -> Remedy:
    if row.get("phase") == "paused":
        return Remedy(command=ours.resume(row["host"]))
    return _after_failure(row) or _by_itself(row, running=running) or remedies.refresh(row["host"])


def _by_itself(row: Mapping[str, Any], *, running: bool) -> Remedy | None:
    """Return what helps a registry that has no valid token, because AWS could not be asked."""
    error, ends = row.get("last_error") or {}, read_time(row.get("expires_at"))
    if error.get("category") != "transient" or (ends is not None and ends > clock.now().wall):
        return None
    hint = str(error.get("hint") or "")
    if hint:
        return Remedy.of(hint, str(error.get("command") or ""))
    return remedies.wait_for_aws() if running else None


def _after_failure(row: Mapping[str, Any]) -> Remedy | None:
    """Return what helps a registry that waits for a person: without it no new token is to be had."""
    error = row.get("last_error") or {}
    hint, command = str(error.get("hint") or ""), str(error.get("command") or "")
    waits = row.get("phase") in {"login-required", "blocked", "expired", "unwritten"}
    asks_person = error.get("category") in {"login", "denied", "config"}
    return Remedy.of(hint, command) if waits and asks_person and hint else None


def _by_files(
    host: str, settings: Settings, config: Path, remembered: Mapping[str, Any], *, running: bool
) -> Known:
    """Return what is known of a host that no service keeps: it may be configured, or about to be adopted."""
    environ = {**os.environ, **settings.environment.set}
    plans = file_plans(settings, environ)
    held = [(plan.path, ecr_hosts(plan.path)) for plan in plans]
    kept = any(host in {each.host, *each.aliases} for each in settings.registries)
    if kept:
        helps = remedies.refresh(host)
    elif settings.discover.adopt and any(host in found for _, found in held) and not running:
        helps = remedies.start_service()
    else:
        helps = remedies.name_registry(host, str(config), running=running)
    note, aws = "", aws_files(environ)
    if aws is not None:
        found = [each for _, each_hosts in held for each in each_hosts]
        registry = registries(settings, found, remembered, aws, environ).get(host)
        login = None if registry is None else aws.logins.get(registry.standing.lane)
        helps = _in_the_way(registry, is_signed_in=login is None or login.alive) or helps
        note = "" if registry is None else _note(registry)
    if host in memory.pauses(remembered):
        helps = Remedy(command=ours.resume(host))
    files = frozenset(plan.path for plan in plans if plan.role in {"named", "default"})
    return Known(
        kept, files=files, settings=str(config), mode=settings.docker.mode, note=note, to_renew=helps
    )


def _in_the_way(registry: Registry | None, *, is_signed_in: bool) -> Remedy | None:
    """Return what has to come before a registry can get a token: a sign-in, or a profile."""
    if registry is None:
        return None
    if registry.blocked is not None and registry.blocked.hint:
        return Remedy.of(registry.blocked.hint, registry.blocked.command)
    command = registry.standing.login_command
    return Remedy(command=command) if command and not is_signed_in else None


def _obstacles(settings: Settings, files: frozenset[str]) -> dict[str, Remedy]:
    """Return how each file becomes readable and writable, for those that are not."""
    environ = {**os.environ, **settings.environment.set}
    found: dict[str, Remedy] = {}
    for path in dict.fromkeys([str(places.docker_config(environ)), *sorted(files)]):
        try:
            met = obstacle(resolve(path), environ)
        except SinkError as error:
            found[path] = Remedy.of(error.hint, error.command)
        else:
            if met is not None and not met.only_missing:
                found[path] = met.remedy
    return found


def _is_ours(path: str) -> bool:
    """Return whether a sink is our helper's own, which no client reads."""
    return path.startswith(str(places.helper_folder()))
