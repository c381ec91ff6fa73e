"""Makes the answers that the loop is given: of what a child said, or did not say in time."""

from __future__ import annotations

from datetime import UTC, datetime

from ecr_refreshd.aws import memorylimit
from ecr_refreshd.aws.frames import FrameError, Granted
from ecr_refreshd.aws.running import Job, Running
from ecr_refreshd.core.model import Category, Failure, Instant, Token, fingerprint
from ecr_refreshd.core.remedies import aws as remedies
from ecr_refreshd.core.secret import Secret

STOPPED = Failure(Category.TRANSIENT, "fetch.stopped", "The service is ending, so AWS is not asked any more.")


OVERDUE = "fetch.overdue"
SUPERSEDED = Failure(
    Category.TRANSIENT, "fetch.superseded", "A person has started the credential_process in a terminal."
)


def passing(code: str, what: str) -> Failure:
    """Return a failure that time alone may mend."""
    return Failure(Category.TRANSIENT, code, what)


def died(child: Running) -> Failure:
    """Return the failure of what a child left unanswered when it ended."""
    what = f"The process that asks AWS ended without an answer: {child.fate}"
    if not (child.was_killed and memorylimit.kills() > child.oom_kills):
        return passing("child.died", f"{what.rstrip('.')}.")
    size = memorylimit.limit() >> 20
    around = (
        f"its memory limit of {size} MiB is too small" if size else "the memory limit around it is too small"
    )
    return Failure(Category.TRANSIENT, "child.died", f"{what}: {around}.", remedies.raise_memory_limit().hint)


def token(said: Granted, now: Instant) -> Token:
    """Return the token that a child has got. Raises FrameError if it names no end."""
    try:
        expires_at = datetime.fromisoformat(said.expires_at)
    except ValueError as error:
        raise FrameError("no time") from error
    if expires_at.tzinfo is None:
        raise FrameError("a time without an offset")
    return Token(Secret(said.auth), fingerprint(said.auth), now.wall, expires_at.astimezone(UTC), now.boot)


def overdue(job: Job, seconds: float) -> Failure:
    """Return the failure of a grant that was not answered in time, and what it was known to wait for."""
    who = f'profile "{job.order.grant.principal.profile}"' if job.order.grant.principal.profile else "AWS"
    what = f"{who[0].upper()}{who[1:]} did not answer within {seconds:.3g} s"
    if job.waits and job.order.standing.process:
        remedy = remedies.sign_in(job.order.standing)
        return Failure(
            Category.LOGIN, OVERDUE, f"{what}: {job.waits} may wait for a person.",
            hint=remedy.hint, command=remedy.command, awaits_person=True,
        )  # fmt: skip
    if job.waits:
        return Failure(
            Category.TRANSIENT, OVERDUE, f"{what}: {job.waits} hangs.", remedies.run_program().hint,
        )  # fmt: skip
    return passing(OVERDUE, f"{what}.")
