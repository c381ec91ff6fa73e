"""What an error answer of AWS asks of whom: the rows of aws.md 2.5 that come as botocore's ClientError."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from typing import Any

from ecr_refreshd.aws.answers import clock_lead
from ecr_refreshd.aws.asker import Asker, Judged, sentence
from ecr_refreshd.aws.redact import first_line
from ecr_refreshd.core.model import Category, Failure
from ecr_refreshd.core.remedies import Remedy, service
from ecr_refreshd.core.remedies import aws as remedies

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
_PROXY_LOGIN = 407
_DENYING = ("AccessDenied", "Forbidden", "NotAuthorized", "UnauthorizedOperation")


@dataclass(frozen=True, slots=True)
class _Said:
    code: str
    operation: str
    status: int
    text: str
    headers: dict[str, Any]


def classify(error: BaseException, asker: Asker) -> Failure:
    """Return what an error answer of AWS asks of whom, and the words for it."""
    said = _read(error)
    if said.code in _THROTTLED or said.status == 429:
        return Failure(_TRANSIENT, said.code, f"AWS asks for fewer calls ({said.operation}).", throttled=True)
    if not said.code or said.code.isdigit():
        return _foreign(said)
    if said.status >= 500:
        return Failure(_TRANSIENT, said.code, f"AWS failed at {said.operation}: {said.code}.")
    category, message, remedy = _judge(said, asker)
    by_keys = said.code in _UNKNOWN_KEYS | _WRONG_SIGNATURE and not _tells_of_clock(said)
    by_file = by_keys or said.operation == "GetRoleCredentials"
    if asker.mistake is not None and by_file and category in {_CONFIG, _DENIED}:
        # AWS was asked with what stands wrong in a file.
        category, message, remedy = _CONFIG, asker.mistake.message, asker.mistake.remedy
    return Failure(category, said.code, sentence(message), remedy.hint, command=remedy.command)


def _foreign(said: _Said) -> Failure:
    code, status = said.code or "answer.foreign", int(said.code or 0)
    if status == _PROXY_LOGIN:
        what = f"The proxy refuses {said.operation}: {status} Proxy Authentication Required."
        return Failure(_TRANSIENT, code, what, remedies.proxy_refuses(status).hint)
    what = f"Something between this machine and AWS answered {said.operation} with {said.code or 'nonsense'}."
    return Failure(_TRANSIENT, code, what, remedies.check_proxy().hint)


def is_clock(error: BaseException) -> bool:
    """Return whether AWS refused a request for the time on it."""
    return _tells_of_clock(_read(error))


def _tells_of_clock(said: _Said) -> bool:
    wrong = said.code in _WRONG_SIGNATURE and _CLOCK_WORDS.search(said.text) is not None
    return wrong or said.code in _CLOCK


def _read(error: BaseException) -> _Said:
    response = _object(getattr(error, "response", None))
    inner, about = _object(response.get("Error")), _object(response.get("ResponseMetadata"))
    status = about.get("HTTPStatusCode")
    return _Said(
        str(inner.get("Code") or ""),
        str(getattr(error, "operation_name", "")),
        status if isinstance(status, int) else 0,
        str(inner.get("Message") or ""),
        _object(about.get("HTTPHeaders")),
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _judge(said: _Said, asker: Asker) -> Judged:
    if _tells_of_clock(said):
        what = f"this machine's clock is wrong{_by_how_much(said)}, so AWS refuses all it signs."
        return (
            _CONFIG,
            what,
            service.set_clock(macos=sys.platform == "darwin", wsl="microsoft" in os.uname().release.lower()),
        )
    if said.code in _ENDED:
        return _ended(said, asker)
    if said.code in _UNKNOWN_KEYS:
        what = (
            f"AWS does not know the keys of {asker.name}: they were deleted or disabled, or are of another "
            f"partition; or the region {asker.region} is not enabled for the account."
        )
        return _CONFIG, what, remedies.check_identity_or_region(asker.principal.profile, asker.region)
    if said.code in _WRONG_SIGNATURE:
        # Not AWS's own text: it quotes the request, session token and all.
        what = f"the secret key of {asker.name} is not the one that belongs to its key id."
        return _CONFIG, what, remedies.check_identity(asker.principal.profile)
    if said.code == "InvalidIdentityToken":
        what = f"AWS does not accept the web identity token of {asker.name}: {first_line(said.text)}"
        return _CONFIG, what, remedies.identity_provider()
    if said.code == "IDPCommunicationError":
        return _TRANSIENT, "AWS could not reach the web identity provider.", Remedy()
    if said.code in _LOGIN_WORN_OUT:
        return _LOGIN, f"the AWS login of {asker.name} has ended.", asker.sign_in
    if said.code.startswith(_DENYING) or said.operation == "GetRoleCredentials":
        return _denied(said, asker)
    what = f"AWS refused {asker.name} at {said.operation}: {said.code}: {first_line(said.text)}"
    return _CONFIG, what, remedies.check_identity(asker.principal.profile)


def _ended(said: _Said, asker: Asker) -> Judged:
    if said.operation == "AssumeRoleWithWebIdentity":
        what = "the web identity token has ended; the platform puts a new one into its file."
        return _TRANSIENT, what, Remedy()
    if asker.ambient and asker.method in {"container-role", "iam-role"}:
        return _TRANSIENT, "the credentials of the container or the instance have just ended.", Remedy()
    if asker.ambient and asker.method == "env":
        return _LOGIN, "the keys in the service's environment have expired.", remedies.new_environment_keys()
    return _LOGIN, f"the keys of {asker.name} have expired.", asker.sign_in


def _denied(said: _Said, asker: Asker) -> Judged:
    text = first_line(said.text)
    if said.operation == "GetRoleCredentials":
        if said.code == "ResourceNotFoundException":
            what = f"AWS knows no such role or account as {asker.name} names: {text}"
            return _DENIED, what, remedies.correct_account_and_role()
        what = f"your SSO user has not got the role that {asker.name} names: {text}"
        return _DENIED, what, remedies.assign_role()
    if said.operation == "CreateOAuth2Token":
        return _LOGIN, f"AWS refused to renew the login of {asker.name}: {text}", asker.sign_in
    if said.operation.startswith("AssumeRole"):
        place = "the role, in its trust policy and for who assumes it"
        helps = remedies.allow(f"sts:{said.operation}", resource=place)
    elif asker.service == "ecr-public":
        helps = remedies.allow("ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken")
    else:
        helps = remedies.allow("ecr:GetAuthorizationToken", resource="the resource *")
    return _DENIED, f"{asker.name} may not do this: {text}", helps


def _by_how_much(said: _Said) -> str:
    minutes = clock_lead(str(said.headers.get("date", "")))
    return f" by {abs(minutes)} min ({'fast' if minutes > 0 else 'slow'})" if minutes else ""
