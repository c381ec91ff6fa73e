"""One login, many principals: it is refreshed once, by one process, and never lost in between (DESIGN 5)."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecr_refreshd.aws.running import Limits
from ecr_refreshd.core.events import FetchFailed, FetchSucceeded
from tests.aws.asking import Asking, children, ecr, gone, wait_until
from tests.world import homes
from tests.world.aws import FakeAws
from tests.world.rendering import iso

ROOT = Path(__file__).parents[2]
NEAR = 300
"""Seconds of life below which botocore refreshes an SSO token (it has 15 minutes)."""


def two_profiles(aws, home, **login) -> None:
    homes.sso_profile(home, "a", "111111111111")
    homes.sso_profile(home, "b", "222222222222")
    homes.sso_login(home, aws, **login)


def refreshes(aws) -> list[str]:
    return [call.outcome for call in aws.calls("CreateToken")]


def test_profiles_of_one_login_refresh_it_once(asking, aws, tmp_path) -> None:
    """The refresh token is good once; with a second refresh in parallel, the user would be signed out."""
    two_profiles(aws, tmp_path, ttl=NEAR)
    answers = asking.ask(*(ecr(name, region) for name in "ab" for region in ("us-west-2", "eu-west-1")))
    assert all(isinstance(answer, FetchSucceeded) for answer in answers.values())
    assert refreshes(aws) == ["ok"]
    assert {answer.account for answer in answers.values()} == {"111111111111", "222222222222"}


def test_orders_that_come_while_it_is_refreshed_join_in(asking, aws, tmp_path) -> None:
    two_profiles(aws, tmp_path, ttl=NEAR)
    aws.fault("CreateToken", delay=0.5)
    asking.begin(ecr("a"))
    wait_until(lambda: aws.calls("CreateToken"))
    asking.begin(ecr("b"), ecr("a", "eu-west-1"))
    assert all(isinstance(asking.answer(), FetchSucceeded) for _ in range(3))
    assert refreshes(aws) == ["ok"]
    assert len({call.user_agent for call in aws.calls("GetAuthorizationToken")}) == 1


def test_a_role_above_a_login_shares_its_lane(asking, aws, tmp_path) -> None:
    two_profiles(aws, tmp_path, ttl=NEAR)
    homes.role_chain(tmp_path, "deep", "arn:aws:iam::333333333333:role/x", "a")
    homes.role_chain(tmp_path, "deeper", "arn:aws:iam::444444444444:role/x", "deep")
    answers = asking.ask(ecr("a"), ecr("b"), ecr("deep"), ecr("deeper"))
    assert all(isinstance(answer, FetchSucceeded) for answer in answers.values())
    assert refreshes(aws) == ["ok"]
    assert answers[ecr("deeper").key].account == "444444444444"


def test_a_dead_login_costs_one_refused_refresh_for_all(asking, aws, tmp_path) -> None:
    two_profiles(aws, tmp_path, ttl=-60)
    aws.sso_end()
    answers = asking.ask(ecr("a"), ecr("b"))
    assert {answer.failure.category for answer in answers.values()} == {"login"}
    assert refreshes(aws) == ["InvalidGrantException"]


def test_a_refused_refresh_token_is_not_sent_again_until_the_file_changes(asking, aws, tmp_path) -> None:
    two_profiles(aws, tmp_path, ttl=-60)
    aws.sso_end()
    for _ in range(2):
        assert asking.failure(ecr("a")).category == "login"
    assert len(refreshes(aws)) == 1
    homes.sso_login(tmp_path, aws, ttl=-60)
    asking.token(ecr("a"))
    assert refreshes(aws) == ["InvalidGrantException", "ok"]


def test_an_access_token_that_lives_is_used_though_its_refresh_was_refused(asking, aws, tmp_path) -> None:
    """As botocore does: the last minutes of a login still give tokens for twelve hours."""
    two_profiles(aws, tmp_path, ttl=NEAR)
    aws.fault("CreateToken", code="InvalidGrantException")
    for name in "ab":
        asking.token(ecr(name))
    assert refreshes(aws) == ["InvalidGrantException"]


def saved_refresh_token(home) -> str:
    return json.loads(homes.token_file(home, "corp").read_text())["refreshToken"]


def test_stopping_lets_a_refresh_finish(aws, tmp_path) -> None:
    """AWS has spent the old refresh token when it answers; without the write, the user's login would be gone."""
    two_profiles(aws, tmp_path, ttl=-60)
    before = saved_refresh_token(tmp_path)
    aws.fault("CreateToken", delay_after=1.0, times=1)
    asking = Asking(aws.environment(tmp_path))
    asking.begin(ecr("a"))
    wait_until(lambda: aws.calls("CreateToken"))
    asking.fetcher.stop()
    assert list(children()) == []
    assert isinstance(asking.answer(), FetchFailed)
    assert saved_refresh_token(tmp_path) != before
    with Asking(aws.environment(tmp_path)) as again:
        again.token(ecr("b"))


