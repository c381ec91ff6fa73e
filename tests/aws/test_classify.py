"""The table of aws.md 2.5, row by row: each is provoked in the real child, by files and by the fake AWS.

What comes of a row, word for word, stands in classifier.toml; here is what is set up for it.
"""

from __future__ import annotations

import itertools
import os
import pty
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from ecr_refreshd.aws.asker import Asker
from ecr_refreshd.aws.classify import classify
from ecr_refreshd.aws.running import Limits
from ecr_refreshd.core.events import FetchFailed, FetchSucceeded
from ecr_refreshd.core.model import Category, Failure, Grant, Principal, Standing
from tests.aws import causes
from tests.aws.asking import Asking, ecr, wait_until
from tests.aws.signin import hide_runtime
from tests.aws.situations import (
    ACCOUNT,
    ROLE,
    SetUp,
    World,
    around,
    at,
    behind,
    clock,
    connect_timeout,
    container,
    credentials,
    damaged_sso,
    environment_over,
    identity_without_file,
    keys,
    legacy_expired,
    logged_out,
    login,
    loop,
    malformed,
    mfa,
    mfa_over,
    missing_profile,
    no_login,
    no_variant,
    portal,
    profile,
    program,
    refresh,
    region_malformed,
    region_unknown,
    role,
    sign_in_says,
    source_without_credentials,
    sso,
    sso_inconsistent,
    tls_empty_bundle,
    tls_no_bundle,
    tls_plain_port,
    tls_untrusted,
    torn_login,
    web_identity,
    wrong_secret,
)
from tests.world import homes
from tests.world.asking import PROGRAM
from tests.world.aws import FakeAws
from tests.world.loopback import Answer

TABLE = tomllib.loads(Path(__file__).with_name("classifier.toml").read_text())
CANARY = "CanarySecret0f1e2d3c4b5a69788796a5b4c3d2e1f0"

