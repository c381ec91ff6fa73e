"""Ask the helpers and stores that a docker config names, as docker would, and remember which hosts they serve.

Rules: a thread of its own asks, one question at a time, so that a look at the file waits six seconds at most,
and only for what was never asked; until there is an answer it is unknown, and not "no"; a program that may be
waiting for a person is left alone for longer each time; of an answer no secret is kept, only until when it holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ecr_refreshd.core.model import EntryKind, ServedElsewhere
from ecr_refreshd.core.routing import ProgramAnswer
from ecr_refreshd.sinks.ailments import Ailment, Trouble
from ecr_refreshd.sinks.passfolder import unasked
from ecr_refreshd.sinks.program import SECONDS, Found, NotFound, StoreProgram
from ecr_refreshd.sinks.waits import utc_now

Question = tuple[str, str]
"""The X of docker-credential-X, and a host."""

_PATIENCE = SECONDS + 1.0
"""Seconds that a look waits for what was never asked: so long that a program that hangs is known to do so."""
_GOOD_FOR = 3600.0
"""Seconds that an answer is relied on at most, however long its credential lives: programs are taken away."""
_FORGOTTEN = 3600.0
"""Seconds after which an answer that nobody has asked for is dropped; a look at every file takes five minutes."""
_EARLY = timedelta(minutes=10)
"""A credential that ends sooner is not relied on: every file is looked at every five minutes."""
_PAUSES = (60.0, 300.0)
"""Seconds until a program that failed is asked again: the first time, and ever after."""
_LOCKED = "it waits for a person to unlock it"
_LONGEST_PATIENCE = 3600.0
"""Seconds. A program that waits for a person is asked after 1, 4, 16 minutes, then every hour."""


@dataclass(frozen=True, slots=True)
class _Known:
    """An answer, when it is due to be asked for again (monotonic), and how often in a row it was none."""

    answer: ProgramAnswer
    again_at: float
    failures: int = 0


class OtherPrograms:
    """What the programs that a file names say of hosts.

    Args:
        environ: in which they run, and on whose PATH they are found.
        on_change: called in another thread when an answer has become another one.
        seconds: after which a question is given up.
    """

    def __init__(
        self, environ: Mapping[str, str], on_change: Callable[[], None], *, seconds: float = SECONDS
    ) -> None:
        self._environ = environ
        self._on_change = on_change
        self._seconds = seconds
        self._known: dict[Question, _Known] = {}
        self._wanted_at: dict[Question, float] = {}
        self._waiting: dict[Question, None] = {}
        self._locked: dict[str, tuple[float, float]] = {}
        self._is_asking = False
        self._answered = threading.Condition()

    def answers(self, questions: Iterable[Question]) -> dict[Question, ProgramAnswer]:
        """Return what is known; what is due is asked anew meanwhile, and waited for if it was never asked."""
        asked = tuple(questions)
        now = time.monotonic()
        with self._answered:
            self._forget(asked, now)
            new = [each for each in asked if each not in self._known and each not in self._waiting]
            due = [each for each in asked if self._is_due(each, now)]
            self._waiting.update(dict.fromkeys(due))
            if self._waiting and not self._is_asking:
                self._is_asking = True
                threading.Thread(target=self._ask_all, name="other programs", daemon=True).start()
            self._answered.wait_for(lambda: all(each in self._known for each in new), _PATIENCE)
            return {each: self._current(each) for each in asked}

    def _forget(self, asked: Iterable[Question], now: float) -> None:
        """Drop the answers about hosts that nobody asks about any more."""
        self._wanted_at.update(dict.fromkeys(asked, now))
        wanted = set(asked)
        for question, at in list(self._wanted_at.items()):
            if question not in wanted and at + _FORGOTTEN < now:
                del self._wanted_at[question]
                self._known.pop(question, None)
                self._waiting.pop(question, None)

    def _is_due(self, question: Question, now: float) -> bool:
        known = self._known.get(question)
        return known is None or known.again_at <= now or _has_ended(known.answer)

    def _current(self, question: Question) -> ProgramAnswer:
        """Return an answer while it holds: a credential ends whether anybody asks or not."""
        known = self._known.get(question)
        # One that ended while the machine slept says nothing of the program, which may have the next by now.
        if known is None or _has_ended(known.answer):
            return ProgramAnswer(reason="it has not answered yet", is_pending=True)
        return known.answer

    def _ask_all(self) -> None:
        has_changed = False
        while True:
            with self._answered:
                if not self._waiting:
                    self._is_asking = False
                    break
                question = next(iter(self._waiting))
            known = self._ask(question)
            with self._answered:
                self._waiting.pop(question, None)
                before = self._known.get(question)
                if question in self._wanted_at:
                    self._known[question] = known
                self._answered.notify_all()
            has_changed = has_changed or before is None or _told(before.answer) != _told(known.answer)
        if has_changed:
            self._on_change()

    def _ask(self, question: Question) -> _Known:
        store, host = question
        before, now = self._known.get(question), time.monotonic()
        until, length = self._locked.get(store, (0.0, 0.0))
        if now < until and before is not None:
            answer = ProgramAnswer(reason=_LOCKED) if _has_ended(before.answer) else before.answer
            return replace(before, answer=answer, again_at=until)
        if now < until:
            return _Known(ProgramAnswer(reason=_LOCKED), until)
        # pass would ask for its passphrase on whichever terminal or desktop it finds.
        environ = unasked(self._environ) if store == "pass" else self._environ
        found = StoreProgram(store, environ, self._seconds).get(host)
        now = time.monotonic()
        if isinstance(found, Trouble) and found.state is Ailment.LOCKED:
            length = min(max(60.0, 4 * length), _LONGEST_PATIENCE)
            self._locked[store] = (now + length, length)
        else:
            self._locked.pop(store, None)
        answer = _judged(store, found)
        if answer.served is not None:
            return _Known(answer, now + trusted_for(answer.served.until, utc_now()))
        failures = 0 if before is None else before.failures + 1
        return _Known(answer, now + _PAUSES[min(failures, len(_PAUSES) - 1)], failures)


def trusted_for(until: datetime | None, now: datetime) -> float:
    """Return for how many seconds a program is not asked again that has answered with a credential.

    Args:
        until: when the credential ends, None if it does not say so.
        now: the time, UTC.
    """
    if until is None:
        return _GOOD_FOR
    return min(_GOOD_FOR, max((until - _EARLY - now).total_seconds(), _PAUSES[0]))


def _has_ended(answer: ProgramAnswer) -> bool:
    return answer.served is not None and answer.served.until is not None and answer.served.until <= utc_now()


def _told(answer: ProgramAnswer) -> object:
    """Return an answer without when it was given."""
    return answer.reason, answer.served and (answer.served.program, answer.served.until)


def _judged(store: str, found: Found | NotFound | Trouble) -> ProgramAnswer:
    """Return whether an answer opens the registry, as far as can be seen without asking the registry."""
    now = utc_now()
    if isinstance(found, Trouble):
        return ProgramAnswer(reason=found.text.rstrip("."))
    if isinstance(found, NotFound):
        log = " (its log: ~/.ecr/log)" if store == "ecr-login" else ""
        return ProgramAnswer(reason=f"it has no credentials for the host{log}")
    if found.entry.kind is not EntryKind.TOKEN:
        return ProgramAnswer(reason="its login is of a kind that ECR does not take")
    until = found.entry.expires_hint
    if until is not None and until <= now + _EARLY:
        gone = "has expired" if until <= now else "expires within minutes"
        return ProgramAnswer(reason=f"its credential {gone}")
    return ProgramAnswer(ServedElsewhere(f"docker-credential-{store}", until, now))
