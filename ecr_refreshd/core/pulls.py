"""Judge whether a client's pull of a registry works now, by each file that clients read.

Every statement about a registry derives from here: phase, `overall`, exit codes, notices, `ensure`. A token that
is valid here and does not reach the clients of a file is not enough: the file cannot be read or written, docker
decodes no login in it, another program answers instead, or the registry itself refuses the token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ecr_refreshd.core.healing import OTHER_LOGINS, Verdict
from ecr_refreshd.core.hosts import PUBLIC_HOSTS
from ecr_refreshd.core.model import Category, Entry, EntryKind, Failure, Instant, SinkState
from ecr_refreshd.core.remedies import NO_REMEDY, Remedy, ours, service
from ecr_refreshd.core.schedule import alive
from ecr_refreshd.core.sighting import CONTESTED_AFTER
from ecr_refreshd.core.state import FilePlan, GrantFacts, Plan, ProbeFacts, Registry, SinkFacts, State
from ecr_refreshd.core.times import spoken
from ecr_refreshd.core.writing import Carriers, is_ours, judgement_of, known, serves_elsewhere

REGISTRY_REFUSES = "registry.refused"
_IN_A_ROW = 2
"""So many new tokens refused in a row are the registry's word on all of them (DESIGN 7)."""
_AS_WANTED = frozenset({SinkState.WRITTEN, SinkState.FOREIGN, SinkState.PAUSED})
_NOTHING = frozenset({EntryKind.ABSENT, EntryKind.EMPTY})