def test_a_child_that_is_told_to_end_finishes_its_refresh(asking, aws, tmp_path) -> None:
    two_profiles(aws, tmp_path, ttl=-60)
    before = saved_refresh_token(tmp_path)
    aws.fault("CreateToken", delay_after=0.7, times=1)
    asking.begin(ecr("a"))
    wait_until(lambda: aws.calls("CreateToken"))
    os.kill(next(children()), signal.SIGTERM)
    assert "exit status 0" in asking.answer().failure.message
    assert saved_refresh_token(tmp_path) != before
    asking.token(ecr("b"))


SERVICE = """
import queue, time
from tests.aws.asking import Asking, ecr
import os
asking = Asking(os.environ)
asking.begin(ecr("a"))
time.sleep(60)
"""


@contextmanager
def service_that_is_killed(environ: dict[str, str]) -> Iterator[int]:
    """A service that asks for profile a, and is killed at the end of the block. Yields its pid."""
    service = subprocess.Popen([sys.executable, "-c", SERVICE], env=environ, cwd=ROOT)
    try:
        yield service.pid
    finally:
        service.kill()
        service.wait()


def test_a_child_whose_service_was_killed_finishes_its_refresh_and_ends(aws, tmp_path) -> None:
    """`kill -9` of the service must cost nobody a login, and leave no process behind."""
    two_profiles(aws, tmp_path, ttl=-60)
    before = saved_refresh_token(tmp_path)
    aws.fault("CreateToken", delay_after=0.7, times=1)
    with service_that_is_killed(aws.environment(tmp_path)) as service:
        wait_until(lambda: aws.calls("CreateToken"))
        (child,) = children(service)
    wait_until(lambda: saved_refresh_token(tmp_path) != before)
    wait_until(lambda: gone(child))


def test_a_program_that_hangs_ends_though_the_service_was_killed(aws, tmp_path) -> None:
    script = (
        "import os, time\nprint(os.getpid(), file=open(os.path.expanduser('~/pid'), 'w'))\ntime.sleep(300)"
    )
    homes.credential_process(tmp_path, "a", script)
    pid = tmp_path / "pid"
    with service_that_is_killed(aws.environment(tmp_path)):
        wait_until(lambda: pid.exists() and pid.read_text().strip())
    wait_until(lambda: gone(int(pid.read_text())))


def test_no_refresh_is_begun_by_a_child_that_is_to_end(asking, aws, tmp_path) -> None:
    """It waits for one login's refresh; another's, begun now, might not be finished."""
    for name in ("one", "two"):
        homes.sso_profile(tmp_path, name, "111111111111", session=name)
        homes.sso_login(tmp_path, aws, name, ttl=-60)
    torn = homes.token_file(tmp_path, "two")
    whole = torn.read_text()
    torn.write_text("")
    aws.fault("CreateToken", delay_after=1.2, times=1)
    asking.begin(ecr("one"), ecr("two"))
    wait_until(lambda: aws.calls("CreateToken"))
    os.kill(next(children()), signal.SIGTERM)
    torn.write_text(whole)
    assert {asking.answer().failure.code for _ in range(2)} == {"child.died"}
    assert refreshes(aws) == ["ok"]


def test_a_refresh_that_failed_holds_up_no_end(aws, tmp_path) -> None:
    two_profiles(aws, tmp_path, ttl=-60)
    homes.static_keys(tmp_path, "dev", homes.access_key())
    aws.fault("CreateToken", code="InternalServerException")
    aws.fault("GetAuthorizationToken", way="hang")
    asking = Asking(aws.environment(tmp_path))
    asking.begin(ecr("a"), ecr("dev"))
    assert asking.answer().grant == ecr("a").key
    wait_until(lambda: aws.calls("GetAuthorizationToken"))
    start = time.monotonic()
    asking.fetcher.stop()
    assert time.monotonic() - start < Limits().grant, "what hangs is not waited for"
    assert asking.answer().failure.code == "fetch.stopped"


def test_a_child_with_no_refresh_under_way_ends_at_once(asking, aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "dev", homes.access_key())
    aws.fault("GetAuthorizationToken", way="hang")
    asking.begin(ecr("dev"))
    wait_until(lambda: aws.calls("GetAuthorizationToken"))
    start = time.monotonic()
    os.kill(next(children()), signal.SIGTERM)
    assert asking.answer().failure.code == "child.died"
    assert time.monotonic() - start < Limits().grant, "what hangs is not waited for"


def test_a_child_heeds_sigterm_though_the_service_blocks_it(aws, tmp_path) -> None:
    """Signal masks are inherited; a service may well wait for its signals in one thread."""
    homes.static_keys(tmp_path, "dev", homes.access_key())
    aws.fault("GetAuthorizationToken", way="hang")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        asking = Asking(aws.environment(tmp_path))
        asking.begin(ecr("dev"))
        wait_until(lambda: aws.calls("GetAuthorizationToken"))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    start = time.monotonic()
    asking.fetcher.stop()
    assert time.monotonic() - start < Limits().grant, "what hangs is not waited for"
    assert asking.answer().failure.code == "fetch.stopped"


