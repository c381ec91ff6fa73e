"""Asks AWS through short-lived child processes, so that boto3 never loads here and whatever hangs is killed.

Rules (DESIGN 5, "The AWS child"): at most two children work at a time; all grants of one lane go through one, and
through none while another that had the lane still lives; a grant that is overdue ends its child, and what else
that child had to do goes to a fresh one at once; a grant that hung has a child to itself next time. A child gets
no more than it can begin at once, and nothing that it could not end in its time: nothing begun is thrown
away. Every order is answered, once; a token that comes after its order was given up is passed on as well. With
nothing to do, the thread sleeps without a timeout.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from ecr_refreshd.aws import outcomes
from ecr_refreshd.aws.frames import (
    AT_ONCE,
    Begin,
    Broken,
    Failed,
    FrameError,
    Granted,
    Refused,
    Said,
    Started,
    Waits,
)
from ecr_refreshd.aws.listening import Ears
from ecr_refreshd.aws.placing import place
from ecr_refreshd.aws.running import Job, Limits, Running
from ecr_refreshd.aws.supplied import Supplied
from ecr_refreshd.core.events import FetchFailed, FetchSucceeded
from ecr_refreshd.core.model import Failure
from ecr_refreshd.core.ports import Clock, FetchOrder, Post
from ecr_refreshd.core.printed import Printed
from ecr_refreshd.core.process_starts import PERSON_TIMEOUT

_POLL = 0.01
"""Seconds between looks at a process that is about to die; nothing tells of it on every system we run on."""
_MOST_MOVES = 3
_REFUSED_KEPT = 64


class Fetcher:
    """`core.ports.Fetcher`.

    Args:
        post: is called with each answer, in the fetcher's own thread.
        environ: the environment of the children.
        clock: both clocks, read when a token comes in.
        limits: how long things may take.
    """

    def __init__(
        self, post: Post, environ: Mapping[str, str], clock: Clock, *, limits: Limits | None = None
    ) -> None:
        self._post = post
        self._environ = environ
        self._clock = clock
        self._limits = limits or Limits()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._inbox: deque[FetchOrder] = deque()
        self._stopping = False
        self._supplied = Supplied()
        self._superseded: set[str] = set()
        self._ears: Ears
        # The rest is the thread's own.
        self._numbers = itertools.count(1)
        self._open: dict[int, Job] = {}
        self._waiting: list[Job] = []
        self._children: list[Running] = []
        self._hung: set[str] = set()
        self._refused: deque[str] = deque(maxlen=_REFUSED_KEPT)
        self._promised: float | None = None

    # -- from any thread ------------------------------------------------------------------------------------

    def fetch(self, orders: Sequence[FetchOrder]) -> None:
        """Ask for all of these; returns at once. After `stop`, each is answered by a failure."""
        why = outcomes.STOPPED
        with self._guard:
            if not self._stopping:
                try:
                    self._begin()
                except (OSError, RuntimeError) as error:  # no descriptor, or no thread, to be had
                    why = outcomes.passing("fetch.start", f"AWS cannot be asked just now: {error}.")
                else:
                    self._inbox.extend(orders)
                    self._promised = time.monotonic()
                    self._ears.nudge()
                    return
        for order in orders:
            self._answer_failed(order, why)

    def _begin(self) -> None:
        if self._thread is None:
            self._ears = ears = Ears()
            thread = threading.Thread(target=self._run, args=(ears,), name="aws", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                ears.close()
                raise
            self._thread = thread

    def supply(self, process: str, printed: Printed) -> None:
        """Use what a program printed in a person's terminal; what waits for that program now is given up."""
        with self._guard:
            self._supplied.put(process, printed)
            if self._thread is not None and not self._stopping:
                self._superseded.add(process)
                self._ears.nudge()

    def well(self) -> bool:
        """Return whether orders and children are looked after: cheap, without a lock, from any thread.

        False when the thread has died, when it is late by more than `Limits.grace`, and when a child outlives
        its end by that. True before the first order, and once `stop` was called.
        """
        thread, promised = self._thread, self._promised
        if thread is None or self._stopping:
            return True
        late = time.monotonic() - promised if promised is not None else 0.0
        return thread.is_alive() and late <= self._limits.grace

    def stop(self) -> None:
        """End every child: at once, or after `Limits.grace` where a login is just being renewed."""
        with self._guard:
            self._stopping = True
            thread = self._thread
        if thread is not None:
            self._ears.nudge()
            thread.join(self._limits.grace + 2)

    # -- the thread -----------------------------------------------------------------------------------------

    def _run(self, ears: Ears) -> None:
        while not self._take_in():
            try:
                self._place()
                patience = self._patience()
                self._promised = self._promise(patience)
                for child in ears.listen(self._children, patience):
                    self._promised = self._promise(0.0)
                    self._hear(child)
                self._place()  # before a child that has nothing more to do is sent away
                self._look_after()
            except Exception as error:  # noqa: BLE001 - a mistake here must not leave orders without an answer
                self._start_over(error)
        self._end_all()
        ears.close()

    def _take_in(self) -> bool:
        """Take what was ordered; return whether it is time to stop."""
        with self._guard:
            orders, stopping = list(self._inbox), self._stopping
            self._inbox.clear()
            supplied = self._supplied.taken({order.standing.process for order in orders})
            superseded, self._superseded = self._superseded, set()
        for job in [job for job in self._open.values() if job.order.standing.process in superseded]:
            self._fail(job, outcomes.SUPERSEDED)
        for order in orders:
            printed = supplied.get(order.standing.process)
            alone = order.grant.key in self._hung and printed is None
            job = Job(next(self._numbers), order, alone=alone, supplied=printed)
            self._open[job.number] = job
            self._waiting.append(job)
        return stopping

    def _place(self) -> None:
        oldest = time.monotonic() - self._limits.child + self._limits.grant
        try:
            place(self._waiting, self._children, self._start, oldest)
        except OSError as error:
            what = (
                f"The process that asks AWS could not be started: {error.strerror or type(error).__name__}."
            )
            for job in list(self._waiting):
                self._fail(job, outcomes.passing("child.start", what))

    def _start(self, *, alone: bool) -> Running:
        # The last that it was given may have had to wait for each other, if they share a login, or for a person.
        longest = AT_ONCE * self._limits.grant + PERSON_TIMEOUT.total_seconds()
        alarm = int(self._limits.child + longest + self._limits.grace) + 5
        child = Running(self._environ, Begin(alarm, tuple(self._refused)), self._limits, alone=alone)
        self._children.append(child)
        return child

    def _patience(self) -> float | None:
        """Return for how many seconds nothing can become due; None for ever."""
        moments: list[float] = []
        now = time.monotonic()
        for child in self._children:
            if child.closed or child.ending:
                return _POLL
            moments.append(child.kill_at or child.end_at)
            moments.extend(job.deadline for job in child.jobs.values() if job.deadline is not None)
        return max(0.0, min(moments) - now) if moments else None

    def _promise(self, patience: float | None) -> float | None:
        """Return when something must have happened: we look again, or a child has ended (monotonic seconds)."""
        moments = [child.kill_at for child in self._children if child.kill_at is not None]
        if patience is not None:
            moments.append(time.monotonic() + patience)
        return min(moments, default=None)

    def _hear(self, child: Running) -> None:
        try:
            for said in child.read():
                self._heed(child, said)
        except FrameError as error:
            what = f"The process that asks AWS answered something that is no answer ({error})."
            self._fail_all(child.end(self._limits.grace), outcomes.passing("child.garbled", what))

    def _heed(self, child: Running, said: Said) -> None:
        match said:
            case Started(numbers):
                for number in numbers:
                    if job := child.jobs.get(number):
                        job.deadline = time.monotonic() + job.timeout(self._limits)
                        job.waits, job.in_program = "", False
            case Waits(numbers, what, seconds):
                for number in numbers:
                    if job := child.jobs.get(number):
                        job.waits = what
                        if seconds:
                            job.deadline = time.monotonic() + seconds + self._limits.grace
                            job.in_program = True
            case Granted(number):
                # Also from a child that is ending: a token is a token, whoever was to ask for it next.
                if job := self._open.get(number) or child.undone.get(number):
                    self._succeed(job, said)
            case Failed(number, failure):
                if job := child.jobs.get(number):
                    (self._hung.add if failure.code == outcomes.OVERDUE else self._hung.discard)(
                        job.order.grant.key
                    )
                    self._fail(job, failure)
            case Refused(fingerprint):
                if fingerprint not in self._refused:
                    self._refused.append(fingerprint)
            case Broken(failure):
                self._fail_all(child.end(self._limits.grace), failure)

    def _look_after(self) -> None:
        now = time.monotonic()
        for child in list(self._children):
            if child.closed and child.kill_at is None:
                child.kill_at = now + 1.0
            if child.is_gone(now):
                self._bury(child)
            elif not child.ending:
                deadlines = [job.deadline for job in child.jobs.values() if job.deadline is not None]
                if min(deadlines, default=now + 1) <= now or now >= child.end_at:
                    self._give_up(child, now)
                elif not child.jobs and not child.leaving:
                    child.leave()

    def _bury(self, child: Running) -> None:
        """Hear a dead child's last words, and fail what it leaves unanswered."""
        for _ in range(1000):
            if child.closed:
                break
            before = len(child.jobs)
            self._hear(child)
            if len(child.jobs) == before:
                break
        failure = outcomes.died(child)
        child.close()
        self._children.remove(child)
        self._fail_all(list(child.jobs.values()), failure)

    def _give_up(self, child: Running, now: float) -> None:
        """End a child; what is overdue, or as good as, has failed, and the rest goes to another at once."""
        # Those that hang for the same reason began together; one by one, each would end another child.
        soon = now + self._limits.grant / 10
        for job in child.end(self._limits.grace):
            if job.deadline is not None and job.deadline <= soon:
                self._hung.add(job.order.grant.key)
                allowed = job.process_timeout(self._limits) if job.in_program else job.timeout(self._limits)
                self._fail(job, outcomes.overdue(job, allowed - max(0.0, job.deadline - now)))
            elif job.moves >= _MOST_MOVES:
                what = f"AWS was asked {job.moves + 1} times, each time beside something that hung."
                self._fail(job, outcomes.passing("child.crowded", what))
            else:
                job.moves += 1
                job.deadline, job.waits, job.in_program = None, "", False
                self._waiting.append(job)

    def _start_over(self, error: Exception) -> None:
        for child in self._children:
            if not child.ending:
                child.end(self._limits.grace)  # one of them may just be renewing a login
        what = f"Asking AWS failed unexpectedly: {type(error).__name__}."
        self._fail_all(list(self._open.values()), outcomes.passing("bug.fetcher", what))

    def _end_all(self) -> None:
        self._fail_all(list(self._open.values()), outcomes.STOPPED)
        for child in self._children:
            if not child.ending:
                child.end(self._limits.grace)
        patience = time.monotonic() + self._limits.grace + 1
        while self._children and time.monotonic() < patience:
            for child in list(self._children):
                with suppress(FrameError):
                    list(child.read() if not child.closed else ())
                if child.is_gone(time.monotonic()):
                    child.close()
                    self._children.remove(child)
            self._pause()

    @staticmethod
    def _pause() -> None:
        threading.Event().wait(_POLL)

    # -- answers --------------------------------------------------------------------------------------------

    def _close(self, job: Job) -> None:
        self._open.pop(job.number, None)
        if job in self._waiting:
            self._waiting.remove(job)
        for child in self._children:
            child.jobs.pop(job.number, None)

    def _succeed(self, job: Job, said: Granted) -> None:
        token = outcomes.token(said, self._clock.now())
        self._close(job)
        self._hung.discard(job.order.grant.key)
        self._post(FetchSucceeded(job.order.grant.key, job.order.serial, token, said.account))

    def _fail_all(self, jobs: Sequence[Job], failure: Failure) -> None:
        for job in jobs:
            self._fail(job, failure)

    def _fail(self, job: Job, failure: Failure) -> None:
        self._close(job)
        self._answer_failed(job.order, failure)

    def _answer_failed(self, order: FetchOrder, failure: Failure) -> None:
        failed = replace(failure, at=self._clock.now().wall)
        self._post(FetchFailed(order.grant.key, order.serial, failed))
