"""What `doctor` finds: one thing that is wrong, why it matters, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    ERROR = "error"
    """Some client gets no login now, or something cannot be served."""
    WARNING = "warning"
    """It works now, and will not for long, or not safely."""
    INFO = "info"
    """Good to know; nothing has to be done."""


@dataclass(frozen=True, slots=True)
class Mend:
    """A safe way to mend a finding without a person.

    Attributes:
        does: what it does, as a sentence after the fact ("its mode is 0600 now").
        do: does it; raises OSError or RefreshdError where that fails.
    """

    does: str
    do: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        key: short and stable, such as ``entry.undecodable``; for scripts.
        severity: how bad it is.
        subject: the file, host, program or variable it is about; with `key` it names the finding.
        what: what was found, one or two sentences. Never holds a secret.
        why: why it matters.
        how: what to run or to edit; done literally, the finding is gone. Lines after the first are to be pasted.
        mend: for ``--fix``; None where a person should decide.
        hosts, files: the registries that get no login by it, and the files in which it lies; where both are
            named, those registries in those files; where neither is, it keeps nobody from a login.
    """

    key: str
    severity: Severity
    subject: str
    what: str
    why: str
    how: str
    mend: Mend | None = field(default=None, compare=False)
    hosts: frozenset[str] = field(default=frozenset(), compare=False)
    files: frozenset[str] = field(default=frozenset(), compare=False)

    def explains(self, host: str, file: str) -> bool:
        """Return whether it is why a client that looks into a file gets no login for a registry."""
        if not (self.hosts or self.files):
            return False
        return (not self.hosts or host in self.hosts) and (not self.files or file in self.files)


_ORDER = list(Severity)
_EXIT_CODES = {Severity.ERROR: 1, Severity.WARNING: 4, Severity.INFO: 0}


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, each once, worst first; those equally bad as they were found."""
    return sorted(dict.fromkeys(findings), key=lambda each: _ORDER.index(each.severity))


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 1 if there is an error, 4 if there is a warning, 0 otherwise."""
    codes = {_EXIT_CODES[each.severity] for each in findings}
    return 1 if 1 in codes else max(codes, default=0)


def as_row(finding: Finding) -> dict[str, Any]:
    """Return a finding for scripts."""
    return {
        "key": finding.key,
        "severity": str(finding.severity),
        "subject": finding.subject,
        "what": finding.what,
        "why": finding.why,
        "how": finding.how,
        "fixable": finding.mend is not None,
    }
