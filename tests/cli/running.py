"""The program in a process and a home of its own, with somebody behind the control socket or nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecr_refreshd.host.control import Server

PROGRAM = (sys.executable, "-m", "ecr_refreshd")
Answer = Callable[[dict[str, Any]], dict[str, Any]]


class House:
    """A home: `asked` are the questions that `answering` got."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[dict[str, Any]] = []
        for name in ("config/ecr-refreshd", "state/ecr-refreshd", "run", ".aws"):
            (folder / name).mkdir(mode=0o700, parents=True)
        self.state = folder / "state/ecr-refreshd/state.json"
        self.socket = folder / "run/ecr-refreshd/sock"

    def environment(self, **more: str) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
        return {
            **kept,
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "ECR_REFRESHD_STATE_DIR": str(self.state.parent),
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONWARNINGS": "error",
            **more,
        }

    def write_config(self, text: str) -> None:
        path = self.folder / "config/ecr-refreshd/config.toml"
        path.write_text(text)
        path.chmod(0o600)

    def run(self, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            env=self.environment(**more),
            check=False,
            timeout=60,
        )

    def start(self, *argv: str, **more: Any) -> subprocess.Popen[bytes]:
        environ = self.environment(**more.pop("environ", {}))
        return subprocess.Popen([*PROGRAM, *argv], env=environ, **more)

    @contextmanager
    def answering(self, answer: Answer | dict[str, Any]) -> Iterator[None]:
        """Have a service that gives this answer."""

        def told(request: dict[str, Any]) -> dict[str, Any]:
            self.asked.append(request)
            return answer(request) if callable(answer) else answer

        server = Server(self.socket, told)
        server.start()
        try:
            yield
        finally:
            server.stop()
