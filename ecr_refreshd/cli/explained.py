"""How an explanation looks, for people and for scripts: docker's verdict first, then the other clients."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from ecr_refreshd.cli.table import Look
from ecr_refreshd.cli.words import advice_lines, counted, moment, until
from ecr_refreshd.core.clients.families import Family
from ecr_refreshd.core.clients.judging import Judged, Known, Works, judged, overall, remedy
from ecr_refreshd.core.clients.world import Finding, Outcome, World
from ecr_refreshd.core.remedies import NO_REMEDY, Remedy
from ecr_refreshd.core.times import timestamp

_WIDTH = 100
_COLOURS = {"yes": "\x1b[32m", "no": "\x1b[31m", "unknown": "\x1b[33m"}
_WRITERS = {
    "ours": "written by ecr-refreshd",
    "ours, but older": "written by ecr-refreshd, and replaced since",
    "foreign": "written by another program",
    "": "of another kind",
}
_WORDS: dict[Works, str] = {"yes": "works", "no": "fails", "unknown": "unknown"}


@dataclass(frozen=True, slots=True)
class Weighed:
    """A family, with what it finds and what that comes to.

    Attributes:
        installed: None if that cannot be told, as of a library.
    """

    family: Family
    installed: bool | None
    finding: Finding
    judged: tuple[Judged, ...]
    works: Works
    remedy: Remedy


def weighed(
    family: Family, world: World, host: str, known: Known, now: datetime, *, installed: bool | None
) -> Weighed:
    """Let a family decide, and judge what it found."""
    finding = family.decide(world, host)
    each = judged(finding, host, known, now)
    program = finding.source.program
    there = bool(program) and world.which(program)
    helps = remedy(finding, each, host, known, is_on_path=there)
    return Weighed(family, installed, finding, each, overall(each), helps)


def verdict_text(each: Weighed, now: datetime, zone: tzinfo) -> str:
    """Return one line on a client: ``works until 09:18 (in 9 h)``, ``fails: token expired 20 h ago``."""
    word = _WORDS[each.works]
    relevant = [one for one in each.judged if one.works == each.works]
    if not relevant:
        return f"{word}: what decides cannot be read from here"
    first = relevant[0]
    if each.works == "yes":
        if first.expires_at is None:
            return f"{word} {first.why}"
        return f"{word} until {until(min(one.expires_at or first.expires_at for one in relevant), now, zone)}"
    if first.expires_at is not None:
        return f"{word}: {first.why} {moment(first.expires_at, now)}"
    return f"{word}: {first.why}"


def as_json(host: str, weights: Sequence[Weighed], now: datetime, zone: tzinfo) -> dict[str, Any]:
    """Return the document for scripts."""
    return {"schema": 1, "host": host, "clients": [_row(each, now, zone) for each in weights]}


def _row(each: Weighed, now: datetime, zone: tzinfo) -> dict[str, Any]:
    source = each.finding.source
    return {
        "client": each.family.key,
        "name": each.family.name,
        "installed": each.installed,
        "works": each.works,
        "verdict": verdict_text(each, now, zone),
        "decided_by": {"place": source.place, "key": source.key, "program": source.program},
        "looked_at": [{"place": step.place, "found": step.found} for step in each.finding.steps],
        "outcomes": [
            _outcome_row(outcome, one)
            for outcome, one in zip(each.finding.outcomes, each.judged, strict=True)
        ],
        "notes": list(each.finding.notes),
        "remedy": each.remedy.page,
        "command": each.remedy.command,
    }


def _outcome_row(outcome: Outcome, one: Judged) -> dict[str, Any]:
    sent = outcome.credential
    return {
        "sends": sends(outcome),
        "user": sent.user if sent else "",
        "fingerprint": sent.fingerprint if sent else "",
        "whose": one.whose,
        "expires_at": timestamp(one.expires_at),
        "works": one.works,
        "why": one.why,
        "error": outcome.error,
    }


def sends(outcome: Outcome) -> str:
    """Return what kind of credential leaves a client."""
    sent = outcome.credential
    if outcome.error:
        return "error"
    if sent is None:
        return "nothing"
    return "registry-token" if sent.bearer else "identity-token" if sent.identity else "login"


def as_text(
    host: str, weights: Sequence[Weighed], now: datetime, look: Look, *, everything: bool = False
) -> str:
    """Return the page for people.

    Docker's pull comes first with one line of verdict and all that decides it; then the other clients that are
    on PATH, those that decide alike together; the rest only with `everything`.
    """
    page = _Page(now, look)
    docker, *others = weights
    here = [each for each in others if each.installed]
    rest = [each for each in others if not each.installed]
    parts = [[host], page.first(docker)]
    parts.extend(page.block(block, docker, everything=everything) for block in _alike(here))
    if everything:
        parts.extend(page.block(block, docker, everything=True) for block in _alike(rest))
    elif rest:
        parts.append([f"{counted(len(rest), 'more client', 'more clients')} with --all"])
    return "\n\n".join("\n".join(part) for part in parts)


def _alike(weights: Sequence[Weighed]) -> list[list[Weighed]]:
    """Return the clients that decide alike together, in their order."""
    blocks: dict[tuple[Any, ...], list[Weighed]] = {}
    for each in weights:
        alike = (each.installed, each.finding.source, each.finding.outcomes, each.finding.notes, each.remedy)
        blocks.setdefault(alike, []).append(each)
    return list(blocks.values())


class _Page:
    """The parts of a page, each a list of lines."""

    def __init__(self, now: datetime, look: Look) -> None:
        self._now = now
        self._look = look
        self._width = min(look.width or _WIDTH, _WIDTH)
        self._arrow = "→" if look.unicode else "->"

    def first(self, docker: Weighed) -> list[str]:
        """Return docker's verdict in one line, with the command that helps, and what decides it."""
        verdict = verdict_text(docker, self._now, self._look.zone)
        line = f"docker pull: {self._painted(verdict, docker.works)}"
        absent = " (docker is not on PATH)" if docker.installed is False else ""
        fix, below = "", self._advice(docker.remedy)
        if docker.remedy.command and "\n" not in docker.remedy.command and not docker.remedy.words:
            # In the line itself: it is never broken, so that it can be pasted.
            fix, below = f". Fix: {docker.remedy.command}", []
        details = [*self._decided(docker), *self._steps(docker), *self._notes(docker)]
        return [f"{line}{absent}{fix}", *below, *details]

    def block(self, block: Sequence[Weighed], docker: Weighed, *, everything: bool) -> list[str]:
        """Return clients that decide alike."""
        first = block[0]
        absent = " (not on PATH)" if first.installed is False else ""
        names = ", ".join(each.family.name for each in block)
        verdict = self._painted(verdict_text(first, self._now, self._look.zone), first.works)
        lines = [*self._wrapped(f"{names}{absent}: {verdict}", ""), *self._decided(first)]
        if everything:
            lines.extend(self._steps(first))
        lines.extend(self._notes(first))
        if first.remedy != docker.remedy:  # else it is said above, once
            lines.extend(self._advice(first.remedy))
        return lines

    def _advice(self, helps: Remedy) -> list[str]:
        if helps == NO_REMEDY:
            return []
        words, *lines = helps.words.split("\n")
        shown = [*self._wrapped(words, "  ")] if (words and helps.command) or lines else []
        if lines:
            shown.extend(f"      {line}" for line in lines)  # a wrapped line could not be pasted
        elif not helps.command:
            return self._wrapped(f"{self._arrow} {words}", "  ")
        for command in helps.command.split("\n") if helps.command else ():
            shown.extend(f"  {line}" for line in advice_lines(command, command, self._arrow))
        return shown

    def _decided(self, each: Weighed) -> list[str]:
        source = each.finding.source
        parts = [part for part in (source.program, source.key, source.place) if part]
        lines = self._wrapped(f"decided by: {', '.join(parts) or 'nothing'}", "  ")
        for outcome, one in zip(each.finding.outcomes, each.judged, strict=True):
            if outcome.credential is not None and outcome.credential.fingerprint:
                token = f"token: {outcome.credential.fingerprint}, {_WRITERS[one.whose]}"
                lines.extend(self._wrapped(token, "  "))
        return lines

    def _steps(self, each: Weighed) -> Iterator[str]:
        for step in each.finding.steps:
            yield from self._wrapped(f"checked: {step.place}: {step.found}", "  ")

    def _notes(self, each: Weighed) -> Iterator[str]:
        for note in each.finding.notes:
            yield from self._wrapped(f"note: {note}", "  ")

    def _wrapped(self, text: str, indent: str) -> list[str]:
        return textwrap.wrap(
            text,
            self._width,
            initial_indent=indent,
            subsequent_indent=f"{indent}    ",
            break_long_words=False,
            break_on_hyphens=False,
        )

    def _painted(self, text: str, works: Works) -> str:
        return f"{_COLOURS[works]}{text}\x1b[0m" if self._look.colour else text