class Reason(StrEnum):
    """Why a pull fails by a file; NONE where it works."""

    NONE = ""
    UNREAD = "unread"  # nothing has been read of it so far
    UNREADABLE = "unreadable"
    UNPARSABLE = "unparsable"
    UNDECODABLE = "undecodable"  # a value of a wrong type costs docker every login of the file
    SHADOWED = "shadowed"  # docker asks another program
    UNANSWERED = "unanswered"  # our helper has no answer
    WRONG_KIND = "wrong-kind"
    ABSENT = "absent"
    EXPIRED = "expired"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull of one registry by one file.

    Attributes:
        state: how the file stands, as status shows it.
        reason: why a pull fails now, `Reason.NONE` if it works.
        ends: until when it works (UTC), None if it does not or if that is unknown.
        detail: what status says of it, "" if nothing.
        remedy: what helps.
        is_pending: our token is to be written, and nothing is in the way.
        is_by_others: another program, which docker asks for this registry, brings the credential.
    """

    state: SinkState
    reason: Reason = Reason.NONE
    ends: datetime | None = None
    detail: str = ""
    remedy: Remedy = NO_REMEDY
    is_by_others: bool = False
    is_pending: bool = False

    @property
    def works(self) -> bool:
        """Return whether a client that reads this file gets a credential that the registry takes now."""
        return not self.reason

    @property
    def is_good(self) -> bool:
        """Return whether it works, and nothing is left to be written."""
        return self.works and self.state in _AS_WANTED


@dataclass(frozen=True, slots=True)
class Pulls:
    """The judgement of one moment."""

    state: State
    plan: Plan
    now: Instant
    carriers: Carriers

    @classmethod
    def of(cls, state: State, plan: Plan, now: Instant) -> Pulls:
        """Return it."""
        return cls(state, plan, now, Carriers.of(state, plan))

    def by_files(self, registry: Registry) -> dict[FilePlan, Pull]:
        """Return the judgement by each file that carries a registry."""
        sinks = ((file, self.state.sink(file.path)) for file in self.plan.files)
        return {
            file: self._by_file(file, sink, registry)
            for file, sink in sinks
            if self.carriers.carries(file, registry.host, sink)
        }

    def _by_file(self, file: FilePlan, sink: SinkFacts, registry: Registry) -> Pull:
        reason, ends = self._credential(file, sink, registry)
        return replace(self._shown(sink, registry, reason, ends), reason=reason, ends=ends)

    # -- what a client gets ------------------------------------------------------------------------------------

    def _credential(
        self, file: FilePlan, sink: SinkFacts, registry: Registry
    ) -> tuple[Reason, datetime | None]:
        host, view = registry.host, sink.view
        if view is None:
            unparsable = Reason.UNPARSABLE if sink.state == "unparsable" else Reason.UNREADABLE
            return (Reason.UNREAD if sink.failure is None else unparsable), None
        if serves_elsewhere(sink, host, self.now):
            return Reason.NONE, view.served[host].until
        if host in view.shadows:
            return (Reason.UNREAD if host in view.asking else Reason.SHADOWED), None
        if not known(sink, host):
            return (Reason.UNREADABLE if host in view.failures else Reason.UNREAD), None
        entry = sink.entry(host)
        if entry.kind is EntryKind.HELPER:
            return self._by_helper(registry)
        if host in view.unread:
            return Reason.SHADOWED, None
        if view.undecodable and host not in view.stored:
            return Reason.UNDECODABLE, None
        if entry.kind is EntryKind.TOKEN:
            return self._by_token(registry, entry)
        if file.role == "helper":
            return Reason.UNANSWERED, None
        if entry.kind in OTHER_LOGINS:
            return Reason.WRONG_KIND, None
        anonymous = host in PUBLIC_HOSTS and entry.kind in _NOTHING
        return (Reason.NONE if anonymous else Reason.ABSENT), None

    def _by_helper(self, registry: Registry) -> tuple[Reason, datetime | None]:
        """Return what our helper answers: what lies ready, else what this service can give it."""
        host = registry.host
        if host in self.state.pauses:
            return Reason.UNANSWERED, None
        folder = next((self.state.sink(f.path) for f in self.plan.files if f.role == "helper"), SinkFacts())
        if folder.entry(host).kind is EntryKind.TOKEN:
            reason, ends = self._by_token(registry, folder.entry(host))
            if reason is not Reason.EXPIRED:
                return reason, ends
        refused = None if folder.view is None else folder.view.refusals.get(host)
        if refused is not None and refused.until > self.now.wall:
            return Reason.UNANSWERED, None
        token = self._facts(registry).token
        if token is None or token.auth is None or not alive(token, self.now):
            return Reason.UNANSWERED, None
        return self._unless_refused(registry, token.fingerprint, token.expires_at)

    def _by_token(self, registry: Registry, entry: Entry) -> tuple[Reason, datetime | None]:
        token = self._facts(registry).token
        if token is not None and token.fingerprint == entry.fingerprint:
            lives, ends = alive(token, self.now), token.expires_at
        elif entry.expires_hint is not None:
            lives, ends = entry.expires_hint > self.now.wall, entry.expires_hint
        else:
            return Reason.EXPIRED, None
        return self._unless_refused(registry, entry.fingerprint, ends) if lives else (Reason.EXPIRED, None)

    def _unless_refused(
        self, registry: Registry, fingerprint: str, ends: datetime
    ) -> tuple[Reason, datetime | None]:
        refused = self.state.probes.get(registry.host, ProbeFacts()).refused
        token = self._facts(registry).token
        newest = token is not None and token.fingerprint == fingerprint
        if fingerprint in refused or (newest and len(refused) >= _IN_A_ROW):
            return Reason.REFUSED, None
        return Reason.NONE, ends

    def _facts(self, registry: Registry) -> GrantFacts:
        return GrantFacts() if registry.grant is None else self.state.grant(registry.grant.key)

    # -- how status shows it -----------------------------------------------------------------------------------

    def _shown(self, sink: SinkFacts, registry: Registry, reason: Reason, ends: datetime | None) -> Pull:
        host, view = registry.host, sink.view
        if host in self.state.pauses:
            return Pull(SinkState.PAUSED)
        if view is None:
            return Pull(SinkState.MISSING, detail="not read yet") if sink.failure is None else _failed(sink)
        if serves_elsewhere(sink, host, self.now):
            detail = view.shadows.get(host, "served by another program")
            return Pull(SinkState.FOREIGN, detail=detail, is_by_others=True)
        if host in view.asking:
            return Pull(SinkState.MISSING, detail=view.shadows[host])
        if host in view.shadows:
            return Pull(
                SinkState.SHADOWED, detail=view.shadows[host], remedy=Remedy(command=ours.explain(host))
            )
        if reason is Reason.UNDECODABLE:
            return Pull(SinkState.UNPARSABLE, detail=view.undecodable)
        judgement = judgement_of(self.state, sink, registry, self.now)
        verdict = None if judgement is None else judgement.verdict
        if verdict is Verdict.LEAVE:
            return Pull(
                SinkState.FOREIGN,
                detail="written by another program: a login that ECR does not take",
                remedy=Remedy(command=ours.refresh(host)),
            )
        if verdict is Verdict.KEEP:
            return Pull(
                SinkState.FOREIGN,
                detail="written by another program",
                remedy=Remedy(command=ours.refresh(host)),
            )
        if verdict is Verdict.RIGHT:
            unread = view.unread.get(host, "")
            if unread:
                return Pull(SinkState.SHADOWED, detail=unread, remedy=Remedy(command=ours.explain(host)))
            return Pull(SinkState.WRITTEN)
        if sink.failure is not None:
            return _failed(sink)
        if host in view.failures:
            return _of(SinkState.UNWRITABLE, view.failures[host])
        if sink.host(host).undone >= CONTESTED_AFTER:
            return Pull(
                SinkState.CONTESTED,
                detail="another program keeps rewriting this entry",
                remedy=Remedy(command=ours.pause(host)),
            )
        pull = self._of_entry(sink, registry, ends, to_be_written=judgement is not None)
        return replace(pull, is_pending=verdict is Verdict.WRITE)

    def _of_entry(
        self, sink: SinkFacts, registry: Registry, ends: datetime | None, *, to_be_written: bool
    ) -> Pull:
        """Return how a file is shown that holds what it held, with nothing in the way."""
        host = registry.host
        entry = sink.entry(host)
        if entry.kind is EntryKind.HELPER:
            return Pull(SinkState.WRITTEN)
        if sink.view is not None and host in sink.view.refusals:
            return Pull(SinkState.MISSING, detail=sink.view.refusals[host].text)
        if entry.kind is EntryKind.TOKEN:
            if not is_ours(self.state, self._facts(registry), entry):
                return Pull(SinkState.FOREIGN, detail="written by another program")
            until = (
                "expired" if ends is None else f"valid until {spoken(ends, self.now.wall, self.plan.zone)}"
            )
            token = self._facts(registry).token
            newest = token is not None and token.fingerprint == entry.fingerprint
            detail = f"an older token, {until}" if not newest else until if ends is None else ""
            return Pull(SinkState.WRITTEN, detail=detail)
        return Pull(SinkState.MISSING, detail="to be written" if to_be_written else "no token yet")


def refusal_by_registry(state: State, registry: Registry) -> Failure | None:
    """Return that a registry refuses the newest tokens of AWS, None if it is not known to."""
    probe = state.probes.get(registry.host, ProbeFacts())
    if len(probe.refused) < _IN_A_ROW:
        return None
    profile = "" if registry.grant is None else registry.grant.principal.profile
    remedy = service.let_in(registry.host, profile)
    message = f"{registry.host} refuses the tokens that AWS issues for it."
    if probe.answer == "refused" and probe.detail:
        message = f"{message.removesuffix('.')}: {probe.detail}"
    return Failure(Category.DENIED, REGISTRY_REFUSES, message, remedy.hint, probe.at, command=remedy.command)


def _failed(sink: SinkFacts) -> Pull:
    if sink.failure is None:
        raise AssertionError("only files that could not be read or written are shown as failed")
    return _of(SinkState(sink.state), sink.failure)


def _of(state: SinkState, failure: Failure) -> Pull:
    words = failure.hint.removesuffix(failure.command).rstrip() if failure.command else failure.hint
    return Pull(state, detail=failure.message, remedy=Remedy(words, failure.command))
