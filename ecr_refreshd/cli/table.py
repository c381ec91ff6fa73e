"""The status document as text for people: what needs a person first, then the service, then each registry.

A table where the terminal is wide enough, else a block per registry. Pure: the same document, time and look
give the same text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from ecr_refreshd.cli.principals import fitting_text, reason_text
from ecr_refreshd.cli.words import moment, read_time, span, until

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
    "login-required": "sign-in needed",
    "failed": "no registry has a valid token",
}
_HEADER = ("REGISTRY", "PHASE", "TOKEN", "NEXT", "PRINCIPAL")


_WAYS = {("helper", "written"): "by our credential helper", ("store", "written"): "in the credential store"}
"""What is said instead of "written" where a token does not stand in the file itself."""


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
    text = "\n".join([*(page.service() if about_service else ()), *page.registries()])
    return text if look.unicode else text.encode("ascii", "replace").decode()


def printable(value: Any) -> Any:
    """Return a value whose texts cannot move the cursor: a message may quote what AWS or a file said."""
    if isinstance(value, str):
        return "".join(char if char.isprintable() else " " for char in value)
    if isinstance(value, Mapping):
        return {key: printable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [printable(each) for each in value]
    return value


def _is_unread(file: Row) -> bool:
    return bool(file.get("state"))


def paused_words(row: Row, now: datetime, zone: tzinfo) -> str:
    """Return what a paused registry's pause means, and how it ends."""
    command = f"`ecr-refreshd resume {row.get('host', '')}`"
    if row.get("paused_by") == "logout":
        return f"logged out, and left so (heal.on_logout): no renewal, no heal until {command}"
    end = read_time(row.get("paused_until"))
    if end is None:
        return f"no renewal, no heal, no removal until {command}"
    if end <= now:
        return f"its pause ended {moment(end, now)}; the next service to run serves it again"
    return f"no renewal, no heal, no removal until {until(end, now, zone)}; {command} ends it"


