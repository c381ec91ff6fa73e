"""Every kind of principal (DESIGN 2), asked for in the real child: who signed what stands in AWS's own log."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.aws.asking import Asking, ecr
from tests.aws.signin import ARN, aws_login
from tests.world import cli, homes
from tests.world.aws import FakeAws
from tests.world.rendering import iso

ACCOUNT = "724013829182"
OTHER = "999999999999"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/dev"
MFA = f"arn:aws:iam::{OTHER}:mfa/me"
TOKEN = "GetAuthorizationToken"
OLD = "https://old.awsapps.com/start"


@dataclass
class World:
    aws: FakeAws
    home: Path
    key: str = field(default_factory=homes.access_key)
    environ: dict[str, str] = field(default_factory=dict)

    def keys(self, name: str, **more: str) -> str:
        homes.static_keys(self.home, name, self.key, aws=self.aws, account=ACCOUNT, **more)
        return self.key

    def register(self) -> str:
        self.aws.account(self.key, ACCOUNT, "secret")
        return self.key


def static(world: World) -> str:
    world.keys("dev")
    return "dev"


def session_keys(world: World) -> str:
    world.keys("dev", session_token="a session token")
    return "dev"


def environment(world: World) -> str:
    world.environ |= {"AWS_ACCESS_KEY_ID": world.register(), "AWS_SECRET_ACCESS_KEY": "secret"}
    return ""


def sso(world: World) -> str:
    homes.sso_profile(world.home, "dev", ACCOUNT)
    homes.sso_login(world.home, world.aws)
    return "dev"


def sso_near_its_end(world: World) -> str:
    homes.sso_profile(world.home, "dev", ACCOUNT)
    homes.sso_login(world.home, world.aws, ttl=60)
    return "dev"


def legacy_sso(world: World) -> str:
    homes.legacy_sso_profile(world.home, "dev", ACCOUNT)
    homes.sso_login(world.home, world.aws, homes.START_URL, refreshable=False)
    return "dev"


def login(world: World) -> str:
    homes.profile(world.home, "dev", login_session=ARN, region="us-west-2")
    aws_login(world.home, world.aws, ttl=60)
    world.environ["PATH"] = cli.install(world.home)
    return "dev"


def credential_process(world: World) -> str:
    homes.credential_process(world.home, "dev", homes.printed_credentials(world.register()))
    return "dev"


def web_identity(world: World) -> str:
    homes.web_identity(world.home, "dev", ROLE)
    return "dev"


def web_identity_around_us(world: World) -> str:
    token = world.home / "jwt"
    token.write_text("header.payload.signature")
    world.environ |= {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": ROLE}
    return ""


def container(world: World) -> str:
    """ECS."""
    world.aws.set(container_token="from the variable")
    world.environ |= world.aws.container_environment(ACCOUNT)
    world.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "from the variable"
    return ""


def pod_identity(world: World) -> str:
    """EKS."""
    world.aws.set(container_token="from the file")
    token = world.home / "pod-identity-token"
    token.write_text("from the file")
    world.environ |= world.aws.container_environment(ACCOUNT)
    world.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = str(token)
    return ""


def instance(world: World) -> str:
    world.aws.set(instance_role="builder", instance_account=ACCOUNT)
    return ""


def mfa(world: World) -> str:
    """A code was typed in a terminal: the AWS CLI has cached what it got for it."""
    homes.static_keys(world.home, "source", homes.access_key(), aws=world.aws, account=OTHER)
    homes.role_chain(world.home, "dev", ROLE, "source", mfa_serial=MFA)
    keys = {"AccessKeyId": world.key, "SecretAccessKey": "secret", "SessionToken": "token"}
    world.aws.account(world.key, ACCOUNT, "secret", "token")
    arguments = json.dumps({"RoleArn": ROLE, "SerialNumber": MFA}, sort_keys=True)
    cache = world.home / ".aws/cli/cache"
    cache.mkdir(parents=True)
    name = f"{hashlib.sha1(arguments.encode()).hexdigest()}.json"
    (cache / name).write_text(json.dumps({"Credentials": keys | {"Expiration": iso(time.time() + 3600)}}))
    return "dev"


def credential_source(source: str, **settings: str):
    def set_up(world: World) -> str:
        homes.profile(world.home, "dev", role_arn=ROLE, credential_source=source)
        world.aws.set(**settings)
        world.aws.account(world.key, OTHER, "secret")
        if source == "Environment":
            world.environ |= {"AWS_ACCESS_KEY_ID": world.key, "AWS_SECRET_ACCESS_KEY": "secret"}
        if source == "EcsContainer":
            world.environ |= world.aws.container_environment(OTHER)
        return "dev"

    return set_up


PRINCIPALS = {
    "static keys": (static, [TOKEN]),
    "session keys": (session_keys, [TOKEN]),
    "environment": (environment, [TOKEN]),
    "sso-session": (sso, ["GetRoleCredentials", TOKEN]),
    "sso-session near its end": (sso_near_its_end, ["CreateToken", "GetRoleCredentials", TOKEN]),
    "sso of the old form": (legacy_sso, ["GetRoleCredentials", TOKEN]),
    "aws login": (login, ["CreateOAuth2Token", TOKEN]),
    "credential_process": (credential_process, [TOKEN]),
    "web identity": (web_identity, ["AssumeRoleWithWebIdentity", TOKEN]),
    "web identity around us": (web_identity_around_us, ["AssumeRoleWithWebIdentity", TOKEN]),
    "container": (container, ["ContainerCredentials", TOKEN]),
    "pod identity": (pod_identity, ["ContainerCredentials", TOKEN]),
    "instance": (instance, ["InstanceMetadata", TOKEN]),
    "mfa": (mfa, [TOKEN]),
    "role from the environment": (credential_source("Environment"), ["AssumeRole", TOKEN]),
    "role from the container": (
        credential_source("EcsContainer"),
        ["ContainerCredentials", "AssumeRole", TOKEN],
    ),
    "role from the instance": (
        credential_source("Ec2InstanceMetadata", instance_role="builder", instance_account=OTHER),
        ["InstanceMetadata", "AssumeRole", TOKEN],
    ),
}
CHAINS = [
    "static keys", "session keys", "sso-session", "sso of the old form", "aws login", "credential_process",
    "web identity", "mfa", "role from the instance",
]  # fmt: skip


@pytest.fixture
def world(aws, tmp_path) -> World:
    return World(aws, tmp_path)


def asked(world: World, profile: str) -> list[Mapping[str, str]]:
    """Ask for the profile, and return what AWS was called for: operation, signer, issued key and account."""
    with Asking(world.aws.environment(world.home, **world.environ)) as asking:
        answer = asking.token(ecr(profile))
    calls = []
    for call in world.aws.calls():
        assert call.outcome == "ok"
        if call.operation == "InstanceMetadata" and not call.issued:
            continue  # the session's token, and the name of the role
        calls.append(
            {
                "operation": call.operation,
                "signer": call.access_key,
                "issued": call.issued,
                "account": call.account,
            }
        )
    assert calls[-1]["account"] == answer.account
    return calls


@pytest.mark.parametrize("kind", PRINCIPALS)
def test_a_principal_gets_its_token_with_its_own_credentials(world, kind: str) -> None:
    set_up, expected = PRINCIPALS[kind]
    calls = asked(world, set_up(world))
    assert [call["operation"] for call in calls] == expected
    assert calls[-1]["account"] == (ARN.split(":")[4] if kind == "aws login" else ACCOUNT)
    issued = [call["issued"] for call in calls if call["issued"]]
    assert calls[-1]["signer"] == (issued[-1] if issued else world.key)
    before = world.key
    for call in calls:
        if call["operation"] == "AssumeRole":
            assert call["signer"] == before
        before = call["issued"] or before


@pytest.mark.parametrize("kind", CHAINS)
def test_roles_above_it_are_assumed_one_from_the_other(world, kind: str) -> None:
    """Two roles: the first assumed with the principal's own credentials, the second with the first's."""
    set_up, expected = PRINCIPALS[kind]
    base = set_up(world)
    homes.role_chain(world.home, "above", "arn:aws:iam::111111111111:role/a", base)
    homes.role_chain(world.home, "top", "arn:aws:iam::222222222222:role/b", "above")
    calls = asked(world, "top")
    assert [call["operation"] for call in calls] == [*expected[:-1], "AssumeRole", "AssumeRole", TOKEN]
    first, second, token = calls[-3:]
    base_key = calls[-4]["issued"] if len(calls) > 3 else world.key
    assert [call["signer"] for call in (first, second, token)] == [
        base_key,
        first["issued"],
        second["issued"],
    ]
    assert token["account"] == "222222222222"
