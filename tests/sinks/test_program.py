"""Promises 6 and 7: a store's program is spoken with as docker does it, for a bounded time, and nothing leaks."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ecr_refreshd.core.model import EntryKind, fingerprint
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.sinks.ailments import Ailment, Trouble
from ecr_refreshd.sinks.program import Found, NotFound, StoreProgram, quotable

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
PASSWORD = base64.b64encode(json.dumps({"expiration": 1900000000, "payload": "p" * 1200}).encode()).decode()
TOKEN = Secret(base64.b64encode(f"AWS:{PASSWORD}".encode()).decode())


def standin(folder: Path, script: str, store: str = "x") -> StoreProgram:
    """Make a program of a store out of a line of shell, with stdin in $said."""
    path = folder / f"docker-credential-{store}"
    path.write_text(f'#!/bin/sh\nsaid=$(cat)\nprintf "%s %s\\n" "$*" "$said" >>{folder}/calls\n{script}\n')
    path.chmod(0o755)
    return StoreProgram(store, {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}, seconds=5)


def answer(folder: Path, text: str) -> str:
    """Return a line of shell that prints this, whatever is in it."""
    (folder / "answer").write_text(text)
    return f"cat {folder}/answer"


def calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


class TestGet:
    @pytest.mark.parametrize(
        "said",
        [
            {"ServerURL": HOST, "Username": "AWS", "Secret": PASSWORD},
            {"serverurl": HOST, "USERNAME": "AWS", "secret": PASSWORD, "more": 1},
        ],
    )
    def test_a_token_is_found_as_docker_finds_it(self, tmp_path: Path, said: dict[str, str]) -> None:
        found = standin(tmp_path, answer(tmp_path, json.dumps(said) + "\ntrailing")).get(HOST)
        assert isinstance(found, Found)
        assert (found.username, found.entry.kind, found.entry.auth) == ("AWS", EntryKind.TOKEN, TOKEN)
        assert found.entry.fingerprint == fingerprint(TOKEN.reveal())
        assert found.entry.expires_hint is not None
        assert calls(tmp_path) == [f"get {HOST}"]

    @pytest.mark.parametrize(
        ("user", "secret", "kind"),
        [
            ("me", "password", EntryKind.OTHER_USER),
            ("<token>", "x", EntryKind.IDENTITY),
            ("AWS", "", EntryKind.UNDECODABLE),
        ],
    )
    def test_another_login_is_told_from_a_token(
        self, tmp_path: Path, user: str, secret: str, kind: EntryKind
    ) -> None:
        said = json.dumps({"ServerURL": HOST, "Username": user, "Secret": secret})
        found = standin(tmp_path, answer(tmp_path, said)).get(HOST)
        assert isinstance(found, Found)
        assert found.entry.kind is kind

    @pytest.mark.parametrize(
        "script",
        [
            "echo 'credentials not found in native keychain'; exit 1",
            """echo '{"ServerURL":"h","Username":"","Secret":""}'""",
        ],
    )
    def test_nothing_found_is_no_trouble(self, tmp_path: Path, script: str) -> None:
        """The second is docker-credential-pass 0.6.4's way of saying it."""
        assert standin(tmp_path, script).get(HOST) == NotFound()

    @pytest.mark.parametrize(
        "said",
        ["", "nonsense", "[]", '{"Username": 1, "Secret": "x"}', "credentials not found in native keychain"],
    )
    def test_what_docker_could_not_read_is_trouble(self, tmp_path: Path, said: str) -> None:
        trouble = standin(tmp_path, answer(tmp_path, said)).get(HOST)
        assert isinstance(trouble, Trouble)
        assert trouble.state is Ailment.FAILED


class TestStore:
    def test_a_login_that_utf8_cannot_spell_is_anothers(self, tmp_path: Path) -> None:
        said = json.dumps({"ServerURL": HOST, "Username": "\ud800", "Secret": "\udfff"})
        found = standin(tmp_path, answer(tmp_path, said)).get(HOST)
        assert isinstance(found, Found)
        assert found.entry.kind is EntryKind.OTHER_USER

    def test_the_token_goes_by_stdin_in_one_line_and_nowhere_else(self, tmp_path: Path) -> None:
        program = standin(tmp_path, f"tr '\\0' '\\n' </proc/$$/environ >{tmp_path}/environ; exit 0")
        assert program.store(HOST, TOKEN) is None
        (call,) = calls(tmp_path)
        verb, _, text = call.partition(" ")
        assert verb == "store"
        assert json.loads(text) == {"ServerURL": HOST, "Username": "AWS", "Secret": PASSWORD}
        assert PASSWORD not in (tmp_path / "environ").read_text()

    def test_a_program_that_reads_nothing_is_no_surprise(self, tmp_path: Path) -> None:
        program = standin(tmp_path, "")
        (tmp_path / "docker-credential-x").write_text("#!/bin/sh\nexec <&-; echo no; exit 1\n")
        trouble = program.store(HOST, Secret(base64.b64encode(b"AWS:" + b"x" * 300_000).decode()))
        assert trouble is not None
        assert trouble.text == "docker-credential-x store failed: no."

    def test_six_kilobytes_and_more_are_given_whole(self, tmp_path: Path) -> None:
        long = Secret(base64.b64encode(b"AWS:" + b"x" * 200_000).decode())
        assert standin(tmp_path, f'printf %s "$said" | wc -c >{tmp_path}/size').store(HOST, long) is None
        assert int((tmp_path / "size").read_text()) > 200_000


