"""What AWS answered to GetAuthorizationToken, and whether it is an answer at all.

A captive portal answers every request with its own page and 200, which botocore takes for an empty answer; so
each part is looked at before a working token is replaced by it.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from ecr_refreshd.aws.frames import Granted

_DATE = re.compile(r"\d{1,2} [A-Za-z]{3} \d{4} \d{2}:\d{2}:\d{2}")


class AnswerError(Exception):
    """AWS answered without an error, and without a token that anybody could use.

    Attributes:
        code: short and stable.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def foreign() -> AnswerError:
    """Return the error of an answer that AWS did not give."""
    what = "Something between this machine and AWS answered in its place: a captive portal, or a proxy."
    return AnswerError("answer.foreign", what)


def granted(number: int, answer: dict[str, Any], account: str) -> Granted:
    """Return the token in an answer of either service.

    Args:
        number: the grant's.
        answer: what botocore made of it.
        account: the asker's as the credentials tell it; a private registry's answer tells it itself.

    Raises:
        AnswerError: there is none, or it is of no use.
    """
    if "authorizationData" not in answer:
        raise foreign()
    data = answer["authorizationData"]
    if isinstance(data, list):
        data = data[0] if data else {}
    if not isinstance(data, dict):
        raise foreign()
    auth, end = data.get("authorizationToken"), data.get("expiresAt")
    if not auth:
        raise AnswerError("answer.empty", "AWS answered without an authorization token.")
    if not _is_login(auth):
        raise AnswerError(
            "answer.unreadable", "The authorization token that came is not base64 of user:password."
        )
    if not isinstance(end, datetime):
        raise AnswerError("answer.endless", "AWS answered with an authorization token that names no end.")
    end = end.astimezone(UTC)
    if life_left(end) <= timedelta(0):
        raise AnswerError(
            "answer.expired",
            f"The authorization token that came had ended at {end:%Y-%m-%d %H:%M} UTC, before now: is this "
            "machine's clock right (timedatectl)?",
        )
    return Granted(number, auth, end.isoformat(), _owner(data.get("proxyEndpoint")) or account)


def _is_login(auth: str) -> bool:
    try:
        user, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except ValueError:
        return False
    return bool(user and colon and password)


def _owner(endpoint: object) -> str:
    """Return the account that ``https://ACCOUNT.dkr.ecr.…`` names: that of the credentials (aws.md 0.10)."""
    label = str(endpoint or "").removeprefix("https://").partition(".")[0]
    return label if len(label) == 12 and label.isdigit() else ""


def life_left(end: datetime) -> timedelta:
    """Return how long it is until then, by this machine's clock."""
    return end - datetime.now(UTC)


def clock_lead(date: str) -> int:
    """Return how many minutes this machine's clock is ahead of an answer's Date header, 0 if unreadable."""
    theirs = http_date(date)
    return round((datetime.now(UTC) - theirs).total_seconds() / 60) if theirs else 0


def http_date(text: str) -> datetime | None:
    """Return the time that a Date header tells, in UTC; None if unreadable.

    A proxy may have added a date of its own behind AWS's, and left out the zone, which is always GMT (RFC 9110).
    """
    found = _DATE.search(text)
    if found is None:
        return None
    try:
        return parsedate_to_datetime(f"{found[0]} +0000").astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
