"""The table of aws.md 2.5, row by row: each is provoked in the real child, by files and by the fake AWS.

Rows that concern one access key share one run of the child; the others have a run each.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecr_refreshd.core.events import FetchFailed
from ecr_refreshd.core.model import Failure, Grant, Principal
from tests.aws.asking import Asking, ecr
from tests.world import homes
from tests.world.aws import FakeAws
from tests.world.certificates import self_signed
from tests.world.loopback import Answer as LoopbackAnswer
from tests.world.loopback import Loopback
from tests.world.registry import tls_context

ACCOUNT = "724013829182"
CANARY = "CanarySecret0f1e2d3c4b5a69788796a5b4c3d2e1f0"


@dataclass
class World:
    aws: FakeAws
    home: Path

    def keys(self, name: str, **fault: object) -> str:
        """A profile with good keys, whose calls for a token meet this fault."""
        key = homes.access_key()
        homes.static_keys(self.home, name, key, aws=self.aws, account=ACCOUNT)
        if fault:
            self.aws.fault("GetAuthorizationToken", access_key=key, **fault)
        return key

    def config(self, name: str, **keys: str) -> None:
        homes.profile(self.home, name, **keys)

    def program(self, name: str, script: str) -> None:
        homes.credential_process(self.home, name, script)


@dataclass(frozen=True)
class Row:
    """What is set up for a profile of the row's name, and what comes of it; `says` stands in message or hint."""

    name: str
    set_up: Callable[[World, str], object]
    category: str
    code: str
    says: str = ""


def refused(code: str, **more: object) -> Callable[[World, str], object]:
    return lambda world, name: world.keys(name, code=code, **more)


def way(way: str) -> Callable[[World, str], object]:
    return lambda world, name: world.keys(name, way=way)


def printing(script: str) -> Callable[[World, str], object]:
    return lambda world, name: world.program(name, script)


def profile(**keys: str) -> Callable[[World, str], object]:
    return lambda world, name: world.config(name, **keys)


def role_with_fault(code: str) -> Callable[[World, str], object]:
    def set_up(world: World, name: str) -> None:
        key = homes.access_key()
        homes.static_keys(world.home, f"{name}-source", key, aws=world.aws, account=ACCOUNT)
        world.aws.fault("AssumeRole", access_key=key, code=code)
        homes.role_chain(world.home, name, f"arn:aws:iam::{ACCOUNT}:role/dev", f"{name}-source")

    return set_up


def wrong_secret(world: World, name: str) -> None:
    key = homes.access_key()
    homes.static_keys(world.home, name, key, secret="guessed")
    world.aws.account(key, ACCOUNT, secret="the real one")


def mfa(world: World, name: str) -> None:
    world.keys(f"{name}-source")
    arn = f"arn:aws:iam::{ACCOUNT}:role/dev"
    homes.role_chain(world.home, name, arn, f"{name}-source", mfa_serial=f"arn:aws:iam::{ACCOUNT}:mfa/me")


def loop(world: World, name: str) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/dev"
    homes.role_chain(world.home, name, arn, f"{name}-2")
    homes.role_chain(world.home, f"{name}-2", arn, name)


