"""The loop and a `credential_process`: how often it is started unasked, and who is told (DESIGN 5)."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from ecr_refreshd.core.events import RefreshAsked
from ecr_refreshd.core.model import Category, Failure, Standing
from ecr_refreshd.core.ports import FetchOrder
from tests.household import HOME, HOST, File, HandClock, HandLookout, Household

OTHER = "111122223333.dkr.ecr.us-west-2.amazonaws.com"
CONFIG = f"""
[[registry]]
host = "{HOST}"
profile = "corp"
"""
TWO = f"""{CONFIG}
[[registry]]
host = "{OTHER}"
profile = "admin"
"""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CORP = Standing(login_backed=True, process="corp", program="getcreds")
OVERDUE = Failure(Category.LOGIN, "fetch.overdue", "It may wait for a person.", awaits_person=True)
FAILED = Failure(Category.LOGIN, "CredentialRetrievalError", "It failed: not logged in.")
OFFLINE = Failure(Category.TRANSIENT, "EndpointConnectionError", "AWS could not be reached.")
UNASKED = [timedelta(0), 15 * MINUTE, HOUR, 4 * HOUR]
"""Pauses between the starts of a program that waits for a person; then every 4 h."""


class Corp(Household):
    """A household whose profiles begin at one program. `answer` is what a start of it comes to."""

    def __init__(
        self,
        config: str = CONFIG,
        answer: timedelta | Failure | None = OVERDUE,
        files: Mapping[str, File] | None = None,
        remembered: Mapping[str, object] | None = None,
        clock: HandClock | None = None,
        lookout: HandLookout | None = None,
    ) -> None:
        self.outcome = answer
        self.orders: list[FetchOrder] = []
        super().__init__(config, files, self._start, remembered, clock, lookout)
        for name in ("corp", "admin"):
            self.lookout.said.standings[name] = CORP

    def _start(self, order: FetchOrder) -> timedelta | Failure | None:
        self.orders.append(order)
        return self.outcome

    def again(self) -> Corp:
        """Return the service that starts after this one, from what this one has saved so far."""
        saved = copy.deepcopy(self.saved)
        return Corp(self.config, self.outcome, self.files, saved, self.clock, self.lookout)

    def begin(self) -> Corp:
        super().begin()
        return self

    @property
    def starts(self) -> list[datetime]:
        """Return when the program was started: grants that are asked for together share one start."""
        return sorted({at for at, _key in self.aws.calls})


def pauses(starts: list[datetime]) -> list[timedelta]:
    return [after - before for before, after in pairwise(starts)]


def close(found: list[timedelta], wanted: list[timedelta]) -> bool:
    return len(found) == len(wanted) and all(
        timedelta(0) <= one - other < 31 * timedelta(seconds=1)
        for one, other in zip(found, wanted, strict=True)
    )


def is_allowed(starts: list[datetime]) -> bool:
    """Return whether no start came sooner than the steps allow."""
    steps = [*UNASKED[1:], *[4 * HOUR] * len(starts)]
    return all(pause >= step for pause, step in zip(pauses(starts), steps, strict=False))


def test_a_program_that_waits_is_started_seldom() -> None:
    """At once, then after 15 min, 1 h, 4 h; one notice, and the time of the next start is told."""
    house = Corp().begin()
    assert house.row()["next_renewal_at"] == "2026-03-02T08:15:00.000Z"
    house.live(DAY)
    assert close(pauses(house.starts), [15 * MINUTE, HOUR, *[4 * HOUR] * 5])
    assert house.herald.events() == [("raised", "login:profile:corp")]
    assert house.row()["phase"] == "login-required"


def test_a_living_token_changes_nothing_about_that() -> None:
    """Promise 8: no page is opened again and again while the token still has eleven hours."""
    house = Corp(answer=12 * HOUR).begin()
    house.outcome = OVERDUE
    house.live(11 * HOUR)
    first, *unasked = house.starts
    assert close([unasked[0] - first], [HOUR])
    assert close(pauses(unasked), [15 * MINUTE, HOUR, 4 * HOUR, 4 * HOUR])
    raised, *reminded = house.herald.events()
    assert raised == ("raised", "login:profile:corp")
    assert {event for event, _key in reminded} <= {"reminded"}


def test_a_program_that_fails_at_once_is_tried_more_often() -> None:
    """After 1, 2, 5, then every 10 min: a sign-in that no file shows is found soon."""
    house = Corp(answer=FAILED).begin()
    house.live(HOUR)
    assert close(pauses(house.starts), [minutes * MINUTE for minutes in (1, 2, 5, 10, 10, 10, 10, 10)])
    house.outcome = 12 * HOUR
    house.live(10 * MINUTE)
    assert house.row()["phase"] == "fresh"
    assert house.herald.events() == [("raised", "login:profile:corp"), ("withdrawn", "login:profile:corp")]


def test_offline_after_the_program_does_not_start_it_every_few_seconds() -> None:
    house = Corp(answer=OFFLINE).begin()
    house.live(30 * MINUTE)
    assert all(pause >= MINUTE for pause in pauses(house.starts))


@pytest.mark.parametrize("seed", range(8))
def test_restarts_start_it_no_more_often(seed: int) -> None:
    """Also where the service is killed, at any moment, with the program at work or not."""
    chance = random.Random(seed)
    house = Corp(TWO).begin()
    starts: set[datetime] = set()
    end = house.clock.wall + DAY
    while house.clock.wall < end:
        house.outcome = chance.choice([OVERDUE, OVERDUE, None])  # None: killed before it was overdue
        house.live(chance.choice([MINUTE, 20 * MINUTE, 3 * HOUR]))
        starts.update(house.starts)
        if chance.random() < 0.5:
            house.service._end()
        house = house.again().begin()
    starts.update(house.starts)
    assert len(starts) > 3
    assert is_allowed(sorted(starts)), pauses(sorted(starts))


def test_a_crash_while_it_runs_counts_as_a_start() -> None:
    house = Corp(answer=None).begin()
    assert len(house.starts) == 1
    again = house.again().begin()
    again.live(14 * MINUTE)
    assert again.starts == []
    assert again.row()["phase"] == "retrying"
    again.live(2 * MINUTE)
    assert len(again.starts) == 1


def test_a_person_may_ask_at_any_time_and_has_ten_minutes() -> None:
    house = Corp().begin()
    house.live(5 * MINUTE)
    house.service.tell(RefreshAsked())
    house.settle()
    assert len(house.starts) == 2
    unasked, by_person = house.orders
    assert unasked.process_timeout == MINUTE
    assert by_person.process_timeout == 10 * MINUTE


def test_a_script_or_a_pull_starts_no_program_that_waits() -> None:
    """A cron job that ensures a token every minute would open a page every minute."""
    house = Corp().begin()
    for _ in range(10):
        house.live(MINUTE)
        house.service.tell(RefreshAsked(frozenset({HOST}), by_person=False))
        house.settle()
    assert len(house.starts) == 1


def test_two_grants_of_one_program_share_its_starts() -> None:
    house = Corp(TWO).begin()
    house.live(DAY)
    assert close(pauses(house.starts), [15 * MINUTE, HOUR, *[4 * HOUR] * 5])
    assert len(house.orders) == 2 * len(house.starts)
    assert house.herald.events() == [("raised", "login:profile:corp")]


def test_a_grant_that_comes_later_waits_with_the_others() -> None:
    """A second registry of the same login is no reason for a second page."""
    house = Corp().begin()
    house.live(5 * MINUTE)
    house.config = TWO
    house.service.reload()
    house.live(9 * MINUTE)
    assert len(house.starts) == 1
    house.live(2 * MINUTE)
    assert len(house.starts) == 2
    assert len(house.orders) == 3


def test_a_grant_does_not_start_the_program_beside_another() -> None:
    house = Corp(answer=None).begin()
    house.config = TWO
    house.service.reload()
    house.live(2 * MINUTE)
    assert len(house.orders) == 1
    house.service.tell(RefreshAsked(frozenset({OTHER})))
    house.settle()
    assert len(house.orders) == 1, "nor when a person asks: it is at work already"


def test_a_success_that_a_person_asked_for_serves_all() -> None:
    """One command later everything is fresh, whichever host it named."""
    house = Corp(TWO).begin()
    house.live(5 * MINUTE)
    house.outcome = 12 * HOUR
    house.service.tell(RefreshAsked(frozenset({HOST})))
    house.settle()
    assert house.row()["phase"] == house.row(OTHER)["phase"] == "fresh"
    assert len(house.starts) == 2


def test_files_that_it_writes_do_not_start_it_again() -> None:
    """Tools write to ~/.aws when they are started."""
    house = Corp().begin()
    for number in range(20):
        house.lookout.text = f"written {number}"
        house.lookout.look()
        house.settle()
        house.live(30 * timedelta(seconds=1))
    assert len(house.starts) == 1


def test_a_file_that_a_person_changes_later_helps_one_that_failed_at_once() -> None:
    """Tools for a terminal put keys into ~/.aws/credentials: nobody waits ten minutes then."""
    house = Corp(answer=FAILED).begin()
    house.live(20 * MINUTE)
    before = len(house.starts)
    house.outcome = 12 * HOUR
    house.lookout.text = "signed in"
    house.lookout.look()
    house.settle()
    house.live(timedelta(seconds=1))
    assert len(house.starts) == before + 1
    assert house.row()["phase"] == "fresh"


def test_a_configured_sign_in_is_shown_and_has_its_button() -> None:
    house = Corp(f'{CONFIG}\n[login]\ncommand = {{ corp = "assume corp" }}\n').begin()
    (notice,) = house.service.document()["notices"]
    assert notice["command"] == "assume corp"
    assert house.herald.told[0][1].sign_in


def test_files_survive() -> None:
    """The good token stays while the program waits."""
    house = Corp(answer=12 * HOUR).begin()
    text = house.files[HOME].auths[HOST]
    house.outcome = OVERDUE
    house.live(3 * HOUR)
    assert house.files[HOME].auths[HOST] == text


@pytest.mark.parametrize("category", [*Category])
def test_a_loop_of_scripts_starts_a_program_no_sooner(category: Category) -> None:
    """Whatever it fails for: each start may send a push to somebody's phone."""
    house = Corp(answer=Failure(category, "SomeError", "It failed.")).begin()
    for _ in range(150):
        house.live(2 * timedelta(seconds=1))
        house.service.tell(RefreshAsked(frozenset({HOST}), by_person=False))
        house.settle()
    found = pauses(house.starts)
    assert all(pause >= step for pause, step in zip(found, (MINUTE, 2 * MINUTE, 5 * MINUTE), strict=False))
    assert len(found) < 3


def test_a_token_that_is_refused_starts_no_program_that_waits() -> None:
    house = Corp(answer=12 * HOUR).begin()
    house.outcome = OVERDUE
    house.prober.answer = lambda host, fingerprint: "refused"
    house.live(70 * MINUTE)
    assert len(house.prober.asked) > 0
    assert len(house.orders) == 2


def test_a_denied_grant_bars_no_other_of_its_program() -> None:
    """AWS was asked, so the program gave credentials: it serves the others as before."""
    house = Corp(TWO, answer=HOUR)
    denied = Failure(Category.DENIED, "AccessDeniedException", "Not this one.")
    house.aws.answer = lambda order: denied if order.grant.principal.profile == "admin" else HOUR
    house.begin()
    house.live(5 * HOUR)
    assert {row["phase"] for row in house.service.document()["registries"]} == {"fresh", "blocked"}
