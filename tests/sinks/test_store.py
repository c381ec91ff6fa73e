"""Promises 5 and 7: a token in a credential store is the one that docker gets, or it is said why not."""

from __future__ import annotations

import base64
import json
import sys
import threading
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.model import ABSENT, EntryKind, fingerprint
from ecr_refreshd.core.ports import Sink
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import SinkUnwritable
from ecr_refreshd.sinks.store import CredentialStore

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
OTHER = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
END = datetime(2030, 1, 2, 3, 4, tzinfo=UTC)

STORE = """#!{python} -IS
import fcntl, json, os, sys, time
here = os.path.dirname(os.path.realpath(__file__))
how = json.load(open(here + "/how"))
verb, said = sys.argv[1], sys.stdin.read()
with open(here + "/calls", "a") as calls:
    calls.write(verb + " " + (json.loads(said)["ServerURL"] if verb == "store" else said) + chr(10))
def fail(text):
    print(text)
    sys.exit(1)
busy = open(here + "/busy", "a")
try:
    fcntl.flock(busy, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    open(here + "/overlapped", "w")
time.sleep(how.get("sleep", 0))
if "fails" in how and verb in how.get("verbs", verb) and how.get("host", "") in said:
    fail(how["fails"])
kept = json.load(open(here + "/kept"))
if verb == "store":
    asked = json.loads(said)
    server, user, secret = asked["ServerURL"], asked["Username"], asked["Secret"]
    users = kept.setdefault(server, {{}})
    if "most" in how and len(secret) > how["most"]:
        fail("The stub received bad data.")
    if how.get("collides") and users:
        fail("The specified item already exists in the keychain.")
    users[user] = secret[: how.get("cut", len(secret))]
elif verb == "erase":
    kept.pop(said, None) or fail("credentials not found in native keychain")
elif verb == "list":
    print(json.dumps({{"": "account not defined"}} if how.get("conceals") else {{}}))
elif verb == "get" and how.get("conceals"):
    fail("credentials not found in native keychain")
elif verb == "get":
    users = kept.get(said) or fail("credentials not found in native keychain")
    user = sorted(users)[0]
    print(json.dumps({{"ServerURL": said, "Username": user, "Secret": users[user]}}))
json.dump(kept, open(here + "/kept", "w"))
"""