def damaged_sso(content: str) -> Callable[[World, str], object]:
    def set_up(world: World, name: str) -> None:
        homes.sso_profile(world.home, name, ACCOUNT, session=name)
        path = homes.token_file(world.home, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    return set_up


def sso(**login: object) -> Callable[[World, str], object]:
    def set_up(world: World, name: str) -> None:
        homes.sso_profile(world.home, name, ACCOUNT, session=name)
        homes.sso_login(world.home, world.aws, name, **login)

    return set_up


def ended_sso(world: World, name: str) -> None:
    sso(ttl=-60)(world, name)
    world.aws.sso_end(name)


def legacy_expired(world: World, name: str) -> None:
    url = f"https://{name}.awsapps.com/start"
    homes.profile(
        world.home,
        name,
        sso_start_url=url,
        sso_region="us-east-1",
        sso_account_id=ACCOUNT,
        sso_role_name="Dev",
    )
    homes.sso_login(world.home, world.aws, url, ttl=-60, refreshable=False)


def revoked_sso(world: World, name: str) -> None:
    sso(ttl=3600)(world, name)
    world.aws.sso_end(name)


def identity_without_file(world: World, name: str) -> None:
    homes.web_identity(world.home, name, f"arn:aws:iam::{ACCOUNT}:role/pod").unlink()


VERSION_2 = json.dumps({"Version": 2, "AccessKeyId": "A", "SecretAccessKey": "B"})
EXPIRED = homes.printed_credentials("AKIA", SessionToken="t", Expiration="2020-01-01T00:00:00Z")

ROWS = [
    # logins
    Row("never-signed-in", lambda w, n: homes.sso_profile(w.home, n, ACCOUNT, session=n), "login",
        "SSOTokenLoadError", "aws sso login --sso-session never-signed-in"),
    Row("token-lacks-fields", damaged_sso('{"startUrl": "x"}'), "login", "SSOTokenLoadError", "aws sso login"),
    Row("token-file-empty", damaged_sso(""), "login", "DamagedLoginError", "aws sso login"),
    Row("no-refresh-token", sso(ttl=-60, refreshable=False), "login", "TokenRetrievalError", "has ended"),
    Row("registration-over", sso(ttl=-60, registration=-60), "login", "TokenRetrievalError", "has ended"),
    Row("refresh-refused", ended_sso, "login", "TokenRetrievalError",
        "aws sso login --sso-session refresh-refused"),
    Row("legacy-over", legacy_expired, "login", "UnauthorizedSSOTokenError",
        "aws sso login --profile legacy-over"),
    Row("sso-revoked", revoked_sso, "login", "UnauthorizedSSOTokenError", "aws sso login"),
    Row("aws-login", profile(login_session=f"arn:aws:iam::{ACCOUNT}:user/me"), "login",
        "LoginTokenLoadError", "aws login --profile aws-login"),
    Row("mfa", mfa, "login", "MfaRequiredError", "aws sts get-caller-identity --profile mfa"),
    # keys
    Row("keys-ended", refused("ExpiredTokenException"), "login", "ExpiredTokenException", "keys"),
    Row("source-keys-ended", role_with_fault("ExpiredToken"), "login", "ExpiredToken", "keys"),
    Row("keys-unknown", refused("UnrecognizedClientException"), "config", "UnrecognizedClientException",
        "not enabled for the account"),
    Row("source-keys-unknown", role_with_fault("InvalidClientTokenId"), "config", "InvalidClientTokenId"),
    Row("wrong-secret", wrong_secret, "config", "InvalidSignatureException", "secret key"),
    Row("partial-keys", profile(aws_access_key_id="AKIA"), "config", "PartialCredentialsError"),
    Row("no-credentials", profile(region="eu-west-1"), "config", "NoCredentialsError",
        "aws configure list --profile no-credentials"),
    # permissions
    Row("denied", refused("AccessDeniedException"), "denied", "AccessDeniedException",
        "ecr:GetAuthorizationToken"),
    Row("role-denied", role_with_fault("AccessDenied"), "denied", "AccessDenied", "trust policy"),
    # profiles
    Row("sso-session-missing", profile(sso_session="gone", sso_account_id=ACCOUNT, sso_role_name="R"), "config",
        "InvalidConfigError", "gone"),
    Row("source-missing", profile(role_arn=f"arn:aws:iam::{ACCOUNT}:role/x", source_profile="gone"), "config",
        "InvalidConfigError", "gone"),
    Row("role-without-source", profile(role_arn=f"arn:aws:iam::{ACCOUNT}:role/x"), "config",
        "PartialCredentialsError"),
    Row("loop", loop, "config", "InfiniteLoopConfigError"),
    Row("source-unknown", profile(role_arn=f"arn:aws:iam::{ACCOUNT}:role/x", credential_source="Moon"), "config",
        "InvalidConfigError", "Moon"),
    Row("source-empty", profile(role_arn=f"arn:aws:iam::{ACCOUNT}:role/x", credential_source="Environment"),
        "config", "CredentialRetrievalError"),
    Row("bad-region", profile(region="no region!", aws_access_key_id="AKIA", aws_secret_access_key="x",
                              role_arn=f"arn:aws:iam::{ACCOUNT}:role/x", source_profile="bad-region"),
        "config", "InvalidRegionError"),
    # programs
    Row("program-fails", printing("import sys\nprint('\\nnot logged in: run acme login\\nx', file=sys.stderr)\n"
                                  "sys.exit(1)"), "login", "CredentialRetrievalError", "run acme login"),
    Row("program-missing", profile(credential_process="/nonexistent/program --x"), "config", "FileNotFoundError",
        "/nonexistent/program"),
    Row("program-prints-text", printing("print('hello')"), "config", "JSONDecodeError", "not JSON"),
    Row("program-prints-bytes", printing(r"import os; os.write(1, b'\xff\xfe')"), "config", "UnicodeDecodeError",
        "not JSON"),
    Row("program-unbalanced", profile(credential_process='sh -c "x'), "config", "ValueError"),
    Row("program-version", printing(f"print({VERSION_2!r})"), "config", "CredentialRetrievalError", "version"),
    Row("program-without-keys", printing("print('{\"Version\": 1}')"), "config", "CredentialRetrievalError",
        "AccessKeyId"),
    Row("program-expired", printing(EXPIRED), "login", "RuntimeError", "have ended"),
    Row("program-floods", printing("while True: print('x' * 65536)"), "config", "ProgramError", "1 MiB"),
    # web identity
    Row("identity-file-missing", identity_without_file, "config", "FileNotFoundError", "web-identity-token"),
    Row("identity-without-role", profile(web_identity_token_file="/tmp/x"), "config", "InvalidConfigError"),
    # AWS and the way there
    Row("throttled", refused("ThrottlingException"), "transient", "ThrottlingException", "fewer calls"),
    Row("ecr-500", refused("ServerException"), "transient", "ServerException"),
    Row("ecr-503", refused("ServiceUnavailable"), "transient", "ServiceUnavailable"),
    Row("captive-portal", way("portal"), "transient", "answer.foreign", "captive portal"),
    Row("proxy-says-no", way("proxy"), "transient", "403", "proxy"),
    Row("empty-answer", way("empty"), "transient", "answer.empty"),
    Row("dead-token", way("past"), "transient", "answer.expired", "before now"),
    Row("cut-off", way("reset"), "transient", "ConnectionClosedError", "could not be reached"),
]  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with FakeAws() as aws:
        world = World(aws, home)
        for row in ROWS:
            row.set_up(world, row.name)
        with Asking(aws.environment(home)) as asking:
            yield asking.ask(*(ecr(row.name) for row in ROWS), timeout=60)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_failure_asks_the_right_thing_of_the_right_person(answers, row: Row) -> None:
    answer = answers[ecr(row.name).key]
    assert isinstance(answer, FetchFailed)
    failure = answer.failure
    assert (failure.category, failure.code) == (row.category, row.code), failure
    assert row.says in f"{failure.message} {failure.hint}"
    assert failure.message[0].isupper() or failure.message.startswith("/")
    assert failure.throttled == (row.name == "throttled")
    if row.category == "login":
        assert failure.hint


# -- rows with a run of their own -----------------------------------------------------------------------------


def of_sso(aws: FakeAws, home: Path, **login: object) -> Grant:
    homes.sso_profile(home, "dev", ACCOUNT)
    homes.sso_login(home, aws, **login)
    return ecr("dev")


@pytest.mark.parametrize(
    ("code", "category", "says"),
    [
        ("ForbiddenException", "denied", "Ask an administrator"),
        ("ResourceNotFoundException", "denied", "sso_role_name"),
        ("TooManyRequestsException", "transient", "fewer calls"),
        ("InternalFailure", "transient", "AWS failed"),
    ],
)
def test_what_the_portal_says(asking, aws, tmp_path, code: str, category: str, says: str) -> None:
    aws.fault("GetRoleCredentials", code=code)
    failure = asking.failure(of_sso(aws, tmp_path))
    assert (failure.category, failure.code) == (category, code)
    assert says in f"{failure.message} {failure.hint}"


@pytest.mark.parametrize(
    ("fault", "code", "throttled"),
    [
        ({"code": "InternalServerException"}, "InternalServerException", False),
        ({"code": "SlowDownException", "status": 429}, "SlowDownException", True),
        ({"way": "proxy"}, "403", False),
        ({"way": "reset"}, "ConnectionClosedError", False),
    ],
)
def test_a_refresh_that_failed_in_passing_asks_nobody_to_sign_in(
    asking, aws, tmp_path, fault, code: str, throttled: bool
) -> None:
    """TokenRetrievalError looks the same whether AWS refused or was only busy (aws.md 2.4)."""
    aws.fault("CreateToken", **fault)
    failure = asking.failure(of_sso(aws, tmp_path, ttl=-60))
    assert (failure.category, failure.code, failure.throttled) == ("transient", code, throttled)
    aws.clear_faults()
    asking.token(ecr("dev"))


def test_a_login_that_another_program_renews_meanwhile_is_not_called_dead(asking, aws, tmp_path) -> None:
    """Two programs race for a refresh token that is good once; the loser waits for what the winner writes."""
    grant = of_sso(aws, tmp_path, ttl=-60)
    aws.fault("CreateToken", code="InvalidGrantException", times=1)
    asking.begin(grant)
    aws.wait_for("CreateToken")
    homes.sso_login(tmp_path, aws)
    assert asking.answer().grant == grant.key
    assert [call.outcome for call in aws.calls("GetAuthorizationToken")] == ["ok"]


@pytest.mark.parametrize(("offset", "says"), [(3600, "slow"), (-3600, "fast")])
def test_a_wrong_clock_is_named_with_its_error(asking, aws, tmp_path, offset: int, says: str) -> None:
    """By ECR, and by STS, which has another code for it."""
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    homes.role_chain(tmp_path, "role", f"arn:aws:iam::{ACCOUNT}:role/dev", "dev")
    aws.set(clock_offset=offset)
    answers = asking.ask(ecr("dev"), ecr("role"))
    codes = {"dev": "InvalidSignatureException", "role": "SignatureDoesNotMatch"}
    for name, code in codes.items():
        failure = answers[ecr(name).key].failure
        assert (failure.category, failure.code) == ("config", code)
        assert f"60 min ({says})" in failure.message
        assert "timedatectl" in failure.hint


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("ExpiredTokenException", "transient"),
        ("InvalidIdentityToken", "config"),
        ("AccessDenied", "denied"),
    ],
)
def test_what_sts_says_to_a_web_identity(asking, aws, tmp_path, code: str, category: str) -> None:
    homes.web_identity(tmp_path, "dev", f"arn:aws:iam::{ACCOUNT}:role/pod")
    aws.fault("AssumeRoleWithWebIdentity", code=code)
    failure = asking.failure(ecr("dev"))
    assert (failure.category, failure.code) == (category, code)