TOGETHER: dict[str, SetUp] = {
    "never-signed-in": no_login,
    "logged-out": logged_out,
    "token-lacks-fields": damaged_sso('{"startUrl": "x"}'),
    "no-refresh-token": sso(ttl=-60, refreshable=False),
    "registration-over": sso(ttl=-60, registration=-60),
    "refresh-refused": sso(ttl=-60, ended=True),
    "legacy-over": legacy_expired,
    "sso-revoked": sso(ended=True),
    "token-file-empty": damaged_sso(""),
    "token-file-partial": damaged_sso('{"accessToken": "aoa'),
    "session-undefined": profile(sso_session="gone", sso_account_id=ACCOUNT, sso_role_name="R"),
    "sso-incomplete": profile(sso_start_url=homes.START_URL, sso_account_id=ACCOUNT, sso_role_name="R"),
    "sso-inconsistent": sso_inconsistent,
    "login-never": profile(login_session=f"arn:aws:iam::{ACCOUNT}:user/me"),
    "mfa": mfa,
    "mfa-over": mfa_over,
    "keys-over": keys(code="ExpiredTokenException"),
    "source-keys-over": role(code="ExpiredToken"),
    "keys-unknown": keys(code="UnrecognizedClientException"),
    "source-keys-unknown": role(code="InvalidClientTokenId"),
    "wrong-secret": wrong_secret,
    "request-expired": keys(code="RequestExpired"),
    "request-skewed": keys(code="RequestTimeTooSkewed", status=403),
    "denied": keys(code="AccessDeniedException"),
    "role-denied": role(code="AccessDenied"),
    "throttled": keys(code="ThrottlingException"),
    "ecr-500": keys(code="ServerException"),
    "ecr-503": keys(code="ServiceUnavailable"),
    "partial-file": credentials(aws_access_key_id="AKIA"),
    "role-without-source": profile(role_arn=ROLE),
    "bad-source": profile(role_arn=ROLE, source_profile="gone"),
    "empty-source": source_without_credentials,
    "loop": loop,
    "program-fails": program(
        "import sys\nprint('\\nnot logged in: run acme login\\nx', file=sys.stderr)\nsys.exit(1)"
    ),
    "program-missing": profile(credential_process="/nonexistent/program --x"),
    "program-no-json": program("print('hello')"),
    "program-version": program('print(\'{"Version": 2, "AccessKeyId": "A", "SecretAccessKey": "B"}\')'),
    "program-over": program(
        homes.printed_credentials("AKIA", SessionToken="t", Expiration="2020-01-01T00:00:00Z")
    ),
    "region-malformed": region_malformed,
    "region-unknown": region_unknown,
    "dns": at("http://name.invalid"),
    "refused": at("http://127.0.0.1:9"),
    "connect-timeout": connect_timeout,
    "read-timeout": keys(way="hang"),
    "tls-untrusted": tls_untrusted,
    "tls-no-bundle": tls_no_bundle,
    "tls-empty-bundle": tls_empty_bundle,
    "tls-plain-port": tls_plain_port,
    "captive-portal": keys(way="portal"),
    "captive-portal-sts": role(way="portal"),
    "proxy-403": keys(way="proxy"),
    "proxy-404": keys(way="proxy", status=404),
    "identity-no-file": identity_without_file,
    "identity-no-role": profile(web_identity_token_file="/nonexistent/jwt"),
    "source-metadata-empty": profile(role_arn=ROLE, credential_source="Ec2InstanceMetadata"),
    "source-container-empty": profile(role_arn=ROLE, credential_source="EcsContainer"),
    "source-environment-empty": profile(role_arn=ROLE, credential_source="Environment"),
    "program-no-keys": program("print('{\"Version\": 1}')"),
    "program-bytes": program("import os; os.write(1, bytes([255, 254]))"),
    "program-unbalanced": profile(credential_process='sh -c "x'),
    "program-floods": program("while True: print('x' * 65536)"),
    "source-unknown": profile(role_arn=ROLE, credential_source="Moon"),
    "empty-answer": keys(way="empty"),
    "dead-token": keys(way="past"),
    "cut-off": keys(way="reset"),
    # what files say
    "keys-quoted": causes.keys_in_quotes,
    "role-beside-sso": causes.role_beside_sso,
    "source-misspelt": causes.source_misspelt,
    "source-untitled": causes.source_untitled,
    "session-untitled": causes.session_untitled,
    "sso-end-without-zone": causes.sso_says(expiresAt="2099-01-01T00:00:00"),
    "sso-end-in-words": causes.sso_says(expiresAt="soon"),
    "sso-registration-in-words": causes.sso_says(registrationExpiresAt="soon"),
    "sso-refresh-token-number": causes.sso_says(refreshToken=5),
    "sso-file-number": causes.sso_is("5"),
    "sso-file-list": causes.sso_is('["accessToken", "expiresAt"]'),
    # what programs say
    "program-complains-in-bytes": program(
        "import os; os.write(2, b'not signed in: \\xff\\xfe'); raise SystemExit(3)"
    ),
    "program-list": program("print('[1,2]')"),
    "program-nested": program("print('[' * 100000)"),
    "program-null-keys": program('print(\'{"Version": 1, "AccessKeyId": null, "SecretAccessKey": null}\')'),
    "program-number-token": program(causes.prints(', "SessionToken": 5')),
    "program-end-in-words": program(causes.prints(', "SessionToken": "t", "Expiration": "soon"')),
    "program-end-without-zone": program(
        causes.prints(', "SessionToken": "t", "Expiration": "2099-01-01T00:00:00"')
    ),
    "program-no-version": program("print('{}')"),
    "program-not-executable": causes.runs("{program}", "no program\n"),
    "program-home": causes.runs("~/bin/getcreds dev"),
    "program-variable": causes.runs("$HOME/bin/getcreds dev"),
    "program-redirected": causes.runs(
        "{program} 2>/dev/null", "#!/bin/sh\ntest $# = 0 || { echo usage >&2; exit 2; }\n"
    ),
}
"""Each is met by its own profile alone, so one run of the child serves all."""

