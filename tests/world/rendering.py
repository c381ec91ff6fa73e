"""How the services put their answers: error documents, empty ones, XML, and the pages of others in between."""

from __future__ import annotations

import time
from xml.sax.saxutils import escape

from tests.world.faults import MESSAGE, STATUS
from tests.world.loopback import Answer, as_json
from tests.world.sso import Refused

JSON11 = "application/x-amz-json-1.1"
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
HTML = {"Content-Type": "text/html"}


def refusal(service: str, error: Refused, status: int = 0) -> Answer:
    """Render an error document as the service would."""
    code, message = error.code, error.message or MESSAGE.get(error.code, error.code)
    status = status or STATUS.get(code, 400)
    if service == "sts":
        kind = "Sender" if status < 500 else "Receiver"
        body = (
            f'<ErrorResponse xmlns="{STS_NAMESPACE}"><Error><Type>{kind}</Type><Code>{escape(code)}</Code>'
            f"<Message>{escape(message)}</Message></Error><RequestId>fake</RequestId></ErrorResponse>"
        )
        return Answer(status, body.encode(), {"Content-Type": "text/xml"})
    if service in {"ecr", "ecr-public"}:
        return as_json({"__type": code, "message": message} | error.extra, status, content_type=JSON11)
    return as_json({"message": message} | error.extra, status, x_amzn_ErrorType=code)


def hollow(service: str, operation: str) -> Answer:
    """An answer of the right form with nothing in it."""
    if service == "sts":
        return xml(operation, "")
    return as_json({"authorizationData": []} if service == "ecr" else {}, content_type=JSON11)


def portal_page() -> Answer:
    """What a hotel's network says to everything until one has paid."""
    return Answer(
        200, b"<html><title>Welcome</title><body>Please sign in to the guest network</body></html>", HTML
    )


def proxy_page() -> Answer:
    """What a corporate proxy says to what it does not like."""
    return Answer(403, b"<html><title>403 Forbidden</title><body>Blocked by policy</body></html>", HTML)


def xml(operation: str, inside: str) -> Answer:
    """STS's envelope around the result of an operation."""
    body = (
        f'<{operation}Response xmlns="{STS_NAMESPACE}"><{operation}Result>{inside}</{operation}Result>'
        f"<ResponseMetadata><RequestId>fake</RequestId></ResponseMetadata></{operation}Response>"
    )
    return Answer(200, body.encode(), {"Content-Type": "text/xml"})


def iso(at: float) -> str:
    """The time as AWS and its CLI write it: UTC, whole seconds, ``Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
