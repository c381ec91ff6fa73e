"""What is wrong with where docker's and podman's files lie: who may read, exchange or publish them."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ecr_refreshd.cli.doctor.dockerfiles import DockerFile
from ecr_refreshd.cli.doctor.finding import Finding, Mend, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.core.dockerentry import decoded
from ecr_refreshd.core.remedies import Remedy
from ecr_refreshd.core.remedies import files as remedies
from ecr_refreshd.errors import SinkError
from ecr_refreshd.osutil import docker_config, ownership
from ecr_refreshd.sinks import permissions
from ecr_refreshd.sinks.obstacles import Obstacle, obstacle
from ecr_refreshd.sinks.places import Place, is_mount, shown, work_tree

_GIT_WITHIN = 5.0
"""Seconds."""
_NO_LOGIN = "Clients that run as this user find no login in it, and nothing can be kept fresh there."
_KEYS = {
    "sink.unreadable": "file.unreadable",
    "sink.is-a-directory": "file.unreadable",
    "sink.not-a-config": "file.unreadable",
    "sink.docker-config": "docker.config-folder",
}
"""Code of an obstacle -> key of its finding; the others are `file.unwritable`."""
_UNHEARD = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "9p", "drvfs", "virtiofs", "fuse.sshfs", "fuse.vmhgfs-fuse"}
)
"""File systems that others may write without inotify here hearing of it."""


def access(scene: Scene) -> Iterator[Finding]:
    """Find files that cannot be read or replaced, or whose links are not followed."""
    for file in scene.files:
        if isinstance(file.error, SinkError):
            yield _not_followed(file, file.error)
            continue
        found = None if file.place is None else obstacle(file.place, scene.environ)
        if found is not None:
            if not found.only_missing or scene.is_put_into(file.path):
                yield from _blocked(file, found, scene)
        elif file.problem and not file.line:
            yield _unreadable(file)


def _not_followed(file: DockerFile, error: SinkError) -> Finding:
    why = "A token put there could end up anywhere, so none is."
    return Finding(
        error.code.replace("sink.", "file."),
        Severity.ERROR,
        file.path,
        error.message,
        _NO_LOGIN if error.code == "sink.unreadable" else why,
        Remedy.of(error.hint, error.command).page,
        files=frozenset({file.path}),
    )


def _unreadable(file: DockerFile) -> Finding:
    return Finding(
        "file.unreadable",
        Severity.ERROR,
        file.real,
        f"{file.real} cannot be read: {file.problem}.",
        _NO_LOGIN,
        remedies.unexplained([file.real]).page,
        files=frozenset({file.path}),
    )


def _blocked(file: DockerFile, found: Obstacle, scene: Scene) -> Iterator[Finding]:
    unwritable = any(
        sink["path"] == file.path and sink["state"] == "unwritable"
        for row in scene.rows
        for sink in row["sinks"]
    )
    if scene.running and unwritable:
        return  # the service has met it, and its finding has this remedy
    key = _KEYS.get(found.code, "file.unwritable")
    yield Finding(
        key,
        Severity.ERROR,
        file.real,
        found.what,
        "No fresh token can be put there." if key == "file.unwritable" else _NO_LOGIN,
        found.remedy.page,
        files=frozenset({file.path}),
    )


def named_folder(scene: Scene) -> Iterator[Finding]:
    """Find that DOCKER_CONFIG names a folder that is not there; docker says nothing of it."""
    named = scene.environ.get("DOCKER_CONFIG", "")
    if not named or os.path.lexists(named) or docker_config.meant_folder(scene.environ):
        return  # what is there and no folder is in the way of the file
    yield Finding(
        "docker.config-folder",
        Severity.WARNING,
        named,
        f"DOCKER_CONFIG names {named}, and there is no such folder.",
        "docker then has none of the logins, settings and plugins of ~/.docker, and tokens are put where you may "
        "not look for them.",
        remedies.docker_config_absent().page,
    )


def exposure(scene: Scene) -> Iterator[Finding]:
    """Find files with logins that others may read, exchange or publish."""
    for file in scene.files:
        if file.place is None or file.status is None or not _holds_login(file):
            continue
        # Where the settings cannot be read, they may allow the group.
        allowed = scene.settings.docker.file_mode if scene.refused is None else None
        yield from _modes(file, file.place, file.status, allowed, scene)
        yield from _published(file, file.place)


def _holds_login(file: DockerFile) -> bool:
    if file.config is None:
        return False
    members = file.config.entries()
    return any(decoded(file.config.fields(member).get("auth", ""))[1] for member in members)


def _modes(
    file: DockerFile, place: Place, status: os.stat_result, allowed: int | None, scene: Scene
) -> Iterator[Finding]:
    mode = stat.S_IMODE(status.st_mode)
    narrowed = permissions.read(place.real, status).narrowed(allowed).mode
    if mode & ~narrowed & 0o077:
        found = ownership.of(place.real, scene.shell)
        yield Finding(
            "file.mode",
            Severity.WARNING,
            file.real,
            f"{file.real} holds logins, and its mode is {mode:04o}.",
            "Every user of this machine whom that mode lets in can pull, and push, as you.",
            remedies.narrowed(found, narrowed).page,
            Mend(
                f"the mode of {file.real} is {narrowed:04o} now",
                partial(_give_mode, place.real, status, narrowed),
            )
            if found.is_ours
            else None,
        )
    around = os.stat(place.folder)  # noqa: PTH116 - a path is bytes here
    if around.st_mode & stat.S_IWOTH and not around.st_mode & stat.S_ISVTX:
        folder = shown(place.folder)
        yield Finding(
            "folder.mode",
            Severity.WARNING,
            folder,
            f"Everyone may write in {folder}, where {file.path} lies.",
            "Anybody can exchange the file, and so have you pull with, or from, what they like.",
            remedies.folder_open_to_others(ownership.of(place.folder, scene.shell)).page,
            Mend(
                f"only you may write in {folder} now",
                partial(_give_mode, place.folder, around, stat.S_IMODE(around.st_mode) & ~stat.S_IWOTH),
            )
            if around.st_uid == os.geteuid()
            else None,
        )


def _give_mode(path: bytes, looked_at: os.stat_result, mode: int) -> None:
    """Give what was looked at a mode, and nothing that has been put in its place since.

    Where everyone may write, a link to something else of the user's may stand there by now.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        if not os.path.samestat(os.fstat(descriptor), looked_at):
            raise OSError(errno.ESTALE, "something else has been put in its place")
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _published(file: DockerFile, place: Place) -> Iterator[Finding]:
    tree = work_tree(place.folder)
    if tree is None:
        return
    inside = os.fsdecode(os.path.relpath(place.real, tree))
    where = f"{file.real} holds logins, and lies in the git work tree {shown(tree)}"
    if _git(tree, "ls-files", "--error-unmatch", "--", f":(literal){inside}") == 0:
        yield Finding(
            "file.git",
            Severity.ERROR,
            file.real,
            f"{where}, where git keeps it.",
            "The next commit publishes a token that can pull, and often push, for 12 hours.",
            remedies.kept_by_git(shown(tree), inside, _pattern(inside)).page,
        )
    elif _git(tree, "check-ignore", "-q", "--", f"./{inside}") != 0:
        yield Finding(
            "file.git",
            Severity.WARNING,
            file.real,
            f"{where}.",
            "A token there is one `git add` away from being published.",
            remedies.not_ignored_by_git(shown(tree), _pattern(inside)).page,
        )


