"""Where a principal fails, the next of its registry serves; and it comes first again once it works."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from ecr_refreshd.core.events import PauseAsked
from ecr_refreshd.core.model import Category, Choice, ChosenBy, Failure, Login, Principal, Standing
from ecr_refreshd.core.ports import FetchOrder
from ecr_refreshd.waits import Wait
from tests.household import HOST, HandLookout, HandProfiles, Household

CONFIG = f'[[registry]]\nhost = "{HOST}"\n'
MINUTE, HOUR, HALF_DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(hours=12)
DENIED = Failure(Category.DENIED, "AccessDeniedException", "not allowed")
ENDED = Failure(Category.LOGIN, "TokenRetrievalError", "the login has ended")
NONE_THERE = Failure(Category.TRANSIENT, "NoCredentialsError", "nobody gives credentials")
NO_SUCH = Failure(Category.CONFIG, "ProfileNotFound", "no such profile")
OFFLINE = Failure(Category.TRANSIENT, "EndpointConnectionError", "AWS could not be reached")
CORP = Standing(login_backed=True, lane="sso:corp", sso_session="corp", login_command="aws sso login")


@dataclass
class Script:
    """What AWS says to each profile: a failure, or a token of half a day."""

    failures: dict[str, Failure] = field(default_factory=dict)
    life: timedelta = HALF_DAY

    def __call__(self, order: FetchOrder) -> timedelta | Failure:
        return self.failures.get(order.grant.principal.profile, self.life)


def household(
    script: Script, *names: str, standings: dict[str, Standing] | None = None, others: str = "", **more
) -> Household:
    """Return one whose profiles are of the registry's account, except for `others`: nothing tells theirs."""
    offered = tuple(
        Choice(Principal(name), ChosenBy.ACCOUNT, own_account=name not in others) for name in names
    )
    lookout = HandLookout(said=HandProfiles(standings or {}, offered))
    return Household(CONFIG, answer=script, lookout=lookout, **more)


def used(house: Household) -> str:
    return house.row()["principal"]["profile"]


def asked(house: Household) -> list[str]:
    return [key.partition("/")[0] for _, key in house.aws.calls]


@pytest.mark.parametrize("failure", [DENIED, ENDED, NONE_THERE, NO_SUCH], ids=lambda each: each.code)
def test_the_next_candidate_serves(failure: Failure) -> None:
    house = household(Script({"a": failure}), "a", "b", "c").begin()
    assert (used(house), house.row()["phase"]) == ("b", "fresh")
    assert asked(house) == ["a", "b"]


def test_being_offline_asks_no_other_principal() -> None:
    house = household(Script({"a": OFFLINE}), "a", "b").begin()
    assert set(asked(house)) == {"a"}


def test_a_denied_principal_is_asked_again_and_comes_first_again() -> None:
    """After 15 min, 1 h, 4 h; meanwhile the other goes on serving."""
    script = Script({"a": DENIED})
    house = household(script, "a", "b").begin()
    began = house.clock.wall
    house.live(7 * HOUR)
    pauses = [round((at - began) / MINUTE) for at, key in house.aws.calls if key.startswith("a/")]
    assert pauses == [0, 15, 75, 315]
    assert (used(house), house.row()["phase"]) == ("b", "fresh")
    script.failures.clear()
    house.live(3 * HOUR)
    assert (used(house), house.row()["phase"]) == ("a", "fresh")


def test_a_transient_lack_of_credentials_is_no_reason_to_hurry() -> None:
    """A laptop's role of an instance is not asked for every half minute while a profile serves."""
    house = household(Script({"": NONE_THERE}), "", "b").begin()
    house.live(HOUR)
    assert asked(house).count("(ambient)") == 2


def test_a_refresh_asks_whoever_was_denied() -> None:
    script = Script({"a": DENIED})
    house = household(script, "a", "b").begin()
    script.failures.clear()
    wait = Wait(frozenset({HOST}), refresh=True)
    house.service._queue.put(wait)
    house.settle()
    assert wait.settled
    assert used(house) == "a"


def test_changed_files_ask_whoever_was_denied() -> None:
    script = Script({"a": DENIED})
    house = household(script, "a", "b").begin()
    script.failures.clear()
    house.lookout.text = "two"
    house.lookout.look()
    house.settle()
    assert used(house) == "a"


