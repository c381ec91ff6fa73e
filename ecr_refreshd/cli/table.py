"""The status document as text for people: what needs a person first, then a summary, then each registry.

A table where the terminal is wide enough, else a block per registry. Pure: the same document, time and look
give the same text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from ecr_refreshd.cli import rows
from ecr_refreshd.cli.principals import fitting_text
from ecr_refreshd.cli.rows import Rows
from ecr_refreshd.cli.words import advice_lines, counted, moment, read_time, span, until
from ecr_refreshd.core.remedies import ours

Row = Mapping[str, Any]

_STYLES = {
    "fresh": "32",
    "renewing": "36",
    "retrying": "33",
    "login-required": "1;35",
    "blocked": "31",
    "expired": "31",
    "unwritten": "31",
    "paused": "2",
    "title": "1;33",
    "strong": "1",
    "faint": "2",
    "bad": "31",
}
_OVERALL = {
    "ok": "ok",
    "degraded": "degraded",
    "login-required": "sign in",
    "failed": "failed, no registry has a valid token",
    "starting": "starting",
    "not-running": "no service is running",
}
_WRITTEN = {
    ("auths", "written"): "written",
    ("helper", "written"): "served by our credential helper",
    ("store", "written"): "in the credential store",
}
_STATES = {
    "foreign": "written by another program",
    "contested": "rewritten by another program again and again",
}
"""How the state of a file's entry is shown, where that is not its own name."""


class Look(NamedTuple):
    """What the place can show.

    Attributes:
        width: columns of the terminal; None when it is none: no table then, and no line is broken.
        colour: escape sequences are understood and wanted.
        unicode: more than ASCII can be shown.
        zone: in which the clock on the wall is read.
    """

    width: int | None = None
    colour: bool = False
    unicode: bool = True
    zone: tzinfo = UTC


def render(document: Mapping[str, Any], now: datetime, look: Look, *, about_service: bool = True) -> str:
    """Return the text for a status document, without a final newline.

    Without `about_service` only the registries and their files are told, for what one command did to them.
    """
    page = _Page(printable(document), now, look)
    lines = [*page.service(), *page.registries(), *page.process()] if about_service else [*page.registries()]
    text = "\n".join(lines)
    return text if look.unicode else text.encode("ascii", "replace").decode()


def printable(value: Any) -> Any:
    """Return a value whose texts cannot move the cursor: a message may quote what AWS or a file said."""
    if isinstance(value, str):
        return "".join(char if char.isprintable() else " " for char in value)
    if isinstance(value, Mapping):
        return {
            key: _command_lines(each) if key == "command" else printable(each) for key, each in value.items()
        }
    if isinstance(value, list):
        return [printable(each) for each in value]
    return value


def _command_lines(command: Any) -> Any:
    """Return a command that cannot move the cursor either: several commands stay several lines."""
    return "\n".join(map(printable, command.split("\n"))) if isinstance(command, str) else printable(command)


def _is_unread(file: Row) -> bool:
    return bool(file.get("state"))


def paused_words(row: Row, now: datetime, zone: tzinfo) -> str:
    """Return how long a registry is paused, and what that means."""
    if row.get("paused_by") == "logout":
        return "paused by a docker logout (heal.on_logout): not renewed, not restored"
    end = read_time(row.get("paused_until"))
    if end is None:
        return "paused: not renewed, not restored"
    if end <= now:
        return f"the pause ended {moment(end, now)}; the next service keeps it fresh again"
    return f"paused until {until(end, now, zone)}: not renewed, not restored"


