"""A machine's own credentials, with the files that real machines have beside them: `run --once` as a whole."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.aws.test_same_as_boto3 import by_us, environment
from tests.aws.trees import ACCOUNT, OTHER, Tree
from tests.world import homes
from tests.world.aws import FakeAws

REGION_ONLY = "[default]\nregion = us-west-2\n"
FILES: dict[str, dict[str, str]] = {
    "region-only default": {"config": REGION_ONLY},
    "empty default in credentials": {"credentials": "[default]\n"},
    "profile of a code": {"config": "[profile dev]\nregion = us-west-2\nmfa_serial = x\n"},
}


def keys(tree: Tree) -> None:
    key, secret = tree.key(ACCOUNT, "aws")
    tree.environ |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}


def container(tree: Tree) -> None:
    tree.environ |= tree.aws.container_environment(ACCOUNT)


def instance(tree: Tree) -> None:
    tree.aws.set(instance_role="builder", instance_account=ACCOUNT)


def web_identity(tree: Tree) -> None:
    token = tree.home / "jwt"
    token.write_text("header.payload.signature")
    tree.environ |= {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/pod",
    }  # fmt: skip


@pytest.fixture
def tree(aws: FakeAws, tmp_path: Path) -> Tree:
    (tmp_path / ".aws").mkdir()
    return Tree(tmp_path, aws, random.Random(0), "aws")


@pytest.mark.parametrize("machine", [keys, container, instance, web_identity])
@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_a_profile_without_credentials_hides_no_machine(
    tree: Tree, machine: Callable[[Tree], None], files: dict[str, str]
) -> None:
    """EC2, ECS, EKS, CodeBuild, aws-vault exec: `aws configure set region` was run there once."""
    for name, text in files.items():
        (tree.home / ".aws" / name).write_text(text)
    if "config" in files and "profile dev" in files["config"]:
        tree.environ["AWS_PROFILE"] = "dev"
    machine(tree)
    auth, row = by_us(tree)
    assert tree.aws.judge(auth)["account"] == ACCOUNT
    assert (row["phase"], row["principal"]["profile"]) == ("fresh", "")


def test_the_machine_is_asked_with_the_settings_of_the_profile(tree: Tree) -> None:
    """As botocore does: the region of its STS is the profile's that is in effect, not the registry's."""
    (tree.home / ".aws/config").write_text(
        "[profile dev]\nregion = eu-west-1\n[default]\nregion = us-east-1\n"
    )
    web_identity(tree)
    tree.environ["AWS_PROFILE"] = "dev"
    by_us(tree)
    (call,) = tree.aws.calls("AssumeRoleWithWebIdentity")
    asked = subprocess.run(
        [sys.executable, "-c", "import boto3; boto3.client('ecr').get_authorization_token()"],
        env=environment(tree), check=True, capture_output=True,
    )  # fmt: skip
    assert asked.returncode == 0
    ours, theirs = tree.aws.calls("AssumeRoleWithWebIdentity")
    assert (ours.region, ours.host) == (theirs.region, theirs.host)
    assert call == ours


def test_ended_keys_in_the_environment_give_way(tree: Tree) -> None:
    """boto3 and the CLI fail there; a profile that fits is no worse than none."""
    key, secret = tree.key(ACCOUNT, "aws", token="ended")
    tree.environ |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "ended"}
    tree.aws.fault("GetAuthorizationToken", access_key=key, code="ExpiredTokenException", status=400)
    homes.sso_profile(tree.home, "dev", ACCOUNT)
    homes.sso_login(tree.home, tree.aws)
    tree.environ["AWS_PROFILE"] = "dev"
    auth, row = by_us(tree)
    assert tree.aws.judge(auth)["account"] == ACCOUNT
    assert row["principal"]["profile"] == "dev"


def test_the_central_registry_account_is_served_by_who_is_named(tree: Tree) -> None:
    """Registries are kept in one account, and opened to others by policy."""
    key, secret = tree.key(OTHER, "aws", tells=False)
    homes.static_keys(tree.home, "base", key, secret=secret)
    homes.role_chain(tree.home, "work", f"arn:aws:iam::{OTHER}:role/Dev", "base")
    homes.profile(tree.home, "default", region="us-west-2")
    tree.environ["AWS_PROFILE"] = "work"
    auth, row = by_us(tree)
    assert tree.aws.judge(auth)["account"] == OTHER
    principal = row["principal"]
    assert (principal["profile"], principal["other_account"]) == ("work", True)
    assert (principal["chosen_by"], principal["variable"]) == ("environment", "AWS_PROFILE")


def test_a_role_of_the_instance_is_waited_for_at_boot(tree: Tree) -> None:
    """The metadata service refuses for a moment after the launch; nothing in ~/.aws is wrong."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/ci"
    homes.profile(tree.home, "ci", role_arn=arn, credential_source="Ec2InstanceMetadata")
    _, row = by_us(tree)
    assert (row["phase"], row["last_error"]["category"]) == ("retrying", "transient")


def test_denied_then_allowed_comes_first_again(tree: Tree) -> None:
    """`refresh` asks whoever was denied before; what worked meanwhile is remembered."""
    for name in ("a", "b"):
        homes.sso_profile(tree.home, name, ACCOUNT, role=name)
    homes.sso_login(tree.home, tree.aws)
    tree.aws.fault("GetRoleCredentials", code="ForbiddenException", status=403, times=1)
    _, row = by_us(tree)
    assert (row["principal"]["profile"], row["principal"]["also_fits"]) == ("b", ["a"])
    calls = len(tree.aws.calls())
    again = (sys.executable, "-m", "ecr_refreshd", "run", "--once")
    subprocess.run(again, env=environment(tree), check=True, capture_output=True)
    assert len(tree.aws.calls()) == calls, "it is remembered who worked, and nobody is asked"
    program = (sys.executable, "-m", "ecr_refreshd")
    subprocess.run([*program, "refresh", tree.host], env=environment(tree), check=True, capture_output=True)
    shown = subprocess.run(
        [*program, "status"], env=environment(tree), capture_output=True, text=True, check=False
    )
    assert "2 profiles fit: a (used), b" in shown.stdout
