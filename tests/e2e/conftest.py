"""The world for end-to-end tests: one fake AWS and one engine for the whole run, calm again after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
