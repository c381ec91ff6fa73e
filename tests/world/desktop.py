"""A desktop of one's own: a virtual screen, a session bus and a real notification server on it (dunst).

Everything runs on sockets of this test's folder; nothing of the machine's own desktop, if it has one, is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRAMS = ("Xvfb", "dbus-daemon", "dunst", "dunstctl", "import")
PACKAGES = "xvfb dbus dunst imagemagick"

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>{services}
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>
"""


def missing() -> str:
    """Return which program is not installed, "" if none is missing."""
    return next((name for name in PROGRAMS if shutil.which(name) is None), "")


class Bus:
    """A session bus; a context manager. `services` is a folder of D-Bus service files, "" for none."""

    def __init__(self, folder: Path, services: str = "") -> None:
        self._folder = folder
        self._services = f"<servicedir>{services}</servicedir>" if services else ""
        self._started: list[subprocess.Popen[bytes]] = []
        self.address = f"unix:path={folder}/bus"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(folder),
            "DBUS_SESSION_BUS_ADDRESS": self.address,
        }

    def __enter__(self) -> Self:
        config = self._folder / "bus.conf"
        config.write_text(_BUS.format(socket=self._folder / "bus", services=self._services))
        self.start("dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile")
        until((self._folder / "bus").exists, "the bus listens")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._started):
            process.terminate()
            process.wait(20)

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a program of this desktop."""
        process = subprocess.Popen(
            argv,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._started.append(process)
        return process


class Desktop(Bus):
    """A bus with a screen and dunst on it."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.environment["DISPLAY"] = self._screen()
        rules = self._folder / "dunstrc"
        rules.write_text("[global]\nwidth = 500\nheight = 300\norigin = top-right\nfont = Monospace 10\n")
        self.start("dunst", "-conf", str(rules))
        until(lambda: self.dunst("count").returncode == 0, "dunst answers")
        return self

    def _screen(self) -> str:
        """Start a virtual screen on a free number."""
        reading, writing = os.pipe()
        process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", "800x400x24", "-nolisten", "tcp"],
            env=self.environment,
            pass_fds=(writing,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._started.append(process)
        os.close(writing)
        with os.fdopen(reading) as said:
            return f":{said.readline().strip()}"

    def dunst(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run dunstctl."""
        return subprocess.run(
            ["dunstctl", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    def displayed(self) -> int:
        """Return how many notices are on the screen."""
        return int(self.dunst("count", "displayed").stdout or 0)

    def history(self) -> list[dict[str, Any]]:
        """Return the notices that were on it and are not any more."""
        rows = json.loads(self.dunst("history").stdout)["data"][0]
        return [{name: value["data"] for name, value in row.items()} for row in rows]

    def picture(self, path: Path) -> bytes:
        """Take a picture of the screen; return its pixels."""
        subprocess.run(["import", "-window", "root", str(path)], env=self.environment, check=True, timeout=20)
        pixels = subprocess.run(["convert", str(path), "gray:-"], capture_output=True, check=True, timeout=20)
        return pixels.stdout


def until(true: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    for _ in range(400):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError(f"never so: {what}")