class Standin:
    """A store whose program is a script of ours, and which behaves as it is told."""

    def __init__(self, folder: Path, store: str = "x") -> None:
        self.folder = folder / "bin"
        self.folder.mkdir(exist_ok=True)
        self.program = self.folder / f"docker-credential-{store}"
        self.program.write_text(STORE.format(python=sys.executable))
        self.program.chmod(0o755)
        self.keep({})
        self.behave()
        self.now = 0.0
        self.locks = str(folder / "locks")
        self.environ = {"PATH": str(self.folder), "HOME": str(folder)}
        self.sink = self.again(store)

    def again(self, store: str = "x") -> CredentialStore:
        """Return the sink as another process of ours would make it."""
        return CredentialStore(store, self.locks, self.environ, clock=lambda: self.now)

    def behave(self, **how: object) -> None:
        (self.folder / "how").write_text(json.dumps(how))

    def keep(self, kept: dict[str, dict[str, str]]) -> None:
        (self.folder / "kept").write_text(json.dumps(kept))

    def kept(self) -> dict[str, dict[str, str]]:
        return dict(json.loads((self.folder / "kept").read_text()))

    def calls(self) -> list[str]:
        """Return what it was called for since this was last asked."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.write_text("")
        return lines


@pytest.fixture
def store(tmp_path: Path) -> Standin:
    return Standin(tmp_path)


def password(mark: str = "p", size: int = 1800) -> str:
    document = {"payload": mark * size, "expiration": int(END.timestamp())}
    return base64.b64encode(json.dumps(document).encode()).decode()


def token(mark: str = "p", size: int = 1800) -> Secret:
    return Secret(base64.b64encode(f"AWS:{password(mark, size)}".encode()).decode())


def test_a_token_that_is_written_is_what_docker_gets(store: Standin) -> None:
    sink: Sink = store.sink
    assert sink.path == "credsStore:x"
    assert sink.look([HOST]).entries == {HOST: ABSENT}
    view = sink.write(Delivery({HOST: token("a"), OTHER: token("b")}))
    assert store.kept() == {HOST: {"AWS": password("a")}, OTHER: {"AWS": password("b")}}
    assert view.entries[HOST].kind is EntryKind.TOKEN
    assert view.entries[HOST].fingerprint == fingerprint(token("a").reveal())
    assert view.entries[HOST].auth == token("a")
    assert view.entries[HOST].expires_hint == END
    assert view.ecr_hosts == (HOST, OTHER)
    assert view == sink.look([HOST, OTHER]) == store.again().look([HOST, OTHER])
    assert sink.folders() == frozenset()


def test_a_newer_token_takes_the_place_of_an_older_one_and_others_stay(store: Standin) -> None:
    store.keep({"https://ghcr.io": {"me": "mine"}})
    store.sink.write(Delivery({HOST: token("a")}))
    view = store.sink.write(Delivery({HOST: token("b")}))
    assert view.entries[HOST].auth == token("b")
    assert store.kept() == {"https://ghcr.io": {"me": "mine"}, HOST: {"AWS": password("b")}}


def test_a_removed_host_is_erased_even_if_it_was_not_there(store: Standin) -> None:
    store.sink.write(Delivery({HOST: token()}))
    for _ in range(2):
        view = store.sink.write(Delivery(removed=frozenset({HOST})))
        assert view.entries[HOST] == ABSENT
    assert store.kept() == {}


def test_a_vanished_login_looks_like_a_logout(store: Standin) -> None:
    """The rest of what is there is the same: what vanishes from a store, somebody has taken out of it."""
    before = store.sink.write(Delivery({HOST: token()}))
    store.keep({})
    after = store.sink.look([HOST])
    assert after.entries[HOST] == ABSENT
    assert after.rest == before.rest != ""


def test_a_keyring_that_is_locked_is_no_logout(store: Standin) -> None:
    """The secret service says of a locked login that there is none; to respect that would pause us."""
    store.sink.write(Delivery({HOST: token()}))
    store.behave(conceals=True)
    with pytest.raises(SinkUnwritable) as refused:
        store.sink.look([HOST])
    assert refused.value.code == "store.locked"
    store.behave()
    store.now += 61
    assert store.sink.look([HOST]).entries[HOST].auth == token()


def test_another_users_login_that_docker_would_get_instead_gives_way(store: Standin) -> None:
    """Stores keep one login for each user of a server, and docker is given the first of them."""
    store.keep({HOST: {"0": "theirs"}, OTHER: {"0": "theirs"}})
    assert store.sink.look([HOST]).entries[HOST].kind is EntryKind.OTHER_USER
    view = store.sink.write(Delivery({HOST: token()}))
    assert view.entries[HOST].kind is EntryKind.TOKEN
    assert store.kept() == {HOST: {"AWS": password()}, OTHER: {"0": "theirs"}}


def test_what_refuses_to_be_replaced_is_erased_once(store: Standin) -> None:
    """As osxkeychain does now and then (docker-credential-helpers 333)."""
    store.sink.write(Delivery({HOST: token("a")}))
    store.behave(collides=True)
    store.calls()
    assert store.sink.write(Delivery({HOST: token("b")})).entries[HOST].auth == token("b")
    assert store.calls() == [f"{verb} {HOST}" for verb in ("store", "erase", "store", "get")]


def test_what_collides_for_good_is_said_so(store: Standin) -> None:
    store.behave(fails="The specified item already exists in the keychain.", verbs="store")
    with pytest.raises(SinkUnwritable, match="refuses to replace what lies there") as refused:
        store.sink.write(Delivery({HOST: token()}))
    assert refused.value.code == "store.colliding"
    assert store.calls() == [f"store {HOST}", f"erase {HOST}", f"store {HOST}"]


class TestTooSmall:
    def test_a_store_that_refuses_long_texts_keeps_the_token_that_it_has(self, store: Standin) -> None:
        """As wincred's 2560 bytes do; promise 8: a failed renewal keeps the good token."""
        store.behave(most=2560)
        store.sink.write(Delivery({HOST: token("a", 1200)}))
        with pytest.raises(SinkUnwritable) as refused:
            store.sink.write(Delivery({HOST: token("b", 4000)}))
        assert refused.value.code == "store.too-small"
        assert f"{END.astimezone():%Y-%m-%d %H:%M}" in refused.value.message
        assert 'mode = "helper"' in refused.value.hint
        assert store.sink.look([HOST]).entries[HOST].auth == token("a", 1200)

    def test_a_store_that_cuts_without_a_word_is_found_out(self, store: Standin) -> None:
        store.behave(cut=1024)
        with pytest.raises(SinkUnwritable, match="keeps only the beginning of an ECR token") as refused:
            store.sink.write(Delivery({HOST: token()}))
        assert refused.value.code == "store.too-small"

    def test_a_store_that_keeps_nothing_is_found_out(self, store: Standin) -> None:
        store.program.write_text('#!/bin/sh\n[ "$1" = get ] || exit 0\necho "{}"\n')
        with pytest.raises(SinkUnwritable, match="gives back nothing") as refused:
            store.sink.write(Delivery({HOST: token()}))
        assert refused.value.code == "store.hidden"


