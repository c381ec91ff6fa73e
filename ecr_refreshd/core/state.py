"""What the loop knows, as frozen values; `Plan` is what it wants.

A phase is derived for display and never stored, so it cannot be wrong for longer than the facts are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ecr_refreshd.core.model import ABSENT, ChosenBy, Entry, Failure, Grant, Instant, Standing, Token, View
from ecr_refreshd.core.settings import Renew


@dataclass(frozen=True, slots=True)
class Registry:
    """A host to be kept fresh, and how.

    Attributes:
        grant: the call that serves it; None while it is `blocked` for want of a principal.
        origin: ``config`` or ``adopted``.
        account: twelve digits, None for the public registry and for aliases outside AWS names.
        replace_foreign: a credential that somebody else wrote is overwritten at once.
    """

    host: str
    origin: str
    grant: Grant | None
    chosen_by: ChosenBy
    standing: Standing
    region: str
    account: str | None = None
    renew: Renew = field(default_factory=Renew)
    replace_foreign: bool = False
    blocked: Failure | None = None


@dataclass(frozen=True, slots=True)
class FilePlan:
    """A file to keep.

    Attributes:
        role: ``named`` files carry every host; so does the ``default`` one; ``also`` files (podman's) carry only
            hosts that stand in them already, unless no docker config exists: creating one would hide the
            logins of an auth.json from crane and ko.
    """

    path: str
    role: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted: made from the configuration, the AWS files and the adopted hosts."""

    registries: Mapping[str, Registry] = field(default_factory=dict)
    files: tuple[FilePlan, ...] = ()
    seed: str = ""
    startup_splay: timedelta = timedelta(0)

    def by_grant(self) -> dict[str, list[Registry]]:
        """Return the registries that each grant serves, by the grant's key."""
        served: dict[str, list[Registry]] = {}
        for registry in self.registries.values():
            if registry.grant is not None:
                served.setdefault(registry.grant.key, []).append(registry)
        return served


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """What is known of one grant. Pauses are kept in the clock that cannot be set.

    Attributes:
        past: fingerprints of its earlier tokens, newest first: an entry that goes back to one of them is ours.
        serial: number of the newest fetch; `fetching` is when that one began, None when none is under way.
        tries: failures in a row; `retry_at` None after a failure means: wait for an event.
        asked: somebody wants a new token now.
        changed: the AWS files changed while a fetch was running, so its refusal may be stale.
        nudges: retries that changed files have caused in a row, `nudged_at` the newest.
    """

    token: Token | None = None
    past: tuple[str, ...] = ()
    serial: int = 0
    fetching: timedelta | None = None
    tries: int = 0
    failure: Failure | None = None
    retry_at: timedelta | None = None
    asked: bool = False
    changed: bool = False
    nudges: int = 0
    nudged_at: timedelta | None = None


@dataclass(frozen=True, slots=True)
class HostFacts:
    """How one host stands in one file.

    Attributes:
        held: our current token has been seen here, so whatever else is seen next was done by somebody.
        spoiled: somebody did, and it is not put back yet.
        wrote_at: suspend-counting time of our newest write here.
        undone: how often in a row our write was undone within moments.
        not_before: while contested, the next write waits until then.
        foreign: fingerprint of a foreign credential, first seen at `foreign_since`, by both clocks.
        overrule: overwrite whatever stands here, because a person said so.
    """

    held: bool = False
    spoiled: bool = False
    wrote_at: timedelta | None = None
    undone: int = 0
    not_before: timedelta | None = None
    foreign: str = ""
    foreign_since: Instant | None = None
    overrule: bool = False


@dataclass(frozen=True, slots=True)
class SinkFacts:
    """What is known of one file.

    Attributes:
        view: the newest look at it, None before the first and while it does not parse.
        writing: serial of the write under way, 0 for none; `writing_hosts` are what it carries.
        state, failure: why it could not be read or written, the last time that was tried.
    """

    view: View | None = None
    hosts: Mapping[str, HostFacts] = field(default_factory=dict)
    writing: int = 0
    writing_since: timedelta | None = None
    writing_hosts: frozenset[str] = frozenset()
    state: str = ""
    failure: Failure | None = None
    tries: int = 0
    not_before: timedelta | None = None

    @property
    def looked(self) -> bool:
        """Return whether a first look has come back, with whatever result."""
        return self.view is not None or self.failure is not None

    def entry(self, host: str) -> Entry:
        """Return what was last seen under a host."""
        return ABSENT if self.view is None else self.view.entries.get(host, ABSENT)

    def host(self, host: str) -> HostFacts:
        """Return how a host stands here."""
        return self.hosts.get(host, HostFacts())


@dataclass(frozen=True, slots=True)
class State:
    """Everything the loop knows.

    Attributes:
        started: suspend-counting time when this run began.
        heals: per host, how often an entry was put back.
        writes: serial of the newest write.
        gather_until: fresh tokens wait this long for those that were asked for with them.
        wake_at: the next moment (UTC) at which something becomes due by itself.
    """

    started: timedelta
    grants: Mapping[str, GrantFacts] = field(default_factory=dict)
    sinks: Mapping[str, SinkFacts] = field(default_factory=dict)
    heals: Mapping[str, int] = field(default_factory=dict)
    writes: int = 0
    gather_until: timedelta | None = None
    wake_at: datetime | None = None

    def grant(self, key: str) -> GrantFacts:
        """Return what is known of a grant."""
        return self.grants.get(key, GrantFacts())

    def sink(self, path: str) -> SinkFacts:
        """Return what is known of a file."""
        return self.sinks.get(path, SinkFacts())
