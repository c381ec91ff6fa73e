"""The registry's own word on a token: from a real TLS server with ECR's face, and from what is none."""

from __future__ import annotations

import os
import queue
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ecr_refreshd.aws import probing
from ecr_refreshd.aws.probing import Prober
from ecr_refreshd.core.events import Probed
from ecr_refreshd.core.secret import Secret
from tests.world.aws import FakeAws
from tests.world.certificates import self_signed
from tests.world.loopback import Answer, Loopback
from tests.world.processes import children
from tests.world.registry import EcrFace, tls_context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"), [])


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    with FakeAws() as server:
        yield server


@pytest.fixture
def face(aws: FakeAws, certificate: tuple[Path, Path]) -> Iterator[EcrFace]:
    with EcrFace(aws, tls=tls_context(*certificate)) as server:
        yield server


class Probing:
    """A prober, and what it says."""

    def __init__(self, certificate: tuple[Path, Path], more: Mapping[str, str] | None = None) -> None:
        self.said: queue.SimpleQueue[Probed] = queue.SimpleQueue()
        environ = {"PATH": os.environ["PATH"], "AWS_CA_BUNDLE": str(certificate[0]), **(more or {})}
        self.prober = Prober(self.said.put, environ)

    def ask(self, host: str, auth: str) -> Probed:
        self.prober.probe(host, "f00d", Secret(auth))
        return self.said.get(timeout=30)


@pytest.fixture
def asked(certificate: tuple[Path, Path]) -> Iterator[Probing]:
    made = Probing(certificate)
    yield made
    made.prober.stop()


def name(server: EcrFace | Loopback) -> str:
    return f"127.0.0.1:{server.port}"


def test_a_token_that_works_is_accepted(asked: Probing, aws: FakeAws, face: EcrFace) -> None:
    """What the registry saw is the token itself."""
    auth = aws.issue()["auth"]
    assert asked.ask(name(face), auth) == Probed(name(face), "f00d", "accepted")
    (visit,) = face.visits("/v2/")
    assert (visit.user, visit.verdict) == ("AWS", "valid")


@pytest.mark.parametrize(
    ("ttl", "region", "said"),
    [
        (-60.0, "us-west-2", "HTTP 403: Your authorization token has expired"),
        (60.0, "eu-west-1", "HTTP 400: "),
    ],
)
def test_a_token_that_does_not_is_refused_in_the_registrys_words(
    asked: Probing, aws: FakeAws, face: EcrFace, ttl: float, region: str, said: str
) -> None:
    """Promise 7; and no token in the text (promise 6)."""
    auth = aws.issue(ttl=ttl, region=region)["auth"]
    answer = asked.ask(name(face), auth)
    assert answer.answer == "refused"
    assert answer.detail.startswith(said)
    assert auth[20:60] not in answer.detail


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_what_is_not_the_registrys_own_word_is_no_answer(
    asked: Probing, certificate: tuple[Path, Path], status: int
) -> None:
    """A proxy's page, a portal's, a server in trouble: none says anything about the token."""
    answer = Answer(status, b"<html>Please sign in</html>", {"Content-Type": "text/html"})
    with Loopback(lambda _request: answer, tls=tls_context(*certificate)) as server:
        assert asked.ask(name(server), "QVdTOng=").answer == "unknown"


def test_a_portal_that_says_200_is_no_registry(asked: Probing, certificate: tuple[Path, Path]) -> None:
    """Captive portals do."""
    with Loopback(lambda _request: Answer(200, b"<html>", {}), tls=tls_context(*certificate)) as server:
        assert asked.ask(name(server), "QVdTOng=").answer == "unknown"


def test_a_redirect_is_not_followed_with_the_token(asked: Probing, certificate: tuple[Path, Path]) -> None:
    """The token is for that host alone."""
    seen: list[str] = []

    def answer(request: object) -> Answer:
        seen.append(request.path)  # type: ignore[attr-defined] # a loopback.Request
        return Answer(302, b"", {"Location": "/elsewhere"})

    with Loopback(answer, tls=tls_context(*certificate)) as server:
        assert asked.ask(name(server), "QVdTOng=").answer == "unknown"
    assert seen == ["/v2/"]


def test_a_certificate_that_is_not_trusted_gets_no_token(aws: FakeAws, face: EcrFace) -> None:
    """TLS first, then the token."""
    made = Probing((Path("/dev/null"), Path("/dev/null")))
    try:
        answer = made.ask(name(face), aws.issue()["auth"])
    finally:
        made.prober.stop()
    assert (answer.answer, answer.detail) == (
        "unknown",
        "its certificate is not trusted (self-signed certificate)",
    )
    assert face.visits() == []


def test_nobody_there_is_no_answer(asked: Probing) -> None:
    """Offline."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert asked.ask(f"127.0.0.1:{port}", "QVdTOng=").answer == "unknown"


def test_a_registry_that_hangs_delays_the_others_by_nothing_and_is_given_up(
    asked: Probing, aws: FakeAws, face: EcrFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 8; what did answer counts."""
    monkeypatch.setattr(probing, "_SECONDS", 2.0)
    good = aws.issue()["auth"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = f"127.0.0.1:{silent.getsockname()[1]}"
        asked.prober.probe(hanging, "dead", Secret("QVdTOng="))
        asked.prober.probe(name(face), "beef", Secret(good))
        answers = {each.fingerprint: each for each in (asked.said.get(timeout=30) for _ in range(2))}
    assert answers["beef"].answer == "accepted"
    assert answers["dead"] == Probed(hanging, "dead", "unknown", "no answer in time")


def test_the_token_is_in_no_argument_and_no_environment(
    asked: Probing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every process of this user, and `ps`, can read those."""
    canary = "QVdTOmNhbmFyeS1jYW5hcnk="
    monkeypatch.setattr(probing, "_SECONDS", 600.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked.prober.probe(f"127.0.0.1:{silent.getsockname()[1]}", "f", Secret(canary))
        connection, _ = silent.accept()
        with connection:
            for pid in children(os.getpid()):
                for kind in ("cmdline", "environ"):
                    path = Path(f"/proc/{pid}/{kind}")
                    assert not path.exists() or canary.encode() not in path.read_bytes()
            asked.prober.stop()  # does not wait for the registry, which never answers
