"""The fakes are held against the real clients: what boto3 makes of each answer, in a process of its own."""

from __future__ import annotations

import base64
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.world import homes
from tests.world.aws import FakeAws
from tests.world.certificates import self_signed
from tests.world.homes import access_key
from tests.world.loopback import Answer, Loopback
from tests.world.registry import tls_context
from tests.world.remote import Remote

REPOSITORY = Path(__file__).parent.parent

# Each step has a Session of its own, as the service's child has.
ASK = """
import json, sys, boto3
from botocore.config import Config
for step in json.load(sys.stdin):
    try:
        session = boto3.Session(profile_name=step.get("profile"))
        client = session.client(step.get("service", "ecr"), region_name=step.get("region", "us-west-2"),
            config=Config(retries={"total_max_attempts": 1}, read_timeout=step.get("timeout", 10),
                          proxies=None if step.get("proxied") else {},
                          signature_version=step.get("signature")))
        answer = getattr(client, step.get("call", "get_authorization_token"))(**step.get("with", {}))
        answer.pop("ResponseMetadata", None)
        print(json.dumps({"answer": answer}, default=str))
    except Exception as error:
        code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")
        print(json.dumps({"error": type(error).__name__, "code": code, "text": str(error)}))
"""


def ask(env: dict[str, str], *steps: dict) -> list[dict]:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        check=False,
        env=env,
        input=json.dumps(steps),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


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


def test_a_private_token_has_ecrs_form_and_names_the_callers_account(aws, dev) -> None:
    (got,) = ask(dev, {"region": "eu-west-1"})
    (data,) = got["answer"]["authorizationData"]
    assert data["proxyEndpoint"] == "https://724013829182.dkr.ecr.eu-west-1.amazonaws.com"
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    inside = json.loads(base64.b64decode(password))
    assert user == "AWS"
    assert inside.keys() == {"payload", "datakey", "version", "type", "expiration"}
    assert 2300 <= len(password) <= 2500
    (call,) = aws.calls("ecr:GetAuthorizationToken")
    assert (call.region, call.account, call.signed) == ("eu-west-1", "724013829182", True)
    assert "Boto3" in call.user_agent
    assert aws.judge(data["authorizationToken"]) | {"state": "valid", "region": "eu-west-1"} == aws.judge(
        data["authorizationToken"]
    )


def test_a_public_token_is_an_object_not_a_list(aws, dev) -> None:
    (got,) = ask(dev, {"service": "ecr-public", "region": "us-east-1"})
    data = got["answer"]["authorizationData"]
    assert aws.judge(data["authorizationToken"])["service"] == "ecr-public"


def test_every_token_is_new_and_dies_at_the_end_of_its_ttl(aws, dev) -> None:
    aws.set(ttl=0.3)
    first, second = (step["answer"]["authorizationData"][0] for step in ask(dev, {}, {}))
    assert first["authorizationToken"] != second["authorizationToken"]
    deadline = time.monotonic() + 5
    while aws.judge(second["authorizationToken"])["state"] != "expired":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert aws.judge("bm90IG91cnM=")["state"] == "unknown"


def test_sts_gives_role_sessions_whose_account_is_the_arns(aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "base", access_key(), aws=aws, account="111111111111")
    homes.role_chain(tmp_path, "chained", "arn:aws:iam::222222222222:role/Puller", "base")
    homes.web_identity(tmp_path, "pod", "arn:aws:iam::333333333333:role/Pod")
    identity = {"service": "sts", "call": "get_caller_identity"}
    env = aws.environment(tmp_path)
    base, chained, pod, token = ask(
        env,
        identity | {"profile": "base"},
        identity | {"profile": "chained"},
        identity | {"profile": "pod"},
        {"profile": "chained"},
    )
    assert [each["answer"]["Account"] for each in (base, chained, pod)] == [
        "111111111111",
        "222222222222",
        "333333333333",
    ]
    assert "//222222222222.dkr" in token["answer"]["authorizationData"][0]["proxyEndpoint"]
    assert aws.calls("AssumeRole")[0].arguments["RoleArn"] == "arn:aws:iam::222222222222:role/Puller"


