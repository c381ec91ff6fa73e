"""Whether what stands under one of our hosts is to be written, kept for a while, or is as it should be.

The table is DESIGN 6's; a row that keeps something says until when.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from ecr_refreshd.core.model import Entry, EntryKind, Instant, Token
from ecr_refreshd.core.state import HostFacts, Registry

_EARLY = timedelta(hours=1)
"""A foreign credential is replaced this long before it ends, so that no pull meets its death."""
OTHER_LOGINS = frozenset({EntryKind.OTHER_USER, EntryKind.IDENTITY})
"""Credentials that ECR cannot accept."""
_REPLACED_ONCE_IN = timedelta(hours=24)
"""A login of another kind that comes back within this was meant by somebody, who is not fought (DESIGN 6)."""
_LONGEST = timedelta(hours=12)
"""No foreign credential is kept longer than an ECR token can live, whatever it says of itself."""


class Verdict(Enum):
    """What an entry asks of us."""

    RIGHT = auto()
    WRITE = auto()
    KEEP = auto()
    LEAVE = auto()


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and for `Verdict.KEEP` until when (UTC)."""

    verdict: Verdict
    until: datetime | None = None


def judge(
    entry: Entry,
    token: Token,
    facts: HostFacts,
    registry: Registry,
    now: Instant,
    *,
    ours: bool,
    replaced: datetime | None = None,
) -> Judgement:
    """Return what to do about an entry while we hold a living token for its host.

    Args:
        entry: what stands there.
        token: ours, alive.
        facts: how the host stands in this file.
        registry: whose entry it is.
        now: by both clocks.
        ours: it is a token that we wrote once.
        replaced: when a login of another kind was last replaced here (UTC).
    """
    if entry.kind is EntryKind.HELPER:
        return Judgement(Verdict.RIGHT)
    if entry.kind is EntryKind.TOKEN and entry.fingerprint == token.fingerprint:
        return Judgement(Verdict.WRITE if entry.untidy else Verdict.RIGHT)
    if facts.overrule:
        return Judgement(Verdict.WRITE)
    if entry.kind in OTHER_LOGINS:
        # A configured registry is ours to set right, once; an adopted one is not.
        again = (
            replaced is not None and now.wall - replaced < _REPLACED_ONCE_IN and facts.wrote_at is not None
        )
        return Judgement(Verdict.WRITE if registry.origin == "config" and not again else Verdict.LEAVE)
    if entry.kind is not EntryKind.TOKEN or ours or entry.expires_hint is None:
        return Judgement(Verdict.WRITE)
    if entry.expires_hint <= now.wall + _EARLY:
        return Judgement(Verdict.WRITE)  # before anything is taken from it: a hint may be the year 1
    seen = now
    if facts.foreign == entry.fingerprint and facts.foreign_since is not None:
        seen = facts.foreign_since
    end, since = entry.expires_hint - _EARLY, now.boot - seen.boot
    # Its end by either clock, as for our own tokens; how long it was kept, by the one that nobody sets.
    if registry.replace_foreign or now.wall >= end or since >= min(end - seen.wall, _LONGEST):
        return Judgement(Verdict.WRITE)
    return Judgement(Verdict.KEEP, min(end, now.wall + (_LONGEST - since)))
