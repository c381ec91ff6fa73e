"""What the service itself complains of: what it cannot watch or write, and notices that reach nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ecr_refreshd.cli.doctor import pasted
from ecr_refreshd.cli.doctor.dockerfiles import DockerFile
from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.cli.doctor.service import restart
from ecr_refreshd.cli.words import read_time, until
from ecr_refreshd.core.pulls import REGISTRY_REFUSES
from ecr_refreshd.core.remedies import Remedy, ours
from ecr_refreshd.core.remedies import service as service_remedies
from ecr_refreshd.core.report import CONFIG_INVALID
from ecr_refreshd.host import clock
from ecr_refreshd.osutil import docker_config
from ecr_refreshd.sinks.obstacles import obstacle

_ON_ITS_WAY = frozenset({"not read yet", "to be written", "no token yet"})
"""Details of an entry that is only missing until something else is mended, which is said there."""


def trouble(scene: Scene) -> Iterator[Finding]:
    """Find what the service itself complains of: what it cannot watch or write, and notices that reach nobody."""
    for complaint in scene.document.get("degraded", ()):
        code, message = str(complaint["code"]), str(complaint["message"])
        if code == "docker.config-folder" and docker_config.complaint(scene.environ) is not None:
            continue  # it is found where the files are looked at
        if code == CONFIG_INVALID and scene.refused is None:
            yield _degraded(
                message, "Correct that file; saving it is enough. Do not restart the service before."
            )
        elif code.startswith("fs.inotify."):
            yield _degraded(message, inotify(code, scene.root))
        elif code != CONFIG_INVALID:
            yield _degraded(message, str(complaint.get("command") or "") or restart(scene))
    for row in scene.rows:
        yield from _of_registry(row, scene)
    yield from _of_files(scene)
    if not scene.running:
        return
    for notice in scene.document.get("notices", ()):
        for problem in notice.get("problems", ()):
            yield Finding(
                "notify.undelivered",
                Severity.WARNING,
                str(notice["key"]),
                f'The notice "{notice["title"]}" was not delivered: {problem}',
                "The next one may not reach you in time either.",
                f"Name a program or a webhook under [notify] in {scene.config}, or set desktop = false there",
            )


def _degraded(text: str, how: str) -> Finding:
    return Finding(
        "service.degraded",
        Severity.WARNING,
        "ecr-refreshd",
        text,
        "The service works on, less well than it could.",
        how,
    )


def inotify(name: str, root: Path) -> str:
    """Return the commands that raise a limit of inotify, now and for good."""
    usual = 1024 if name.endswith("instances") else 524288
    try:
        now = int((root / "proc/sys" / name.replace(".", "/")).read_text())
    except (OSError, ValueError):
        now = 0
    return service_remedies.raise_inotify(name, max(usual, 2 * now)).page


def _of_registry(row: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    host = str(row["host"])
    if row["phase"] == "paused":
        ends = read_time(row.get("paused_until"))
        until_when = "" if ends is None else f" until {until(ends, scene.now, clock.LocalZone())}"
        yield Finding(
            "registry.paused",
            Severity.INFO,
            host,
            f"{host} is paused{until_when}.",
            "Nothing renews or heals it meanwhile.",
            ours.resume(host),
        )
    error = row.get("last_error") or {}
    if error.get("code") == REGISTRY_REFUSES:
        yield Finding(
            REGISTRY_REFUSES,
            Severity.ERROR,
            host,
            str(error["message"]),
            "docker pull is refused, although AWS says that the token is valid.",
            pasted.hinted(str(error["hint"])),
            hosts=frozenset({host}),
        )
    for sink in row["sinks"]:
        if sink["state"] == "contested" and scene.running:
            yield Finding(
                "sink.contested",
                Severity.WARNING,
                host,
                f"Something keeps rewriting the entry of {host} in {sink['path']}.",
                "It is restored each time, and a pull in between may fail.",
                pasted.steps(
                    "End what does (a dotfile manager, a script with docker login), or leave the entry to it",
                    [ours.pause(host)],
                ),
            )


def _of_files(scene: Scene) -> Iterator[Finding]:
    """Find files to which the service does not get its tokens; one finding for what it says of several hosts."""
    hosts: dict[tuple[str, str, str, str], list[str]] = {}
    for row in scene.rows:
        for sink in row["sinks"]:
            detail = str(sink.get("detail") or "")
            if (
                sink["state"] in ({"unwritable", "shadowed", "missing"} if scene.running else {"unwritable"})
                and detail
                and detail not in _ON_ITS_WAY
            ):
                key = (str(sink["state"]), str(sink["path"]), detail, str(sink.get("hint") or ""))
                hosts.setdefault(key, []).append(str(row["host"]))
    known = {file.path: file for file in scene.files}
    for (state, path, detail, hint), about in hosts.items():
        in_the_way = _obstacle(known.get(path), scene) if state == "unwritable" else None
        if not scene.running and in_the_way is not None:
            continue  # what is seen now is found where the files are looked at
        if not scene.running and path in known and _holds_all(known[path], about, scene):
            continue  # mended since, and written
        named = ", ".join(about[:3]) + (f" and {len(about) - 3} more" if len(about) > 3 else "")
        what = detail.removesuffix(hint).rstrip()
        again = ours.refresh(*about)
        yield Finding(
            f"sink.{state}",
            Severity.ERROR if state == "unwritable" else Severity.WARNING,
            path if state == "unwritable" else f"{named} in {path}",
            what if path in what else f"{path}: {what}",
            f"Clients that read {path} find no fresh token for {named} there.",
            _remedy(in_the_way.page if in_the_way else hint, state, about, again),
            hosts=frozenset(about),
            files=frozenset({path}),
        )


def _holds_all(file: DockerFile, hosts: list[str], scene: Scene) -> bool:
    """Return whether a living token for each host stands in a file now."""
    entries = {} if file.config is None else file.config.read(hosts).entries
    ends = [entry.expires_hint for entry in entries.values()]
    return bool(ends) and all(end is not None and end > scene.now for end in ends)


def _obstacle(file: DockerFile | None, scene: Scene) -> Remedy | None:
    found = None if file is None or file.place is None else obstacle(file.place, scene.environ)
    return None if found is None else found.remedy


def _remedy(hint: str, state: str, hosts: list[str], again: str) -> str:
    if hint:
        words, *commands = hint.split("\n")
        return pasted.steps(words.rstrip(":"), [*commands, again]) if commands else pasted.hinted(hint, again)
    if state == "shadowed":
        return pasted.steps("Change what it names; all that decides is shown by", [ours.explain(hosts[0])])
    return again
