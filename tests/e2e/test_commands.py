"""What a person types while the service runs, and while none does: the real program against the fake AWS."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_bad_input import GOOD, Home, host, until
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
