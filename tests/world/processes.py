"""Programs of others that the world starts: each ends with us, by its own pid, even when we are killed."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self


class Program:
    """A running program; a context manager. What it prints goes to `log`.

    Args:
        command: its argv. It gets SIGTERM from the kernel if the starting thread dies first (util-linux's
            setpriv): a killed test run leaves no daemon behind.
        log: the file for stdout and stderr.
        env: its whole environment.
    """

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
            )
        self.pid = self._process.pid
        # Until setpriv has become the program, our death would go unnoticed.
        self.wait_until(lambda: _becomes(self.pid) != "setpriv", command[0], timeout=10)

    def wait_until(self, ready: Callable[[], bool], what: str, timeout: float = 30.0) -> None:
        """Wait for `ready`; RuntimeError with the end of the log if the program ends or time runs out."""
        deadline = time.monotonic() + timeout
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{what}: not ready in {timeout} s; its log ends:\n{self.tail()}")
            time.sleep(0.01)

    def tail(self) -> str:
        """The last 2,000 characters of its log."""
        return self.log.read_text(errors="replace")[-2000:]

    def close(self, grace: float = 20.0) -> None:
        """SIGTERM, then after `grace` seconds SIGKILL; returns when it is gone."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def children(parent: int) -> dict[int, str]:
    """Return the children of a process with their arguments, by pid; "" for one that has ended.

    Read from ``/proc``, since a bare Debian has no ``ps``; by ``ps`` where there is no ``/proc``.
    """
    if not Path("/proc/self/stat").exists():
        command = ["ps", "-ww", "-A", "-o", "pid=,ppid=,args="]
        rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        parted = (row.split(maxsplit=2) for row in rows)
        return {int(row[0]): row[2] for row in parted if len(row) == 3 and int(row[1]) == parent}
    found: dict[int, str] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with suppress(OSError):  # it has ended meanwhile
            # The name may hold blanks and parentheses; what follows the last one does not.
            if int((process / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                arguments = (process / "cmdline").read_bytes().split(b"\0")
                found[int(process.name)] = b" ".join(arguments).decode(errors="replace").strip()
    return found


def _becomes(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return ""  # it has ended: whoever waits for it finds out why