ALONE: dict[str, SetUp] = {
    "refresh-5xx": refresh(code="InternalServerException"),
    "refresh-slow-down": refresh(code="SlowDownException"),
    "refresh-429": refresh(code="TooManyRequestsException"),
    "not-assigned": portal(code="ForbiddenException"),
    "wrong-role": portal(code="ResourceNotFoundException", message="Account or role not found"),
    "portal-throttled": portal(code="TooManyRequestsException"),
    "portal-5xx": portal(code="InternalFailure"),
    "login-bad-cache": torn_login("{}"),
    "login-torn": torn_login(""),
    "login-over": sign_in_says("TOKEN_EXPIRED"),
    "login-password-changed": sign_in_says("USER_CREDENTIALS_CHANGED"),
    "login-not-permitted": sign_in_says("INSUFFICIENT_PERMISSIONS"),
    "login-denied": sign_in_says("SOMETHING_ELSE"),
    "clock-slow": clock(3600, keys()),
    "clock-fast": clock(-3600, keys()),
    "clock-slow-sts": clock(3600, role(times=0)),
    "identity-denied": web_identity(code="AccessDenied"),
    "no-profile": missing_profile,
    "partial-environment": around(AWS_ACCESS_KEY_ID="AKIA"),
    "malformed": malformed,
    "no-variant": no_variant,
    "proxy-down": behind(HTTP_PROXY="http://user:pass@127.0.0.1:9"),
    "captive-portal-refresh": refresh(way="portal"),
    "captive-portal-sso": portal(way="portal"),
    "container-5xx": container(status=500),
    "container-no-file": around(
        AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:9/x",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="/nonexistent/token",
    ),
    "container-bad-host": around(AWS_CONTAINER_CREDENTIALS_FULL_URI="http://example.com/x"),
    "identity-over": web_identity(code="ExpiredTokenException"),
    "identity-no-provider": web_identity(code="InvalidIdentityToken"),
    "environment-over": environment_over,
    "no-credentials": causes.without_machine(profile(region="eu-west-1")),
    "no-metadata": around(AWS_EC2_METADATA_DISABLED="true"),
    # what files say
    "byte-order-mark": causes.config_is(b"\xef\xbb\xbf[profile {name}]\nregion = us-west-2\n"),
    "utf-16": causes.config_is("[profile x]\n".encode("utf-16")),
    "section-twice": causes.config_is(b"[profile {name}]\nregion = a\n\n[profile {name}]\nregion = b\n"),
    "key-twice": causes.config_is(b"[profile {name}]\nregion = a\nregion = b\n"),
    "title-of-two-words": causes.two_words,
    "account-with-comment": causes.account_with_comment,
    "mfa-cache-without-end": causes.mfa_cached_without_end,
    # the way to AWS
    "proxy-407": causes.refusing_proxy(407, scheme="https"),
    "proxy-forbids": causes.refusing_proxy(403, scheme="https"),
    "proxy-407-plain": causes.refusing_proxy(407, scheme="http"),
    "proxy-without-name": causes.proxy_without_name,
    "tls-trusted-by-system": causes.tls_trusted_by_system,
    "metadata-hop-limit": causes.metadata(Answer(401), token=None),
    "metadata-no-role": causes.metadata(Answer(404), token=Answer(200, b"t")),
    "metadata-no-token": causes.metadata(Answer(401), token=Answer(403)),
    "metadata-refuses-role": causes.metadata(
        Answer(200, b"dev"), token=Answer(200, b"t"), credentials=causes.REFUSED_BY_EC2
    ),
    "metadata-is-no-credentials": causes.metadata(
        Answer(200, b"dev"), token=Answer(200, b"t"), credentials=Answer(200, b"5")
    ),
    "metadata-nowhere": causes.metadata_nowhere,
}
"""Each needs an environment of its own, or spoils what others need."""


def told(failure: Failure, home: Path) -> dict[str, object]:
    """Return a failure as the table has it."""

    def text(said: str) -> str:
        said = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:…", said.replace(os.fspath(home), "{home}"))
        said = re.sub(r"\bline \d+", "line …", said)  # all rows share one file
        said = re.sub(r"(%N\)-)\d+( '?)\d+", r"\1…\2…", said)
        return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "…", said)

    return {
        "category": str(failure.category),
        "code": failure.code,
        "message": text(failure.message),
        "hint": text(failure.hint),
        "command": text(failure.command),
        "throttled": failure.throttled,
    }


def expected(name: str) -> dict[str, object]:
    row = {"hint": "", "command": "", "throttled": False} | TABLE[name]
    del row["situation"]
    return {
        key: value.format(name=name, home="{home}") if isinstance(value, str) else value
        for key, value in row.items()
    }


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    """What comes of all rows that can be provoked together."""
    home = tmp_path_factory.mktemp("home")
    with FakeAws() as aws, ExitStack() as stack:
        worlds = {name: World(aws, home, stack) for name in TOGETHER}
        for name, set_up in TOGETHER.items():
            set_up(worlds[name], name)
        grants = {name: world.grant(name) for name, world in worlds.items()}
        with Asking(aws.environment(home)) as asking:
            answers = asking.ask(*grants.values(), timeout=90)
        yield home, {name: answers[grant.key] for name, grant in grants.items()}


