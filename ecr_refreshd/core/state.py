"""What the loop knows, as frozen values; `Plan` is what it wants.

A phase is derived for display and never stored, so it cannot be wrong for longer than the facts are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from ecr_refreshd.core.model import (
    ABSENT,
    Choice,
    ChosenBy,
    Entry,
    Failure,
    Grant,
    Instant,
    Login,
    Notice,
    Owed,
    Standing,
    Token,
    View,
)
from ecr_refreshd.core.settings import Aws, Renew


@dataclass(frozen=True, slots=True)
class Candidate:
    """A principal that could serve a registry, and the call that it would make."""

    choice: Choice
    grant: Grant
    standing: Standing


@dataclass(frozen=True, slots=True)
class Spare:
    """A candidate that serves no registry because it failed, and the hosts that it would come first for."""

    candidate: Candidate
    hosts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Registry:
    """A host to be kept fresh, and how.

    Attributes:
        grant: the call that serves it; None while it is `blocked` for want of a principal.
        origin: ``config``, ``added`` or ``adopted``.
        account: twelve digits, None for the public registry and for aliases outside AWS names.
        replace_foreign: a credential that somebody else wrote is overwritten at once.
        respects_logout: a `docker logout` pauses the host instead of being healed.
        probe: when the registry itself is asked: ``off``, ``doubt`` or ``always``.
        candidates: who could serve it, best first; `grant` is one of theirs.
        spares: those of the candidates that failed, and are asked again beside the one that serves.
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
    respects_logout: bool = False
    probe: str = "doubt"
    blocked: Failure | None = None
    candidates: tuple[Candidate, ...] = ()
    spares: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class FilePlan:
    """A file to keep.

    Attributes:
        role: ``named`` files carry every host; so does the ``default`` one; ``also`` files (podman's) carry only
            hosts that stand in them already, unless no docker config exists: creating one would hide the
            logins of an auth.json from crane and ko. ``helper`` is the folder of our credential helper's answers,
            and carries the hosts whose clients some file sends to it.
    """

    path: str
    role: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted: made from the configuration, the AWS files and the adopted hosts.

    Attributes:
        warn_before: how long before the known end of a login its notice comes.
        session_lengths: by lane, how long a login lasts whose end is not on disk, as configured.
        zone: in which times for people are written.
        aws: how long asking AWS may take.
        left_out: adoptable hosts beyond the most that are adopted.
        ignored: hosts found in files that the settings exclude.
    """

    registries: Mapping[str, Registry] = field(default_factory=dict)
    files: tuple[FilePlan, ...] = ()
    seed: str = ""
    startup_splay: timedelta = timedelta(0)
    warn_before: timedelta = timedelta(minutes=30)
    session_lengths: Mapping[str, timedelta] = field(default_factory=dict)
    zone: tzinfo = UTC
    aws: Aws = field(default_factory=Aws)
    left_out: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()
    _served: Mapping[str, list[Registry]] = field(init=False, compare=False, repr=False)
    _spares: Mapping[str, Spare] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Group the registries once: a thousand of them are asked about several times a turn."""
        served: dict[str, list[Registry]] = {}
        for registry in self.registries.values():
            if registry.grant is not None:
                served.setdefault(registry.grant.key, []).append(registry)
        object.__setattr__(self, "_served", served)
        object.__setattr__(self, "_spares", _spares(self.registries.values(), served))

    def by_grant(self) -> Mapping[str, list[Registry]]:
        """Return the registries that each grant serves, by the grant's key."""
        return self._served

    def spares(self) -> Mapping[str, Spare]:
        """Return the candidates that failed and serve no registry now, by their grant's key."""
        return self._spares

    def standing_of(self, key: str) -> Standing:
        """Return what the AWS files say of the principal of a grant."""
        if served := self._served.get(key):
            return served[0].standing
        spare = self._spares.get(key)
        return Standing() if spare is None else spare.candidate.standing


def _spares(registries: Iterable[Registry], served: Collection[str]) -> dict[str, Spare]:
    found: dict[str, Spare] = {}
    for registry in registries:
        for candidate in registry.spares:
            key = candidate.grant.key
            if key not in served:
                hosts = found[key].hosts if key in found else frozenset()
                found[key] = Spare(candidate, hosts | {registry.host})
    return found


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """What is known of one grant. Pauses are kept in the clock that cannot be set.

    Attributes:
        past: fingerprints of its earlier tokens, newest first: an entry that goes back to one of them is ours.
        serial: number of the newest fetch; `fetching` is when that one began, None when none is under way.
        failing_since: when a failure of the newest one's cause first came (suspend-counting).
        tries: failures in a row; `retry_at` None after a failure means: wait for an event.
        asked: somebody wants a new token now; `by_person` tells that it is a person, who can sign in.
        changed: the AWS files changed while a fetch was running, so its refusal may be stale.
        stirred: files have changed since the failure, or another grant showed its cause to be over.
        nudges: retries that changed files have caused in a row, `nudged_at` the newest.
        announced: fingerprint of the token whose arrival in every file was told to the hook.
    """

    token: Token | None = None
    past: tuple[str, ...] = ()
    serial: int = 0
    fetching: timedelta | None = None
    tries: int = 0
    failure: Failure | None = None
    failing_since: timedelta | None = None
    retry_at: timedelta | None = None
    asked: bool = False
    by_person: bool = False
    changed: bool = False
    stirred: bool = False
    nudges: int = 0
    nudged_at: timedelta | None = None
    announced: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """A host that is left alone.

    Attributes:
        until: when that ends (UTC), None: when somebody says so.
        by: ``asked`` (a person's word) or ``logout``.
    """

    until: datetime | None = None
    by: str = "asked"


