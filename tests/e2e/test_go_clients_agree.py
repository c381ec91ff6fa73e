"""`explain` and the clients that no Debian package brings: compose, and those that ask a registry themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import states_of_docker, states_of_podman
from tests.e2e.agreeing import IMAGE, agree, compose_client, registry_client
from tests.e2e.listening import DockerSocket, Proxy
from tests.e2e.programs import client
from tests.e2e.states import HOST, State

STATES = [*states_of_docker.STATES, *states_of_podman.STATES]
ALL = pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)


@ALL
def test_compose_sends_what_is_said(state: State, daemon: DockerSocket, tmp_path: Path) -> None:
    compose = client("docker-compose")
    agree("compose", compose_client(compose, daemon), state, tmp_path, "docker-compose", compose)


@ALL
def test_crane_sends_what_is_said(state: State, proxy: Proxy, tmp_path: Path) -> None:
    crane = client("crane")
    argv = [crane, "manifest", "--insecure", IMAGE]
    agree("crane", registry_client(argv, proxy), state, tmp_path, "crane", crane)


@ALL
def test_oras_sends_what_is_said(state: State, proxy: Proxy, tmp_path: Path) -> None:
    oras = client("oras")
    argv = [oras, "manifest", "fetch", "--insecure", IMAGE]
    agree("oras", registry_client(argv, proxy, b"basic"), state, tmp_path, "oras", oras)


@ALL
def test_helm_sends_what_is_said(state: State, proxy: Proxy, tmp_path: Path) -> None:
    helm = client("helm")
    argv = [helm, "show", "chart", "--insecure-skip-tls-verify", f"oci://{HOST}/chart", "--version", "1.2.3"]
    agree("helm", registry_client(argv, proxy, b"basic"), state, tmp_path, "helm", helm)