class TestLocked:
    LOCKED = "Cannot create an item in a locked collection"

    def test_nobody_is_asked_over_and_over(self, store: Standin) -> None:
        """Each call may open a window that asks for a passphrase."""
        store.behave(fails=self.LOCKED)
        asked = []
        for _ in range(3 * 3600):
            with pytest.raises(SinkUnwritable, match="The keyring is locked"):
                store.sink.look([HOST, OTHER])
            if store.calls():
                asked.append(store.now)
            store.now += 30
            if len(asked) == 6:
                break
        pauses = [later - earlier for earlier, later in pairwise(asked)]
        assert pauses == [60, 240, 960, 3600, 3600]

    def test_a_write_asks_no_more_often_than_a_look(self, store: Standin) -> None:
        store.behave(fails=self.LOCKED)
        with pytest.raises(SinkUnwritable) as first:
            store.sink.write(Delivery({HOST: token(), OTHER: token()}))
        with pytest.raises(SinkUnwritable) as second:
            store.sink.write(Delivery({HOST: token(), OTHER: token()}))
        assert len(store.calls()) == 1
        assert (first.value.code, first.value.message) == (second.value.code, second.value.message)
        assert first.value.code == "store.locked"

    def test_one_that_locks_itself_between_two_calls_is_left_alone_too(self, store: Standin) -> None:
        store.behave(fails=self.LOCKED, verbs="get")
        with pytest.raises(SinkUnwritable, match="The keyring is locked"):
            store.sink.write(Delivery({HOST: token(), OTHER: token()}))
        with pytest.raises(SinkUnwritable, match="The keyring is locked"):
            store.sink.look([HOST, OTHER])
        assert store.calls() == [f"store {OTHER}", f"store {HOST}", f"get {OTHER}"]

    def test_once_it_is_unlocked_all_is_as_before(self, store: Standin) -> None:
        store.sink.write(Delivery({HOST: token("a")}))
        store.behave(fails=self.LOCKED)
        for _ in range(3):
            with pytest.raises(SinkUnwritable, match="last seen in it, the first ends at 2030-01-02"):
                store.sink.look([HOST])
            store.now += 5000
        store.behave()
        assert store.sink.look([HOST]).entries[HOST].auth == token("a")
        assert store.sink.write(Delivery({HOST: token("b")})).entries[HOST].auth == token("b")
        store.behave(fails=self.LOCKED)
        store.calls()
        for _ in range(2):
            with pytest.raises(SinkUnwritable):
                store.sink.look([HOST])
        store.now += 61
        with pytest.raises(SinkUnwritable):
            store.sink.look([HOST])
        assert len(store.calls()) == 2, "the pause begins anew, with a minute"

    def test_a_program_that_hangs_counts_as_locked(self, store: Standin, tmp_path: Path) -> None:
        store.behave(sleep=30)
        sink = CredentialStore("x", store.locks, store.environ, seconds=0.4)
        with pytest.raises(SinkUnwritable, match=r"did not answer .* waited for a passphrase"):
            sink.write(Delivery({HOST: token(), OTHER: token()}))
        assert len(store.calls()) == 1


