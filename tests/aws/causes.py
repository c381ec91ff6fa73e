"""Set up causes that are easily named wrongly: mistakes in files, odd programs, proxies, metadata, TLS."""

from __future__ import annotations

import hashlib
import json

from tests.aws.situations import ACCOUNT, ROLE, SetUp, World, no_login, sso
from tests.world import homes
from tests.world.certificates import self_signed
from tests.world.loopback import Answer, HangUp, Loopback, Request, as_json
from tests.world.registry import tls_context

GOOD = '{"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "s"%s}'


def prints(more: str) -> str:
    """The text of a program that prints credentials, and this."""
    return f"print({GOOD % more!r})"


def without_machine(base: SetUp) -> SetUp:
    """Where neither a container nor an instance gives credentials."""

    def set_up(world: World, name: str) -> None:
        base(world, name)
        world.environ["AWS_EC2_METADATA_DISABLED"] = "true"

    return set_up


# -- files -----------------------------------------------------------------------------------------------------


def config_is(content: bytes) -> SetUp:
    """The whole config file; {name} in it is the profile's."""

    def set_up(world: World, name: str) -> None:
        path = world.home / ".aws/config"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.replace(b"{name}", name.encode()))

    return set_up


def config_adds(text: str) -> SetUp:
    """These lines at the end of the config file; {name} in them is the profile's."""

    def set_up(world: World, name: str) -> None:
        path = world.home / ".aws/config"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(text.replace("{name}", name) + "\n")

    return set_up


def two_words(world: World, name: str) -> None:
    """The profile's name has a blank, and its title lacks the quotes."""
    world.profile = "Acme Dev"
    config_adds("[profile Acme Dev]\nregion = us-west-2\nsso_account_id = 1\n")(world, name)


def keys_in_quotes(world: World, name: str) -> None:
    key = homes.access_key()
    world.aws.account(f'"{key}"', "000000000000")
    homes.section(
        world.home / ".aws/credentials", name, {"aws_access_key_id": f'"{key}"', "aws_secret_access_key": "x"}
    )
    world.aws.fault("GetAuthorizationToken", access_key=f'"{key}"', code="UnrecognizedClientException")


def account_with_comment(world: World, name: str) -> None:
    """Real AWS refuses such an account; the portal is told to."""
    no_login(world, f"{name}-session")
    homes.sso_login(world.home, world.aws, f"{name}-session")
    homes.profile(
        world.home,
        name,
        sso_session=f"{name}-session",
        sso_account_id=f"{ACCOUNT} # dev",
        sso_role_name="Dev",
    )
    world.aws.fault("GetRoleCredentials", code="ForbiddenException")


def role_beside_sso(world: World, name: str) -> None:
    homes.profile(
        world.home,
        name,
        role_arn=ROLE,
        sso_start_url=homes.START_URL,
        sso_region="us-east-1",
        sso_account_id=ACCOUNT,
        sso_role_name="Dev",
    )


def source_misspelt(world: World, name: str) -> None:
    world.keys(f"{name}-base")
    homes.role_chain(world.home, name, ROLE, f"{name}-bsae")


def source_untitled(world: World, name: str) -> None:
    lines = "region = us-west-2\naws_access_key_id = AKIA\naws_secret_access_key = x"
    config_adds(f"[Profile {name}-base]\n{lines}\n")(world, name)
    homes.role_chain(world.home, name, ROLE, f"{name}-base")


def session_untitled(world: World, name: str) -> None:
    lines = f"sso_start_url = {homes.START_URL}\nsso_region = us-east-1"
    config_adds(f"[sso_session {name}]\n{lines}\n")(world, name)
    homes.profile(world.home, name, sso_session=name, sso_account_id=ACCOUNT, sso_role_name="Dev")


# -- logins ----------------------------------------------------------------------------------------------------


def sso_says(**changes: object) -> SetUp:
    """A living login whose file says something else in these places."""

    def set_up(world: World, name: str) -> None:
        sso(ttl=-60 if "registrationExpiresAt" in changes or "refreshToken" in changes else None)(world, name)
        path = homes.token_file(world.home, name)
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return set_up


def sso_is(content: str) -> SetUp:
    """A login file with this content."""

    def set_up(world: World, name: str) -> None:
        no_login(world, name)
        path = homes.token_file(world.home, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    return set_up


def mfa_cached_without_end(world: World, name: str) -> None:
    """What the AWS CLI has cached of a code names no end that can be read."""
    world.keys(f"{name}-source")
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/me"
    homes.role_chain(world.home, name, ROLE, f"{name}-source", mfa_serial=serial)
    asked = json.dumps({"RoleArn": ROLE, "SerialNumber": serial}, sort_keys=True)
    path = world.home / ".aws/cli/cache" / f"{hashlib.sha1(asked.encode()).hexdigest()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = {"AccessKeyId": "ASIA", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "soon"}
    path.write_text(json.dumps({"Credentials": keys}))


# -- programs --------------------------------------------------------------------------------------------------


def runs(command: str, script: str = "") -> SetUp:
    """A credential_process line; {program} in it is a program with this text."""

    def set_up(world: World, name: str) -> None:
        program = world.home / f"program-{name}"
        program.write_text(script)
        program.chmod(0o700)
        homes.profile(world.home, name, credential_process=command.replace("{program}", str(program)))

    return set_up


# -- the way to AWS --------------------------------------------------------------------------------------------


def refusing_proxy(status: int, *, scheme: str) -> SetUp:
    """A real proxy that answers every request, CONNECT too, with this status."""

    def set_up(world: World, name: str) -> None:
        proxy = world.open.enter_context(Loopback(lambda _request: Answer(status, b"<html>no</html>")))
        world.keys(name)
        world.endpoint = f"{scheme}://api.ecr.us-west-2.amazonaws.com"
        world.environ[f"{scheme.upper()}_PROXY"] = proxy.url.replace("//", "//user:secret@")

    return set_up


def proxy_without_name(world: World, name: str) -> None:
    world.keys(name)
    world.endpoint = "https://api.ecr.us-west-2.amazonaws.com"
    world.environ["HTTPS_PROXY"] = "http://proxy.invalid:3128"


def metadata(roles: Answer | None, *, token: Answer | None, credentials: Answer | None = None) -> SetUp:
    """An instance whose metadata service answers so to each request; None: it never does."""

    def set_up(world: World, _name: str) -> None:
        world.profile = ""
        server: Loopback

        def respond(request: Request) -> Answer:
            answer = (
                token if request.method == "PUT" else roles if request.path.endswith("/") else credentials
            )
            if answer is None:
                server.stopping.wait()
                raise HangUp
            return answer

        server = world.open.enter_context(Loopback(respond))
        world.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server.url

    return set_up


REFUSED_BY_EC2 = as_json(
    {"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume the role dev."}
)


def metadata_nowhere(world: World, _name: str) -> None:
    world.profile = ""
    world.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:9"


def tls_trusted_by_system(world: World, name: str) -> None:
    """A company's proxy shows its own certificate, which the system's list has and botocore's has not."""
    certificate, key = self_signed(world.home / f"tls-{name}", [])
    server = world.open.enter_context(Loopback(lambda _request: Answer(), tls=tls_context(certificate, key)))
    world.keys(name)
    world.endpoint = server.url
    world.environ["SSL_CERT_FILE"] = str(certificate)
