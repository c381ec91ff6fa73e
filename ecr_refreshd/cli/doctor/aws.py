"""What is wrong between here and AWS: settings, profiles, logins, permissions, regions."""

from __future__ import annotations

import os
import queue
import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ecr_refreshd.aws.fetcher import Fetcher
from ecr_refreshd.cli import awscli
from ecr_refreshd.cli.doctor import pasted, profiles
from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.cli.words import read_time, until
from ecr_refreshd.core.events import FetchFailed
from ecr_refreshd.core.fallback import Rank, falls_through
from ecr_refreshd.core.model import Category, Failure, Login
from ecr_refreshd.core.ports import Answer, FetchOrder
from ecr_refreshd.core.remedies import Remedy, ours
from ecr_refreshd.core.remedies import aws as remedies
from ecr_refreshd.core.state import Registry
from ecr_refreshd.errors import ConfigError, RefreshdError
from ecr_refreshd.host import clock, places
from ecr_refreshd.host.lock import InstanceLock

_ASKS_WITHIN = timedelta(seconds=40)
"""A grant has 30 s in the child (DESIGN 5)."""
_MOST_ASKED = 16
"""Grants that AWS is asked for with no service running; one per profile and region."""
_SOON = timedelta(minutes=30)


def settings(scene: Scene) -> Iterator[Finding]:
    """Find what is wrong with our own configuration, and registries for which nobody can be asked."""
    if scene.refused is not None:
        yield _refused(scene.refused, scene)
    for registry in scene.registries.values():
        if registry.blocked is not None and registry.blocked.code != "aws.files":  # said by `profiles.files`
            yield _of_failure(registry.blocked, [registry.host], scene)


def _refused(error: ConfigError, scene: Scene) -> Finding:
    path, named = scene.config, shlex.quote(str(scene.config))
    enough = (
        "saving is enough: the service takes it at once"
        if scene.running
        else "then: ecr-refreshd config check"
    )
    lines = list(
        dict.fromkeys(re.findall(rf"^{re.escape(str(path))}:([0-9]+):", error.message, re.MULTILINE))
    )
    if error.hint:
        how = pasted.hinted(error.hint)
    elif not os.path.lexists(path):
        how = _not_there(scene)
    elif lines:
        how = f"Correct line{'s' if len(lines) > 1 else ''} {', '.join(lines)} of {path}; {enough}"
    elif not os.access(path, os.R_OK):
        how = f"ls -l {named}"
    else:
        how = f"Correct {path}; {enough}"
    return Finding(
        "config.invalid",
        Severity.ERROR,
        str(path),
        error.message,
        "The service goes on with the settings from before; do not restart it, it would not start with these. "
        "What hangs on the settings was not looked at."
        if scene.running
        else "The service does not start with it. What hangs on the settings was not looked at.",
        how,
    )


def _not_there(scene: Scene) -> str:
    path = scene.config
    if scene.running:
        words = f"Put {path} back, from a copy or as this proposes it; the service takes it at once"
        return pasted.steps(words, [pasted.ours("init --write", scene)])
    if path == places.config_file(scene.shell):
        return pasted.steps(
            f"Put {path} back, from a copy or as this proposes it", ["ecr-refreshd init --write"]
        )
    variable = scene.shell.get("ECR_REFRESHD_CONFIG", "")
    who = "ECR_REFRESHD_CONFIG" if variable and variable.endswith(path.name) else "--config"
    words = f"There is no such file: correct {who}, or have one proposed and written there"
    return pasted.steps(words, [pasted.ours("init --write", scene)])


def logins(scene: Scene) -> Iterator[Finding]:
    """Find logins that were never made, have ended, or end soon; one finding for each login."""
    if scene.aws is None:
        return
    behind: dict[str, list[Registry]] = {}
    for registry in scene.registries.values():
        if registry.standing.lane:
            behind.setdefault(registry.standing.lane, []).append(registry)
    for lane, registries in behind.items():
        login = scene.aws.logins.get(lane, Login())
        if not login.alive:
            yield _ended(login, registries, scene)
        elif login.ends_at is not None and login.ends_at - scene.now < _SOON:
            yield _ends_soon(login.ends_at, registries, scene)


def _whose(registries: list[Registry]) -> str:
    first = registries[0]
    if first.standing.sso_session:
        return f"sso-session {first.standing.sso_session}"
    return f"profile {'' if first.grant is None else first.grant.principal.profile}"


