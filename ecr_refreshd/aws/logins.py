"""Reads what lies on disk of a login, without asking AWS: the token files of SSO and `aws login`, and dated keys.

Rules: what a file says is worked out once, and judged against the clock at each look (`Found.at`). Nothing here
is certain: AWS may have ended a login that looks alive. A file that is not whole JSON says so and nothing else,
because the AWS CLI empties its files before it writes them (aws.md 1.1).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ecr_refreshd.core.model import Login

_LOGIN_LASTS = timedelta(hours=12)
"""Of an `aws login`, from the sign-in on (AWS's statement, aws.md 2.2)."""
_FOR_EVER = datetime.max.replace(tzinfo=UTC)
_NEEDED_TO_REFRESH = ("refreshToken", "clientId", "clientSecret", "registrationExpiresAt")
_NEEDED_OF_LOGIN = ("accessToken", "refreshToken", "dpopKey", "clientId")
_ENDS_OF_KEYS = ("x_security_token_expires", "aws_session_expiration", "aws_expiration", "expiration")
"""Where tools that put session keys into ~/.aws/credentials leave their end (aws.md 5.4)."""
_KEYS = ("aws_access_key_id", "aws_session_token", "aws_security_token")
_ZONE_APART = re.compile(r"\s+(?=[+-]\d{2}:?\d{2}$)")
_ZONE_NAME = re.compile(r"\s*(?:UTC|GMT)$", re.IGNORECASE)
_ZONE = re.compile(r"\d.*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})\s*$", re.IGNORECASE | re.DOTALL)
_EPOCH = re.compile(r"\d{9,13}")


@dataclass(frozen=True, slots=True)
class Found:
    """What a login's file says, whenever it is.

    Attributes:
        stamp, refreshes, expires_at, ends_at, torn: as in `core.model.Login`.
        refreshable_until: until when the access token can be renewed without a person; None if it cannot.
    """

    stamp: str = ""
    refreshes: bool = True
    expires_at: datetime | None = None
    ends_at: datetime | None = None
    refreshable_until: datetime | None = None
    torn: bool = False

    def at(self, now: datetime) -> Login:
        """Return the login as it stands at this time (UTC)."""
        lasts = self.expires_at is None or self.expires_at > now
        renews = self.refreshable_until is not None and self.refreshable_until > now
        alive = bool(self.stamp) and (lasts or renews)
        return Login(self.stamp, alive, self.refreshes, self.expires_at, self.ends_at, self.torn)


NONE = Found()


def sso(content: bytes, *, legacy: bool) -> Found:
    """Return what the token file of an SSO session says.

    Args:
        content: the file's.
        legacy: it belongs to profiles without an sso-session, whose tokens nobody refreshes.
    """
    document = _document(content)
    if document is None:
        return Found(torn=True)
    if not all(isinstance(document.get(key), str) for key in ("accessToken", "expiresAt")):
        return NONE  # as botocore has it: such a file is no token
    expires_at = moment(document["expiresAt"])
    stamp = _stamp(*(str(document.get(key, "")) for key in ("accessToken", "refreshToken", "expiresAt")))
    if legacy or any(key not in document for key in _NEEDED_TO_REFRESH):
        return Found(stamp, expires_at=expires_at, ends_at=expires_at)
    registered = moment(document["registrationExpiresAt"])
    # The last access token outlives the registration with which it was got.
    ends_at = max(registered, expires_at) if registered and expires_at else registered
    return Found(stamp, expires_at=expires_at, ends_at=ends_at, refreshable_until=registered or _FOR_EVER)


def aws_login(content: bytes) -> Found:
    """Return what the file of an `aws login` says.

    A refresh keeps the ID token, which therefore stands for the login, and tells when the person signed in. That
    is nobody's promise (the format of the ID token is undocumented), so a past end alone kills no login.
    """
    document = _document(content)
    if document is None:
        return Found(torn=True)
    keys = document.get("accessToken")
    if any(key not in document for key in _NEEDED_OF_LOGIN) or not isinstance(keys, dict):
        return NONE
    identity = str(document.get("idToken") or "")
    stamp = _stamp(identity) if identity else _stamp(str(document["refreshToken"]))
    signed_in = _issued(identity)
    return Found(
        stamp,
        refreshes=not identity,
        expires_at=moment(keys.get("expiresAt")),
        ends_at=signed_in and signed_in + _LOGIN_LASTS,
        refreshable_until=_FOR_EVER,
    )


def fault(content: bytes, lane: str) -> str:
    """Return what is wrong with the token file of a login, in words; "" if nothing that is known."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return "it is not JSON"
    if not isinstance(document, dict):
        return "it is no JSON object"
    return _sso_fault(document) if lane.startswith("sso:") else _login_fault(document)


def _sso_fault(document: Mapping[str, Any]) -> str:
    """Return why botocore cannot use the token of an SSO session, in words; "" if it can try."""
    for key in ("accessToken", "expiresAt"):
        if not isinstance(document.get(key), str):
            return f"it has no {key}"
    for key in ("expiresAt", "registrationExpiresAt"):
        # botocore compares it with a time that has a zone, and raises TypeError for one that has none.
        if key in document and not _ZONE.search(str(document[key])):
            return f"its {key} is no time with a zone"
    wrong = (key for key in ("refreshToken", "clientId", "clientSecret") if not _is_text(document, key))
    return next((f"its {key} is no text" for key in wrong), "")


def _login_fault(document: Mapping[str, Any]) -> str:
    """Return why botocore cannot use the file of an `aws login`, in words; "" if it can try."""
    missing = [key for key in _NEEDED_OF_LOGIN if key not in document]
    keys = document.get("accessToken")
    if missing or not isinstance(keys, dict):
        return f"it has no {missing[0] if missing else 'accessToken'}"
    for key in ("accessKeyId", "secretAccessKey", "sessionToken", "accountId", "expiresAt"):
        if not isinstance(keys.get(key), str):
            return f"its accessToken has no {key}"
    if not _ZONE.search(keys["expiresAt"]):
        return "its expiresAt is no time with a zone"
    return ""


def _is_text(document: Mapping[str, Any], key: str) -> bool:
    return key not in document or isinstance(document[key], str)


def session_keys(keys: Mapping[str, str]) -> Found | None:
    """Return what a profile's session keys say of their own end; None if they say nothing readable."""
    for name in _ENDS_OF_KEYS:
        if ends_at := moment(keys.get(name)):
            stamp = _stamp(*(keys.get(key, "") for key in _KEYS))
            return Found(stamp, refreshes=False, expires_at=ends_at, ends_at=ends_at)
    return None


def moment(text: object) -> datetime | None:
    """Return a time in UTC as one of the many tools that write here has put it down; None if unreadable.

    ISO 8601 with ``Z``, ``UTC``, an offset, or none (then UTC); Go's and Python's way of printing; Unix time.
    """
    if not isinstance(text, str | int | float) or isinstance(text, bool):
        return None
    text = str(text).strip()
    try:
        if _EPOCH.fullmatch(text):
            seconds = int(text)
            return datetime.fromtimestamp(seconds / 1000 if len(text) > 11 else seconds, UTC)
        found = datetime.fromisoformat(_ZONE_APART.sub("", _ZONE_NAME.sub("", text)))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _document(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _stamp(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode(errors="surrogatepass")).hexdigest()[:12]


def _issued(token: str) -> datetime | None:
    """Return when an ID token says that it was issued; nobody has verified it."""
    try:
        payload = token.split(".")[1]
        issued = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iat"]
        return datetime.fromtimestamp(float(issued), UTC) if isinstance(issued, int | float) else None
    except (ValueError, LookupError, TypeError, OverflowError, OSError, RecursionError):
        return None
