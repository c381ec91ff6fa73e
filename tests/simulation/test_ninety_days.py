"""Ninety days in the life of a machine, many times over: what must hold at every instant of them.

`make soak` lives through as many lives as one likes: ``python -m tests.simulation --seeds 1000``.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta

import pytest

from ecr_refreshd import daemon
from ecr_refreshd.core import machine
from ecr_refreshd.core.model import expiry_hint, fingerprint
from ecr_refreshd.core.pulls import Pulls
from tests.simulation.world import DAY, ENDED, HOUR, LIFE, MINUTE, ROBOT, SECOND, SSO, Life

DAYS = 90
SEEDS = int(os.environ.get("SIMULATED_LIVES", "6"))
PROFILES = {SSO: "dev", ROBOT: "robot"}
LONGEST_PAUSE = 15 * MINUTE
"""DESIGN 5: back-off never waits longer; for a dead token 30 s at most, after at most one of 15 min."""
LONGEST_WAR_PAUSE = 30 * SECOND
"""DESIGN 6: while somebody fights over an entry, it is put back more slowly."""
JUDGED_EVERY, DOCUMENT_EVERY = 3, 60
"""Checks: there are some hundred a day."""
FLOOR = 10 * HOUR + 45 * MINUTE


class Observer:
    """Looks at everything whenever something may have changed."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.lived = life.machine.lives
        self.standing: set[str] = set()
        self.told = 0
        self.well_before_the_end = timedelta(0)
        self.floors: list[timedelta] = []
        self.let_in: dict[str, bool] = {}
        self.checks = 0

    def check(self) -> None:
        self.a_token_is_there_whenever_one_could_be_had()
        self.the_floor_at_the_end_of_a_login()
        self.notices_come_and_go_once()
        self.what_is_kept_stays()
        self.the_judgement_is_the_registrys()
        assert not self.life.needless, self.life.needless  # DESIGN 5: a restart fetches nothing

    def left(self, host: str) -> timedelta:
        """How long the token on disk lives by the true clock."""
        text = self.life.file.auths.get(host)
        end = expiry_hint(text) if text is not None else None
        true = self.life.house.clock.wall - self.life.machine.wall_off
        return timedelta(0) if end is None else max(end - true, timedelta(0))

    def a_token_is_there_whenever_one_could_be_had(self) -> None:
        """Promise 1: 0 s without a valid token while one could have been had."""
        for host, profile in PROFILES.items():
            had = self.life.true - self.life.well_since[profile]
            fought = self.life.at_war and self.life.true - self.life.spoilt <= LONGEST_WAR_PAUSE
            if had > LONGEST_PAUSE + MINUTE and not fought:
                assert self.left(host) > timedelta(0), (
                    f"no token for {host} although one could be had for {had}"
                )

    def the_floor_at_the_end_of_a_login(self) -> None:
        """Promise 2: at each end that finds the machine awake and online in the hour before."""
        lives = self.life.machine.lives
        somebodys = SSO in self.life.kept  # ours is in memory then, and takes its place before it ends
        if self.lived and not lives and not somebodys and self.well_before_the_end >= HOUR:
            self.floors.append(self.left(SSO))
            assert self.left(SSO) >= FLOOR, f"only {self.left(SSO)} left at the end of the login"
        self.lived = lives
        self.well_before_the_end = self.life.true - self.life.well_since["dev"]

    def notices_come_and_go_once(self) -> None:
        """DESIGN 7: no notice raised twice for one cause, none withdrawn that never stood."""
        told = self.life.house.herald.told
        for event, notice in told[self.told :]:
            if event == "raised":
                assert notice.key not in self.standing, f"{notice.key} is raised twice"
                self.standing.add(notice.key)
            else:
                assert notice.key in self.standing, f"{notice.key} is {event} and never stood"
            if event == "withdrawn":
                self.standing.remove(notice.key)
        self.told = len(told)

    def what_is_kept_stays(self) -> None:
        """DESIGN 6: a foreign credential is kept until an hour before its end."""
        for host, (text, until) in self.life.kept.items():
            if self.life.true < until:
                assert self.life.file.auths.get(host) == text, f"somebody's login to {host} was overwritten"

    def the_judgement_is_the_registrys(self) -> None:
        """Promise 7: what is said of each file is what the registry answers to a client that reads it now."""
        self.checks += 1
        if self.life.machine.wall_off or self.checks % JUDGED_EVERY:
            return  # with a wrong clock nobody here knows what time it is
        house = self.life.house
        service = house.service
        pulls = Pulls.of(service._state, service._plan, house.clock.now())
        for host in PROFILES:
            text = self.life.file.auths.get(host)
            left = self.left(host)
            end = expiry_hint(text) if text is not None else None
            if end is not None and abs(end - house.clock.wall) < 2 * MINUTE:
                continue  # a clock that was 90 s off when the token came
            lets_in = left > timedelta(0) and not self.life.refused.get(fingerprint(text or ""), False)
            (pull,) = pulls.by_files(service._plan.registries[host]).values()
            assert pull.works is lets_in, f"{host}: judged {pull}, and the registry says {lets_in}"
            self.let_in[host] = lets_in
        if self.checks % DOCUMENT_EVERY == 0:
            self.the_document_says_no_more()

    def the_document_says_no_more(self) -> None:
        """A registry is called fresh, and all of them well, only where clients are let in."""
        document = self.life.house.service.document()
        for row in document["registries"]:
            if row["phase"] == "fresh":
                assert self.let_in.get(row["host"], True), f"{row['host']} is called fresh"
        if document["overall"] == "ok":
            assert all(self.let_in.values()), f"{self.let_in}, and all is said to be well"
        elif all(row["phase"] == "fresh" for row in document["registries"]):
            raise AssertionError(f"each is fresh, and together they are {document['overall']}")


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick of ten minutes: ninety days in two seconds, and every deadline has to be met by its alarm."""
    monkeypatch.setattr(daemon, "TICK", 10 * MINUTE)
    monkeypatch.setattr(machine, "SLEPT", 25 * MINUTE)


def live(seed: int, days: int) -> tuple[Life, Observer]:
    """Live through it; a failure tells the seed and what had happened just before."""
    life = Life(seed, days)
    observer = Observer(life)
    try:
        life.run(observer.check)
    except AssertionError as error:
        recent = "\n  ".join(life.tape[-25:])
        raise AssertionError(f"seed {seed}, at {life.true}: {error}\n  {recent}") from error
    return life, observer


def calls(life: Life, profile: str, *, good: bool) -> Counter[int]:
    """How often AWS was asked, by day."""
    return Counter(
        at // DAY for at, who, failure in life.answers if who == profile and (failure is None) is good
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_ninety_days(seed: int, coarse: None) -> None:
    """Promises 1, 2, 4 and 8, in the real loop."""
    life, _observer = live(seed, DAYS)
    refusals = Counter(at // DAY for at in life.refusals)
    hourly = calls(life, "dev", good=True) - refusals  # one early renewal for each
    assert max(hourly.values()) <= 28, "an hourly token, and one for each login"
    assert max(calls(life, "robot", good=True).values()) <= 5
    dead = Counter(at // DAY for at, _who, failure in life.answers if failure is ENDED)
    assert max(dead.values(), default=0) <= 9, "AWS is hardly asked while only a person can help"
    assert life.turns < 400 * DAYS


def test_a_week_at_the_real_pace() -> None:
    """The tick and the resume as they are."""
    life, _observer = live(1000, 7)
    assert life.answers


@pytest.mark.parametrize("seed", range(SEEDS))
def test_after_all_that_a_good_day_leaves_nothing_standing(seed: int, coarse: None) -> None:
    """None left standing: whatever happened, a machine that is well for a day has no notice and fresh tokens."""
    life, observer = live(seed + 500, 10)
    now = life.machine
    now.awake = now.online = True
    now.trouble = None
    now.refuses = False
    life.file.unwritable = None
    life._set_clock(timedelta(0))
    life._coming.clear()
    life._signs_in()
    life._coming.clear()
    life.house.watcher.changed("/home/dev/.aws/sso")
    life._pass(6 * HOUR, observer.check)
    assert observer.standing == set()
    for host in PROFILES:
        assert observer.left(host) > LIFE / 4
        assert life.house.row(host)["phase"] == "fresh"
        assert life.house.row(host)["sinks"][0]["state"] in {"written", "foreign"}
