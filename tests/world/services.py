"""What each AWS service answers: ECR, ECR Public, STS, Identity Center's portal and OIDC, Sign-In, metadata.

The forms are those that botocore parses today: JSON 1.1 for the two ECRs (a list for one, an object for the
other), query and XML for STS, REST-JSON for the rest, plain documents for containers and instances.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from tests.world.faults import MESSAGE
from tests.world.loopback import Answer, Request, as_json
from tests.world.mint import Issued, Mint
from tests.world.rendering import JSON11, iso, xml
from tests.world.signing import Caller, Keyring
from tests.world.sso import Portal, Refused


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set while the fake runs. Durations in seconds, fractions count.

    Attributes:
        ttl: life of an authorization token.
        role_ttl: life of credentials from a role, a container, an instance, SSO or Sign-In.
        sso_token_ttl: life of an SSO access token.
        refresh_tokens: ``one-time``, ``reusable`` or ``none`` (see `sso.Portal.refresh`).
        clock_offset: AWS's clock minus this machine's.
        send_date: whether answers carry a Date header.
        default_account: whose the keys are that nobody has registered.
        container_token: what the container endpoint wants as authorization; nothing by default.
        instance_role, instance_account: the role of the EC2 instance; no role means no instance profile.
        latency: added to every answer.
    """

    ttl: float = 12 * 3600.0
    role_ttl: float = 3600.0
    sso_token_ttl: float = 3600.0
    refresh_tokens: str = "one-time"
    clock_offset: float = 0.0
    send_date: bool = True
    default_account: str = "123456789012"
    container_token: str = ""
    instance_role: str = ""
    instance_account: str = "123456789012"
    latency: float = 0.0


@dataclass(slots=True)
class Call:
    """One call as the log has it; times in seconds since 1970.

    `outcome` is ``ok``, an error code, or a fault's way; `in_flight` counts this call and those under way;
    `issued` is the id of the access key that the answer held.
    """

    service: str
    operation: str
    region: str
    host: str
    access_key: str
    account: str
    signed: bool
    scope: str
    user_agent: str
    at: float
    ended: float | None = None
    in_flight: int = 0
    outcome: str = ""
    fingerprint: str = ""
    issued: str = ""
    arguments: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Services:
    """The state behind the answers."""

    settings: Settings
    mint: Mint
    keys: Keyring
    portal: Portal

    def now(self) -> float:
        """AWS's own time."""
        return time.time() + self.settings.clock_offset

    def answer(self, call: Call, request: Request, caller: Caller, ttl: float | None) -> Answer:
        """Do what the call asks for.

        Args:
            call: its page in the log; takes the fingerprint of what is issued.
            request: as it came.
            caller: who signed it.
            ttl: overrides the authorization token's life (a fault's doing).

        Raises:
            Refused: the service says no.
        """
        if call.service in {"ecr", "ecr-public", "sts"} and call.operation != "AssumeRoleWithWebIdentity":
            _admit(call.service, caller)
        if call.operation == "GetAuthorizationToken":
            issued = self.mint.issue(
                call.service, call.region, call.account, self.settings.ttl if ttl is None else ttl
            )
            call.fingerprint = issued.fingerprint
            return _authorization(issued, request)
        return _OPERATIONS[call.operation](self, call, request)


def _admit(service: str, caller: Caller) -> None:
    codes = {
        "missing": ("MissingAuthenticationTokenException", "MissingAuthenticationToken"),
        "expired": ("ExpiredTokenException", "ExpiredToken"),
        "unknown": ("UnrecognizedClientException", "InvalidClientTokenId"),
        "clock": ("InvalidSignatureException", "SignatureDoesNotMatch"),
        "signature": ("InvalidSignatureException", "SignatureDoesNotMatch"),
    }
    if caller.trouble:
        code = codes[caller.trouble][service == "sts"]
        raise Refused(code, caller.detail or MESSAGE.get(codes[caller.trouble][0], ""))


