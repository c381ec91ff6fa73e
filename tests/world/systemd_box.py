"""A real systemd with a real user manager, in namespaces of its own over a throw-away overlay of ``/``.

Needs root on Linux with systemd 252 installed. Nothing of the machine is moved: the box gets its own cgroup
first, its own mount, pid, ipc, uts and network namespaces, and vanishes with its pid 1.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

_OUTER = """
set -e
for c in systemd unified; do
    box=/sys/fs/cgroup/$c/box$$
    if [ -d /sys/fs/cgroup/$c ]; then mkdir -p $box; echo $$ > $box/cgroup.procs; fi
done
exec unshare -m -C -p -f -i -u -n bash -c "$INNER"
"""

_INNER = """
set -e
mount --make-rprivate /
mkdir -p $BOX/ov; mount -t tmpfs tmpfs $BOX/ov; cd $BOX/ov; mkdir upper work merged
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work merged; cd merged
for unit in docker.service docker.socket containerd.service docker-registry.service podman.service podman.socket \
        systemd-networkd.service systemd-resolved.service systemd-timesyncd.service getty@tty1.service; do
    ln -sf /dev/null etc/systemd/system/$unit
done
# Else systemd would empty the box's /tmp at boot, where the checkout under test may lie.
mkdir -p etc/tmpfiles.d; ln -sf /dev/null etc/tmpfiles.d/tmp.conf
mount -t proc proc proc; mount -t sysfs sysfs sys; mount -t tmpfs tmpfs run
mount -t devtmpfs devtmpfs dev
mount -t tmpfs cg sys/fs/cgroup; mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
mkdir -p old; pivot_root . old; umount -l /old
export container=nspawn
exec /lib/systemd/systemd --system --log-target=null systemd.unit=multi-user.target
"""


def missing() -> str:
    """Return what the box lacks here, "" if it can be had."""
    if os.geteuid() != 0:
        return "root is needed to boot a systemd of our own"
    if not Path("/lib/systemd/systemd").exists():
        return "the package systemd is not installed"
    if shutil.which("dbus-daemon") is None:
        return "the packages dbus and dbus-user-session are not installed"
    if not Path("/sys/fs/cgroup/systemd").exists():
        return "no cgroup hierarchy named systemd to boot in"
    return ""


class Box:
    """The machine in the box. `user` is a lingering user of it, whose home is writable and vanishes."""

    user = "dev"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._outer: subprocess.Popen[bytes] | None = None
        self.pid = 0

    def __enter__(self) -> Self:
        environ = {"BOX": str(self._folder), "INNER": _INNER, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        log = (self._folder / "boot.log").open("wb")
        self._outer = subprocess.Popen(
            ["bash", "-c", _OUTER], env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        log.close()
        try:
            self._wait_for_boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_for_boot(self) -> None:
        for _ in range(150):
            time.sleep(0.2)
            self.pid = self.pid or self._child()
            if self.pid and self.root("systemctl is-system-running", check=False).strip() in {
                "running",
                "degraded",
            }:
                break
        else:
            raise RuntimeError("systemd did not boot: " + (self._folder / "boot.log").read_text())
        self.root("ip link set lo up || true")
        self.root(f"useradd -m {self.user} && loginctl enable-linger {self.user}")
        for _ in range(100):
            if "running" in self.shell("systemctl --user is-system-running", check=False):
                return
            time.sleep(0.1)
        raise RuntimeError("the user manager did not start")

    def _child(self) -> int:
        assert self._outer is not None
        try:
            children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
            pid = int(children[0])
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, IndexError):
            return 0
        return pid if name == "systemd" else 0

    def root(self, command: str, *, check: bool = True) -> str:
        """Run a shell command as root inside; returns its output."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-a", "bash", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=90,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        text = done.stdout.decode(errors="replace")
        if check and done.returncode != 0:
            raise RuntimeError(f"{command!r} ended with {done.returncode}: {text}")
        return text

    def shell(self, command: str, *, check: bool = True) -> str:
        """Run a shell command as the user inside, as a login session with a user manager would."""
        script = f"cd; export XDG_RUNTIME_DIR=/run/user/$(id -u); {command}"
        quoted = "'" + script.replace("'", "'\\''") + "'"
        return self.root(
            f"runuser -u {self.user} -- env HOME=/home/{self.user} bash -c {quoted}", check=check
        )

    def __exit__(self, *exc: object) -> None:
        assert self._outer is not None
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        else:
            self._outer.kill()
        self._outer.wait(20)
        for hierarchy in ("systemd", "unified"):
            folder = Path(f"/sys/fs/cgroup/{hierarchy}/box{self._outer.pid}")
            for _ in range(50):
                if not folder.exists():
                    break
                for each in sorted(folder.rglob("*"), key=lambda p: -len(p.parts)):
                    if each.is_dir():
                        _remove(each)
                _remove(folder)
                time.sleep(0.1)


def _remove(folder: Path) -> None:
    with suppress(OSError):  # still has a dying process; tried again
        folder.rmdir()
