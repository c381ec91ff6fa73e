"""Promises 5, 6 and 8: what our helper answers from is whole, private, and never waited for."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.model import ABSENT, EntryKind, Refusal, fingerprint
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import SinkUnwritable
from ecr_refreshd.sinks.helperfolder import HelperFolder
from tests.contracts.sinks import AUTH, HOST, OTHER

ENDS = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
TOKEN = Delivery({HOST: Secret(AUTH)}, {HOST: ENDS})


def folder_in(home: Path) -> HelperFolder:
    return HelperFolder(str(home / "helper"), str(home / "locks"))


def names(home: Path) -> list[str]:
    return sorted(file.name for file in (home / "helper").iterdir())


def test_an_answer_is_whole_private_and_says_when_it_ends(tmp_path: Path) -> None:
    view = folder_in(tmp_path).write(TOKEN)
    file = tmp_path / "helper" / HOST
    assert json.loads(file.read_text())["ServerURL"] == f"https://{HOST}"
    assert (file.stat().st_mtime, stat.S_IMODE(file.stat().st_mode)) == (ENDS.timestamp(), 0o600)
    assert stat.S_IMODE((tmp_path / "helper").stat().st_mode) == 0o700
    assert view.entries[HOST].fingerprint == fingerprint(AUTH)
    assert view == folder_in(tmp_path).look([HOST])


def test_a_refusal_takes_the_place_of_a_token_and_a_token_that_of_a_refusal(tmp_path: Path) -> None:
    sink = folder_in(tmp_path)
    sink.write(TOKEN)
    refusal = Refusal("it has ended -> aws sso login", ENDS)
    view = sink.write(Delivery(refusals={HOST: refusal}))
    assert (view.refusals, view.entries[HOST].kind) == ({HOST: refusal}, EntryKind.EMPTY)
    assert names(tmp_path) == [f"{HOST}.none"]
    sink.write(TOKEN)
    assert names(tmp_path) == [HOST]
    assert sink.write(Delivery(released=frozenset({HOST}))).lines == frozenset()
    assert names(tmp_path) == []


def test_two_of_our_processes_do_not_take_away_what_the_other_is_just_writing(tmp_path: Path) -> None:
    """The service, and a helper that had to ask AWS itself because there was none a moment ago."""

    def write(host: str) -> None:
        sink = folder_in(tmp_path)
        for _ in range(150):
            sink.write(Delivery({host: Secret(AUTH)}, {host: ENDS}))

    with ThreadPoolExecutor(2) as both:
        list(both.map(write, [HOST, OTHER]))
    assert folder_in(tmp_path).look([HOST, OTHER]).lines == {HOST, OTHER}


def test_what_a_crash_left_is_removed_by_the_next_write(tmp_path: Path) -> None:
    sink = folder_in(tmp_path)
    sink.write(TOKEN)
    (tmp_path / "helper" / f".new-{OTHER}").write_text("half")
    assert sink.look([OTHER]).entries[OTHER] == ABSENT
    sink.write(TOKEN)
    assert names(tmp_path) == [HOST]


@pytest.mark.parametrize("name", [HOST, f"{HOST}.none"])
def test_a_pipe_in_its_place_is_not_waited_for_and_gives_way(tmp_path: Path, name: str) -> None:
    (tmp_path / "helper").mkdir(0o700)
    os.mkfifo(tmp_path / "helper" / name)
    sink = folder_in(tmp_path)
    assert sink.look([HOST]).entries[HOST].auth is None
    assert sink.write(TOKEN).entries[HOST].fingerprint == fingerprint(AUTH)
    assert names(tmp_path) == [HOST]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "helper").mkdir(0o700)
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / "helper" / HOST).symlink_to(tmp_path / "elsewhere")
    sink = folder_in(tmp_path)
    with pytest.raises(SinkUnwritable):
        sink.look([HOST])
    (tmp_path / "helper" / HOST).unlink()
    (tmp_path / "helper" / f".new-{HOST}").symlink_to(tmp_path / "elsewhere")
    sink.write(TOKEN)
    assert (tmp_path / "elsewhere").read_text() == "kept"


def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    sink = folder_in(tmp_path)
    sink.write(TOKEN)
    (tmp_path / "helper").chmod(0o777)
    for use in (lambda: sink.look([HOST]), lambda: sink.write(TOKEN)):
        with pytest.raises(SinkUnwritable, match="only you can write"):
            use()


def test_a_token_of_the_past_is_told_as_ended(tmp_path: Path) -> None:
    past = ENDS - timedelta(days=3000)
    view = folder_in(tmp_path).write(Delivery({HOST: Secret(AUTH)}, {HOST: past}))
    assert view.entries[HOST].expires_hint == past