def _authorization(issued: Issued, request: Request) -> Answer:
    data: dict[str, Any] = {"authorizationToken": issued.auth, "expiresAt": round(issued.expires_at, 3)}
    if issued.service == "ecr-public":
        return as_json({"authorizationData": data}, content_type=JSON11)
    suffix = "amazonaws.com.cn" if issued.region.startswith("cn-") else "amazonaws.com"
    accounts = request.json().get("registryIds") or [issued.account]
    listed = [
        data | {"proxyEndpoint": f"https://{account}.dkr.ecr.{issued.region}.{suffix}"}
        for account in accounts
    ]
    return as_json({"authorizationData": listed}, content_type=JSON11)


def _assume_role(services: Services, call: Call, request: Request) -> Answer:
    form = request.form()
    role = form["RoleArn"]
    lasting = min(services.settings.role_ttl, float(form.get("DurationSeconds", 3600)))
    key = services.keys.issue(role.split(":")[4], services.now() + lasting)
    call.issued = key.access_key
    name, session = role.rpartition("/")[2], form.get("RoleSessionName", "session")
    arn = f"arn:aws:sts::{key.account}:assumed-role/{name}/{session}"
    return xml(
        call.operation,
        f"<Credentials><AccessKeyId>{key.access_key}</AccessKeyId><SecretAccessKey>{key.secret}</SecretAccessKey>"
        f"<SessionToken>{key.token}</SessionToken><Expiration>{iso(services.now() + lasting)}</Expiration>"
        f"</Credentials><AssumedRoleUser><Arn>{escape(arn)}</Arn><AssumedRoleId>AROAFAKE:{escape(session)}"
        "</AssumedRoleId></AssumedRoleUser>",
    )


def _caller_identity(_: Services, call: Call, __: Request) -> Answer:
    arn = f"arn:aws:iam::{call.account}:user/dev"
    return xml(call.operation, f"<Arn>{arn}</Arn><UserId>AIDAFAKE</UserId><Account>{call.account}</Account>")


def _role_credentials(services: Services, call: Call, request: Request) -> Answer:
    if not services.portal.admits(request.headers.get("x-amz-sso_bearer_token", ""), services.now()):
        raise Refused("UnauthorizedException")
    expires_at = services.now() + services.settings.role_ttl
    key = services.keys.issue(request.query["account_id"], expires_at)
    call.account, call.issued = key.account, key.access_key
    credentials = {
        "accessKeyId": key.access_key,
        "secretAccessKey": key.secret,
        "sessionToken": key.token,
        "expiration": int(expires_at * 1000),
    }
    return as_json({"roleCredentials": credentials})


def _create_token(services: Services, _: Call, request: Request) -> Answer:
    asked = request.json()
    if asked.get("grantType") != "refresh_token":
        raise Refused("UnsupportedGrantTypeException", error="unsupported_grant_type")
    settings = services.settings
    expires_at = services.now() + settings.sso_token_ttl
    tokens = services.portal.refresh(asked["refreshToken"], expires_at, mode=settings.refresh_tokens)
    return as_json(tokens | {"tokenType": "Bearer", "expiresIn": int(settings.sso_token_ttl)})


def _create_oauth2_token(services: Services, call: Call, request: Request) -> Answer:
    asked = request.json()
    expires_at = services.now() + services.settings.role_ttl
    try:
        tokens = services.portal.refresh(asked["refreshToken"], expires_at, mode="one-time")
    except Refused as error:
        raise Refused(
            "AccessDeniedException", "The login session has ended", error="TOKEN_EXPIRED"
        ) from error
    key = services.keys.issue(services.settings.default_account, expires_at)
    call.account, call.issued = key.account, key.access_key
    inner = {"accessKeyId": key.access_key, "secretAccessKey": key.secret, "sessionToken": key.token}
    return as_json(
        {
            "accessToken": inner,
            "tokenType": "aws_sigv4",
            "expiresIn": int(services.settings.role_ttl),
            "refreshToken": tokens["refreshToken"],
        }
    )


