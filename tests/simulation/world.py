"""Months of one person's machine: lids that close, networks that go, logins that end, clocks that are set, wars.

Everything is drawn from one seed, beforehand, as a list of happenings; the real loop then lives through them on a
hand-set clock. While the machine sleeps the loop is not turned, and the suspend-counting clock goes on.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ecr_refreshd.core.model import (
    Category,
    Choice,
    ChosenBy,
    Failure,
    Login,
    Principal,
    Standing,
    fingerprint,
)
from ecr_refreshd.core.ports import FetchOrder
from tests.household import HOME, File, HandClock, HandLookout, Household, auth_text

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
DAY = timedelta(days=1)
LIFE = timedelta(hours=12)
LANE = "sso:corp"
SSO, ROBOT = "724013829182.dkr.ecr.us-west-2.amazonaws.com", "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
CONFIG = f"""
[[registry]]
host = "{SSO}"
profile = "dev"

[[registry]]
host = "{ROBOT}"
profile = "robot"

[probe]
when = "always"
"""
OFFLINE = Failure(
    Category.TRANSIENT, "EndpointConnectionError", "AWS could not be reached.", cause="network:api.ecr"
)
"""Of one endpoint, so that the two profiles share their attempts."""
BROKEN = Failure(Category.TRANSIENT, "ServerException", "AWS is in trouble.")
THROTTLED = Failure(Category.TRANSIENT, "ThrottlingException", "Slower, please.", throttled=True)
SKEWED = Failure(
    Category.CONFIG, "InvalidSignatureException", "The clock of this machine is off.", cause="clock"
)
FULL = Failure(Category.TRANSIENT, "sink.unwritable", "The disk is full.", "df -h /")
ENDED = Failure(Category.LOGIN, "TokenRetrievalError", "The AWS login has ended.", "aws sso login")


@dataclass(order=True)
class Happening:
    """Something that happens at a moment of true time (since the beginning)."""

    at: timedelta
    number: int
    what: str = field(compare=False)
    how: float = field(compare=False, default=0.0)


@dataclass
class Machine:
    """What is true of the world just now.

    `wall_off` is how wrong the wall clock is; `refuses`: the registry lets nobody in with the SSO profile's new
    tokens.
    """

    awake: bool = True
    online: bool = True
    trouble: Failure | None = None
    lives: bool = True
    legacy: bool = False
    refuses: bool = False
    wall_off: timedelta = timedelta(0)


class Life:
    """A service and its machine, from a seed, for so many days."""

    def __init__(self, seed: int, days: int) -> None:
        self.random = random.Random(seed)
        self.days = days
        self.machine = Machine(legacy=seed % 3 == 0)
        self.session = timedelta(hours=self.random.choice([8, 8, 10, 12]))
        self.tape: list[str] = []
        self.true = timedelta(0)
        self.logins = 0
        self.answers: list[tuple[timedelta, str, Failure | None]] = []
        self.well_since = {"dev": timedelta(0), "robot": timedelta(0)}
        self.kept: dict[str, tuple[str, timedelta]] = {}
        self.spoilt = -DAY
        self.undone = 0
        self.needless: list[str] = []
        self.refused: dict[str, bool] = {}
        self.refusals: list[timedelta] = []
        self.turns = 0
        self._numbers = 0
        self._coming: list[Happening] = []
        self._ends: Happening | None = None
        self.lookout = HandLookout()
        self.lookout.said.standings["dev"] = Standing(True, LANE, "corp", "aws sso login --sso-session corp")
        self.lookout.said.offered = (Choice(Principal("dev"), ChosenBy.CONFIG),)
        self.file = File()
        self.house = self._service(HandClock(), {})
        self._signs_in()
        self._write_the_script()

    def _service(self, clock: HandClock, remembered: dict[str, object]) -> Household:
        house = Household(CONFIG, {HOME: self.file}, self._answer, remembered, clock, self.lookout)
        house.aws.true = lambda: clock.wall - self.machine.wall_off
        house.prober.answer = self._registry_says
        return house

    def _registry_says(self, host: str, token: str) -> str:
        """Return its answer to a token: the same at each time, whatever it says of later ones."""
        refused = host == SSO and self.machine.refuses
        return "refused" if self.refused.setdefault(token, refused) else "accepted"

    def holds_ours(self, profile: str) -> bool:
        """Return whether the file holds this profile's newest token, and the clock is right."""
        host = SSO if profile == "dev" else ROBOT
        row = self.house.row(host)
        right = abs(self.machine.wall_off) < 5 * MINUTE
        return right and row["sinks"][0]["state"] == "written" and self.true - self.spoilt > MINUTE

    @property
    def at_war(self) -> bool:
        """Somebody else wants an entry too."""
        return self.undone >= 10

    def failing(self, profile: str) -> Failure | None:
        """Return what AWS would answer just now, None for a token."""
        if not self.machine.online:
            return OFFLINE
        if abs(self.machine.wall_off) > 5 * MINUTE:
            return SKEWED
        if self.machine.trouble is not None:
            return self.machine.trouble
        return ENDED if profile == "dev" and not self.machine.lives else None

    def _notice_what_could_be_had(self) -> None:
        """A token could be had from here on, or cannot any more."""
        for profile in self.well_since:
            if not self.machine.awake or self.failing(profile) is not None or self.file.unwritable:
                self.well_since[profile] = self.true

    # -- the script ------------------------------------------------------------------------------------------

    def _later(self, at: timedelta, what: str, how: float = 0.0) -> Happening:
        self._numbers += 1
        happening = Happening(at, self._numbers, what, how)
        heapq.heappush(self._coming, happening)
        return happening

    def _write_the_script(self) -> None:
        draw = self.random
        for day in range(self.days):
            begin = DAY * day
            weekend = day % 7 >= 5
            opened = begin + HOUR * draw.uniform(0, 2)
            closed = begin + HOUR * draw.uniform(8, 14)
            if weekend and draw.random() < 0.7:
                continue
            self._later(opened, "open", draw.choice([0, 0, 5, 45, 200, 600]))
            self._later(closed, "close")
            if draw.random() < 0.6:
                self._later(opened + HOUR * draw.uniform(0.05, 3), "sign in")
            if draw.random() < 0.5:
                self._later(opened + HOUR * draw.uniform(2, 6), "close")
                self._later(opened + HOUR * draw.uniform(6, 7), "open", draw.choice([0, 3, 90]))
            for _ in range(draw.randrange(3)):
                at = opened + HOUR * draw.uniform(0, 10)
                self._later(at, "offline", 0)
                self._later(at + HOUR * draw.choice([0.02, 0.2, 1, 3, 11.8]), "online")
            if draw.random() < 0.3:
                at = opened + HOUR * draw.uniform(0, 8)
                self._later(at, draw.choice(["broken", "throttled"]))
                self._later(at + HOUR * draw.choice([0.02, 0.3, 2]), "well")
            for _ in range(draw.randrange(4)):
                self._later(
                    opened + HOUR * draw.uniform(0, 10),
                    draw.choice(["logout", "clobber", "stale", "foreign"]),
                )
            if draw.random() < 0.1:
                at = opened + HOUR * draw.uniform(0, 8)
                for n in range(40):
                    self._later(at + SECOND * n * 0.5, "clobber")
            if draw.random() < 0.08:
                at = opened + HOUR * draw.uniform(0, 8)
                self._later(at, "clock", draw.choice([-86400, -3600, -90, 90, 3600, 86400]))
                self._later(at + HOUR * draw.choice([0.01, 1, 6]), "clock", 0)
            if draw.random() < 0.1:
                at = opened + HOUR * draw.uniform(0, 8)
                self._later(at, "full")
                self._later(at + HOUR * draw.choice([0.02, 0.5, 3, 14]), "room")
            if draw.random() < 0.1:
                at = opened + HOUR * draw.uniform(0, 8)
                self._later(at, "refuses")
                self._later(at + HOUR * draw.choice([0.5, 3, 14]), "lets in")
            if draw.random() < 0.15:
                self._later(opened + HOUR * draw.uniform(0, 8), "restart")

    # -- what AWS and the person do --------------------------------------------------------------------------

    def _answer(self, order: FetchOrder) -> timedelta | Failure | None:
        failure = self.failing(order.grant.principal.profile)
        self.answers.append((self.true, order.grant.principal.profile, failure))
        if failure is None and order.grant.principal.profile == "dev" and not self.machine.legacy:
            self._refreshed()
        return failure or LIFE

    def _refreshed(self) -> None:
        """Our own renewal refreshes the access token, once it has less than 15 minutes left."""
        now = self.house.clock.wall
        login = self.lookout.logins[LANE]
        if login.expires_at is not None and login.expires_at - now < 15 * MINUTE:
            self.lookout.logins[LANE] = Login(f"{login.stamp}+", True, True, now + HOUR)

    def _signs_in(self) -> None:
        self.logins += 1
        self.machine.lives = True
        end = self.true + self.session
        self._ends = self._later(end, "session ends")
        now = self.lookout_now()
        if self.machine.legacy:
            self.lookout.logins[LANE] = Login(
                f"login {self.logins}", True, False, now + self.session, now + self.session
            )
        else:
            self.lookout.logins[LANE] = Login(f"login {self.logins}", True, True, now + HOUR)

    def lookout_now(self) -> datetime:
        return self.house.clock.wall

    # -- time ------------------------------------------------------------------------------------------------

    def run(self, check: Callable[[], None]) -> None:
        """Live through it; `check` is called at each moment at which something may have changed."""
        self.house.begin()
        check()
        while self._coming and self._coming[0].at < DAY * self.days:
            happening = heapq.heappop(self._coming)
            self._pass(happening.at - self.true, check)
            self._happen(happening)
            if self.machine.awake:
                self.house.settle()
            self._notice_what_could_be_had()
            self.kept = {
                h: k for h, k in self.kept.items() if self.file.auths.get(h) == k[0] or self.true < k[1]
            }
            check()

    def _pass(self, by: timedelta, check: Callable[[], None]) -> None:
        """Let time go by; the loop turns when an alarm rings or a tick is due, if the machine is awake."""
        house, clock = self.house, self.house.clock
        if not self.machine.awake:
            clock.advance(by)
            self.true += by
            self._notice_what_could_be_had()
            return
        end = self.true + by
        while self.true < end:
            ahead = [end - self.true, house.service.tick_due - clock.boot]
            if house.alarms.at is not None:
                ahead.append(house.alarms.at - clock.wall)
            move = max(min(ahead), timedelta(milliseconds=1))
            clock.advance(move)
            self.true += move
            if house.alarms.at is not None and house.alarms.at <= clock.wall:
                house.alarms.at = None
                house.ring()
            if house.service.tick_due <= clock.boot or not house.service._queue.empty():
                house.settle()
                self.turns += 1
            self._notice_what_could_be_had()
            check()

    def _happen(self, happening: Happening) -> None:
        machine, file, how = self.machine, self.file, happening.how
        self.tape.append(f"{self.true} {happening.what} {how or ''}")
        match happening.what:
            case "open":
                if not machine.awake:
                    machine.awake = True
                    if how:
                        machine.online = False
                        self._later(self.true + timedelta(seconds=how), "online")
            case "close":
                machine.awake = False
            case "offline":
                machine.online = False
            case "online":
                machine.online = True
            case "broken":
                machine.trouble = BROKEN
            case "throttled":
                machine.trouble = THROTTLED
            case "well":
                machine.trouble = None
            case "full":
                file.unwritable = FULL
            case "room":
                file.unwritable = None
            case "refuses":
                machine.refuses = True
                self.refusals.append(self.true)
            case "lets in":
                machine.refuses = False
            case "session ends":
                if happening is self._ends:
                    machine.lives = False
                    if machine.legacy and machine.awake:
                        self._look()
            case "sign in" if machine.awake and machine.online:
                self._signs_in()
                self.house.watcher.changed("/home/dev/.aws/sso")
            case "clock":
                self._set_clock(timedelta(seconds=how))
            case "restart" if machine.awake:
                self._restart()
            case "logout" | "clobber" | "stale" | "foreign" if machine.awake:
                self._spoil(happening.what, file)

    def _look(self) -> None:
        login = self.lookout.logins[LANE]
        self.lookout.logins[LANE] = Login(login.stamp, False, False, login.expires_at, login.ends_at)
        self.house.watcher.changed("/home/dev/.aws/sso")

    def _set_clock(self, off: timedelta) -> None:
        self.house.clock.wall += off - self.machine.wall_off
        self.machine.wall_off = off
        if abs(off) > 5 * MINUTE:
            self.kept.clear()  # their ends are nearer, or farther, by this clock

    def _restart(self) -> None:
        self.house.service._save()
        kept = dict(self.house.saved)
        told = self.house.herald
        self.house = self._service(self.house.clock, kept)
        self.house.herald.told[:0] = told.told
        asked = len(self.answers)
        self.house.begin()
        for at, profile, _failure in self.answers[asked:]:
            got = [when for when, who, failure in self.answers[:asked] if who == profile and failure is None]
            if got and at - got[-1] < 50 * MINUTE and self.holds_ours(profile):
                self.needless.append(f"a restart asked for {profile}, whose token was {at - got[-1]} old")

    def _spoil(self, what: str, file: File) -> None:
        host = self.random.choice([SSO, ROBOT])
        # A war is what DESIGN 6 calls one: undone within 2 s of our write, ten times running.
        self.undone = self.undone + 1 if self.true - self.spoilt <= 2 * SECOND else 1
        self.spoilt = self.true
        if what == "logout":
            file.auths.pop(host, None)
        elif what == "clobber":
            file.auths.clear()
            file.other += "x" if len(file.other) < 50 else ""
        elif what == "stale":
            file.auths[host] = auth_text(self.house.clock.wall - DAY * 3, "an old backup")
        else:
            true = self.house.clock.wall - self.machine.wall_off
            file.auths[host] = auth_text(true + HOUR * 5, f"somebody else's {self._numbers}")
            self.refused[fingerprint(file.auths[host])] = False
            if abs(self.machine.wall_off) < 5 * MINUTE:  # else its dates look like others than they are
                self.kept[host] = (file.auths[host], self.true + HOUR * 4 - MINUTE * 6)
        if what != "foreign":
            self.kept = {} if what == "clobber" else {h: k for h, k in self.kept.items() if h != host}
        self.house.watcher.changed(HOME)
