"""Profiles of ``aws login``: boto3 renews their one-time refresh tokens with awscrt, the AWS CLI without it."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from pathlib import Path

import pytest

from ecr_refreshd.aws.running import Limits
from ecr_refreshd.core.events import FetchSucceeded
from ecr_refreshd.core.model import Failure
from tests.aws.asking import Asking, children, ecr, wait_until
from tests.aws.signin import ACCOUNT, ARN, KEY, aws_login, hide_runtime, login_file
from tests.needs import need
from tests.world import cli, homes


@pytest.fixture
def no_runtime(monkeypatch) -> None:
    hide_runtime(monkeypatch)


@pytest.fixture(params=["runtime", "cli"])
def asking(request, aws, home):
    """A fetcher whose child renews logins in either way."""
    if request.param == "runtime":
        need(importlib.util.find_spec("awscrt"), "awscrt is not installed (pip install 'botocore[crt]')")
        environ = aws.environment(home)
    else:
        request.getfixturevalue("no_runtime")
        environ = aws.environment(home, PATH=cli.install(home))
    with Asking(environ) as started:
        yield started


@pytest.fixture
def home(tmp_path) -> Path:
    homes.profile(tmp_path, "con", login_session=ARN, region="us-west-2")
    return tmp_path


def test_a_login_serves_and_is_refreshed_once_for_all_above_it(asking, aws, home) -> None:
    homes.role_chain(home, "above", "arn:aws:iam::222222222222:role/x", "con")
    aws_login(home, aws, ttl=60)
    answers = asking.ask(ecr("con"), ecr("con", "eu-west-1"), ecr("above"))
    assert {answer.account for answer in answers.values()} == {"123456789012", "222222222222"}
    assert [call.outcome for call in aws.calls("CreateOAuth2Token")] == ["ok"]


def test_keys_that_live_are_used_as_they_are(asking, aws, home) -> None:
    """Whoever renews them: nothing is sent, and nothing run, before they are about to end."""
    aws_login(home, aws, ttl=600)
    asking.token(ecr("con"))
    assert [(call.operation, call.access_key) for call in aws.calls()] == [("GetAuthorizationToken", KEY)]
    assert cli.runs(home) == []


def test_a_renewed_login_is_written_where_the_user_has_it(asking, aws, home) -> None:
    aws_login(home, aws, ttl=60)
    before = json.loads(login_file(home).read_text())
    asking.token(ecr("con"))
    after = json.loads(login_file(home).read_text())
    assert after["refreshToken"] != before["refreshToken"]
    assert after["idToken"] == before["idToken"]
    (call,) = aws.calls("GetAuthorizationToken")
    assert call.access_key == after["accessToken"]["accessKeyId"] != KEY


def test_a_login_that_another_program_renews_meanwhile_is_not_called_dead(asking, aws, home) -> None:
    """The loser of a race for a one-time token waits for what the winner writes, as with SSO."""
    aws_login(home, aws, ttl=-60)
    expired = {"code": "AccessDeniedException", "status": 400, "extra": {"error": "TOKEN_EXPIRED"}}
    aws.fault("CreateOAuth2Token", times=1, **expired)
    asking.begin(ecr("con"))
    aws.wait_for("CreateOAuth2Token")
    aws_login(home, aws, ttl=900)
    assert isinstance(asking.answer(), FetchSucceeded)


def failure(asking) -> Failure:
    found = asking.failure(ecr("con"))
    assert isinstance(found, Failure)
    return found


def test_nobody_signed_in(asking, home) -> None:
    found = failure(asking)
    assert (found.category, found.code) == ("login", "LoginTokenLoadError")
    assert found.hint == "aws login --profile con"


@pytest.mark.parametrize(
    ("content", "category", "code"),
    [("{}", "login", "LoginTokenLoadError"), ("", "login", "DamagedLoginError")],
)
def test_a_login_file_without_a_login(asking, home, content: str, category: str, code: str) -> None:
    login_file(home).parent.mkdir(parents=True)
    login_file(home).write_text(content)
    found = failure(asking)
    assert (found.category, found.code) == (category, code)


@pytest.mark.parametrize(
    ("error", "category", "code"),
    [
        ("TOKEN_EXPIRED", "login", "LoginRefreshRequired"),
        ("USER_CREDENTIALS_CHANGED", "login", "LoginRefreshRequired"),
        ("INSUFFICIENT_PERMISSIONS", "denied", "LoginInsufficientPermissions"),
        ("SOMETHING_ELSE", "login", "LoginError"),
    ],
)
def test_what_sign_in_says_to_a_refresh(asking, aws, home, error: str, category: str, code: str) -> None:
    aws_login(home, aws, ttl=-60)
    aws.fault("CreateOAuth2Token", code="AccessDeniedException", status=400, extra={"error": error})
    found = failure(asking)
    assert (found.category, found.code) == (category, code)


@pytest.mark.parametrize("code", ["InternalServerException", "TooManyRequestsError"])
def test_a_refresh_that_failed_in_passing(asking, aws, home, code: str) -> None:
    aws_login(home, aws, ttl=-60)
    aws.fault("CreateOAuth2Token", code=code, status=500)
    assert failure(asking).category == "transient"


def test_a_refused_refresh_token_is_not_sent_again(asking, aws, home) -> None:
    aws_login(home, aws, ttl=-60)
    aws.sso_end()
    for _ in range(2):
        found = failure(asking)
        assert (found.category, found.code) == ("login", "LoginRefreshRequired")
    assert len(aws.calls("CreateOAuth2Token")) == 1
    aws_login(home, aws, ttl=-60)
    asking.token(ecr("con"))


def test_a_child_that_is_told_to_end_finishes_its_refresh(asking, aws, home) -> None:
    aws_login(home, aws, ttl=-60)
    before = login_file(home).read_bytes()
    aws.fault("CreateOAuth2Token", delay_after=0.7, times=1)
    asking.begin(ecr("con"))
    wait_until(lambda: aws.calls("CreateOAuth2Token"))
    os.kill(next(children()), signal.SIGTERM)
    assert asking.answer().failure.code == "child.died"
    assert login_file(home).read_bytes() != before
    asking.token(ecr("con"))


# -- what is the CLI's own ---------------------------------------------------------------------------------------


@pytest.fixture
def by_cli(no_runtime, aws, home):
    """Make a fetcher beside this AWS CLI."""

    def make(way: str = "ok", *, slow: float = 0.0, limits: Limits | None = None, **environ: str) -> Asking:
        path = {"PATH": cli.install(home, way, slow=slow)}
        return Asking(aws.environment(home, **(path | environ)), limits or Limits())

    return make


def test_the_cli_is_bounded_left_alone_and_asks_nobody(by_cli, aws, home) -> None:
    """Its own session and alarm; no terminal, no prompt; and no credentials of the machine's instead."""
    aws_login(home, aws, ttl=-60)
    with by_cli(**aws.container_environment("333333333333")) as asking:
        asking.token(ecr("con"))
    (run,) = cli.runs(home)
    assert run["argv"] == ["configure", "export-credentials", "--profile", "con", "--format", "process"]
    assert run["session"] == run["pid"]
    assert run["stdin"] == "/dev/null"
    assert run["ignores_sigterm"]
    assert run["ends_by_itself"]
    assert (run["metadata"], run["prompt"], run["container"]) == ("true", "off", None)


