"""The world for end-to-end tests: one fake AWS and one engine for the whole run, calm again after each test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from tests.e2e.listening import DockerSocket, Proxy
from tests.needs import need
from tests.world.aws import FakeAws
from tests.world.engine import Engine, missing


@pytest.fixture(scope="session")
def aws() -> Iterator[FakeAws]:
    """The fake AWS; its settings, faults and log are as new in every test."""
    with FakeAws() as server:
        yield server


@pytest.fixture(scope="session")
def engine(aws: FakeAws) -> Iterator[Engine]:
    """A real docker engine whose ECR is the fake one. Tests that use it are marked ``engine``."""
    need(not missing(), missing())
    try:
        started = Engine(aws)
    except TimeoutError as error:
        need(False, str(error))
        raise
    with started:
        yield started


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerSocket]:
    """A socket that plays dockerd."""
    found = DockerSocket(tmp_path_factory.mktemp("d") / "sock")
    yield found
    found.close()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy behind whose every name stands a registry that wants a password."""
    need(shutil.which("openssl"), "openssl")
    found = Proxy(tmp_path_factory.mktemp("proxy"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def storage() -> Iterator[list[str]]:
    """Options for an image store that is nobody's. podman takes no run root of more than 50 characters."""
    need(os.geteuid() == 0, "root: without it podman wants a user namespace before it looks at any login")
    with tempfile.TemporaryDirectory() as folder:
        yield ["--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]


@pytest.fixture(autouse=True)
def calm(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test did to the shared world ends with it."""
    yield
    if "aws" in request.fixturenames:
        request.getfixturevalue("aws").reset()
    if "engine" in request.fixturenames:
        engine = request.getfixturevalue("engine")
        engine.face.trouble()
        engine.face.clear_log()
        engine.forget_images()
