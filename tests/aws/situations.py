"""Sets up what can go wrong for one profile, by files and by faults of the fake AWS that meet it alone."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from ecr_refreshd.core.model import Grant, Principal
from tests.aws.asking import REGION
from tests.aws.signin import ARN, aws_login, login_file
from tests.world import cli, homes
from tests.world.aws import FakeAws
from tests.world.certificates import self_signed
from tests.world.loopback import Answer, Loopback
from tests.world.registry import tls_context
from tests.world.rendering import iso

ACCOUNT = "724013829182"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/dev"


@dataclass
class World:
    """Where a row happens, and what of the usual it changes: the child's environment, and the grant asked for."""

    aws: FakeAws
    home: Path
    open: ExitStack
    environ: dict[str, str] = field(default_factory=dict)
    profile: str | None = None
    endpoint: str = ""
    region: str = REGION
    service: str = "ecr"
    dualstack: bool = False

    def grant(self, name: str) -> Grant:
        profile = name if self.profile is None else self.profile
        return Grant(
            Principal(profile),
            self.service,
            self.region,
            dualstack=self.dualstack,
            endpoint_url=self.endpoint,
        )

    def keys(self, name: str, **fault: object) -> str:
        """A profile with good keys, whose calls for a token meet this fault."""
        key = homes.access_key()
        homes.static_keys(self.home, name, key, aws=self.aws, account=ACCOUNT)
        if fault:
            self.aws.fault("GetAuthorizationToken", access_key=key, **fault)
        return key


SetUp = Callable[[World, str], object]


# -- keys, roles, profiles -------------------------------------------------------------------------------------


def keys(**fault: object) -> SetUp:
    return lambda world, name: world.keys(name, **fault)


def profile(**keys: str) -> SetUp:
    return lambda world, name: homes.profile(world.home, name, **keys)


def credentials(**keys: str) -> SetUp:
    return lambda world, name: homes.section(world.home / ".aws/credentials", name, keys)


def role(**fault: object) -> SetUp:
    """A role assumed with good keys; the fault meets STS."""

    def set_up(world: World, name: str) -> None:
        key = world.keys(f"{name}-source")
        if fault:
            world.aws.fault("AssumeRole", access_key=key, **fault)
        homes.role_chain(world.home, name, ROLE, f"{name}-source")

    return set_up


def wrong_secret(world: World, name: str) -> None:
    key = homes.access_key()
    homes.static_keys(world.home, name, key, secret="guessed")
    world.aws.account(key, ACCOUNT, secret="the real one")


def loop(world: World, name: str) -> None:
    homes.role_chain(world.home, name, ROLE, f"{name}-2")
    homes.role_chain(world.home, f"{name}-2", ROLE, name)


def source_without_credentials(world: World, name: str) -> None:
    homes.profile(world.home, f"{name}-source", region="us-west-2")
    homes.role_chain(world.home, name, ROLE, f"{name}-source")


def missing_profile(world: World, name: str) -> None:
    world.keys("production")
    world.profile = "prodcution"


def malformed(world: World, _name: str) -> None:
    (world.home / ".aws").mkdir(exist_ok=True)
    (world.home / ".aws/config").write_text("aws_secret_access_key CANARY\n")


def region_malformed(world: World, name: str) -> None:
    """Only what is asked for below the registry's own call goes to the profile's region."""
    homes.static_keys(world.home, name, homes.access_key())
    homes.profile(world.home, name, region="no region!", role_arn=ROLE, source_profile=name)


def region_unknown(world: World, name: str) -> None:
    """What no partition knows has no name in DNS either."""
    world.keys(name)
    world.region, world.endpoint = "us-nowhere-9", "http://api.ecr.us-nowhere-9.invalid"


def no_variant(world: World, name: str) -> None:
    world.keys(name)
    world.region, world.dualstack = "eu-isoe-west-1", True
    world.environ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true"


def program(script: str) -> SetUp:
    return lambda world, name: homes.credential_process(world.home, name, script)


# -- logins ----------------------------------------------------------------------------------------------------


def no_login(world: World, name: str) -> None:
    homes.sso_profile(world.home, name, ACCOUNT, session=name)


def logged_out(world: World, name: str) -> None:
    sso()(world, name)
    homes.token_file(world.home, name).unlink()


def sso_inconsistent(world: World, name: str) -> None:
    """The profile names another start URL than its sso-session."""
    no_login(world, f"{name}-other")
    homes.profile(
        world.home,
        name,
        sso_session=f"{name}-other",
        sso_start_url="https://other.awsapps.com/start",
        sso_account_id=ACCOUNT,
        sso_role_name="Dev",
    )


