"""A terminal for a command to draw on: a pseudo-terminal, and what a person would see on it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from typing import Self

from tests.cli.running import House

_SEQUENCE = re.compile(r"\x1b\[(?P<mark>\??)(?P<numbers>[0-9;]*)(?P<final>[A-Za-z])")


class Screen:
    """What is seen: lines that have scrolled away, and `rows` lines below them. Knows what a picture needs.

    An unknown escape sequence (the alternate screen, say) is an error.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.rows = rows
        self.lines = [""]
        self.row = self.column = 0
        self.wraps = True
        self.raw = ""
        self._rest = ""

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip()

    def resize(self, columns: int, rows: int) -> None:
        """Break the lines anew, as most terminals do."""
        self.columns, self.rows = columns, rows
        broken: list[str] = []
        for line in self.lines:
            broken.extend([line[at : at + columns] for at in range(0, len(line), columns)] or [""])
        self.lines, self.row, self.column = broken, len(broken) - 1, 0

    def feed(self, text: str) -> None:
        self.raw += text
        text = self._rest + text
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self._put(text[at])
                at += 1
                continue
            found = _SEQUENCE.match(text, at)
            if found is None:
                break
            self._obey(found["mark"], found["numbers"], found["final"])
            at = found.end()
        self._rest = text[at:]

    def _put(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row += 1
            if self.row == len(self.lines):
                self.lines.append("")
        else:
            if self.column == self.columns:
                if self.wraps:
                    self._put("\n")
                    self.column = 0
                else:
                    self.column -= 1
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + char + line[self.column + 1 :]
            self.column += 1

    def _obey(self, mark: str, numbers: str, final: str) -> None:
        match mark, final:
            case "", "m":
                pass
            case "", "A":
                top = max(0, len(self.lines) - self.rows)
                self.row = max(top, self.row - int(numbers or 1))
            case "", "K":
                self.lines[self.row] = self.lines[self.row][: self.column]
            case "", "J":
                self.lines[self.row] = self.lines[self.row][: self.column]
                del self.lines[self.row + 1 :]
            case "?", "h" | "l" if numbers == "7":
                self.wraps = final == "h"
            case _:
                raise AssertionError(f"unknown sequence {mark}{numbers}{final}")


class Terminal:
    """A command on a terminal; use as a context."""

    def __init__(self, house: House, *argv: str, columns: int = 120, rows: int = 40, **environ: str) -> None:
        self.screen = Screen(columns, rows)
        self._ours, theirs = pty.openpty()
        self._size(columns, rows)
        self.process: subprocess.Popen[bytes] = house.start(
            *argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            environ={"TERM": "xterm", **environ},
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(columns, rows)
        self._size(columns, rows)

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def until(self, true: Callable[[Screen], bool], seconds: float = 20.0) -> None:
        """Look on until something is seen; half a picture does not count."""
        end = time.monotonic() + seconds
        while True:
            while self._look(0.1):
                pass
            if true(self.screen):
                return
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"not seen within {seconds:.0f} s, but:\n{self.screen.text}")

    def ended(self) -> int:
        """Look on until the command has ended; returns its exit code."""
        while self._look(20.0):
            pass
        return self.process.wait(20)

    def _look(self, seconds: float) -> bool:
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        try:
            told = os.read(self._ours, 65536)
        except OSError:  # Linux says EIO when the last writer has gone
            return False
        self.screen.feed(told.decode(errors="replace"))
        return bool(told)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)