def test_the_one_that_worked_serves_after_a_restart_unasked() -> None:
    script = Script({"a": DENIED})
    house = household(script, "a", "b").begin()
    house.live(5 * MINUTE)
    again = household(script, "a", "b", remembered=house.saved, clock=house.clock, files=house.files).begin()
    assert (used(again), again.row()["phase"], again.aws.calls) == ("b", "fresh", [])
    script.failures.clear()
    again.live(HOUR)
    assert used(again) == "a"


def test_files_that_changed_while_no_service_ran_ask_again() -> None:
    script = Script({"a": DENIED})
    house = household(script, "a", "b").begin()
    house.live(5 * MINUTE)
    script.failures.clear()
    house.lookout.text = "two"
    again = Household(
        CONFIG, answer=script, lookout=house.lookout, remembered=house.saved, clock=house.clock,
        files=house.files,
    ).begin()  # fmt: skip
    assert used(again) == "a"


def test_an_ended_login_leaves_its_living_token_in_use() -> None:
    """A weaker role would break pushes while the token of the better one bridges."""
    script = Script({})
    house = household(script, "a", "b", standings={"a": CORP}).begin()
    house.lookout.logins["sso:corp"] = Login("one", alive=True)
    script.failures["a"] = ENDED
    house.live(5 * HOUR)
    assert (used(house), house.row()["phase"]) == ("a", "login-required")
    house.live(8 * HOUR)
    assert (used(house), house.row()["phase"]) == ("b", "fresh")


def test_an_ended_login_lets_nobody_of_another_account_take_over() -> None:
    """All would say ok while the first pull of a registry that knows only its own account is denied."""
    script = Script({})
    house = household(script, "a", "b", "c", standings={"a": CORP}, others="b").begin()
    house.lookout.logins["sso:corp"] = Login("one", alive=True)
    script.failures |= {"a": ENDED, "c": DENIED}
    house.live(13 * HOUR)
    assert (used(house), house.row()["phase"]) == ("a", "login-required")
    assert "b" not in asked(house)
    script.failures.pop("c")
    house.live(4 * HOUR)
    assert (used(house), house.row()["phase"]) == ("c", "fresh")


def test_the_notice_stands_while_another_principal_stands_in() -> None:
    """Signed in again, the better one serves again; nobody else would say that it waits for that."""
    script = Script({})
    house = household(script, "a", "b", standings={"a": CORP}).begin()
    house.lookout.logins["sso:corp"] = Login("one", alive=True)
    script.failures["a"] = ENDED
    house.live(13 * HOUR)
    assert (used(house), house.row()["phase"]) == ("b", "fresh")
    (notice,) = house.service.document()["notices"]
    assert notice["key"] == "login:sso:corp"
    assert "work until" in notice["body"]
    assert house.herald.events("login:")[0] == ("raised", "login:sso:corp")
    script.failures.clear()
    house.lookout.logins["sso:corp"] = Login("two", alive=True)
    house.lookout.look()
    house.settle()
    assert (used(house), house.service.document()["notices"]) == ("a", [])


def test_a_login_that_nobody_misses_is_not_told() -> None:
    """A profile that was never signed in to, beside one that serves, is nobody's concern."""
    house = household(Script({"a": ENDED}), "a", "b", standings={"a": CORP}).begin()
    house.live(HOUR)
    assert (used(house), house.herald.events("login:")) == ("b", [])


def test_principals_of_one_ended_login_are_not_asked_one_after_the_other() -> None:
    house = household(
        Script({"a": ENDED, "b": ENDED}), "a", "b", "c", standings={"a": CORP, "b": CORP}
    ).begin()
    assert asked(house) == ["a", "c"]


def test_where_all_fail_a_sign_in_that_would_help_is_shown() -> None:
    house = household(Script({"a": DENIED, "b": ENDED, "c": NO_SUCH}), "a", "b", "c").begin()
    assert (used(house), house.row()["phase"]) == ("b", "login-required")
    assert sorted(asked(house)) == ["a", "b", "c"], "each once"


def test_where_all_fail_the_one_that_worked_is_shown() -> None:
    """Its denial is the news; that nobody is signed in for the other never mattered."""
    script = Script({"b": ENDED}, life=HOUR)
    house = household(script, "a", "b").begin()
    script.failures["a"] = DENIED
    house.live(2 * HOUR)
    assert (used(house), house.row()["phase"]) == ("a", "blocked")


def test_a_paused_host_asks_nobody_again() -> None:
    house = household(Script({"a": DENIED}), "a", "b").begin()
    house.service.tell(PauseAsked(HOST, None))
    house.settle()
    calls = len(house.aws.calls)
    house.live(5 * HOUR)
    assert len(house.aws.calls) == calls
