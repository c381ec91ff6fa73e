"""Promise 5 on a real engine: where docker asks programs for logins, ours answers, and no other is lost."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.programs import programs, wanted
from tests.e2e.test_pulls import config, context, start, until
from tests.needs import need
from tests.world.engine import ACCOUNT, HOST, IMAGE, PUBLIC_HOST

__all__ = ["config", "context", "start"]  # fixtures

pytestmark = pytest.mark.engine

PROGRAMS = Path(sys.executable).parent
UNSERVABLE = f"{ACCOUNT[::-1]}.dkr.ecr.us-west-2.amazonaws.com"
STORE = """#!/bin/sh
# A store as Docker Desktop's behaves, whatever it is asked for: nothing lies in it.
cat >/dev/null
echo "$1" >>"$0.calls"
case $1 in
get) echo "credentials not found in native keychain"; exit 1 ;;
list) echo "{}" ;;
esac
"""


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The folders that clients and service search first: ours, and a stand-in for Docker Desktop's store."""
    folder = tmp_path / "stores"
    folder.mkdir()
    (folder / "docker-credential-desktop").write_text(STORE)
    (folder / "docker-credential-desktop").chmod(0o755)
    found = f"{PROGRAMS}:{folder}"
    monkeypatch.setenv("PATH", f"{found}:/usr/bin:/bin:/usr/sbin:/sbin")
    return found


def put(config: Path, **document: Any) -> None:
    fresh = config / "fresh"
    fresh.write_text(json.dumps(document))
    fresh.chmod(0o600)
    fresh.rename(config / "config.json")


def document(config: Path) -> Any:
    return json.loads((config / "config.json").read_text())


def sent_to_us(config: Path, host: str = HOST) -> Callable[[], bool]:
    return lambda: document(config).get("credHelpers", {}).get(host) == "ecr-refreshd"


class Client:
    """The clients in the home of the service, as a user runs them."""

    def __init__(self, engine: Any, config: Path, home: Path, path: str) -> None:
        self.engine = engine
        self.more = {"config": config, "path": path, "HOME": str(home)}

    def pull(self) -> None:
        self.engine.forget_images()
        done = self.engine.docker("pull", IMAGE, **self.more)
        assert done.returncode == 0, done.stderr

    def build(self, context: Path, *, buildkit: bool) -> None:
        self.engine.forget_images()
        done = self.engine.build(context, buildkit=buildkit, **self.more)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def client(engine, config, tmp_path, path, start) -> Client:
    return Client(engine, config, tmp_path / "home", path)


def test_a_machine_as_docker_desktop_leaves_it_pulls_after_nothing_but_run(
    client, config, context, start
) -> None:
    put(config, auths={HOST: {}}, credsStore="desktop", currentContext="default")
    start()
    until(sent_to_us(config), "docker is sent to our helper")
    client.pull()
    client.build(context, buildkit=True)
    client.build(context, buildkit=False)
    assert document(config)["credsStore"] == "desktop", "every other login stays where it is"
    assert '"auth"' not in (config / "config.json").read_text(), (
        "no secret in a file whose user wanted none there"
    )
    for _ in range(3):
        put(config, auths={HOST: {}}, credsStore="desktop", currentContext="default")  # it was started again
        until(sent_to_us(config), "the line is back")
        client.pull()


def test_a_token_that_dies_every_few_seconds_is_renewed_behind_the_helper(aws, client, config, start) -> None:
    aws.set(ttl=8)
    put(config, auths={HOST: {}}, credsStore="desktop")
    start()
    until(sent_to_us(config), "docker is sent to our helper")
    end = time.monotonic() + 13
    while time.monotonic() < end:
        client.pull()
    assert len(aws.calls("ecr:GetAuthorizationToken")) >= 2


def test_one_host_that_cannot_be_served_costs_nobody_else_a_login(
    aws, client, config, context, start
) -> None:
    """The classic builder asks for every login there is, and one wrong word loses them all."""
    public = aws.issue("ecr-public", "us-east-1", ttl=3600)["auth"]
    put(
        config,
        auths={HOST: {}, PUBLIC_HOST: {"auth": public}},
        credHelpers={HOST: "ecr-refreshd", UNSERVABLE: "ecr-refreshd", PUBLIC_HOST: ""},
    )
    start()
    time.sleep(2)
    assert sent_to_us(config, UNSERVABLE)()
    client.pull()
    client.build(context, buildkit=False)
    client.build(context, buildkit=True)


