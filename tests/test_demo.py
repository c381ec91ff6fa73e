"""`make demo` shows what the product does: its steps stay on the screen, and each showed what it says."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.world.demo import Page


def test_the_demo_shows_six_steps_and_clears_nothing() -> None:
    """Refused, renewed, restored, bridged, signed in again: only the newest line is redrawn on a terminal."""
    command = [sys.executable, "-m", "tests.world.demo"]
    environment = {**os.environ, "PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as demo:
        os.close(theirs)
        shown = bytearray()
        with suppress(OSError):  # EIO: the last process has closed it
            while data := os.read(ours, 65536):
                shown += data
        os.close(ours)
    text = shown.decode()
    assert demo.returncode == 0, text
    assert re.findall(r"\[(\d)/6\]", text) == list("123456")
    assert text.count("\x1b[32m✓\x1b[0m") == 6
    assert "403 Forbidden" in text
    assert "→ aws sso login --sso-session corp" in text
    assert "ecr-refreshd run" in text.split("Next")[1]
    assert set(re.findall(r"\x1b\[[0-9;]*[A-Za-z]", text)) <= {"\x1b[K", "\x1b[1m", "\x1b[32m", "\x1b[0m"}
    assert text.count("\r\x1b[K") > 5, "a live line"


def test_the_demo_is_plain_text_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    page = Page(1)
    page.step("Pull")
    page.live("pulls: 1 ok")
    page.done("refused", good=False)
    assert not page.good
    assert capsys.readouterr().out in {"\n[1/1] Pull\n  ✗   refused\n", "\n[1/1] Pull\n  FAILED   refused\n"}