class _Page:
    """One document, being laid out."""

    def __init__(self, document: Mapping[str, Any], now: datetime, look: Look) -> None:
        self._document = document
        self._now = now
        self._look = look
        self._width = None if look.width is None else max(look.width, 20)
        self._arrow = "→" if look.unicode else "->"
        self._rows = Rows(now, look.zone, self._arrow)

    def service(self) -> Iterator[str]:
        """Yield the notices, the summary and what is degraded."""
        for notice in self._document.get("notices", ()):
            yield from self._notice(notice)
        lines = [*self._summary()]
        for complaint in self._document.get("degraded", ()):
            lines.extend(self._complaint(complaint))
        yield from lines
        if lines:
            yield ""

    def registries(self) -> Iterator[str]:
        """Yield the registries and their files."""
        registries = self._document.get("registries", [])
        if registries:
            yield from self._registries(registries)
            yield ""
            yield from self._files(registries)
        elif self._document.get("overall") != "starting" and self._document.get("pid") is not None:
            yield from self._unread(())
            yield from self._nothing_kept()
        else:
            yield from self._unread(())

    def _nothing_kept(self) -> Iterator[str]:
        if self._document.get("ignored"):
            yield from self._wrapped(f"No registry is kept: {self._document.get('summary')}.")
            return
        unread = " that can be read" if any(map(_is_unread, self._listed())) else ""
        yield from self._wrapped(
            f"No registry is kept: none in the settings, and none in docker's and podman's files{unread}."
        )
        scan = ours.SCAN
        yield from self._advice(f"To find some: {scan}", scan)

    def _notice(self, notice: Row) -> Iterator[str]:
        mark = "▲" if self._look.unicode else "!"
        yield from self._wrapped(f"{mark} {notice.get('title', '')}", style="title")
        if notice.get("command"):
            yield from self._command(notice["command"])
        if notice.get("body"):
            yield from self._wrapped(notice["body"], indent=2)
        for problem in notice.get("problems", ()):
            yield from self._wrapped(f"Notification not delivered: {problem}", indent=2, style="faint")
        yield ""

    def _summary(self) -> Iterator[str]:
        registries = self._document.get("registries", ())
        overall = self._document.get("overall", "")
        if self._document.get("pid") is None:
            if not registries and not self._listed():
                yield from self._wrapped("No service has run yet.", style="title")
            else:
                yield from self._wrapped(
                    "No service is running; this is what the last one remembered.", style="title"
                )
            yield from self._command(ours.RUN)
            return
        if not registries and overall == "ok":
            return  # said where the registries would be
        told = str(_OVERALL.get(overall, overall))
        if registries:
            told += f": {self._document.get('summary') or rows.summary(registries)}"
            at = rows.next_renewal(registries)
            told += f"; next renewal {until(max(at, self._now), self._now, self._look.zone)}" if at else ""
        elif overall == "starting":
            told += ": reading docker's and podman's files"
        else:
            told += ": no registry is kept"
        yield from self._wrapped(told, style="strong" if overall == "ok" else "title")

    def _complaint(self, complaint: Row | str) -> Iterator[str]:
        if isinstance(complaint, str):
            yield from self._wrapped(f"! {complaint}", style="bad")
            return
        yield from self._wrapped(f"! {complaint.get('message', '')}", style="bad")
        if complaint.get("command"):
            yield from self._command(complaint["command"])

    def process(self) -> Iterator[str]:
        """Yield which service says all this."""
        pid, started = self._document.get("pid"), read_time(self._document.get("started_at"))
        if pid is not None:
            since = f", up {span(self._now - started)}" if started else ""
            text = f"ecr-refreshd {self._document.get('version')}, pid {pid}{since}"
            yield from self._wrapped(text, style="faint")

    def _registries(self, registries: Sequence[Row]) -> Iterator[str]:
        table = None if self._width is None else self._rows.table(registries, self._width)
        if table is None:
            ordered = registries if self._width is None else rows.most_urgent_first(registries)
            for row in ordered:
                yield from self._block(row)
            return
        yield self._paint(table.header, "faint")
        for position, (row, cells) in enumerate(table.lines):
            padded = [*cells]
            padded[1] = self._paint(padded[1], str(row.get("phase")))
            yield "  ".join(padded).rstrip()
            details = [*self._details(row)]
            after = table.lines[position + 1][0] if position + 1 < len(table.lines) else None
            # What several rows in a row have in common is said once, below the last of them.
            if after is None or details != [*self._details(after)]:
                yield from details
        for text in table.below:
            yield from self._wrapped(text, style="faint")

    def _block(self, row: Row) -> Iterator[str]:
        yield from self._wrapped(str(row.get("host", "")), style="strong")
        yield from self._wrapped(rows.label(row), indent=2, style=str(row.get("phase")))
        renewal = self._rows.renewal(row)
        then = "" if renewal == "-" else f", next renewal {renewal}"
        yield from self._wrapped(f"token: {self._rows.token(row)}{then}", indent=2)
        origin = rows.origin(row)
        why = f", {origin}" if origin and row.get("origin") != "config" else ""
        yield from self._wrapped(f"profile: {self._rows.profile(row)}{why}", indent=2)
        yield from self._details(row)

    def _details(self, row: Row) -> Iterator[str]:
        if fitting := fitting_text(row):
            yield from self._wrapped(fitting, indent=2)
        if row.get("phase") == "paused":
            yield from self._wrapped(paused_words(row, self._now, self._look.zone), indent=2)
            yield from self._command(f"ecr-refreshd resume {row.get('host', '')}")
        elif error := row.get("last_error"):
            at = read_time(error.get("at"))
            when = f" ({moment(at, self._now)})" if at else ""
            yield from self._wrapped(f"{error.get('message', '')}{when}", indent=2, style="bad")
            yield from self._advice(error.get("hint", ""), error.get("command"))
        for sink in row.get("sinks", ()):
            if sink.get("state") not in {"written", "paused"} or sink.get("detail"):
                yield from self._sink(sink)
        yield from self._probe(row.get("probe"))
        heals = row.get("heals", 0)
        if heals:
            yield from self._wrapped(f"restored {counted(heals, 'time')}", indent=2)

    def _sink(self, sink: Row) -> Iterator[str]:
        hint, path = sink.get("hint", ""), str(sink.get("path", ""))
        detail = str(sink.get("detail", "")).removesuffix(hint).strip()
        told = f"{path}: {_STATES.get(str(sink.get('state')), sink.get('state'))}"
        end = read_time(sink.get("kept_until"))
        told += f", left until {until(end, self._now, self._look.zone)}" if end else ""
        if detail.startswith(path) and path:
            told = detail  # it names the file itself
        elif detail.startswith(told.removeprefix(f"{path}: ")):
            told = f"{path}: {detail}"  # the state in its own words, with or without more
        elif detail:
            told += f": {detail}"
        yield from self._wrapped(told, indent=2)
        if sink.get("state") != "foreign" or not sink.get("works", True):
            yield from self._advice(hint, sink.get("command"))

    def _probe(self, probe: Row | None) -> Iterator[str]:
        answer = (probe or {}).get("answer")
        at = read_time((probe or {}).get("at"))
        when = f" ({moment(at, self._now)})" if at else ""
        if answer == "accepted":
            yield from self._wrapped(f"the registry accepts the token{when}", indent=2, style="faint")
        elif answer == "refused":
            told = f"the registry refuses the token{when}: {(probe or {}).get('detail', '')}"
            yield from self._wrapped(told, indent=2, style="bad")

    def _files(self, registries: Sequence[Row]) -> Iterator[str]:
        counts: dict[str, dict[str, int]] = {}
        for row in registries:
            for sink in row.get("sinks", ()):
                # Our helper has a file for each host; three hundred of them are one folder to a person.
                states = counts.setdefault(str(sink.get("path", "")).removesuffix(f"/{row.get('host')}"), {})
                kind, state = str(sink.get("kind")), str(sink.get("state", ""))
                told = _WRITTEN.get((kind, state)) or _STATES.get(state, state)
                states[told] = states.get(told, 0) + 1
        notes = {file.get("path"): file.get("notes", ()) for file in self._listed()}
        if not counts:
            yield "No file has a token."
        for path, states in counts.items():
            told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            total = counted(sum(states.values()), "login")
            yield from self._wrapped(
                f"{path}: {total} {next(iter(states))}" if len(states) == 1 else f"{path}: {total}, {told}"
            )
            for note in notes.get(path, ()):
                yield from self._wrapped(note, indent=2)
        yield from self._unread(counts)

    def _listed(self) -> Sequence[Row]:
        """Return the files of which there is something to be said."""
        files: Sequence[Row] = self._document.get("files", ())
        return files

    def _unread(self, told: Container[str]) -> Iterator[str]:
        """Tell which files could not be read, as far as no registry has told it."""
        for file in filter(_is_unread, self._listed()):
            if file.get("path") not in told:
                path, detail = str(file.get("path")), str(file.get("detail", ""))
                text = detail if detail.startswith(path) else f"{path}: {file.get('state')}: {detail}"
                yield from self._wrapped(text, style="bad")
                if file.get("command"):
                    yield from self._command(file["command"])

    def _advice(self, hint: str, command: str | None, indent: int = 2) -> Iterator[str]:
        commands = [*self._command(command, indent)] if command else []
        lines = advice_lines(hint, command, self._arrow)
        for line in lines[: len(lines) - len(commands)]:
            yield from self._wrapped(line, indent=indent, style="" if command else "strong")
        yield from commands

    def _command(self, command: str, indent: int = 2) -> Iterator[str]:
        """Yield a command's lines: never broken, so that they can be pasted from any width."""
        for line in command.split("\n"):
            yield self._paint(f"{' ' * indent}{self._arrow} {line}", "strong")

    def _wrapped(self, text: str, *, indent: int = 0, style: str = "") -> list[str]:
        if self._width is None:
            return [self._paint(" " * indent + text, style)]
        first = " " * indent
        lines = textwrap.wrap(
            text,
            self._width,
            initial_indent=first,
            subsequent_indent=first + "  ",
            break_on_hyphens=False,
        )
        return [self._paint(line, style) for line in lines] or [""]

    def _paint(self, text: str, style: str) -> str:
        code = _STYLES.get(style)
        return f"\x1b[{code}m{text}\x1b[0m" if code and self._look.colour else text
