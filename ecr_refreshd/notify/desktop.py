"""Notices on a Linux desktop, the service's side: a child speaks D-Bus, and lives while a button may be pressed.

The child keeps 11 MiB that an idle service must not (DESIGN 11), so it ends with the last button, or after half
an hour; a notice that still stands then stays, and its button works again after the next reminder.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ecr_refreshd.core.events import Event, SignInAsked
from ecr_refreshd.core.model import Notice
from ecr_refreshd.notify.programs import Programs, python

_ANSWERS_WITHIN = 10.0
"""Seconds, for a child that has 3 for each call on the bus."""
_GONE: dict[str, Any] = {"problem": "its notification service does not answer"}


class Desktop:
    """The notification server of this session. For one thread, except where a button is pressed."""

    def __init__(self, programs: Programs, environ: Mapping[str, str], post: Callable[[Event], None]) -> None:
        self._programs = programs
        self._environ = environ
        self._post = post
        self._places: dict[str, str] = {}
        self._child: _Child | None = None

    def place(self, key: str) -> str:
        """Return where a notice stands, "" if it does not: the bus, the server on it, and the server's number."""
        return self._places.get(key, "")

    def show(self, event: str, notice: Notice, place: str) -> str:
        """Show a notice, show it again, or take it back; return why that did not go well, "" if it did.

        `place` is where an earlier run has put it.
        """
        place = self._places.get(notice.key, place)
        if event == "withdrawn" and not place:
            return ""
        answer = self._answer(
            {
                "event": event,
                "key": notice.key,
                "title": notice.title,
                "body": notice.body,
                "button": notice.sign_in,
                "place": place,
            }
        )
        if event == "withdrawn":
            self._places.pop(notice.key, None)
        if "problem" in answer:
            return f"There is no desktop to show it on ({answer['problem']})."
        if event != "withdrawn":
            self._places[notice.key] = str(answer["place"])
        return ""

    def problem(self) -> str:
        """Return why no notice could be shown here, "" if one could; none is."""
        return str(self._answer({"event": "asked"}).get("problem", ""))

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if not _bus(self._environ):
            return {"problem": "no session bus"}
        answer = self._ask(request) if self._child is not None else _GONE
        if "problem" in answer and self._child is None:
            answer = self._started() or self._ask(request)
        return answer

    def _started(self) -> dict[str, Any]:
        """Start a child; return why that did not go well."""
        process = self._programs.start(python("ecr_refreshd.notify.desktop_child"), answers=True)
        if isinstance(process, str):
            return {"problem": process}
        self._child = _Child(process, self._programs, self._post)
        return {}

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the child's answer; a child that gives none, or is gone, is there no more."""
        child = self._child
        if child is None:
            return _GONE
        answer = _GONE
        if child.ask(request):
            with suppress(queue.Empty):
                answer = child.answers.get(timeout=_ANSWERS_WITHIN)
        if answer is _GONE:
            child.end()
            self._child = None
        return answer


class _Child:
    """A child, and the thread that hears it."""

    def __init__(
        self, process: subprocess.Popen[bytes], programs: Programs, post: Callable[[Event], None]
    ) -> None:
        self.answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._process = process
        self._programs = programs
        self._post = post
        threading.Thread(target=self._hear, name="notify child", daemon=True).start()

    def ask(self, request: dict[str, Any]) -> bool:
        """Send a request; False if the child is there no more."""
        if self._process.poll() is not None or self._process.stdin is None:
            return False
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def end(self) -> None:
        """End it."""
        self._process.kill()

    def _hear(self) -> None:
        stdout = self._process.stdout
        for line in stdout if stdout is not None else ():
            with suppress(ValueError):
                said = json.loads(line)
                if "pressed" in said:
                    self._post(SignInAsked(str(said["pressed"])))
                else:
                    self.answers.put(said)
        self.answers.put(_GONE)
        self._programs.end(self._process)


def _bus(environ: Mapping[str, str]) -> bool:
    """Return whether there may be a session bus; without one no child is started."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    there = bool(runtime) and Path(runtime, "bus").exists()
    return there or bool(environ.get("DBUS_SESSION_BUS_ADDRESS"))
