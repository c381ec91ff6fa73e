"""Promise 8: a host that another program serves stays with it where our helper line would break a pull."""

from __future__ import annotations

import base64
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.sinks import means, otherprograms
from ecr_refreshd.sinks.dockerfile import DockerFile
from ecr_refreshd.sinks.otherprograms import OtherPrograms
from tests.contracts.sinks import AUTH, HOST, OTHER

TOKENS = {HOST: Secret(AUTH)}
READY = Delivery(TOKENS, answered=frozenset(TOKENS))
HOUR = 3600


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the one folder of this PATH; cron's has nothing of it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(means, "BARE_PATH", str(tmp_path / "bare"))
    program(folder, "docker-credential-ecr-refreshd", "echo docker-credential-ecr-refreshd 1")
    return folder


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    (folder / name).chmod(0o755)


def serves(
    folder: Path, name: str, lasts: float | None = 11 * HOUR, user: str = "AWS", before: str = ""
) -> None:
    """Put a program that answers with an ECR token, and counts how often it was asked for which host."""
    said = {} if lasts is None else {"expiration": int(time.time() + lasts)}
    secret = base64.b64encode(json.dumps(said).encode()).decode()
    text = json.dumps({"ServerURL": HOST, "Username": user, "Secret": secret})
    program(
        folder,
        name,
        f"[ $1 = get ] || exit 1; {before}cat >>{folder}/asked; echo >>{folder}/asked; echo '{text}'",
    )


def asked(folder: Path) -> list[str]:
    there = folder / "asked"
    return there.read_text().split() if there.exists() else []


def file_with(folder: Path, content: dict[str, Any], **settings: str) -> DockerFile:
    (folder / "config.json").write_text(json.dumps(content))
    return DockerFile(str(folder / "config.json"), str(folder / "locks"), **settings)  # type: ignore[arg-type]


def document(sink: DockerFile) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(sink.path).read_text())
    return found


LINE = {"credHelpers": {HOST: "ecr-login"}}
STORE = {"auths": {HOST: {}}, "credsStore": "ecr-login"}


class TestAStore:
    def test_one_that_answers_keeps_the_host(self, tmp_path: Path, path: Path) -> None:
        """A cron job whose docker finds ecr-login, and does not find our helper in its venv."""
        serves(path, "docker-credential-ecr-login")
        sink = file_with(tmp_path, STORE)
        sink.look([HOST])
        view = sink.write(READY)
        assert document(sink) == STORE
        assert view.served[HOST].program == "docker-credential-ecr-login"
        assert view.helped == frozenset()
        assert "sudo ln -sf" in view.shadows[HOST]
        assert "/usr/bin/" in view.shadows[HOST]

    def test_it_is_taken_over_where_cron_finds_our_helper(self, tmp_path: Path, path: Path) -> None:
        serves(path, "docker-credential-ecr-login")
        program(tmp_path / "bare", means.PROGRAM, "echo docker-credential-ecr-refreshd 1")
        sink = file_with(tmp_path, STORE)
        assert sink.look([HOST]).served == {}
        sink.write(READY)
        assert document(sink)["credHelpers"] == {HOST: "ecr-refreshd"}
        assert asked(path) == []

    @pytest.mark.parametrize("lasts", [-HOUR, 120])
    def test_one_whose_credential_ends_is_taken_over(self, tmp_path: Path, path: Path, lasts: float) -> None:
        serves(path, "docker-credential-pass", lasts)
        sink = file_with(tmp_path, {"credsStore": "pass"})
        sink.look([HOST])
        assert sink.write(READY).served == {}
        assert document(sink)["credHelpers"] == {HOST: "ecr-refreshd"}

    @pytest.mark.parametrize(
        "script", ["exit 1", "echo credentials not found in native keychain; exit 1", "echo '<html>'"]
    )
    def test_one_that_does_not_answer_is_taken_over(self, tmp_path: Path, path: Path, script: str) -> None:
        program(path, "docker-credential-desktop", script)
        sink = file_with(tmp_path, {"credsStore": "desktop"})
        sink.look([HOST])
        sink.write(READY)
        assert document(sink)["credHelpers"] == {HOST: "ecr-refreshd"}

    def test_a_login_that_ecr_never_takes_is_none(self, tmp_path: Path, path: Path) -> None:
        serves(path, "docker-credential-desktop", user="me")
        sink = file_with(tmp_path, {"credsStore": "desktop"})
        assert sink.look([HOST]).served == {}

    def test_one_keeps_the_host_where_our_helper_is_missing(self, tmp_path: Path, path: Path) -> None:
        """Docker pulls with what the store gives; a token in the file would be read by nobody."""
        serves(path, "docker-credential-ecr-login")
        (path / means.PROGRAM).unlink()
        sink = file_with(tmp_path, STORE)
        sink.look([HOST])
        assert sink.write(READY).served.keys() == {HOST}
        assert document(sink) == STORE

    def test_whoever_asks_for_the_helper_gets_it(self, tmp_path: Path, path: Path) -> None:
        serves(path, "docker-credential-ecr-login")
        sink = file_with(tmp_path, STORE, mode="helper")
        sink.look([HOST])
        sink.write(READY)
        assert document(sink)["credHelpers"] == {HOST: "ecr-refreshd"}

    def test_a_line_of_ours_stays_ours(self, tmp_path: Path, path: Path) -> None:
        serves(path, "docker-credential-ecr-login")
        sink = file_with(tmp_path, {**STORE, "credHelpers": {HOST: "ecr-refreshd"}})
        view = sink.look([HOST])
        assert (view.served, view.helped) == ({}, {HOST})
        assert any("sudo ln -sf" in note and "crontab" in note for note in view.notes)


