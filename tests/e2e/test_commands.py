"""What a person types while the service runs, and while none does: the real program against the fake AWS."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import standin
from tests.e2e.test_bad_input import GOOD, Home, host, until
from tests.world import homes
from tests.world.aws import FakeAws

WEST = host(GOOD)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with FakeAws() as aws:
        folder = tmp_path / "home"
        folder.mkdir(mode=0o700)
        house = Home(folder, aws)
        yield house
        aws.clear_faults()
        for service in house.running:
            if service.poll() is None:
                service.terminate()
            assert service.wait(10) in {0, -signal.SIGKILL}


def serve(home: Home) -> None:
    home.start()
    until(lambda: home.run("status").returncode == 0, "the service to serve")


def configured(home: Home, profile: str = "good") -> None:
    home.write_config(f'[[registry]]\nhost = "{WEST}"\nprofile = "{profile}"\n')


@pytest.mark.parametrize("running", [True, False])
def test_ensure_gets_what_is_asked_for_once(home: Home, running: bool) -> None:
    """With a service and without one: a line a host, exit 0, one call to AWS in all."""
    home.profile("good")
    configured(home)
    if running:
        serve(home)

    first = home.run("ensure", WEST, "--min-ttl", "2h")
    again = home.run("ensure", WEST.upper(), "--min-ttl", "11h")

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert first.stdout == f"{WEST}: fresh for 11 h 59 min\n"
    assert WEST in json.loads(home.docker.read_text())["auths"]
    assert len(home.aws.calls("ecr:GetAuthorizationToken")) == 1


@pytest.mark.parametrize("running", [True, False])
def test_pause_leaves_alone_and_resume_serves_again(home: Home, running: bool) -> None:
    """A logout during a pause stays; kept over a restart; after `resume` the entry is back."""
    home.profile("good")
    configured(home)
    assert home.run("run", "--once").returncode == 0
    if running:
        serve(home)

    paused = home.run("pause", WEST, "--for", "2h")
    home.write_docker('{"auths": {}}')
    if not running:
        assert home.rows()[WEST]["phase"] == "paused"
        home.start()
        until(lambda: home.status()["pid"] is not None, "the service")
    row = home.rows()[WEST]

    assert paused.returncode == 0, paused.stderr
    assert "ecr-refreshd resume" in paused.stdout
    assert (row["phase"], row["paused_by"]) == ("paused", "asked")
    assert home.run("run", "--once").returncode == 0
    assert json.loads(home.docker.read_text()) == {"auths": {}}

    resumed = home.run("resume", WEST)

    assert resumed.returncode == 0
    assert "served again: fresh" in resumed.stdout
    assert WEST in json.loads(home.docker.read_text())["auths"]


@pytest.mark.parametrize("running", [True, False])
def test_login_signs_in_where_a_registry_waits_and_all_is_fresh(home: Home, running: bool) -> None:
    """One sign-in for the session, then the tokens; a second `login` opens nothing."""
    homes.sso_profile(home.folder, "dev", GOOD)
    homes.sso_profile(home.folder, "other", "100000000002")
    home.write_config(
        f'[[registry]]\nhost = "{WEST}"\nprofile = "dev"\n'
        f'[[registry]]\nhost = "{host("100000000002")}"\nprofile = "other"\n'
    )
    path = standin.install(home.folder, home.aws.url)
    if running:
        home.start()
        until(lambda: home.run("status").returncode in {1, 3}, "a login to be required")

    first = home.run("login", PATH=path)
    second = home.run("login", PATH=path)

    assert first.returncode == 0, first.stdout + first.stderr
    assert [run["argv"] for run in standin.runs(home.folder)] == [["sso", "login", "--sso-session", "corp"]]
    assert first.stdout.count("fresh") == 2
    assert set(json.loads(home.docker.read_text())["auths"]) == {WEST, host("100000000002")}
    assert second.returncode == 0
    assert "No registry waits for a sign-in." in second.stdout


def test_login_to_a_profile_signs_in_again_through_its_chain(home: Home) -> None:
    """A role chain's login is its source's; old profiles are named by themselves."""
    homes.legacy_sso_profile(home.folder, "old", GOOD)
    homes.role_chain(home.folder, "admin", f"arn:aws:iam::{GOOD}:role/admin", "old")
    home.write_config(f'[[registry]]\nhost = "{WEST}"\nprofile = "admin"\n')
    path = standin.install(home.folder, home.aws.url)

    done = home.run("login", "admin", PATH=path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert [run["argv"] for run in standin.runs(home.folder)] == [["sso", "login", "--profile", "old"]]
    assert WEST in json.loads(home.docker.read_text())["auths"]
