"""Random ``~/.aws`` trees and environments, as the tools of AWS users leave them; and whose keys are in them."""

from __future__ import annotations

import base64
import random
import secrets
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.world import homes
from tests.world.aws import FakeAws

ACCOUNT, OTHER = "724013829182", "111122223333"
HOSTS = {
    "aws": f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com",
    "aws-cn": f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn",
    "aws-us-gov": f"{ACCOUNT}.dkr.ecr.us-gov-west-1.amazonaws.com",
}
REGIONS = {"aws": ["us-west-2", "eu-west-1"], "aws-cn": ["cn-north-1"], "aws-us-gov": ["us-gov-west-1"]}
NAMES = ["dev", "default", "Acme Dev", "ann's-dev", 'say "x"', "größe", "Audit/PowerUser", "ci", "日本"]
DENIED = {"code": "AccessDeniedException", "status": 400}


@dataclass
class Tree:
    """A home, its environment, and the truth about it.

    Attributes:
        partition: of the host that is asked about.
        partitions: access key id -> the partition in which it is worth something.
        told: profiles whose account the files tell, and it is the host's.
    """

    home: Path
    aws: FakeAws
    rng: random.Random
    partition: str
    environ: dict[str, str] = field(default_factory=dict)
    partitions: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return HOSTS[self.partition]

    @property
    def region(self) -> str:
        return REGIONS[self.partition][0]

    def key(self, account: str, partition: str, *, tells: bool = True, token: str = "") -> tuple[str, str]:
        """Make up a key pair that AWS knows; now and then it may do nothing."""
        prefix = "ASIA" if token else "AKIA"
        number = (1 << 47) | int(account) << 7
        inside = base64.b32encode(number.to_bytes(6) + secrets.token_bytes(4)).decode()
        key = prefix + (inside if tells else f"I{secrets.token_hex(8)[:15].upper()}")
        secret = secrets.token_hex(20)
        self.aws.account(key, account, secret, token)
        self.partitions[key] = partition
        if self.rng.random() < 0.15:
            self.aws.fault("GetAuthorizationToken", access_key=key, **DENIED)
        return key, secret

    def place(self, partition: str) -> dict[str, str]:
        """Return the region of a profile; beside keys only it tells their partition."""
        return {"region": self.rng.choice(REGIONS[partition])}


Kind = Callable[[Tree, str, str, str], bool]
"""Writes a profile of an account and a partition; returns whether the files tell its account."""


def static(tree: Tree, name: str, account: str, partition: str) -> bool:
    tells = tree.rng.random() < 0.7
    key, secret = tree.key(account, partition, tells=tells)
    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret}
    if tree.rng.random() < 0.3:
        homes.profile(tree.home, _quoted(name), **keys, **tree.place(partition))
    else:
        homes.section(tree.home / ".aws/credentials", name, keys)
        homes.profile(tree.home, _quoted(name), **tree.place(partition))
    return tells


def session(tree: Tree, name: str, account: str, partition: str) -> bool:
    token = secrets.token_hex(20)
    key, secret = tree.key(account, partition, tells=False, token=token)
    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret, "aws_session_token": token}
    tells = tree.rng.random() < 0.5
    if tells:
        keys["x_principal_arn"] = f"arn:{partition}:sts::{account}:assumed-role/Dev/me"
    homes.section(tree.home / ".aws/credentials", name, keys | tree.place(partition))
    return tells


def sso(tree: Tree, name: str, account: str, partition: str) -> bool:
    living = tree.rng.random() < 0.6
    sso_region, login = REGIONS[partition][-1], f"https://{partition}.awsapps.com/start"
    where = {"sso_start_url": login, "sso_region": sso_region}
    keys = {"sso_account_id": account, "sso_role_name": "Dev"}
    if tree.rng.random() < 0.5:
        login = f"s {partition}"
        config = tree.home / ".aws/config"
        if not (config.exists() and login in config.read_text()):
            homes.section(config, f"sso-session '{login}'", where)
        keys |= {"sso_session": login, **tree.place(partition)}
    else:
        keys |= where
    homes.profile(tree.home, _quoted(name), **keys)
    if living or not homes.token_file(tree.home, login).exists():
        homes.sso_login(tree.home, tree.aws, login, ttl=3000 if living else -60, refreshable=False)
    return True


def role(tree: Tree, name: str, account: str, partition: str) -> bool:
    source = f"{name} source"
    key, secret = tree.key(OTHER, partition, tells=tree.rng.random() < 0.5)
    homes.section(
        tree.home / ".aws/credentials", source, {"aws_access_key_id": key, "aws_secret_access_key": secret}
    )
    arn = f"arn:{partition}:iam::{account}:role/Dev"
    homes.role_chain(tree.home, _quoted(name), arn, source, **tree.place(partition))
    return True


