"""How findings look, for people and for scripts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from ecr_refreshd.cli.doctor.finding import Finding, Severity, as_row, in_order
from ecr_refreshd.cli.table import Look

_WIDTH = 100
_COLOURS = {Severity.ERROR: "\x1b[31m", Severity.WARNING: "\x1b[33m", Severity.INFO: "\x1b[36m"}


def as_json(findings: Sequence[Finding], checked: Sequence[str], mended: Sequence[str]) -> dict[str, Any]:
    """Return the document for scripts."""
    ordered = in_order(findings)
    return {
        "schema": 1,
        "worst": str(ordered[0].severity) if ordered else None,
        "findings": [as_row(each) for each in ordered],
        "mended": list(mended),
        "checked": list(checked),
    }


def as_text(findings: Sequence[Finding], checked: Sequence[str], mended: Sequence[str], look: Look) -> str:
    """Return the page for people, worst first, with what was looked at in its last line."""
    blocks = [f"fixed: {text}" for text in mended]
    blocks += ["\n".join(_block(each, look)) for each in in_order(findings)]
    return "\n\n".join([*blocks, _summary(findings, checked, look)])


def _block(finding: Finding, look: Look) -> Iterator[str]:
    word = str(finding.severity)
    if look.colour:
        word = f"{_COLOURS[finding.severity]}{word}\x1b[0m"
    yield from _wrapped(f"{word}: {finding.what} [{finding.key}]", "", look)
    yield from _wrapped(f"why: {finding.why}", "  ", look)
    how, *lines = finding.how.split("\n")
    yield from _wrapped(f"do: {how}", "  ", look)
    yield from (
        f"      {line}" for line in lines
    )  # to be pasted: TOML minds no indent, but a line that is wrapped


def _summary(findings: Sequence[Finding], checked: Sequence[str], look: Look) -> str:
    counts = [sum(each.severity is severity for each in findings) for severity in Severity]
    names = ("error", "warning", "remark")
    parts = [f"{n} {name}{'s' if n > 1 else ''}" for n, name in zip(counts, names, strict=True) if n]
    found = ", ".join(parts) if parts else "Nothing is wrong"
    fixable = sum(each.mend is not None for each in findings)
    lines = _wrapped(f"{found}. Looked at: {', '.join(checked)}.", "", look)
    if fixable:
        what = "one of these" if fixable == 1 else f"{fixable} of these"
        lines.append(f"`ecr-refreshd doctor --fix` fixes {what}.")
    return "\n".join(lines)


def _wrapped(text: str, indent: str, look: Look) -> list[str]:
    if look.width is None:
        return [indent + text]  # to a file or a pipe: commands stay in one piece
    return textwrap.wrap(
        text,
        max(40, min(look.width, _WIDTH)),
        initial_indent=indent,
        subsequent_indent=indent + "    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
