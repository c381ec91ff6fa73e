"""The credential helper as docker runs it: one of two answers in every case, in every shell (DESIGN 6)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd import __version__
from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.model import Refusal
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.sinks.helperfolder import HelperFolder
from tests.e2e.test_bad_input import GOOD, Home, home, host, until
from tests.needs import need
from tests.world import homes

__all__ = ["home"]  # a fixture

HOST = host(GOOD)
NAME = "docker-credential-ecr-refreshd"
SCRIPT = Path(shutil.which(NAME, path=str(Path(sys.executable).parent)) or "")
NOT_FOUND = b"credentials not found in native keychain\n"
AUTH = base64.b64encode(b"AWS:a password").decode()
LINE = (
    json.dumps({"ServerURL": f"https://{HOST}", "Username": "AWS", "Secret": "a password"}).encode() + b"\n"
)
SHELLS = [["dash"], ["bash"], ["busybox", "sh"], ["zsh"]]
HOUR = timedelta(hours=1)


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    need(shutil.which(request.param[0]), f"{request.param[0]} is not installed")
    return list(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> HelperFolder:
    """What a service has prepared in the home `tmp_path`."""
    return HelperFolder(str(tmp_path / ".local/state/ecr-refreshd/helper"), str(tmp_path / "locks"))


def put(folder: HelperFolder, ends: timedelta = HOUR, auth: str = AUTH, name: str = HOST) -> None:
    folder.write(Delivery({name: Secret(auth)}, {name: datetime.now(UTC) + ends}))


def refuse(folder: HelperFolder, text: str, until: timedelta = HOUR) -> None:
    folder.write(Delivery(refusals={HOST: Refusal(text, datetime.now(UTC) + until)}))


def call(
    words: list[str], request: str = "", *, home: Path, **more: str
) -> subprocess.CompletedProcess[bytes]:
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", **more}
    return subprocess.run(
        words, input=request.encode(), env=environment, capture_output=True, timeout=60, check=False
    )


class TestReadyAnswers:
    """Without Python: the environment has none on its PATH, and none of ours beside a copy of the script."""

    @pytest.fixture
    def alone(self, tmp_path: Path) -> str:
        copy = tmp_path / "bin" / NAME
        copy.parent.mkdir()
        shutil.copy(SCRIPT, copy)
        return str(copy)

    @pytest.mark.parametrize("request_", [HOST, f"{HOST}\n", f"{HOST}\nmore\n"])
    def test_a_token_is_answered_byte_for_byte(
        self, shell: list[str], alone: str, folder: HelperFolder, tmp_path: Path, request_: str
    ) -> None:
        put(folder)
        done = call([*shell, alone, "get"], request_, home=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, LINE, b"")

    def test_a_token_of_any_length(
        self, shell: list[str], alone: str, folder: HelperFolder, tmp_path: Path
    ) -> None:
        secret = "x+/=\\\"$`'%s *" * 9000
        put(folder, auth=base64.b64encode(f"AWS:{secret}".encode()).decode())
        done = call([*shell, alone, "get"], HOST, home=tmp_path)
        assert json.loads(done.stdout)["Secret"] == secret

    def test_a_refusal_is_the_one_line_and_says_why(
        self, shell: list[str], alone: str, folder: HelperFolder, tmp_path: Path
    ) -> None:
        refuse(folder, "it's `gone` $HOME \\ -n %s. Run: aws sso login")
        done = call([*shell, alone, "get"], HOST, home=tmp_path)
        assert (done.returncode, done.stdout) == (1, NOT_FOUND)
        assert done.stderr.decode() == f"{NAME}: it's `gone` $HOME \\ -n %s. Run: aws sso login\n"

    @pytest.mark.parametrize("ends", [-HOUR, timedelta(seconds=-1), timedelta(0)])
    def test_an_expired_token_is_never_answered(
        self, shell: list[str], alone: str, folder: HelperFolder, tmp_path: Path, ends: timedelta
    ) -> None:
        put(folder, ends)
        done = call([*shell, alone, "get"], HOST, home=tmp_path)
        assert (done.returncode, done.stdout) == (1, NOT_FOUND)
        assert done.stderr.count(b"\n") == 1, "why, in one line"

    def test_an_empty_file_is_no_answer(
        self, shell: list[str], alone: str, folder: HelperFolder, tmp_path: Path
    ) -> None:
        """As a disk leaves it that lost its power; what is asked next is Python."""
        put(folder)
        path = tmp_path / ".local/state/ecr-refreshd/helper" / HOST
        os.truncate(path, 0)
        os.utime(path, (2**33, 2**33))
        assert call([*shell, alone, "get"], HOST, home=tmp_path).stdout == NOT_FOUND

    def test_a_refusal_that_nobody_renews_is_not_believed(
        self, shell: list[str], alone: str, folder: HelperFolder, tmp_path: Path
    ) -> None:
        refuse(folder, "long ago", -HOUR)
        assert b"long ago" not in call([*shell, alone, "get"], HOST, home=tmp_path).stderr

    def test_where_no_stamp_can_be_written_the_clock_is_asked(
        self, shell: list[str], alone: str, folder: HelperFolder, tmp_path: Path
    ) -> None:
        put(folder)
        put(folder, -HOUR, name="old.example")
        (tmp_path / ".local/state/ecr-refreshd/.now").mkdir()
        assert call([*shell, alone, "get"], HOST, home=tmp_path).stdout == LINE
        assert call([*shell, alone, "get"], "old.example", home=tmp_path).stdout == NOT_FOUND

    @pytest.mark.parametrize(
        "asked",
        [
            "",
            "\n",
            "../secret",
            "/etc/passwd",
            ".now",
            "a b",
            "A.example",
            "é.example",
            "$(id)",
            "-e",
            "*",
            f"{HOST}.none",
        ],
    )
    def test_whatever_is_asked_no_other_file_is_read(
        self, shell: list[str], alone: str, folder: HelperFolder, tmp_path: Path, asked: str
    ) -> None:
        put(folder)
        for name in ("A.example", "-e", "secret", "é.example", f"{HOST}.none"):
            path = tmp_path / ".local/state/ecr-refreshd/helper" / name
            path.write_text("no business of docker's")
            os.utime(path, (2**33, 2**33))
        done = call([*shell, alone, "get"], asked, home=tmp_path)
        assert (done.returncode, done.stdout) == (1, NOT_FOUND)

    def test_without_a_home(self, shell: list[str], alone: str, tmp_path: Path) -> None:
        done = subprocess.run(
            [*shell, alone, "get"],
            input=HOST.encode(),
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, NOT_FOUND)

    @pytest.mark.parametrize("verb", ["list", "store", "erase", "version"])
    def test_without_python_the_other_verbs_say_so(
        self, shell: list[str], alone: str, tmp_path: Path, verb: str
    ) -> None:
        done = call([*shell, alone, verb], HOST, home=tmp_path)
        assert done.returncode == 1
        assert b"reinstall" in done.stderr

    def test_no_program_is_started_and_nobody_is_asked(
        self, alone: str, folder: HelperFolder, tmp_path: Path
    ) -> None:
        """One process from the first word to the answer: only `cat` takes the shell's place at its end."""
        need(shutil.which("strace"), "strace is not installed")
        put(folder)
        traced = call(
            [
                "strace",
                "-f",
                "-qq",
                "-e",
                "trace=clone,clone3,fork,vfork,execve,socket,connect",
                "dash",
                alone,
                "get",
            ],
            HOST,
            home=tmp_path,
        )
        assert traced.stdout == LINE
        calls = [line.partition("(")[0] for line in traced.stderr.decode().splitlines() if "(" in line]
        assert calls == ["execve", "execve"]

    def test_fifty_at_once_while_the_answer_is_renewed(
        self, alone: str, folder: HelperFolder, tmp_path: Path
    ) -> None:
        """Always exactly one valid answer."""
        put(folder)
        over = threading.Event()

        def renew() -> None:
            number = 0
            while not over.is_set():
                number += 1
                put(folder, auth=base64.b64encode(f"AWS:{number:0>3000}".encode()).decode())

        renewing = threading.Thread(target=renew)
        renewing.start()
        try:
            with ThreadPoolExecutor(50) as pool:
                answers = list(
                    pool.map(lambda _: call(["sh", alone, "get"], HOST, home=tmp_path), range(300))
                )
        finally:
            over.set()
            renewing.join()
        assert {done.returncode for done in answers} == {0}
        assert all(json.loads(done.stdout)["Username"] == "AWS" for done in answers)
        assert {done.stderr for done in answers} == {b""}