def _ended(login: Login, registries: list[Registry], scene: Scene) -> Finding:
    missing = not login.stamp
    hosts = [registry.host for registry in registries]
    ends = _ends(hosts, scene)
    last = max(ends.values(), default=None)
    living = [host for host in hosts if host in ends and ends[host] > scene.now]
    if len(living) == len(hosts) and last is not None:
        why = f"Pulls still work, the last until {until(max(ends.values()), scene.now, clock.LocalZone())}."
    elif living:
        why = f"Pulls from {len(living)} of {len(hosts)} registries still work for a while; others fail."
    else:
        why = f"Pulls from {_listed(hosts)} fail until somebody signs in."
    return Finding(
        "login.missing" if missing else "login.ended",
        Severity.WARNING if len(living) == len(hosts) else Severity.ERROR,
        _whose(registries),
        f"Nobody is signed in for {_whose(registries)}."
        if missing
        else f"The AWS login of {_whose(registries)} has ended.",
        why,
        _sign_in(registries[0], scene),
        hosts=frozenset(hosts),
    )


def _ends_soon(at: datetime, registries: list[Registry], scene: Scene) -> Finding:
    return Finding(
        "login.ends-soon",
        Severity.INFO,
        _whose(registries),
        f"The AWS login of {_whose(registries)} ends at {until(at, scene.now, clock.LocalZone())}.",
        "Tokens renewed shortly before it live on for hours; after that somebody has to sign in.",
        _sign_in(registries[0], scene),
    )


def _sign_in(registry: Registry, scene: Scene) -> str:
    """Return how a person signs in: by the AWS CLI, which has to be installed first where it is missing."""
    command = registry.standing.login_command
    hindered = awscli.hindrance(command, scene.shell)
    if hindered is not None:
        return pasted.steps(f"Install the AWS CLI version 2 first ({hindered.hint}), then", [command])
    return pasted.advised(remedies.sign_in(registry.standing))


def _ends(hosts: list[str], scene: Scene) -> dict[str, datetime]:
    """Return when the newest token of each host ends, as the service says or the token itself."""
    ends: dict[str, datetime] = {}
    for row in scene.rows:
        at = read_time(row.get("expires_at"))
        if row["host"] in hosts and at is not None:
            ends[row["host"]] = at
    for file in scene.files:
        for host, entry in (file.config.read(hosts).entries if file.config else {}).items():
            if entry.expires_hint is not None:
                ends[host] = max(entry.expires_hint, ends.get(host, datetime.min.replace(tzinfo=UTC)))
    return ends


def _listed(hosts: list[str]) -> str:
    return ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")


def refusals(scene: Scene) -> Iterator[Finding]:
    """Find what AWS refuses: as the service met it last, or, with none running, by asking now."""
    failed: dict[tuple[str, str, str], tuple[Failure, list[str]]] = {}
    told = {host for hosts in profiles.nowhere(scene).values() for host in hosts}
    for host, failure in _failures(scene):
        if host in told:
            continue
        key = (failure.code, failure.message, failure.hint)
        failed.setdefault(key, (failure, []))[1].append(host)
    for failure, hosts in failed.values():
        if failure.code == "ConfigParseError" and profiles.has_problems(scene):
            continue  # said by `profiles.files`
        if failure.category is Category.LOGIN and _told_by_login(hosts, scene):
            continue
        yield _of_failure(failure, hosts, scene)


def _told_by_login(hosts: list[str], scene: Scene) -> bool:
    """Return whether `logins` tells of it already, since the disk shows it."""
    kept = [scene.registries[host] for host in hosts if host in scene.registries]
    return bool(kept) and not any(scene.alive(registry.standing) for registry in kept)


def _failures(scene: Scene) -> Iterator[tuple[str, Failure]]:
    if scene.running:
        for row in scene.rows:
            if row["last_error"] is None or row["host"] in _blocked(scene):
                continue
            failure = _failure(row["last_error"])
            if not profiles.is_mended(failure, scene):
                yield row["host"], failure
        return
    yield from _asked(scene)


def _blocked(scene: Scene) -> set[str]:
    return {host for host, registry in scene.registries.items() if registry.blocked is not None}


def _failure(error: Mapping[str, Any]) -> Failure:
    texts = (str(error["code"]), str(error["message"]), str(error.get("hint") or ""))
    return Failure(Category(error["category"]), *texts, command=str(error.get("command") or ""))


