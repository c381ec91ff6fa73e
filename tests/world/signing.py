"""Who calls: reads a SigV4 signature, and checks it as AWS does where the secret is known.

The order of the checks, and the codes, are AWS's: unknown or dead session token, then the clock, then the
signature itself. A key id that the keyring does not hold is taken at its word, as an account of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from calendar import timegm
from dataclasses import dataclass
from urllib.parse import quote

from tests.world.loopback import Request

MAX_SKEW = 15 * 60
"""Seconds by which a caller's clock may differ from AWS's."""

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>[^/]+)/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request"
    r", ?SignedHeaders=(?P<names>[^,]+), ?Signature=(?P<signature>[0-9a-f]+)"
)


@dataclass(frozen=True, slots=True)
class Key:
    """An access key that the fake knows; `token` and `expires_at` only for temporary ones."""

    access_key: str
    secret: str
    account: str
    token: str = ""
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """What a signature says; `trouble` is what is wrong with it (empty for nothing)."""

    access_key: str = ""
    account: str = ""
    region: str = ""
    scope: str = ""
    trouble: str = ""
    detail: str = ""

    @property
    def signed(self) -> bool:
        """Whether the call carried a SigV4 credential scope at all."""
        return bool(self.scope)


class Keyring:
    """The keys that AWS would know. Safe to use from many threads."""

    def __init__(self, default_account: str) -> None:
        self.default_account = default_account
        self._keys: dict[str, Key] = {}
        self._guard = threading.Lock()

    def add(self, key: Key) -> Key:
        """Remember a key, in place of any with the same id."""
        with self._guard:
            self._keys[key.access_key] = key
        return key

    def issue(self, account: str, expires_at: float) -> Key:
        """Make temporary credentials for an account (a role session's)."""
        return self.add(
            Key(
                access_key="ASIA" + secrets.token_hex(8).upper(),
                secret=secrets.token_urlsafe(30),
                account=account,
                token="FwoGZXIvYXdzE" + secrets.token_urlsafe(240),
                expires_at=expires_at,
            )
        )

    def identify(self, request: Request, now: float) -> Caller:
        """Read and check a request's signature against AWS's own time `now`."""
        found = _HEADER.match(request.headers.get("authorization", ""))
        if found is None:
            return Caller(trouble="missing")
        scope = "/".join((found["day"], found["region"], found["service"], "aws4_request"))
        with self._guard:
            key = self._keys.get(found["key"])
        account = key.account if key else self.default_account
        trouble, detail = _trouble(request, found, key, scope, now)
        return Caller(found["key"], account, found["region"], scope, trouble, detail)


def _trouble(
    request: Request, found: re.Match[str], key: Key | None, scope: str, now: float
) -> tuple[str, str]:
    if key is not None and key.expires_at is not None and now >= key.expires_at:
        return "expired", ""
    if key is not None and key.token != request.headers.get("x-amz-security-token", ""):
        return "unknown", ""
    stamp = request.headers.get("x-amz-date", "")
    sent = timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    if abs(sent - now) > MAX_SKEW:
        ours = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        if sent < now:
            return "clock", f"Signature expired: {stamp} is now earlier than {ours} (15 min.)"
        return "clock", f"Signature not yet current: {stamp} is still later than {ours} (15 min.)"
    if key is not None and not hmac.compare_digest(
        _signature(request, found, key, scope, stamp), found["signature"]
    ):
        return "signature", ""
    return "", ""


def _signature(request: Request, found: re.Match[str], key: Key, scope: str, stamp: str) -> str:
    query = "&".join(
        f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(request.query.items())
    )
    names = found["names"]
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names.split(";")
    )
    body = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join((request.method, quote(request.path, safe="/-_.~"), query, headers, names, body))
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signing = f"AWS4{key.secret}".encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    return hmac.new(signing, text.encode(), "sha256").hexdigest()