class TestErase:
    @pytest.mark.parametrize(
        "script",
        [
            "exit 0",
            "echo 'credentials not found in native keychain'; exit 1",
            "echo 'exit status 1: Error: docker-credential-helpers/aGg= is not in the password store.'; exit 1",
            "echo 'The specified item could not be found in the keychain.'; exit 1",
        ],
    )
    def test_what_is_not_there_is_erased(self, tmp_path: Path, script: str) -> None:
        assert standin(tmp_path, script).erase(HOST) is None

    def test_what_cannot_be_erased_is_trouble(self, tmp_path: Path) -> None:
        assert standin(tmp_path, "echo no; exit 1").erase(HOST) is not None


class TestList:
    def test_servers_and_users(self, tmp_path: Path) -> None:
        assert standin(tmp_path, """echo '{"https://ghcr.io":"me"}'""").list_() == {"https://ghcr.io": "me"}
        assert calls(tmp_path) == ["list unused"]

    @pytest.mark.parametrize("script", ["echo '[]'", "echo x", "exit 1"])
    def test_no_list_is_trouble(self, tmp_path: Path, script: str) -> None:
        assert isinstance(standin(tmp_path, script).list_(), Trouble)


class TestTrouble:
    @pytest.mark.parametrize(
        ("store", "said", "state", "hint"),
        [
            ("osxkeychain", "The specified item already exists in the keychain.", "colliding", "erase"),
            ("wincred", "The stub received bad data.", "too-small", 'mode = "helper"'),
            ("pass", "bufio.Scanner: token too long", "too-small", 'mode = "helper"'),
            ("pass", "exit status 2: gpg: decryption failed: No secret key", "locked", "pass show"),
            ("pass", "exit status 2: gpg: public key decryption failed: No pinentry", "locked", "pass show"),
            (
                "pass",
                'pass not initialized: exit status 1: Error: Try "pass init".',
                "unprepared",
                "pass init",
            ),
            (
                "pass",
                'pass not initialized: exec: "pass": executable file not found in $PATH: ',
                "missing",
                "Inst",
            ),
            ("secretservice", "Cannot create an item in a locked collection", "locked", "--unlock"),
            ("secretservice", "Prompt was dismissed", "locked", "--unlock"),
            ("secretservice", "Cannot autolaunch D-Bus without X11 $DISPLAY", "locked", "dbus-user-session"),
            ("secretservice", "Could not connect: No such file or directory", "locked", "dbus-user-session"),
            (
                "secretservice",
                (
                    "GDBus.Error:org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.secrets was "
                    "not provided by any .service files"
                ),
                "missing",
                "KWallet",
            ),
            (
                "osxkeychain",
                (
                    "keychain cannot be accessed because the current session does not allow user interaction. "
                    'The keychain may be locked; unlock it by running "security -v unlock-keychain" and try again'
                ),
                "locked",
                "security unlock-keychain",
            ),
            ("osxkeychain", "ErrInteractionNotAllowed", "locked", "security unlock-keychain"),
            ("desktop", "some internal failure", "failed", "docker-credential-desktop get"),
        ],
    )
    def test_each_cause_has_its_state_its_text_and_its_remedy(
        self, tmp_path: Path, store: str, said: str, state: str, hint: str
    ) -> None:
        program = standin(tmp_path, f"{answer(tmp_path, said)}; exit 1", store)
        for trouble in (program.store(HOST, TOKEN), program.get(HOST)):
            assert isinstance(trouble, Trouble)
            assert trouble.state == state
            assert hint in trouble.hint
            assert "{" not in trouble.text + trouble.hint

    def test_a_missing_program(self, tmp_path: Path) -> None:
        trouble = StoreProgram("nosuch", {"PATH": str(tmp_path)}).get(HOST)
        assert isinstance(trouble, Trouble)
        assert trouble.state is Ailment.MISSING
        assert trouble.text == "docker-credential-nosuch cannot be run: it is not on PATH."

    def test_a_program_that_cannot_be_started(self, tmp_path: Path) -> None:
        standin(tmp_path, "")
        (tmp_path / "docker-credential-x").write_bytes(b"\x7fELF no program")
        trouble = StoreProgram("x", {"PATH": str(tmp_path)}).store(HOST, TOKEN)
        assert trouble is not None
        assert trouble.state is Ailment.MISSING

    def test_one_that_crashes(self, tmp_path: Path) -> None:
        trouble = standin(tmp_path, "kill -SEGV $$").get(HOST)
        assert isinstance(trouble, Trouble)
        assert trouble.text.endswith("it was ended by signal 11.")

    def test_neither_a_token_nor_a_piece_of_one_is_ever_quoted(self, tmp_path: Path) -> None:
        for script in ('echo "$said"', f"echo cannot keep {PASSWORD[100:160]}", f"echo {PASSWORD[5:14]}"):
            trouble = standin(tmp_path, f"{script}; exit 1").store(HOST, TOKEN)
            assert trouble is not None
            assert not any(PASSWORD[at : at + 8] in trouble.text for at in range(len(PASSWORD) - 8))
        trouble = standin(tmp_path, f"echo half of it: {PASSWORD}; exit 1").get(HOST)
        assert isinstance(trouble, Trouble)
        assert trouble.text == "docker-credential-x get failed: half of it: ***."

    def test_words_are_one_short_line(self) -> None:
        assert quotable("a\n  b\r\n") == "a b"
        assert len(quotable("ab " * 1000)) == 200


