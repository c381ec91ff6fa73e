"""Which child gets which jobs: at most two children, lanes kept together, jobs that hung kept apart.

A child gets no more principals than it works on at a time: what waits in it would be lost with it.
Children that were told to end do not count as two of two, so that nobody waits for them but their own lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from ecr_refreshd.aws.frames import AT_ONCE
from ecr_refreshd.aws.running import Job, Running

MOST_CHILDREN = 2
_FEW = 4
"""Principals for which a second process, a quarter of a second of CPU, would not pay."""


def place(
    waiting: list[Job],
    children: Sequence[Running],
    start: Callable[..., Running],
    oldest: float,
) -> None:
    """Give jobs to children, and take them out of `waiting`; what cannot be placed now stays in it.

    Args:
        waiting: what nobody works on.
        children: those there are; `start(alone=…)` adds to them, and raises OSError.
        start: starts a child.
        oldest: a child born before this (monotonic seconds) is given nothing more.
    """
    for jobs in _units(waiting):
        child = _child_for(jobs[0], children, start, oldest)
        if child is None:
            continue
        child.ask(jobs)
        for job in jobs:
            waiting.remove(job)


def _units(waiting: Sequence[Job]) -> list[list[Job]]:
    """Return what must stay together: a principal's, or a job that hung before.

    Those come last, and before them whoever may run a program, which competes with all that begins after it.
    """

    def key(job: Job) -> Hashable:
        if job.alone:
            return job.number
        return job.order.grant.principal

    return _grouped(sorted(waiting, key=lambda job: (job.alone, job.may_run)), key)


def _grouped(jobs: Sequence[Job], key: Callable[[Job], Hashable]) -> list[list[Job]]:
    groups: dict[Hashable, list[Job]] = {}
    for job in jobs:
        groups.setdefault(key(job), []).append(job)
    return list(groups.values())


def _child_for(
    job: Job, children: Sequence[Running], start: Callable[..., Running], oldest: float
) -> Running | None:
    def takes_more(child: Running) -> bool:
        if child.ending or child.leaving or child.closed or child.alone:
            return False
        return child.born > oldest and _at_work(child) < AT_ONCE

    if job.lane:
        for child in children:
            if job.lane in child.lanes:
                return child if takes_more(child) and not job.alone else None
    working = [child for child in children if not (child.ending or child.leaving or child.only_waits(oldest))]
    if job.alone:
        others_alone = any(child.alone for child in working)
        return None if others_alone or len(working) >= MOST_CHILDREN else start(alone=True)
    open_ones = sorted(filter(takes_more, working), key=_load)
    if len(working) < MOST_CHILDREN and (not open_ones or _load(open_ones[0]) >= _FEW):
        return start(alone=False)
    return open_ones[0] if open_ones else None


def _at_work(child: Running) -> int:
    """Return for how many principals it asks AWS; what waits for a program, or behind one, takes no place."""
    behind = {job.lane for job in child.jobs.values() if job.in_program}
    waiting = {job for job in child.jobs.values() if job.deadline is None and job.lane and job.lane in behind}
    return len(
        {
            job.order.grant.principal
            for job in child.jobs.values()
            if not job.in_program and job not in waiting
        }
    )


def _load(child: Running) -> int:
    return len({job.order.grant.principal for job in child.jobs.values()})
