"""What an error answer of AWS asks of whom: the rows of aws.md 2.5 that come as botocore's ClientError."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ecr_refreshd.aws.answers import clock_lead
from ecr_refreshd.aws.asker import Asker, sentence
from ecr_refreshd.aws.redact import first_line
from ecr_refreshd.core.model import Category, Failure

_LOGIN, _DENIED, _CONFIG, _TRANSIENT = Category.LOGIN, Category.DENIED, Category.CONFIG, Category.TRANSIENT

_THROTTLED = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded",
    "RequestThrottled", "RequestThrottledException", "SlowDown", "SlowDownException", "429",
})  # fmt: skip
_ENDED = frozenset({"ExpiredToken", "ExpiredTokenException"})
_UNKNOWN_KEYS = frozenset({
    "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "MissingAuthenticationToken",
    "MissingAuthenticationTokenException", "RegionDisabledException",
})  # fmt: skip
_WRONG_SIGNATURE = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch"})
_CLOCK = frozenset({"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"})
_CLOCK_WORDS = re.compile(r"Signature expired|Signature not yet current")
_LOGIN_WORN_OUT = frozenset({
    "InvalidGrantException", "UnauthorizedClientException", "InvalidClientException", "UnauthorizedException",
})  # fmt: skip
_DENYING = ("AccessDenied", "Forbidden", "NotAuthorized", "UnauthorizedOperation")


@dataclass(frozen=True, slots=True)
class _Said:
    code: str
    operation: str
    status: int
    text: str
    headers: dict[str, str]


def classify(error: BaseException, asker: Asker) -> Failure:
    """Return what an error answer of AWS asks of whom, and the words for it."""
    said = _read(error)
    if said.code in _THROTTLED or said.status == 429:
        return Failure(_TRANSIENT, said.code, f"AWS asks for fewer calls ({said.operation}).", throttled=True)
    if not said.code or said.code.isdigit():
        what = f"Something between this machine and AWS answered {said.operation} with {said.code or 'nonsense'}."
        return Failure(_TRANSIENT, said.code or "answer.foreign", what, "Look at the proxy settings.")
    if said.status >= 500:
        return Failure(_TRANSIENT, said.code, f"AWS failed at {said.operation}: {said.code}.")
    category, message, hint = _judge(said, asker)
    return Failure(category, said.code, sentence(message), hint)


def is_clock(error: BaseException) -> bool:
    """Return whether AWS refused a request for the time on it."""
    return _tells_of_clock(_read(error))


def _tells_of_clock(said: _Said) -> bool:
    wrong = said.code in _WRONG_SIGNATURE and _CLOCK_WORDS.search(said.text) is not None
    return wrong or said.code in _CLOCK


def _read(error: BaseException) -> _Said:
    response: dict[str, Any] = getattr(error, "response", None) or {}
    inner, about = response.get("Error", {}), response.get("ResponseMetadata", {})
    return _Said(
        str(inner.get("Code") or ""),
        str(getattr(error, "operation_name", "")),
        int(about.get("HTTPStatusCode") or 0),
        str(inner.get("Message") or ""),
        about.get("HTTPHeaders") or {},
    )


def _judge(said: _Said, asker: Asker) -> tuple[Category, str, str]:
    if _tells_of_clock(said):
        hint = "Set it: timedatectl set-ntp true (macOS: sudo sntp -sS time.apple.com)"
        return (
            _CONFIG,
            f"this machine's clock is wrong{_by_how_much(said)}, so AWS refuses all it signs.",
            hint,
        )
    if said.code in _ENDED:
        return _ended(said, asker)
    if said.code in _UNKNOWN_KEYS:
        what = (
            f"AWS does not know the keys of {asker.name}: they were deleted or disabled, or are of another "
            f"partition; or the region {asker.region} is not enabled for the account."
        )
        enable = f"aws account enable-region --region-name {asker.region}"
        return _CONFIG, what, f"{_check(asker)}; if that works, the region is missing: {enable}"
    if said.code in _WRONG_SIGNATURE:
        # Not AWS's own text: it quotes the request, session token and all.
        return (
            _CONFIG,
            f"the secret key of {asker.name} is not the one that belongs to its key id.",
            _check(asker),
        )
    if said.code == "InvalidIdentityToken":
        what = f"AWS does not accept the web identity token of {asker.name}: {first_line(said.text)}"
        return _CONFIG, what, "Ask an administrator for an IAM identity provider for who issues it."
    if said.code == "IDPCommunicationError":
        return _TRANSIENT, "AWS could not reach the web identity provider.", ""
    if said.code in _LOGIN_WORN_OUT:
        return _LOGIN, f"the AWS login of {asker.name} has ended.", asker.login_hint
    if said.code.startswith(_DENYING) or said.operation == "GetRoleCredentials":
        return _denied(said, asker)
    return (
        _CONFIG,
        f"AWS refused {asker.name} at {said.operation}: {said.code}: {first_line(said.text)}",
        _check(asker),
    )


def _ended(said: _Said, asker: Asker) -> tuple[Category, str, str]:
    if said.operation == "AssumeRoleWithWebIdentity":
        return _TRANSIENT, "the web identity token has ended; the platform puts a new one into its file.", ""
    if asker.ambient and asker.method in {"container-role", "iam-role"}:
        return _TRANSIENT, "the credentials of the container or the instance have just ended.", ""
    if asker.ambient and asker.method == "env":
        hint = "Start the service anew with new keys, or without AWS_ACCESS_KEY_ID."
        return _LOGIN, "the keys in the service's environment have ended.", hint
    return _LOGIN, f"the keys of {asker.name} have ended.", asker.login_hint


def _denied(said: _Said, asker: Asker) -> tuple[Category, str, str]:
    text = first_line(said.text)
    if said.operation == "GetRoleCredentials":
        if said.code == "ResourceNotFoundException":
            hint = "Correct sso_account_id and sso_role_name in ~/.aws/config."
            return _DENIED, f"AWS knows no such role or account as {asker.name} names: {text}", hint
        hint = "Ask an administrator to assign it to you, or correct sso_account_id and sso_role_name."
        return _DENIED, f"your SSO user has not got the role that {asker.name} names: {text}", hint
    if said.operation == "CreateOAuth2Token":
        return _LOGIN, f"AWS refused to renew the login of {asker.name}: {text}", asker.login_hint
    if said.operation.startswith("AssumeRole"):
        hint = f"Allow sts:{said.operation} on the role, in its trust policy and for who assumes it."
    elif asker.service == "ecr-public":
        hint = "Allow ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken."
    else:
        hint = "Allow ecr:GetAuthorizationToken on the resource *."
    return _DENIED, f"{asker.name} may not do this: {text}", hint


def _check(asker: Asker) -> str:
    return "aws sts get-caller-identity" + (
        f" --profile {asker.principal.profile}" if not asker.ambient else ""
    )


def _by_how_much(said: _Said) -> str:
    minutes = clock_lead(said.headers.get("date", ""))
    return f" by {abs(minutes)} min ({'fast' if minutes > 0 else 'slow'})" if minutes else ""
