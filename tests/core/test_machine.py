"""Stories of the machine: what overlaps, what is not yet known, and what never answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ecr_refreshd.core import decisions, machine
from ecr_refreshd.core.events import (
    CredentialsChanged,
    FetchFailed,
    FetchSucceeded,
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
    Principal,
    Standing,
    Token,
    View,
    fingerprint,
)
from ecr_refreshd.core.schedule import pause_after
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.state import FilePlan, HostFacts, Plan, Registry, State

PATH = "/home/dev/.docker/config.json"
START = Instant(datetime(2026, 3, 2, tzinfo=UTC), timedelta(hours=1))
GRANTS = tuple(Grant(Principal("dev"), "ecr", region) for region in ("us-west-2", "eu-west-1"))
HOSTS = ("west.example", "euro.example")
EMPTY = View(dict.fromkeys(HOSTS, ABSENT))


def plan(standing: Standing = Standing()) -> Plan:  # noqa: B008 - a frozen value
    registries = {
        host: Registry(host, "config", grant, ChosenBy.CONFIG, standing, grant.region)
        for host, grant in zip(HOSTS, GRANTS, strict=True)
    }
    return Plan(registries, (FilePlan(PATH, "named"),), "seed")


def later(seconds: float) -> Instant:
    by = timedelta(seconds=seconds)
    return Instant(START.wall + by, START.boot + by)


def token(name: str, now: Instant = START) -> Token:
    return Token(Secret(name), fingerprint(name), now.wall, now.wall + timedelta(hours=12), now.boot)


def begun(standing: Standing = Standing()) -> State:  # noqa: B008 - a frozen value
    """Both grants are being fetched; the file was looked at and is empty."""
    state = State(started=START.boot)
    state, decided = machine.step(state, SinkSeen(PATH, EMPTY), START, plan(standing))
    assert [type(each) for each in decided] == [decisions.Fetch]
    return state


def test_nothing_is_fetched_before_the_files_were_looked_at_and_a_hanging_one_holds_it_up_for_5_s_only() -> (
    None
):
    """A restart must find its token first; but a dead network share is no reason to wait for ever."""
    state = State(started=START.boot)
    state, decided = machine.step(state, Ticked(), START, plan())
    assert decided == ()
    assert state.wake_at == later(5).wall

    _state, decided = machine.step(state, Ticked(), later(5), plan())
    assert [type(each) for each in decided] == [decisions.Fetch]


def test_a_fresh_token_waits_a_moment_for_the_others_of_its_batch_and_no_longer() -> None:
    """One rewrite per batch; a slow principal delays nobody for more than a quarter of a second."""
    state, decided = machine.step(
        begun(), FetchSucceeded(GRANTS[0].key, 1, token("west")), later(0.1), plan()
    )
    assert decided == ()
    assert state.wake_at == later(0.35).wall

    both, decided = machine.step(state, FetchSucceeded(GRANTS[1].key, 1, token("euro")), later(0.2), plan())
    assert [set(each.delivery.tokens) for each in decided] == [set(HOSTS)]
    assert both.wake_at is not None

    _alone, decided = machine.step(state, Ticked(), later(0.35), plan())
    assert [set(each.delivery.tokens) for each in decided] == [{HOSTS[0]}]


def test_a_login_during_a_fetch_makes_its_refusal_stale() -> None:
    """The answer says that the login has ended; it was asked before the person signed in again."""
    waiting = plan(Standing(login_backed=True, lane="sso:corp"))
    state = begun(Standing(login_backed=True, lane="sso:corp"))
    state, decided = machine.step(state, CredentialsChanged(), later(1), waiting)
    assert decided == ()

    ended = Failure(Category.LOGIN, "TokenRetrievalError", "ended")
    state, decided = machine.step(state, FetchFailed(GRANTS[0].key, 1, ended), later(2), waiting)
    assert [[o.grant for o in each.orders] for each in decided] == [[GRANTS[0]]]

    state, decided = machine.step(state, FetchFailed(GRANTS[0].key, 2, ended), later(3), waiting)
    assert [each.event for each in decided] == ["raised"], (
        "the second refusal is not stale, and a person is told"
    )


def test_files_that_change_at_each_failure_do_not_feed_a_loop() -> None:
    """A credential_process that rewrites its cache in ~/.aws and fails: three free retries, then pauses."""
    state = begun()
    denied = Failure(Category.CONFIG, "x", "x")
    fetches = 0
    for tenth in range(1, 300):
        now = later(tenth / 10)
        serial = state.grant(GRANTS[0].key).serial
        state, some = machine.step(state, FetchFailed(GRANTS[0].key, serial, denied), now, plan())
        state, more = machine.step(state, CredentialsChanged(), now, plan())
        fetches += sum(isinstance(each, decisions.Fetch) for each in (*some, *more))
    assert fetches < 12


def test_a_host_that_was_not_looked_at_is_not_overwritten() -> None:
    """A registry that was just added: what stands under it in the file is not known yet."""
    state = State(started=START.boot)
    state, _ = machine.step(state, SinkSeen(PATH, View({HOSTS[0]: ABSENT})), START, plan())
    for grant, name in zip(GRANTS, ("west", "euro"), strict=True):
        state, decided = machine.step(state, FetchSucceeded(grant.key, 1, token(name)), later(1), plan())
    assert [set(each.delivery.tokens) for each in decided] == [{HOSTS[0]}]


def test_a_write_whose_sink_never_answers_is_given_up_and_tried_again() -> None:
    """A file system that hung and came back."""
    state = begun()
    for grant, name in zip(GRANTS, ("west", "euro"), strict=True):
        state, decided = machine.step(state, FetchSucceeded(grant.key, 1, token(name)), later(1), plan())
    (write,) = decided
    state, decided = machine.step(state, Ticked(), later(30), plan())
    assert decided == ()
    state, decided = machine.step(state, Ticked(), later(62), plan())
    assert state.sink(PATH).failure is not None
    assert "did not answer" in state.sink(PATH).failure.message
    state, decided = machine.step(state, Ticked(), later(64), plan())
    assert [each.serial for each in decided] == [write.serial + 1]

    late = SinkFailed(PATH, "unwritable", Failure(Category.TRANSIENT, "x", "x"), write.serial)
    after, decided = machine.step(state, late, later(65), plan())
    assert (after.sinks, decided) == (state.sinks, ()), "the answer of the write that was given up is stale"


def test_after_a_war_and_a_minute_of_peace_an_undo_is_healed_at_once() -> None:
    """Contested ends."""
    west = token("west")
    ours = View({HOSTS[0]: Entry(EntryKind.TOKEN, west.fingerprint, None, west.auth), HOSTS[1]: ABSENT})
    facts = HostFacts(held=True, wrote_at=later(0).boot, undone=14, not_before=later(8).boot)
    state = begun()
    state, _ = machine.step(state, FetchSucceeded(GRANTS[0].key, 1, west), later(0), plan())
    state, _ = machine.step(state, SinkSeen(PATH, ours), later(1), plan())
    sink = state.sink(PATH)
    state = machine.replace(state, sinks={PATH: machine.replace(sink, hosts={HOSTS[0]: facts})})

    at_war, decided = machine.step(state, SinkSeen(PATH, EMPTY), later(1.5), plan())
    assert [type(each) for each in decided] == [decisions.Tell]
    assert at_war.sink(PATH).host(HOSTS[0]).undone == 15

    _peace, decided = machine.step(state, SinkSeen(PATH, EMPTY), later(61), plan())
    assert [set(each.delivery.tokens) for each in decided] == [{HOSTS[0]}]


def test_pauses_after_failures_are_those_of_the_design() -> None:
    """DESIGN 5: equal jitter from 2 s (5 s throttled), at most a tenth of what is left; 15 min, 1 h, 4 h."""
    slow = Failure(Category.TRANSIENT, "x", "x")
    busy = Failure(Category.TRANSIENT, "x", "x", throttled=True)
    hours = timedelta(hours=10)
    assert [pause_after(slow, n, hours, 0.0).total_seconds() for n in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert [pause_after(slow, n, hours, 1.0).total_seconds() for n in (1, 2, 3, 4)] == [2, 4, 8, 16]
    assert [pause_after(busy, n, hours, 1.0).total_seconds() for n in (1, 2)] == [5, 10]
    assert pause_after(slow, 50, hours, 1.0) == timedelta(minutes=15)
    assert pause_after(slow, 50, timedelta(minutes=20), 1.0) == timedelta(minutes=2)
    assert pause_after(slow, 50, timedelta(seconds=-5), 1.0) == timedelta(seconds=30)
    for category in (Category.DENIED, Category.CONFIG):
        stubborn = Failure(category, "x", "x")
        pauses = [pause_after(stubborn, n, hours, 0.5) for n in (1, 2, 3, 9)]
        assert pauses == [timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4), timedelta(hours=4)]
