"""The registry with ECR's face: whom it lets in, and the very words with which it does not.

It asks a fake AWS about each token (in this process or another: anything with ``judge(auth=...)``), takes the
region from the Host header, and writes down every request. As a program: ``python -m tests.world.registry --aws
URL --port 5443``; another process steers it by ``POST /_control/NAME`` as it steers the fake AWS.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import re
import secrets
import signal
import ssl
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from tests.world import image
from tests.world.contents import Contents, of_image, of_registry, refused
from tests.world.loopback import Answer, HangUp, Loopback, Request, as_json
from tests.world.mint import EXPIRED, REVOKED, VALID, fingerprint
from tests.world.remote import Remote, control

COMMANDS = ("log", "clear_log", "trouble")
PUBLIC = ("public.ecr.aws", "ecr-public.aws.com")
EXPIRED_WORDS = "Your authorization token has expired. Reauthenticate and try again."
_HOST = re.compile(r"[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.")


class Judge(Protocol):
    """A fake AWS, here or in another process."""

    def judge(self, *, auth: str) -> Any:
        """Say what is known of a token."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request as the log has it.

    `verdict` is ``anonymous``, ``malformed``, ``unknown``, ``elsewhere`` (another region or service),
    ``expired``, ``revoked``, ``valid`` or ``trouble``; `fingerprint` twelve hex of the token's SHA-256.
    """

    at: float
    host: str
    method: str
    path: str
    user: str
    fingerprint: str
    verdict: str
    status: int
    user_agent: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the registry suffers from: a status for everybody, seconds of delay, or no answer at all."""

    status: int = 0
    delay: float = 0.0
    hang: bool = False


