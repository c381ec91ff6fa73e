"""How an explanation looks, for people and for scripts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ecr_refreshd.cli.table import Look
from ecr_refreshd.cli.words import until
from ecr_refreshd.core.clients.families import Family
from ecr_refreshd.core.clients.judging import Judged, Known, Works, judged, overall, remedy
from ecr_refreshd.core.clients.world import Finding, Outcome, World
from ecr_refreshd.core.times import timestamp

_WIDTH = 100
_COLOURS = {"yes": "\x1b[32m", "no": "\x1b[31m", "unknown": "\x1b[33m"}
_WORDS: dict[Works, str] = {"yes": "works", "no": "does not work", "unknown": "cannot be told"}


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
    remedy: str

    @property
    def counts(self) -> bool:
        """Whether it decides the exit code."""
        return self.installed is True


def weighed(
    family: Family, world: World, host: str, known: Known, now: datetime, *, installed: bool | None
) -> Weighed:
    """Let a family decide, and judge what it found."""
    finding = family.decide(world, host)
    each = judged(finding, host, known, now)
    return Weighed(family, installed, finding, each, overall(each), remedy(finding, each, host, known))


def as_json(host: str, weights: Sequence[Weighed]) -> dict[str, Any]:
    """Return the document for scripts; `docs` say what its keys mean."""
    return {"schema": 1, "host": host, "clients": [_row(each) for each in weights]}


def as_text(host: str, weights: Sequence[Weighed], now: datetime, look: Look) -> str:
    """Return the page for people; families that decide alike stand together, those that are there first."""
    blocks: list[list[Weighed]] = []
    for each in sorted(weights, key=lambda one: {True: 0, None: 1, False: 2}[one.installed]):
        for block in blocks:
            if _alike(block[0]) == _alike(each):
                block.append(each)
                break
        else:
            blocks.append([each])
    page = _Page(now, look)
    return "\n\n".join(
        ["\n".join([host, *page.summary(weights)]), *("\n".join(page.block(b)) for b in blocks)]
    )


def _alike(each: Weighed) -> tuple[Any, ...]:
    return (each.installed, each.finding, each.remedy)


def _row(each: Weighed) -> dict[str, Any]:
    source = each.finding.source
    return {
        "client": each.family.key,
        "name": each.family.name,
        "installed": each.installed,
        "works": each.works,
        "decided_by": {"place": source.place, "key": source.key, "program": source.program},
        "looked_at": [{"place": step.place, "found": step.found} for step in each.finding.steps],
        "outcomes": [
            _outcome_row(outcome, one)
            for outcome, one in zip(each.finding.outcomes, each.judged, strict=True)
        ],
        "notes": list(each.finding.notes),
        "remedy": each.remedy,
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


class _Page:
    """The blocks of a page."""

    def __init__(self, now: datetime, look: Look) -> None:
        self._now = now
        self._look = look
        self._width = min(look.width or _WIDTH, _WIDTH)

    def summary(self, weights: Sequence[Weighed]) -> Iterator[str]:
        """Yield one line for each verdict, of the clients that are here or may be."""
        for works, word in _WORDS.items():
            names = [
                each.family.name for each in weights if each.works == works and each.installed is not False
            ]
            if names:
                yield from self._field(self._paint(word, works), "; ".join(names))

    def block(self, block: Sequence[Weighed]) -> Iterator[str]:
        first = block[0]
        names = "; ".join(each.family.name for each in block)
        absent = {True: "", None: "", False: " (not found on PATH)"}[first.installed]
        yield from self._wrapped(f"{names}{absent}", "")
        word = self._paint(_WORDS[first.works], first.works)
        for outcome, one in zip(first.finding.outcomes, first.judged, strict=True):
            yield from self._field(word, _told(outcome, one, self._now, self._look))
            word = "or"
        if not first.finding.outcomes:
            yield f"  {word}"
        yield from self._field("decided by", _decided(first))
        if first.installed is False:
            return  # whoever gets it will ask again
        for step in first.finding.steps:
            yield from self._field("looked at", f"{step.place}: {step.found}")
        for note in first.finding.notes:
            yield from self._field("note", note)
        if first.remedy:
            sentence, *pasted = first.remedy.splitlines()
            yield from self._field("do", sentence)
            yield from (f"      {line}" for line in pasted)  # a wrapped line could not be pasted

    def _field(self, name: str, text: str) -> list[str]:
        return self._wrapped(f"{name}: {text}", "  ")

    def _wrapped(self, text: str, indent: str) -> list[str]:
        return textwrap.wrap(
            text,
            self._width,
            initial_indent=indent,
            subsequent_indent=indent + "    ",
            break_long_words=False,
            break_on_hyphens=False,
        )

    def _paint(self, text: str, works: Works) -> str:
        return f"{_COLOURS[works]}{text}\x1b[0m" if self._look.colour else text


def _decided(each: Weighed) -> str:
    source = each.finding.source
    parts = [part for part in (source.program, source.key, source.place) if part]
    return ", ".join(parts) or "nothing"


def _told(outcome: Outcome, one: Judged, now: datetime, look: Look) -> str:
    sent = outcome.credential
    if sent is None or not sent.fingerprint:
        return one.why
    end = f" until {until(one.expires_at, now, look.zone)}" if one.expires_at and one.works == "yes" else ""
    return f"{one.why}{end} ({one.whose} {sent.fingerprint})"
