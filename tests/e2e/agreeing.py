"""Real clients, each as a function from an environment to what it sent, read from its own request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ecr_refreshd.cli.explain import gathered
from ecr_refreshd.core.clients.families import FAMILIES
from tests.e2e.listening import DockerSocket, Proxy
from tests.e2e.states import FAILS, HOST, NOTHING, State, promised, sent

DECIDE = {family.key: family.decide for family in FAMILIES}
IMAGE = f"{HOST}/node:18"
Client = Callable[[Mapping[str, str]], str]


def docker_client(program: str, daemon: DockerSocket, *command: str) -> Client:
    """A docker client that pulls, or does what else pulls; what it sent, or that it gave up before."""

    def pull(environment: Mapping[str, str]) -> str:
        daemon.seen.clear()
        _run([program, *command], {**environment, "DOCKER_HOST": f"unix://{daemon.path}"})
        assert len(daemon.seen) <= 1, daemon.seen
        return daemon.seen[0] if daemon.seen else FAILS

    return pull


def compose_client(program: str, daemon: DockerSocket) -> Client:
    """A compose that pulls the image of its one service."""
    pull = docker_client(program, daemon, "pull")

    def ask(environment: Mapping[str, str]) -> str:
        services = {"services": {"node": {"image": IMAGE}}}
        Path(environment["HOME"], "compose.yaml").write_text(json.dumps(services))
        return pull(environment)

    return ask


def registry_client(argv: list[str], proxy: Proxy, has_none: bytes = b"") -> Client:
    """A client that speaks with the registry itself: the best it offered, or that it never came so far.

    `has_none`: what one says that knocks before it looks for a credential, when it has found none.
    """

    def ask(environment: Mapping[str, str]) -> str:
        proxy.seen.clear()
        said = _run(argv, {**environment, "HTTPS_PROXY": proxy.url})
        offered = [each for each in proxy.seen if each != NOTHING]
        return offered[-1] if offered else NOTHING if proxy.seen and has_none in said else FAILS

    return ask


def build_client(argv: list[str], proxy: Proxy, docker_host: str) -> Client:
    """A client that has BuildKit build from the image: what BuildKit sent with what it got from the client."""
    ask = registry_client([*argv, "--progress=plain", "context"], proxy, b"401 Unauthorized")

    def build(environment: Mapping[str, str]) -> str:
        context = Path(environment["HOME"], "context")
        context.mkdir()
        (context / "Dockerfile").write_text(f"FROM {IMAGE}\n")
        return ask({**environment, "DOCKER_HOST": docker_host, "DOCKER_BUILDKIT": "1"})

    return build


def _run(argv: list[str], environment: Mapping[str, str]) -> bytes:
    # Its helpers are found on the PATH of the state; the program itself by its full name.
    done = subprocess.run(
        argv, env=dict(environment), cwd=environment["HOME"], capture_output=True, timeout=30, check=False
    )
    # pytest shows it beside a disagreement: without it, trouble of another kind looks like one.
    sys.stderr.write(done.stderr.decode(errors="replace"))
    return done.stderr


_DOCKER_PY = """
import json, os, sys
from docker import auth
for line in sys.stdin:
    request = json.loads(line)
    os.environ.clear()
    os.environ.update(request["env"])
    try:
        config = auth.load_config()
        found = auth.resolve_authconfig(config, request["host"]) or {}
        found = {name.lower(): value for name, value in found.items()}
    except Exception as error:
        found = {"error": repr(error)}
    print(json.dumps(found), flush=True)
"""


@contextmanager
def docker_py(python: str) -> Iterator[Client]:
    """docker-py in one process for all states: its import takes longer than everything else."""
    argv = [python, "-W", "ignore", "-c", _DOCKER_PY]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        stdin, stdout = child.stdin, child.stdout

        def ask(environment: Mapping[str, str]) -> str:
            stdin.write(json.dumps({"env": dict(environment), "host": HOST}) + "\n")
            stdin.flush()
            found = json.loads(stdout.readline())
            if "error" in found:
                return FAILS
            if "identitytoken" in found:
                return "identity"
            return sent(found.get("username", ""), found.get("password", ""))

        yield ask
        stdin.close()


def python_with_docker_py() -> str | None:
    """An interpreter that has docker-py: this one, or the one that a variable names."""
    named = os.environ.get("ECR_REFRESHD_TEST_DOCKERPY")
    for python in (sys.executable, named):
        if (
            python
            and subprocess.run([python, "-c", "import docker"], capture_output=True, check=False).returncode
            == 0
        ):
            return python
    return None


def agree(
    family: str, client: Client, state: State, home: Path, name: str, program: str, never: str = ""
) -> None:
    """Let a client act, and compare with what is said of it; `never`: what may be said and no registry sees."""
    environment = state.build(home)
    # The version of a client decides, so it stands on PATH.
    (home / "bin" / name).symlink_to(program)
    world = gathered(environment)
    said = [promised(outcome) for outcome in DECIDE[family](world, HOST).outcomes]
    assert client(environment) in [NOTHING if each == never else each for each in said]
