"""A fake AWS on loopback that answers what botocore of today sends, keeps all it issued, and can be made to fail.

In Python: ``with FakeAws() as aws: run(env=aws.environment(home))``. As a program: ``python -m tests.world.aws
--port 4566 --ttl 30``. Another process steers it by its `COMMANDS` (see `remote`), and reads ``/_control/log``.
"""

from __future__ import annotations

import argparse
import signal
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.world import homes, rendering, services
from tests.world.faults import Fault, Faults
from tests.world.loopback import Answer, HangUp, Loopback, Request
from tests.world.mint import Mint
from tests.world.remote import control
from tests.world.services import Call, Services, Settings
from tests.world.signing import Caller, Key, Keyring
from tests.world.sso import Portal, Refused

COMMANDS = (
    "set", "fault", "clear_faults", "log", "clear_log", "judge", "issue", "revoke", "account", "sso_login",
    "sso_end", "reset",
)  # fmt: skip


class FakeAws:
    """The server; a context manager. Every setting of `services.Settings` may be given by name.

    Args:
        port: 0 takes a free one.
        password_bytes: how long the passwords are that it mints.
        tunnel: a server-side TLS context: with it the fake is an HTTPS proxy too, and all of AWS behind it.

    Attributes:
        url: where it listens.
        mint: the books of all tokens.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        password_bytes: int = 2400,
        tunnel: ssl.SSLContext | None = None,
        **settings: Any,
    ) -> None:
        start = self._start = Settings(**settings)
        self.mint = Mint(password_bytes, clock=self.now)
        self._services = Services(start, self.mint, Keyring(start.default_account), Portal())
        self._faults = Faults()
        self._calls: list[Call] = []
        self._in_flight = 0
        self._changed = threading.Condition()
        self._server = Loopback(self._respond, port=port, tunnel=tunnel)
        self.url = self._server.url
        self.port = self._server.port

    # -- steering ------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._services.settings

    def now(self) -> float:
        """AWS's own time, in seconds since 1970."""
        return self._services.now()

    def set(self, **changes: Any) -> None:
        """Change settings from the next call on; TypeError for a name that is none."""
        self._services.settings = replace(self._services.settings, **changes)
        self._services.keys.default_account = self._services.settings.default_account

    def reset(self) -> None:
        """Settings as at the start, no faults, an empty log; what was issued stays in the books."""
        self.clear_faults()
        self.clear_log()
        self.set(**asdict(self._start))

    def fault(self, operation: str = "*", **how: Any) -> None:
        """Put a `faults.Fault` in force, behind those that are."""
        if "code" not in how and how.keys() & {"delay", "delay_after"}:
            how.setdefault("way", "ok")
        self._faults.add(Fault(operation, **how))

    def clear_faults(self) -> None:
        """Lift every fault; what hangs is cut off."""
        self._faults.clear()

    def account(self, access_key: str, account: str, secret: str = "", session_token: str = "") -> None:
        """Register an access key. Its signatures are checked from now on: `secret` must be the profile's."""
        self._services.keys.add(Key(access_key, secret, account, session_token))

    def issue(
        self, service: str = "ecr", region: str = "us-west-2", account: str = "", ttl: float | None = None
    ) -> dict[str, Any]:
        """Mint a token without a call (a negative `ttl` for a dead one); return its page in the books."""
        settings = self.settings
        life = settings.ttl if ttl is None else ttl
        page = self.mint.issue(service, region, account or settings.default_account, life)
        return asdict(page) | {"fingerprint": page.fingerprint, "password": page.password}

    def judge(self, auth: str) -> dict[str, Any]:
        """Say what a registry would know of this base64 ``AWS:password``: ``state`` and its page in the books."""
        return self.mint.judge(auth)

    def revoke(self, fingerprint: str = "") -> int:
        """Kill a token, or all, before their time; return how many."""
        return self.mint.revoke(fingerprint)

    def sso_login(self, session: str, ttl: float | None = None) -> dict[str, Any]:
        """Begin a portal session; return the tokens, and when the access token ends (seconds since 1970)."""
        expires_at = self._services.now() + (self.settings.sso_token_ttl if ttl is None else ttl)
        return self._services.portal.login(session, expires_at) | {"expires_at": expires_at}

    def sso_end(self, session: str = "") -> None:
        """End the portal sessions of that name, or all: only a person's new login helps."""
        self._services.portal.end(session)

    def sso_renews(self, refresh_token: str) -> bool:
        """Say whether this refresh token is worth anything; asking does not spend it."""
        return self._services.portal.renews(refresh_token)

    # -- the log -------------------------------------------------------------------------------------------

    def calls(self, operation: str = "") -> list[Call]:
        """The calls so far, oldest first; of one operation (``ecr:GetAuthorizationToken`` works too) or all."""
        with self._changed:
            calls = list(self._calls)
        return [
            each for each in calls if operation in {"", each.operation, f"{each.service}:{each.operation}"}
        ]

    def log(self) -> list[dict[str, Any]]:
        """The calls as plain objects: what ``/_control/log`` shows."""
        return [asdict(call) for call in self.calls()]

    def clear_log(self) -> None:
        """Forget the calls so far."""
        with self._changed:
            self._calls.clear()

    def wait_for(self, operation: str, count: int = 1, timeout: float = 10.0) -> list[Call]:
        """Return the calls of an operation once `count` have *ended*; TimeoutError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                ended = [each for each in self.calls(operation) if each.ended is not None]
                if len(ended) >= count:
                    return ended
                if (
                    not self._changed.wait(max(0.0, deadline - time.monotonic()))
                    and time.monotonic() > deadline
                ):
                    raise TimeoutError(f"{len(ended)} of {count} calls of {operation} in {timeout} s")

    # -- pointing others here ------------------------------------------------------------------------------

    def environment(self, home: Path | str, **more: str) -> dict[str, str]:
        """The whole environment of a child that shall find its AWS here."""
        return homes.environment(self.url, home, **more)

    def proxied_environment(self, home: Path | str, certificate: Path, **more: str) -> dict[str, str]:
        """The environment of a child that calls AWS by its real names, through a proxy: this fake.

        The fake must have a `tunnel` context whose `certificate` bears the names. The log's `host` then shows
        which endpoint the child meant.
        """
        proxied = homes.environment(
            self.url, home, HTTPS_PROXY=self.url, AWS_CA_BUNDLE=str(certificate), **more
        )
        return {name: value for name, value in proxied.items() if not name.startswith("AWS_ENDPOINT_URL")}

    def container_environment(self, account: str) -> dict[str, str]:
        """What ECS or EKS would set: credentials of a role in `account` from the container endpoint."""
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/container/{account}"}

    # -- answering -----------------------------------------------------------------------------------------

    def _respond(self, request: Request) -> Answer:
        if request.path.startswith("/_control/"):
            return control(self, COMMANDS, request)
        caller = self._services.keys.identify(request, self._services.now())
        call = self._begin(request, caller)
        try:
            answer = self._fulfil(call, request, caller)
        except Refused as error:
            call.outcome = error.code
            answer = rendering.refusal(call.service, error)
        except HangUp:
            call.outcome = call.outcome or "reset"
            raise
        finally:
            self._end(call)
        settings = self.settings
        return replace(answer, date=time.time() + settings.clock_offset if settings.send_date else None)

    def _begin(self, request: Request, caller: Caller) -> Call:
        service, operation = services.route(request)
        call = Call(
            service, operation, caller.region, request.host, caller.access_key, caller.account, caller.signed,
            caller.scope, request.headers.get("user-agent", ""), at=time.time(),
            arguments=services.arguments(request),
        )  # fmt: skip
        with self._changed:
            self._in_flight += 1
            call.in_flight = self._in_flight
            self._calls.append(call)
            self._changed.notify_all()
        return call

    def _end(self, call: Call) -> None:
        with self._changed:
            self._in_flight -= 1
            call.ended = time.time()
            self._changed.notify_all()

    def _fulfil(self, call: Call, request: Request, caller: Caller) -> Answer:
        fault = self._faults.take(call.service, call.operation, call.access_key, call.region)
        self._pause(self.settings.latency + (fault.delay if fault else 0.0), fault)
        if fault is not None and fault.way not in {"ok", "past"}:
            call.outcome = fault.code if fault.way == "error" else fault.way
            return self._spoil(call, fault)
        if call.service == "unknown":
            raise Refused("ResourceNotFoundException", f"the fake AWS knows no {call.operation}")
        past = fault is not None and fault.way == "past"
        answer = self._services.answer(call, request, caller, -3600.0 if past else None)
        self._pause(fault.delay_after if fault else 0.0, fault)
        call.outcome = "past" if past else "ok"
        return answer

    def _spoil(self, call: Call, fault: Fault) -> Answer:
        if fault.way == "hang":
            while not fault.lifted.wait(0.05) and not self._server.stopping.is_set():
                pass
            raise HangUp
        if fault.way == "reset":
            raise HangUp
        if fault.way == "error":
            return rendering.refusal(
                call.service, Refused(fault.code, fault.message, **fault.extra), fault.status
            )
        pages: dict[str, Callable[[], Answer]] = {
            "portal": rendering.portal_page,
            "proxy": lambda: replace(rendering.proxy_page(), status=fault.status),
        }
        return pages[fault.way]() if fault.way in pages else rendering.hollow(call.service, call.operation)

    def _pause(self, seconds: float, fault: Fault | None) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not (fault and fault.lifted.is_set()):
            if self._server.stopping.wait(min(left, 0.05) if fault else left):
                raise HangUp

    # -- ending --------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the server and every connection."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def main() -> None:
    """Run as a program until SIGTERM or SIGINT; the first line of output is the URL."""
    parser = argparse.ArgumentParser(prog="python -m tests.world.aws", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--ttl", type=float, default=12 * 3600.0, help="life of an authorization token, seconds"
    )
    parser.add_argument(
        "--account", default="123456789012", help="the account of keys that nobody registered"
    )
    options = parser.parse_args()
    # Blocked before any thread starts, so that the signal waits for sigwait and for nobody else.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with FakeAws(port=options.port, ttl=options.ttl, default_account=options.account) as aws:
        print(aws.url, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
