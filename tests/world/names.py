"""Lends the world's host names to this machine: a marked line in /etc/hosts, and trust in /etc/docker/certs.d.

The lender is a process of its own that gives everything back as soon as its stdin ends: when the test run closes
it, and as well when the run is killed. One run at a time holds the loan (a lock); whoever holds it first removes
what a machine's crash may have left. /etc/hosts is written in place: in containers it is a mount of its own.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

HOSTS = Path("etc/hosts")
TRUST = Path("etc/docker/certs.d")
LOCK = Path("run/lock/ecr-refreshd-world.lock")
MARK = "# lent to the tests of ecr-refreshd"
SIGN = "lent-to-the-tests-of-ecr-refreshd"


class Loan:
    """The names are ours from construction to `close`; a context manager.

    Args:
        names: host names that shall mean 127.0.0.1.
        certificate: PEM file that docker, podman and skopeo shall trust for them.
        timeout: seconds to wait for another run's loan to end; TimeoutError after them.
        root: where ``etc`` and ``run`` are. The machine's own are root's business.
    """

    def __init__(
        self, names: Sequence[str], certificate: Path, *, timeout: float = 60.0, root: Path = Path("/")
    ) -> None:
        self._lender = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), str(root), str(certificate), *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # an interrupt at the terminal is for the run; the lender sees its end
        )
        said = ""
        try:
            assert self._lender.stdin is not None
            assert self._lender.stdout is not None
            self._lender.stdin.write(f"{timeout}\n")
            self._lender.stdin.flush()
            said = self._lender.stdout.readline().strip()
        finally:
            if said != "lent":
                self.close()
        if said != "lent":
            raise TimeoutError(said or "the names could not be lent; see above")

    def close(self) -> None:
        """Give the names back, and wait until they are."""
        for pipe in (self._lender.stdin, self._lender.stdout):
            if pipe is not None:
                pipe.close()
        self._lender.wait(120)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def lend(root: Path, names: Sequence[str], certificate: bytes) -> None:
    """Write the line and the trust; FileExistsError where somebody else's trust for a name stands."""
    for name in names:
        folder = root / TRUST / name
        folder.mkdir(parents=True)
        (folder / SIGN).touch()
        (folder / "ca.crt").write_bytes(certificate)
    text = (root / HOSTS).read_text()
    line = f"127.0.0.1 {' '.join(names)} {MARK}\n"
    _write(root / HOSTS, text + ("" if text.endswith("\n") else "\n") + line)


def take_back(root: Path) -> None:
    """Remove every marked line and every signed folder, whoever lent them."""
    text = (root / HOSTS).read_text()
    kept = "".join(line for line in text.splitlines(keepends=True) if MARK not in line)
    if kept != text:
        _write(root / HOSTS, kept)
    trust = root / TRUST
    for sign in trust.glob(f"*/{SIGN}"):
        shutil.rmtree(sign.parent)
    if trust.is_dir() and not any(trust.iterdir()):
        trust.rmdir()


def _write(path: Path, text: str) -> None:
    file = os.open(path, os.O_WRONLY)
    try:
        content = text.encode()
        os.pwrite(file, content, 0)  # first the new bytes, then the end: no reader sees an empty file
        os.ftruncate(file, len(content))
    finally:
        os.close(file)


def _lock(path: Path, timeout: float) -> None:
    """Take the lock for as long as this process lives; BlockingIOError when `timeout` seconds did not do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + timeout
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def main(root: str, certificate: str, *names: str) -> int:
    """Lend until stdin ends. The first line of stdin is the time to wait for the lock, in seconds."""
    timeout = float(sys.stdin.readline() or 0)
    try:
        _lock(Path(root) / LOCK, timeout)
    except BlockingIOError:
        print(f"another test run has held {Path(root) / LOCK} for {timeout} s", flush=True)
        return 1
    take_back(Path(root))
    try:
        lend(Path(root), names, Path(certificate).read_bytes())
        print("lent", flush=True)
        sys.stdin.read()
    finally:
        take_back(Path(root))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
