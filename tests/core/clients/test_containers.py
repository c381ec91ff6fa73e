"""What podman and buildah send goes by their version: those that Debian 12 has not stand here as values.

Each was seen so: podman 5.4.2 and buildah 1.39.3 agree in every state of `tests/e2e`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from ecr_refreshd.core.clients import containers
from ecr_refreshd.core.clients.judging import Known, judged, remedy
from ecr_refreshd.core.clients.world import Finding, HelperAnswer, HelperList, World

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
FAMILY = {"podman": containers.podman, "buildah": containers.buildah}
NAMED = {"REGISTRY_AUTH_FILE": "/named.json"}
FOLDER = {"DOCKER_CONFIG": "/dc"}


def login(password: str) -> str:
    """A file with one login."""
    return json.dumps({"auths": {HOST: {"auth": base64.b64encode(f"AWS:{password}".encode()).decode()}}})


def found(program: str, version: tuple[int, ...] | None, env: dict[str, str], **files: str) -> Finding:
    """What a program of this version finds where a runtime auth.json stands, and these."""
    paths = {"named": "/named.json", "dc": "/dc/config.json"}
    at = {paths[name]: text for name, text in files.items()} | {"/run/u/containers/auth.json": login("first")}
    return FAMILY[program](machine(program, version, {"XDG_RUNTIME_DIR": "/run/u"} | env, at), HOST)


def machine(
    program: str, version: tuple[int, ...] | None, env: Mapping[str, str], files: Mapping[str, str]
) -> World:
    """A machine with nothing but these."""
    return World(
        env=env,
        home="/home/u",
        uid=1000,
        platform="linux",
        read=lambda path: files[path].encode() if path in files else None,
        names=lambda _: (),
        ask=lambda *_: HelperAnswer(not_found=True),
        stored=lambda _: HelperList(),
        which=lambda _: False,
        version=lambda name: version if name == program else None,
    )


def passwords(finding: Finding) -> list[str]:
    """What is sent, or "nothing", or "fails"."""
    words = []
    for outcome in finding.outcomes:
        auth = outcome.credential.auth if outcome.credential else None
        sent = base64.b64decode(auth.reveal()).decode().partition(":")[2] if auth else "nothing"
        words.append("fails" if outcome.error else sent)
    return words


@pytest.mark.parametrize("env", [NAMED, FOLDER], ids=str)
@pytest.mark.parametrize(
    ("program", "version", "sends"),
    [
        ("podman", (4, 3, 1), "fails"),
        ("podman", (4, 6, 2), "fails"),
        ("podman", (4, 7, 0), "nothing"),
        ("podman", (5, 4, 2), "nothing"),
        ("podman", None, "nothing"),
        ("buildah", (1, 28, 2), "fails"),
        ("buildah", (1, 39, 3), "fails"),
        ("buildah", None, "fails"),
    ],
)
def test_a_file_that_is_named_and_missing(
    program: str, version: tuple[int, ...] | None, sends: str, env: dict[str, str]
) -> None:
    """Podman 4.7 no longer looks whether it is there (#19391); buildah does."""
    assert passwords(found(program, version, env)) == [sends]


@pytest.mark.parametrize(
    ("program", "version", "sends"),
    [
        ("podman", (4, 3, 1), "first"),
        ("podman", (4, 4, 0), "nothing"),
        ("buildah", (1, 28, 2), "first"),
        ("buildah", (1, 29, 0), "nothing"),
    ],
)
def test_a_file_that_is_named_and_does_not_know(program: str, version: tuple[int, ...], sends: str) -> None:
    """Since containers/image 5.24 a file that is named is the only one (containers/image #1751)."""
    env = FOLDER | {"XDG_CONFIG_HOME": "/run/u"}
    assert passwords(found(program, version, env, dc="{}")) == [sends]


@pytest.mark.parametrize("env", [NAMED, FOLDER], ids=str)
def test_the_remedy_for_a_missing_file_names_the_variable(env: dict[str, str]) -> None:
    finding = found("buildah", None, env)
    each = judged(finding, HOST, Known(), datetime(2026, 1, 1, tzinfo=UTC))
    assert f"unset {next(iter(env))}" in remedy(finding, each, HOST, Known()).hint


def test_each_goes_by_its_own_version() -> None:
    """An old podman beside a new buildah does not make the new one old."""
    env = FOLDER | {"XDG_CONFIG_HOME": "/run/u"}
    files = {"/run/u/containers/auth.json": login("first"), "/dc/config.json": "{}"}
    old_podman = machine("podman", (4, 3, 1), env, files)
    assert passwords(containers.podman(old_podman, HOST)) == ["first"]
    assert passwords(containers.buildah(old_podman, HOST)) == ["nothing"]


def test_a_global_helper_is_taken_from_the_file_that_names_it() -> None:
    """The remedy is to have the files asked first."""
    files = {"/etc/containers/registries.conf": 'credential-helpers = ["ecr-login"]'}
    finding = containers.podman(machine("podman", None, {}, files), HOST)
    assert finding.source.place == "/etc/containers/registries.conf"
    each = judged(finding, HOST, Known(), datetime(2026, 1, 1, tzinfo=UTC))
    assert '"containers-auth.json" first' in remedy(finding, each, HOST, Known()).hint


def test_without_a_runtime_folder_it_is_that_of_the_account() -> None:
    """Podman as root, without XDG_RUNTIME_DIR: /run/containers/0/auth.json."""
    files = {"/run/containers/1000/auth.json": login("account")}
    assert passwords(containers.podman(machine("podman", None, {}, files), HOST)) == ["account"]
