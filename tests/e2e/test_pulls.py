"""The main job on real engines: pulls and builds that were refused work, and go on working, whatever happens.

A real docker engine pulls from a real registry behind ECR's face; the service runs as its own process and asks
the fake AWS. Nothing is stood in for but Amazon.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.needs import need
from tests.world import homes
from tests.world.engine import ACCOUNT, HOST, IMAGE, PUBLIC_HOST

pytestmark = pytest.mark.engine


LIFE = 8.0
"""Seconds that a token lives in these stories."""


def until(true: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait for something, for a bounded time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The folder of a docker config."""
    folder = tmp_path / "docker"
    folder.mkdir()
    return folder


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A build on top of the image."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY app /app\n")
    (folder / "app").write_text("something of ours\n")
    return folder


@pytest.fixture
def start(aws, tmp_path, config) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start the service on this config with one static profile; it is ended with the test."""
    home = tmp_path / "home"
    home.mkdir()
    homes.static_keys(home, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    settings = home / ".config/ecr-refreshd/config.toml"
    settings.parent.mkdir(parents=True, mode=0o700)
    # Else a login there would be adopted, and so a logout healed.
    settings.write_text(f'[discover]\nignore = ["{PUBLIC_HOST}"]\n')
    settings.chmod(0o600)
    environment = aws.environment(home, AWS_PROFILE="dev", DOCKER_CONFIG=str(config))
    running: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        with (tmp_path / "service.log").open("ab") as log:
            service = subprocess.Popen(
                [sys.executable, "-m", "ecr_refreshd", "run", "--log-level", "debug", "--log-format", "json"],
                env=environment,
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        running.append(service)
        return service

    yield begin
    for service in running:
        service.terminate()
        assert service.wait(10) == 0, (tmp_path / "service.log").read_text()[-3000:]


def leave(config: Path, **auths: str) -> None:
    (config / "config.json").write_text(json.dumps({"auths": {h: {"auth": a} for h, a in auths.items()}}))
    (config / "config.json").chmod(0o600)


def auth_in(config: Path, host: str = HOST) -> str:
    document = json.loads((config / "config.json").read_text())
    return str(document["auths"].get(host, {}).get("auth", ""))


def served(aws, config: Path) -> bool:
    return aws.judge(auth_in(config))["state"] == "valid"


def test_a_refused_pull_and_build_work_after_the_start_and_over_several_lives(
    aws, engine, config, context, start
) -> None:
    """Promise 1: refused with the dead token; then never again, while tokens die every few seconds."""
    leave(config, **{HOST: aws.issue(ttl=-1)["auth"]})
    assert "Your authorization token has expired" in engine.docker("pull", IMAGE, config=config).stderr
    assert "403 Forbidden" in engine.build(context, buildkit=True, config=config).stderr
    assert engine.build(context, buildkit=False, config=config).returncode != 0

    aws.set(ttl=LIFE)
    start()
    until(lambda: served(aws, config), "a living token in the file")
    end = time.monotonic() + 3 * LIFE
    kinds = 0
    while time.monotonic() < end:
        engine.forget_images()
        pulled = engine.docker("pull", IMAGE, config=config)
        assert pulled.returncode == 0, pulled.stderr
        engine.forget_images()
        built = engine.build(context, buildkit=bool(kinds % 2), config=config)
        assert built.returncode == 0, built.stderr
        kinds += 1

    assert kinds >= 2
    assert len(aws.calls("ecr:GetAuthorizationToken")) >= 3
    assert "expired" not in {
        visit.verdict for visit in engine.face.visits("/manifests/")[-kinds * 2 :] if visit.verdict
    }


def test_a_real_logout_is_healed(aws, engine, config, start) -> None:
    """Promise 4: docker logout takes the entry away; the next pull works all the same, without an AWS call."""
    leave(config, **{HOST: aws.issue(ttl=-1)["auth"]})
    start()
    until(lambda: served(aws, config), "a living token in the file")
    for _ in range(5):
        assert engine.docker("logout", HOST, config=config).returncode == 0
        until(lambda: served(aws, config), "the entry to be back")
        engine.forget_images()
        assert engine.docker("pull", IMAGE, config=config).returncode == 0

    assert len(aws.calls("ecr:GetAuthorizationToken")) == 1


def test_a_real_login_of_another_registry_is_not_lost_and_does_not_lose_ours(
    aws, engine, config, start
) -> None:
    """Promise 3, with docker's own unlocked read-modify-write: both logins stand in the end, every time."""
    leave(config, **{HOST: aws.issue(ttl=-1)["auth"]})
    aws.set(ttl=LIFE)
    start()
    until(lambda: served(aws, config), "a living token in the file")
    password = aws.issue("ecr-public", "us-east-1", ttl=3600)["password"]
    stop = threading.Event()
    refused: list[str] = []

    def pull() -> None:
        while not stop.is_set():
            pulled = engine.docker("pull", IMAGE, config=config)
            if pulled.returncode != 0:
                refused.append(pulled.stderr)

    puller = threading.Thread(target=pull)
    puller.start()
    try:
        for turn in range(12):
            done = engine.docker("login", "-u", "AWS", "-p", password, PUBLIC_HOST, config=config)
            assert done.returncode == 0, done.stderr
            assert auth_in(config, PUBLIC_HOST), f"the other login is gone after turn {turn}"
            until(lambda: served(aws, config), f"our entry after turn {turn}")
            if turn % 3 == 2:
                assert engine.docker("logout", PUBLIC_HOST, config=config).returncode == 0
                assert not auth_in(config, PUBLIC_HOST), (
                    "a logout of a registry that is not ours is respected"
                )
    finally:
        stop.set()
        puller.join(90)
    # docker itself may write back what it read before a renewal; that instant is the only one it can meet.
    assert len(refused) <= 1, refused


def test_skopeo_and_podman_read_the_same_file_while_it_is_renewed(aws, engine, config, start) -> None:
    """Promise 5, for the clients that read the file as docker does."""
    need((engine.bin / "skopeo").exists() and (engine.bin / "podman").exists(), "skopeo or podman is missing")
    leave(config, **{HOST: aws.issue(ttl=-1)["auth"]})
    aws.set(ttl=LIFE)
    start()
    until(lambda: served(aws, config), "a living token in the file")
    end = time.monotonic() + LIFE * 1.5
    while time.monotonic() < end:
        inspected = engine.run("skopeo", "inspect", f"docker://{IMAGE}", config=config)
        assert inspected.returncode == 0, inspected.stderr
        pulled = engine.podman("pull", IMAGE, config=config)
        assert pulled.returncode == 0, pulled.stderr
    assert engine.podman("login", "--get-login", HOST, config=config).stdout.strip() == "AWS"


def test_a_service_started_again_heals_from_what_the_file_held(aws, engine, config, start, tmp_path) -> None:
    """A restart asks AWS for nothing while the file holds a living token of ours."""
    leave(config, **{HOST: aws.issue(ttl=-1)["auth"]})
    service = start()
    until(lambda: served(aws, config), "a living token in the file")
    service.terminate()
    assert service.wait(10) == 0
    before = aws.judge(auth_in(config))["fingerprint"]
    start()
    log = tmp_path / "service.log"
    until(lambda: "grant.recalled" in log.read_text(), "the token of before to be known again")
    assert engine.docker("logout", HOST, config=config).returncode == 0
    until(lambda: auth_in(config) != "", "the entry to be back")

    assert aws.judge(auth_in(config))["fingerprint"] == before
    assert len(aws.calls("ecr:GetAuthorizationToken")) == 1