def test_the_cli_gets_the_region_that_the_profile_lacks(by_cli, aws, home) -> None:
    (home / ".aws/config").write_text(f"[profile con]\nlogin_session = {ARN}\n")
    aws_login(home, aws, ttl=-60)
    with by_cli() as asking:
        asking.token(ecr("con", "eu-west-1"))
    assert cli.runs(home)[0]["region"] == "eu-west-1"


def test_a_role_above_has_the_profile_below_it_renewed(by_cli, aws, home) -> None:
    homes.role_chain(home, "above", "arn:aws:iam::222222222222:role/x", "con")
    aws_login(home, aws, ttl=-60)
    with by_cli() as asking:
        assert asking.token(ecr("above")).account == "222222222222"
    assert cli.runs(home)[0]["argv"][3] == "con"


@pytest.mark.parametrize("way", ["v1", "old", None])
def test_without_a_cli_that_can_it_is_told_what_to_install(by_cli, aws, home, way: str | None) -> None:
    aws_login(home, aws, ttl=-60)
    made = by_cli(way) if way else by_cli(PATH="/nonexistent")
    with made as asking:
        found = failure(asking)
    assert (found.category, found.code) == ("config", "MissingDependencyException")
    assert "too old" in found.message if way else "neither" in found.message
    assert "AWS CLI 2.32" in found.hint
    assert "botocore[crt]" in found.hint