class TestAnotherHelper:
    def test_one_that_answers_serves_the_host(self, tmp_path: Path, path: Path) -> None:
        serves(path, "docker-credential-ecr-login")
        sink = file_with(tmp_path, LINE)
        view = sink.look([HOST])
        assert view.served[HOST].until is not None
        assert "docker-credential-ecr-login" in view.shadows[HOST]
        sink.write(READY)
        assert document(sink) == LINE

    def test_one_that_tells_no_end_serves_it_too(self, tmp_path: Path, path: Path) -> None:
        serves(path, "docker-credential-ecr-login", None)
        assert file_with(tmp_path, LINE).look([HOST]).served[HOST].until is None

    def test_one_that_fails_is_said_with_both_ways_out(self, tmp_path: Path, path: Path) -> None:
        program(path, "docker-credential-ecr-login", "echo credentials not found in native keychain; exit 1")
        view = file_with(tmp_path, LINE).look([HOST])
        assert view.served == {}
        for said in ("no credentials", "~/.ecr/log", "delete the line", 'mode = "helper"'):
            assert said in view.shadows[HOST]

    def test_one_that_is_missing_is_said(self, tmp_path: Path) -> None:
        view = file_with(tmp_path, LINE).look([HOST])
        assert "not on PATH" in view.shadows[HOST]

    def test_what_it_says_is_no_secret_of_ours(self, tmp_path: Path, path: Path) -> None:
        serves(path, "docker-credential-ecr-login")
        view = file_with(tmp_path, LINE).look([HOST])
        secret = json.loads((path / "docker-credential-ecr-login").read_text().split("echo '")[1][:-2])[
            "Secret"
        ]
        assert secret not in repr(view)


