"""In which order work is given out."""

from __future__ import annotations

import math

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