@dataclass(frozen=True, slots=True)
class LoginFacts:
    """What is known of one login.

    Attributes:
        seen: what lay on disk at the newest look that found it whole.
        began: when a person signed in, if that was seen (UTC).
        worked: when a token was last obtained by it (UTC).
        ended: AWS has refused it since.
        lived: how long earlier ones lasted: at least, and at most, newest first.
    """

    seen: Login = field(default_factory=Login)
    began: datetime | None = None
    worked: datetime | None = None
    ended: bool = False
    lived: tuple[tuple[timedelta, timedelta], ...] = ()


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """A notice that stands.

    Attributes:
        notice: as it was told last.
        reminded: the marks that have passed (minutes before the last token dies): no reminder for them any more.
        problems: why it did not get through, a sentence for each channel.
        place: where it stands on the desktop, so that a restart can take it back.
    """

    notice: Notice
    reminded: frozenset[int] = frozenset()
    problems: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """What a registry said to a token.

    Attributes:
        fingerprint: of the token it was last asked about, at `asked` (suspend-counting); `cause` is why.
        answer, detail, at: what came of it (at is UTC); "" while it is under way.
        refused: fingerprints that it refused, newest first: the second in a row is worth a notice.
        foreign: fingerprints of other people's credentials that it was asked about, newest first: each file may
            hold another.
    """

    fingerprint: str = ""
    asked: timedelta | None = None
    cause: str = ""
    answer: str = ""
    detail: str = ""
    at: datetime | None = None
    refused: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostFacts:
    """How one host stands in one file.

    Attributes:
        held: our current token has been seen here, so whatever else is seen next was done by somebody.
        spoiled: somebody did, and it is not put back yet.
        wrote_at: suspend-counting time of our newest write here.
        took_at: suspend-counting time when we took something away here that has not come back: a line of ours, or
            a token that breaks pulls.
        undone: how often in a row our write was undone within moments.
        not_before: while contested, or after a write that its own store did not take, the next waits until then.
        tries: writes in a row that its own store did not take.
        foreign: fingerprint of a foreign credential, first seen at `foreign_since`, by both clocks.
        overrule: overwrite whatever stands here, because a person said so.
        lost: clients were sent elsewhere while our token stood here; the reason, as the file gave it.
    """

    held: bool = False
    spoiled: bool = False
    wrote_at: timedelta | None = None
    took_at: timedelta | None = None
    undone: int = 0
    not_before: timedelta | None = None
    tries: int = 0
    foreign: str = ""
    foreign_since: Instant | None = None
    overrule: bool = False
    lost: str = ""


@dataclass(frozen=True, slots=True)
class SinkFacts:
    """What is known of one file.

    Attributes:
        view: the newest look at it, None before the first and while it does not parse.
        writing: serial of the write under way, 0 for none; `writing_hosts` are what it carries, `taking` those
            for which it only takes something away.
        state, failure: why it could not be read or written, the last time that was tried.
        awaited: since when (suspend-counting) the first look at it has been waited for.
    """

    view: View | None = None
    hosts: Mapping[str, HostFacts] = field(default_factory=dict)
    writing: int = 0
    writing_since: timedelta | None = None
    writing_hosts: frozenset[str] = frozenset()
    taking: frozenset[str] = frozenset()
    state: str = ""
    failure: Failure | None = None
    tries: int = 0
    not_before: timedelta | None = None
    awaited: timedelta | None = None

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
        turned: when the newest event came, by both clocks; `resumed` is when a long silence before one ended
            (suspend-counting).
        owed: by file, what is to be given back.
        answered: suspend-counting time of the newest answer to any fetch; `granted` of the newest token.
        wanted: by host, when a client last asked our helper and nothing lay ready (suspend-counting).
        pauses: by host; `logouts` and `replaced` say when a host's logout was first healed, and when another
            kind of login was last replaced by ours (UTC).
        logins: by `Standing.lane`.
        notices: by key, those that stand.
        probes: by host.
        lived: hosts under which a living token was seen in some file, whoever had put it there.
        hook_problem: why the hook did not run well the last time, "" if it did; `sign_in_problem` likewise why a
            sign-in that a person asked for did not start.
    """

    started: timedelta
    grants: Mapping[str, GrantFacts] = field(default_factory=dict)
    sinks: Mapping[str, SinkFacts] = field(default_factory=dict)
    heals: Mapping[str, int] = field(default_factory=dict)
    writes: int = 0
    gather_until: timedelta | None = None
    wake_at: datetime | None = None
    turned: Instant | None = None
    resumed: timedelta | None = None
    owed: Mapping[str, Owed] = field(default_factory=dict)
    answered: timedelta | None = None
    granted: timedelta | None = None
    wanted: Mapping[str, timedelta] = field(default_factory=dict)
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    logouts: Mapping[str, datetime] = field(default_factory=dict)
    replaced: Mapping[str, datetime] = field(default_factory=dict)
    logins: Mapping[str, LoginFacts] = field(default_factory=dict)
    notices: Mapping[str, NoticeFacts] = field(default_factory=dict)
    probes: Mapping[str, ProbeFacts] = field(default_factory=dict)
    lived: frozenset[str] = frozenset()
    hook_problem: str = ""
    sign_in_problem: str = ""

    def grant(self, key: str) -> GrantFacts:
        """Return what is known of a grant."""
        return self.grants.get(key, GrantFacts())

    def sink(self, path: str) -> SinkFacts:
        """Return what is known of a file."""
        return self.sinks.get(path, SinkFacts())
