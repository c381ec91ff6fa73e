"""The mint: makes authorization tokens that look as ECR's do, and remembers each, so that it can judge them.

A password is base64 of a JSON object with payload, datakey, version, type and expiration, as in every public
sample; an authorization token is base64 of ``AWS:`` and the password. One token serves one service in one
region, whatever the account (ECR's API says so), and a public one every public host.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

UNKNOWN, EXPIRED, REVOKED, VALID = "unknown", "expired", "revoked", "valid"


@dataclass(frozen=True, slots=True)
class Issued:
    """One token's page in the books; `auth` is the base64 text that stands in a docker config."""

    auth: str
    service: str
    region: str
    account: str
    issued_at: float
    expires_at: float

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits of the SHA-256 of `auth`: how logs and status name a token."""
        return fingerprint(self.auth)

    @property
    def password(self) -> str:
        """What follows ``AWS:``."""
        return base64.b64decode(self.auth).decode().partition(":")[2]


def fingerprint(auth: str) -> str:
    """Return the first twelve hex digits of a token's SHA-256."""
    return hashlib.sha256(auth.encode()).hexdigest()[:12]


class Mint:
    """Issues tokens and judges them. Safe to use from many threads.

    Attributes:
        password_bytes: how long a password is made (ECR's run from about 2,400 to over 4,096 bytes).
        clock: AWS's own time, in seconds since 1970; it need not be this machine's.
    """

    def __init__(self, password_bytes: int = 2400, clock: Callable[[], float] = time.time) -> None:
        self.password_bytes = password_bytes
        self.clock = clock
        self._books: dict[str, Issued] = {}
        self._revoked: set[str] = set()
        self._guard = threading.Lock()

    def issue(self, service: str, region: str, account: str, ttl: float) -> Issued:
        """Make a token that lives for `ttl` seconds (fractions count; below zero it is born dead)."""
        now = self.clock()
        auth = self._auth(now + ttl)
        page = Issued(auth, service, region, account, issued_at=now, expires_at=now + ttl)
        with self._guard:
            self._books[page.fingerprint] = page
        return page

    def _auth(self, expires_at: float) -> str:
        inside = {
            "payload": "",
            "datakey": base64.b64encode(secrets.token_bytes(184)).decode(),
            "version": "2",
            "type": "DATA_KEY",
            "expiration": int(expires_at),
        }
        room = self.password_bytes * 3 // 4 - len(json.dumps(inside, separators=(",", ":")))
        inside["payload"] = base64.b64encode(secrets.token_bytes(max(room * 3 // 4, 24))).decode()
        password = base64.b64encode(json.dumps(inside, separators=(",", ":")).encode())
        return base64.b64encode(b"AWS:" + password).decode()

    def revoke(self, which: str = "") -> int:
        """Kill a token (by fingerprint) before its time, or with no argument all; return how many died."""
        with self._guard:
            doomed = {which} & self._books.keys() if which else set(self._books)
            self._revoked |= doomed
            return len(doomed)

    def judge(self, auth: str) -> dict[str, Any]:
        """Say what a registry would know of a token: ``state`` and, unless unknown, the page of the books."""
        with self._guard:
            page = self._books.get(fingerprint(auth))
            revoked = page is not None and page.fingerprint in self._revoked
        if page is None or page.auth != auth:
            return {"state": UNKNOWN}
        state = REVOKED if revoked else EXPIRED if self.clock() >= page.expires_at else VALID
        return {"state": state, "fingerprint": page.fingerprint} | {
            name: value for name, value in asdict(page).items() if name != "auth"
        }

    def issued(self) -> list[Issued]:
        """Every token ever issued, oldest first."""
        with self._guard:
            return list(self._books.values())
