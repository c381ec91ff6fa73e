"""What may go wrong: a rule says which calls it spoils, how, and how often. The first living rule wins.

The ways: ``error`` an AWS error document; ``ok`` only the delay; ``hang`` no answer until the world ends or the
rule is lifted; ``reset`` the connection is cut; ``portal`` a captive portal's 200 with HTML; ``proxy`` a
corporate proxy's 403 (or `status`) with HTML; ``empty`` an answer without its content; ``past`` a token that is
already dead.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

WAYS = ("error", "ok", "hang", "reset", "portal", "proxy", "empty", "past")

# The statuses with which the services really send these codes (reference: botocore service models, AWS docs).
STATUS = {
    "AccessDenied": 403,
    "ExpiredToken": 403,
    "ForbiddenException": 403,
    "InternalFailure": 500,
    "InternalServerException": 500,
    "InvalidClientException": 401,
    "InvalidClientTokenId": 403,
    "ResourceNotFoundException": 404,
    "ServerException": 500,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "TooManyRequestsException": 429,
    "UnauthorizedException": 401,
}

MESSAGE = {
    "AccessDenied": "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: sts:AssumeRole",
    "AccessDeniedException": "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: "
    "ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the "
    "ecr:GetAuthorizationToken action",
    "ExpiredToken": "The security token included in the request is expired",
    "ExpiredTokenException": "The security token included in the request is expired",
    "ForbiddenException": "No access",
    "InvalidClientTokenId": "The security token included in the request is invalid.",
    "InvalidGrantException": "Invalid refresh token provided",
    "InvalidSignatureException": "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method.",
    "ThrottlingException": "Rate exceeded",
    "UnauthorizedException": "Session token not found or invalid",
    "UnrecognizedClientException": "The security token included in the request is invalid.",
}


@dataclass(slots=True)
class Fault:
    """One rule.

    Attributes:
        operation: an API operation (``AssumeRole``), that of one service (``ecr-public:GetAuthorizationToken``)
            or ``*``.
        access_key: only calls signed with this key id; empty for any.
        region: only calls to this region; empty for any.
        way: one of `WAYS`.
        code, status, message: the error document; status and message default to the code's own.
        extra: further top-level fields of a JSON error document (sign-in's ``error``).
        times: how many calls it spoils; None for all.
        delay: seconds to wait first.
        delay_after: seconds to wait between the work and the answer (a refresh token is then already spent).
            Both delays end when the rule is lifted.
    """

    operation: str = "*"
    access_key: str = ""
    region: str = ""
    way: str = "error"
    code: str = "ServerException"
    status: int = 0
    message: str = ""
    extra: dict[str, str] = field(default_factory=dict)
    times: int | None = None
    delay: float = 0.0
    delay_after: float = 0.0
    lifted: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            raise ValueError(f"{self.way!r} is none of {', '.join(WAYS)}")
        self.status = self.status or (403 if self.way == "proxy" else STATUS.get(self.code, 400))
        self.message = self.message or MESSAGE.get(self.code, self.code)

    def fits(self, service: str, operation: str, access_key: str, region: str) -> bool:
        """Whether the rule is about this call."""
        return (
            self.operation in {"*", operation, f"{service}:{operation}"}
            and self.access_key in {"", access_key}
            and self.region in {"", region}
        )


class Faults:
    """The rules in force, in the order they were set. Safe to use from many threads."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._guard = threading.Lock()

    def add(self, rule: Fault) -> None:
        """Put a rule in force, behind those that are."""
        with self._guard:
            self._rules.append(rule)

    def clear(self) -> None:
        """Lift every rule; what hangs by one goes on with a cut connection."""
        with self._guard:
            lifted, self._rules = self._rules, []
        for rule in lifted:
            rule.lifted.set()

    def take(self, service: str, operation: str, access_key: str, region: str) -> Fault | None:
        """Return the rule that spoils this call, counting it, or None."""
        with self._guard:
            for rule in self._rules:
                if rule.times == 0 or not rule.fits(service, operation, access_key, region):
                    continue
                if rule.times is not None:
                    rule.times -= 1
                return rule
        return None
