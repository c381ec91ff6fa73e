"""Each channel gets each notice, in order; what does not get through is said; nothing hangs."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.core.events import HookRan, NoticeTold, SignInStarted
from ecr_refreshd.notify import programs
from tests.notify.heralding import COMMAND, Heralding, notice, program
from tests.world.processes import children

KEEPS = 'open(sys.argv[1], "a").write(sys.stdin.read())'


@pytest.fixture
def heralding() -> Iterator[Heralding]:
    with Heralding() as made:
        yield made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds are too long for a test."""
    monkeypatch.setattr(programs.Programs.run, "__kwdefaults__", {"seconds": 0.5, "name": ""})


def programs_running() -> list[str]:
    """Return the arguments of the notice programs that run; other tests' worlds may be there too."""
    return [args for args in children(os.getpid()).values() if "/told" in args]


def test_a_command_gets_each_notice_as_one_line_of_json_in_order(
    heralding: Heralding, tmp_path: Path
) -> None:
    """DESIGN 3: the object of `status --json`, plus what happened to it."""
    kept = tmp_path / "kept"
    heralding.configure(command=(program(tmp_path, KEEPS), str(kept)))
    for event in ("raised", "reminded", "withdrawn"):
        heralding.herald.tell(event, notice())
    assert [heralding.next() for _ in range(3)] == [
        NoticeTold("login:sso:corp", event) for event in ("raised", "reminded", "withdrawn")
    ]
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["raised", "reminded", "withdrawn"]
    assert lines[0] == {
        "key": "login:sso:corp",
        "title": 'AWS login "corp" is needed',
        "body": "Pulls work until 20:00.",
        "command": COMMAND,
        "since": "2026-03-02T08:00:00.000Z",
        "event": "raised",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sys.exit(3)", "ended with exit code 3"),
        ("os.kill(os.getpid(), 9)", "ended with signal 9"),
        ("time.sleep(60)", "took longer"),
        ("os.spawnvp(os.P_NOWAIT, 'sleep', ['sleep', '60']); time.sleep(60)", "took longer"),
    ],
)
def test_what_goes_wrong_is_said(
    heralding: Heralding, tmp_path: Path, impatient: None, text: str, said: str
) -> None:
    """Promise 7; and what hangs is ended, with everything it started."""
    heralding.configure(command=(program(tmp_path, text),))
    (problem,) = heralding.tell()
    assert said in problem
    assert programs_running() == []


@pytest.mark.parametrize(
    "text",
    ["sys.stdin.close(); time.sleep(0.1)", "os.write(2, b'x' * 10_000_000); os.write(1, b'x' * 10_000_000)"],
)
def test_programs_may_ignore_what_they_get_and_say_what_they_like(
    heralding: Heralding, tmp_path: Path, text: str
) -> None:
    """A program that floods its outputs, or closes its stdin early, is none that failed."""
    heralding.configure(command=(program(tmp_path, text),))
    assert heralding.tell() == ()


def test_what_a_program_leaves_running_on_purpose_is_left(heralding: Heralding, tmp_path: Path) -> None:
    """A hook may start something that takes longer than ten seconds."""
    kept = tmp_path / "kept"
    text = f"""
if os.fork() == 0:
    time.sleep(0.5)
    open("{kept}", "w").write("done")
"""
    heralding.configure(command=(program(tmp_path, text),))
    assert heralding.tell() == ()
    for _ in range(200):
        if kept.exists():
            return
        time.sleep(0.05)
    raise AssertionError("it was ended")


def test_a_program_that_is_not_there_is_said(heralding: Heralding) -> None:
    """A typing error in the configuration."""
    heralding.configure(command=("/nowhere/notify",))
    assert heralding.tell() == ("notify.command could not be started: No such file or directory",)


def test_a_channel_that_hangs_does_not_delay_another(heralding: Heralding, tmp_path: Path) -> None:
    """The hook waits for nobody's notice."""
    kept = tmp_path / "kept"
    heralding.configure(
        command=(program(tmp_path, "time.sleep(60)"),),
        on_renewed=(program(tmp_path, KEEPS, "hook"), str(kept)),
    )
    heralding.herald.tell("raised", notice())
    heralding.herald.renewed({"hosts": ["one.example"], "expires_at": "2026-03-02T20:00:00.000Z"})
    assert heralding.next() == HookRan("")
    assert json.loads(kept.read_text()) == {
        "hosts": ["one.example"],
        "expires_at": "2026-03-02T20:00:00.000Z",
    }


