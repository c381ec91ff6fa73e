"""Promise 5 by the real loop over real files on a hand-set clock: each client finds its credential."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.events import LoggedOut, PauseAsked, ResumeAsked, SinkFailed, SinkSeen
from ecr_refreshd.core.model import Category, Failure, fingerprint
from ecr_refreshd.core.ports import Sink
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.state import FilePlan
from ecr_refreshd.errors import SinkError
from ecr_refreshd.sinks.dockerfile import DockerFile
from ecr_refreshd.sinks.helperfolder import HelperFolder
from tests.household import HOST, File, Household, auth_text

OTHER = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
MINUTE = timedelta(minutes=1)
CONFIG = f'[[registry]]\nhost = "{HOST}"\nprofile = "dev"\n'
NOT_SIGNED_IN = Failure(
    Category.LOGIN, "UnauthorizedSSOTokenError", "The SSO login has ended.", "aws sso login"
)


@dataclass
class OpenLane:
    """A lane without a thread around a real sink."""

    sink: Sink
    post: Callable[[SinkSeen | SinkFailed], None]
    alive = True
    hosts: tuple[str, ...] = ()

    def start(self) -> None: ...
    def stop(self, timeout: float = 1.0) -> None: ...

    @property
    def folders(self) -> frozenset[str]:
        return self.sink.folders()

    def look(self, hosts: Sequence[str] | None = None, *, again: bool = False) -> None:
        self.hosts = self.hosts if hosts is None else tuple(hosts)
        self._tell(0, lambda: self.sink.look(self.hosts))

    def write(self, serial: int, delivery: Delivery) -> None:
        self._tell(serial, lambda: self.sink.write(delivery))

    def _tell(self, serial: int, do: Callable[[], Any]) -> None:
        try:
            self.post(SinkSeen(self.sink.path, do(), serial))
        except SinkError as error:
            failure = Failure(Category.TRANSIENT, error.code, error.message, error.hint)
            self.post(SinkFailed(self.sink.path, "unwritable", failure, serial))


class Home(Household):
    """A household whose files are on a disk."""

    def __init__(self, folder: Path, config: str = CONFIG, **others: Any) -> None:
        self.docker = folder / ".docker" / "config.json"
        self.answers = folder / "helper"
        self.docker.parent.mkdir(exist_ok=True)
        super().__init__(config, {str(self.docker): File()}, **others)
        self.folder = folder
        plans = (FilePlan(str(self.docker), "default"), FilePlan(str(self.answers), "helper"))
        parts = self.service._parts
        object.__setattr__(parts, "files", lambda _settings: plans)
        object.__setattr__(parts, "lane", self._lane)

    def _lane(self, path: str, post: Callable[..., None]) -> OpenLane:
        mode: Any = self.settings().docker.mode
        if path == str(self.answers):
            return OpenLane(HelperFolder(path, str(self.folder / "locks")), post)
        return OpenLane(DockerFile(path, str(self.folder / "locks"), mode=mode), post)

    def put(self, **document: Any) -> None:
        fresh = self.docker.with_name("fresh")
        fresh.write_text(json.dumps(document))
        fresh.rename(self.docker)

    def touched(self) -> Home:
        self.watcher.changed(str(self.docker))
        self.settle()
        return self

    @property
    def document(self) -> Any:
        return json.loads(self.docker.read_text())

    def answer(self, host: str = HOST) -> str:
        path = self.answers / host
        return path.read_text() if path.exists() else ""

    def refusal(self, host: str = HOST) -> str:
        path = self.answers / f"{host}.none"
        assert self.answer(host) == "" or not path.exists()
        return path.read_text() if path.exists() else ""


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with a helper of ours on it, and no keychain."""
    folder = tmp_path / "bin"
    folder.mkdir()
    ours = folder / "docker-credential-ecr-refreshd"
    ours.write_text("#!/bin/sh\necho docker-credential-ecr-refreshd 1\n")
    ours.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_a_machine_as_docker_desktop_leaves_it_is_served_by_nothing_but_the_service(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.put(auths={HOST: {}}, credsStore="desktop")
    home.begin()
    assert home.document == {
        "auths": {HOST: {}},
        "credsStore": "desktop",
        "credHelpers": {HOST: "ecr-refreshd"},
    }
    assert json.loads(home.answer())["Username"] == "AWS"
    kinds = {sink["kind"]: sink["state"] for sink in home.row(HOST)["sinks"]}
    assert kinds == {"helper": "written"}
    assert home.service.document()["overall"] == "ok"
    assert home.row(HOST)["heals"] == 0, "the line was written once, after the answer"


def test_a_store_that_appears_is_answered_within_the_heal(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.put(auths={})
    home.begin()
    assert "auth" in home.document["auths"][HOST]
    home.put(auths=home.document["auths"], credsStore="desktop")
    home.touched()
    assert home.document == {"auths": {}, "credsStore": "desktop", "credHelpers": {HOST: "ecr-refreshd"}}
    assert home.answer().startswith("{")


def test_a_desktop_that_resets_the_file_at_every_start_is_healed_at_every_start(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for _ in range(30):
        home.put(auths={HOST: {}}, credsStore="desktop", currentContext="desktop-linux")
        (home.touched if home.service._ticks or _ else home.begin)()
        assert home.document["credHelpers"] == {HOST: "ecr-refreshd"}
        home.live(10 * MINUTE)


def test_a_renewal_goes_to_the_helper_and_leaves_the_file_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.put(credsStore="desktop")
    home.begin()
    before, first = home.docker.stat().st_mtime_ns, home.answer()
    home.live(timedelta(hours=13))
    assert home.answer() != first
    assert home.docker.stat().st_mtime_ns == before


def test_a_restart_finds_its_token_in_the_helpers_folder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.put(credsStore="desktop")
    home.begin()
    home.live(MINUTE)
    again = Home(tmp_path, remembered=home.saved, clock=home.clock).begin()
    assert again.aws.calls == []
    assert again.service.document()["overall"] == "ok"


def test_who_cannot_be_served_is_told_why_by_the_helper(tmp_path: Path) -> None:
    """Promise 7, for the person who sees nothing but docker's error."""
    answers: list[Any] = [timedelta(hours=12), NOT_SIGNED_IN]
    home = Home(tmp_path, answer=lambda _order: answers[0] if len(answers) > 1 else answers[-1])
    home.put(credsStore="desktop")
    home.begin()
    answers.pop(0)
    home.live(timedelta(hours=13))
    assert "The SSO login has ended." in home.refusal()
    assert "aws sso login" in home.refusal()
    home.live(timedelta(hours=3))
    until = (home.answers / f"{HOST}.none").stat().st_mtime
    assert until > home.clock.wall.timestamp(), "it is renewed for as long as it is true"


def test_a_paused_host_is_refused_and_one_that_is_resumed_is_served(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.put(credsStore="desktop")
    home.begin()
    home.service.tell(PauseAsked(HOST))
    home.settle()
    assert f"ecr-refreshd resume {HOST}" in home.refusal()
    home.service.tell(ResumeAsked(HOST))
    home.settle()
    assert home.answer().startswith("{")


def test_docker_logout_pauses_where_that_is_respected_and_a_login_ends_it(tmp_path: Path) -> None:
    home = Home(tmp_path, CONFIG + '[heal]\non_logout = "respect"\n')
    home.put(credsStore="desktop")
    home.begin()
    home.service.tell(LoggedOut(HOST))
    home.settle()
    home.live(MINUTE)
    assert home.row(HOST)["phase"] == "paused"
    assert home.refusal()
    theirs = auth_text(home.clock.wall + timedelta(hours=11), "theirs")
    HelperFolder(str(home.answers), str(tmp_path / "locks")).write(
        _login(theirs, home.clock.wall + timedelta(hours=11))
    )
    home.watcher.changed(str(home.answers / HOST))
    home.settle()
    assert home.row(HOST)["phase"] != "paused"
    assert {sink["state"] for sink in home.row(HOST)["sinks"] if sink["path"].endswith(HOST)} == {"foreign"}
    assert fingerprint(theirs) in str(
        HelperFolder(str(home.answers), str(tmp_path / "locks")).look([HOST]).entries[HOST].fingerprint
    )


def _login(auth: str, end: Any) -> Delivery:
    return Delivery(tokens={HOST: Secret(auth)}, ends={HOST: end})


@pytest.mark.parametrize("way", ["the config", "the mode"])
def test_no_dead_line_is_left_behind(tmp_path: Path, way: str) -> None:
    """By leaving helper mode, or by taking the registry out of the config."""
    home = Home(
        tmp_path, CONFIG + f'[[registry]]\nhost = "{OTHER}"\nprofile = "dev"\n[docker]\nmode = "helper"\n'
    )
    home.put(auths={"ghcr.io": {"auth": "eDp5"}})
    home.begin()
    assert set(home.document["credHelpers"]) == {HOST, OTHER}
    home.config = CONFIG + ('[docker]\nmode = "helper"\n' if way == "the config" else "")
    home.service.reload()
    home.settle()
    kept = {HOST: "ecr-refreshd"} if way == "the config" else {}
    assert home.document.get("credHelpers", {}) == kept
    assert home.answer(OTHER) == "", "nobody asks for it any more"
    assert home.document["auths"]["ghcr.io"] == {"auth": "eDp5"}


def test_a_line_that_a_person_wrote_stays(tmp_path: Path) -> None:
    home = Home(tmp_path, config="")
    home.put(credHelpers={HOST: "ecr-refreshd"})
    home.begin()
    home.live(timedelta(hours=3))
    assert home.document == {"credHelpers": {HOST: "ecr-refreshd"}}
    assert home.answer().startswith("{")


def test_a_line_of_ours_goes_with_the_store_that_called_for_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.put(credsStore="desktop")
    home.begin()
    home.put(credHelpers=home.document["credHelpers"])
    home.touched()
    assert home.document.keys() == {"auths"}
    assert "auth" in home.document["auths"][HOST]


def test_a_helper_of_somebody_else_is_given_back_its_line(tmp_path: Path) -> None:
    home = Home(tmp_path, CONFIG + '[docker]\nmode = "helper"\n')
    home.put(credHelpers={HOST: "ecr-login"})
    home.begin()
    assert home.document["credHelpers"] == {HOST: "ecr-refreshd"}
    home.live(MINUTE)
    again = Home(
        tmp_path, CONFIG + '[docker]\nmode = "auths"\n', remembered=home.saved, clock=home.clock
    ).begin()
    assert again.document["credHelpers"] == {HOST: "ecr-login"}
