"""Programs of others that the world starts: each ends with us, by its own pid, even when we are killed."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
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


def _becomes(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return ""  # it has ended: whoever waits for it finds out why
