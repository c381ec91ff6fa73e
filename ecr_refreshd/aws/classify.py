"""What an AWS failure asks of whom, and in which words: one row for every exception that boto3 was seen to raise.

The rows are those of aws.md 2.5. Exceptions are told by name, so that this module needs no botocore. Texts of
others are redacted before they are shown; where AWS's own text may hold a session token (a signature mismatch
quotes the whole request) or a file's content, it is not shown at all.
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace

from ecr_refreshd.aws import classify_client
from ecr_refreshd.aws.asker import Asker, sentence
from ecr_refreshd.aws.ini import fault
from ecr_refreshd.aws.redact import first_line
from ecr_refreshd.core.model import Category, Failure
from ecr_refreshd.core.remedies.aws import enter_code

_LOGIN, _DENIED, _CONFIG, _TRANSIENT = Category.LOGIN, Category.DENIED, Category.CONFIG, Category.TRANSIENT

Row = Callable[[Exception, Asker], tuple[Category, str, str]]
"""From an exception and its circumstances to the category, what happened, and what helps."""


def classify(error: BaseException, asker: Asker) -> Failure:
    """Return what a failure asks of whom, and the words for it.

    A mistake made here costs the words and not the answer: else the grant would hang until its time is over.

    Args:
        error: what came out of `Sessions.access` or `Sessions.token`.
        asker: for whom, and what had happened until then.
    """
    try:
        failure = _classified(error, asker)
        return replace(failure, cause=_cause(error, failure))
    except Exception:  # noqa: BLE001 - whatever an answer holds, it must not silence us
        what = f"AWS was asked, and gave no token: {type(error).__name__}"
        return Failure(_TRANSIENT, "answer.unclassified", sentence(what))


def _cause(error: BaseException, failure: Failure) -> str:
    """Return what strikes other grants alike; see `Failure.cause`."""
    if type(error).__name__ == "LaneError" and error.__cause__ is not None:
        error = error.__cause__
    names = {each.__name__ for each in type(error).__mro__}
    if "ClientError" in names:
        return "clock" if classify_client.is_clock(error) else ""
    if failure.category is not _TRANSIENT or not names & {
        "ConnectionError",
        "HTTPClientError",
        "AnswerError",
    }:
        return ""
    if "AnswerError" in names:
        return "network:foreign" if failure.code == "answer.foreign" else ""
    if "ProxyConnectionError" in names:
        return "network:proxy"
    host = _host(error) or "aws"
    return f"certificate:{host}" if "CERTIFICATE_VERIFY_FAILED" in str(error) else f"network:{host}"


def _classified(error: BaseException, asker: Asker) -> Failure:
    refusal = getattr(error, "refusal", None)
    if type(error).__name__ == "LaneError" and error.__cause__ is not None:
        error = error.__cause__
    names = [each.__name__ for each in type(error).__mro__]
    if "ClientError" in names:
        return classify_client.classify(error, asker)
    if names[0] == "TokenRetrievalError" and refusal is not None and refusal.passing:
        what = f"AWS could not renew the login of {asker.name} just now ({refusal.code or refusal.status})."
        return Failure(_TRANSIENT, refusal.code or "TokenRetrievalError", what, throttled=refusal.throttled)
    for name in names:
        if name in _ROWS:
            category, message, hint = _ROWS[name](error, asker)  # type: ignore[arg-type] # never BaseException alone
            code = getattr(error, "code", names[0]) if name == "AnswerError" else names[0]
            if name == "ProgramOverdueError":
                return Failure(
                    category, "fetch.overdue", sentence(message), hint,
                    command=asker.login_command, awaits_person=True,
                )  # fmt: skip
            command = asker.login_command if hint == asker.login_hint else ""
            return Failure(category, code, sentence(message), hint, command=command)
    what = f"Asking for {asker.name} failed unexpectedly: {names[0]}: {first_line(str(error))}"
    return Failure(_TRANSIENT, f"bug.{names[0]}", what)


def _row(category: Category, message: str, hint: str = "") -> Row:
    """A row whose words need only the asker."""
    return lambda _error, asker: (category, message.format(asker=asker), hint.format(asker=asker))


def _quoting(hint: str) -> Row:
    """A row that passes on what botocore says of settings."""
    return lambda error, asker: (
        _CONFIG, f"{asker.name}: {first_line(str(error))}", hint.format(asker=asker),
    )  # fmt: skip


def _no_profile(_error: Exception, asker: Asker) -> tuple[Category, str, str]:
    near = difflib.get_close_matches(asker.principal.profile, asker.profiles, 3)
    did_you_mean = f" Did you mean {' or '.join(near)}?" if near else ""
    what = f"There is no {asker.name} in the AWS files.{did_you_mean}"
    return _CONFIG, what, "aws configure list-profiles"


def _no_credentials(_error: Exception, asker: Asker) -> tuple[Category, str, str]:
    if asker.ambient:
        # A metadata service may not be up yet when we are, or just not answer (aws.md 2.5, reliability).
        what = "Neither the environment, nor a container, nor the instance gives credentials"
        return (
            _TRANSIENT,
            what,
            'If a profile is meant, name it: profile = "..." under [[registry]], or AWS_PROFILE',
        )
    if asker.has_machine_role:
        return _TRANSIENT, f"{asker.name} has no credentials, and this machine gives none yet", ""
    name = shlex.quote(asker.principal.profile)
    return _CONFIG, f"There are no credentials for {asker.name}", f"aws configure list --profile {name}"


def _no_file(error: Exception, asker: Asker) -> tuple[Category, str, str]:
    path = first_line(str(getattr(error, "filename", None) or error))
    if asker.ran_program:
        hint = "Correct credential_process in ~/.aws/config, or the PATH of the service, and start it again."
        return _CONFIG, f"the credential_process of {asker.name} cannot be started: {path}", hint
    problem = getattr(error, "strerror", None) or "cannot be read"
    return (
        _CONFIG,
        f"the file {path}, which {asker.name} cannot do without, cannot be read: {problem}",
        "It is tried again when the file appears.",
    )


def _value(error: Exception, asker: Asker) -> tuple[Category, str, str]:
    if asker.ran_program:
        what = f"the credential_process of {asker.name} printed something that is not JSON"
        return _CONFIG, what, "Run it in a terminal, and correct credential_process in ~/.aws/config."
    if isinstance(error, json.JSONDecodeError):
        return _TRANSIENT, f"something else than AWS answered {asker.name}", ""
    return _CONFIG, f"{asker.name}: {first_line(str(error))}", asker.edit_hint


def _still_expired(_error: Exception, asker: Asker) -> tuple[Category, str, str]:
    if asker.ran_program:
        what = f"the credential_process of {asker.name} gave credentials that have ended already"
        return _LOGIN, what, asker.login_hint
    return _TRANSIENT, f"{asker.name} was given credentials that have ended already", ""


def _retrieval(error: Exception, asker: Asker) -> tuple[Category, str, str]:
    details = getattr(error, "kwargs", {})
    provider, said = str(details.get("provider", "")), str(details.get("error_msg", error))
    if provider == "custom-process":
        what = first_line(said)
        if what.startswith(("Unsupported version", "Missing required key")):
            hint = "It must print Version 1 and both keys; see the AWS CLI's manual on credential_process."
            return _CONFIG, f"the credential_process of {asker.name} printed something else: {what}", hint
        what = what.strip(" .") or "it ended with an error and said nothing on stderr"
        return _LOGIN, f"the credential_process of {asker.name} failed: {what}", asker.login_hint
    if asker.ambient or provider in {"container-role", "iam-role"}:
        what = first_line(_PAGE.sub("", said)).removeprefix("Error retrieving metadata: ")
        return _TRANSIENT, f"the metadata service gave {asker.name} no credentials: {what}", ""
    if provider in _MACHINES:
        return _TRANSIENT, f"{_MACHINES[provider]} gave {asker.name} no credentials (credential_source)", ""
    if provider == "Environment":
        what = f"{asker.name} takes its credentials from {provider} (credential_source), and there are none"
        return _CONFIG, what, asker.edit_hint
    return _CONFIG, f"{asker.name}: {first_line(said)}", asker.edit_hint


def _overdue(error: Exception, asker: Asker) -> tuple[Category, str, str]:
    seconds = getattr(error, "seconds", 0.0)
    what = f"{asker.name} did not answer within {seconds:.3g} s: its credential_process may wait for a person"
    return _LOGIN, what, asker.login_hint


def _host(error: BaseException) -> str:
    url = str(getattr(error, "kwargs", {}).get("endpoint_url", ""))
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]


def _connection(error: Exception, asker: Asker) -> tuple[Category, str, str]:
    host = _host(error)
    return _TRANSIENT, f"AWS could not be reached for {asker.name}{f': {host}' if host else ''}", ""


def _tls(error: Exception, asker: Asker) -> tuple[Category, str, str]:
    category, message, _ = _connection(error, asker)
    said = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in said:
        happened = "the TLS certificate shown for AWS is not trusted"
        hint = "A captive portal, or a company's proxy: then let AWS_CA_BUNDLE or ca_bundle name its certificate."
    elif "CA cert" in said or "No such file" in said:
        happened = "the file of trusted certificates cannot be read"
        hint = "Correct AWS_CA_BUNDLE, or ca_bundle in ~/.aws/config."
    else:
        happened = "no TLS connection to AWS could be made"
        hint = "Look at the proxy settings, and at endpoint_url."
    return category, message.replace("AWS could not be reached", happened), hint


def _config_file(error: Exception, _asker: Asker) -> tuple[Category, str, str]:
    details = getattr(error, "kwargs", {})
    path = first_line(str(details.get("path", "~/.aws/config")))
    return _CONFIG, f"{path} {fault(details.get('error'))}", "Correct it; it is read again when it changes."


def _mfa(_error: Exception, asker: Asker) -> tuple[Category, str, str]:
    standing = asker.standing
    if not (standing.code_lasts or standing.is_configured):
        command = f"aws sts get-caller-identity --profile {shlex.quote(asker.principal.profile)}"
        return _LOGIN, f"{asker.name} needs an MFA code", enter_code(command).hint
    return _LOGIN, f"{asker.name} needs an MFA code", asker.login_hint


def _no_runtime(error: Exception, asker: Asker) -> tuple[Category, str, str]:
    why = getattr(error, "kwargs", {}).get("msg", error)
    hint = "pip install 'ecr-refreshd[login]' (pipx inject ecr-refreshd 'botocore[crt]'), or the AWS CLI 2.32"
    return _CONFIG, f"{asker.name} signs in by `aws login`, but {why}", hint


def _cli(error: Exception, asker: Asker) -> tuple[Category, str, str]:
    return _TRANSIENT, f"the AWS CLI could not renew the login of {asker.name}: {first_line(str(error))}", ""


_PAGE = re.compile(r" from container metadata: .*", re.DOTALL)
"""Behind it botocore quotes what it got: a page of HTML, as likely as not."""
_EDIT = "{asker.edit_hint}"
_MACHINES = {"Ec2InstanceMetadata": "the EC2 instance", "EcsContainer": "the container"}

_ROWS: dict[str, Row] = {
    # logins
    "SSOTokenLoadError": _row(_LOGIN, "nobody is signed in for {asker.name}", "{asker.login_hint}"),
    "TokenRetrievalError": _row(_LOGIN, "the AWS login of {asker.name} has ended", "{asker.login_hint}"),
    "UnauthorizedSSOTokenError": _row(
        _LOGIN, "the AWS login of {asker.name} has ended", "{asker.login_hint}"
    ),
    "DamagedLoginError": _row(_LOGIN, "the login file of {asker.name} is damaged", "{asker.login_hint}"),
    "LoginTokenLoadError": _row(_LOGIN, "nobody is signed in for {asker.name}", "{asker.login_hint}"),
    "LoginRefreshRequired": _row(_LOGIN, "the AWS login of {asker.name} has ended", "{asker.login_hint}"),
    "LoginInsufficientPermissions": _row(
        _DENIED, "{asker.name} may not renew its login", "Ask for the permission signin:CreateOAuth2Token."
    ),
    "LoginError": _row(_LOGIN, "AWS refused to renew the login of {asker.name}", "{asker.login_hint}"),
    "MissingDependencyException": _no_runtime,
    "CliError": _cli,
    "MfaRequiredError": _mfa,
    "EOFError": _mfa,
    "RefreshWithMFAUnsupportedError": _mfa,
    # profiles
    "NoCredentialsError": _no_credentials,
    "ProfileNotFound": _no_profile,
    "PartialCredentialsError": _quoting(_EDIT),
    "InvalidConfigError": _quoting(_EDIT),
    "InfiniteLoopConfigError": _quoting(_EDIT),
    "ConfigParseError": _config_file,
    "UnknownCredentialError": _quoting(_EDIT),
    "CredentialRetrievalError": _retrieval,
    "ProgramOverdueError": _overdue,
    "ProgramError": lambda error, asker: (
        _CONFIG,
        f"the credential_process of {asker.name} {first_line(str(error))}",
        "Run it in a terminal, and correct credential_process in ~/.aws/config.",
    ),
    # places
    "NoRegionError": _quoting(_EDIT),
    "InvalidRegionError": _quoting(_EDIT),
    "EndpointVariantError": _row(
        _CONFIG,
        "AWS has no {asker.service} endpoint of this kind in {asker.region}",
        "Use the plain host name.",
    ),
    "EndpointProviderError": _quoting("Look at the endpoint settings of this profile."),
    # the way there
    "ConnectionError": _connection,
    "HTTPClientError": _connection,
    "ResponseParserError": _row(_TRANSIENT, "something else than AWS answered {asker.name}"),
    "ProxyConnectionError": _row(
        _TRANSIENT, "the proxy on the way to AWS does not answer", "Look at HTTPS_PROXY."
    ),
    "SSLError": _tls,
    "MetadataRetrievalError": _row(_TRANSIENT, "the metadata service did not answer {asker.name}"),
    "AnswerError": lambda error, _asker: (_TRANSIENT, str(error), ""),
    # what Python itself raises on the way
    "FileNotFoundError": _no_file,
    "PermissionError": _no_file,
    "ValueError": _value,
    "RuntimeError": _still_expired,
    "MemoryError": _row(_TRANSIENT, "the process that asked for {asker.name} ran out of memory"),
    "BotoCoreError": _quoting(_EDIT),
}