def credential_source(tree: Tree, name: str, account: str, partition: str) -> bool:
    source = tree.rng.choice(["Environment", "Ec2InstanceMetadata", "EcsContainer"])
    arn = f"arn:{partition}:iam::{account}:role/Dev"
    homes.profile(tree.home, _quoted(name), role_arn=arn, credential_source=source, **tree.place(partition))
    return True


def program(tree: Tree, name: str, account: str, partition: str) -> bool:
    key, secret = tree.key(account, partition, tells=False)
    failing = "import sys\nsys.exit('not signed in')\n"
    script = failing if tree.rng.random() < 0.3 else homes.printed_credentials(key, secret)
    path = tree.home / f"program-{secrets.token_hex(4)}.py"
    path.write_text(script)
    tells = tree.rng.choice(["", "arn", "granted"])
    words = [sys.executable, str(path)]
    if tells == "arn":
        words += ["--arn", f"arn:{partition}:iam::{account}:role/Dev"]
    granted = {"granted_sso_account_id": account} if tells == "granted" else {}
    keys = {"credential_process": shlex.join(words), **granted, **tree.place(partition)}
    homes.profile(tree.home, _quoted(name), **keys)
    return bool(tells)


def web_identity(tree: Tree, name: str, account: str, partition: str) -> bool:
    token = tree.home / "web-identity-token"
    token.write_text("header.payload.signature")
    arn = f"arn:{partition}:iam::{account}:role/pod"
    homes.profile(
        tree.home, _quoted(name), role_arn=arn, web_identity_token_file=str(token), **tree.place(partition)
    )
    return True


def bare(tree: Tree, name: str, account: str, partition: str) -> bool:
    keys = tree.rng.choice([{}, {"output": "json"}, {"mfa_serial": f"arn:aws:iam::{account}:mfa/me"}])
    where = tree.place(tree.partition) if tree.rng.random() < 0.8 else {}
    homes.profile(tree.home, _quoted(name), **keys, **where)
    return False


KINDS: list[Kind] = [
    static,
    static,
    session,
    sso,
    sso,
    role,
    credential_source,
    program,
    web_identity,
    bare,
    bare,
]


def _quoted(name: str) -> str:
    return name if name == "default" else shlex.quote(name)


def grow(seed: int, home: Path, aws: FakeAws) -> Tree:
    """Make a home up, the same for the same seed but for the keys."""
    rng = random.Random(seed)
    tree = Tree(home, aws, rng, rng.choice(["aws", "aws", "aws", "aws-cn", "aws-us-gov"]))
    (home / ".aws").mkdir(mode=0o700)
    names = rng.sample(NAMES, rng.choice([0, 1, 1, 2, 2, 3, 4]))
    for name in names:
        partition = tree.partition if rng.random() < 0.75 else rng.choice([*HOSTS])
        account = ACCOUNT if rng.random() < 0.6 else OTHER
        tells = rng.choice(KINDS)(tree, name, account, partition)
        if tells and account == ACCOUNT and partition == tree.partition:
            tree.told.append(name)
        elif not tells and account == OTHER:
            tree.untold.append(name)
    _around(tree, names)
    return tree


def _around(tree: Tree, names: list[str]) -> None:
    """Set variables, and give the machine a role."""
    rng = tree.rng
    if names and rng.random() < 0.5:
        tree.environ[rng.choice(["AWS_PROFILE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"])] = rng.choice(names)
    account = ACCOUNT if rng.random() < 0.7 else OTHER
    if rng.random() < 0.25:
        partition = tree.partition if rng.random() < 0.8 else rng.choice([*HOSTS])
        tells = rng.random() < 0.6
        key, secret = tree.key(account, partition, tells=tells)
        tree.environ |= {
            "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": REGIONS[partition][0],
        }  # fmt: skip
        if account == OTHER and not tells:
            tree.untold.append("")
    around = rng.choice(["none", "none", "container", "instance", "web identity"])
    if around == "container":
        tree.environ |= tree.aws.container_environment(account)
    elif around == "instance":
        tree.aws.set(instance_role="builder", instance_account=account)
    elif around == "web identity":
        token = tree.home / "jwt"
        token.write_text("header.payload.signature")
        arn = f"arn:{tree.partition}:iam::{account}:role/pod"
        tree.environ |= {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": arn}
    if around in {"container", "instance"} and account == OTHER:
        tree.untold.append("")