def test_podman_and_skopeo_ask_our_helper_too(engine, client, config, start) -> None:
    need((engine.bin / "skopeo").exists() and (engine.bin / "podman").exists(), "skopeo or podman is missing")
    put(config, credHelpers={HOST: "ecr-refreshd"})
    start()
    folder = Path(client.more["HOME"]) / ".local/state/ecr-refreshd/helper"
    until((folder / HOST).exists, "the helper's answer")
    done = engine.run("skopeo", "inspect", f"docker://{IMAGE}", **client.more)
    assert done.returncode == 0, done.stderr
    done = engine.run("podman", "login", "--get-login", HOST, **client.more)
    assert done.stdout.strip() == "AWS", done.stderr


def test_a_real_login_and_logout_through_us(aws, engine, client, config, start) -> None:
    """`docker login` as CI scripts do it: with other helpers it fails, or is lost (docker-config.md 2.4)."""
    put(config, auths={HOST: {}}, credsStore="desktop")
    start()
    until(sent_to_us(config), "docker is sent to our helper")
    password = aws.issue(ttl=7200)["password"]
    done = engine.docker("login", "-u", "AWS", "-p", password, HOST, **client.more)
    assert done.returncode == 0, done.stderr
    client.pull()
    done = engine.docker("logout", HOST, **client.more)
    assert done.returncode == 0
    assert f"ecr-refreshd pause {HOST}" in done.stderr
    client.pull()


class Other:
    """Amazon's own helper, as the client runs it; a stand-in where the real one was not built."""

    def __init__(self, aws: Any, home: Path, folder: Path) -> None:
        self._aws = aws
        self._program = folder / "docker-credential-ecr-login"
        self.real = programs(self._program.name)[0]
        self.env = aws.environment(home, AWS_PROFILE="dev")
        if self.real:
            self._program.symlink_to(self.real)
            return
        token = aws.issue(ttl=3600)["password"]
        self._program.write_text(
            f'#!/bin/sh\ncat >/dev/null\necho "$1" >>"$0.calls"\n'
            f'[ "$1" = get ] && echo \'{{"ServerURL":"","Username":"AWS","Secret":"{token}"}}\'\n'
        )
        self._program.chmod(0o755)

    def was_asked(self) -> bool:
        if self.real:
            agents = [call.user_agent for call in self._aws.calls("ecr:GetAuthorizationToken")]
            return any(agent.startswith("aws-sdk-go") for agent in agents)
        return self._program.with_name(f"{self._program.name}.calls").exists()


@pytest.fixture
def other(aws, client, tmp_path) -> Other:
    found = Other(aws, Path(client.more["HOME"]), tmp_path / "stores")
    client.more.update({name: found.env[name] for name in found.env if name.startswith("AWS_")})
    return found


BOTH = pytest.mark.parametrize("helpers", [{HOST: "ecr-login"}, {HOST: "ecr-refreshd"}])


def put_both(config: Path, helpers: dict[str, str]) -> bool:
    """Name one for the host and the other for all others; tell whether ours has the host."""
    ours = helpers[HOST] == "ecr-refreshd"
    put(config, credHelpers=helpers, credsStore="ecr-login" if ours else "ecr-refreshd")
    return ours


@BOTH
def test_the_helper_of_others_beside_us(client, other, config, start, helpers: dict[str, str]) -> None:
    """Both orders of precedence: who stands in credHelpers is asked, whoever is the store."""
    ours = put_both(config, helpers)
    start()
    time.sleep(2)
    client.pull()
    assert document(config)["credHelpers"] == helpers, "left alone"
    assert other.was_asked() is not ours


@BOTH
def test_a_login_and_logout_with_the_helper_of_others_beside_us(
    aws, engine, client, other, config, start, helpers: dict[str, str]
) -> None:
    """Theirs refuses a login, which ends the scripts that do one; ours takes it. Neither loses the line."""
    wanted(other.real, "docker-credential-ecr-login")
    ours = put_both(config, helpers)
    start()
    time.sleep(2)
    password = aws.issue(ttl=7200)["password"]
    done = engine.docker("login", "-u", "AWS", "-p", password, HOST, **client.more)
    assert (done.returncode == 0) is ours, done.stderr
    assert ("not implemented" in done.stderr) is not ours
    client.pull()
    done = engine.docker("logout", HOST, **client.more)
    assert done.returncode == 0, done.stderr
    client.pull()
    assert document(config)["credHelpers"] == helpers
