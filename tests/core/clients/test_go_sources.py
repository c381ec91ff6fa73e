"""What clients send that no Debian package has: each was seen in the client's own code, run over these files.

Testcontainers for Go 0.40 with dockercfg 0.3.2 (and some 7,000 random files more), the kubelet 1.34.1, docker.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ecr_refreshd.core.clients import docker, kubelet, testcontainersgo
from ecr_refreshd.core.clients.judging import Known, judged, overall, remedy
from ecr_refreshd.core.clients.world import (
    Finding,
    HelperAnswer,
    HelperList,
    Outcome,
    Search,
    Source,
    Unreadable,
    World,
    credential,
)

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
OTHER = "registry.example.com"
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CONFIG = "/home/u/.docker/config.json"
ROOTS = "/root/.docker/config.json"
NOTHING: list[str] = []


def auth(password: str, user: str = "AWS") -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def entry(secret: str, **more: Any) -> dict[str, Any]:
    return {"auth": auth(secret), **more}


BOTH = entry("a", username="AWS", password="b")


def machine(
    files: dict[str, Any],
    env: dict[str, str] | None = None,
    helpers: dict[str, str] | None = None,
    version: tuple[int, ...] | None = None,
    uid: int = 1000,
) -> World:
    """A machine with these files and programs; a text for a file is why it cannot be read."""
    known = helpers or {}

    def read(path: str) -> bytes | Unreadable | None:
        found = files.get(path)
        if found is None or isinstance(found, bytes):
            return found
        return Unreadable(found) if isinstance(found, str) else json.dumps(found).encode()

    def ask(suffix: str, _host: str) -> HelperAnswer:
        return (
            HelperAnswer(credential("AWS", known[suffix])) if known[suffix] else HelperAnswer(error="burns")
        )

    return World(
        env=env or {}, home="/home/u", uid=uid, platform="linux", read=read, names=lambda _: (), ask=ask,
        stored=lambda _: HelperList(),
        which=lambda name: name.removeprefix("docker-credential-") in known, version=lambda _: version,
    )  # fmt: skip


def sent(finding: Finding) -> list[str]:
    """The passwords that are sent, or what else."""
    words = []
    for outcome in finding.outcomes:
        one = outcome.credential
        if outcome.error:
            words.append("fails")
        elif one is None:
            words.append("nothing")
        else:
            word = base64.b64decode(one.auth.reveal()).decode().partition(":")[2] if one.auth else ""
            words.append(" ".join(filter(None, [word, one.identity and "identity", one.bearer and "bearer"])))
    return words


@pytest.mark.parametrize(
    ("config", "variable", "helpers", "expected"),
    [
        ({"auths": {HOST: entry("here")}}, None, {}, ["here"]),
        ({"auths": {HOST: entry("here")}}, {"auths": {HOST: entry("there")}}, {}, ["here"]),
        (None, {"auths": {HOST: entry("there")}}, {}, ["nothing"]),
        (None, {"auths": {HOST: {"username": "AWS", "password": "there"}}}, {}, ["there"]),
        ({"auths": {HOST: entry("here")}}, {"auths": {OTHER: entry("there")}}, {}, ["nothing"]),
        ({"auths": {f"{HOST}/": entry("here")}}, None, {}, ["nothing"]),
        ({"auths": {f"https://{HOST}/v2/": entry("here")}}, None, {}, ["here"]),
        ({"auths": {HOST: entry("here")}, "credHelpers": {HOST: ""}}, None, {}, ["nothing"]),
        ({"auths": {HOST: entry("here", identitytoken="t")}}, None, {}, ["identity"]),
        ({"auths": {HOST: entry("here", registrytoken="t")}}, None, {}, ["here bearer"]),
        ({"auths": {HOST: BOTH}, "credsStore": "st"}, None, {"st": "c"}, ["b"]),
        ({"auths": {HOST: {}}, "credsStore": "st"}, None, {"st": "stored"}, ["stored"]),
        ({"credHelpers": {f"https://{HOST}": "st"}}, None, {"st": "stored"}, ["stored"]),
        ({"auths": {HOST: entry("here")}, "credHelpers": {OTHER: "st"}}, None, {"st": ""}, ["nothing"]),
        ({"auths": {HOST: entry("here"), OTHER: {"auth": auth("p", "")}}}, None, {}, ["here"]),
        ({"auths": {HOST: entry("here"), OTHER: {"auth": "!!"}}}, None, {}, ["nothing"]),
        ({"auths": {HOST: entry("here")}, "experimental": True}, None, {}, ["nothing"]),
        ({"auths": {HOST: entry("here")}, "features": {"buildkit": True}}, None, {}, ["here"]),
    ],
)  # fmt: skip
def test_testcontainers_for_go(
    config: Any, variable: Any, helpers: dict[str, str], expected: list[str]
) -> None:
    env = {} if variable is None else {"DOCKER_AUTH_CONFIG": json.dumps(variable)}
    assert sent(testcontainersgo.decide(machine({CONFIG: config}, env, helpers), HOST)) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"auths": {HOST: entry("here")}}, ["here"]),
        ({"auths": {"*.dkr.ecr.us-west-2.amazonaws.com": entry("here")}}, ["here"]),
        ({"auths": {"*.dkr.ecr.*.amazonaws.com": entry("here")}}, ["here"]),
        ({"auths": {"*.amazonaws.com": entry("here")}}, NOTHING),
        ({"auths": {f"https://{HOST}/v2/": entry("here")}}, ["here"]),
        ({"auths": {f"{HOST}/v2": entry("here")}}, NOTHING),
        ({"auths": {f"{HOST}/team": entry("here")}}, NOTHING),
        ({"auths": {f"HTTPS://{HOST}": entry("here")}}, NOTHING),
        ({"auths": {HOST: entry("here", identitytoken=5)}, "credsStore": 5, "credHelpers": []}, ["here"]),
        ({"auths": {HOST: entry("here"), OTHER: {"auth": "dXNlcjpwYXNzd29yZA"}}}, ["here"]),
        ({"auths": {HOST: entry("here"), OTHER: {"auth": "!!"}}}, NOTHING),
        ({"auths": {HOST: entry("here")}, "HttpHeaders": {"X": ["a"]}}, NOTHING),
    ],
)
def test_the_kubelet(config: Any, expected: list[str]) -> None:
    """Where its files hold nothing it cannot be told: pull secrets and providers are not looked at."""
    assert sent(kubelet.decide(machine({ROOTS: config}, uid=0), HOST)) == expected


def test_the_kubelet_goes_on_to_the_next_file_where_one_cannot_be_read() -> None:
    files = {"/config.json": "is a directory", ROOTS: {"auths": {HOST: entry("here")}}}
    assert sent(kubelet.decide(machine(files, uid=0), HOST)) == ["here"]


@pytest.mark.parametrize("decide", [kubelet.decide, docker.sudo])
def test_what_only_root_may_look_at_is_not_said_to_work(decide: Any) -> None:
    world = machine({ROOTS: "permission denied", "/var/lib/kubelet/config.json": "permission denied"})
    finding = decide(world, HOST)
    each = judged(finding, HOST, Known(), NOW)
    assert overall(each) == "unknown"
    assert (
        remedy(finding, each, HOST, Known()).hint
        == f'To know: sudo "$(command -v ecr-refreshd)" explain {HOST}'
    )


def test_what_a_program_would_say_to_root_is_not_known_to_another_user() -> None:
    world = machine({ROOTS: {"credHelpers": {HOST: "st"}}}, helpers={"st": "of this user"})
    assert sent(docker.sudo(world, HOST)) == NOTHING


@pytest.mark.parametrize(
    ("more", "version", "decodes"),
    [
        ({"features": {"buildkit": True}}, (28, 2), False),
        ({"features": {"buildkit": True}}, (25, 0), True),
        ({"proxies": {"default": {"noProxy": ["a"]}}}, (29, 0), False),
        ({"proxies": {"default": {"allProxy": 1}}}, (20, 10), True),
        ({"proxies": {"default": {"other": 1}}}, (29, 0), True),
        ({"HttpHeaders": {"X": 1}}, (29, 0), False),
        ({"plugins": {"a": {"b": True}}}, (29, 0), False),
        ({"pruneFilters": ["a", 1]}, (29, 0), False),
        ({"experimental": True}, (28, 2), False),
        ({"experimental": True}, (29, 0), True),
        ({"currentContext": None, "aliases": None, "detachKeys": None}, (29, 0), True),
        ({"whatever": [1]}, (29, 0), True),
    ],
)
def test_a_value_of_a_wrong_type_anywhere_costs_docker_its_logins(
    more: dict[str, Any], version: tuple[int, ...], decodes: bool
) -> None:
    """Docker warns, and decodes no entry of the file: it sends neither user nor password."""
    world = machine({CONFIG: {"auths": {HOST: entry("here")}, **more}}, version=version)
    finding = docker.pulls(world, HOST)
    assert sent(finding) == (["here"] if decodes else ["nothing"])
    if not decodes:
        assert any("of the wrong type" in step.found for step in finding.steps)


def test_no_command_is_proposed_that_empties_the_logins_of_others() -> None:
    """Docker writes a file with an undecodable entry back without what it had not decoded yet."""
    world = machine({CONFIG: {"auths": {HOST: entry("here"), OTHER: {"auth": "!!"}}}})
    finding = docker.pulls(world, HOST)
    told = remedy(finding, judged(finding, HOST, Known(), NOW), HOST, Known()).hint
    assert "docker logout" not in told
    assert OTHER in told
    assert CONFIG in told


def test_a_token_that_the_registry_refuses_does_not_work() -> None:
    """AWS says that it is valid; what counts is who lets the client in."""
    sent = credential("AWS", "x")
    assert sent is not None
    known = Known(ends={sent.fingerprint: NOW + timedelta(hours=1)}, refused=frozenset({sent.fingerprint}))
    finding = Search().ends(Source(), Outcome(sent))
    (one,) = judged(finding, HOST, known, NOW)
    assert (one.works, one.why) == ("no", "the registry refuses the token")
    assert judged(finding, HOST, replace(known, refused=frozenset()), NOW)[0].works == "yes"
