"""What a person types while the service runs, and while none does: the real program against the fake AWS."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    assert (first.stdout, first.stderr) == (f"{WEST}: fresh for 11 h 59 min\n", "")
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
    assert "resumed; fresh" in resumed.stdout
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
        until(lambda: home.status()["pid"] is not None, "the service")

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


@pytest.mark.parametrize("running", [True, False])
def test_ensure_says_at_once_who_has_to_sign_in(home: Home, running: bool) -> None:
    """3, well before the timeout: waiting is of no use; the other host is served."""
    home.profile("good")
    homes.sso_profile(home.folder, "dev", "100000000002")
    other = host("100000000002")
    home.write_config(
        f'[[registry]]\nhost = "{WEST}"\nprofile = "good"\n[[registry]]\nhost = "{other}"\nprofile = "dev"\n'
    )
    if running:
        home.start()
        until(lambda: home.run("status").returncode == 3, "a login to be required")
    begun = time.monotonic()

    done = home.run("ensure", other, WEST, "--min-ttl", "2h", "--timeout", "100s")

    assert done.returncode == 3
    assert time.monotonic() - begun < 100, "its time is not waited for: only a person can help"
    assert done.stdout == f"{WEST}: fresh for 11 h 59 min\n"
    assert "aws sso login --sso-session corp" in done.stderr


@pytest.mark.parametrize("running", [True, False])
def test_ensure_of_too_much_and_of_nobody(home: Home, running: bool) -> None:
    """2 for both, with the life that AWS gives and the nearest name."""
    home.profile("good")
    configured(home)
    if running:
        serve(home)

    much = home.run("ensure", WEST, "--min-ttl", "13h")
    nobody = home.run("ensure", WEST.replace("west", "wset"), "--min-ttl", "1h")

    assert (much.returncode, nobody.returncode) == (2, 2)
    assert f"{WEST}: its tokens are valid for 12 h" in much.stderr
    assert f"did you mean {WEST}?" in nobody.stderr
    assert len(home.aws.calls("ecr:GetAuthorizationToken")) == 1


@pytest.mark.parametrize("running", [True, False])
def test_ensure_renews_what_has_too_little_life_left(home: Home, running: bool) -> None:
    """The token that others would still call fresh."""
    home.profile("good")
    configured(home)
    assert home.run("run", "--once").returncode == 0
    home.aws.set(ttl=13 * 3600)
    if running:
        serve(home)
    assert len(home.aws.calls("ecr:GetAuthorizationToken")) == 1
    time.sleep(1.5)

    done = home.run("ensure", WEST, "--min-ttl", "11h 59m 59s")

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{WEST}: fresh for 12 h 59 min\n"
    assert len(home.aws.calls("ecr:GetAuthorizationToken")) == 2


@pytest.mark.parametrize("running", [True, False])
def test_ensure_ends_by_its_timeout_and_by_ctrl_c_while_aws_hangs(home: Home, running: bool) -> None:
    """1 with no token at all; 130 at once."""
    home.profile("good")
    configured(home)
    home.aws.fault("ecr:GetAuthorizationToken", way="hang")
    if running:
        home.start()
        until(lambda: home.status()["pid"] is not None, "the service")

    done = home.run("ensure", WEST, "--min-ttl", "1h", "--timeout", "2s")
    command = subprocess.Popen(
        home.command("ensure", WEST, "--min-ttl", "1h"),
        env=home.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(2)
    command.send_signal(signal.SIGINT)
    out, _ = command.communicate(timeout=60)

    assert done.returncode == 1
    assert "pulls fail" in done.stderr
    assert (command.returncode, out) == (130, b"")


def test_a_pause_is_not_held_up_by_an_aws_that_hangs(home: Home) -> None:
    """Whoever pauses may do so because of just that."""
    home.profile("good")
    configured(home)
    home.aws.fault("ecr:GetAuthorizationToken", way="hang")
    home.start()
    until(lambda: home.rows().get(WEST, {}).get("phase") == "renewing", "a call that hangs")
    begun = time.monotonic()

    paused = home.run("pause", WEST)
    nobody = home.run("pause", host("100000000009"))

    assert (paused.returncode, nobody.returncode) == (0, 2)
    assert time.monotonic() - begun < 10
    assert home.rows()[WEST]["phase"] == "paused"


def test_a_watch_goes_on_through_a_restart(home: Home) -> None:
    """A document a line: without a service, with the first, without, with the second."""
    home.profile("good")
    configured(home)
    assert home.run("run", "--once").returncode == 0
    seen: list[dict[str, Any]] = []
    with subprocess.Popen(
        home.command("status", "--watch", "--json"),
        env=home.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout

        def see(true: Any) -> None:
            for line in command.stdout:  # ends with the program; pytest bounds it
                seen.append(json.loads(line))
                if true(seen[-1]):
                    return
            raise AssertionError(f"it ended after {len(seen)} documents")

        see(lambda document: document["pid"] is None)
        for _ in range(2):
            service = home.start()
            see(lambda document, pid=service.pid: document["pid"] == pid and document["overall"] == "ok")
            service.terminate()
            assert service.wait(10) == 0
            see(lambda document: document["pid"] is None)
        command.send_signal(signal.SIGINT)
        assert command.wait(10) == 5

    assert len(home.aws.calls("ecr:GetAuthorizationToken")) == 1
    assert len(seen) < 20


@pytest.mark.parametrize("running", [True, False])
def test_ensure_judges_what_stands_in_the_file_whoever_wrote_it(home: Home, running: bool) -> None:
    """Somebody's login with three hours left is enough for two, and no longer kept when six are needed."""
    home.profile("good")
    configured(home)
    theirs = home.aws.issue(account=GOOD, ttl=3 * 3600 + 60)["auth"]
    home.write_docker(json.dumps({"auths": {WEST: {"auth": theirs}}}))
    if running:
        home.start()
        until(lambda: home.rows().get(WEST, {}).get("sinks", [{}])[0].get("state") == "foreign", "a look")

    enough = home.run("ensure", WEST, "--min-ttl", "2h")
    kept = json.loads(home.docker.read_text())["auths"][WEST]["auth"]
    more = home.run("ensure", WEST, "--min-ttl", "6h")
    ours = json.loads(home.docker.read_text())["auths"][WEST]["auth"]

    assert (enough.returncode, more.returncode) == (0, 0), enough.stderr + more.stderr
    assert (
        enough.stdout == f"{WEST}: valid for at least 2 h, as another program wrote it into {home.docker}\n"
    )
    assert kept == theirs
    assert ours != theirs