def test_a_misspelt_profile_is_met_with_its_neighbours(asking, aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "production", homes.access_key(), aws=aws, account=ACCOUNT)
    failure = asking.failure(ecr("prodcution"))
    assert (failure.category, failure.code) == ("config", "ProfileNotFound")
    assert "Did you mean production?" in failure.message


def test_a_file_that_does_not_parse_is_named_and_not_quoted(asking, tmp_path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text(f"aws_secret_access_key {CANARY}\n")
    failure = asking.failure(ecr("dev"))
    assert (failure.category, failure.code) == ("config", "ConfigParseError")
    assert ".aws/config" in failure.message
    assert CANARY not in f"{failure}"


def ambient_failure(environ: dict[str, str]) -> Failure:
    with Asking(environ) as asking:
        return asking.failure(ecr(""))


def test_around_us_missing_credentials_pass(aws, tmp_path) -> None:
    """A metadata service may come up after us."""
    failure = ambient_failure(aws.environment(tmp_path, AWS_EC2_METADATA_DISABLED="true"))
    assert (failure.category, failure.code) == ("transient", "NoCredentialsError")


def test_a_container_endpoint_that_fails_passes(aws, tmp_path) -> None:
    aws.fault("ContainerCredentials", status=500)
    failure = ambient_failure(aws.environment(tmp_path, **aws.container_environment(ACCOUNT)))
    assert (failure.category, failure.code) == ("transient", "CredentialRetrievalError")


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/x"}, "ValueError"),
        (
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/x",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nonexistent/token",
            },
            "FileNotFoundError",
        ),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent/jwt", "AWS_ROLE_ARN": "arn:aws:iam::1:role/x"},
         "FileNotFoundError"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent/jwt"}, "InvalidConfigError"),
    ],
)  # fmt: skip
def test_surroundings_that_are_set_up_wrongly(aws, tmp_path, variables, code: str) -> None:
    failure = ambient_failure(aws.environment(tmp_path, **variables))
    assert (failure.category, failure.code) == ("config", code)


