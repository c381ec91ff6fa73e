"""What can go wrong in the fake AWS goes wrong as boto3 sees it from the real one; and how it is steered."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.world import homes
from tests.world.asking import PROGRAM, ask
from tests.world.aws import FakeAws
from tests.world.certificates import self_signed
from tests.world.homes import access_key
from tests.world.registry import tls_context
from tests.world.remote import Remote

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture
def aws():
    with FakeAws() as server:
        yield server
    assert not [each for each in threading.enumerate() if "process_request" in each.name]


@pytest.fixture
def dev(aws, tmp_path):
    """An environment with one static profile, whose signatures the fake can check."""
    homes.static_keys(tmp_path, "default", access_key(), aws=aws, account="724013829182")
    return aws.environment(tmp_path)


def test_signatures_session_tokens_and_clocks_are_checked_as_aws_does(aws, tmp_path) -> None:
    key, temporary = access_key(), "ASIA0000000000000000"
    homes.static_keys(tmp_path, "wrong-secret", key, secret="guessed")
    aws.account(key, "111111111111", secret="the real one")
    homes.static_keys(tmp_path, "wrong-token", temporary, session_token="stale", secret="s")
    aws.account(temporary, "111111111111", secret="s", session_token="current")
    homes.static_keys(tmp_path, "good", access_key(), aws=aws, account="111111111111")
    env = aws.environment(tmp_path)
    wrong, stale = ask(env, {"profile": "wrong-secret"}, {"profile": "wrong-token"})
    assert wrong["code"] == "InvalidSignatureException"
    assert stale["code"] == "UnrecognizedClientException"
    aws.set(clock_offset=3600)
    behind, sts = ask(
        env, {"profile": "good"}, {"profile": "good", "service": "sts", "call": "get_caller_identity"}
    )
    assert behind["code"] == "InvalidSignatureException"
    assert "Signature expired" in behind["text"]
    assert sts["code"] == "SignatureDoesNotMatch"
    aws.set(clock_offset=-3600)
    assert "not yet current" in ask(env, {"profile": "good"})[0]["text"]


def test_credentials_that_were_issued_expire(aws, tmp_path) -> None:
    aws.set(role_ttl=1)
    homes.static_keys(tmp_path, "base", access_key(), aws=aws, account="111111111111")
    env = aws.environment(tmp_path)
    role = {"RoleArn": "arn:aws:iam::222222222222:role/Puller", "RoleSessionName": "test"}
    (got,) = ask(env, {"profile": "base", "service": "sts", "call": "assume_role", "with": role})
    keys = got["answer"]["Credentials"]
    homes.static_keys(
        tmp_path,
        "late",
        keys["AccessKeyId"],
        secret=keys["SecretAccessKey"],
        session_token=keys["SessionToken"],
    )
    time.sleep(1)
    late = {"profile": "late"}
    ecr, sts = ask(env, late, late | {"service": "sts", "call": "get_caller_identity"})
    assert (ecr["code"], sts["code"]) == ("ExpiredTokenException", "ExpiredToken")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDeniedException", 400),
        ("ThrottlingException", 400),
        ("UnrecognizedClientException", 400),
        ("ServerException", 500),
        ("ServiceUnavailable", 503),
    ],
)
def test_an_error_document_reaches_boto3_with_its_code(aws, dev, code, status) -> None:
    aws.fault("GetAuthorizationToken", code=code)
    (got,) = ask(dev, {})
    assert got["code"] == code
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(
            urllib.request.Request(
                aws.url,
                b"{}",
                {"X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"},
            )
        )
    raised.value.close()
    assert raised.value.code == status


def test_faults_count_down_and_know_key_region_and_service(aws, tmp_path) -> None:
    ill, well = access_key(), access_key()
    homes.static_keys(tmp_path, "ill", ill)
    homes.static_keys(tmp_path, "well", well)
    aws.fault(
        "GetAuthorizationToken", access_key=ill, region="us-west-2", code="AccessDeniedException", times=2
    )
    aws.fault("ecr-public:GetAuthorizationToken", code="ThrottlingException")
    got = ask(
        aws.environment(tmp_path),
        {"profile": "well"},
        {"profile": "ill", "region": "eu-west-1"},
        {"profile": "ill"},
        {"profile": "ill"},
        {"profile": "ill"},
        {"profile": "well", "service": "ecr-public", "region": "us-east-1"},
    )
    assert [each.get("code", "ok") for each in got] == [
        "ok",
        "ok",
        "AccessDeniedException",
        "AccessDeniedException",
        "ok",
        "ThrottlingException",
    ]
    assert [call.outcome for call in aws.calls()].count("AccessDeniedException") == 2


def test_portals_proxies_resets_and_empty_answers_look_as_boto3_sees_them(aws, dev) -> None:
    def under(way: str) -> dict:
        aws.clear_faults()
        aws.fault("GetAuthorizationToken", way=way)
        return ask(dev, {})[0]

    assert "authorizationData" not in under("portal")["answer"]
    assert under("proxy")["code"] == "403"
    assert under("reset")["error"] == "ConnectionClosedError"
    assert under("empty")["answer"]["authorizationData"] == []
    token = under("past")["answer"]["authorizationData"][0]["authorizationToken"]
    assert aws.judge(token)["state"] == "expired"


def test_other_services_fail_in_their_own_protocols(aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "base", access_key())
    homes.role_chain(tmp_path, "chained", "arn:aws:iam::222222222222:role/Puller", "base")
    homes.sso_profile(tmp_path, "dev", "444444444444")
    homes.sso_login(tmp_path, aws)
    aws.fault("AssumeRole", code="AccessDenied")
    aws.fault("GetRoleCredentials", code="ForbiddenException")
    chained, dev = ask(aws.environment(tmp_path), {"profile": "chained"}, {"profile": "dev"})
    assert (chained["code"], dev["code"]) == ("AccessDenied", "ForbiddenException")
    assert "No access" in dev["text"]
    aws.clear_faults()
    aws.fault("CreateToken", code="InternalServerException")
    homes.sso_login(tmp_path, aws, ttl=-5)
    (got,) = ask(aws.environment(tmp_path), {"profile": "dev"})
    assert got["error"] == "TokenRetrievalError"


def test_a_hang_ends_with_the_server_or_with_its_fault(tmp_path) -> None:
    with FakeAws() as aws:
        homes.static_keys(tmp_path, "default", access_key())
        aws.fault("GetAuthorizationToken", way="hang", times=1)
        (got,) = ask(aws.environment(tmp_path), {"timeout": 0.3})
        assert got["error"] == "ReadTimeoutError"
        aws.clear_faults()
        aws.wait_for("GetAuthorizationToken", timeout=5)
        aws.fault("GetAuthorizationToken", way="hang")
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=aws.environment(tmp_path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as child:
            child.stdin.write(b"[{}]")
            child.stdin.close()
            deadline = time.monotonic() + 20
            while len(aws.calls()) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            aws.close()
            assert b"error" in child.stdout.read()


def test_a_delay_may_come_before_the_work_or_after_it(aws, tmp_path) -> None:
    homes.sso_profile(tmp_path, "dev", "444444444444")
    token = homes.sso_login(tmp_path, aws, ttl=300)
    aws.fault("CreateToken", delay_after=30, times=1)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=aws.environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as child:
        child.stdin.write(json.dumps([{"profile": "dev"}]).encode())
        child.stdin.close()
        deadline = time.monotonic() + 20
        while not aws.calls("CreateToken"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.1)
        child.kill()
    token.write_text(json.dumps(json.loads(token.read_text()) | {"expiresAt": "2020-01-01T00:00:00Z"}))
    (got,) = ask(aws.environment(tmp_path), {"profile": "dev"})
    assert got["error"] == "TokenRetrievalError", "the refresh token was spent before the answer left"


def test_through_a_proxy_the_log_shows_which_endpoint_was_meant(tmp_path) -> None:
    """The real names (FIPS, dual-stack) are seen only where no endpoint is overridden: behind CONNECT."""
    hosts = [
        "api.ecr.us-west-2.amazonaws.com",
        "api.ecr-fips.us-west-2.amazonaws.com",
        "ecr.us-west-2.api.aws",
    ]
    certificate, key = self_signed(tmp_path / "tls", hosts)
    homes.static_keys(tmp_path, "default", access_key())
    with FakeAws(tunnel=tls_context(certificate, key)) as aws:
        env = aws.proxied_environment(tmp_path, certificate)
        for more in ({}, {"AWS_USE_FIPS_ENDPOINT": "true"}, {"AWS_USE_DUALSTACK_ENDPOINT": "true"}):
            (got,) = ask(env | more, {"proxied": True})
            assert "answer" in got, got
        assert [call.host for call in aws.calls()] == hosts
        assert [call.region for call in aws.calls()] == ["us-west-2"] * 3


def test_a_date_may_be_skewed_or_missing(aws) -> None:
    def date() -> str | None:
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(aws.url)
        raised.value.close()
        return raised.value.headers["Date"]

    aws.set(clock_offset=-10 * 365 * 86400)
    assert int(date().split()[3]) < time.gmtime().tm_year - 8
    aws.set(send_date=False)
    assert date() is None


def test_another_process_steers_and_reads_the_program(tmp_path) -> None:
    """The fake as a program: the same commands over HTTP, the log, and an end at SIGTERM."""
    command = [sys.executable, "-m", "tests.world.aws", "--ttl", "30", "--account", "999999999999"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as program:
        try:
            aws = Remote(program.stdout.readline().strip())
            homes.static_keys(tmp_path, "default", access_key(), aws=aws, account="724013829182")
            aws.fault(operation="GetAuthorizationToken", code="ThrottlingException", times=1)
            refused, got = ask(aws.environment(tmp_path), {}, {})
            assert refused["code"] == "ThrottlingException"
            (data,) = got["answer"]["authorizationData"]
            assert "//724013829182" in data["proxyEndpoint"]
            assert aws.judge(auth=data["authorizationToken"])["state"] == "valid"
            assert [call["outcome"] for call in aws.log()] == ["ThrottlingException", "ok"]
            assert aws.revoke(fingerprint=aws.log()[1]["fingerprint"]) == 1
            assert aws.judge(auth=data["authorizationToken"])["state"] == "revoked"
            with pytest.raises(ValueError, match="ttll"):
                aws.set(ttll=3)
        finally:
            program.send_signal(signal.SIGTERM)
            assert program.wait(10) == 0


def test_the_log_holds_no_secret(aws, tmp_path) -> None:
    homes.sso_profile(tmp_path, "dev", "444444444444")
    token = homes.sso_login(tmp_path, aws, ttl=300)
    before = json.loads(token.read_text())
    (got,) = ask(aws.environment(tmp_path), {"profile": "dev"})
    shown = json.dumps(aws.log())
    for secret in (before["accessToken"], before["refreshToken"], before["clientSecret"]):
        assert secret not in shown
    assert got["answer"]["authorizationData"][0]["authorizationToken"][:40] not in shown