def test_an_sso_session_serves_refreshes_once_per_token_and_ends(aws, tmp_path) -> None:
    homes.sso_profile(tmp_path, "dev", "444444444444")
    token = homes.sso_login(tmp_path, aws, ttl=3600)
    env = aws.environment(tmp_path)
    (got,) = ask(env, {"profile": "dev"})
    assert "//444444444444.dkr" in got["answer"]["authorizationData"][0]["proxyEndpoint"]
    assert not aws.calls("CreateToken")

    homes.sso_login(tmp_path, aws, ttl=300)  # inside botocore's refresh window of 15 minutes
    old = token.read_text()
    (got,) = ask(env, {"profile": "dev"})
    assert "answer" in got
    assert json.loads(token.read_text())["refreshToken"] != json.loads(old)["refreshToken"]

    spent = json.loads(old) | {"expiresAt": "2020-01-01T00:00:00Z"}
    fresh = token.read_text()
    token.write_text(json.dumps(spent))
    (got,) = ask(env, {"profile": "dev"})
    assert got["error"] == "TokenRetrievalError"
    assert aws.calls("CreateToken")[-1].outcome == "InvalidGrantException"

    token.write_text(fresh)
    aws.sso_end("corp")
    (got,) = ask(env, {"profile": "dev"})
    assert got["error"] == "UnauthorizedSSOTokenError"


def test_refresh_tokens_may_be_reusable_or_left_out(aws, tmp_path) -> None:
    homes.sso_profile(tmp_path, "dev", "444444444444")
    env = aws.environment(tmp_path)
    for mode, kept in (("reusable", True), ("none", False)):
        aws.set(refresh_tokens=mode)
        token = homes.sso_login(tmp_path, aws, ttl=300)
        before = json.loads(token.read_text())["refreshToken"]
        assert "answer" in ask(env, {"profile": "dev"})[0]
        assert (json.loads(token.read_text()).get("refreshToken") == before) is kept


def test_legacy_sso_is_never_refreshed(aws, tmp_path) -> None:
    homes.legacy_sso_profile(tmp_path, "old", "555555555555")
    env = aws.environment(tmp_path)
    assert ask(env, {"profile": "old"})[0]["error"] == "SSOTokenLoadError"
    homes.sso_login(tmp_path, aws, homes.START_URL, refreshable=False)
    assert "answer" in ask(env, {"profile": "old"})[0]
    homes.sso_logout(tmp_path)
    assert ask(env, {"profile": "old"})[0]["error"] == "SSOTokenLoadError"
    homes.sso_login(tmp_path, aws, homes.START_URL, refreshable=False, ttl=-60)
    assert ask(env, {"profile": "old"})[0]["error"] == "UnauthorizedSSOTokenError"


def test_sign_in_trades_a_refresh_token_once_and_says_why_not_at_the_top_of_the_document(
    aws, tmp_path
) -> None:
    refresh = aws.sso_login("arn:aws:iam::123456789012:user/me")["refreshToken"]
    step = {
        "service": "signin",
        "call": "create_o_auth2_token",
        "signature": "none",
        "with": {"tokenInput": {"clientId": "c", "grantType": "refresh_token", "refreshToken": refresh}},
    }
    homes.static_keys(tmp_path, "default", access_key())
    first, again = ask(aws.environment(tmp_path), step, step)
    assert first["answer"]["tokenOutput"]["accessToken"]["accessKeyId"].startswith("ASIA")
    assert again["error"] == "AccessDeniedException"
    assert not aws.calls("CreateOAuth2Token")[0].signed


def test_containers_instances_and_programs_are_principals_too(aws, tmp_path) -> None:
    env = aws.environment(tmp_path)
    assert ask(env, {})[0]["error"] == "NoCredentialsError"
    aws.set(instance_role="node", instance_account="666666666666")
    (got,) = ask(env, {})
    assert "//666666666666.dkr" in got["answer"]["authorizationData"][0]["proxyEndpoint"]
    (got,) = ask(env | aws.container_environment("777777777777"), {})
    assert "//777777777777.dkr" in got["answer"]["authorizationData"][0]["proxyEndpoint"]
    key = access_key()
    homes.credential_process(tmp_path, "program", homes.printed_credentials(key))
    assert "answer" in ask(env, {"profile": "program"})[0]
    assert aws.calls("GetAuthorizationToken")[-1].access_key == key


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
            [sys.executable, "-c", ASK],
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
        [sys.executable, "-c", ASK],
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


def test_a_world_needs_the_standard_library_only() -> None:
    """The demo runs it with Python alone: ``-S`` leaves site-packages out."""
    program = "import tests.world.aws, tests.world.homes, tests.world.registry, tests.world.image"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], check=False, cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_head_and_body_leave_in_one_segment_and_connections_are_kept() -> None:
    """40 ms a call are at stake; the figure itself is not asserted, one read of the whole answer is."""
    with (
        Loopback(lambda request: Answer(200, request.body * 2)) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as client,
    ):
        for _ in range(3):
            client.sendall(
                b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            )
            assert client.recv(65536).endswith(b"\r\n\r\nabcabc")