@pytest.mark.parametrize("name", TOGETHER)
def test_each_failure_asks_the_right_thing_of_the_right_person(failures, name: str) -> None:
    home, answers = failures
    assert isinstance(answers[name], FetchFailed)
    assert told(answers[name].failure, home) == expected(name)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("refused", r"network:127\.0\.0\.1:9"),
        ("tls-untrusted", r"certificate:127\.0\.0\.1:\d+"),
        ("captive-portal", "network:foreign"),
        ("denied", ""),
        ("refresh-refused", ""),
    ],
)
def test_a_cause_that_strikes_others_alike_is_named(failures, name: str, cause: str) -> None:
    """By it their attempts are shared, and a person is told once (DESIGN 7)."""
    _home, answers = failures
    assert re.fullmatch(cause, answers[name].failure.cause)


@pytest.mark.parametrize("name", ["clock-slow", "clock-slow-sts"])
def test_a_clock_that_is_wrong_is_one_cause(aws, tmp_path, name: str) -> None:
    assert provoked(aws, tmp_path, name, ALONE[name]).cause == "clock"


@pytest.mark.parametrize("answer", ["a text", {"Error": None}, {"ResponseMetadata": {"HTTPStatusCode": "?"}}])
def test_an_answer_that_nobody_foresaw_is_still_a_failure_at_once(answer: object) -> None:
    """It is something else than AWS that answers so."""
    error = type("ClientError", (Exception,), {"response": answer})("nonsense")
    failure = classify(error, Asker(Principal("dev"), Standing(), "ecr", "us-west-2"))
    assert (failure.category, failure.code) == (Category.TRANSIENT, "answer.foreign")


def test_an_exception_inside_the_classifier_is_still_a_failure_at_once() -> None:
    """It would cost the grant its 30 s, and the person the cause."""
    error = type("ClientError", (Exception,), {"response": property(lambda _self: 1 / 0)})("nonsense")
    failure = classify(error, Asker(Principal("dev"), Standing(), "ecr", "us-west-2"))
    assert (failure.category, failure.code) == (Category.TRANSIENT, "answer.unclassified")
    assert "ClientError" in failure.message


def provoked(aws: FakeAws, home: Path, name: str, set_up: SetUp, limits: Limits | None = None) -> Failure:
    with ExitStack() as stack:
        world = World(aws, home, stack)
        set_up(world, name)
        with Asking(aws.environment(home, **world.environ), limits or Limits()) as asking:
            return asking.failure(world.grant(name))


@pytest.mark.parametrize("name", ALONE)
def test_each_failure_of_the_surroundings_does_so_too(aws, tmp_path, name: str) -> None:
    assert told(provoked(aws, tmp_path, name, ALONE[name]), tmp_path) == expected(name)


# -- rows in which nothing fails, or something else is needed --------------------------------------------------


def test_a_login_without_anything_to_renew_it(aws, tmp_path, monkeypatch) -> None:
    hide_runtime(monkeypatch)
    name = "login-no-runtime"
    assert told(provoked(aws, tmp_path, name, login("/nonexistent")), tmp_path) == expected(name)


def test_a_program_that_hangs(aws, tmp_path) -> None:
    name, script = "program-hangs", "import time\ntime.sleep(300)"
    failure = provoked(aws, tmp_path, name, program(script), Limits(grant=1.0, child=6.0, grace=0.5))
    assert told(failure, tmp_path) == expected(name)


def test_a_token_file_that_is_torn_for_a_moment(asking, aws, tmp_path) -> None:
    """The CLI empties it, then writes it: nobody is sent to sign in for that."""
    grant = of_sso(aws, tmp_path)
    path = homes.token_file(tmp_path, "corp")
    whole = path.read_text()
    path.write_text("")
    asking.begin(grant)
    aws_is_not_asked = aws.calls()
    path.write_text(whole)
    assert asking.answer().grant == grant.key
    assert aws_is_not_asked == []
    assert [call.outcome for call in aws.calls("GetAuthorizationToken")] == ["ok"]


def test_a_profile_without_a_region(asking, aws, tmp_path) -> None:
    """The registry's host has named it."""
    homes.static_keys(tmp_path, "source", homes.access_key(), aws=aws, account=ACCOUNT)
    homes.role_chain(tmp_path, "dev", ROLE, "source")
    asking.token(ecr("dev", "eu-west-1"))
    assert {call.region for call in aws.calls()} == {"eu-west-1"}