def test_while_a_child_dies_with_a_refresh_nobody_else_gets_its_lane(aws, tmp_path) -> None:
    """An overdue grant ends its child, whose refresh is still under way: the others of that login wait for it."""
    two_profiles(aws, tmp_path, ttl=-60)
    homes.static_keys(tmp_path, "free", homes.access_key(), aws=aws, account="333333333333")
    aws.fault("CreateToken", delay_after=2.5, times=1)
    with Asking(aws.environment(tmp_path), Limits(grant=1.5, child=9.0, grace=3.0)) as asking:
        asking.begin(ecr("a"), ecr("b"))
        first = asking.answer()
        assert (first.grant, first.failure.code) == (ecr("a").key, "fetch.overdue")
        asking.begin(ecr("b", "eu-west-1"), ecr("free"))
        got = [asking.answer() for _ in range(3)]
        assert {type(answer) for answer in got} == {FetchSucceeded}
        assert got[0].grant == ecr("free").key
    assert refreshes(aws) == ["ok"]


def test_two_logins_do_not_wait_for_each_other(asking, aws, tmp_path) -> None:
    homes.sso_profile(tmp_path, "slow", "111111111111", session="slow")
    homes.sso_profile(tmp_path, "quick", "222222222222", session="quick")
    homes.sso_login(tmp_path, aws, "slow", ttl=-60)
    homes.sso_login(tmp_path, aws, "quick")
    aws.fault("CreateToken", delay=1.0)
    asking.begin(ecr("slow"), ecr("quick"))
    assert [asking.answer().grant, asking.answer().grant] == [ecr("quick").key, ecr("slow").key]


def test_many_profiles_of_a_hanging_login_fail_together(asking, aws, tmp_path) -> None:
    """Each would else wait out the same silence, one after the other."""
    names = [f"p{number}" for number in range(12)]
    for name in names:
        homes.sso_profile(tmp_path, name, "111111111111")
    homes.sso_login(tmp_path, aws, ttl=-60)
    aws.fault("CreateToken", way="reset")
    answers = asking.ask(*(ecr(name) for name in names))
    assert {answer.failure.category for answer in answers.values()} == {"transient"}
    assert len(aws.calls("CreateToken")) <= 2


def terminal_credentials(home: Path, aws: FakeAws, role: str, serial: str) -> Path:
    """Cache a role's credentials as the AWS CLI does once somebody has typed the code."""
    key, secret, token = "ASIA0000000000000001", "s" * 40, "t" * 80
    aws.account(key, role.split(":")[4], secret=secret, session_token=token)
    keys = {"AccessKeyId": key, "SecretAccessKey": secret, "SessionToken": token}
    document = {"Credentials": keys | {"Expiration": iso(time.time() + 3600)}}
    arguments = json.dumps({"RoleArn": role, "SerialNumber": serial}, sort_keys=True)
    path = home / ".aws/cli/cache" / f"{hashlib.sha1(arguments.encode()).hexdigest()}.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(document))
    return path


def test_what_a_person_got_with_an_mfa_code_serves_us_and_is_not_written(asking, aws, tmp_path) -> None:
    """The CLI's cache: its key is the hash of what AssumeRole is called with (aws.md 1.2)."""
    role, serial = "arn:aws:iam::724013829182:role/dev", "arn:aws:iam::724013829182:mfa/me"
    homes.static_keys(tmp_path, "source", homes.access_key(), aws=aws, account="724013829182")
    homes.role_chain(tmp_path, "mfa", role, "source", mfa_serial=serial)
    homes.role_chain(tmp_path, "plain", role, "source")
    assert asking.failure(ecr("mfa")).command == "aws sts get-caller-identity --profile mfa"
    cached = terminal_credentials(tmp_path, aws, role, serial)
    before = cached.read_bytes(), cached.stat().st_mtime_ns
    assert asking.token(ecr("mfa")).account == "724013829182"
    asking.token(ecr("plain"))
    assert (cached.read_bytes(), cached.stat().st_mtime_ns) == before
    assert [path.name for path in cached.parent.iterdir()] == [cached.name]
    assert len(aws.calls("AssumeRole")) == 1


def test_a_mistake_of_ours_while_it_is_refreshed_does_not_cost_the_login(asking, aws, tmp_path) -> None:
    """Promise 8: the child is ended with its seconds of grace, whatever went wrong beside it."""
    two_profiles(aws, tmp_path, ttl=NEAR)
    aws.fault("CreateToken", delay_after=1.0)
    post, failed = asking.fetcher._post, []

    def fails_once(answer) -> None:
        if not failed:
            failed.append(answer)
            raise ZeroDivisionError
        post(answer)

    asking.fetcher._post = fails_once
    homes.static_keys(tmp_path, "quick", homes.access_key(), aws=aws, account="555555555555")
    asking.begin(ecr("a"))
    wait_until(lambda: aws.calls("CreateToken"))
    asking.begin(ecr("quick"))
    answer = asking.answer()
    assert isinstance(answer, FetchFailed)
    assert answer.failure.code == "bug.fetcher"
    wait_until(lambda: list(children()) == [])
    token = json.loads(homes.token_file(tmp_path, "corp").read_text())["refreshToken"]
    assert aws.sso_renews(token), "the new token was written before the child ended"
