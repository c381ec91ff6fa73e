"""A state file that a disk or a hand has mangled: the service starts and lives on, and `status` is shown."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, timedelta
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_refreshd.cli.table import Look, render
from ecr_refreshd.core import memory
from ecr_refreshd.core.events import PauseAsked
from ecr_refreshd.core.model import Category, Choice, ChosenBy, Failure, Login, Principal, Standing
from ecr_refreshd.core.ports import FetchOrder
from tests.household import HOST, HandClock, HandLookout, HandProfiles, Household

OTHER = "111122223333.dkr.ecr.us-west-2.amazonaws.com"
PAUSED = "222233334444.dkr.ecr.us-west-2.amazonaws.com"
CONFIG = f"""
[[registry]]
host = "{HOST}"
[[registry]]
host = "{OTHER}"
profile = "tool"
[[registry]]
host = "{PAUSED}"
profile = "tool"
"""
HOUR = timedelta(hours=1)
ENDED = Failure(Category.LOGIN, "TokenRetrievalError", "the login has ended", "Sign in.", awaits_person=True)
STANDINGS = {
    "a": Standing(login_backed=True, lane="sso:corp", sso_session="corp", login_command="aws sso login"),
    "tool": Standing(login_backed=True, process="tool", program="tool"),
}
NEVER_WRITTEN = [
    None, True, 0, -5, 10**30, 1.5, float("inf"), "", "x", [], {}, [1], [None], {"a": 1}, "a\nb",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2199-01-01T00:00:00Z", "2026-01-01",
]  # fmt: skip
Path = tuple[str | int, ...]


def answered(order: FetchOrder) -> Failure | timedelta:
    return 12 * HOUR if order.grant.principal.profile == "b" else ENDED


def household(remembered: dict[str, Any] | None = None, clock: HandClock | None = None) -> Household:
    offered = tuple(Choice(Principal(name), ChosenBy.ACCOUNT, own_account=True) for name in "ab")
    lookout = HandLookout(said=HandProfiles(STANDINGS, offered))
    lookout.logins["sso:corp"] = Login("one", alive=True, refreshes=True)
    return Household(CONFIG, answer=answered, lookout=lookout, remembered=remembered, clock=clock)


@cache
def kept() -> tuple[dict[str, Any], HandClock]:
    house = household()
    house.aws.answer = lambda _order: HOUR
    house.begin()
    house.aws.answer = answered
    house.service.tell(PauseAsked(PAUSED, house.clock.wall + 100 * HOUR))
    house.live(2 * HOUR)
    return json.loads(json.dumps(house.saved)), house.clock


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        yield (*path, key)
        yield from paths(member, (*path, key))


def mangled(found: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    found = copy.deepcopy(found)
    owner: Any = found
    for key in path[:-1]:
        owner = owner[key]
    owner[path[-1]] = value
    return found


@given(st.data(), st.sampled_from(NEVER_WRITTEN))
@settings(max_examples=200, deadline=None)
def test_status_is_shown_whatever_the_file_holds(data: st.DataObject, value: object) -> None:
    found, clock = kept()
    found = mangled(found, data.draw(st.sampled_from([*paths(found)])), value)
    document = memory.last_document(found, clock.wall, "1")
    for width in (None, 60, 200):
        look = Look(width=width, colour=False, unicode=True, zone=UTC)
        assert render(document, clock.wall, look).strip()


@given(st.data(), st.sampled_from(NEVER_WRITTEN))
@settings(max_examples=20, deadline=None)
def test_a_run_begins_whatever_the_file_holds(data: st.DataObject, value: object) -> None:
    found, clock = kept()
    names = [path for path in paths(found) if path[0] != "status"]
    found = mangled(found, data.draw(st.sampled_from(names)), value)
    again = household(found, HandClock(clock.wall, clock.boot)).begin()
    again.live(HOUR / 6)
    assert again.row(HOST)["phase"] == "fresh"


def test_no_time_that_was_never_written_is_believed() -> None:
    """A failure of the year 2199 would have its principal asked again in that year."""
    found, clock = kept()
    key = next(key for key in found["grants"] if key.startswith("a/"))
    for far in ("2199-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        state = memory.recall(mangled(found, ("grants", key, "failure", "at"), far), clock.now())
        failure = state.grant(key).failure
        assert failure is None or (failure.at is not None and failure.at <= clock.wall)