class TestAsking:
    def test_it_is_asked_once_for_many_looks(self, tmp_path: Path, path: Path) -> None:
        serves(path, "docker-credential-ecr-login")
        sink = file_with(tmp_path, {"credHelpers": {HOST: "ecr-login", OTHER: "ecr-login"}})
        for _ in range(3):
            sink.look([HOST, OTHER])
        assert sorted(asked(path)) == sorted([HOST, OTHER])

    def test_one_that_hangs_is_not_asked_again_for_each_host(self, tmp_path: Path, path: Path) -> None:
        """It waits for somebody's passphrase: one window is enough."""
        program(path, "docker-credential-x", f"cat >>{path}/asked; echo >>{path}/asked; exec sleep 60")
        programs = OtherPrograms({"PATH": str(path)}, lambda: None, seconds=0.3)
        hosts = [f"{number:012}.dkr.ecr.us-west-2.amazonaws.com" for number in range(20)]
        questions = [("x", host) for host in hosts]
        programs.answers(questions)
        answers = programs.answers(questions)
        assert [each.served for each in answers.values()] == [None] * 20
        assert len(asked(path)) == 1

    def test_what_is_due_is_asked_while_the_old_answer_holds(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A heal never waits for a program that has answered before."""
        changed = threading.Event()
        serves(path, "docker-credential-x")
        programs = OtherPrograms({"PATH": str(path)}, changed.set)
        monkeypatch.setattr(otherprograms, "_GOOD_FOR", 0.0)
        question = ("x", HOST)
        assert programs.answers([question])[question].served is not None
        assert changed.wait(10)
        changed.clear()
        program(path, "docker-credential-x", f"until [ -e {path}/go ]; do sleep 0.05; done; exit 1")
        assert programs.answers([question])[question].served is not None, "the old answer, at once"
        (path / "go").touch()
        assert changed.wait(10)
        assert programs.answers([question])[question].served is None

    def test_nothing_is_written_while_a_slow_store_answers(
        self, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It works: a line of ours, taken back later, would break the pulls of programs with a bare PATH."""
        monkeypatch.setattr(otherprograms, "_PATIENCE", 0.2)
        hosts = [f"{number:012}.dkr.ecr.us-west-2.amazonaws.com" for number in range(3)]
        serves(path, "docker-credential-slow", before=f"until [ -e {path}/go ]; do sleep 0.05; done; ")
        content = {"auths": {host: {} for host in hosts}, "credsStore": "slow"}
        sink = file_with(tmp_path, content)
        changed = threading.Event()
        sink.on_change = changed.set
        view = sink.look(hosts)
        assert view.served == {}
        assert all("asking docker-credential-slow" in view.shadows[host] for host in hosts)
        tokens = {host: Secret(AUTH) for host in hosts}
        sink.write(Delivery(tokens, answered=frozenset(tokens)))
        assert document(sink) == content
        (path / "go").touch()
        assert changed.wait(10)
        assert sink.look(hosts).served.keys() == set(hosts)
        assert document(sink) == content

    def test_what_has_expired_is_unknown_until_it_is_asked_again(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A machine that wakes up has only old answers; the store itself works."""
        changed = threading.Event()
        serves(path, "docker-credential-x", 11 * HOUR)
        programs = OtherPrograms({"PATH": str(path)}, changed.set)
        question = ("x", HOST)
        assert programs.answers([question])[question].served is not None
        assert changed.wait(10)
        changed.clear()
        later = otherprograms.utc_now() + timedelta(hours=12)
        monkeypatch.setattr(otherprograms, "utc_now", lambda: later)
        serves(path, "docker-credential-x", 23 * HOUR)
        asked_anew = programs.answers([question])[question]
        assert asked_anew.served is None
        assert asked_anew.is_pending
        assert changed.wait(10)
        assert programs.answers([question])[question].served is not None

    @pytest.mark.parametrize(("lasts", "minutes"), [(11 * 60, 60), (40, 30), (10.5, 1), (None, 60)])
    def test_what_works_is_trusted_until_shortly_before_its_end(
        self, lasts: float | None, minutes: float
    ) -> None:
        """For an hour at most, so that many hosts of one program do not keep it busy."""
        now = datetime(2026, 1, 1, tzinfo=UTC)
        until = None if lasts is None else now + timedelta(minutes=lasts)
        assert otherprograms.trusted_for(until, now) == minutes * 60

    def test_what_nobody_asks_about_is_forgotten(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        serves(path, "docker-credential-x")
        programs = OtherPrograms({"PATH": str(path)}, lambda: None)
        programs.answers([("x", HOST), ("x", OTHER)])
        monkeypatch.setattr(otherprograms, "_FORGOTTEN", -1.0)
        programs.answers([("x", OTHER)])
        programs.answers([("x", HOST), ("x", OTHER)])
        assert sorted(asked(path)) == sorted([HOST, HOST, OTHER])


def test_a_snap_gets_entries_and_no_line(tmp_path: Path, path: Path) -> None:
    """It sees no program of the system: a helper line, or a pinned keychain, would break it."""
    program(path, "docker-credential-secretservice", 'echo \'{"https://ghcr.io": "me"}\'')
    sink = DockerFile(str(tmp_path / "config.json"), str(tmp_path / "locks"), runs_programs=False)
    sink.look([HOST])
    sink.write(READY)
    assert document(sink) == {"auths": {HOST: {"auth": AUTH}}}
