"""Who waits for the loop: commands that return once their hosts are settled, renewed, or fresh for long enough.

A wait is made in any thread and answered in the loop's own.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from ecr_refreshd.core import ensuring, fallback, settle
from ecr_refreshd.core.events import RefreshAsked
from ecr_refreshd.core.model import Instant
from ecr_refreshd.core.state import Plan, State


@dataclass(slots=True, eq=False)
class Wait:
    """Somebody who waits until these hosts (all, if none is named) are settled.

    Attributes:
        refresh: only after they have been renewed, whatever stands there.
        min_ttl: only once each has so much life in every file; None if that does not matter.
        answer: only the answer of our credential helper matters, be it a refusal; `min_ttl` goes with it.
        known: there must be such hosts; otherwise a name that nobody knows is passed over.
        asked: what had to be renewed for it has been asked for.
        unknown: hosts that no registry has; then nothing was done and nothing is waited for.
        beyond: hosts whose tokens never live as long as `min_ttl`.
        ensured: each host has `min_ttl`.
        settled: there was nothing more to wait for; False if it ended before.
    """

    hosts: frozenset[str] = frozenset()
    refresh: bool = False
    min_ttl: timedelta | None = None
    answer: bool = False
    known: bool = False
    asked: bool = False
    unknown: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    ensured: bool = False
    settled: bool = False
    done: threading.Event = field(default_factory=threading.Event)

    def events(self, state: State, now: Instant, plan: Plan) -> tuple[RefreshAsked, ...]:
        """Return what the loop has to absorb for this wait, once the files have been looked at."""
        if self.asked or not all(state.sink(file.path).looked for file in plan.files):
            return ()  # which hosts are adopted is not known before
        self.asked = True
        if self.refresh or self.known or self.min_ttl is not None:
            self.unknown = tuple(sorted(self.hosts - plan.registries.keys()))
        if self.unknown:
            return ()
        if self.refresh:
            return (RefreshAsked(self.hosts),)
        if self.min_ttl is not None:
            hosts = ensuring.to_renew(state, self._hosts(plan), self.min_ttl, plan, now)
            return (RefreshAsked(hosts, by_person=False),) if hosts else ()
        return ()

    def _hosts(self, plan: Plan) -> Collection[str]:
        """Return whom it is about; a registry may leave the plan meanwhile."""
        return frozenset(self.hosts or plan.registries) & plan.registries.keys()

    def is_over(self, state: State, now: Instant, plan: Plan) -> bool:
        """Return whether there is nothing more to wait for."""
        if not self.asked:
            return False
        if self.unknown:
            return True
        if self.answer:
            return ensuring.answered(state, self._hosts(plan), self.min_ttl or timedelta(0), plan, now)
        settled = settle.settled(state, now, plan, self._hosts(plan))
        if self.refresh and settled:
            settled = not fallback.is_asked(state, self._hosts(plan), plan)
        if self.min_ttl is None or not settled:
            return settled
        lacking = ensuring.lacking(state, self._hosts(plan), self.min_ttl, plan, now)
        self.beyond = ensuring.beyond(state, self._hosts(plan), self.min_ttl, plan)
        self.ensured = not lacking
        return not lacking or bool(self.beyond) or ensuring.hopeless(state, lacking, plan, now)


class Waits:
    """Everybody who waits."""

    def __init__(self) -> None:
        self._waiting: list[Wait] = []

    def add(self, wait: Wait) -> None:
        """Let somebody wait."""
        self._waiting.append(wait)

    def events(self, state: State, now: Instant, plan: Plan) -> list[RefreshAsked]:
        """Return what the loop has to absorb for them."""
        return [event for wait in self._waiting for event in wait.events(state, now, plan)]

    def tell(self, state: State, now: Instant, plan: Plan) -> None:
        """Tell those who need not wait any longer."""
        over = [wait for wait in self._waiting if wait.is_over(state, now, plan)]
        for wait in over:
            wait.settled = True
        self.release(over)

    def release(self, some: Iterable[Wait] | None = None) -> None:
        """Let these go (all, if none is given), whatever has become of them."""
        for wait in list(self._waiting if some is None else some):
            if wait in self._waiting:
                self._waiting.remove(wait)
            wait.done.set()