@pytest.mark.parametrize("way", ["silent", "nonsense"])
def test_what_the_cli_says_that_nobody_understands_passes(by_cli, aws, home, way: str) -> None:
    aws_login(home, aws, ttl=-60)
    with by_cli(way) as asking:
        found = failure(asking)
    assert (found.category, found.code) == ("transient", "CliError")
    assert "AWS CLI could not renew the login" in found.message


def test_a_cli_that_prints_without_end_is_stopped(by_cli, aws, home) -> None:
    aws_login(home, aws, ttl=-60)
    with by_cli("flood") as asking:
        found = failure(asking)
    assert (found.category, found.code) == ("transient", "CliError")
    wait_until(lambda: not Path(f"/proc/{cli.runs(home)[0]['pid']}").exists())


def test_a_cli_that_cannot_reach_aws_passes(by_cli, aws, home) -> None:
    aws_login(home, aws, ttl=-60)
    with by_cli(AWS_ENDPOINT_URL_SIGNIN="http://127.0.0.1:9") as asking:
        found = failure(asking)
    assert (found.category, found.code) == ("transient", "CliError")
    assert "Could not connect" in found.message


def test_a_cli_that_hangs_costs_its_own_grant_only_and_is_named(by_cli, aws, home) -> None:
    aws_login(home, aws, ttl=-60)
    homes.static_keys(home, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    with by_cli("hang", limits=Limits(grant=1.5, child=6.0, grace=0.5)) as asking:
        asking.begin(ecr("con"), ecr("dev"))
        assert asking.answer().grant == ecr("dev").key
        found = asking.answer().failure
        assert (found.category, found.code) == ("transient", "fetch.overdue")
        assert "the AWS CLI hangs" in found.message
    os.kill(cli.runs(home)[0]["pid"], signal.SIGKILL)


@pytest.fixture
def by_program(by_cli, aws, home):
    """A profile whose credential_process is the AWS CLI, which renews the login of another."""
    command = f"{home}/bin/aws configure export-credentials --profile con --format process"
    homes.profile(home, "program", credential_process=command)
    aws_login(home, aws, ttl=-60)
    return by_cli(slow=0.5)


def test_a_program_that_is_the_cli_never_renews_beside_another(by_program, aws) -> None:
    with by_program as asking:
        answers = asking.ask(ecr("program"), ecr("con"))
    assert {type(answer) for answer in answers.values()} == {FetchSucceeded}
    assert [call.outcome for call in aws.calls("CreateOAuth2Token")] == ["ok"]


def test_a_program_that_is_the_cli_is_given_time_to_write_what_it_got(by_program, aws, home) -> None:
    before = login_file(home).read_bytes()
    by_program.begin(ecr("program"))
    aws.wait_for("CreateOAuth2Token")
    by_program.fetcher.stop()
    assert by_program.answer().failure.code == "fetch.stopped"
    assert login_file(home).read_bytes() not in {before, b""}
    (run,) = cli.runs(home)
    assert run["session"] == run["pid"]
    assert run["ignores_sigterm"], "a service manager may send it to all that is ours"
    assert run["ends_by_itself"]


def test_a_cli_whose_child_is_killed_writes_what_it_got(by_cli, aws, home) -> None:
    """Even by SIGKILL: the login is in the CLI's hands, and nobody ends those."""
    aws_login(home, aws, ttl=-60)
    with by_cli(slow=0.7) as asking:
        asking.begin(ecr("con"))
        aws.wait_for("CreateOAuth2Token")
        os.kill(next(children()), signal.SIGKILL)
        assert asking.answer().failure.code == "child.died"
        before = login_file(home).read_bytes()
        wait_until(lambda: login_file(home).read_bytes() not in {before, b""})
        asking.token(ecr("con"))
    assert [call.outcome for call in aws.calls("CreateOAuth2Token")] == ["ok"]
