"""A machine that a test may ruin: the whole system under an overlay, in a mount namespace of its own.

What is run here as root really is root, and touches nothing outside: every change lies in the overlay's upper
layer, so that all that a command has changed, anywhere, can be listed.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DEV = 12345
OTHER = 12346
USERS = (
    f"dev:x:{DEV}:{DEV}::/home/dev:/bin/sh",
    f"other:x:{OTHER}:{OTHER}::/home/other:/bin/sh",
)
NAMELESS = 23456
"""A user id of which the user database knows nothing, as in OpenShift."""

# Does as sudo does, as far as our commands go: root, or -H -u USER.
_SUDO = """#!/bin/sh
[ "$1" = -H ] && shift
user=root
[ "$1" = -u ] && user=$2 && shift 2
home=$(getent passwd "$user" | cut -d: -f6)
exec /usr/local/lib/become --reuid="$user" --regid="$(id -g "$user")" --clear-groups env HOME="$home" "$@"
"""

# Every mount stays in this namespace; the upper layer lies where the scene itself does not see it.
_MAKE = """
set -e
mount -t tmpfs none {base}
mkdir {base}/up {base}/work {base}/root
mount -t overlay overlay -o lowerdir=/,upperdir={base}/up,workdir={base}/work {base}/root
mount --rbind /proc {base}/root/proc
mount --rbind /dev {base}/root/dev
chroot {base}/root sh -c 'echo "$$"; exec sleep 100000'
exit
"""

Found = tuple[int, int, int, str]
"""Mode with type, owner, group, and a digest of the content."""


def missing() -> str:
    """Return why there can be no sandbox here, "" if there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a sandbox needs root on Linux"
    absent = [each for each in ("unshare", "nsenter", "setpriv") if shutil.which(each) is None]
    if absent:
        return f"a sandbox needs {', '.join(absent)} (util-linux)"
    with tempfile.TemporaryDirectory() as base:
        script = _MAKE.format(base=shlex.quote(base)).split("mount --rbind")[0]
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False
        )
    return f"a sandbox needs overlay mounts: {done.stderr.strip()}" if done.returncode else ""


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it printed."""
        return self.out + self.err


@dataclass
class Sandbox:
    """The machine. Paths are those that its programs see.

    Attributes:
        pid: of a process in it.
        upper: where its changes lie.
    """

    pid: int
    upper: Path

    def __post_init__(self) -> None:
        self._is_inside()

    def _is_inside(self) -> None:
        """Make sure that this is the overlay: whatever is done here is done to the real machine otherwise."""
        root = Path(f"/proc/{self.pid}/root")
        if os.path.samestat(root.stat(), Path("/").stat()) or root.stat().st_dev == Path("/").stat().st_dev:
            raise RuntimeError("this is not the sandbox")

    def path(self, path: str) -> Path:
        """Return where the test finds a path of the machine. Links on the way lead out of it: use none."""
        self._is_inside()
        return Path(f"/proc/{self.pid}/root{path}")

    def put(self, path: str, text: str = "", *, mode: int = 0o600, owner: int = DEV) -> None:
        """Write a file."""
        self.path(path).write_text(text)
        os.chown(self.path(path), owner, owner)
        self.path(path).chmod(mode)

    def folder(self, path: str, *, mode: int = 0o700, owner: int = DEV) -> None:
        """Make a folder."""
        self.path(path).mkdir()
        os.chown(self.path(path), owner, owner)
        self.path(path).chmod(mode)

    def run(self, *argv: str, uid: int = DEV, folder: str = "/", within: float = 90, **environ: str) -> Done:
        """Run a program in it, as a user."""
        self._is_inside()
        who = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--root", f"--wdns={folder}"]
        done = subprocess.run(
            [*enter, *who, *argv],
            env={"PATH": "/opt/bin:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def type(self, command: str, uid: int = DEV, folder: str = "/", **environ: str) -> Done:
        """Run what somebody pastes into their shell."""
        return self.run("sh", "-c", command, uid=uid, folder=folder, **environ)

    def mount(self, *words: str) -> None:
        """Mount something in it."""
        done = self.run("mount", *words, uid=0)
        assert done.code == 0, done.text

    def found(self) -> Mapping[str, Found]:
        """Return all that is other than on the machine below, by path."""
        found: dict[str, Found] = {}
        for folder, folders, files in os.walk(self.upper):
            for name in (*folders, *files):
                path = Path(folder) / name
                if path.relative_to(self.upper).parts[:1] == ("tmp",):
                    continue  # podman makes folders there to say its version
                status = path.lstat()
                content = ""
                if stat.S_ISREG(status.st_mode):
                    content = hashlib.sha256(path.read_bytes()).hexdigest()
                elif stat.S_ISLNK(status.st_mode):
                    content = str(path.readlink())
                key = "/" + str(path.relative_to(self.upper))
                found[key] = (status.st_mode, status.st_uid, status.st_gid, content)
        return found

    @contextmanager
    def changes(self) -> Iterator[set[str]]:
        """Give a set that holds, once the block has ended, the paths of all that it has changed."""
        before, changed = self.found(), set[str]()
        yield changed
        after = self.found()
        changed |= {path for path in {*before, *after} if before.get(path) != after.get(path)}


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    """Make the machine: the users dev, other and root, `sudo`, and ecr-refreshd on PATH."""
    with tempfile.TemporaryDirectory() as base:
        # A group of its own, so that all of it ends with it.
        holder = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", _MAKE.format(base=shlex.quote(base))],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert holder.stdout is not None
            pid = int(holder.stdout.readline())  # written by the process that is inside already
            made = Sandbox(pid, Path(f"/proc/{holder.pid}/root{base}/up"))
            _furnish(made)
            yield made
        finally:
            os.killpg(holder.pid, signal.SIGKILL)
            holder.wait()
            assert holder.stdout is not None
            holder.stdout.close()


def _furnish(made: Sandbox) -> None:
    for name, lines in (
        ("passwd", USERS),
        ("group", tuple(":".join([u.split(":")[0], "x", u.split(":")[2], ""]) for u in USERS)),
    ):
        file = made.path(f"/etc/{name}")
        file.write_text("\n".join([file.read_text().rstrip("\n"), *lines, ""]))
    for owner, home in ((DEV, "/home/dev"), (OTHER, "/home/other")):
        made.folder(home, owner=owner, mode=0o755)
    shutil.copy("/usr/bin/setpriv", made.path("/usr/local/lib/become"))
    made.path("/usr/local/lib/become").chmod(0o4755)
    made.put("/usr/local/bin/sudo", _SUDO, mode=0o755, owner=0)
    made.folder("/opt/bin", owner=0, mode=0o755)
    scripts = Path(sys.executable).parent
    for name in ("ecr-refreshd", "docker-credential-ecr-refreshd"):
        made.path(f"/opt/bin/{name}").symlink_to(scripts / name)
    # The tests may lie where only root gets to.
    for folder in {*Path(sys.executable).parents, *Path(sys.executable).resolve().parents}:
        inside = made.path(str(folder))
        if inside.is_dir() or inside.is_file():
            inside.chmod(stat.S_IMODE(inside.stat().st_mode) | 0o055)
