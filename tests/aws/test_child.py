"""The child as a process: what it calls, and what can be seen of it from outside."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ecr_refreshd.aws import running
from ecr_refreshd.core.events import FetchSucceeded
from ecr_refreshd.core.model import Grant, Principal
from tests.aws.asking import Asking, children, ecr, wait_until
from tests.world import homes
from tests.world.aws import FakeAws
from tests.world.certificates import self_signed
from tests.world.registry import tls_context

ACCOUNT = "724013829182"


def calls(aws) -> list[tuple[str, str]]:
    return [(call.operation, call.outcome) for call in aws.calls()]


# -- who asks, and how -----------------------------------------------------------------------------------------


def test_calls_are_signed_and_name_us(asking, aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    answer = asking.token(ecr("dev"))
    (call,) = aws.calls()
    assert call.signed
    assert (call.service, call.region, call.account) == ("ecr", "us-west-2", ACCOUNT)
    assert "ecr-refreshd/" in call.user_agent
    assert "registryIds" not in call.arguments
    assert answer.account == ACCOUNT
    assert aws.judge(answer.token.auth.reveal())["state"] == "valid"


def test_the_public_registry_is_asked_for_where_it_lives(asking, aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    asking.token(Grant(Principal("dev"), "ecr-public", "eu-west-1"))
    (call,) = aws.calls()
    assert (call.service, call.region) == ("ecr-public", "us-east-1")


def test_a_role_of_the_registry_is_assumed_with_its_external_id(asking, aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    role = "arn:aws:iam::999999999999:role/puller"
    answer = asking.token(Grant(Principal("dev", role, "xid", "me"), "ecr", "us-west-2"))
    assert answer.account == "999999999999"
    arguments = aws.calls("AssumeRole")[0].arguments
    assert arguments == {"RoleArn": role, "ExternalId": "xid", "RoleSessionName": "me"}


def test_one_session_serves_all_regions_of_a_principal(asking, aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "source", homes.access_key(), aws=aws, account=ACCOUNT)
    homes.role_chain(tmp_path, "dev", f"arn:aws:iam::{ACCOUNT}:role/x", "source")
    answers = asking.ask(*(ecr("dev", region) for region in ("us-west-2", "eu-west-1", "us-east-1")))
    assert all(isinstance(answer, FetchSucceeded) for answer in answers.values())
    assert len(aws.calls("AssumeRole")) == 1


def test_each_ask_sees_the_newest_keys(asking, aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    asking.token(ecr("dev"))
    (tmp_path / ".aws/credentials").unlink()
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account="111111111111")
    assert asking.token(ecr("dev")).account == "111111111111"


def test_a_web_identity_serves(asking, aws, tmp_path) -> None:
    homes.web_identity(tmp_path, "pod", f"arn:aws:iam::{ACCOUNT}:role/pod")
    assert asking.token(ecr("pod")).account == ACCOUNT


# -- the ambient chain -------------------------------------------------------------------------------------------


AMBIENT = ecr("")


def test_the_ambient_chain_heeds_no_profile_not_even_one_in_the_environment(aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "default", homes.access_key(), aws=aws, account="111111111111")
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account="222222222222")
    container = aws.container_environment("333333333333")
    with Asking(aws.environment(tmp_path, AWS_PROFILE="dev", **container)) as asking:
        assert asking.token(AMBIENT).account == "333333333333"
        assert asking.token(ecr("default")).account == "111111111111"


def test_keys_in_the_environment_serve_the_ambient_chain_only(aws, tmp_path) -> None:
    key = homes.access_key()
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account="222222222222")
    aws.account(key, "444444444444", secret="s")
    keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_PROFILE": "gone"}
    with Asking(aws.environment(tmp_path, **keys)) as asking:
        assert asking.token(AMBIENT).account == "444444444444"
        assert asking.token(ecr("dev")).account == "222222222222"


def test_the_instance_serves_the_ambient_chain_and_who_names_it_as_source(aws, tmp_path) -> None:
    aws.set(instance_role="builder", instance_account="555555555555")
    role = f"arn:aws:iam::{ACCOUNT}:role/x"
    homes.profile(tmp_path, "instance", role_arn=role, credential_source="Ec2InstanceMetadata")
    with Asking(aws.environment(tmp_path)) as asking:
        assert asking.token(AMBIENT).account == "555555555555"
        assert asking.token(ecr("instance")).account == ACCOUNT


def test_a_profile_without_credentials_goes_on_to_the_machine(aws, tmp_path) -> None:
    """As botocore does, be the profile named: `init` and `aws configure set region` leave such ones."""
    aws.set(instance_role="builder", instance_account="555555555555")
    homes.profile(tmp_path, "default", region="us-west-2")
    with Asking(aws.environment(tmp_path)) as asking:
        assert asking.token(ecr("default")).account == "555555555555"
    with Asking(aws.environment(tmp_path, **aws.container_environment(ACCOUNT))) as asking:
        assert asking.token(ecr("default")).account == ACCOUNT


def test_a_workstation_is_asked_for_no_metadata(aws, tmp_path) -> None:
    """There is none, and asking takes seconds (aws.md 2.6)."""
    homes.profile(tmp_path, "dev", region="us-west-2")
    environ = aws.environment(tmp_path, NO_PROXY="", HTTP_PROXY=aws.url)
    del environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
    with Asking(environ) as asking:
        failure = asking.failure(ecr("dev"))
    assert (failure.code, failure.category) == ("NoCredentialsError", "config")
    assert calls(aws) == []


# -- endpoints ---------------------------------------------------------------------------------------------------


ENDPOINTS = [
    ("us-west-2", {}, "api.ecr.us-west-2.amazonaws.com"),
    ("us-west-2", {"fips": True}, "api.ecr-fips.us-west-2.amazonaws.com"),
    ("us-west-2", {"dualstack": True}, "ecr.us-west-2.api.aws"),
    ("us-west-2", {"fips": True, "dualstack": True}, "ecr-fips.us-west-2.api.aws"),
    ("us-gov-west-1", {"fips": True}, "api.ecr-fips.us-gov-west-1.amazonaws.com"),
    ("cn-north-1", {}, "api.ecr.cn-north-1.amazonaws.com.cn"),
    ("cn-north-1", {"dualstack": True}, "ecr.cn-north-1.api.amazonwebservices.com.cn"),
]


def test_the_endpoint_of_each_variant_is_the_one_called(tmp_path) -> None:
    """Seen by the proxy through which AWS is called by its real names; botocore knows them (peers.md b)."""
    certificate, key = self_signed(tmp_path / "tls", [host for _, _, host in ENDPOINTS])
    homes.static_keys(tmp_path, "dev", homes.access_key())
    with FakeAws(tunnel=tls_context(certificate, key)) as aws:
        with Asking(aws.proxied_environment(tmp_path, certificate)) as asking:
            for region, variant, _ in ENDPOINTS:
                asking.token(ecr("dev", region, **variant))
        assert [call.host for call in aws.calls()] == [host for _, _, host in ENDPOINTS]


@pytest.mark.parametrize("variant", [{"fips": True}, {"dualstack": True}, {"fips": True, "dualstack": True}])
def test_an_endpoint_of_the_users_own_wins_over_a_variant(asking, aws, tmp_path, variant) -> None:
    """By the endpoint rules alone, to combine the two would be an error."""
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    asking.token(ecr("dev", **variant))


def test_an_endpoint_in_the_profile_wins_too(aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    homes.profile(tmp_path, "dev", endpoint_url=aws.url)
    environ = {k: v for k, v in aws.environment(tmp_path).items() if k != "AWS_ENDPOINT_URL_ECR"}
    with Asking(environ) as asking:
        asking.token(ecr("dev", fips=True))


def test_an_endpoint_of_the_registry_wins_over_all(aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    with Asking(aws.environment(tmp_path, AWS_ENDPOINT_URL_ECR="http://127.0.0.1:9")) as asking:
        asking.token(ecr("dev", endpoint_url=aws.url))
        asking.token(ecr("dev", endpoint_url=aws.url, fips=True))


# -- what can be seen of it ----------------------------------------------------------------------------------


def test_nothing_secret_is_in_its_arguments_or_environment_and_it_is_shut_off(aws, tmp_path) -> None:
    """Promise 6; own session, no terminal, no core, no reading by others of the same user (DESIGN 5)."""
    key = homes.access_key()
    homes.static_keys(tmp_path, "dev", key, secret="the-secret-key", session_token="the-session-token")
    aws.fault("GetAuthorizationToken", way="hang")
    environ = aws.environment(tmp_path)
    asking = Asking(environ)
    asking.begin(Grant(Principal("dev"), "ecr", "us-west-2"))
    wait_until(lambda: aws.calls("GetAuthorizationToken"))
    (child,) = children()
    process = Path(f"/proc/{child}")
    command = (process / "cmdline").read_bytes().decode().split("\0")[:-1]
    assert command[:4] == [sys.executable, "-I", "-m", "ecr_refreshd.aws.child"]
    assert re.fullmatch("[0-9]+", command[4])
    assert os.getsid(child) == child
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):  # as any other program of the user: it is not dumpable
            (process / "environ").read_bytes()
        asking.fetcher.stop()
        return
    seen = dict(item.split("=", 1) for item in (process / "environ").read_text().split("\0") if item)
    assert seen == environ
    assert [str((process / "fd" / fd).readlink()) for fd in "012"] == ["/dev/null"] * 3
    limits = (process / "limits").read_text()
    assert re.search(r"Max core file size +0 +0", limits)
    assert re.search(rf"Max data size +{512 << 20} ", limits)
    assert (process / "maps").stat().st_uid == 0  # not dumpable: /proc belongs to root
    sockets = [each.name for each in (process / "fd").iterdir() if "socket:" in str(each.readlink())]
    assert len(sockets) == 2  # to us, and to AWS
    for name in sockets:
        flags = (process / "fdinfo" / name).read_text().partition("flags:")[2].split()[0]
        assert int(flags, 8) & os.O_CLOEXEC
    asking.fetcher.stop()


def test_a_program_gets_neither_our_socket_nor_our_bound_on_memory(asking, aws, tmp_path) -> None:
    script = (
        "import os, resource\n"
        "paths = [f'/proc/self/fd/{f}' for f in os.listdir('/proc/self/fd')]\n"
        "with open(os.path.expanduser('~/seen'), 'w') as file:\n"
        "    print([p for p in paths if os.path.exists(p) and 'socket' in os.readlink(p)], file=file)\n"
        "    print(resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY, file=file)\n"
        "    print(os.readlink('/proc/self/fd/0'), os.environ.get('AWS_PROFILE'), file=file)\n"
    )
    key = homes.access_key()
    homes.credential_process(tmp_path, "dev", script + homes.printed_credentials(key))
    asking.token(ecr("dev"))
    assert (tmp_path / "seen").read_text() == "[]\nTrue\n/dev/null None\n"


def test_a_program_of_a_source_profile_is_bounded_too(asking, tmp_path) -> None:
    homes.credential_process(tmp_path, "source", "while True: print('x' * 65536)")
    homes.role_chain(tmp_path, "dev", f"arn:aws:iam::{ACCOUNT}:role/x", "source")
    assert asking.failure(ecr("dev")).code == "ProgramError"


def test_what_the_child_prints_or_logs_goes_nowhere(aws, tmp_path) -> None:
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account=ACCOUNT)
    code = (
        "import os, time\nfrom tests.aws.asking import Asking, ecr\n"
        "with Asking(os.environ) as asking: asking.token(ecr('dev'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2], env=aws.environment(tmp_path), capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_package_installed_for_one_user_only_is_found(monkeypatch) -> None:
    """Python's isolated mode leaves out where ``pip install --user`` puts it."""
    monkeypatch.setattr(running.site, "ENABLE_USER_SITE", True)
    assert running.python("x")[1] == "-I"
    here = Path(running.__file__).resolve().parents[2]
    monkeypatch.setattr(running.site, "getusersitepackages", lambda: str(here))
    assert running.python("x")[1:3] == ["-E", "-P"]
