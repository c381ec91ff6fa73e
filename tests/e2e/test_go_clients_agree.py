"""`explain` and the clients that no Debian package brings: compose, and those that ask a registry themselves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ecr_refreshd.cli.explain import gathered
from tests.e2e import states_of_docker, states_of_others, states_of_podman
from tests.e2e.agreeing import DECIDE, IMAGE, Client, agree, compose_client, docker_client, registry_client
from tests.e2e.listening import DockerSocket, Proxy
from tests.e2e.programs import client, each, wanted
from tests.e2e.states import FAILS, HOST, NOTHING, State, entry, promised, sent
from tests.needs import need
from tests.world import homes
from tests.world.aws import FakeAws
from tests.world.processes import Program

STATES = [*states_of_docker.STATES, *states_of_podman.STATES, *states_of_others.VARIABLE]


def states(*more: State) -> pytest.MarkDecorator:
    """Let a test go through all states, and these that mean something to its client only."""
    return pytest.mark.parametrize("state", [*STATES, *more], ids=lambda state: state.name)


_CONTAINERD = """
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "{folder}/sock"
"""


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A containerd of our own: nerdctl asks it for a lease before it looks at any login."""
    client("nerdctl")
    need(os.geteuid() == 0, "root: containerd mounts")
    program = shutil.which("containerd")
    need(program, "containerd")
    folder = tmp_path_factory.mktemp("c")
    (folder / "config.toml").write_text(_CONTAINERD.format(folder=folder))
    argv = [str(program), "--config", f"{folder}/config.toml"]
    with Program(argv, folder / "log", {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}) as started:
        started.wait_until((folder / "sock").exists, "containerd")
        yield folder / "sock"


@states()
def test_compose_sends_what_is_said(state: State, daemon: DockerSocket, tmp_path: Path) -> None:
    compose = client("docker-compose")
    agree("compose", compose_client(compose, daemon), state, tmp_path, "docker-compose", compose)


@states()
def test_crane_sends_what_is_said(state: State, proxy: Proxy, tmp_path: Path) -> None:
    crane = client("crane")
    argv = [crane, "manifest", "--insecure", IMAGE]
    agree("crane", registry_client(argv, proxy), state, tmp_path, "crane", crane)


