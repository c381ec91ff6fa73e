"""Name what kept a question from reaching AWS: DNS, proxies, certificates, and the metadata services.

The status of a proxy and the reason of the operating system are quoted: they hold no secret, and without them
every network fault reads the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ecr_refreshd.aws.asker import Asker, Judged, Row
from ecr_refreshd.aws.redact import first_line
from ecr_refreshd.core.model import Category
from ecr_refreshd.core.remedies import Remedy
from ecr_refreshd.core.remedies import aws as remedies

_CONFIG, _TRANSIENT = Category.CONFIG, Category.TRANSIENT

TUNNEL = re.compile(r"Tunnel connection failed: (?P<status>\d{3})(?P<reason>[ \w-]{0,60})")
"""What Python says when a proxy refuses CONNECT (http.client, urllib3)."""
_PAGE = re.compile(r" from container metadata: .*", re.DOTALL)
"""Behind it botocore quotes what it got: a page of HTML, as likely as not."""
_MACHINES = {"Ec2InstanceMetadata": "the EC2 instance", "EcsContainer": "the container"}
_LATE = "timeout"
_INSTANCE = "Ec2InstanceMetadata"


def _host(url: object) -> str:
    return str(url or "").partition("://")[2].partition("/")[0].rpartition("@")[2]


def host_of(error: BaseException) -> str:
    """Return the host, with its port, that an exception of botocore's says could not be reached; "" if none."""
    return _host(_details(error).get("endpoint_url"))


def _details(error: BaseException) -> dict[str, object]:
    found = getattr(error, "kwargs", {})
    return found if isinstance(found, dict) else {}


