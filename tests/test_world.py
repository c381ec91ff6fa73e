"""The fakes are held against the real clients: what boto3 makes of each answer, in a process of its own."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.world import homes
from tests.world.asking import ask
from tests.world.aws import FakeAws
from tests.world.homes import access_key
from tests.world.loopback import Answer, Loopback

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