def _asked(scene: Scene) -> Iterator[tuple[str, Failure]]:
    """Ask AWS for each grant once, as a service would, and throw the tokens away.

    A service goes on to the next candidate where one fails, so a registry fails only if all of its candidates do.
    """
    lock = InstanceLock(places.lock_folder())
    answers: dict[str, Failure | None] = {}
    registries = scene.planned(_passed(answers, scene))
    if not _untried(registries, answers, scene):
        return
    try:
        # Beside a service that is just starting, two would refresh the same one-time token. Where there has been
        # none, looking makes no folder.
        if places.lock_folder().is_dir():
            lock.acquire()
    except (OSError, RefreshdError):
        return
    try:
        end = clock.now().boot + _ASKS_WITHIN
        while orders := _untried(registries, answers, scene)[: _MOST_ASKED - len(answers)]:
            answers.update({order.grant.key: None for order in orders})
            answers.update(_answers(orders, scene, end))
            registries = scene.planned(_passed(answers, scene))
    finally:
        lock.release()
    for registry in registries.values():
        failure = answers.get(registry.grant.key) if registry.grant is not None else None
        if failure is not None:
            yield registry.host, failure


def _passed(answers: Mapping[str, Failure | None], scene: Scene) -> dict[str, Rank]:
    """Return the grants that are passed over: those that failed, and those whose login the disk shows dead."""
    passed = {
        key: Rank.LOGIN if each.category is Category.LOGIN else Rank.OTHER
        for key, each in answers.items()
        if each is not None and falls_through(each)
    }
    for registry in scene.registries.values():
        dead = (each for each in registry.candidates if not scene.alive(each.standing))
        passed.update({each.grant.key: Rank.LOGIN for each in dead})
    return passed


def _untried(
    registries: Mapping[str, Registry], answers: Mapping[str, object], scene: Scene
) -> list[FetchOrder]:
    orders: dict[str, FetchOrder] = {}
    for registry in registries.values():
        grant = registry.grant
        if grant is not None and grant.key not in answers and scene.alive(registry.standing):
            orders.setdefault(grant.key, FetchOrder(grant, len(answers) + len(orders), registry.standing))
    return list(orders.values())


def _answers(orders: list[FetchOrder], scene: Scene, end: timedelta) -> Iterator[tuple[str, Failure]]:
    said: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    fetcher = Fetcher(said.put, scene.environ, clock.SystemClock())
    try:
        fetcher.fetch(orders)
        for _ in orders:
            left = (end - clock.now().boot).total_seconds()
            try:
                answer = said.get(timeout=max(0.0, left))
            except queue.Empty:
                return
            if isinstance(answer, FetchFailed):
                yield answer.grant, answer.failure
    finally:
        fetcher.stop()


_KEYS = {
    Category.LOGIN: ("login.ended", Severity.ERROR),
    Category.DENIED: ("aws.denied", Severity.ERROR),
    Category.CONFIG: ("aws.config", Severity.ERROR),
    Category.TRANSIENT: ("aws.unreachable", Severity.WARNING),
}
_WHY = {
    Category.LOGIN: "No token can be had until somebody signs in.",
    Category.DENIED: "No token can be had until that is allowed.",
    Category.CONFIG: "No token can be had until that is corrected.",
    Category.TRANSIENT: "It is tried again and again; the token on disk serves until it ends.",
}


_IN_TIME = "Check the network, the VPN and HTTPS_PROXY; a service tries again by itself."


def _of_failure(failure: Failure, hosts: list[str], scene: Scene) -> Finding:
    key, severity = _KEYS[failure.category]
    # What AWS denied or a file has wrong is tried again by itself after minutes or hours.
    again = [ours.refresh(*hosts)] if scene.running else []
    remedy = Remedy(failure.hint.removesuffix(failure.command).strip(), failure.command)
    how = pasted.advised(remedy, *again) or _IN_TIME
    return Finding(
        key,
        severity,
        _listed(hosts),
        failure.message if hosts[0] in failure.message else f"{_listed(hosts)}: {failure.message}",
        _WHY[failure.category],
        f"Make a profile for it with `aws configure sso`. Where you have one, its name for NAME: "
        f"{pasted.registry(hosts[0], scene)}"
        if failure.code == "profile.none"
        else how,
        hosts=frozenset(hosts),
    )
