"""IAM Identity Center's side of a login: portal sessions, their access tokens and their refresh tokens.

A refresh token is good once (the strict reading of the service, under which a lost answer or two parallel
refreshes cost the user the login) unless the fake is told that they are reusable.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field


class Refused(Exception):  # noqa: N818 - an answer of the service, rendered by whoever speaks its protocol
    """The service says no: the AWS error code, and what else its document holds at the top."""

    def __init__(self, code: str, message: str = "", **extra: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.extra = extra


@dataclass(slots=True)
class _Login:
    alive: bool = True
    access: dict[str, float] = field(default_factory=dict)
    refresh: set[str] = field(default_factory=set)


class Portal:
    """All logins, by the name of their ``sso_session`` (or start URL). Safe to use from many threads."""

    def __init__(self) -> None:
        self._logins: list[tuple[str, _Login]] = []
        self._guard = threading.Lock()

    def login(self, session: str, expires_at: float) -> dict[str, str]:
        """Begin a portal session; return its first access and refresh token."""
        with self._guard:
            login = _Login()
            self._logins.append((session, login))
            return _tokens(login, expires_at)

    def end(self, session: str = "") -> None:
        """End the portal sessions of a name, or all: refreshes are refused, access tokens dead."""
        with self._guard:
            for name, login in self._logins:
                if session in {"", name}:
                    login.alive = False

    def refresh(self, token: str, expires_at: float, *, mode: str) -> dict[str, str]:
        """Trade a refresh token for an access token.

        Args:
            token: the refresh token.
            expires_at: when the new access token ends, in seconds since 1970.
            mode: ``one-time`` (spent, a new one comes along), ``reusable`` (the same comes back) or ``none``
                (reusable, but the answer names none: botocore then forgets it).

        Raises:
            Refused: InvalidGrantException.
        """
        with self._guard:
            for _, login in self._logins:
                if token in login.refresh and login.alive:
                    if mode == "one-time":
                        login.refresh.discard(token)
                        return _tokens(login, expires_at)
                    answer = _tokens(login, expires_at) | {"refreshToken": token}
                    return answer if mode == "reusable" else {"accessToken": answer["accessToken"]}
        raise Refused("InvalidGrantException", error="invalid_grant")

    def renews(self, token: str) -> bool:
        """Whether a refresh token would be taken now; it is not spent by asking."""
        with self._guard:
            return any(login.alive and token in login.refresh for _, login in self._logins)

    def admits(self, access_token: str, now: float) -> bool:
        """Whether the portal takes this access token."""
        with self._guard:
            return any(login.alive and now < login.access.get(access_token, 0.0) for _, login in self._logins)


def _tokens(login: _Login, expires_at: float) -> dict[str, str]:
    access, refresh = "aoa" + secrets.token_urlsafe(48), "aor" + secrets.token_urlsafe(48)
    login.access[access] = expires_at
    login.refresh.add(refresh)
    return {"accessToken": access, "refreshToken": refresh}
