"""One cause that strikes many grants: it is tried by one of them, told once, and over for all at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from ecr_refreshd.core.events import RefreshAsked
from ecr_refreshd.core.model import Category, Failure, Standing
from ecr_refreshd.core.ports import FetchOrder
from tests.household import File, Household

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LIFE = timedelta(hours=12)
MANY = 100
WEST, EURO = "us-west-2", "eu-west-1"
CLOCK = Failure(Category.CONFIG, "SignatureDoesNotMatch", "The clock is wrong.", "timedatectl", cause="clock")
DENIED = Failure(Category.DENIED, "AccessDeniedException", "The role may not do this.")
OVERDUE = Failure(Category.LOGIN, "fetch.overdue", "It may wait for a person.", awaits_person=True)


def offline(order: FetchOrder, kind: str = "network") -> Failure:
    host = f"api.ecr.{order.grant.region}.amazonaws.com"
    return Failure(
        Category.TRANSIENT, "EndpointConnectionError", f"{host} is unreachable.", cause=f"{kind}:{host}"
    )


class Fleet(Household):
    """A hundred profiles of a hundred accounts, in one region; `faults` says what AWS answers to which."""

    def __init__(self, count: int = MANY, regions: tuple[str, ...] = (WEST,), warm: bool = True) -> None:
        self.faults: dict[str, Failure] = {}
        self.is_online = warm
        self.kind = "network"
        config = "".join(
            f'[[registry]]\nprofile = "p{n}"\n'
            f'host = "{n:012}.dkr.ecr.{regions[n % len(regions)]}.amazonaws.com"\n'
            for n in range(count)
        )
        super().__init__(config, {"/home/dev/.docker/config.json": File()}, self.answered)

    def answered(self, order: FetchOrder) -> Failure | timedelta:
        fault = self.faults.get(order.grant.principal.profile)
        return fault or (LIFE if self.is_online else offline(order, self.kind))

    def phases(self) -> set[str]:
        return {row["phase"] for row in self.service.document()["registries"]}

    def calls_in(self, by: timedelta) -> int:
        before = len(self.aws.calls)
        self.live(by)
        return len(self.aws.calls) - before


def test_a_hundred_grants_offline_share_one_attempt_at_a_time() -> None:
    """Without tokens a pause is 15 to 30 s: some three attempts a minute and endpoint, not three hundred."""
    fleet = Fleet(warm=False).begin()
    fleet.live(5 * MINUTE)
    assert fleet.calls_in(10 * MINUTE) <= 10 * 4
    two = Fleet(10, (WEST, EURO), warm=False).begin()
    two.live(5 * MINUTE)
    assert two.calls_in(10 * MINUTE) <= 2 * 10 * 4


def test_the_end_of_an_outage_frees_all_of_its_grants_at_once() -> None:
    fleet = Fleet(warm=False).begin()
    fleet.live(10 * MINUTE)
    fleet.is_online = True
    assert fleet.calls_in(31 * timedelta(seconds=1)) == MANY
    assert fleet.phases() == {"fresh"}


def test_any_answer_of_aws_ends_the_outage_of_its_endpoint() -> None:
    """One that is denied has reached AWS as well as one that is served."""
    fleet = Fleet(3, warm=False).begin()
    fleet.live(5 * MINUTE)
    fleet.is_online, fleet.faults = True, {"p0": DENIED, "p1": DENIED}
    fleet.live(35 * timedelta(seconds=1))
    assert fleet.phases() == {"blocked", "fresh"}


def test_a_grant_that_fails_alone_bars_nobody() -> None:
    """Its own proxy or name server: the others get their turn, and with it their tokens."""
    fleet = Fleet(5, warm=False).begin()
    fleet.live(5 * MINUTE)
    stuck = offline(FetchOrder(next(iter(fleet.service._plan.registries.values())).grant, 0, None))  # type: ignore[arg-type]
    fleet.is_online, fleet.faults = True, {f"p{n}": stuck for n in range(4)}
    fleet.live(3 * MINUTE)
    assert "fresh" in fleet.phases()


def test_a_person_who_asks_waits_for_no_turn() -> None:
    fleet = Fleet(warm=False).begin()
    fleet.live(5 * MINUTE)
    fleet.is_online = True
    host = fleet.service.document()["registries"][-1]["host"]
    fleet.service.tell(RefreshAsked(frozenset({host})))
    fleet.settle()
    assert fleet.phases() == {"fresh"}


def test_a_token_near_its_end_sets_the_pace_for_all() -> None:
    """The pauses grow with the life that is left: of the first token that dies, not of whoever is tried."""
    fleet = Fleet(4).begin()
    fleet.is_online = False
    fleet.live(11 * HOUR)
    fleet.faults = {}
    assert fleet.calls_in(HOUR) >= 10


@pytest.mark.parametrize("count", [1, 20])
def test_a_clock_that_is_wrong_is_told_once(count: int) -> None:
    fleet = Fleet(count).begin()
    fleet.faults = {f"p{n}": CLOCK for n in range(count)}
    fleet.live(9 * HOUR)
    assert fleet.herald.events("failing:") == [("raised", "failing:clock")]
    (notice,) = fleet.service.document()["notices"]
    assert ("20 registries" in notice["title"]) == (count == 20)
    fleet.faults = {}
    fleet.clock.wall += HOUR
    fleet.live(MINUTE)
    assert fleet.herald.events("failing:")[1:] == [("withdrawn", "failing:clock")]


def test_an_untrusted_certificate_is_told_once_after_a_quarter_of_an_hour() -> None:
    """A captive portal passes; a company's proxy does not (aws.md 2.5). It goes on being tried as before."""
    fleet = Fleet(20, (WEST, EURO)).begin()
    fleet.kind, fleet.is_online = "certificate", False
    for profile in range(20):
        host = f"{profile:012}.dkr.ecr.{(WEST, EURO)[profile % 2]}.amazonaws.com"
        fleet.service.tell(RefreshAsked(frozenset({host})))
    fleet.live(10 * MINUTE)
    assert fleet.herald.events("failing:") == []
    fleet.live(40 * MINUTE)
    assert fleet.herald.events("failing:") == [("raised", "failing:certificate")]
    fleet.is_online = True
    fleet.live(16 * MINUTE)
    assert fleet.herald.events("failing:")[1:] == [("withdrawn", "failing:certificate")]
    assert fleet.phases() == {"fresh"}


