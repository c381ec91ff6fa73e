"""A real docker engine whose ECR is the fake one: dockerd, a real registry, ECR's face on port 443, names, trust.

Needs root, Debian's docker.io and docker-registry, openssl and a free 127.0.0.1:443; `missing` says what lacks.
One engine runs on a machine at a time. Everything started ends by its own pid, also when the test run is killed:
dockerd and the registry by a signal from the kernel, names and trust by their lender (see `names`).
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.world import image
from tests.world.certificates import self_signed
from tests.world.contents import REPOSITORIES, of_registry
from tests.world.distribution import Distribution
from tests.world.names import Loan
from tests.world.processes import Program
from tests.world.registry import EcrFace, Judge, tls_context

ACCOUNT, OTHER_ACCOUNT = "724013829182", "210987654321"
HOST = f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com"
PUBLIC_HOST = "public.ecr.aws"
IMAGE = f"{HOST}/node:18-slim"
PUBLIC_IMAGE = f"{PUBLIC_HOST}/docker/library/node:18-slim"
HOSTS = (
    HOST,
    f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com",
    f"{ACCOUNT}.dkr.ecr-fips.us-west-2.amazonaws.com",
    f"{ACCOUNT}.dkr-ecr.us-west-2.on.aws",
    f"{OTHER_ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com",
    PUBLIC_HOST,
)
ROOM = Path("/var/lib/ecr-refreshd-world")
SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
PROGRAMS = ("/usr/sbin/dockerd", "/usr/bin/docker", "/usr/bin/docker-registry", "/usr/bin/openssl")


def missing() -> str:
    """What this machine lacks for an engine, in words; empty for nothing."""
    if os.geteuid() != 0:
        return "a docker engine needs root"
    absent = [program for program in PROGRAMS if not Path(program).exists()]
    return f"not installed: {', '.join(absent)}" if absent else ""


class Engine:
    """The running engine and its registry; a context manager.

    Attributes:
        face: the registry's door: its log, its troubles.
        folder: the engine's own; everything in it goes at the end.
        bundle: PEM file with the system's authorities and ours, for ``SSL_CERT_FILE``.
        docker_host: for ``DOCKER_HOST``.
    """

    def __init__(self, aws: Judge, hosts: tuple[str, ...] = HOSTS) -> None:
        self._open = ExitStack()
        try:
            self._start(aws, hosts)
        except BaseException:
            self._open.close()
            raise

    def _start(self, aws: Judge, hosts: tuple[str, ...]) -> None:
        self.folder = ROOM / str(os.getpid())
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._open.callback(_sweep, self.folder)
        certificate, key = self_signed(self.folder / "tls", hosts)
        self._open.enter_context(Loan(hosts, certificate))
        for folder in ROOM.iterdir():
            if not Path(f"/proc/{folder.name}").exists():  # its test run was killed
                _end_leftover(folder)
                _sweep(folder)
        self.bundle = self.folder / "ca-bundle.pem"
        self.bundle.write_bytes(SYSTEM_BUNDLE.read_bytes() + certificate.read_bytes())
        registry = self._open.enter_context(Distribution(self.folder / "registry"))
        for repository in REPOSITORIES:
            image.upload(image.build(), registry.url, repository, "18-slim")
        self.face = self._open.enter_context(
            _on_port_443(aws, tls=tls_context(certificate, key), contents=of_registry(registry.url))
        )
        self._mirror_programs()
        self.docker_host = f"unix://{self.folder}/docker.sock"
        self._open.enter_context(self._dockerd())

    def _dockerd(self) -> Program:
        command = [
            "/usr/sbin/dockerd",
            "--data-root",
            f"{self.folder}/data",
            "--exec-root",
            f"{self.folder}/exec",
        ]
        command += ["-H", self.docker_host, "--pidfile", f"{self.folder}/docker.pid"]
        command += ["--bridge=none", "--iptables=false"]  # it shall pull, not run; and touch nobody's network
        env = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder),
            "SSL_CERT_FILE": str(self.bundle),
        }
        daemon = Program(command, self.folder / "dockerd.log", env)
        try:
            daemon.wait_until(lambda: self.docker("version").returncode == 0, "dockerd", timeout=60)
        except BaseException:
            daemon.close()
            raise
        return daemon

    def _mirror_programs(self) -> None:
        """Make a PATH without the credential helpers a package may have brought.

        A docker client with an empty config uses docker-credential-pass or -secretservice as soon as it finds
        one (golang-docker-credential-helpers installs both), and then fails for want of a store.
        """
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        for program in (*Path("/usr/sbin").iterdir(), *Path("/usr/bin").iterdir()):
            twin = self.bin / program.name
            if not program.name.startswith("docker-credential-") and not twin.is_symlink():
                twin.symlink_to(program)

    def environment(self, config: Path | None = None, *, path: str = "", **more: str) -> dict[str, str]:
        """The whole environment of a docker, skopeo or podman that uses this engine.

        Args:
            config: the folder of its config.json; default an empty one.
            path: folders to search before the system's programs (for credential helpers).
            more: further variables.
        """
        config = config or self.folder / "no-config"
        return {
            "HOME": str(self.folder),
            "PATH": f"{path}:{self.bin}" if path else str(self.bin),
            "DOCKER_HOST": self.docker_host,
            "DOCKER_CONFIG": str(config),
            "REGISTRY_AUTH_FILE": str(config / "config.json"),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            **more,
        }

    def docker(
        self, *arguments: str, config: Path | None = None, path: str = "", timeout: float = 60, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the engine's own client, Debian's docker 20.10, whose BuildKit needs no plugin."""
        return self.run("docker", *arguments, config=config, path=path, timeout=timeout, **env)

    def run(
        self, *command: str, config: Path | None = None, path: str = "", timeout: float = 60, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run any client in `environment`; stdout and stderr come back as text."""
        return subprocess.run(
            command,
            env=self.environment(config, path=path, **env),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def build(
        self, context: Path, *, buildkit: bool, config: Path | None = None, path: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Build a folder by the classic builder or by BuildKit."""
        variables = {"DOCKER_BUILDKIT": "1" if buildkit else "0"} | env
        flags = ["--progress=plain"] if buildkit else []
        return self.docker("build", *flags, str(context), config=config, path=path, timeout=120, **variables)

    def podman(
        self, *arguments: str, config: Path | None = None, path: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run podman with a storage of its own (vfs: no mounts to leave behind)."""
        storage = ["--root", f"{self.folder}/podman", "--runroot", f"{self.folder}/podman-run"]
        command = ["podman", *storage, "--storage-driver", "vfs", *arguments]
        return self.run(*command, config=config, path=path)

    def forget_images(self) -> None:
        """Remove all images and build cache, so that the next use must ask the registry."""
        for _ in range(5):  # an image goes only after those that were built on it
            listed = set(self.docker("image", "ls", "--all", "--quiet").stdout.split())
            if not listed:
                break
            self.docker("image", "rm", "--force", *listed)
        self.docker("builder", "prune", "--all", "--force")
        if (self.bin / "podman").exists():
            self.podman("image", "rm", "--all", "--force")

    def close(self) -> None:
        """End everything, in the opposite order of its start."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _on_port_443(aws: Judge, *, patience: float = 15.0, **how: object) -> EcrFace:
    """Open the face on port 443, waiting for one that is just ending; TimeoutError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return EcrFace(aws, port=443, **how)  # type: ignore[arg-type]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if time.monotonic() > deadline:
                raise TimeoutError("another program listens on 127.0.0.1:443") from error
            time.sleep(0.2)


def _end_leftover(folder: Path) -> None:
    """See a killed run's dockerd out: the kernel has told it to stop, which takes it a second."""
    pidfile = folder / "docker.pid"
    deadline = time.monotonic() + 15
    while pidfile.exists() and (pid := pidfile.read_text().strip()):
        command = Path(f"/proc/{pid}/cmdline")
        if not command.exists() or str(folder).encode() not in command.read_bytes():
            return
        if time.monotonic() > deadline:
            os.kill(int(pid), signal.SIGKILL)
            return
        time.sleep(0.1)


def _sweep(folder: Path) -> None:
    """Remove an engine's folder, with the mounts a killed one may have left, and the room if it was the last."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in sorted((each for each in mounts if each.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", point], check=False, timeout=20)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        ROOM.rmdir()