class TestBounds:
    def test_a_program_that_hangs_is_killed_with_its_children_and_counts_as_locked(
        self, tmp_path: Path
    ) -> None:
        standin(tmp_path, f"sleep 600 & echo $! >{tmp_path}/pid; wait")
        program = StoreProgram("x", {"PATH": f"{tmp_path}:{os.environ['PATH']}"}, seconds=0.5)
        trouble = program.get(HOST)
        assert isinstance(trouble, Trouble)
        assert trouble.state is Ailment.LOCKED
        pid = int((tmp_path / "pid").read_text())
        for _ in range(200):
            if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
                break
            time.sleep(0.02)
        else:
            pytest.fail("its child lives on")

    def test_an_agent_that_it_leaves_running_is_neither_waited_for_nor_ended(self, tmp_path: Path) -> None:
        """As gpg leaves its agent; a daemon that keeps stdout open must not cost five seconds each time."""
        said = json.dumps({"ServerURL": HOST, "Username": "AWS", "Secret": PASSWORD})
        program = standin(tmp_path, f"{answer(tmp_path, said)}; sleep 60 & echo $! >{tmp_path}/pid")
        assert isinstance(program.get(HOST), Found)
        pid = int((tmp_path / "pid").read_text())
        os.kill(pid, 15)  # it was there

    def test_endless_words_are_not_read(self, tmp_path: Path) -> None:
        assert isinstance(standin(tmp_path, "exec yes").get(HOST), Trouble)

    def test_it_has_no_terminal(self, tmp_path: Path) -> None:
        program = standin(tmp_path, f"exec {sys.executable} {tmp_path}/session.py")
        (tmp_path / "session.py").write_text(
            f"import os; open({str(tmp_path / 'sid')!r}, 'w').write(f'{{os.getsid(0)}} {{os.getpid()}}')"
        )
        program.list_()
        session, pid = (tmp_path / "sid").read_text().split()
        assert session == pid


class TestPassWithoutItsKey:
    """gpg says "No secret key" of a locked key and of one that is not there; only the first can be unlocked."""

    WORDS = "exit status 2: gpg: decryption failed: No secret key"

    def told(self, folder: Path, gpg: str) -> Trouble:
        (folder / ".password-store").mkdir()
        (folder / ".password-store/.gpg-id").write_text("ABCD1234 # of the old laptop\n")
        (folder / "gpg").write_text(f"#!/bin/sh\n{gpg}\n")
        (folder / "gpg").chmod(0o755)
        trouble = standin(folder, f"echo '{self.WORDS}'; exit 1", "pass").get(HOST)
        assert isinstance(trouble, Trouble)
        assert trouble.state is Ailment.LOCKED, "tokens are stored all the same, with the public key"
        return trouble

    def test_a_key_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        script = (
            '[ "$*" = "--batch --no-tty --list-secret-keys -- ABCD1234" ] && echo "No secret key" >&2; exit 2'
        )
        trouble = self.told(tmp_path, script)
        assert "ABCD1234" in trouble.text
        assert "does not have" in trouble.text
        assert "pass init" in trouble.hint

    @pytest.mark.parametrize("gpg", ["exit 0", "echo what >&2; exit 2", "exit 127"])
    def test_one_that_is_there_or_may_be_is_locked(self, tmp_path: Path, gpg: str) -> None:
        trouble = self.told(tmp_path, gpg)
        assert "locked" in trouble.text
        assert "pass show" in trouble.hint


def test_the_command_that_shows_what_a_program_says_shows_its_error_and_no_secret(tmp_path: Path) -> None:
    """These programs tell their errors on stdout, where a login would stand."""
    trouble = standin(tmp_path, "echo 'the vault is on fire'; exit 1").get(HOST)
    assert isinstance(trouble, Trouble)
    command = trouble.hint.removeprefix("See what it says: ")
    for script, shown in (
        ("echo the vault is on fire; exit 1", "the vault is on fire\n"),
        (f'echo \'{{"Secret":"{PASSWORD}"}}\'', "it works\n"),
    ):
        standin(tmp_path, script)
        environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-c", command], env=environ, capture_output=True, text=True, check=False)
        assert done.stdout == shown