def ko(program: str, proxy: Proxy, home: Path, **more: str) -> Client:
    """ko, that builds on the image of a program that is nothing: it asks for the image before it compiles."""
    (home / "go.mod").write_text("module example.com/nothing\n")
    (home / "main.go").write_text("package main\n\nfunc main() {}\n")
    compiler = shutil.which("go")
    if compiler is None:
        pytest.skip("ko runs Go")
    ask = registry_client([program, "build", "--push=false", "--insecure-registry", "."], proxy)
    of_go = {"GOCACHE": f"{home}/cache", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOPROXY": "off"}
    of_ko = {
        "KO_DEFAULTBASEIMAGE": IMAGE,
        "SSL_CERT_FILE": str(proxy.certificate),
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    def build(environment: Mapping[str, str]) -> str:
        (home / "bin" / "go").symlink_to(os.path.realpath(compiler))
        return ask({**environment, **of_go, **of_ko, **more})

    return build


@each("ko")
@states()
def test_ko_sends_what_is_said(state: State, program: str, proxy: Proxy, tmp_path: Path) -> None:
    wanted(program, "ko")
    agree("ko", ko(program, proxy, tmp_path), state, tmp_path, "ko", program)


@each("ko")
def test_ko_sends_what_aws_gives_it_whatever_stands_in_a_file(
    program: str, proxy: Proxy, aws: FakeAws, tmp_path: Path
) -> None:
    wanted(program, "ko")
    keys = homes.access_key()
    environment = State("", {"auths": {HOST: entry("here")}}).build(tmp_path)
    homes.static_keys(tmp_path, "dev", keys, aws=aws, account=HOST[:12])
    more = {name: text for name, text in aws.environment(tmp_path).items() if name.startswith("AWS_")}
    offered = ko(program, proxy, tmp_path, **more, AWS_PROFILE="dev", NO_PROXY="127.0.0.1")(environment)
    assert offered not in (sent("AWS", "here"), NOTHING, FAILS)
    assert len(aws.calls("ecr:GetAuthorizationToken")) >= 1
    assert any("AWS itself" in note for note in DECIDE["ko"](gathered(environment), HOST).notes)


@states()
def test_oras_sends_what_is_said(state: State, proxy: Proxy, tmp_path: Path) -> None:
    oras = client("oras")
    argv = [oras, "manifest", "fetch", "--insecure", IMAGE]
    agree("oras", registry_client(argv, proxy, b"basic"), state, tmp_path, "oras", oras)


@each("helm")
@states(*states_of_others.CHARTS)
def test_helm_sends_what_is_said(state: State, program: str, proxy: Proxy, tmp_path: Path) -> None:
    helm = wanted(program, "helm")
    argv = [helm, "show", "chart", "--insecure-skip-tls-verify", f"oci://{HOST}/chart", "--version", "1.2.3"]
    agree("helm", registry_client(argv, proxy, b"basic"), state, tmp_path, "helm", helm)


@each("nerdctl")
@states(*states_of_others.SPELLINGS)
def test_nerdctl_sends_what_is_said(
    state: State, program: str, proxy: Proxy, containerd: Path, tmp_path: Path
) -> None:
    nerdctl = wanted(program, "nerdctl")
    argv = [nerdctl, "--address", str(containerd), "--data-root", f"{tmp_path}/data"]
    argv += ["--cni-path", f"{tmp_path}/cni", "--cni-netconfpath", f"{tmp_path}/net", "--insecure-registry"]
    argv += ["pull", "--unpack=false", "--quiet", IMAGE]
    client = registry_client(argv, proxy, b"no basic auth credentials")
    agree("nerdctl", client, state, tmp_path, "nerdctl", nerdctl)


@states()
def test_testcontainers_sends_what_is_said(state: State, daemon: DockerSocket, tmp_path: Path) -> None:
    """The library pulls for a program of a few lines (testcontainers.go)."""
    program = client("testcontainers-go")
    pull = docker_client(program, daemon, IMAGE)
    agree("testcontainers-go", pull, state, tmp_path, "testcontainers-go", program)


@pytest.fixture(scope="module")
def kubelet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of a few lines that looks for logins with the kubelet's own package (kubelet.go)."""
    program = client("kubelet-logins")
    need(
        os.geteuid() == 0, "root: the kubelet's files have fixed places, so it gets a root folder of its own"
    )
    return Path(shutil.copy(program, tmp_path_factory.mktemp("k")))


@states(*states_of_others.NODE)
def test_the_kubelet_tries_what_is_said(state: State, kubelet: Path, tmp_path: Path) -> None:
    """It tries one login after the other, of which one is said."""
    environment = state.build(tmp_path) | {"HOME": "/root"}
    (tmp_path / "kubelet").hardlink_to(kubelet)

    def inside() -> None:
        os.chroot(tmp_path)
        os.chdir("/")

    done = subprocess.run(
        ["/kubelet", IMAGE.partition(":")[0]],
        env=environment,
        preexec_fn=inside,
        capture_output=True,
        timeout=30,
        check=True,
    )
    tried = [sent(*login) for login in json.loads(done.stdout)]
    world = gathered(environment)
    there = replace(world, read=lambda path: world.read(f"{tmp_path}{path}"))
    # Where its files hold nothing, it cannot be told: other ways to a login are not looked at.
    (said,) = [promised(outcome) for outcome in DECIDE["kubelet"](there, HOST).outcomes] or [NOTHING]
    assert said in ([each for each in tried if each != NOTHING] or [NOTHING])
