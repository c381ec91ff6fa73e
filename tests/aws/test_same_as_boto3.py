"""What boto3 and the AWS CLI get from a machine's files without asking a person, this program gets too.

On random trees (`trees`): 40 of them, or as many as ECR_REFRESHD_TREES says.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecr_refreshd.aws.partitions import regions
from tests.aws.trees import ACCOUNT, HOSTS, Tree, grow
from tests.needs import need
from tests.world.aws import FakeAws
from tests.world.services import Call

TREES = int(os.environ.get("ECR_REFRESHD_TREES", "40"))
BOTO3 = """
import json, sys
import boto3
region, found = sys.argv[1], {}
for name in ["", *json.loads(sys.argv[2])]:
    try:
        session = boto3.Session(profile_name=name) if name else boto3.Session()
        answer = session.client("ecr", region_name=region).get_authorization_token()
        found[name] = answer["authorizationData"][0]["authorizationToken"]
    except Exception:
        continue
print(json.dumps(found))
"""


def environment(tree: Tree) -> dict[str, str]:
    return {
        **tree.aws.environment(tree.home),
        "XDG_CONFIG_HOME": str(tree.home / "config"),
        "XDG_RUNTIME_DIR": str(tree.home / "run"),
        "ECR_REFRESHD_STATE_DIR": str(tree.home / "state"),
        **tree.environ,
    }


def run(tree: Tree, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, env=environment(tree), cwd=tree.home, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        start_new_session=True, timeout=100, check=False,
    )  # fmt: skip


def by_boto3(tree: Tree) -> dict[str, str]:
    """Return the tokens that boto3 gets: with no profile named, and with each whose account is told to fit."""
    done = run(tree, sys.executable, "-c", BOTO3, tree.region, json.dumps(tree.told))
    return json.loads(done.stdout)


def by_cli(tree: Tree, program: str) -> dict[str, str]:
    """Return the token that the AWS CLI gets, as people run it; none if it gets none."""
    done = run(tree, program, "ecr", "get-login-password", "--region", tree.region)
    password = done.stdout.strip()
    return {"": base64.b64encode(f"AWS:{password}".encode()).decode()} if password else {}


def by_us(tree: Tree) -> tuple[str, dict[str, object]]:
    """Return the token that stands in docker's file after one run, and the registry's row of `status`."""
    files = {
        ".docker/config.json": json.dumps({"auths": {tree.host: {}}}),
        "config/ecr-refreshd/config.toml": '[docker]\nmode = "auths"\n[notify]\ndesktop = false\n',
    }
    for name, text in files.items():
        path = tree.home / name
        path.parent.mkdir(mode=0o700, parents=True)
        path.write_text(text)
        path.chmod(0o600)
    (tree.home / "run").mkdir(mode=0o700)
    run(tree, sys.executable, "-m", "ecr_refreshd", "run", "--once")
    auths = json.loads((tree.home / ".docker/config.json").read_text())["auths"]
    status = run(tree, sys.executable, "-m", "ecr_refreshd", "status", "--json")
    (row,) = json.loads(status.stdout)["registries"]
    return auths[tree.host].get("auth", ""), row


def accounts(tree: Tree, tokens: dict[str, str]) -> dict[str, str]:
    """Return the accounts of these tokens, but for those that real AWS would not have given."""
    judged = {name: tree.aws.judge(auth) for name, auth in tokens.items()}
    foreign = {call.fingerprint for call in crossing(tree)}
    return {name: each["account"] for name, each in judged.items() if each["fingerprint"] not in foreign}


def crossing(tree: Tree) -> list[Call]:
    """Return the calls in AWS's log that a key of another partition signed."""
    partitions = dict(tree.partitions)
    found = []
    for call in tree.aws.calls():
        if call.issued and call.operation.startswith("AssumeRole"):
            partitions[call.issued] = call.arguments["RoleArn"].split(":")[1]
        if partitions.get(call.access_key) not in {None, regions().get(call.region)}:
            found.append(call)
    return found


def aws_cli() -> str:
    return os.environ.get("ECR_REFRESHD_AWS_CLI") or shutil.which("aws") or ""


def compared(tree: Tree, others: dict[str, str]) -> None:
    """Check that this program gets a token where others got one of the host's account."""
    theirs = accounts(tree, others)
    tree.aws.clear_log()
    ours, row = by_us(tree)
    assert [(call.operation, call.region, call.access_key) for call in crossing(tree)] == []
    if ACCOUNT not in theirs.values():
        return
    assert ours, f"boto3 and the CLI got {theirs}; this program: {row}"
    principal = row["principal"]
    if principal["profile"] not in tree.untold and not principal["other_account"]:
        assert tree.aws.judge(ours)["account"] == ACCOUNT, row


@pytest.mark.parametrize("seed", range(TREES))
def test_what_boto3_gets_this_program_gets(seed: int, tmp_path: Path) -> None:
    with FakeAws() as aws:
        tree = grow(seed, tmp_path, aws)
        compared(tree, by_boto3(tree))


@pytest.mark.parametrize("seed", range(1000, 1000 + TREES // 2))
def test_what_the_aws_cli_gets_this_program_gets(seed: int, tmp_path: Path) -> None:
    need(aws_cli(), "no AWS CLI on PATH, and ECR_REFRESHD_AWS_CLI names none (make awscli)")
    with FakeAws() as aws:
        tree = grow(seed, tmp_path, aws)
        compared(tree, by_cli(tree, aws_cli()))


def test_the_trees_are_worth_something(tmp_path: Path) -> None:
    """Else nothing would be compared: many give a token, some none, and each partition is there."""
    found: list[tuple[str, bool]] = []
    for seed in range(12):
        home = tmp_path / str(seed)
        home.mkdir()
        with FakeAws() as aws:
            tree = grow(seed, home, aws)
            found.append((tree.partition, ACCOUNT in accounts(tree, by_boto3(tree)).values()))
    assert {partition for partition, _ in found} == {*HOSTS}
    assert {got for _, got in found} == {True, False}