def test_a_hook_that_fails_is_said(heralding: Heralding, tmp_path: Path) -> None:
    """[hooks] on_renewed."""
    heralding.configure(on_renewed=(program(tmp_path, "sys.exit(1)"),))
    heralding.herald.renewed({"hosts": []})
    assert heralding.next() == HookRan("hooks.on_renewed ended with exit code 1.")


def test_with_nothing_switched_on_nothing_is_wrong(heralding: Heralding) -> None:
    """No desktop, no command, no webhook."""
    assert heralding.configure().tell() == ()


def test_what_is_under_way_ends_with_the_service(tmp_path: Path) -> None:
    """SIGTERM is answered within 5 s whatever a program does; nothing is left behind."""
    with Heralding() as made:
        made.configure(command=(program(tmp_path, "time.sleep(60)"),))
        for _ in range(5):
            made.herald.tell("raised", notice())
        while not programs_running():
            time.sleep(0.01)
    assert programs_running() == []
    assert not [each for each in threading.enumerate() if each.name.startswith("notify")]


def test_a_command_that_ends_lets_its_hook_finish(heralding: Heralding, tmp_path: Path) -> None:
    """`run --once` waits for the program that hears of its renewals."""
    kept = tmp_path / "kept"
    heralding.configure(on_renewed=(program(tmp_path, "time.sleep(0.3)\n" + KEEPS), str(kept)))
    heralding.herald.renewed({"hosts": []})
    heralding.herald.finish(20)
    assert kept.exists()


def test_without_a_session_bus_no_child_is_started(heralding: Heralding) -> None:
    """A headless machine."""
    (problem,) = heralding.configure(desktop=True).tell()
    assert problem == "There is no desktop to show it on (no session bus)."


# -- the webhook ---------------------------------------------------------------------------------------------