def _pattern(inside: str) -> str:
    """Return the line of a file of git's that ignores this one path; ``?`` stands for a byte that is no text."""
    escaped = re.sub(r"[*?\[\\]|[ \t](?=[ \t]*$)", r"\\\g<0>", inside)
    return "/" + re.sub("[\udc80-\udcff]", "?", escaped)


def _git(tree: bytes, *words: str) -> int:
    """Return git's exit code, -1 if it cannot be asked."""
    try:
        # Without its own configuration: a work tree may name programs to run in it.
        return subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", os.fsdecode(tree), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_WITHIN,
            check=False,
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        return -1


def mounts(scene: Scene) -> Iterator[Finding]:
    """Find files that are mounts of their own, that have several names, or whose disk tells of no change."""
    for file in scene.files:
        if file.place is None or file.status is None:
            continue
        folder = shown(file.place.folder)
        if is_mount(file.place.real):
            yield Finding(
                "file.mount",
                Severity.WARNING,
                file.real,
                f"{file.real} is a mount of a single file.",
                "It cannot be replaced at once: a reader may catch it half written; and once it is replaced on "
                "the other side, what is written here reaches nobody.",
                remedies.mounted_file(folder).page,
            )
        elif file.status.st_nlink > 1:
            yield Finding(
                "file.hard-link",
                Severity.WARNING,
                file.real,
                f"{file.real} has {file.status.st_nlink} names (hard links).",
                "Only this one gets fresh tokens; the others keep what was there when it was first replaced.",
                remedies.hard_link(file.real).page,
            )
        kind = _file_system(file.place.real, scene.root)
        if kind in _UNHEARD:
            yield Finding(
                "file.unheard",
                Severity.INFO,
                file.real,
                f"{file.real} lies on a file system of type {kind}.",
                "What other machines, or Windows, change there is seen within half a minute only, not at once.",
                "Nothing has to be done. To have it seen at once, keep the file on a disk of this machine: "
                "DOCKER_CONFIG names its folder.",
            )


def _file_system(path: bytes, root: Path) -> str:
    """Return the type of the file system that a path lies on, "" if that cannot be told."""
    best, kind = "", ""
    try:
        lines = (root / "proc/self/mountinfo").read_text(errors="backslashreplace").splitlines()
    except OSError:
        return ""
    real = shown(path)
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split()[4]
        if len(point) >= len(best) and (real + "/").startswith(point.rstrip("/") + "/"):
            best, kind = point, after.split()[0]
    return kind
