"""Promise 8: a pull that worked before the service came works after, and counts as working."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.listening import DockerSocket
from tests.e2e.states import NOTHING
from tests.e2e.test_bad_input import GOOD, Home, host, until
from tests.needs import need
from tests.world.aws import FakeAws

WEST = host(GOOD)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with FakeAws() as aws:
        folder = tmp_path / "home"
        folder.mkdir(mode=0o700)
        house = Home(folder, aws)
        (folder / "bin").mkdir()
        house.environment["PATH"] = f"{folder}/bin:{house.environment['PATH']}"
        yield house
        aws.clear_faults()
        for service in house.running:
            if service.poll() is None:
                service.terminate()
            assert service.wait(10) in {0, -signal.SIGKILL}


def configured(home: Home) -> None:
    home.profile("good")
    home.write_config(f'[[registry]]\nhost = "{WEST}"\nprofile = "good"\n')


def ecr_login(home: Home, script: str = "") -> None:
    """Put a docker-credential-ecr-login that answers as the real one does."""
    password = base64.b64encode(json.dumps({"expiration": int(time.time()) + 40000}).encode()).decode()
    said = json.dumps({"ServerURL": "", "Username": "AWS", "Secret": password})
    program = home.folder / "bin/docker-credential-ecr-login"
    program.write_text(f"#!/bin/sh\n{script}\necho '{said}'\n")
    program.chmod(0o755)


@pytest.mark.parametrize("content", [{"credHelpers": {WEST: "ecr-login"}}, {"credsStore": "ecr-login"}])
@pytest.mark.parametrize("has_profile", [True, False])
def test_a_working_ecr_login_is_served(home: Home, content: dict[str, object], has_profile: bool) -> None:
    """Exit 0, the file untouched, and the program named; be there a profile of ours or none."""
    ecr_login(home)
    if has_profile:
        configured(home)
    text = json.dumps({"auths": {WEST: {}}, **content})
    home.write_docker(text)

    done = home.run("run", "--once")
    status = home.run("status")
    row = home.rows()[WEST]

    assert done.returncode == 0, done.stdout + done.stderr
    assert home.docker.read_text() == text
    assert (row["phase"], row["served_by"]) == ("fresh", "docker-credential-ecr-login")
    assert [(sink["state"], sink["works"]) for sink in row["sinks"]] == [("foreign", True)]
    assert "docker-credential-ecr-login" in status.stdout


@pytest.mark.parametrize("content", [{"credHelpers": {WEST: "ecr-login"}}, {"credsStore": "ecr-login"}])
def test_crons_docker_sends_the_same_after_us(
    home: Home, daemon: DockerSocket, content: dict[str, object]
) -> None:
    """It finds ecr-login on its PATH, and not our helper; the real docker, and what it really sent."""
    docker = shutil.which("docker")
    need(docker, "docker")
    ecr_login(home)
    configured(home)
    home.write_docker(json.dumps({"auths": {WEST: {}}, **content}))

    def sent() -> str:
        environment = {
            "HOME": str(home.folder),
            "PATH": f"{home.folder}/bin",
            "DOCKER_HOST": f"unix://{daemon.path}",
        }
        command = [str(docker), "pull", f"{WEST}/node:18-slim"]
        subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
        return daemon.seen[-1]

    before = sent()
    assert before != NOTHING
    assert home.run("run", "--once").returncode == 0
    assert sent() == before


def test_a_dead_ecr_login_is_said_with_both_ways_out(home: Home) -> None:
    configured(home)
    ecr_login(home, "echo credentials not found in native keychain; exit 1")
    home.write_docker(json.dumps({"credHelpers": {WEST: "ecr-login"}}))

    done = home.run("run", "--once")
    detail = home.rows()[WEST]["sinks"][0]["detail"]

    assert done.returncode == 4
    for said in ("has no credentials", "delete the line", 'mode = "helper"'):
        assert said in detail


def test_a_snaps_docker_gets_its_token(home: Home) -> None:
    """Its HOME is ~/snap/docker/current, also after a refresh has pointed that elsewhere."""
    configured(home)
    for revision in ("1779", "1780"):
        folder = home.folder / "snap/docker" / revision / ".docker"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"auths": {WEST: {"auth": ""}}}))
    current = home.folder / "snap/docker/current"
    current.symlink_to("1779")
    home.write_docker("{}")

    def has_token() -> bool:
        entry = json.loads((current / ".docker/config.json").read_text())["auths"][WEST]
        return bool(entry.get("auth"))

    assert WEST in home.run("init").stdout
    home.start()
    until(has_token, "the snap's docker to have a token")
    moved = current.with_name("next")
    moved.symlink_to("1780")
    moved.rename(current)
    until(has_token, "the refreshed snap to have one")