def _container(services: Services, call: Call, request: Request) -> Answer:
    wanted = services.settings.container_token
    if wanted and request.headers.get("authorization") != wanted:
        return Answer(401)
    call.account = request.path.rpartition("/")[2]
    return as_json(_document(services, call))


def _metadata(services: Services, call: Call, request: Request) -> Answer:
    """IMDSv2: a session token first, then the role's name, then its credentials; nothing without the token."""
    if request.path == "/latest/api/token":
        if request.method != "PUT":
            return Answer(405)
        lasting = request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "21600")
        return Answer(
            200,
            b"IMDS" + secrets.token_urlsafe(40).encode(),
            {"X-aws-ec2-metadata-token-ttl-seconds": lasting},
        )
    if not request.headers.get("x-aws-ec2-metadata-token", "").startswith("IMDS"):
        return Answer(401)
    role = services.settings.instance_role
    folder = "/latest/meta-data/iam/security-credentials/"
    if request.path == folder and role:
        return Answer(200, role.encode())
    if request.path == folder + role and role:
        call.account = services.settings.instance_account
        return as_json({"Code": "Success", "Type": "AWS-HMAC"} | _document(services, call))
    if request.path == "/latest/meta-data/placement/availability-zone/":
        return Answer(200, b"us-west-2a")
    return Answer(404)


def _document(services: Services, call: Call) -> dict[str, str]:
    expires_at = services.now() + services.settings.role_ttl
    key = services.keys.issue(call.account, expires_at)
    call.issued = key.access_key
    return {
        "AccessKeyId": key.access_key,
        "SecretAccessKey": key.secret,
        "Token": key.token,
        "Expiration": iso(expires_at),
    }


_OPERATIONS: dict[str, Callable[[Services, Call, Request], Answer]] = {
    "AssumeRole": _assume_role,
    "AssumeRoleWithWebIdentity": _assume_role,
    "GetCallerIdentity": _caller_identity,
    "GetRoleCredentials": _role_credentials,
    "CreateToken": _create_token,
    "CreateOAuth2Token": _create_oauth2_token,
    "ContainerCredentials": _container,
    "InstanceMetadata": _metadata,
}


def route(request: Request) -> tuple[str, str]:
    """Return the service and the operation that a request means; (``unknown``, its path) for none."""
    target = request.headers.get("x-amz-target", "")
    service = {"AmazonEC2ContainerRegistry_V20150921": "ecr", "SpencerFrontendService": "ecr-public"}.get(
        target.partition(".")[0]
    )
    if service and target.endswith(".GetAuthorizationToken"):
        return service, "GetAuthorizationToken"
    if request.path == "/" and request.form().get("Action") in _OPERATIONS:
        return "sts", request.form()["Action"]
    if request.path.startswith("/latest/"):
        return "imds", "InstanceMetadata"
    if request.path.startswith("/container/"):
        return "container", "ContainerCredentials"
    return {
        ("GET", "/federation/credentials"): ("sso", "GetRoleCredentials"),
        ("POST", "/token"): ("sso-oidc", "CreateToken"),
        ("POST", "/v1/token"): ("signin", "CreateOAuth2Token"),
    }.get((request.method, request.path), ("unknown", request.path))


def arguments(request: Request) -> dict[str, str]:
    """What of a call the log may show: accounts, roles and grant types; never a token or a secret."""
    shown = {
        "account_id",
        "role_name",
        "RoleArn",
        "RoleSessionName",
        "ExternalId",
        "grantType",
        "registryIds",
    }
    try:
        sent = request.json()
    except ValueError:
        sent = request.form()
    return {name: str(value) for name, value in (sent | request.query).items() if name in shown}
