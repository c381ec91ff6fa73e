"""Promise 7: what docker never reads is named, with its line and what to write in its place."""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ecr_refreshd.cli.doctor import helpers, notices, unread
from ecr_refreshd.cli.doctor.finding import Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.cli.environment import COMPARED

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
AUTH = base64.b64encode(b"me:mine").decode()


def scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Mapping[str, object] | None = None, **shell: str
) -> Scene:
    for name in ("XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DOCKER_AUTH_CONFIG", "container", *COMPARED):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    (home / ".docker").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ECR_REFRESHD_STATE_DIR", str(home / "state"))
    if content is not None:
        (home / ".docker/config.json").write_text(json.dumps(content, indent=2))
    found = Scene.gathered(argparse.Namespace(config=None, log_level=None, log_format=None))
    return replace(found, root=tmp_path / "root", shell={**found.shell, **shell})


def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str = "ecr-login") -> str:
    """Put a credential helper that answers on PATH, alone; return that PATH."""
    program = tmp_path / f"bin/docker-credential-{name}"
    program.parent.mkdir(exist_ok=True)
    program.write_text("#!/bin/sh\necho version\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return str(program.parent)


@pytest.mark.parametrize("answers", [True, False])
def test_a_pattern_under_cred_helpers_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    """The whole name is proposed only where its program can be run: docker 29 fails at every pull otherwise."""
    helper(tmp_path, monkeypatch, "ecr-login" if answers else "other")
    lines = {"public.ecr.aws": "ecr-login", "*.dkr.ecr.*.amazonaws.com": "ecr-login"}
    seen = scene(tmp_path, monkeypatch, {"auths": {HOST: {"auth": AUTH}}, "credHelpers": lines})
    (found,) = unread.patterns(seen)
    assert "line 9" in found.what
    assert (f'"{HOST}": "ecr-login"' in found.how) == answers
    assert ("Delete that line" in found.how) != answers
    monkeypatch.setenv("PATH", str(tmp_path))
    dead = [each for each in helpers.programs(seen) if each.key == "helper.dead"]
    assert not [each for each in dead if "*" in each.what]
    assert bool(dead) != answers


@pytest.mark.parametrize("key", [f"https://{HOST}", f"{HOST}/", f"{HOST}:443", HOST.upper(), f"{HOST}/app"])
def test_a_key_that_is_no_whole_host_name_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Docker compares the whole host name of the image, in lower case."""
    helper(tmp_path, monkeypatch)
    (found,) = unread.patterns(scene(tmp_path, monkeypatch, {"credHelpers": {key: "ecr-login"}}))
    assert json.dumps(key) in found.what
    assert f'"{HOST}": "ecr-login"' in found.how


def test_a_key_that_matches_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [HOST, "ghcr.io", "registry.example:5000", "https://index.docker.io/v1/", "public.ecr.aws"]
    assert not list(unread.patterns(scene(tmp_path, monkeypatch, {"credHelpers": dict.fromkeys(keys, "x")})))


def test_logins_that_a_store_of_one_vendor_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = {"registry.aldermoor.example:443": {"auth": AUTH}, "https://index.docker.io/v1/": {"auth": AUTH}}
    rest = {HOST: {"auth": AUTH}, "ghcr.io": {}}
    seen = scene(tmp_path, monkeypatch, {"auths": {**hidden, **rest}, "credsStore": "ecr-login"})
    (found,) = unread.hidden_logins(seen)
    assert "2 logins" in found.what
    assert all(key in found.what for key in hidden)
    assert "ghcr.io" not in found.what
    assert "Delete the line credsStore" in found.how


@pytest.mark.parametrize("store", ["desktop", "pass", "osxkeychain"])
def test_a_store_of_every_login_hides_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    content = {"auths": {"ghcr.io": {"auth": AUTH}}, "credsStore": store}
    assert list(unread.hidden_logins(scene(tmp_path, monkeypatch, content))) == []


@pytest.mark.parametrize(
    ("value", "said", "advised"),
    [
        ('{"credsStore": "ecr-login"}', '"credsStore"', "belongs in config.json"),
        ('{"auths": {}, "credHelpers": {}}', '"credHelpers"', "belongs in config.json"),
        ("/home/u/.docker/config.json", "a path", "REGISTRY_AUTH_FILE"),
        ("~/.docker/config.json", "a path", "REGISTRY_AUTH_FILE"),
        ("'{\"auths\": {}}'", "quotes of its own", "unset"),
        (base64.b64encode(b'{"auths": {}}').decode(), "base64", "unset"),
        (json.dumps({"auths": {HOST: {"auth": AUTH}}}), HOST, "unset"),
    ],
)
def test_what_is_wrong_with_the_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, said: str, advised: str
) -> None:
    (found,) = unread.variable(scene(tmp_path, monkeypatch, DOCKER_AUTH_CONFIG=value))
    assert said in found.what
    assert advised in found.how
    assert found.how.endswith("\nunset DOCKER_AUTH_CONFIG")


def test_a_variable_of_other_registries_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = json.dumps({"auths": {"ghcr.io": {"auth": AUTH}}})
    assert list(unread.variable(scene(tmp_path, monkeypatch, DOCKER_AUTH_CONFIG=value))) == []


@pytest.mark.parametrize(("environ", "is_missed"), [({"DISPLAY": ":7"}, True), ({}, False)])
def test_a_desktop_is_missed_only_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], *, is_missed: bool
) -> None:
    """A server or a container has none, and nothing is wrong with it."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_CURRENT_DESKTOP"):
        monkeypatch.delenv(name, raising=False)
    seen = scene(tmp_path, monkeypatch, **environ)
    monkeypatch.setattr("ecr_refreshd.cli.doctor.notices._problem", lambda _: "no session bus")

    assert [each.severity for each in notices.ways(seen)] == ([Severity.WARNING] if is_missed else [])