def test_an_endpoint_that_alone_is_unreachable_for_hours_needs_a_person() -> None:
    """A region or endpoint that is none looks like a fault of the network, but others are reached."""
    fleet = Fleet(8, (WEST, EURO)).begin()
    before = fleet.answered
    fleet.aws.answer = lambda order: offline(order) if order.grant.region == EURO else before(order)
    fleet.live(20 * HOUR)
    assert fleet.herald.events("failing:") == [("raised", f"failing:network:api.ecr.{EURO}.amazonaws.com")]


def test_being_offline_for_days_is_nobodys_fault() -> None:
    fleet = Fleet(2, (WEST, EURO)).begin()
    fleet.is_online = False
    fleet.live(14 * HOUR)
    assert fleet.herald.events("failing:") == []
    assert "blocked" not in fleet.phases()


class Mixed(Household):
    """One registry behind an SSO session and one behind a `credential_process`, at one endpoint."""

    def __init__(self) -> None:
        self.program: Failure | None = None
        self.is_online = True
        config = "".join(
            f'[[registry]]\nprofile = "{name}"\nhost = "{number:012}.dkr.ecr.{WEST}.amazonaws.com"\n'
            for number, name in enumerate(("tool", "sso"))
        )
        super().__init__(config, {"/home/dev/.docker/config.json": File()}, self.answered)
        self.lookout.said.standings["tool"] = Standing(login_backed=True, process="tool", program="tool")

    def answered(self, order: FetchOrder) -> Failure | timedelta:
        if self.is_online:
            return LIFE
        program = self.program if order.grant.principal.profile == "tool" else None
        return replace(offline(order), awaits_person=True) if program is OVERDUE else offline(order)

    def tried(self, name: str) -> list[datetime]:
        return [at for at, key in self.aws.calls if key.startswith(f"{name}/")]


@pytest.mark.parametrize("program", [None, OVERDUE], ids=["at once", "overdue"])
def test_a_programs_pauses_are_no_pauses_of_others(program: Failure | None) -> None:
    """Its minutes and hours spare a person; who needs no program has its token as soon as AWS is reached."""
    house = Mixed()
    house.program, house.is_online = program, False
    house.begin()
    house.live(30 * MINUTE)
    tried = house.tried("sso")
    assert max(after - before for before, after in pairwise(tried)) <= MINUTE
    steps = [15 * MINUTE] if program is OVERDUE else [MINUTE, 2 * MINUTE, 5 * MINUTE]
    starts = [after - before for before, after in pairwise(house.tried("tool"))]
    assert all(pause >= step for pause, step in zip(starts, steps, strict=False))
    house.is_online = True
    house.live(MINUTE)
    assert house.service.document()["registries"][1]["phase"] == "fresh"


def test_the_end_of_an_outage_starts_no_program_that_waits() -> None:
    house = Mixed()
    house.program, house.is_online = OVERDUE, False
    house.begin()
    house.live(5 * MINUTE)
    house.is_online = True
    house.live(5 * MINUTE)
    assert len(house.tried("tool")) == 1
    house.live(6 * MINUTE)
    assert len(house.tried("tool")) == 2
