"""The fetcher and its fake, under one contract; and what the service must not load."""

from __future__ import annotations

import queue
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest

from ecr_refreshd.core.model import Category, Failure
from ecr_refreshd.core.ports import Answer, FetchOrder
from tests.aws.asking import Asking, children
from tests.contracts.fetchers import FetcherContract
from tests.fakes import FakeClock, FakeFetcher
from tests.world import homes
from tests.world.aws import FakeAws


class RealWorld:
    def __init__(self, aws: FakeAws, home) -> None:
        self._aws, self._home = aws, home
        self._asking = Asking(aws.environment(home))
        self.fetcher = self._asking.fetcher
        self.answers = self._asking.answers

    def _profile(self, name: str, **fault: object) -> None:
        key = homes.access_key()
        homes.static_keys(self._home, name, key, aws=self._aws, account="724013829182")
        if fault:
            self._aws.fault("GetAuthorizationToken", access_key=key, **fault)

    def gives_token(self, profile: str) -> None:
        self._profile(profile)

    def refuses(self, profile: str) -> None:
        self._profile(profile, code="AccessDeniedException")

    def stays_silent(self, profile: str) -> None:
        self._profile(profile, way="hang")


class TestFetcher(FetcherContract):
    @pytest.fixture
    def world(self, aws, tmp_path) -> Iterator[RealWorld]:
        world = RealWorld(aws, tmp_path)
        yield world
        world.fetcher.stop()
        assert list(children()) == []


class ScriptedWorld:
    def __init__(self) -> None:
        self.answers: queue.Queue[Answer] = queue.Queue()
        self._script: dict[str, timedelta | Failure | None] = {}
        self.fetcher = FakeFetcher(self.answers.put, FakeClock(), self._answer)

    def _answer(self, order: FetchOrder) -> timedelta | Failure | None:
        return self._script[order.grant.principal.profile]

    def gives_token(self, profile: str) -> None:
        self._script[profile] = timedelta(hours=12)

    def refuses(self, profile: str) -> None:
        self._script[profile] = Failure(Category.DENIED, "AccessDeniedException", "not allowed")

    def stays_silent(self, profile: str) -> None:
        self._script[profile] = None


class TestFake(FetcherContract):
    @pytest.fixture
    def world(self) -> ScriptedWorld:
        return ScriptedWorld()


SERVICE = """
import os, queue, sys
from ecr_refreshd.aws.fetcher import Fetcher
from ecr_refreshd.aws.files import AwsFiles
from ecr_refreshd.aws.partitions import regions
from ecr_refreshd.core.model import Grant, Principal
from ecr_refreshd.core.ports import FetchOrder
from ecr_refreshd.host.clock import SystemClock
files = AwsFiles(os.environ, SystemClock())
files.folders(), files.look(), regions()
answers = queue.Queue()
fetcher = Fetcher(answers.put, os.environ, SystemClock())
who = Principal("dev")
fetcher.fetch([FetchOrder(Grant(who, "ecr", "us-west-2"), 1, files.look().profiles.standing(who))])
print(type(answers.get(timeout=30)).__name__)
fetcher.stop()
print(sorted({"boto3", "botocore", "asyncio", "ctypes", "concurrent.futures", "dateutil"} & set(sys.modules)))
"""


def test_the_service_never_loads_boto3(aws, tmp_path) -> None:
    """Twenty MiB, and every stale session, stay in the child."""
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account="724013829182")
    done = subprocess.run(
        [sys.executable, "-I", "-c", SERVICE],
        env=aws.environment(tmp_path), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout == "FetchSucceeded\n[]\n", done.stderr
    assert [call.signed for call in aws.calls("GetAuthorizationToken")] == [True]
