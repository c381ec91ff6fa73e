"""`status --watch`: stays, and shows every change; on a terminal in place, else a new block or line for each.

Rules: it looks once a second and sleeps in between; a service that ends, starts or hangs is one more thing to
show. The last picture stays when a person ends it. Nothing is hidden silently: what a short window has no room
for is counted.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ecr_refreshd.cli.show import look, showable
from ecr_refreshd.cli.table import render
from ecr_refreshd.cli.words import counted
from ecr_refreshd.core.times import timestamp
from ecr_refreshd.errors import ControlError
from ecr_refreshd.host import clock

_LOOK_AGAIN = timedelta(seconds=1)
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_NUMBER = re.compile(r"[0-9]+")
_CLEAR_LINE, _CLEAR_BELOW = "\x1b[K", "\x1b[J"
# Without wrapping, each line is one row of the screen whatever its characters' width. A command that is longer
# than the window wraps: cut, it could not be copied.
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"

Document = Mapping[str, Any]


def watch(ask: Callable[[], Document], remembered: Callable[[], Document], *, as_json: bool) -> Document:
    """Show the status document until a person ends it, and return the last one.

    Args:
        ask: gives the document; raises ControlError if a service runs and does not answer.
        remembered: gives what can be told without asking, for that case.
        as_json: one document on a line whenever something has changed, wherever stdout goes.
    """
    seen: Document = {}
    live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not as_json
    show = Picture().show if live else Changes(as_json=as_json).show
    try:
        while True:
            try:
                seen = ask()
            except ControlError as error:
                seen = _unanswered(seen or remembered(), error)
            show(seen, clock.now().wall)
            clock.pause(_LOOK_AGAIN)
    except KeyboardInterrupt:
        if live:
            print(_WRAP, end="", flush=True)
        return seen or remembered()


def _unanswered(before: Document, error: ControlError) -> Document:
    overall = "degraded" if before["overall"] in {"ok", "starting", "not-running"} else before["overall"]
    complaint = {"code": "service.unanswered", "message": error.message, "command": error.command}
    return {**before, "overall": overall, "degraded": [complaint]}


class Picture:
    """What stands on the terminal, to be drawn over."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._columns = 0

    def show(self, document: Document, now: datetime) -> None:
        """Draw a document where the one before stands, if that changes anything."""
        size = shutil.get_terminal_size()
        lines = fitted(showable(render(document, now, look())).split("\n"), size.lines - 1, size.columns)
        if (lines, size.columns) == (self._lines, self._columns):
            return
        up = min(self._rows(size.columns), size.lines - 1)
        start = f"\x1b[{up}A\r" if up else ""
        body = "".join(_drawn(line, size.columns) for line in lines)
        sys.stdout.write(f"{_NO_WRAP}{start}{body}{_CLEAR_BELOW}{_WRAP}")
        sys.stdout.flush()
        self._lines, self._columns = lines, size.columns

    def _rows(self, columns: int) -> int:
        """Return how many rows the last picture takes now: a window made narrower breaks its lines anew."""
        return sum(_rows_of(line, columns) for line in self._lines)


def _rows_of(line: str, columns: int) -> int:
    return max(1, -(-len(_STYLE.sub("", line)) // columns))


def _drawn(line: str, columns: int) -> str:
    if _rows_of(line, columns) == 1:
        return f"{line}{_CLEAR_LINE}\n"
    return f"{_WRAP}{line}{_CLEAR_LINE}{_NO_WRAP}\n"


def fitted(lines: list[str], rows: int, columns: int) -> list[str]:
    """Return the lines that so many rows have room for, the last of them counting those that had none."""
    rows = max(rows, 1)
    needs = [_rows_of(line, columns) for line in lines]
    if sum(needs) <= rows:
        return lines
    shown = 0
    while sum(needs[: shown + 1]) < rows:
        shown += 1
    hidden = counted(sum(needs[shown:]), "more line")
    return [*lines[:shown], f"... and {hidden}; a taller window shows them"]


class Changes:
    """What has been printed, one block or line below the other."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._last: object = None

    def show(self, document: Document, now: datetime) -> None:
        """Print a document if it says something else than the one before."""
        told = essence(document)
        if told == self._last:
            return
        if self._as_json:
            print(json.dumps(document), flush=True)
        else:
            between = "" if self._last is None else "\n"
            print(f"{between}{timestamp(now)}\n{showable(render(document, now, look()))}", flush=True)
        self._last = told


def essence(document: Document) -> Document:
    """Return a document without what changes by itself while nothing happens."""
    rows = [{**row, "next_renewal_at": None} for row in document["registries"]]
    degraded = [
        {**complaint, "message": _NUMBER.sub("#", complaint["message"])}
        for complaint in document.get("degraded", ())
    ]
    return {**document, "registries": rows, "degraded": degraded}
