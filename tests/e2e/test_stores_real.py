"""Promise 5 with real stores: what is put into pass and into a secret service is what the real docker sends."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.model import ABSENT, EntryKind
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import SinkUnwritable
from ecr_refreshd.sinks.keychain import Contents, contents
from ecr_refreshd.sinks.store import CredentialStore
from tests.needs import need
from tests.sinks.test_clients import Daemon, Request
from tests.world.stores import PASS, SECRET_SERVICE, Pass, SecretService, Store, missing

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
OTHER = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"


def password(mark: str = "p", size: int = 4500) -> str:
    """Return a password of 6 kB, which is more than AWS gives today."""
    return base64.b64encode(json.dumps({"payload": mark * size, "expiration": 1900000000}).encode()).decode()


def token(mark: str = "p", size: int = 4500) -> Secret:
    return Secret(base64.b64encode(f"AWS:{password(mark, size)}".encode()).decode())


@pytest.fixture
def passed() -> Iterator[Pass]:
    need(not missing(PASS), missing(PASS))
    with Pass() as store:
        yield store


@pytest.fixture
def secret_service() -> Iterator[SecretService]:
    need(not missing(SECRET_SERVICE), missing(SECRET_SERVICE))
    with SecretService() as store:
        yield store


@pytest.fixture(params=["passed", "secret_service"])
def store(request: pytest.FixtureRequest) -> Store:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Store)
    return found


def sink_of(store: Store, seconds: float = 20.0) -> CredentialStore:
    return CredentialStore(store.name, str(store.folder / "locks"), store.environment, seconds=seconds)


class Attentive(Request):
    """Reads what is posted: else the connection breaks, and docker logs in at the registry itself."""

    def do_POST(self) -> None:  # noqa: N802 - http.server calls it so
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        super().do_POST()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A dockerd that is only a socket, and keeps the credentials it was sent."""
    with Daemon(str(tmp_path / "sock"), Attentive) as server:
        server.sent = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def docker(store: Store, daemon: Daemon, *argv: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run the real docker client where this store is the one of config.json."""
    program = shutil.which("docker")
    need(program, "a docker client")
    config = store.folder / "docker"
    config.mkdir(exist_ok=True)
    if not (config / "config.json").exists():
        (config / "config.json").write_text(json.dumps({"credsStore": store.name}))
    environment = {
        **store.environment,
        "DOCKER_CONFIG": str(config),
        "HTTPS_PROXY": "http://127.0.0.1:9",  # nothing here is to leave this machine
        "DOCKER_HOST": f"unix://{os.fsdecode(daemon.server_address)}",
    }
    return subprocess.run(
        [str(program), *argv],
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def sent(store: Store, daemon: Daemon) -> dict[str, str]:
    """Return the credentials that docker sends when it pulls."""
    daemon.sent.clear()
    docker(store, daemon, "pull", f"{HOST}/node:18-slim")
    (only,) = daemon.sent
    return only


def test_six_kilobytes_come_back_whole(store: Store) -> None:
    sink = sink_of(store)
    assert sink.look([HOST, OTHER]).entries == {HOST: ABSENT, OTHER: ABSENT}
    assert len(password()) > 6000
    sink.write(Delivery({HOST: token("a"), OTHER: token("b")}))
    view = sink_of(store).look([HOST, OTHER])
    assert [view.entries[host].auth for host in (HOST, OTHER)] == [token("a"), token("b")]
    sink.write(Delivery({HOST: token("c")}, removed=frozenset({OTHER})))
    view = sink_of(store).look([HOST, OTHER])
    assert (view.entries[HOST].auth, view.entries[OTHER]) == (token("c"), ABSENT)


def test_docker_sends_what_was_stored(store: Store, daemon: Daemon) -> None:
    assert sent(store, daemon).get("username", "") == ""
    sink_of(store).write(Delivery({HOST: token("a")}))
    assert (sent(store, daemon)["username"], sent(store, daemon)["password"]) == ("AWS", password("a"))
    sink_of(store).write(Delivery({HOST: token("b")}))
    assert sent(store, daemon)["password"] == password("b")


def test_dockers_own_login_and_logout_meet_ours_in_the_same_place(store: Store, daemon: Daemon) -> None:
    """The server's name that docker gives a store is the bare host, however its user writes it."""
    for written in (HOST, f"https://{HOST}", f"https://{HOST}/v2/"):
        done = docker(
            store, daemon, "login", "-u", "AWS", "--password-stdin", written, text=password("theirs")
        )
        assert done.returncode == 0, done.stderr
        assert sink_of(store).look([HOST]).entries[HOST].auth == token("theirs")
        sink = sink_of(store)
        sink.write(Delivery({HOST: token("ours")}))
        assert sent(store, daemon)["password"] == password("ours")
        assert json.loads(store.ask("list", "unused").stdout) == {HOST: "AWS"}
        docker(store, daemon, "logout", HOST)
        assert sink.look([HOST]).entries[HOST] == ABSENT


def test_another_users_login_gives_way(store: Store, daemon: Daemon) -> None:
    docker(store, daemon, "login", "-u", "0me", "--password-stdin", HOST, text="theirs")
    sink = sink_of(store)
    assert sink.look([HOST]).entries[HOST].kind is EntryKind.OTHER_USER
    assert sink.write(Delivery({HOST: token()})).entries[HOST].kind is EntryKind.TOKEN
    assert sent(store, daemon)["username"] == "AWS"


def test_more_than_the_protocol_carries_is_said_so(store: Store) -> None:
    """Programs of the Go library read one line of less than 64 KiB."""
    sink = sink_of(store)
    sink.write(Delivery({HOST: token()}))
    with pytest.raises(SinkUnwritable) as refused:
        sink.write(Delivery({HOST: token(size=60_000)}))
    assert refused.value.code == "store.too-small"
    assert sink_of(store).look([HOST]).entries[HOST].auth == token()


def test_eight_at_once_all_arrive(store: Store) -> None:
    hosts = [HOST.replace("7", str(digit)) for digit in range(1, 9)]
    failed: list[BaseException] = []

    def write(host: str) -> None:
        try:
            sink_of(store).write(Delivery({host: token(host[0])}))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    view = sink_of(store).look(hosts)
    assert [view.entries[host].auth for host in hosts] == [token(host[0]) for host in hosts]


class TestPass:
    def test_while_it_is_locked_tokens_are_stored_and_docker_gets_them_afterwards(
        self, daemon: Daemon
    ) -> None:
        need(not missing(PASS), missing(PASS))
        with Pass("a passphrase") as store:
            store.unlock()
            sink_of(store).write(Delivery({HOST: token("a")}))
            store.lock()
            sink = sink_of(store)
            view = sink.look([HOST])
            assert view.entries[HOST].kind is EntryKind.UNDECODABLE
            assert "pass is locked: gpg cannot use the key without its passphrase" in view.notes[0]
            view = sink.write(Delivery({HOST: token("b")}))
            assert view.entries[HOST].auth == token("b")
            assert "pass is locked" in view.notes[0]
            store.unlock()
            assert sent(store, daemon)["password"] == password("b")
            assert sink_of(store).look([HOST]).entries[HOST].auth == token("b")

    def test_a_key_that_waits_for_somebody_opens_no_window(self) -> None:
        """A pinentry that would wait is not even started."""
        need(not missing(PASS), missing(PASS))
        with Pass("a passphrase") as store:
            pinentry = store.folder / "pinentry"
            pinentry.write_text(f"#!/bin/sh\ntouch {store.folder}/asked\nsleep 60\n")
            pinentry.chmod(0o755)
            store.lock()
            (store.folder / "gpg/gpg-agent.conf").write_text(f"pinentry-program {pinentry}\n")
            sink_of(store).write(Delivery({HOST: token("a")}))
            assert sink_of(store).look([HOST]).entries[HOST].kind is EntryKind.UNDECODABLE
            assert not (store.folder / "asked").exists()

    def test_without_pass_itself_and_without_a_key(self, passed: Pass) -> None:
        shutil.rmtree(passed.folder / ".password-store")
        with pytest.raises(SinkUnwritable, match="pass has no key yet") as refused:
            sink_of(passed).write(Delivery({HOST: token()}))
        assert refused.value.code == "store.unprepared"
        program = shutil.which("docker-credential-pass", path=passed.environment["PATH"])
        assert program is not None
        alone = passed.folder / "alone"
        alone.mkdir()
        (alone / "docker-credential-pass").symlink_to(program)
        environment = {**passed.environment, "PATH": str(alone)}
        sink = CredentialStore("pass", str(passed.folder / "locks"), environment)
        with pytest.raises(SinkUnwritable, match="cannot run the program that keeps its secrets") as refused:
            sink.write(Delivery({HOST: token()}))
        assert refused.value.code == "store.missing"

    def test_only_what_has_changed_is_decrypted_again(self, passed: Pass) -> None:
        sink = sink_of(passed)
        sink.write(Delivery({HOST: token("a"), OTHER: token("a")}))
        assert all(Path(folder).is_dir() for folder in sink.folders())
        sink_of(passed).write(Delivery({OTHER: token("b")}))
        (passed.folder / "gpg/private-keys-v1.d").rename(passed.folder / "key")
        passed.lock()
        entries = sink.look([HOST, OTHER]).entries
        assert entries[HOST].auth == token("a")
        assert entries[OTHER].kind is EntryKind.UNDECODABLE


def test_what_docker_finds_by_itself_may_hold_logins_only_where_some_have_been_kept(
    passed: Pass, secret_service: SecretService
) -> None:
    """A `pass` that nobody has initialised, and a machine without a desktop, are as good as no keychain."""
    assert contents("pass", passed.environment) == Contents(logins=False)
    sink_of(passed).write(Delivery({HOST: token()}))
    assert contents("pass", passed.environment) == Contents(logins=True)
    shutil.rmtree(passed.folder / ".password-store")
    assert contents("pass", passed.environment) == Contents(logins=False)
    assert contents("secretservice", secret_service.environment) == Contents(logins=False)
    sink_of(secret_service).write(Delivery({HOST: token()}))
    assert contents("secretservice", secret_service.environment) == Contents(logins=True)
    without = {
        n: v for n, v in secret_service.environment.items() if n in {"PATH", "HOME", "LD_LIBRARY_PATH"}
    }
    assert contents("secretservice", without) == Contents(logins=True)
    elsewhere = contents("secretservice", {**without, "HOME": str(passed.folder)})
    assert (elsewhere.logins, "list failed" in elsewhere.unseen) == (False, True)


class TestSecretService:
    def test_a_locked_keyring_is_said_so_until_it_is_unlocked(self, secret_service: SecretService) -> None:
        sink_of(secret_service).write(Delivery({HOST: token("a")}))
        secret_service.lock()
        with pytest.raises(SinkUnwritable, match="The keyring is locked") as refused:
            sink_of(secret_service).write(Delivery({HOST: token("b")}))
        assert refused.value.code == "store.locked"
        assert "--unlock" in refused.value.hint
        secret_service.unlock()
        sink = sink_of(secret_service)
        assert sink.look([HOST]).entries[HOST].auth == token("a")
        assert sink.write(Delivery({HOST: token("b")})).entries[HOST].auth == token("b")

    def test_no_service_and_no_bus(self, secret_service: SecretService) -> None:
        secret_service.stop()
        with pytest.raises(SinkUnwritable, match="No secret service runs on this session's D-Bus") as refused:
            sink_of(secret_service).look([HOST])
        assert refused.value.code == "store.missing"
        bare = {name: secret_service.environment[name] for name in ("PATH", "HOME")}
        bare["LD_LIBRARY_PATH"] = secret_service.environment.get("LD_LIBRARY_PATH", "")
        sink = CredentialStore("secretservice", str(secret_service.folder / "locks"), bare)
        with pytest.raises(SinkUnwritable, match="has no D-Bus session") as refused:
            sink.look([HOST])
        assert refused.value.code == "store.locked"

    def test_doctor_says_that_it_is_locked_until_it_is_unlocked(self, secret_service: SecretService) -> None:
        """Step 3, clause 6: the finding is there, and gone after what its text names."""
        sink_of(secret_service).write(Delivery({HOST: token("a")}))
        home = secret_service.folder
        (home / ".docker").mkdir()
        (home / ".docker/config.json").write_text('{"credsStore": "secretservice"}')

        def keys() -> set[str]:
            done = subprocess.run(
                [sys.executable, "-m", "ecr_refreshd", "doctor", "--json"],
                env=secret_service.environment,
                capture_output=True,
                timeout=90,
                check=False,
            )
            return {each["key"] for each in json.loads(done.stdout)["findings"]}

        secret_service.lock()
        assert "store.locked" in keys()
        secret_service.unlock()
        assert not {key for key in keys() if key.startswith(("store.", "doctor."))}
        secret_service.stop()
        assert "store.missing" in keys()
