"""Notices on macOS: by terminal-notifier where it is installed, else by osascript. Never run on a Mac.

Without permission osascript exits 0 and shows nothing, so nothing here claims that a notice was seen.
"""

from __future__ import annotations

from ecr_refreshd.core.model import Notice
from ecr_refreshd.notify.programs import Programs

# The text comes by argv and is never part of the script.
_SCRIPT = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"


class Screen:
    """The desktop of macOS."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def place(self, _key: str) -> str:
        """Return "": terminal-notifier knows its notices by our key."""
        return ""

    def show(self, event: str, notice: Notice, _place: str) -> str:
        """Show a notice, or take it back; return why that did not go well."""
        if event == "withdrawn":
            # osascript cannot take anything back; without terminal-notifier the notice scrolls away by itself.
            self._programs.run(["terminal-notifier", "-remove", notice.key], "")
            return ""
        argv = ["terminal-notifier", "-title", notice.title, "-message", notice.body, "-group", notice.key]
        if not self._programs.run(argv, ""):
            return ""
        return self._programs.run(["osascript", "-e", _SCRIPT, notice.title, notice.body], "")