def helper(home: Home, verb: str, request: str = "") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [SCRIPT, verb],
        input=request.encode(),
        env={**home.environment, "PATH": f"{SCRIPT.parent}:{os.environ['PATH']}"},
        capture_output=True,
        timeout=90,
        check=False,
    )


def kept(home: Home, more: str = "") -> None:
    """A registry in the settings, where docker's own programs look for them."""
    home.profile("dev")
    home.environment["PATH"] = f"{SCRIPT.parent}:{os.environ['PATH']}"
    home.environment["ECR_REFRESHD_CONFIG"] = str(home.config)
    home.write_config(f'[[registry]]\nhost = "{HOST}"\nprofile = "dev"\n' + more)


def desktop(home: Home) -> None:
    home.write_docker(json.dumps({"auths": {HOST: {}}, "credsStore": "desktop"}))


def password(done: subprocess.CompletedProcess[bytes]) -> str:
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["Secret"])


def issued(home: Home) -> int:
    return len(home.aws.calls("GetAuthorizationToken"))


def test_with_a_service_docker_is_sent_here_and_finds_its_token(home: Home) -> None:
    """A machine as Docker Desktop leaves it, and nothing but `ecr-refreshd run`."""
    kept(home)
    desktop(home)
    home.start()
    until(lambda: "credHelpers" in json.loads(home.docker.read_text()), "docker is sent to our helper")
    assert json.loads(home.docker.read_text())["credHelpers"] == {HOST: "ecr-refreshd"}
    secret = password(helper(home, "get", HOST))
    for form in (
        f"https://{HOST}",
        f"http://{HOST}/v2/",
        f"{HOST}:443",
        f"{HOST}/team/app",
        f" {HOST.upper()} \r\n",
    ):
        assert password(helper(home, "get", form)) == secret, form
    assert json.loads(helper(home, "list").stdout) == {f"https://{HOST}": "AWS"}
    assert issued(home) == 1
    assert secret not in home.log.read_text()