def test_session_keys_of_the_environment_that_ended_need_a_person(aws, tmp_path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "ASIAOLD", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "y"}
    aws.fault("GetAuthorizationToken", code="ExpiredTokenException")
    failure = ambient_failure(aws.environment(tmp_path, **keys))
    assert failure.category == "login"
    assert "environment" in failure.message


@pytest.mark.parametrize(
    ("variables", "code", "says"),
    [
        ({"AWS_ENDPOINT_URL_ECR": "http://127.0.0.1:9"}, "EndpointConnectionError", "127.0.0.1:9"),
        ({"AWS_ENDPOINT_URL_ECR": "http://name.invalid"}, "EndpointConnectionError", "name.invalid"),
        ({"HTTP_PROXY": "http://user:pass@127.0.0.1:9"}, "ProxyConnectionError", "HTTPS_PROXY"),
    ],
)  # fmt: skip
def test_what_is_in_the_way_passes_and_is_named(aws, tmp_path, variables, code: str, says: str) -> None:
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    with Asking(aws.environment(tmp_path, **variables)) as asking:
        failure = asking.failure(ecr("dev"))
    assert (failure.category, failure.code) == ("transient", code)
    assert says in f"{failure.message} {failure.hint}"
    assert "pass" not in failure.message


def test_a_certificate_that_nobody_vouches_for_is_named(aws, tmp_path) -> None:
    """A captive portal, or a company's proxy: it may pass."""
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    tls = tls_context(*self_signed(tmp_path / "tls", []))
    with Loopback(lambda _request: LoopbackAnswer(), tls=tls) as server:
        homes.static_keys(tmp_path, "bundle", homes.access_key(), aws=aws, account=ACCOUNT)
        homes.profile(tmp_path, "bundle", ca_bundle="/nonexistent/ca.pem")
        with Asking(aws.environment(tmp_path, AWS_ENDPOINT_URL_ECR=server.url)) as asking:
            answers = asking.ask(ecr("dev"), ecr("bundle"))
    for answer in answers.values():
        assert (answer.failure.category, answer.failure.code) == ("transient", "SSLError")
        assert "AWS_CA_BUNDLE" in answer.failure.hint


