"""What clients send that no package brings, by their own rules: they seldom stand on a machine that tests.

Each was seen so: nerdctl 2.1.2 and 2.1.3, helm 3.22 and 4.3, ko 0.19, buildx 0.38, compose 5.6, docker 29.9,
Testcontainers for Go 0.45 and Kubernetes 1.36 agree in every state of `tests/e2e`.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ecr_refreshd.core.clients import docker, ggcr, kubelet, nerdctl, oras, testcontainersgo
from ecr_refreshd.core.clients.world import Finding, HelperAnswer, HelperList, World
from tests.core.clients.test_containers import HOST, login, machine, passwords

FILE = "/home/u/.docker/config.json"
HELM = "/home/u/.config/helm/registry/config.json"
VARIABLE = {"DOCKER_AUTH_CONFIG": login("variable")}
DEAD = json.dumps({**json.loads(login("here")), "credsStore": "dead"})


def config(**entry: str) -> str:
    """A file whose one entry has these fields."""
    return json.dumps({"auths": {HOST: entry}})


def world(files: dict[str, str], env: dict[str, str] | None = None, **versions: tuple[int, ...]) -> World:
    """A machine with these files and programs; its helpers all fail."""
    return replace(
        machine("", None, env or {}, files),
        version=versions.get,
        ask=lambda *_: HelperAnswer(error="it is dead"),
        stored=lambda _: HelperList(error="it is dead"),
        which=lambda name: name in versions,
    )


@pytest.mark.parametrize(
    ("version", "sent"), [((2, 1, 2), "here"), ((2, 1, 3), "variable"), (None, "variable")]
)
def test_nerdctl_reads_dockers_variable_since_it_has_its_package(
    version: tuple[int, ...] | None, sent: str
) -> None:
    versions = {"nerdctl": version} if version else {}
    assert passwords(nerdctl.decide(world({FILE: login("here")}, VARIABLE, **versions), HOST)) == [sent]


@pytest.mark.parametrize(
    "entry", [{"username": "AWS"}, {"password": "half"}, {"username": "me", "identitytoken": "id"}]
)
def test_nerdctl_sends_no_half_login_and_no_identity_token(entry: dict[str, str]) -> None:
    assert passwords(nerdctl.decide(world({FILE: config(**entry)}), HOST)) == ["nothing"]


@pytest.mark.parametrize("decide", [nerdctl.decide, ggcr.decide, oras.oras, oras.helm, docker.builds])
def test_half_a_login_is_none_to_those_who_ask_the_registry_themselves(decide) -> None:
    assert passwords(decide(world({FILE: config(username="AWS")}), HOST)) == ["nothing"]
    assert passwords(decide(world({FILE: config(password="half")}), HOST)) == ["nothing"]
    assert passwords(decide(world({FILE: login("")}), HOST)) == ["nothing"]
    assert passwords(decide(world({FILE: login("whole")}), HOST)) == ["whole"]


def test_docker_sends_half_a_login() -> None:
    (outcome,) = docker.pulls(world({FILE: config(username="AWS")}), HOST).outcomes
    assert outcome.credential is not None
    assert outcome.credential.user == "AWS"


def helm(**files: str) -> Finding:
    """What helm finds in its own file and in docker's."""
    names = {"own": HELM, "docker": FILE}
    return oras.helm(world({names[name]: text for name, text in files.items()}), HOST)


def test_helm_goes_on_without_a_docker_file_that_it_cannot_load() -> None:
    finding = helm(docker="{")
    assert passwords(finding) == ["nothing"]
    assert FILE in finding.notes[0]
    assert passwords(helm(docker="{", own=login("own"))) == ["own"]
    assert passwords(helm(docker=login("here"), own="{")) == ["fails"]


def test_what_helm_has_ends_its_search_though_it_is_never_sent() -> None:
    assert passwords(helm(docker=login("here"), own=config(identitytoken="id"))) == ["nothing"]
    assert passwords(helm(docker=login("here"), own=json.dumps({"auths": {HOST: {}}}))) == ["here"]


