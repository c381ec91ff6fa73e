"""Whenever a child or the service is ended, the login survives, whose refresh token is good once (DESIGN 5)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.aws.asking import Asking, children, ecr, gone, wait_until
from tests.aws.signin import ARN, aws_login, hide_runtime, login_file
from tests.world import cli, homes
from tests.world.aws import FakeAws

ROOT = Path(__file__).parents[2]
INSTANTS = 16
ANSWER = 0.15
"""Seconds for which AWS has spent the old token and not yet told the new one."""


@dataclass
class Login:
    """A login that is about to be refreshed, by each of its kinds."""

    aws: FakeAws
    home: Path
    operation: str
    sign_in: Callable[[], object]
    file: Path
    path: str

    def environ(self) -> dict[str, str]:
        return self.aws.environment(self.home, PATH=self.path)

    def begin(self) -> None:
        """Sign in anew: the token is over, and its refresh is answered slowly."""
        self.sign_in()
        self.aws.clear_log()

    def lives(self) -> bool:
        """Return whether what lies in the file is worth anything."""
        try:
            token = json.loads(self.file.read_text())["refreshToken"]
        except ValueError:
            return False
        return self.aws.sso_renews(token)

    def under_way(self) -> bool:
        calls = self.aws.calls(self.operation)
        return bool(calls) and calls[-1].ended is None


@pytest.fixture(params=["sso", "aws login by the CLI"])
def login(request, aws, tmp_path, monkeypatch) -> Login:
    aws.fault("CreateToken", delay_after=ANSWER)
    aws.fault("CreateOAuth2Token", delay_after=ANSWER)
    if request.param == "sso":
        homes.sso_profile(tmp_path, "dev", "111111111111")
        file = homes.token_file(tmp_path, "corp")
        return Login(
            aws, tmp_path, "CreateToken", lambda: homes.sso_login(tmp_path, aws, ttl=-60), file, os.defpath
        )
    hide_runtime(monkeypatch)
    homes.profile(tmp_path, "dev", login_session=ARN, region="us-west-2")
    path = cli.install(tmp_path, slow=0.05)
    file = login_file(tmp_path)
    return Login(aws, tmp_path, "CreateOAuth2Token", lambda: aws_login(tmp_path, aws, ttl=-60), file, path)


def instants(login: Login, whole: float) -> Iterator[Callable[[], None]]:
    """Yield waits for moments spread over the whole exchange and a little beyond, one surely in the refresh."""
    for number in range(INSTANTS):
        yield partial(time.sleep, whole * 1.1 * number / (INSTANTS - 1))
    yield lambda: wait_until(login.under_way)


def test_a_child_that_the_fetcher_ends_at_any_instant_costs_no_login(login: Login) -> None:
    """By SIGTERM and, after the grace, SIGKILL: as when a grant is overdue, or the service stops."""
    login.begin()
    start = time.monotonic()
    with Asking(login.environ()) as asking:
        asking.token(ecr("dev"))
    whole = time.monotonic() - start
    for wait in instants(login, whole):
        login.begin()
        asking = Asking(login.environ())
        asking.begin(ecr("dev"))
        wait()
        asking.fetcher.stop()
        assert list(children()) == []
        wait_until(login.lives)
        asking.answer()
    with Asking(login.environ()) as asking:
        asking.token(ecr("dev"))


SERVICE = """
import os, time
from tests.aws.asking import Asking, ecr
asking = Asking(os.environ)
print(flush=True)
asking.begin(ecr("dev"))
asking.answer()
print(flush=True)
time.sleep(60)
"""


def started(login: Login) -> subprocess.Popen[bytes]:
    service = subprocess.Popen(
        [sys.executable, "-c", SERVICE], env=login.environ(), cwd=ROOT, stdout=subprocess.PIPE
    )
    assert service.stdout
    service.stdout.readline()
    return service


@pytest.mark.parametrize("login", ["sso"], indirect=True)
def test_a_service_that_is_killed_at_any_instant_costs_no_login(login: Login) -> None:
    """By SIGKILL, which it cannot heed: its child finishes the refresh within its grace, and then ends too."""
    login.begin()
    with started(login) as service:
        assert service.stdout
        start = time.monotonic()
        service.stdout.readline()
        whole = time.monotonic() - start
        service.kill()
    for wait in instants(login, whole):
        login.begin()
        with started(login) as service:
            wait()
            left = list(children(service.pid))
            service.kill()
        wait_until(lambda left=left: all(map(gone, left)))
        assert login.lives()
