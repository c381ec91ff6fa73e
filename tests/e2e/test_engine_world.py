"""The world is proved before anything is proved in it: the original failure, word for word, and its absence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.needs import need
from tests.world import image
from tests.world.engine import HOST, HOSTS, IMAGE, PUBLIC_HOST, PUBLIC_IMAGE

pytestmark = pytest.mark.engine


@pytest.fixture
def config(tmp_path) -> Path:
    """The folder of a docker config."""
    folder = tmp_path / "docker"
    folder.mkdir()
    return folder


@pytest.fixture
def context(tmp_path) -> Path:
    """A build on top of the image."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY app /app\n")
    (folder / "app").write_text("something of ours\n")
    return folder


def login(config: Path, token: dict[str, Any], host: str = HOST) -> None:
    (config / "config.json").write_text(json.dumps({"auths": {host: {"auth": token["auth"]}}}))


def test_an_expired_token_fails_as_it_did(aws, engine, config, context) -> None:
    login(config, aws.issue(ttl=-1))
    pull = engine.docker("pull", IMAGE, config=config)
    assert pull.returncode != 0
    assert "denied: Your authorization token has expired" in pull.stderr
    buildkit = engine.build(context, buildkit=True, config=config)
    assert buildkit.returncode != 0
    assert "failed with status code [manifests 18-slim]: 403 Forbidden" in buildkit.stderr
    classic = engine.build(context, buildkit=False, config=config)
    assert classic.returncode != 0
    assert "Your authorization token has expired" in classic.stderr
    # BuildKit asks without credentials first, to hear the challenge.
    assert {visit.verdict for visit in engine.face.visits("/manifests/")} == {"anonymous", "expired"}


def test_a_valid_token_pulls(aws, engine, config) -> None:
    token = aws.issue()
    login(config, token)
    pull = engine.docker("pull", IMAGE, config=config)
    assert pull.returncode == 0, pull.stderr
    assert image.build().digest in pull.stdout
    assert {visit.fingerprint for visit in engine.face.visits("/manifests/")} == {token["fingerprint"]}


@pytest.mark.parametrize("buildkit", [False, True], ids=["classic", "buildkit"])
def test_a_valid_token_builds(aws, engine, config, context, buildkit) -> None:
    login(config, aws.issue())
    built = engine.build(context, buildkit=buildkit, config=config)
    assert built.returncode == 0, built.stderr
    assert "valid" in {visit.verdict for visit in engine.face.visits("/manifests/")}


def test_no_token_and_one_of_another_region_are_refused(aws, engine, config) -> None:
    """Docker's words for "no login" are lost here: it tries plain HTTP next, since the name is on loopback."""
    assert engine.docker("pull", IMAGE).returncode != 0
    assert {visit.verdict for visit in engine.face.visits()} == {"anonymous"}
    login(config, aws.issue(region="eu-west-1"))
    assert engine.docker("pull", IMAGE, config=config).returncode != 0
    assert "elsewhere" in {visit.verdict for visit in engine.face.visits("/manifests/")}


def test_every_form_of_the_name_reaches_the_registry(aws, engine, config) -> None:
    for host in (each for each in HOSTS if each != PUBLIC_HOST):
        login(config, aws.issue(region="eu-west-1" if "eu-west-1" in host else "us-west-2"), host)
        pull = engine.docker("pull", f"{host}/node:18-slim", config=config)
        assert pull.returncode == 0, pull.stderr


def test_docker_login_is_judged_too(aws, engine, config) -> None:
    token = aws.issue()
    answer = engine.docker("login", "-u", "AWS", "-p", token["password"], HOST, config=config)
    assert answer.returncode == 0, answer.stderr
    assert json.loads((config / "config.json").read_text())["auths"][HOST]["auth"] == token["auth"]
    stale = engine.docker("login", "-u", "AWS", "-p", aws.issue(ttl=-1)["password"], HOST, config=config)
    assert stale.returncode != 0


def test_a_dead_public_token_breaks_a_pull_that_needs_none(aws, engine, config) -> None:
    assert engine.docker("pull", PUBLIC_IMAGE).returncode == 0
    engine.forget_images()
    login(config, aws.issue("ecr-public", "us-east-1", ttl=-1), PUBLIC_HOST)
    pull = engine.docker("pull", PUBLIC_IMAGE, config=config)
    assert "Your authorization token has expired" in pull.stderr
    login(config, aws.issue("ecr-public", "us-east-1"), PUBLIC_HOST)
    assert engine.docker("pull", PUBLIC_IMAGE, config=config).returncode == 0


def test_skopeo_and_podman_read_the_same_file(aws, engine, config) -> None:
    need((engine.bin / "skopeo").exists() and (engine.bin / "podman").exists(), "skopeo or podman is missing")
    login(config, aws.issue())
    inspected = engine.run("skopeo", "inspect", f"docker://{IMAGE}", config=config)
    assert inspected.returncode == 0, inspected.stderr
    assert json.loads(inspected.stdout)["Digest"] == image.build().digest
    pulled = engine.podman("pull", IMAGE, config=config)
    assert pulled.returncode == 0, pulled.stderr
    assert engine.podman("login", "--get-login", HOST, config=config).stdout.strip() == "AWS"
    login(config, aws.issue(ttl=-1))
    for refused in (
        engine.run("skopeo", "inspect", f"docker://{IMAGE}", config=config),
        engine.podman("pull", IMAGE, config=config),
    ):
        assert refused.returncode != 0
        assert "Your authorization token has expired" in refused.stderr


def test_a_token_that_was_revoked_is_refused_at_the_next_pull(aws, engine, config) -> None:
    token = aws.issue()
    login(config, token)
    assert engine.docker("pull", IMAGE, config=config).returncode == 0
    engine.forget_images()
    aws.revoke(token["fingerprint"])
    assert "has expired" in engine.docker("pull", IMAGE, config=config).stderr