def damaged_sso(content: str) -> SetUp:
    def set_up(world: World, name: str) -> None:
        no_login(world, name)
        path = homes.token_file(world.home, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    return set_up


def sso(*, ended: bool = False, **login: object) -> SetUp:
    """A login of its own, ended at AWS or not; `login` is for `homes.sso_login`."""

    def set_up(world: World, name: str) -> None:
        no_login(world, name)
        homes.sso_login(world.home, world.aws, name, **login)
        if ended:
            world.aws.sso_end(name)

    return set_up


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


def portal(**fault: object) -> SetUp:
    """A good login, and the portal fails. Alone: its calls are not signed."""

    def set_up(world: World, name: str) -> None:
        sso()(world, name)
        world.aws.fault("GetRoleCredentials", **fault)

    return set_up


def refresh(**fault: object) -> SetUp:
    """A login to be refreshed, and that fails. Alone: such calls are not signed."""

    def set_up(world: World, name: str) -> None:
        sso(ttl=-60)(world, name)
        world.aws.fault("CreateToken", **fault)

    return set_up


def torn_login(content: str) -> SetUp:
    def set_up(world: World, name: str) -> None:
        homes.profile(world.home, name, login_session=ARN, region="us-west-2")
        login_file(world.home).parent.mkdir(parents=True)
        login_file(world.home).write_text(content)

    return set_up


def login(path: str = "", **fault: object) -> SetUp:
    """An `aws login` to be refreshed beside the AWS CLI (unless `path` leads elsewhere), and that fails."""

    def set_up(world: World, name: str) -> None:
        homes.profile(world.home, name, login_session=ARN, region="us-west-2")
        aws_login(world.home, world.aws, ttl=-60)
        world.environ["PATH"] = path or cli.install(world.home)
        if fault:
            world.aws.fault("CreateOAuth2Token", **fault)

    return set_up


def sign_in_says(error: str) -> SetUp:
    return login(code="AccessDeniedException", status=400, extra={"error": error})


def mfa(world: World, name: str) -> None:
    world.keys(f"{name}-source")
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/me"
    homes.role_chain(world.home, name, ROLE, f"{name}-source", mfa_serial=serial)


def mfa_over(world: World, name: str) -> None:
    """What a person got with a code has ended."""
    mfa(world, name)
    keys = {
        "AccessKeyId": "ASIA",
        "SecretAccessKey": "s",
        "SessionToken": "t",
        "Expiration": iso(time.time() - 60),
    }
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/me"
    asked = json.dumps({"RoleArn": ROLE, "SerialNumber": serial}, sort_keys=True)
    path = world.home / ".aws/cli/cache" / f"{hashlib.sha1(asked.encode()).hexdigest()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"Credentials": keys}))


# -- surroundings ----------------------------------------------------------------------------------------------


def around(**environ: str) -> SetUp:
    """The ambient chain, in this environment."""

    def set_up(world: World, _name: str) -> None:
        world.profile = ""
        world.environ |= environ

    return set_up


def environment_over(world: World, _name: str) -> None:
    world.profile = ""
    keys = {"AWS_ACCESS_KEY_ID": "ASIAOLD", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "y"}
    world.environ |= keys
    world.aws.fault("GetAuthorizationToken", access_key="ASIAOLD", code="ExpiredTokenException")


def container(**fault: object) -> SetUp:
    def set_up(world: World, _name: str) -> None:
        world.profile = ""
        world.environ |= world.aws.container_environment(ACCOUNT)
        world.aws.fault("ContainerCredentials", **fault)

    return set_up


def web_identity(**fault: object) -> SetUp:
    def set_up(world: World, name: str) -> None:
        homes.web_identity(world.home, name, ROLE)
        world.aws.fault("AssumeRoleWithWebIdentity", **fault)

    return set_up


def identity_without_file(world: World, name: str) -> None:
    homes.web_identity(world.home, name, ROLE).unlink()


# -- the way to AWS --------------------------------------------------------------------------------------------


def at(endpoint: str) -> SetUp:
    """Good keys, and the registry's endpoint is somewhere else."""

    def set_up(world: World, name: str) -> None:
        world.keys(name)
        world.endpoint = endpoint

    return set_up


def behind(**environ: str) -> SetUp:
    """Good keys, in this environment."""

    def set_up(world: World, name: str) -> None:
        world.keys(name)
        world.environ |= environ

    return set_up


def clock(offset: float, base: SetUp) -> SetUp:
    """AWS's clock is so many seconds ahead of ours."""

    def set_up(world: World, name: str) -> None:
        base(world, name)
        world.aws.set(clock_offset=offset)

    return set_up


def connect_timeout(world: World, name: str) -> None:
    """Nobody accepts, and the queue of those who wait to be accepted is full: the kernel drops the rest."""
    listener = world.open.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(4):
        waiting = world.open.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
    at(f"http://127.0.0.1:{listener.getsockname()[1]}")(world, name)


def tls_untrusted(world: World, name: str) -> None:
    tls = tls_context(*self_signed(world.home / f"tls-{name}", []))
    server = world.open.enter_context(Loopback(lambda _request: Answer(), tls=tls))
    at(server.url)(world, name)


def tls_no_bundle(world: World, name: str) -> None:
    tls_untrusted(world, name)
    homes.profile(world.home, name, ca_bundle="/nonexistent/ca.pem")


def tls_empty_bundle(world: World, name: str) -> None:
    tls_untrusted(world, name)
    (world.home / "empty.pem").write_text("# none yet\n")
    homes.profile(world.home, name, ca_bundle=str(world.home / "empty.pem"))


def tls_plain_port(world: World, name: str) -> None:
    at(world.aws.url.replace("http:", "https:"))(world, name)