def _causes(error: object) -> Iterator[BaseException]:
    """Yield an exception and those inside it, as urllib3 and botocore nest them."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, _details(each).get("error"), *each.args]
        waiting += [getattr(each, "reason", None), getattr(each, "original_error", None)]


def _reason(error: BaseException) -> str:
    """Return in words why no connection came about; "" if the exception does not say."""
    names = {kind.__name__ for each in _causes(error) for kind in type(each).__mro__}
    if names & {"gaierror", "NameResolutionError"}:
        return "its name cannot be resolved (DNS)"
    reasons = (each.strerror for each in _causes(error) if isinstance(each, OSError) and each.strerror)
    if reason := next(reasons, ""):
        return reason
    # urllib3's error for a refused connection is one of its timeouts, too.
    late = {"ConnectTimeoutError": "no connection within 5 s", "ReadTimeoutError": "no answer within 10 s"}
    return next((words for name, words in late.items() if name in names), "")


def _connection(error: BaseException, asker: Asker) -> Judged:
    host, reason = _host(_details(error).get("endpoint_url")), _reason(error)
    found = ": ".join(part for part in (host, reason) if part)
    return _TRANSIENT, f"AWS could not be reached for {asker.name}{f': {found}' if found else ''}", Remedy()


def _proxy(error: BaseException, _asker: Asker) -> Judged:
    where = _host(_details(error).get("proxy_url"))
    named = f"the proxy {where}" if where else "the proxy"
    if refused := next(filter(None, (TUNNEL.search(str(each)) for each in _causes(error))), None):
        status = int(refused["status"])
        what = f"{named} refuses the connection to AWS: {status}{refused['reason'].rstrip()}"
        return _TRANSIENT, what, remedies.proxy_refuses(status)
    reason = _reason(error)
    what = f"{named} on the way to AWS cannot be reached{f': {reason}' if reason else ''}"
    return _TRANSIENT, what, remedies.check_proxy()


def _tls(error: BaseException, asker: Asker) -> Judged:
    host = _host(_details(error).get("endpoint_url"))
    where = f"for {asker.name}{f': {host}' if host else ''}"
    said = " ".join(str(each) for each in _causes(error))
    if "CERTIFICATE_VERIFY_FAILED" in said:
        trust = asker.trust
        what = f"the TLS certificate shown for AWS is not trusted {where}"
        if trust is None:
            return _TRANSIENT, what, remedies.trust_certificate("", "", asker.principal.profile)
        what = f"{what}; AWS programs trust only {trust.child}"
        helps = remedies.trust_certificate(trust.child, trust.system_file, asker.principal.profile)
        return _TRANSIENT, what, helps
    if asker.bundle_fault:
        what = f"the file of trusted certificates {asker.bundle_fault}: no TLS connection to AWS {where}"
        return _TRANSIENT, what, remedies.correct_certificate_file()
    if "CA cert" in said or "No such file" in said or "invalid path" in said:
        what = f"the file of trusted certificates cannot be read {where}"
        return _TRANSIENT, what, remedies.correct_certificate_file()
    return _TRANSIENT, f"no TLS connection to AWS could be made {where}", remedies.check_endpoint()


def surroundings(provider: str, said: str, asker: Asker) -> Judged:
    """Return what it means that a container, an instance or the environment gave no credentials.

    Args:
        provider: botocore's name for what was asked.
        said: botocore's text.
        asker: for whom.
    """
    if provider == _INSTANCE and asker.metadata:
        return metadata(asker)
    if asker.ambient or provider in {"container-role", "iam-role"}:
        what = first_line(_PAGE.sub("", said)).removeprefix("Error retrieving metadata: ")
        return _TRANSIENT, f"the metadata service gave {asker.name} no credentials: {what}", Remedy()
    if provider in _MACHINES:
        what = f"{_MACHINES[provider]} gave {asker.name} no credentials (credential_source)"
        return _TRANSIENT, what, Remedy()
    if provider == "Environment":
        what = f"{asker.name} takes its credentials from {provider} (credential_source), and there are none"
        return _CONFIG, what, asker.correction
    return _CONFIG, f"{asker.name}: {first_line(said)}", asker.correction


def metadata(asker: Asker) -> Judged:
    """Return why the metadata service of the instance gave no credentials, by what each request to it met.

    The reply to PUT leaves the instance with an IP hop limit of 1 by default, so that it never reaches a
    container: the request hangs. A service without a role answers the list of roles by 404.
    """
    met = asker.metadata
    token, roles = met.get("token", ""), met.get("roles", "")
    service = "the instance metadata service"
    if token == _LATE and roles != "connection":
        what = f"{service} does not answer the request for a session token: its reply is lost on the way"
        return _TRANSIENT, what, remedies.hop_limit()
    if roles == "404":
        return _TRANSIENT, "this instance has no IAM role (no instance profile)", remedies.attach_role()
    if roles == "401":
        what = f"{service} wants a session token (IMDSv2) and gave none: {token or 'no answer'}"
        return _TRANSIENT, what, remedies.check_metadata_options()
    if roles in {_LATE, "connection"} or (not roles and token in {_LATE, "connection"}):
        return _TRANSIENT, f"{service} cannot be reached", remedies.metadata_unreachable()
    if refused := met.get("refused"):
        return _TRANSIENT, f"EC2 gives no credentials of its role: {refused}", remedies.check_role_trust()
    step, status = next(((k, v) for k, v in reversed(list(met.items())) if v != "200"), ("credentials", ""))
    what = f"{service} gave no credentials: {step}: {status or 'an answer that is none'}"
    return _TRANSIENT, what, Remedy()


def _metadata_error(_error: BaseException, asker: Asker) -> Judged:
    if asker.metadata:
        return metadata(asker)
    return _TRANSIENT, f"the metadata service did not answer {asker.name}", Remedy()


ROWS: dict[str, Row] = {
    "ConnectionError": _connection,
    "HTTPClientError": _connection,
    "ProxyConnectionError": _proxy,
    "SSLError": _tls,
    "MetadataRetrievalError": _metadata_error,
    "ResponseParserError": lambda _error, asker: (
        _TRANSIENT, f"something else than AWS answered {asker.name}", Remedy(),
    ),
}  # fmt: skip
"""Rows by the exception's name, for `classify`."""
