"""A real registry (docker-registry, distribution 2.8) on a free loopback port, with nobody at the door."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from tests.world.processes import Program

_LISTENING = re.compile(r"listening on (127\.0\.0\.1:[0-9]+)")


class Distribution(Program):
    """The running registry; a context manager. `url` is where it listens, over plain HTTP."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "registry.json"  # the program reads YAML, of which JSON is a part
        config.write_text(
            json.dumps(
                {
                    "version": "0.1",
                    "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}},
                    "http": {"addr": "127.0.0.1:0", "relativeurls": True},
                }
            )
        )
        env = {"PATH": os.environ.get("PATH", os.defpath), "OTEL_TRACES_EXPORTER": "none"}
        super().__init__(["docker-registry", "serve", str(config)], folder / "registry.log", env)
        try:
            self.wait_until(self._listens, "docker-registry")
        except RuntimeError:
            self.close()
            raise
        self.url = f"http://{_LISTENING.findall(self.log.read_text())[0]}"

    def _listens(self) -> bool:
        return _LISTENING.search(self.log.read_text(errors="replace")) is not None