class EcrFace:
    """The server; a context manager.

    Args:
        aws: who issued the tokens.
        port: 0 takes a free one.
        tls: a server-side context, for HTTPS.
        contents: what is behind the door; by default one image, built here.
        region: the registry's region where the host does not tell (127.0.0.1, a company's own name).
    """

    def __init__(
        self,
        aws: Judge,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        contents: Contents | None = None,
        region: str = "us-west-2",
    ) -> None:
        self._aws = aws
        self._contents = contents or of_image(image.build())
        self._region = region
        self._trouble = Trouble()
        self._visits: list[Visit] = []
        self._anonymous: set[str] = set()
        self._guard = threading.Lock()
        self._server = Loopback(self._respond, port=port, tls=tls)
        self.url = self._server.url
        self.port = self._server.port

    def trouble(self, **how: Any) -> None:
        """Suffer from now on (see `Trouble`); without arguments, be well again."""
        self._trouble = Trouble(**how)

    def visits(self, path: str = "") -> list[Visit]:
        """The requests so far, oldest first, whose path contains `path`."""
        with self._guard:
            return [visit for visit in self._visits if path in visit.path]

    def log(self) -> list[dict[str, Any]]:
        """The requests as plain objects: what ``/_control/log`` shows."""
        return [asdict(visit) for visit in self.visits()]

    def clear_log(self) -> None:
        """Forget the requests so far."""
        with self._guard:
            self._visits.clear()

    def close(self) -> None:
        """End the server and every connection."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _respond(self, request: Request) -> Answer:
        if request.path.startswith("/_control/"):
            return control(self, COMMANDS, request)
        trouble, stopping = self._trouble, self._server.stopping
        if trouble.delay and stopping.wait(trouble.delay):
            raise HangUp
        while trouble.hang and self._trouble is trouble and not stopping.wait(0.05):
            pass
        scheme, auth = _credential(request)
        if trouble.hang or trouble.status:
            self._note(request, auth, "trouble", trouble.status)
            if trouble.hang:
                raise HangUp
            return refused(trouble.status, "UNAVAILABLE", "the registry is in trouble")
        public = request.host.partition(":")[0] in PUBLIC
        verdict = self._verdict(request, scheme, auth, public=public)
        answer = (self._public if public else _private)(request, verdict, self._contents)
        self._note(request, auth, verdict, answer.status)
        return replace(answer, date=time.time())

    def _verdict(self, request: Request, scheme: str, auth: str, *, public: bool) -> str:
        if not scheme:
            return "anonymous"
        if not _user(auth) and auth not in self._anonymous:
            return "malformed"
        if auth in self._anonymous:
            return "anonymous"
        page = self._aws.judge(auth=auth)
        if page["state"] == "unknown":
            return "unknown"
        home = ("ecr-public", "us-east-1") if public else ("ecr", self._region_of(request.host))
        return str(page["state"]) if (page["service"], page["region"]) == home else "elsewhere"

    def _region_of(self, host: str) -> str:
        found = _HOST.match(host)
        return found[1] if found else self._region

    def _public(self, request: Request, verdict: str, contents: Contents) -> Answer:
        """ECR Public: a bearer token for everybody, unless one comes with a token that is no good."""
        if verdict in {EXPIRED, REVOKED}:
            return refused(403, "DENIED", EXPIRED_WORDS)
        if verdict in {"unknown", "malformed", "elsewhere"}:
            return refused(400, "DENIED", "Your Authorization Token is invalid.")
        if request.path.rstrip("/") == "/token":
            _, sent = _credential(request)
            token = sent or secrets.token_urlsafe(24)
            if not sent:
                self._anonymous.add(token)
            return as_json({"token": token})
        if not _credential(request)[0]:
            challenge = (
                f'Bearer realm="{_origin(request, self._server)}/token/",service="public.ecr.aws",scope="aws"'
            )
            return refused(401, "UNAUTHORIZED", "Not Authorized", WWW_Authenticate=challenge)
        return contents(request)

    def _note(self, request: Request, auth: str, verdict: str, status: int) -> None:
        visit = Visit(
            at=time.time(),
            host=request.host,
            method=request.method,
            path=request.path,
            user=_user(auth),
            fingerprint=fingerprint(auth) if auth else "",
            verdict=verdict,
            status=status,
            user_agent=request.headers.get("user-agent", ""),
        )
        with self._guard:
            self._visits.append(visit)


def _private(request: Request, verdict: str, contents: Contents) -> Answer:
    if verdict == VALID:
        return contents(request)
    if verdict == "anonymous":
        host = request.host
        challenge = f'Basic realm="https://{host}/",service="ecr.amazonaws.com"'
        headers = {"Content-Type": "text/plain; charset=utf-8", "WWW-Authenticate": challenge}
        return Answer(401, b"Not Authorized\n", {"Docker-Distribution-Api-Version": "registry/2.0"} | headers)
    if verdict in {EXPIRED, REVOKED}:
        return refused(403, "DENIED", EXPIRED_WORDS)
    return refused(400, "DENIED", "Your Authorization Token is invalid.")


def _credential(request: Request) -> tuple[str, str]:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return scheme.lower(), value.strip()


def _user(auth: str) -> str:
    try:
        return base64.b64decode(auth, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _origin(request: Request, server: Loopback) -> str:
    return f"http{'s' if server.tls else ''}://{request.host}"


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server-side context from PEM files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def main() -> None:
    """Run as a program until SIGTERM or SIGINT; the first line of output is the URL."""
    parser = argparse.ArgumentParser(prog="python -m tests.world.registry", description=__doc__)
    parser.add_argument("--aws", required=True, help="URL of the fake AWS that issued the tokens")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--region", default="us-west-2", help="where the host name does not tell")
    parser.add_argument("--upstream", help="URL of a real registry; without it, one small image is served")
    parser.add_argument("--tls-cert", type=Path, help="PEM; with --tls-key for HTTPS")
    parser.add_argument("--tls-key", type=Path)
    options = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    contents = of_registry(options.upstream) if options.upstream else None
    tls = tls_context(options.tls_cert, options.tls_key) if options.tls_cert else None
    with EcrFace(
        Remote(options.aws), port=options.port, tls=tls, contents=contents, region=options.region
    ) as face:
        print(face.url, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
