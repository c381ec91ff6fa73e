"""What is wrong with the machine: its clock, its limits, and what it is when nobody is logged in."""

from __future__ import annotations

import ctypes
import errno
import os
import pwd
import sys
from collections.abc import Iterator
from datetime import timedelta

from ecr_refreshd.aws import skew, trust
from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.cli.doctor.trouble import inotify
from ecr_refreshd.cli.words import span
from ecr_refreshd.core import hosts
from ecr_refreshd.core.remedies import service as remedies
from ecr_refreshd.host import clock

_NOTICED = timedelta(minutes=1)
_REFUSED = timedelta(minutes=4)
"""AWS refuses what is signed five minutes off."""
_IN_CREATE = 0x100
_NONBLOCK = 0x800


def time(scene: Scene) -> Iterator[Finding]:
    """Find a clock that differs from the registries' own."""
    url = _who_tells_the_time(scene)
    if not url or scene.refused is not None:  # they may name a proxy, and whom to ask
        return
    ahead = skew.ahead(url, _trusted(scene), clock.SystemClock())
    if isinstance(ahead, str):
        where = hosts.bare(url)
        yield Finding(
            "aws.offline",
            Severity.INFO,
            where,
            f"{where} cannot be reached: {ahead}.",
            "Pulls from it fail while that lasts, and whether the clock is right cannot be told.",
            remedies.ask_registry(where).page,
        )
    elif abs(ahead) >= _NOTICED:
        direction = "ahead of" if ahead > timedelta(0) else "behind"
        yield Finding(
            "machine.clock",
            Severity.ERROR if abs(ahead) >= _REFUSED else Severity.WARNING,
            "clock",
            f"This machine's clock is {span(ahead)} {direction} AWS's.",
            "AWS refuses what is signed with a clock that is five minutes wrong.",
            _set_clock(scene),
        )


def _trusted(scene: Scene) -> set[str]:
    """Return the files of certificates that AWS programs trust here, those of the profiles too."""
    known = {} if scene.aws is None else getattr(scene.aws.profiles, "profiles", {})
    grants = [registry.grant for registry in scene.registries.values() if registry.grant is not None]
    named = {name for grant in grants if (name := grant.principal.profile) in known}
    bundles = {trust.bundle_of(keys, scene.environ) for keys in ({}, *(known[name].keys for name in named))}
    return bundles - {""}


def _who_tells_the_time(scene: Scene) -> str:
    """Return where AWS, or what stands in its place, is asked; "" if nobody is."""
    named = [each.endpoint_url for each in scene.settings.registries if each.endpoint_url]
    if named or scene.environ.get("AWS_ENDPOINT_URL_ECR"):
        return [*named, scene.environ.get("AWS_ENDPOINT_URL_ECR", "")][0]
    names = list(scene.registries) or [str(row["host"]) for row in scene.rows]
    return f"https://{names[0]}/v2/" if names else ""


def _set_clock(scene: Scene) -> str:
    return remedies.set_clock(macos=sys.platform == "darwin", wsl=_is_wsl(scene)).page


def limits(scene: Scene) -> Iterator[Finding]:
    """Find that no folder more can be watched, by trying."""
    if sys.platform != "linux" or scene.running:
        return  # a service that runs says itself what it cannot watch
    folders = {os.path.dirname(file.path) for file in scene.files}  # noqa: PTH120 - a text, as the user wrote it
    number = _try_to_watch(sorted(folder for folder in folders if os.path.isdir(folder)))  # noqa: PTH112 - same
    names = {errno.EMFILE: "fs.inotify.max_user_instances", errno.ENOSPC: "fs.inotify.max_user_watches"}
    if number in names:
        yield Finding(
            "machine.inotify",
            Severity.WARNING,
            names[number],
            f"This user's inotify limit {names[number]} is used up.",
            "Changes to docker's files are then seen within half a minute only, not at once.",
            inotify(names[number], scene.root),
        )


def _try_to_watch(folders: list[str]) -> int:
    """Return the error that watching these meets, 0 if none."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        return ctypes.get_errno()
    try:
        for folder in folders:
            if libc.inotify_add_watch(descriptor, os.fsencode(folder), _IN_CREATE) < 0:
                return ctypes.get_errno()
        return 0
    finally:
        os.close(descriptor)


def lingering(scene: Scene) -> Iterator[Finding]:
    """Find a user service that ends when its user logs out, on a machine that is not somebody's desktop."""
    pid = scene.document["pid"]
    if pid is None or sys.platform != "linux":
        return
    try:
        groups = (scene.root / f"proc/{pid}/cgroup").read_text()
    except OSError:
        return
    if f"user@{os.geteuid()}.service" not in groups:
        return
    name = pwd.getpwuid(os.geteuid()).pw_name
    if (scene.root / "var/lib/systemd/linger" / name).exists():
        return
    remote = bool(scene.shell.get("SSH_CONNECTION")) or scene.shell.get("XDG_SESSION_TYPE", "x11") not in {
        "x11",
        "wayland",
    }
    yield Finding(
        "service.linger",
        Severity.WARNING if remote else Severity.INFO,
        name,
        f"The service runs in the session of {name}, and ends when {name} logs out.",
        "Builds and cron jobs that run after that find expired tokens."
        if remote
        else "At a desktop that is as it should be: it starts again with the next login.",
        remedies.linger().page,
    )


def windows(scene: Scene) -> Iterator[Finding]:
    """Find a WSL in which no user service can run."""
    if not _is_wsl(scene) or (scene.root / "run/systemd/system").exists():
        return
    yield Finding(
        "wsl.no-systemd",
        Severity.WARNING,
        "/etc/wsl.conf",
        "This WSL was started without systemd.",
        "No user service can run, so nothing starts ecr-refreshd by itself.",
        remedies.start_systemd_in_wsl().page,
    )


def _is_wsl(scene: Scene) -> bool:
    try:
        return "microsoft" in (scene.root / "proc/sys/kernel/osrelease").read_text().lower()
    except OSError:
        return False
