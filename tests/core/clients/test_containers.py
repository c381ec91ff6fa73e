"""What podman and buildah send goes by their version: those that Debian 12 has not stand here as values.

Each was seen so: podman 5.4.2 and buildah 1.39.3 agree in every state of `tests/e2e`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ecr_refreshd.core.clients import containers
from ecr_refreshd.core.clients.judging import Known, judged, remedy
from ecr_refreshd.core.clients.world import (
    Finding,
    HelperAnswer,
    HelperList,
    Outcome,
    Source,
    Unreadable,
    World,
)
from ecr_refreshd.core.remedies import Remedy

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


@pytest.mark.parametrize("at", ["/run/user/1000", "/tmp/podman-run-1000"])
def test_podman_without_a_runtime_folder_has_its_own(at: str) -> None:
    """Podman 4.3.1 as a user reads /run/user/UID where that is, else /tmp/podman-run-UID."""
    path = f"{at}/containers/auth.json"
    there = machine("podman", None, {}, {path: login("own")})
    there = replace(there, names=lambda folder: ("containers",) if folder == at else ())
    assert passwords(containers.podman(there, HOST)) == ["own"]


def test_without_a_runtime_folder_it_is_that_of_the_account() -> None:
    """Podman as root, without XDG_RUNTIME_DIR; skopeo as anybody."""
    root = replace(machine("podman", None, {}, {"/run/containers/0/auth.json": login("account")}), uid=0)
    assert passwords(containers.podman(root, HOST)) == ["account"]
    files = {"/run/containers/1000/auth.json": login("account")}
    assert passwords(containers.skopeo(machine("skopeo", None, {}, files), HOST)) == ["account"]


def test_a_folder_of_roots_is_no_file_to_correct() -> None:
    """Skopeo 1.9.3 fails at /run/containers/UID where /run/containers is root's alone."""
    closed = replace(machine("skopeo", None, {}, {}), read=closed_run)
    finding = containers.skopeo(closed, HOST)
    assert passwords(finding) == ["fails"]
    assert advice(finding, Known()).command == "export XDG_RUNTIME_DIR=/run/user/1000"
    assert passwords(containers.podman(closed, HOST)) == ["nothing"]


def closed_run(path: str) -> bytes | Unreadable | None:
    """A machine whose /run/containers is closed."""
    return Unreadable("permission denied") if path.startswith("/run/containers/") else None


def advice(finding: Finding, known: Known, *, is_on_path: bool = False) -> Remedy:
    each = judged(finding, HOST, known, datetime(2026, 1, 1, tzinfo=UTC))
    return remedy(finding, each, HOST, known, is_on_path=is_on_path)


@pytest.mark.parametrize("is_on_path", [True, False])
def test_a_store_on_path_that_fails_is_to_be_checked(is_on_path: bool) -> None:
    """It is not put on PATH where it is there already."""
    source = Source("/home/u/.docker/config.json", "credsStore", "docker-credential-pass")
    helps = advice(Finding((), source, (Outcome(error="locked"),)), Known(kept=True), is_on_path=is_on_path)
    assert ("ecr-refreshd doctor" in helps.words) == is_on_path
    assert ("on the PATH" in helps.words) != is_on_path


@pytest.mark.parametrize("place", ["/home/u/.docker//config.json", "//home/u/.docker/config.json"])
def test_a_path_is_the_same_in_every_form(place: str) -> None:
    """DOCKER_CONFIG may end in a slash."""
    known = Known(kept=True, files=frozenset({"/home/u/.docker/config.json"}))
    assert advice(Finding((), Source(place), (Outcome(),)), known) == known.to_renew
