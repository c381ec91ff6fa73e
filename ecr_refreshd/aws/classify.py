"""Turn every exception that boto3 was seen to raise into a category, a message and a remedy, a row for each.

The rows are those of aws.md 2.5; those of the network are in `classify_network`, those of AWS's own error answers
in `classify_client`. Exceptions are told by name, so that this module needs no botocore. Texts of others are
redacted before they are shown; where AWS's own text may hold a session token (a signature mismatch quotes the
whole request) or a file's content, it is not shown at all.
"""

from __future__ import annotations

import difflib
import errno
import json
import os
from dataclasses import replace

from ecr_refreshd.aws import classify_client, classify_network
from ecr_refreshd.aws.asker import Asker, Judged, Row, sentence
from ecr_refreshd.aws.ini import config_problem
from ecr_refreshd.aws.redact import first_line
from ecr_refreshd.core.model import Category, Failure
from ecr_refreshd.core.remedies import Remedy
from ecr_refreshd.core.remedies import aws as remedies

_LOGIN, _DENIED, _CONFIG, _TRANSIENT = Category.LOGIN, Category.DENIED, Category.CONFIG, Category.TRANSIENT
_CANNOT_WRITE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_CACHES = ("/sso/cache", "/login/cache")


def classify(error: BaseException, asker: Asker) -> Failure:
    """Return what a failure asks of whom, and the words for it. Never raises an Exception.

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
    host = classify_network.host_of(error) or "aws"
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
    code = str(getattr(error, "code", names[0])) if names[0] in _CODED else names[0]
    for name in names:
        if name == "RuntimeError" and names[0] != name:
            break  # RecursionError, NotImplementedError: no word of botocore's
        if row := _ROWS.get(name):
            failure = _failure(code, row(error, asker), asker)
            is_overdue = name == "ProgramOverdueError"
            return replace(failure, code="fetch.overdue", awaits_person=True) if is_overdue else failure
    return _unforeseen(error, asker)


def _failure(code: str, judged: Judged, asker: Asker) -> Failure:
    category, message, remedy = judged
    by_file = category is _CONFIG or (category is _LOGIN and asker.ran_program)
    if asker.mistake is not None and by_file and code not in _EXPLAINED:
        # What stands wrong in the file says more than what botocore stumbled over because of it.
        category, message, remedy = _CONFIG, asker.mistake.message, asker.mistake.remedy
    return Failure(category, code, sentence(message), remedy.hint, command=remedy.command)


def _unforeseen(error: BaseException, asker: Asker) -> Failure:
    """Return the words for an exception without a row, by what was in hand when it was raised."""
    name = type(error).__name__
    if asker.method:
        what = f"AWS answered {asker.name} with something that cannot be read ({name})."
        return Failure(_TRANSIENT, "answer.unreadable", what)
    if asker.ran_program:
        what = f"the credential_process of {asker.name} printed something that is no credentials ({name})"
        return _failure("program.unreadable", (_CONFIG, what, remedies.correct_program()), asker)
    if asker.ambient:
        what = f"The container or instance gave something that is no credentials ({name})."
        return Failure(_TRANSIENT, "metadata.unreadable", what)
    if asker.mistake is not None:
        return _failure(name, (_CONFIG, "", Remedy()), asker)
    what = f"Asking for {asker.name} failed unexpectedly: {name}: {first_line(str(error))}"
    return Failure(_TRANSIENT, f"bug.{name}", what)


def _row(category: Category, message: str, remedy: Remedy | None = None) -> Row:
    """A row whose words need only the asker; without a remedy, that of the category."""

    def judge(_error: BaseException, asker: Asker) -> Judged:
        helps = remedy or (asker.sign_in if category is _LOGIN else Remedy())
        return category, message.format(asker=asker), helps

    return judge


def _quoting(error: BaseException, asker: Asker) -> Judged:
    """Pass on what botocore says of settings."""
    return _CONFIG, f"{asker.name}: {first_line(str(error))}", asker.correction


def _no_profile(_error: BaseException, asker: Asker) -> Judged:
    near = difflib.get_close_matches(asker.principal.profile, asker.profiles, 3)
    did_you_mean = f" Did you mean {' or '.join(near)}?" if near else ""
    return _CONFIG, f"There is no {asker.name} in the AWS files.{did_you_mean}", remedies.list_profiles()


def _no_credentials(_error: BaseException, asker: Asker) -> Judged:
    if asker.metadata:
        return classify_network.metadata(asker)
    if asker.ambient:
        # A metadata service may not be up yet when we are, or just not answer (aws.md 2.5, reliability).
        what = "Neither the environment, nor a container, nor the instance gives credentials"
        return _TRANSIENT, what, remedies.profile_meant()
    if asker.has_machine_role:
        return _TRANSIENT, f"{asker.name} has no credentials, and this machine gives none yet", Remedy()
    what = f"There are no credentials for {asker.name}"
    return _CONFIG, what, remedies.show_sources(asker.principal.profile)


def _no_file(error: BaseException, asker: Asker) -> Judged:
    path = first_line(str(getattr(error, "filename", None) or error))
    problem = getattr(error, "strerror", None) or "cannot be read"
    if asker.ran_program and not path.endswith(".tmp"):
        what = f"the credential_process of {asker.name} cannot be started: {path}: {problem}"
        return _CONFIG, what, remedies.correct_program_path()
    number = getattr(error, "errno", None)
    folder = os.path.dirname(path)  # noqa: PTH120 - a text of the error's
    if number in _CANNOT_WRITE or (folder.endswith(_CACHES) and not os.path.exists(path)):  # noqa: PTH110 - same
        return _TRANSIENT, f"what AWS gave {asker.name} cannot be kept in {folder}: {problem}", Remedy()
    if isinstance(error, FileNotFoundError | PermissionError):
        what = f"the file {path}, which {asker.name} cannot do without, cannot be read: {problem}"
        return _CONFIG, what, remedies.wait_for_file()
    return _TRANSIENT, f"the system refused what {asker.name} needs: {problem}", Remedy()


def _value(error: BaseException, asker: Asker) -> Judged:
    if asker.ran_program and not asker.method:
        what = f"the credential_process of {asker.name} printed something that is not JSON"
        return _CONFIG, what, remedies.correct_program()
    if isinstance(error, json.JSONDecodeError) or asker.method:
        return _TRANSIENT, f"something else than AWS answered {asker.name}", Remedy()
    return _CONFIG, f"{asker.name}: {first_line(str(error))}", asker.correction


def _still_expired(_error: BaseException, asker: Asker) -> Judged:
    if asker.ran_program:
        what = f"the credential_process of {asker.name} gave credentials that have expired already"
        return _LOGIN, what, asker.sign_in
    return _TRANSIENT, f"{asker.name} was given credentials that have expired already", Remedy()


def _retrieval(error: BaseException, asker: Asker) -> Judged:
    details = getattr(error, "kwargs", {})
    provider, said = str(details.get("provider", "")), str(details.get("error_msg", error))
    if provider == "custom-process":
        what = first_line(said)
        if what.startswith(("Unsupported version", "Missing required key")):
            what = f"the credential_process of {asker.name} printed something else: {what}"
            return _CONFIG, what, remedies.program_output()
        what = what.strip(" .") or "it ended with an error and said nothing on stderr"
        return _LOGIN, f"the credential_process of {asker.name} failed: {what}", asker.sign_in
    return classify_network.surroundings(provider, said, asker)


def _overdue(error: BaseException, asker: Asker) -> Judged:
    seconds = getattr(error, "seconds", 0.0)
    what = f"{asker.name} did not answer within {seconds:.3g} s: its credential_process may wait for a person"
    return _LOGIN, what, asker.sign_in


def _config_file(error: BaseException, _asker: Asker) -> Judged:
    details = getattr(error, "kwargs", {})
    problem = config_problem(str(details.get("path", "~/.aws/config")), details.get("error"))
    return _CONFIG, problem.message, problem.remedy


def _mfa(_error: BaseException, asker: Asker) -> Judged:
    standing, what = asker.standing, f"{asker.name} needs an MFA code"
    if not (standing.code_lasts or standing.is_configured):
        return _LOGIN, what, remedies.enter_code(remedies.check_identity(asker.principal.profile).command)
    return _LOGIN, what, asker.sign_in


def _no_runtime(error: BaseException, asker: Asker) -> Judged:
    why = getattr(error, "kwargs", {}).get("msg", error)
    return _CONFIG, f"{asker.name} signs in by `aws login`, but {why}", remedies.install_login_runtime()


def _cli(error: BaseException, asker: Asker) -> Judged:
    what = f"the AWS CLI could not renew the login of {asker.name}: {first_line(str(error))}"
    return _TRANSIENT, what, Remedy()


def _damaged(error: BaseException, asker: Asker) -> Judged:
    why = f": {error}" if str(error) else ""
    return _LOGIN, f"the login file of {asker.name} is damaged{why}", asker.sign_in


def _program(error: BaseException, asker: Asker) -> Judged:
    helps = remedies.program_output() if getattr(error, "about_output", False) else remedies.correct_program()
    return _CONFIG, f"the credential_process of {asker.name} {first_line(str(error))}", helps


_CODED = frozenset({"AnswerError"})
"""Errors that bring a code of their own."""
_EXPLAINED = frozenset(
    {"ConfigParseError", "MissingDependencyException", "EndpointVariantError", "ProgramOverdueError"}
)
"""What has a cause of its own, whatever else stands wrong in the files."""

_ROWS: dict[str, Row] = {
    # logins
    "SSOTokenLoadError": _row(_LOGIN, "nobody is signed in for {asker.name}"),
    "TokenRetrievalError": _row(_LOGIN, "the AWS login of {asker.name} has ended"),
    "UnauthorizedSSOTokenError": _row(_LOGIN, "the AWS login of {asker.name} has ended"),
    "DamagedLoginError": _damaged,
    "LoginTokenLoadError": _row(_LOGIN, "nobody is signed in for {asker.name}"),
    "LoginRefreshRequired": _row(_LOGIN, "the AWS login of {asker.name} has ended"),
    "LoginInsufficientPermissions": _row(
        _DENIED, "{asker.name} may not renew its login", remedies.allow("signin:CreateOAuth2Token")
    ),
    "LoginError": _row(_LOGIN, "AWS refused to renew the login of {asker.name}"),
    "MissingDependencyException": _no_runtime,
    "CliError": _cli,
    "MfaRequiredError": _mfa,
    "EOFError": _mfa,
    "RefreshWithMFAUnsupportedError": _mfa,
    # profiles
    "NoCredentialsError": _no_credentials,
    "ProfileNotFound": _no_profile,
    "ConfigParseError": _config_file,
    "CredentialRetrievalError": _retrieval,
    "ProgramOverdueError": _overdue,
    "ProgramError": _program,
    # places
    "EndpointVariantError": _row(
        _CONFIG,
        "AWS has no {asker.service} endpoint of this kind in {asker.region}",
        remedies.plain_host(),
    ),
    "EndpointProviderError": lambda error, asker: (*_quoting(error, asker)[:2], remedies.check_endpoint()),
    # the way there
    **classify_network.ROWS,
    "AnswerError": lambda error, _asker: (_TRANSIENT, str(error), Remedy()),
    # what Python itself raises on the way
    "ValueError": _value,
    "RuntimeError": _still_expired,
    "MemoryError": _row(_TRANSIENT, "the process that asked for {asker.name} ran out of memory"),
    "OSError": _no_file,
    # settings, in botocore's own words
    "BotoCoreError": _quoting,
}