def test_tls_to_a_plain_port_is_not_taken_for_a_refusal(aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    with Asking(aws.environment(tmp_path, AWS_ENDPOINT_URL_ECR=aws.url.replace("http:", "https:"))) as asking:
        failure = asking.failure(ecr("dev"))
    assert (failure.category, failure.code) == ("transient", "SSLError")


def test_an_endpoint_variant_that_does_not_exist_is_a_matter_of_settings(aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "dev", homes.access_key())
    environ = {k: v for k, v in aws.environment(tmp_path).items() if k != "AWS_ENDPOINT_URL_ECR"}
    with Asking(environ) as asking:
        failure = asking.failure(ecr("dev", "eu-isoe-west-1", dualstack=True))
    assert failure.category == "config"


def test_no_secret_gets_into_a_failure(asking, aws, tmp_path) -> None:
    """Promise 6: a credential_process may print anything on its stderr."""
    scripts = {
        "stderr": f"import sys; print('token={CANARY} x', file=sys.stderr); sys.exit(1)",
        "bare": f"import sys; print('bad {CANARY}', file=sys.stderr); sys.exit(1)",
        "second-line": f"import sys; print('first\\n{CANARY}', file=sys.stderr); sys.exit(1)",
        "stdout": f"print('{CANARY}')",
        "version": f'print(\'{{"Version": "{CANARY}"}}\')',
    }
    for name, script in scripts.items():
        homes.credential_process(tmp_path, name, script)
    key = homes.access_key()
    homes.static_keys(tmp_path, "signature", key, aws=aws, account=ACCOUNT)
    canonical = f"The Canonical String should have been 'POST\\n/\\nx-amz-security-token:{CANARY}'"
    aws.fault("GetAuthorizationToken", access_key=key, code="InvalidSignatureException", message=canonical)
    other = homes.access_key()
    homes.static_keys(tmp_path, "message", other, aws=aws, account=ACCOUNT)
    aws.fault(
        "GetAuthorizationToken", access_key=other, code="AccessDeniedException", message=f"no: {CANARY}"
    )
    answers = asking.ask(*(ecr(name) for name in [*scripts, "signature", "message"]))
    assert len(answers) == 7
    for answer in answers.values():
        assert isinstance(answer, FetchFailed)
        assert CANARY not in repr(answer)
        assert CANARY[:16] not in repr(answer)


def test_a_role_of_a_registry_that_may_not_be_assumed_is_denied(asking, aws, tmp_path) -> None:
    key = homes.access_key()
    homes.static_keys(tmp_path, "dev", key, aws=aws, account=ACCOUNT)
    aws.fault("AssumeRole", code="AccessDenied")
    principal = Principal("dev", f"arn:aws:iam::{ACCOUNT}:role/puller")
    failure = asking.failure(Grant(principal, "ecr", "us-west-2"))
    assert (failure.category, failure.code) == ("denied", "AccessDenied")
    assert os.fspath(tmp_path) not in failure.message