class Hook(BaseHTTPRequestHandler):
    """A webhook that answers as the path of the URL says."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, json.loads(body)))  # type: ignore[attr-defined]
        if self.path.startswith("/hangs"):
            self.server.over.wait(30)  # type: ignore[attr-defined]
        self.send_response({"/fails": 500, "/moves": 302}.get(self.path, 204))
        if self.path == "/moves":
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def hook() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        server.got, server.over = [], threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.over.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def url(hook: ThreadingHTTPServer, path: str) -> str:
    return f"http://user:s3cret-canary@127.0.0.1:{hook.server_address[1]}{path}"


def test_a_webhook_gets_the_same_object(heralding: Heralding, hook: ThreadingHTTPServer) -> None:
    """DESIGN 3."""
    plain = url(hook, "/taken").replace("user:s3cret-canary@", "")
    assert heralding.configure(webhook=plain).tell() == ()
    ((path, body),) = hook.got  # type: ignore[attr-defined]
    assert (path, body["event"], body["key"]) == ("/taken", "raised", "login:sso:corp")


@pytest.mark.parametrize(("path", "said"), [("/fails", "HTTP 500"), ("/moves", "HTTP 302")])
def test_a_webhook_that_does_not_take_it_is_said_without_its_url(
    heralding: Heralding, hook: ThreadingHTTPServer, path: str, said: str
) -> None:
    """Promise 6: whoever knows the URL may post. A redirect is not followed."""
    plain = url(hook, path).replace("user:s3cret-canary@", "")
    (problem,) = heralding.configure(webhook=plain).tell()
    assert problem == f"The webhook http://127.0.0.1/*** did not take it: {said}."
    assert len(hook.got) == 1  # type: ignore[attr-defined]


def test_a_webhook_that_cannot_be_reached_is_said_without_its_url(heralding: Heralding) -> None:
    """Nor do exceptions quote it."""
    (problem,) = heralding.configure(webhook="http://127.0.0.1:9/s3cret-canary").tell()
    assert "Connection refused" in problem
    assert "canary" not in problem


def test_the_url_is_in_no_argument_and_no_environment(
    heralding: Heralding, hook: ThreadingHTTPServer
) -> None:
    """Every process of this user, and `ps`, can read those."""
    heralding.configure(webhook=url(hook, "/hangs").replace("user:s3cret-canary@", "") + "?s3cret-canary")
    heralding.herald.tell("raised", notice())
    while not hook.got:  # type: ignore[attr-defined]
        time.sleep(0.01)
    seen = b""
    for pid in children(os.getpid()):
        for kind in ("cmdline", "environ"):
            with suppress(FileNotFoundError, ProcessLookupError):  # it ends just now
                seen += Path(f"/proc/{pid}/{kind}").read_bytes()
    assert b"notify.webhook" in seen
    assert b"canary" not in seen


# -- starting a sign-in --------------------------------------------------------------------------------------


def test_a_sign_in_runs_in_a_unit_of_the_users_own_manager(tmp_path: Path) -> None:
    """DESIGN 7: never as our child; the program by its full path, and nothing of ours that could be a key."""
    kept = tmp_path / "kept"
    program(tmp_path, f'open("{kept}", "w").write(json.dumps(sys.argv[1:]))', "systemd-run")
    program(tmp_path, "", "aws")
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "AWS_SECRET_ACCESS_KEY": "canary", "DISPLAY": ":7"}
    with Heralding(environ) as made:
        made.herald.sign_in(COMMAND)
        assert made.next() == SignInStarted("")
    argv = json.loads(kept.read_text())
    assert argv[:3] == ["--user", "--collect", "--quiet"]
    assert argv[-4:] == [str(tmp_path / "aws"), "sso", "login", "--sso-session"] or argv[-1] == "corp"
    assert "--setenv=DISPLAY=:7" in argv
    assert "canary" not in kept.read_text()


@pytest.mark.parametrize(("there", "said"), [(False, "not on the PATH"), (True, "could not be started")])
def test_a_sign_in_that_does_not_start_says_what_to_run(tmp_path: Path, *, there: bool, said: str) -> None:
    """No AWS CLI, or no user manager: the person still learns the command."""
    if there:
        program(tmp_path, "", "aws")
        program(tmp_path, "sys.exit(1)", "systemd-run")
    with Heralding({"PATH": str(tmp_path)}) as made:
        made.herald.sign_in(COMMAND)
        problem = made.next().problem  # type: ignore[union-attr] # a SignInStarted
    assert said in problem
    assert problem.endswith(f"In a terminal, run: {COMMAND}")


def test_a_channel_whose_thread_could_not_start_is_said_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A system without threads for a moment must not silence a channel for good, nor hinder the end."""
    kept = tmp_path / "kept"
    told = program(tmp_path, f'open("{kept}", "w").write(sys.stdin.read())')
    start, refused = threading.Thread.start, []

    def none_left(self: threading.Thread) -> None:
        if self.name.startswith("notify") and not refused:
            refused.append(self.name)
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", none_left)
    with Heralding() as made:
        (problem,) = made.configure(command=(told,)).tell()
        assert "no thread could be started" in problem
        assert made.tell("reminded") == ()
        assert kept.exists()


def test_a_text_that_cannot_be_given_is_said_and_the_channel_goes_on(tmp_path: Path) -> None:
    """Whatever goes wrong in a hook, the next renewal is told to it."""
    hook = program(tmp_path, "sys.stdin.read()")
    with Heralding() as made:
        made.configure(on_renewed=(hook,))
        made.herald._programs.run = _fails_once(made.herald._programs.run)  # type: ignore[method-assign]
        made.herald.renewed({"hosts": []})
        assert "ZeroDivisionError" in made.next().problem  # type: ignore[union-attr]
        made.herald.renewed({"hosts": []})
        assert made.next().problem == ""  # type: ignore[union-attr]


def _fails_once(run: Any) -> Any:
    calls: list[object] = []

    def ran(*words: Any, **more: Any) -> Any:
        calls.append(words)
        return 1 // 0 if len(calls) == 1 else run(*words, **more)

    return ran


def test_everything_is_waited_for_together_and_not_one_after_another(tmp_path: Path) -> None:
    """`run --once` waits for its notices once, however many channels hang."""
    hangs = program(tmp_path, "time.sleep(60)")
    with Heralding() as made:
        made.configure(command=(hangs,), on_renewed=(hangs,))
        made.herald.tell("raised", notice())
        made.herald.renewed({})
        began = time.monotonic()
        made.herald.finish(1.0)
        waited = time.monotonic() - began
    assert waited < 2 * 0.95, "one bound for both"