def test_a_missing_program_is_said_so_and_found_as_soon_as_it_is_there(store: Standin) -> None:
    content = store.program.read_text()
    store.program.unlink()
    for act in (lambda: store.sink.look([HOST]), lambda: store.sink.write(Delivery({HOST: token()}))):
        with pytest.raises(
            SinkUnwritable, match="docker-credential-x cannot be run: it is not on PATH"
        ) as refused:
            act()
        assert refused.value.code == "store.missing"
        assert "Install docker-credential-x" in refused.value.hint
    store.program.write_text(content)
    store.program.chmod(0o755)
    assert store.sink.write(Delivery({HOST: token()})).entries[HOST].auth == token()


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "no such", "../x"])
def test_a_name_that_no_program_can_have_is_missing(store: Standin, name: str) -> None:
    """config.json may hold any text there."""
    with pytest.raises(SinkUnwritable) as refused:
        store.again(name).look([HOST])
    assert (refused.value.code, "not on PATH" in refused.value.message) == ("store.missing", True)


def test_all_are_stored_before_the_first_is_read_back(store: Standin) -> None:
    """Promise 2: decrypting may take half a second each, and docker needs no proof."""
    store.sink.write(Delivery({HOST: token(), OTHER: token()}))
    assert store.calls() == [f"store {OTHER}", f"store {HOST}", f"get {OTHER}", f"get {HOST}"]


def test_what_ails_one_host_keeps_no_other_from_its_token(store: Standin) -> None:
    store.behave(fails="no such luck", verbs="store", host=OTHER)
    with pytest.raises(SinkUnwritable, match="no such luck") as refused:
        store.sink.write(Delivery({HOST: token(), OTHER: token()}))
    assert refused.value.code == "store.failed"
    assert store.kept() == {HOST: {"AWS": password()}}


def test_one_entry_that_cannot_be_read_is_to_be_written_anew(store: Standin) -> None:
    store.sink.write(Delivery({HOST: token(), OTHER: token()}))
    store.behave(fails="no such luck", verbs="get", host=OTHER)
    view = store.sink.look([HOST, OTHER])
    assert [entry.kind for entry in view.entries.values()] == [EntryKind.TOKEN, EntryKind.UNDECODABLE]
    assert "no such luck" in view.notes[0]


def test_eight_at_once_go_one_after_another(store: Standin) -> None:
    """The service and commands of ours; osxkeychain and pass's git fail when they are called in parallel."""
    store.behave(sleep=0.02)
    hosts = [HOST.replace("7", str(digit)) for digit in range(1, 9)]
    failed: list[BaseException] = []

    def write(host: str) -> None:
        try:
            store.again().write(Delivery({host: token()}))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    assert not (store.folder / "overlapped").exists()
    assert set(store.kept()) == set(hosts)


def test_no_error_of_a_store_carries_a_secret(store: Standin) -> None:
    store.program.write_text("#!/bin/sh\ncat; exit 1\n")
    with pytest.raises(SinkUnwritable) as refused:
        store.sink.write(Delivery({HOST: token()}))
    said = repr(refused.value) + refused.value.message + refused.value.hint
    assert not any(password()[at : at + 8] in said for at in range(1000))


