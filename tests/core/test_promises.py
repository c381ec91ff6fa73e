"""The promises of core/machine.py, under a world that answers late, twice, wrongly or never.

Hypothesis plays everybody else: AWS, other programs that edit the files, people, and whoever sets the clock.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ecr_refreshd.core import decisions, healing, machine, writing
from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.events import (
    CredentialsChanged,
    Event,
    FetchFailed,
    FetchSucceeded,
    LoginsSeen,
    PauseAsked,
    Probed,
    RefreshAsked,
    ResumeAsked,
    SinkFailed,
    SinkSeen,
    Ticked,
)
from ecr_refreshd.core.model import (
    ABSENT,
    Category,
    ChosenBy,
    Entry,
    EntryKind,
    Failure,
    Grant,
    Instant,
    Login,
    Principal,
    Standing,
    Token,
    View,
    fingerprint,
)
from ecr_refreshd.core.schedule import alive
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.state import FilePlan, GrantFacts, Plan, Registry, State

HOSTS = ("one.example", "two.example", "public.ecr.aws")
PATHS = ("/a/config.json", "/b/auth.json")
KEYS = ("dev/ecr/us-west-2", "sso/ecr/us-west-2")
LIVES = st.sampled_from(
    [timedelta(seconds=20), timedelta(minutes=10), timedelta(hours=12), timedelta(days=30)]
)

LONGEST_WAR = 13
"""Writes in a second and a half."""


def make_plan() -> Plan:
    standings = (Standing(), Standing(login_backed=True, lane="sso:corp"))
    grants = [Grant(Principal(name), "ecr", "us-west-2") for name in ("dev", "sso")]
    registries = {
        host: Registry(
            host, "config", grants[n % 2], ChosenBy.CONFIG, standings[n % 2], "us-west-2", f"{n:012}"
        )
        for n, host in enumerate(HOSTS)
    }
    return Plan(registries, tuple(FilePlan(path, "named") for path in PATHS), "seed")


class World(RuleBasedStateMachine):
    """Steps the machine through whatever comes, and holds each promise after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Instant(datetime(2026, 3, 2, tzinfo=UTC), timedelta(hours=1))
        self.plan = make_plan()
        self.state = State(started=self.now.boot)
        self.minted = 0
        self.fetches: dict[tuple[str, int], timedelta] = {}
        self.answered: set[tuple[str, int]] = set()
        self.writes: dict[str, decisions.Write] = {}
        self.disk: dict[str, dict[str, Entry]] = {path: {} for path in PATHS}
        self.broken: set[str] = set()
        self.waiting_for_person: dict[str, int] = {}
        self.secrets: list[str] = []
        self.standing: set[str] = set()
        self.probes: list[tuple[str, str]] = []
        self.login = Login("first", alive=True, expires_at=self.now.wall + timedelta(hours=1))

    # -- the machine's side ---------------------------------------------------------------------------------

    def step(self, event: Event) -> None:
        before = self.state
        self.state, decided = machine.step(before, event, self.now, self.plan)
        self.carry_out(decided)
        again, more = machine.step(self.state, Ticked(), self.now, self.plan)
        assert more == (), "settling twice at one instant decides nothing the second time"
        self.state = again
        for said in (self.state, decided, event):
            assert not any(text in repr(said) for text in self.secrets), "a repr shows a secret"

    def carry_out(self, decided: Iterable[decisions.Decision]) -> None:
        for decision in decided:
            match decision:
                case decisions.Fetch(orders):
                    for order in orders:
                        self.check_fetch(order.grant.key, order.serial)
                case decisions.Write():
                    self.check_write(decision)
                case decisions.Tell(event, notice, _place):
                    self.check_notice(event, notice.key)
                case decisions.Probe(host, fingerprint, _auth):
                    assert host not in self.state.pauses
                    self.probes.append((host, fingerprint))

    def check_notice(self, event: str, key: str) -> None:
        if event == "raised":
            assert key not in self.standing, "a notice is raised once for its cause"
            self.standing.add(key)
            return
        assert key in self.standing, f"what never stood is {event}"
        if event == "withdrawn":
            self.standing.remove(key)

    def check_fetch(self, key: str, serial: int) -> None:
        running = [
            (k, n)
            for (k, n), began in self.fetches.items()
            if k == key and (k, n) not in self.answered and self.now.boot - began <= timedelta(seconds=150)
        ]
        assert not running, "one fetch per grant at a time"
        assert key not in self.waiting_for_person, "nobody is asked while only a person can help"
        hosts = [r.host for r in self.plan.by_grant()[key]]
        assert not self.state.pauses.keys() >= set(hosts), "nothing is asked for hosts that are paused"
        self.fetches[key, serial] = self.now.boot

    def check_write(self, write: decisions.Write) -> None:
        assert write.delivery != Delivery(answered=write.delivery.answered), "an empty write is none"
        assert self.state.pauses.keys().isdisjoint({*write.delivery.tokens, *write.delivery.removed}), (
            "a paused host is left alone"
        )
        for host in write.delivery.tokens:
            registry = self.plan.registries[host]
            assert registry.grant is not None
            token = self.state.grant(registry.grant.key).token
            assert token is not None
            assert alive(token, self.now), "an expired token is never written"
            assert write.delivery.tokens[host] == token.auth, "what is written is the newest token"
        self.writes[write.path] = write

    # -- everybody else -------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.step(Ticked())
        for path in PATHS:
            self.look(path)

    @rule(by=st.sampled_from([0.1, 0.5, 1, 2.5, 20, 31, 600, 3600, 7 * 3600, 40 * 3600]))
    def time_goes_by(self, by: float) -> None:
        self.now = Instant(self.now.wall + timedelta(seconds=by), self.now.boot + timedelta(seconds=by))
        self.step(Ticked())

    @rule()
    def the_alarm_rings(self) -> None:
        if self.state.wake_at is not None and self.state.wake_at > self.now.wall:
            by = self.state.wake_at - self.now.wall
            self.now = Instant(self.now.wall + by, self.now.boot + by)
            self.step(Ticked())

    @rule(by=st.sampled_from([-40 * 86400, -3600, -60, 60, 3600, 40 * 86400]))
    def somebody_sets_the_clock(self, by: int) -> None:
        self.now = replace(self.now, wall=self.now.wall + timedelta(seconds=by))
        self.step(Ticked())

    @rule(pick=st.integers(0, 50), life=LIVES)
    def aws_answers(self, pick: int, life: timedelta) -> None:
        """Also a fetch that was answered before, or given up: its token counts if it is newer, and no further."""
        if not self.fetches:
            return
        key, serial = list(self.fetches)[pick % len(self.fetches)]
        self.minted += 1
        text = f"QVdTOnNlY3JldC1{self.minted:08}"
        self.secrets.append(text)
        token = Token(Secret(text), fingerprint(text), self.now.wall, self.now.wall + life, self.now.boot)
        current = self.is_current(key, serial)
        self.answered.add((key, serial))
        if current:
            self.waiting_for_person.pop(key, None)
        before = self.state.grant(key)
        self.step(FetchSucceeded(key, serial, token))
        after = self.state.grant(key)
        if not current and (before.token is None or token.expires_at > before.token.expires_at):
            assert after.token == token, "a good token is never thrown away"
            assert (after.serial, after.fetching) == (before.serial, before.fetching), "what is asked goes on"
        elif not current:
            assert after.token == before.token, "what is older changes nothing"

    @rule(pick=st.integers(0, 50), category=st.sampled_from(list(Category)), throttled=st.booleans())
    def aws_refuses(self, pick: int, category: Category, throttled: bool) -> None:
        if not self.fetches:
            return
        key, serial = list(self.fetches)[pick % len(self.fetches)]
        current = self.is_current(key, serial)
        self.answered.add((key, serial))
        facts = self.state.grant(key)
        if (
            current
            and category is Category.LOGIN
            and key == KEYS[1]
            and not facts.changed
            and not facts.asked
            and not self.login_looks_alive()
        ):
            self.waiting_for_person[key] = serial
        held = facts.token
        self.step(FetchFailed(key, serial, Failure(category, "code", "text", throttled=throttled)))
        assert self.state.grant(key).token == held, "a failure keeps the good token"

    def login_looks_alive(self) -> bool:
        login = self.state.logins.get("sso:corp")
        return login is not None and login.seen.alive

    def is_current(self, key: str, serial: int) -> bool:
        facts = self.state.grant(key)
        return facts.serial == serial and facts.fetching is not None

    @rule()
    def aws_files_change(self) -> None:
        self.waiting_for_person.clear()
        self.step(CredentialsChanged())

    @rule(hosts=st.sets(st.sampled_from(HOSTS)))
    def somebody_asks(self, hosts: set[str]) -> None:
        self.waiting_for_person.clear()
        self.step(RefreshAsked(frozenset(hosts)))

    @rule(
        alive=st.booleans(),
        minutes=st.sampled_from([-60, 5, 50, 480]),
        same=st.booleans(),
        ends=st.booleans(),
        torn=st.booleans(),
    )
    def the_login_on_disk_changes(
        self, *, alive: bool, minutes: int, same: bool, ends: bool, torn: bool
    ) -> None:
        """A sign-in, a refresh, a sign-out, or a file that is half written."""
        at = self.now.wall + timedelta(minutes=minutes)
        stamp = self.login.stamp if same else f"login {self.minted} {at}"
        self.login = Login(stamp, alive, True, at, at if ends else None, torn)
        self.waiting_for_person.clear()
        self.step(LoginsSeen({"sso:corp": self.login}))

    @rule(host=st.sampled_from(HOSTS), length=st.sampled_from([None, 60, 7200]))
    def somebody_pauses(self, host: str, length: int | None) -> None:
        until = None if length is None else self.now.wall + timedelta(seconds=length)
        self.step(PauseAsked(host, until))

    @rule(host=st.sampled_from(HOSTS))
    def somebody_resumes(self, host: str) -> None:
        self.step(ResumeAsked(host))

    @rule(pick=st.integers(0, 20), answer=st.sampled_from(["accepted", "refused", "unknown"]))
    def a_registry_answers(self, pick: int, answer: str) -> None:
        if self.probes:
            host, fingerprint = self.probes[pick % len(self.probes)]
            self.waiting_for_person.clear()
            self.step(Probed(host, fingerprint, answer, "HTTP 403."))

    @rule(path=st.sampled_from(PATHS), host=st.sampled_from(HOSTS), what=st.integers(0, 7))
    def somebody_edits(self, path: str, host: str, what: int) -> None:
        entries = self.disk[path]
        if what == 0:
            entries.pop(host, None)
        elif what == 1:
            entries[host] = Entry(EntryKind.EMPTY)
        elif what == 2:
            entries[host] = Entry(EntryKind.UNDECODABLE, "f00")
        elif what == 5:
            entries[host] = Entry(EntryKind.IDENTITY, "1d")
        elif what == 6:
            entries[host] = Entry(EntryKind.TOKEN, "dead", self.now.wall - timedelta(hours=1), Secret("dead"))
        elif what == 7:
            entries[host] = replace(entries.get(host, ABSENT), untidy=host in entries)
        elif what == 3:
            entries[host] = Entry(
                EntryKind.TOKEN, "beef", self.now.wall + timedelta(hours=5), Secret("theirs")
            )
        else:
            past = self.state.grant(KEYS[HOSTS.index(host) % 2]).past
            if past:
                entries[host] = Entry(
                    EntryKind.TOKEN, past[0], self.now.wall + timedelta(hours=5), Secret("old")
                )
        self.look(path)

    @rule(path=st.sampled_from(PATHS), host=st.sampled_from(HOSTS), how=st.sampled_from([0, 2, 7]))
    def somebody_undoes_whatever_we_write(self, path: str, host: str, how: int) -> None:
        """Ten times at once, then after 0.5 s, and so on."""
        undone = 0
        for number in range(16):
            if number == 3 and not undone:
                return  # we write nothing here just now
            if path in self.writes and host in self.writes[path].delivery.tokens:
                undone += 1
                self.a_write_ends(path)
            self.somebody_edits(path, host, how)
            self.time_goes_by(0.1)
        assert undone <= LONGEST_WAR, "we fight at the other's pace"

    @rule(path=st.sampled_from(PATHS))
    def look(self, path: str) -> None:
        if path in self.broken:
            self.step(
                SinkFailed(path, "unparsable", Failure(Category.TRANSIENT, "sink.unparsable", "line 1"))
            )
        else:
            self.step(SinkSeen(path, self.view(path)))

    def view(self, path: str) -> View:
        return View({host: self.disk[path].get(host, ABSENT) for host in HOSTS}, ecr_hosts=HOSTS, rest="r")

    @rule(path=st.sampled_from(PATHS))
    def a_write_ends(self, path: str) -> None:
        write = self.writes.pop(path, None)
        if write is None:
            return
        if path in self.broken:
            failure = Failure(Category.TRANSIENT, "sink.unparsable", "line 1")
            self.step(SinkFailed(path, "unparsable", failure, write.serial))
            return
        for host in write.delivery.removed:
            self.disk[path].pop(host, None)
        for host, secret in write.delivery.tokens.items():
            text = secret.reveal()
            expires = self.now.wall + timedelta(hours=12)
            self.disk[path][host] = Entry(EntryKind.TOKEN, fingerprint(text), expires, secret)
        self.step(SinkSeen(path, self.view(path), write.serial))

    @rule(path=st.sampled_from(PATHS), code=st.sampled_from(["sink.contended", "sink.full"]))
    def a_write_fails(self, path: str, code: str) -> None:
        write = self.writes.pop(path, None)
        if write is not None:
            self.step(SinkFailed(path, "unwritable", Failure(Category.TRANSIENT, code, "no"), write.serial))

    @rule(path=st.sampled_from(PATHS))
    def a_file_breaks_or_is_mended(self, path: str) -> None:
        self.broken ^= {path}
        self.look(path)

    # -- what always holds ----------------------------------------------------------------------------------

    @invariant()
    def something_will_wake_it(self) -> None:
        """Whatever will become due by itself has an alarm, at the latest at the next tick."""
        for key in self.plan.by_grant():
            facts = self.state.grant(key)
            if facts.fetching is not None or facts.asked or self.all_paused(key) or self.is_dead(key, facts):
                continue
            if facts.failure is not None and facts.retry_at is not None:
                assert self.state.wake_at is not None, f"{key} waits for {facts.retry_at}, and nothing rings"

    def all_paused(self, key: str) -> bool:
        return self.state.pauses.keys() >= {r.host for r in self.plan.by_grant()[key]}

    def is_dead(self, key: str, facts: GrantFacts) -> bool:
        """Whether the disk shows that a person must sign in first."""
        login = self.state.logins.get("sso:corp")
        waits = facts.failure is not None and facts.failure.category is Category.LOGIN
        return key == KEYS[1] and waits and login is not None and not login.seen.alive

    @invariant()
    def what_stands_is_what_was_told(self) -> None:
        assert self.state.notices.keys() == self.standing

    @invariant()
    def no_living_token_is_kept_from_a_file_without_a_reason(self) -> None:
        for path in PATHS:
            sink = self.state.sink(path)
            if sink.view is None or sink.writing:
                continue
            for host, registry in self.plan.registries.items():
                judgement = writing.judgement_of(self.state, sink, registry, self.now)
                if judgement is None or judgement.verdict is not healing.Verdict.WRITE:
                    continue
                facts = sink.host(host)
                assert (
                    (sink.not_before is not None and sink.not_before > self.now.boot)
                    or (facts.not_before is not None and facts.not_before > self.now.boot)
                    or (self.state.gather_until is not None and self.state.gather_until > self.now.boot)
                ), f"{host} in {path} should be written, and nothing holds it back"
                assert self.state.wake_at is not None

    def teardown(self) -> None:
        """Whatever happened: with a world that works again, everything is fresh and on disk within two hours.

        What was under way is lost: its workers died.
        """
        lost = {key: self.state.grant(key).serial for key in KEYS}
        self.writes.clear()
        self.broken.clear()
        self.waiting_for_person.clear()
        for host in HOSTS:
            self.step(ResumeAsked(host))
        self.step(LoginsSeen({"sso:corp": Login("the last", True, True, self.now.wall + timedelta(hours=9))}))
        self.step(CredentialsChanged())
        for _ in range(130):
            self.now = Instant(self.now.wall + timedelta(minutes=1), self.now.boot + timedelta(minutes=1))
            self.step(Ticked())
            for key in KEYS:
                facts = self.state.grant(key)
                if facts.fetching is not None and facts.serial > lost[key]:
                    self.answer_well(key, facts.serial)
            for path in PATHS:
                self.a_write_ends(path)
                self.look(path)
        for key in KEYS:
            assert alive(self.state.grant(key).token, self.now), f"{key} was never renewed again"
        for path in PATHS:
            for host in HOSTS:
                entry = self.disk[path].get(host, ABSENT)
                token = self.state.grant(KEYS[HOSTS.index(host) % 2]).token
                assert token is not None
                # Somebody's are kept; "dead" too, for a while, once the clock was set back to when it lived.
                kept = {token.fingerprint, "beef", "1d", "dead"}
                assert entry.fingerprint in kept, f"{host} was never put into {path}"
        told = {key for key in self.standing if not key.startswith(("refused:",))}
        assert not told, f"{told} still stand although all is well"

    def answer_well(self, key: str, serial: int) -> None:
        self.minted += 1
        text = f"QVdTOnNlY3JldC1{self.minted:08}"
        self.answered.add((key, serial))
        life = timedelta(hours=12)
        token = Token(Secret(text), fingerprint(text), self.now.wall, self.now.wall + life, self.now.boot)
        self.step(FetchSucceeded(key, serial, token))


TestPromises = pytest.mark.filterwarnings("error")(World.TestCase)
TestPromises.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # A seeded fault only has to be found, not to be told in its shortest form.
    phases=[Phase.generate] if os.environ.get("SEEDED") else list(Phase),
)
