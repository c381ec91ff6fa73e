"""Watches over one-time refresh tokens, in the child.

Between AWS's answer and the write of the token file, the user's login exists in this process only: ending the
process then would cost the user a sign-in. And a refresh token that AWS has refused is not sent again.
botocore's events tell when one is sent, what came back, and when its successor has been written.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, LoginRefreshRequired
from botocore.session import Session

_WORTHLESS_LOGIN = frozenset({"TOKEN_EXPIRED", "USER_CREDENTIALS_CHANGED"})
_NOT_NOW = frozenset({
    "AuthorizationPendingException", "SlowDownException", "ThrottlingException", "TooManyRequestsException",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refusal:
    """What AWS answered to a refresh, when it was no token.

    Attributes:
        code: AWS's error code; digits if something else than AWS answered.
        status: the HTTP status.
    """

    code: str
    status: int

    @property
    def throttled(self) -> bool:
        """Return whether AWS asked for fewer calls."""
        return self.status == 429 or self.code in _NOT_NOW

    @property
    def passing(self) -> bool:
        """Return whether the same refresh may succeed later."""
        return self.status >= 500 or self.code.isdigit() or self.throttled


class Refreshes:
    """Every refresh under way in this process.

    Args:
        refused: fingerprints of refresh tokens that AWS has refused earlier.
        tell: is told each fingerprint that AWS refuses now.
    """

    def __init__(self, refused: Iterable[str], tell: Callable[[str], None]) -> None:
        self._refused = set(refused)
        self._tell = tell
        self._changed = threading.Condition()
        self._under_way: set[object] = set()
        self._ending = False

    def begin(self, who: object, fingerprint: str) -> bool:
        """Say that a refresh token is about to be sent; returns False if it must not be.

        Once the process is about to end this never returns: nothing must be begun that cannot be finished.
        """
        with self._changed:
            while self._ending:
                self._changed.wait()
            if fingerprint in self._refused:
                return False
            self._under_way.add(who)
            return True

    def refuse(self, fingerprint: str) -> None:
        """Say that AWS has refused a refresh token for good."""
        self._refused.add(fingerprint)
        self._tell(fingerprint)

    def end(self, who: object) -> None:
        """Say that what was received is written, or that nothing was."""
        with self._changed:
            self._under_way.discard(who)
            self._changed.notify_all()

    def settle(self, seconds: float) -> None:
        """Let no refresh begin any more, and wait until none is under way; `seconds` at most."""
        # Called by a signal handler of the main thread, which never holds the lock otherwise.
        with self._changed:
            self._ending = True
            self._changed.wait_for(lambda: not self._under_way, seconds)


class Watch:
    """Listens to the refreshes of one session.

    Attributes:
        sent: a refresh was tried.
        refusal: what AWS answered to it instead of a token.
        withheld: AWS had refused this refresh token before, so it was not sent.
        in_hand: the SSO token was good enough to ask for a role's credentials.
    """

    def __init__(self, session: Session, refreshes: Refreshes, has_token: Callable[[], None]) -> None:
        """Listen; `has_token` is called when `in_hand` becomes true."""
        self.sent = False
        self.refusal: Refusal | None = None
        self.withheld = False
        self.in_hand = False
        self._refreshes = refreshes
        self._has_token = has_token
        self._fingerprint = ""
        session.register("before-parameter-build.sso-oidc.CreateToken", self._sso_refresh)
        session.register("after-call.sso-oidc.CreateToken", self._sso_answer)
        session.register("before-parameter-build.signin.CreateOAuth2Token", self._login_refresh)
        session.register("after-call.signin.CreateOAuth2Token", self._login_answer)
        session.register("before-parameter-build.sso.GetRoleCredentials", self._written)

    def close(self) -> None:
        """Say that nothing is under way any more."""
        self._refreshes.end(self)

    def hold(self) -> None:
        """Say that a program may be refreshing the login now, until `close`. Waits as `Refreshes.begin` does."""
        self._refreshes.begin(self, "")

    def refuse(self) -> None:
        """Say that AWS has refused for good what was begun."""
        self._refreshes.refuse(self._fingerprint)

    def _sso_refresh(self, params: dict[str, Any], **_more: object) -> None:
        if not self.begin(params.get("refreshToken", "")):
            # As AWS answered before; botocore then goes on with the access token while that lasts.
            said = {"Error": {"Code": "InvalidGrantException", "Message": "refused before"}}
            raise ClientError(said, "CreateToken")

    def _login_refresh(self, params: dict[str, Any], **_more: object) -> None:
        if not self.begin(params.get("tokenInput", {}).get("refreshToken", "")):
            raise LoginRefreshRequired

    def begin(self, token: str) -> bool:
        """Say that this refresh token is about to be sent; returns False if it must not be. See `Refreshes`."""
        self.sent = True
        self._fingerprint = hashlib.sha256(token.encode()).hexdigest()
        self.withheld = not self._refreshes.begin(self, self._fingerprint)
        return not self.withheld

    def _sso_answer(self, http_response: Any, parsed: dict[str, Any], **_more: object) -> None:
        if http_response.status_code >= 400:
            code = str(parsed.get("Error", {}).get("Code", ""))
            self.refusal = Refusal(code, http_response.status_code)
            if not self.refusal.passing:
                self.refuse()

    def _login_answer(self, http_response: Any, parsed: dict[str, Any], **_more: object) -> None:
        if http_response.status_code >= 400 and parsed.get("error") in _WORTHLESS_LOGIN:
            self.refuse()

    def _written(self, **_more: object) -> None:
        self.in_hand = True
        self._refreshes.end(self)
        self._has_token()