class _Page:
    """One document, being laid out."""

    def __init__(self, document: Mapping[str, Any], now: datetime, look: Look) -> None:
        self._document = document
        self._now = now
        self._look = look
        self._width = None if look.width is None else max(look.width, 20)
        self._arrow = "→" if look.unicode else "->"

    def service(self) -> Iterator[str]:
        for notice in self._document.get("notices", ()):
            yield from self._notice(notice)
        yield from self._service()
        yield ""

    def registries(self) -> Iterator[str]:
        registries = self._document.get("registries", [])
        if not registries and self._document.get("pid") is None:
            yield from self._wrapped(
                "No service has kept a registry here so far. What keeps one from it: ecr-refreshd doctor"
            )
            return
        if not registries and self._document.get("overall") == "starting":
            return
        if not registries and self._document.get("ignored"):
            yield from self._unread(())
            yield from self._wrapped(f"Nothing is kept: {self._document.get('summary')}.")
            return
        if not registries:
            yield from self._unread(())
            yield from self._wrapped(
                "No registries: the config names none, and no ECR host stands in the docker and podman files"
                f"{' that can be read' if any(map(_is_unread, self._listed())) else ''}. "
                "To find some: ecr-refreshd init --scan DIR"
            )
            return
        yield from self._registries(registries)
        yield ""
        yield from self._files(registries)

    def _notice(self, notice: Row) -> Iterator[str]:
        mark = "▲" if self._look.unicode else "!"
        yield from self._wrapped(f"{mark} {notice.get('title', '')}", style="title")
        if notice.get("body"):
            yield from self._wrapped(notice["body"], indent=2)
        if notice.get("command"):
            yield from self._wrapped(f"{self._arrow} {notice['command']}", indent=2, style="strong")
        for problem in notice.get("problems", ()):
            yield from self._wrapped(f"You could not be told otherwise: {problem}", indent=2, style="faint")
        yield ""

    def _service(self) -> Iterator[str]:
        pid = self._document.get("pid")
        if pid is None:
            yield from self._wrapped(
                "No service is running; this is what it last remembered. Start it with: ecr-refreshd run",
                style="title",
            )
        else:
            started = read_time(self._document.get("started_at"))
            since = f", up {span(self._now - started)}" if started else ""
            overall = self._document.get("overall", "")
            told = _OVERALL.get(overall, overall)
            summary = self._document.get("summary", "")
            noted = any(file.get("notes") for file in self._listed())
            if overall == "ok" and (self._document.get("degraded") or noted):
                told += ", see below" if self._document.get("degraded") else ", see the files below"
            told = summary if overall == "starting" else f"{told}: {summary}" if summary else told
            yield from self._wrapped(
                f"ecr-refreshd {self._document.get('version')}, pid {pid}{since}: {told}"
            )
        for complaint in self._document.get("degraded", ()):
            yield from self._wrapped(f"! {complaint['message']}", style="bad")
            if complaint.get("command"):
                yield from self._wrapped(f"{self._arrow} {complaint['command']}", indent=2, style="strong")

    def _registries(self, registries: Sequence[Row]) -> Iterator[str]:
        cells = [self._cells(row) for row in registries]
        widths = [max(map(len, column)) for column in zip(_HEADER, *cells, strict=True)]
        if self._width is None or sum(widths) + 2 * (len(widths) - 1) > self._width:
            yield from self._blocks(registries, cells)
            return
        yield self._paint("  ".join(map(str.ljust, _HEADER, widths)).rstrip(), "faint")
        for row, texts in zip(registries, cells, strict=True):
            padded = list(map(str.ljust, texts, widths))
            padded[1] = self._paint(padded[1], texts[1])
            yield "  ".join(padded).rstrip()
            yield from self._details(row)

    def _blocks(self, registries: Sequence[Row], cells: Sequence[Sequence[str]]) -> Iterator[str]:
        for row, (host, phase, token, upcoming, principal) in zip(registries, cells, strict=True):
            yield from self._wrapped(host, style="strong")
            yield from self._wrapped(phase, indent=2, style=phase)
            then = "" if upcoming == "-" else f", next renewal {upcoming}"
            yield from self._wrapped(f"token: {token}{then}", indent=2)
            yield from self._wrapped(f"principal: {principal}", indent=2)
            yield from self._details(row)

    def _cells(self, row: Row) -> tuple[str, str, str, str, str]:
        return (
            row.get("host", ""),
            row.get("phase", ""),
            self._token(row),
            self._upcoming(row),
            self._principal(row),
        )

    def _token(self, row: Row) -> str:
        expires = read_time(row.get("works_until" if row.get("phase") == "unwritten" else "expires_at"))
        if expires is None:
            return "not written" if row.get("phase") == "unwritten" else "none"
        if expires <= self._now:
            return f"ended {moment(expires, self._now)}"
        return f"{span(expires - self._now)} left"

    def _upcoming(self, row: Row) -> str:
        at = read_time(row.get("next_renewal_at"))
        if row.get("phase") == "login-required":
            return (
                "at sign-in"  # another try by time may come before, and is not what anybody should wait for
            )
        if at is None or row.get("phase") == "paused":
            return "-"
        return moment(max(at, self._now), self._now)

    def _principal(self, row: Row) -> str:
        principal = row.get("principal")
        if not principal:
            told = "none"
        else:
            told = principal.get("profile") or "the ambient chain"
            role = principal.get("role_arn")
            if role:
                told += f" {self._arrow} {role.rsplit(':role/', 1)[-1]}"
            why = reason_text(row)
            told += f" ({why})" if why else ""
        return f"{told}, adopted" if row.get("origin") == "adopted" else told

    def _details(self, row: Row) -> Iterator[str]:
        if fitting := fitting_text(row):
            yield from self._wrapped(fitting, indent=2)
        paused = row.get("phase") == "paused"
        if paused:
            yield from self._wrapped(paused_words(row, self._now, self._look.zone), indent=2)
        error = None if paused else row.get("last_error")
        if error:
            at = read_time(error.get("at"))
            when = f" ({moment(at, self._now)})" if at else ""
            yield from self._wrapped(f"{error.get('message', '')}{when}", indent=2, style="bad")
            if error.get("hint"):
                yield from self._wrapped(f"{self._arrow} {error['hint']}", indent=2, style="strong")
        for sink in row.get("sinks", ()):
            detail = sink.get("detail", "")
            if sink.get("state") not in {"written", "paused"} or detail:
                told = f"{sink.get('path')}: {sink.get('state')}"
                end = read_time(sink.get("kept_until"))
                told += f", kept until {until(end, self._now, self._look.zone)}" if end else ""
                yield from self._wrapped(f"{told}: {detail}" if detail else told, indent=2)
                if sink.get("hint") and not (sink.get("state") == "foreign" and sink.get("works", True)):
                    yield from self._wrapped(f"{self._arrow} {sink['hint']}", indent=2, style="strong")
        yield from self._probe(row.get("probe"))
        heals = row.get("heals", 0)
        if heals:
            yield from self._wrapped(f"put back {heals} {'time' if heals == 1 else 'times'}", indent=2)

    def _probe(self, probe: Row | None) -> Iterator[str]:
        answer = (probe or {}).get("answer")
        at = read_time((probe or {}).get("at"))
        when = f" ({moment(at, self._now)})" if at else ""
        if answer == "accepted":
            yield from self._wrapped(f"the registry itself accepts the token{when}", indent=2, style="faint")
        elif answer == "refused":
            told = f"the registry refuses the token{when}: {(probe or {}).get('detail', '')}"
            yield from self._wrapped(told, indent=2, style="bad")

    def _files(self, registries: Sequence[Row]) -> Iterator[str]:
        counts: dict[str, dict[str, int]] = {}
        for row in registries:
            for sink in row.get("sinks", ()):
                # Our helper has a file for each host; three hundred of them are one folder to a person.
                states = counts.setdefault(str(sink.get("path", "")).removesuffix(f"/{row.get('host')}"), {})
                told = _WAYS.get((str(sink.get("kind")), str(sink.get("state"))), str(sink.get("state", "")))
                states[told] = states.get(told, 0) + 1
        notes = {file.get("path"): file.get("notes", ()) for file in self._listed()}
        if not counts:
            yield "No file carries a token."
        for path, states in counts.items():
            told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            yield from self._wrapped(f"{path}: {told}")
            for note in notes.get(path, ()):
                yield from self._wrapped(note, indent=2)
        yield from self._unread(counts)

    def _listed(self) -> Sequence[Row]:
        """Return the files of which there is something to be said."""
        files: Sequence[Row] = self._document.get("files", ())
        return files

    def _unread(self, told: Container[str]) -> Iterator[str]:
        """Tell which files could not be looked at, as far as no registry has told it."""
        for file in filter(_is_unread, self._listed()):
            if file.get("path") not in told:
                text = f"{file.get('path')}: {file.get('state')}: {file.get('detail')}"
                yield from self._wrapped(text, style="bad")
                if file.get("hint"):
                    yield from self._wrapped(f"{self._arrow} {file['hint']}", indent=2, style="strong")

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