def test_dockers_version_says_nothing_of_compose_and_of_buildx() -> None:
    """A plugin is built on docker's code of its own day: beside an old docker it reads as a new one does."""
    old, younger = (20, 10, 24), (28, 2, 2)
    for version in (old, younger):
        there = world({FILE: login("here")}, VARIABLE, docker=version)
        assert passwords(docker.pulls(there, HOST)) == ["here"]
        assert passwords(docker.composes(there, HOST)) == ["variable"]
    assert passwords(docker.builds(world({FILE: login("here")}, VARIABLE, docker=old), HOST)) == ["here"]
    assert passwords(docker.builds(world({FILE: login("here")}, VARIABLE, docker=younger), HOST)) == [
        "variable"
    ]


def test_a_docker_that_does_not_tell_its_version_fails_with_its_helper_as_the_newest_does() -> None:
    assert passwords(docker.pulls(world({FILE: DEAD}), HOST)) == ["fails"]
    assert passwords(docker.pulls(world({FILE: DEAD}, docker=(28, 2, 2)), HOST)) == ["here"]
    assert passwords(docker.pulls(world({FILE: DEAD}, docker=(29, 0, 0)), HOST)) == ["fails"]


@pytest.mark.parametrize(
    ("behind", "sent"),
    [("", "variable"), (" \n", "variable"), ("}", "variable"), (" x", "here"), ("{}", "here")],
)
def test_what_may_stand_behind_dockers_variable(behind: str, sent: str) -> None:
    env = {"DOCKER_AUTH_CONFIG": login("variable") + behind}
    assert passwords(docker.pulls(world({FILE: login("here")}, env), HOST)) == [sent]


def test_ko_asks_aws_first_and_does_not_know_podmans_file_in_the_home() -> None:
    at_home = world({"/home/u/.config/containers/auth.json": login("home")})
    assert passwords(ggcr.decide(at_home, HOST)) == ["home"]
    assert passwords(ggcr.ko(at_home, HOST)) == ["nothing"]
    assert any("AWS" in note for note in ggcr.ko(at_home, HOST).notes)


def test_testcontainers_looks_up_in_the_file_what_dockers_variable_only_names() -> None:
    """The variable of docker 28.3 holds nothing but an auth: a stale one there does no harm here."""
    assert passwords(testcontainersgo.decide(world({FILE: login("here")}, VARIABLE), HOST)) == ["here"]
    assert passwords(testcontainersgo.decide(world({}, VARIABLE), HOST)) == ["nothing"]
    plain = {"DOCKER_AUTH_CONFIG": config(username="AWS", password="plain")}
    assert passwords(testcontainersgo.decide(world({FILE: login("here")}, plain), HOST)) == ["plain"]


def test_testcontainers_loses_every_login_by_one_that_fails() -> None:
    other = {"auths": {"registry.example.com": {"auth": "!!!"}}}
    both = json.dumps({"auths": json.loads(login("here"))["auths"] | other["auths"]})
    assert passwords(testcontainersgo.decide(world({FILE: both}), HOST)) == ["nothing"]


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        ("*.dkr.ecr.us-west-2.amazonaws.com", ["here"]),
        ("https://*.dkr.*.us-west-2.amazonaws.com/v2/", ["here"]),
        ("*.amazonaws.com", []),
    ],
)
def test_the_kubelet_takes_patterns_part_by_part(key: str, sent: list[str]) -> None:
    entry = json.loads(login("here"))["auths"][HOST]
    there = world({"/root/.docker/config.json": json.dumps({"auths": {key: entry}})})
    assert passwords(kubelet.decide(there, HOST)) == sent


def test_the_kubelet_takes_an_auth_without_padding_and_a_store_of_any_type() -> None:
    auth = json.loads(login("unpadded!"))["auths"][HOST]["auth"]
    assert auth.endswith("=")
    there = {"auths": {HOST: {"auth": auth.rstrip("=")}}, "credsStore": 1, "credHelpers": []}
    assert passwords(kubelet.decide(world({"/config.json": json.dumps(there)}), HOST)) == ["unpadded!"]