def test_a_host_that_is_served_elsewhere_is_served_here_too_once_somebody_asks(home: Home) -> None:
    """A job with a DOCKER_CONFIG of its own, and a line of ours in it, which the service does not watch."""
    kept(home)
    home.start()
    until(home.docker.exists, "the token on disk")
    assert password(helper(home, "get", HOST))
    assert issued(home) == 1
    assert (home.folder / ".local/state/ecr-refreshd/helper" / HOST).exists(), "the next one asks nobody"


def test_with_no_service_fifty_parallel_calls_are_one_fetch(home: Home) -> None:
    """With a strict one-time refresh token: one direct fetch, or the login would be lost."""
    homes.sso_profile(home.folder, "dev", GOOD)
    kept(home)
    home.write_config(f'[[registry]]\nhost = "{HOST}"\nprofile = "sso"\n')
    homes.sso_profile(home.folder, "sso", GOOD)
    homes.sso_login(home.folder, home.aws)
    desktop(home)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: helper(home, "get", HOST), range(50)))
    assert len({password(done) for done in answers}) == 1
    assert issued(home) == 1


def test_the_reason_comes_to_the_one_who_pulls(home: Home) -> None:
    """Promise 7: where a helper of old says nothing useful when SSO has expired."""
    kept(home)
    homes.sso_profile(home.folder, "never", "100000000099")
    other = host("100000000099")
    home.write_config(f'[[registry]]\nhost = "{other}"\nprofile = "never"\n')
    done = helper(home, "get", other)
    assert (done.returncode, done.stdout) == (1, NOT_FOUND)
    assert b"aws sso login --sso-session corp" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("asked", ["https://index.docker.io/v1/", "ghcr.io"])
