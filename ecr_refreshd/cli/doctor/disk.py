"""What is wrong with where docker's and podman's files lie: who may read, exchange or publish them."""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ecr_refreshd.cli.doctor import pasted
from ecr_refreshd.cli.doctor.dockerfiles import DockerFile
from ecr_refreshd.cli.doctor.finding import Finding, Mend, Severity
from ecr_refreshd.cli.doctor.obstacles import obstacle
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.core.dockerentry import decoded
from ecr_refreshd.core.remedies import files
from ecr_refreshd.errors import SinkError
from ecr_refreshd.sinks import permissions
from ecr_refreshd.sinks.places import Place, is_mount, shown, work_tree

_GIT_WITHIN = 5.0
"""Seconds."""
_MEANS_MORE = re.compile(r"^:|[*?\[\\]")
"""What git takes a path for a pattern by."""
_UNHEARD = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "9p", "drvfs", "virtiofs", "fuse.sshfs", "fuse.vmhgfs-fuse"}
)
"""File systems that others may write without inotify here hearing of it."""


def access(scene: Scene) -> Iterator[Finding]:
    """Find files that cannot be read or replaced, or whose links are not followed."""
    for file in scene.files:
        if isinstance(file.error, SinkError):
            yield _link(file, file.error)
        elif file.problem and not file.line:
            yield _unreadable(file)
        else:
            yield from _unwritable(file, scene)


def _link(file: DockerFile, error: SinkError) -> Finding:
    return Finding(
        error.code.replace("sink.", "file."),
        Severity.ERROR,
        file.path,
        error.message,
        "A token put there could end up anywhere, so none is.",
        pasted.hinted(error.hint),
        files=frozenset({file.path}),
    )


def _unreadable(file: DockerFile) -> Finding:
    real = shlex.quote(file.real)
    owner = -1 if file.place is None else _owner(file.place.real)
    if isinstance(file.error, PermissionError):
        how = f"chmod u+rw {real}" if owner == os.geteuid() else f"sudo chown {os.geteuid()} {real}"
    else:
        how = pasted.steps("See what it is, and move it away", [f"ls -ld {real}", f"mv {real} {real}.old"])
    return Finding(
        "file.unreadable",
        Severity.ERROR,
        file.real,
        f"{file.real} cannot be read: {file.problem}.",
        "Clients that run as this user find no login in it, and nothing can be kept fresh there.",
        how,
        files=frozenset({file.path}),
    )


def _owner(path: bytes) -> int:
    try:
        return os.lstat(path).st_uid
    except OSError:
        return -1


def _unwritable(file: DockerFile, scene: Scene) -> Iterator[Finding]:
    found = obstacle(file)
    if found is None or (found.only_missing and not scene.is_put_into(file.path)):
        return
    if any(s["path"] == file.path and s["state"] == "unwritable" for row in scene.rows for s in row["sinks"]):
        return  # the service has met it, and its finding has this remedy
    yield Finding(
        "file.unwritable",
        Severity.ERROR,
        file.real,
        found.what,
        "No fresh token can be put there.",
        found.how,
        files=frozenset({file.path}),
    )


def named_folder(scene: Scene) -> Iterator[Finding]:
    """Find that DOCKER_CONFIG names a folder that is not there; docker says nothing of it."""
    named = scene.environ.get("DOCKER_CONFIG", "")
    if not named or os.path.lexists(named):
        return  # what is there and no folder is in the way of the file
    yield Finding(
        "docker.config-folder",
        Severity.WARNING,
        named,
        f"DOCKER_CONFIG names {named}, and there is no such folder.",
        "docker then has none of the logins, settings and plugins of ~/.docker, and tokens are put where you may "
        "not look for them.",
        pasted.steps(
            "Correct or unset DOCKER_CONFIG where it is set; or, if it is meant so, make the folder",
            [f"mkdir -p -m 700 {shlex.quote(named)}"],
        ),
    )


def exposure(scene: Scene) -> Iterator[Finding]:
    """Find files with logins that others may read, exchange or publish."""
    for file in scene.files:
        if file.place is None or file.status is None or not _holds_login(file):
            continue
        # Where the settings cannot be read, they may allow the group.
        allowed = scene.settings.docker.file_mode if scene.refused is None else None
        yield from _modes(file, file.place, file.status, allowed)
        yield from _published(file, file.place)


def _holds_login(file: DockerFile) -> bool:
    if file.config is None:
        return False
    members = file.config.entries()
    return any(decoded(file.config.fields(member).get("auth", ""))[1] for member in members)


def _modes(file: DockerFile, place: Place, status: os.stat_result, allowed: int | None) -> Iterator[Finding]:
    mode = stat.S_IMODE(status.st_mode)
    narrowed = permissions.read(place.real, status).narrowed(allowed).mode
    if mode & ~narrowed & 0o077:
        mine = status.st_uid == os.geteuid()
        yield Finding(
            "file.mode",
            Severity.WARNING,
            file.real,
            f"{file.real} holds logins, and its mode is {mode:04o}.",
            "Every user of this machine whom that mode lets in can pull, and push, as you.",
            files.narrow_mode(file.real, narrowed, mine=mine).command,
            Mend(
                f"the mode of {file.real} is {narrowed:04o} now",
                partial(_give_mode, place.real, status, narrowed),
            )
            if mine
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
            f"chmod o-w {shlex.quote(folder)}",
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
    root = shlex.quote(shown(tree))
    # In a work tree that `git worktree` has made .git is a file.
    excluded = f'"$(git -C {root} rev-parse --path-format=absolute --git-path info/exclude)"'
    ignored = f"printf '%s\\n' {shlex.quote(_pattern(inside))} >> {excluded}"
    literal = "--literal-pathspecs " if _MEANS_MORE.search(inside) else ""
    where = f"{file.real} holds logins, and lies in the git work tree {shown(tree)}"
    if _git(tree, "ls-files", "--error-unmatch", "--", f":(literal){inside}") == 0:
        yield Finding(
            "file.git",
            Severity.ERROR,
            file.real,
            f"{where}, where git keeps it.",
            "The next commit publishes a token that can pull, and often push, for 12 hours.",
            pasted.steps(
                "Take it out, commit that, and change every login that was ever pushed",
                [f"git {literal}-C {root} rm --cached -- {shlex.quote(inside)} && {ignored}"],
            ),
        )
    elif _git(tree, "check-ignore", "-q", "--", f"./{inside}") != 0:
        yield Finding(
            "file.git",
            Severity.WARNING,
            file.real,
            f"{where}.",
            "A token there is one `git add` away from being published.",
            ignored,
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
                f"Mount its folder instead (docker run -v ~/.docker:{folder}, in Kubernetes a volume without "
                "subPath).",
            )
        elif file.status.st_nlink > 1:
            real = shlex.quote(file.real)
            yield Finding(
                "file.hard-link",
                Severity.WARNING,
                file.real,
                f"{file.real} has {file.status.st_nlink} names (hard links).",
                "Only this one gets fresh tokens; the others keep what was there when it was first replaced.",
                pasted.steps(
                    "Make it a file of its own, and use symbolic links to it elsewhere",
                    [f"cp -p {real} {real}.new && mv {real}.new {real}"],
                ),
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
