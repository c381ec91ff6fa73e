"""In which order work is given out."""

from __future__ import annotations

import math
from dataclasses import replace

from ecr_refreshd.aws.placing import place
from ecr_refreshd.aws.running import Job
from ecr_refreshd.core.model import Standing
from ecr_refreshd.core.ports import FetchOrder
from tests.aws.asking import ecr

PROGRAM = Standing(login_backed=True)
SSO = Standing(login_backed=True, lane="sso:corp")


class Listener:
    """A child that notes what it is asked."""

    ending = leaving = closed = alone = False
    born = math.inf
    lanes: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.asked: list[str] = []

    def ask(self, jobs: list[Job]) -> None:
        self.asked += [job.order.grant.principal.profile for job in jobs]
        self.jobs.update({job.number: job for job in jobs})

    def only_waits(self, _oldest: float) -> bool:
        return False


def job(number: int, profile: str, standing: Standing, *, alone: bool = False) -> Job:
    return Job(number, FetchOrder(ecr(profile), number, standing), alone=alone)


def test_whoever_may_run_a_program_is_begun_after_those_who_do_not() -> None:
    """A program competes with all that begins after it; what hung before comes last of all."""
    child = Listener()
    waiting = [
        job(1, "hung", PROGRAM, alone=True), job(2, "program", PROGRAM), job(3, "keys", Standing()),
        job(4, "sso", SSO), job(5, "program-2", PROGRAM), job(6, "sso-2", SSO),
    ]  # fmt: skip
    place(waiting, [], lambda **_how: child, oldest=0.0)
    assert child.asked == ["keys", "sso", "sso-2", "program", "program-2", "hung"]
    assert waiting == []


def test_a_child_gets_no_more_than_it_can_begin() -> None:
    """What waits, waits in the service: in the child it would be lost with it, and asked for again."""
    children: list[Listener] = []

    def start(*, alone: bool) -> Listener:
        assert not alone
        children.append(Listener())
        return children[-1]

    waiting = [job(number, f"p{number}", Standing()) for number in range(20)]
    place(waiting, children, start, oldest=0.0)
    assert [len(child.jobs) for child in children] == [8, 8]
    assert len(waiting) == 4


def test_programs_that_wait_for_a_person_take_nobody_elses_place() -> None:
    """Sixteen of them hang in two children, and others behind them; who needs none of them is begun at once."""
    children = [Listener(), Listener()]
    standing = Standing(login_backed=True, process="one program")
    for number, child in enumerate(children * 8):
        stuck = job(number, f"stuck{number}", replace(standing, process=f"program {number}"))
        stuck.deadline, stuck.in_program = math.inf, True
        child.jobs[number] = stuck
        child.jobs[100 + number] = job(100 + number, f"behind{number}", stuck.order.standing)
    waiting = [job(200, "keys", Standing())]
    place(waiting, children, lambda **_how: Listener(), oldest=0.0)
    assert waiting == []