def test_about_other_peoples_registries_nothing_is_said(home: Home, asked: str) -> None:
    """A client whose store we are asks about every registry there is."""
    kept(home)
    done = helper(home, "get", asked)
    assert (done.returncode, done.stdout, done.stderr) == (1, NOT_FOUND, b"")


def test_a_registry_that_is_not_kept_is_named(home: Home) -> None:
    kept(home)
    done = helper(home, "get", host("999999999999"))
    assert (done.returncode, done.stdout) == (1, NOT_FOUND)
    assert b"999999999999" in done.stderr


def test_a_login_through_us_is_kept_as_somebodys_own(home: Home) -> None:
    """`docker login` runs `store`; a login that was swallowed would be lost."""
    kept(home)
    desktop(home)
    home.start()
    until(lambda: helper(home, "list").stdout.startswith(b'{"https'), "served")
    inner = base64.b64encode(json.dumps({"expiration": int(time.time()) + 40000}).encode()).decode()
    request = json.dumps({"ServerURL": HOST, "Username": "AWS", "Secret": inner}) + "\n"
    done = helper(home, "store", request)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert password(helper(home, "get", HOST)) == inner
    until(lambda: "foreign" in {sink["state"] for sink in home.rows()[HOST]["sinks"]}, "seen as somebody's")
    home.run("refresh", HOST)
    assert password(helper(home, "get", HOST)) != inner


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ("", "not a JSON object"),
        ('{"ServerURL": "", "Username": "AWS", "Secret": "x"}', "no credentials server URL"),
        (f'{{"ServerURL": "{HOST}", "Username": "", "Secret": "x"}}', "no credentials username"),
        (f'{{"ServerURL": "{HOST}", "Username": "me", "Secret": "x"}}', "no user but AWS"),
        ('{"ServerURL": "ghcr.io", "Username": "me", "Secret": "hidden"}', "ghcr.io is none"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_reason(home: Home, request_: str, says: str) -> None:
    kept(home)
    done = helper(home, "store", request_)
    assert done.returncode == 1
    assert says in done.stdout.decode()
    assert b"hidden" not in done.stdout + done.stderr


@pytest.mark.parametrize("running", [True, False])
def test_a_logout_says_how_to_be_left_alone_or_is_respected(home: Home, running: bool) -> None:
    kept(home, '[heal]\non_logout = "respect"\n')
    desktop(home)
    home.run("run", "--once")
    assert password(helper(home, "get", HOST))
    if running:
        home.start()
        until(lambda: home.status()["pid"] is not None, "it runs")
    done = helper(home, "erase", HOST)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    until(lambda: home.rows()[HOST]["phase"] == "paused", "paused")
    done = helper(home, "get", HOST)
    assert (done.returncode, done.stdout) == (1, NOT_FOUND)
    assert f"ecr-refreshd resume {HOST}".encode() in done.stderr


def test_a_logout_that_is_healed_names_the_pause(home: Home) -> None:
    kept(home)
    done = helper(home, "erase", HOST)
    assert (done.returncode, done.stdout) == (0, b"")
    assert f"ecr-refreshd pause {HOST}".encode() in done.stderr
    assert helper(home, "erase", f"https://{HOST}").stderr == b"", "docker asks for every form of the name"
    assert helper(home, "erase", "ghcr.io").stderr == b""


def test_a_pause_with_no_service_is_heeded_at_once(home: Home) -> None:
    """DESIGN 3: the helper answers not-found; it works with no service running."""
    kept(home)
    desktop(home)
    assert password(helper(home, "get", HOST))
    assert home.run("pause", HOST).returncode == 0
    done = helper(home, "get", HOST)
    assert (done.returncode, done.stdout) == (1, NOT_FOUND)
    assert f"ecr-refreshd resume {HOST}".encode() in done.stderr
    assert home.run("resume", HOST).returncode == 0
    assert password(helper(home, "get", HOST))


@pytest.mark.parametrize("ends", [None, 2**37])
def test_a_login_that_says_nothing_of_its_end_or_too_much_is_not_believed_for_long(
    home: Home, ends: int | None
) -> None:
    """As of every foreign token: twelve hours at most, and not kept at all without a readable end (DESIGN 6)."""
    kept(home)
    inner = {} if ends is None else {"expiration": ends}
    secret = base64.b64encode(json.dumps(inner).encode()).decode()
    done = helper(home, "store", json.dumps({"ServerURL": HOST, "Username": "AWS", "Secret": secret}))
    assert done.returncode == 0, done.stdout
    left = (home.folder / ".local/state/ecr-refreshd/helper" / HOST).stat().st_mtime - time.time()
    assert left <= (60 if ends is None else 12 * 3600)


def test_broken_settings_are_told_to_nobody_who_asks_about_other_registries(home: Home) -> None:
    kept(home)
    home.write_config("nonsense")
    for verb in ("get", "erase"):
        done = helper(home, verb, "ghcr.io")
        assert done.stdout == (NOT_FOUND if verb == "get" else b"")
        assert done.returncode == (1 if verb == "get" else 0)
    assert helper(home, "get", "ghcr.io").stderr == b""


@pytest.mark.parametrize("target", ["2>&-", ">/dev/full", ">&-"])
def test_where_nobody_listens_nothing_else_is_said_in_its_place(home: Home, target: str) -> None:
    """With stderr closed, no sentence of ours may come by stdout."""
    need(Path("/dev/full").exists(), "no /dev/full here")
    kept(home)
    done = subprocess.run(
        ["sh", "-c", f'"$0" erase {target}', SCRIPT], input=HOST.encode(), env=home.environment,
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("word", ["version", "--version", "-v"])
def test_its_version(home: Home, word: str) -> None:
    done = helper(home, word)
    assert done.stdout.decode() == f"{NAME} (ecr-refreshd) {__version__}\n"


@pytest.mark.parametrize("through", ["itself", "relative"])
def test_a_link_to_it_finds_its_program(shell: list[str], tmp_path: Path, through: str) -> None:
    """The README has it linked into /usr/local/bin, where programs that a desktop starts look, and no more."""
    link = tmp_path / NAME
    link.symlink_to(str(SCRIPT) if through == "itself" else "second")
    (tmp_path / "second").symlink_to(SCRIPT)
    done = call([*shell, str(link), "version"], home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == f"{NAME} (ecr-refreshd) {__version__}\n"


def test_words_that_the_protocol_does_not_have(home: Home) -> None:
    done = helper(home, "bogus")
    assert (done.returncode, done.stdout) == (1, f"{NAME}: unknown action: bogus\n".encode())
    done = subprocess.run([SCRIPT], env=home.environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout[:6]) == (1, b"Usage:")


def test_calls_while_the_service_renews_stops_and_is_killed(home: Home) -> None:
    """Always exactly one valid answer: from the file, from the service, or by a fetch of its own."""
    home.aws.set(ttl=25)
    kept(home)
    desktop(home)
    service = home.start()
    until(lambda: helper(home, "list").stdout.startswith(b'{"https'), "served")
    over = threading.Event()
    answers: list[Any] = []

    def ask() -> None:
        while not over.is_set():
            answers.append((time.time(), helper(home, "get", HOST)))

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        time.sleep(8)
        service.terminate()
        service.wait(10)
        time.sleep(2)
        service = home.start()
        time.sleep(3)
        os.kill(service.pid, signal.SIGKILL)
        service.wait(10)
        time.sleep(2)
    finally:
        over.set()
        for caller in callers:
            caller.join()
    assert len(answers) > 50
    for _at, done in answers:
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["Username"] == "AWS"