def test_the_public_registry_from_elsewhere(asking, aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    asking.token(Grant(Principal("dev"), "ecr-public", "eu-west-1"))
    assert [(call.service, call.region) for call in aws.calls()] == [("ecr-public", "us-east-1")]


WITH_A_TERMINAL = """
import os
from tests.aws import causes
from tests.aws.asking import Asking, ecr, wait_until
with Asking(os.environ) as asking:
    os.open("/dev/tty", os.O_RDWR)  # there is one
    print(asking.failure(ecr("mfa-terminal")).code)
"""


def test_a_code_that_is_needed_while_there_is_a_terminal(aws, tmp_path) -> None:
    """Python's getpass would print on the user's terminal, and wait there for ever."""
    with ExitStack() as stack:
        mfa(World(aws, tmp_path, stack), "mfa-terminal")
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            ["setsid", "--ctty", sys.executable, "-c", WITH_A_TERMINAL],
            stdin=theirs, capture_output=True, text=True, check=False, timeout=30,
            cwd=Path(__file__).parents[2], env=aws.environment(tmp_path),
        )  # fmt: skip
        os.set_blocking(ours, False)
        with pytest.raises(BlockingIOError):
            os.read(ours, 100)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stdout == "MfaRequiredError\n", done.stderr


def test_a_refresh_token_that_another_program_is_just_spending(aws, tmp_path) -> None:
    """Strictly once: the loser is refused as with a dead login, and waits for what the winner writes."""
    grant = of_sso(aws, tmp_path, ttl=-60)
    aws.fault("CreateToken", delay_after=20, times=1)
    environ = aws.environment(tmp_path)
    with (
        Asking(environ) as asking,
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other,
    ):
        writer = threading.Thread(
            target=lambda: printed.append(other.communicate(b'[{"profile": "dev"}]')[0])
        )
        printed: list[bytes] = []
        writer.start()
        wait_until(lambda: aws.calls("CreateToken"))
        asking.begin(grant)
        wait_until(lambda: len(aws.calls("CreateToken")) == 2)
        aws.clear_faults()  # the first is answered only now
        assert isinstance(asking.answer(), FetchSucceeded)
        writer.join(20)
    assert b"authorizationToken" in printed[0]
    assert sorted(call.outcome for call in aws.calls("CreateToken")) == ["InvalidGrantException", "ok"]


ELSEWHERE: dict[str, Callable[..., None]] = {
    "login-no-runtime": test_a_login_without_anything_to_renew_it,
    "program-hangs": test_a_program_that_hangs,
    "token-file-torn": test_a_token_file_that_is_torn_for_a_moment,
    "region-missing": test_a_profile_without_a_region,
    "public-elsewhere": test_the_public_registry_from_elsewhere,
    "mfa-terminal": test_a_code_that_is_needed_while_there_is_a_terminal,
    "refresh-race-lost": test_a_refresh_token_that_another_program_is_just_spending,
}


def test_no_row_of_the_table_goes_unproven() -> None:
    proven = list(itertools.chain(TOGETHER, ALONE, ELSEWHERE))
    assert sorted(proven) == sorted(TABLE)
    assert len({row["situation"] for row in TABLE.values()}) == len(TABLE)


def test_no_login_is_asked_for_without_the_command_for_it() -> None:
    for name, row in TABLE.items():
        if row.get("category") in {"login", "config", "denied"}:
            assert row["hint"], name


# -- beyond the rows -------------------------------------------------------------------------------------------


def of_sso(aws: FakeAws, home: Path, **login: object) -> Grant:
    homes.sso_profile(home, "dev", ACCOUNT)
    homes.sso_login(home, aws, **login)
    return ecr("dev")


@pytest.mark.parametrize(
    "fault", [{"code": "InternalFailure"}, {"code": "SlowDownException"}, {"way": "proxy"}, {"way": "reset"}]
)  # fmt: skip
def test_a_refresh_that_failed_in_passing_is_tried_again(asking, aws, tmp_path, fault) -> None:
    """TokenRetrievalError looks the same whether AWS refused or was only busy (aws.md 2.4)."""
    aws.fault("CreateToken", **fault)
    assert asking.failure(of_sso(aws, tmp_path, ttl=-60)).category == "transient"
    aws.clear_faults()
    asking.token(ecr("dev"))


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