class TestPass:
    """What is particular about pass: its files can be looked at, and it encrypts without being unlocked."""

    LOCKED = "exit status 2: gpg: decryption failed: No secret key"

    @pytest.fixture
    def store(self, tmp_path: Path) -> Standin:
        return Standin(tmp_path, "pass")

    def touch(self, store: Standin, host: str, text: str, user: str = "AWS") -> None:
        """Do to the folder what pass does."""
        folder = Path(store.environ["HOME"]) / ".password-store/docker-credential-helpers"
        place = folder / base64.urlsafe_b64encode(host.encode()).decode()
        place.mkdir(parents=True, exist_ok=True)
        (place / "new").write_text(text)
        (place / "new").rename(place / f"{user}.gpg")

    def test_its_folders_are_watched(self, store: Standin) -> None:
        sink = store.again("pass")
        sink.look([HOST])
        top = Path(store.environ["HOME"]) / ".password-store"
        encoded = base64.urlsafe_b64encode(HOST.encode()).decode()
        logins = top / "docker-credential-helpers"
        assert sink.folders() == {str(top), str(logins), str(logins / encoded)}

    def test_what_has_not_changed_is_not_decrypted_again(self, store: Standin) -> None:
        sink = store.again("pass")
        self.touch(store, HOST, "x")
        sink.write(Delivery({HOST: token()}))
        store.calls()
        for _ in range(3):
            assert sink.look([HOST]).entries[HOST].auth == token()
        assert store.calls() == []
        self.touch(store, HOST, "y")
        store.keep({HOST: {"AWS": password("z")}})
        assert sink.look([HOST]).entries[HOST].auth == token("z")

    def test_tokens_are_stored_while_it_is_locked_and_read_back_when_it_no_longer_is(
        self, store: Standin
    ) -> None:
        sink = store.again("pass")
        self.touch(store, HOST, "x")
        store.behave(fails=self.LOCKED, verbs="get")
        view = sink.look([HOST, OTHER])
        assert [entry.kind for entry in view.entries.values()] == [EntryKind.UNDECODABLE, EntryKind.ABSENT]
        assert "pass is locked" in view.notes[0]
        store.calls()

        view = sink.write(Delivery({HOST: token()}))
        assert store.kept()[HOST] == {"AWS": password()}
        assert view.entries[HOST].auth == token()
        assert "pass is locked" in view.notes[0]
        assert store.calls() == [f"store {HOST}"]

        store.now += 61
        store.behave()
        view = sink.look([HOST])
        assert (view.entries[HOST].auth, view.notes) == (token(), ())

    def test_whose_login_it_is_can_be_told_while_it_is_locked(self, store: Standin) -> None:
        """Of an adopted host, another user's login is left alone; that must not hang on a passphrase."""
        self.touch(store, HOST, "x", "alice")
        self.touch(store, OTHER, "x", "alice")
        self.touch(store, OTHER, "x")
        store.behave(fails=self.LOCKED, verbs="get")
        entries = store.again("pass").look([HOST, OTHER]).entries
        assert [entry.kind for entry in entries.values()] == [EntryKind.OTHER_USER, EntryKind.UNDECODABLE]

    def test_gpg_is_never_let_ask(self, store: Standin, tmp_path: Path) -> None:
        store.program.write_text(
            f'#!/bin/sh\necho "$PASSWORD_STORE_GPG_OPTS" >>{tmp_path}/options\necho "credentials not found in '
            'native keychain"; exit 1\n'
        )
        store.again("pass").look([HOST])
        store.environ["PASSWORD_STORE_GPG_OPTS"] = "--homedir /elsewhere"
        store.again("pass").look([HOST])
        assert (tmp_path / "options").read_text().splitlines() == [
            "--pinentry-mode=error",
            "--homedir /elsewhere --pinentry-mode=error",
        ]

    def test_one_without_a_key_is_said_so(self, store: Standin) -> None:
        store.behave(fails='pass not initialized: exit status 1: Error: Try "pass init".', verbs="store")
        sink = store.again("pass")
        with pytest.raises(SinkUnwritable, match="pass has no key yet") as refused:
            sink.write(Delivery({HOST: token(), OTHER: token()}))
        assert refused.value.code == "store.unprepared"
        assert len(store.calls()) == 1

    def test_one_in_a_git_repository_is_told_of(self, store: Standin) -> None:
        (Path(store.environ["HOME"]) / ".password-store/.git").mkdir(parents=True)
        (note,) = store.again("pass").look([HOST]).notes
        assert "makes a commit of every token" in note
