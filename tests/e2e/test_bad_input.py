"""What bad input gets: each failure its category, a text, the command that helps; the others go on.

The real program in its own process, against the fake AWS; no engine and no root are needed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.world import homes
from tests.world.aws import FakeAws

GOOD = "100000000001"
DEAD = "eyJkZWFkIjo="


def host(account: str, region: str = "us-west-2") -> str:
    return f"{account}.dkr.ecr.{region}.amazonaws.com"


class Home:
    """One user's home, with the program run in it."""

    def __init__(self, folder: Path, aws: FakeAws) -> None:
        self.folder = folder
        self.aws = aws
        self.config = folder / "config.toml"
        self.docker = folder / ".docker/config.json"
        self.log = folder / "service.log"
        self.environment = aws.environment(folder)
        self.running: list[subprocess.Popen[bytes]] = []

    def write_config(self, text: str) -> None:
        self.config.write_text(text)
        self.config.chmod(0o600)

    def write_docker(self, text: str) -> None:
        self.docker.parent.mkdir(exist_ok=True)
        self.docker.write_text(text)
        self.docker.chmod(0o600)

    def profile(self, name: str, account: str = GOOD) -> str:
        key = homes.access_key()
        homes.static_keys(self.folder, name, key, aws=self.aws, account=account)
        return key

    def command(self, *words: str) -> list[str]:
        named = ["--config", str(self.config)] if self.config.exists() else []
        return [sys.executable, "-m", "ecr_refreshd", *named, *words]

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            env={**self.environment, **more},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            service = subprocess.Popen(
                self.command("run", "--log-format", "json", *words),
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.running.append(service)
        return service

    def status(self) -> dict[str, Any]:
        return json.loads(self.run("status", "--json").stdout)

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["host"]: row for row in self.status()["registries"]}


@pytest.fixture
def home(tmp_path) -> Iterator[Home]:
    with FakeAws() as aws:
        folder = tmp_path / "home"
        folder.mkdir(mode=0o700)
        house = Home(folder, aws)
        yield house
        aws.clear_faults()
        for service in house.running:
            if service.poll() is None:
                service.terminate()
            assert service.wait(10) in {0, -signal.SIGKILL}


def until(true: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def test_each_fault_has_its_category_and_text_and_the_good_profile_goes_on(home) -> None:
    """Promises 7 and 8 at once: nine profiles, each broken in its own way, and one that is not."""
    faults: dict[str, tuple[dict[str, Any], str, str]] = {
        "denied": ({"code": "AccessDeniedException", "status": 400}, "denied", "ecr:GetAuthorizationToken"),
        "throttled": ({"code": "ThrottlingException", "status": 400}, "transient", "fewer"),
        "broken": ({"code": "ServerException", "status": 500}, "transient", ""),
        "portal": ({"way": "portal"}, "transient", "in its place"),
        "empty": ({"way": "empty"}, "transient", "token"),
        "past": ({"way": "past"}, "transient", "clock"),
        "expired": ({"code": "ExpiredTokenException", "status": 400}, "login", ""),
        "unknown": ({"code": "UnrecognizedClientException", "status": 400}, "config", "keys"),
    }
    tables = []
    for number, (name, (fault, _category, _text)) in enumerate(faults.items(), 2):
        account = f"1{number:011}"
        home.aws.fault("ecr:GetAuthorizationToken", access_key=home.profile(name, account), **fault)
        tables.append(f'[[registry]]\nhost = "{host(account)}"\nprofile = "{name}"\n')
    homes.sso_profile(home.folder, "never", "100000000099")
    tables.append(f'[[registry]]\nhost = "{host("100000000099")}"\nprofile = "never"\n')
    home.profile("good")
    tables.append(f'[[registry]]\nhost = "{host(GOOD)}"\nprofile = "good"\n')
    home.write_config("\n".join(tables))

    done = home.run("run", "--once")
    rows = home.rows()

    assert done.returncode == 3, done.stdout + done.stderr
    for number, (name, (_fault, category, text)) in enumerate(faults.items(), 2):
        error = rows[host(f"1{number:011}")]["last_error"]
        assert error is not None, name
        assert error["category"] == category, (name, error)
        assert text in error["message"] + error["hint"], (name, error)
        assert error["message"], name
    login = rows[host("100000000099")]["last_error"]
    assert (login["category"], login["hint"]) == ("login", "aws sso login --sso-session corp")
    assert rows[host(GOOD)]["phase"] == "fresh"
    assert rows[host(GOOD)]["sinks"][0]["state"] == "written"


def test_everything_failed_is_exit_1_and_a_good_one_among_failures_is_4(home) -> None:
    """DESIGN 3, overall: failed, degraded."""
    bad = home.profile("bad", "100000000002")
    home.aws.fault("ecr:GetAuthorizationToken", access_key=bad, code="AccessDeniedException", status=400)
    one = f'[[registry]]\nhost = "{host("100000000002")}"\nprofile = "bad"\n'
    home.write_config(one)
    assert home.run("run", "--once").returncode == 1
    home.profile("good")
    home.write_config(one + f'[[registry]]\nhost = "{host(GOOD)}"\nprofile = "good"\n')
    assert home.run("run", "--once").returncode == 4
    assert home.run("refresh", host(GOOD)).returncode == 0
    assert home.run("refresh", "nobody.example").returncode == 2


def test_a_wrong_config_says_everything_at_once_and_nothing_is_written(home) -> None:
    """Exit 2; each problem with its line."""
    home.profile("good")
    home.write_config('[[registry]]\nhost = "example.com"\nprofil = "x"\n[docker]\nmode = "sideways"\n')
    done = home.run("run", "--once")
    assert done.returncode == 2
    for line, word in ((2, "host"), (3, "profil"), (5, "mode")):
        assert f"{home.config}:{line}:" in done.stderr
        assert word in done.stderr
    assert not home.docker.exists()
    assert home.aws.calls() == []


def test_a_docker_config_that_does_not_parse_is_left_alone_and_taken_up_again(home) -> None:
    """The line is named; the file is not touched; when it parses, it is written."""
    home.profile("good")
    broken = '{\n\t"auths": {\n\t\t"a": {,}\n\t}\n}'
    home.write_docker(broken)
    home.write_config(f'[[registry]]\nhost = "{host(GOOD)}"\nprofile = "good"\n')
    home.start()
    until(lambda: home.run("status").returncode == 4, "degraded")
    sink = home.rows()[host(GOOD)]["sinks"][0]
    assert sink["state"] == "unparsable"
    assert "line 3" in sink["detail"]
    assert home.docker.read_text() == broken

    home.write_docker('{"auths": {"other.example": {"auth": "eDp5"}}}')
    until(lambda: home.run("status").returncode == 0, "taken up again")
    assert set(json.loads(home.docker.read_text())["auths"]) == {"other.example", host(GOOD)}


@pytest.mark.parametrize("how", ["aws hangs", "a credential_process hangs"])
def test_sigterm_ends_it_within_five_seconds_whatever_hangs(home, how) -> None:
    """The promise is five seconds; nothing of it is left running."""
    if how == "aws hangs":
        home.profile("slow")
        home.aws.fault("ecr:GetAuthorizationToken", way="hang")
    else:
        homes.credential_process(home.folder, "slow", "import time\ntime.sleep(60)\n")
    home.write_config(f'[[registry]]\nhost = "{host(GOOD)}"\nprofile = "slow"\n')
    service = home.start()
    until(lambda: len(children(service.pid)) > 0, "a child that asks AWS")
    time.sleep(1.5)
    family = children(service.pid)
    service.terminate()
    assert service.wait(5) == 0
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family), "its children to be gone", 5)


def children(pid: int) -> list[int]:
    found = [
        int(word)
        for each in Path(f"/proc/{pid}/task").glob("*/children")
        for word in each.read_text().split()
    ]
    return found + [grandchild for child in found for grandchild in children(child)]


def readable(path: Path) -> bytes:
    """Return what a program of the same user can read there: nothing, where the kernel shuts it out."""
    try:
        return path.read_bytes()
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return b""


def test_no_secret_leaves_by_any_way(home) -> None:
    """Promise 6: not in the log at debug, argv, environment, status, state, or a file that others can read."""
    key = home.profile("good")
    failing = home.profile("failing", "100000000002")
    homes.credential_process(
        home.folder,
        "chatty",
        "import sys\nsys.exit('canary-secret AKIACANARYCANARYCANA " + "Q7x" * 30 + "')\n",
    )
    home.aws.fault(
        "ecr:GetAuthorizationToken",
        access_key=failing,
        code="AccessDeniedException",
        status=400,
        message="no",
    )
    home.write_config(
        f'[[registry]]\nhost = "{host(GOOD)}"\nprofile = "good"\n'
        f'[[registry]]\nhost = "{host("100000000002")}"\nprofile = "failing"\n'
        f'[[registry]]\nhost = "{host("100000000003")}"\nprofile = "chatty"\n'
    )
    service = home.start("--log-level", "debug")
    until(lambda: home.rows().get(host(GOOD), {}).get("phase") == "fresh", "a token")
    seen = [
        Path(f"/proc/{pid}/{what}")
        for pid in (service.pid, *children(service.pid))
        for what in ("cmdline", "environ")
    ]
    said = b"".join(readable(path) for path in seen)
    said += home.run("status").stdout.encode() + home.run("status", "--json").stdout.encode()
    home.run("refresh")
    service.terminate()
    service.wait(10)
    said += home.log.read_bytes()
    said += (home.folder / ".local/state/ecr-refreshd/state.json").read_bytes()
    issued = [page.auth for page in home.aws.mint.issued()]
    assert issued
    secret = (home.folder / ".aws/credentials").read_text().split("aws_secret_access_key = ")[1].split()[0]
    for text in (*issued, *(auth[40:100] for auth in issued), secret, "AKIACANARY", "Q7xQ7xQ7xQ7x", key):
        assert text.encode() not in said, text[:12]
    for path in home.folder.rglob("*"):
        if path.is_file() and path.stat().st_mode & 0o044 and not path.is_symlink():
            content = path.read_bytes()
            assert not any(auth.encode() in content for auth in issued), path


def test_the_service_never_loads_boto3(home) -> None:
    """It lives in the child alone; the calls that arrive are signed, so they come from there."""
    home.profile("good")
    home.write_config(f'[[registry]]\nhost = "{host(GOOD)}"\nprofile = "good"\n')
    program = home.folder / "wrapped.py"
    program.write_text(
        "import sys\n"
        "from ecr_refreshd.cli import main\n"
        f"code = main(['--config', {str(home.config)!r}, 'run', '--once'])\n"
        "loaded = {'boto3', 'botocore', 's3transfer'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else code)\n"
    )
    done = subprocess.run(
        [sys.executable, str(program)],
        env=home.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (call,) = home.aws.calls("ecr:GetAuthorizationToken")
    assert call.signed


@pytest.mark.parametrize(
    "words", [["status"], ["run", "--once"], ["refresh"], ["pause", "x"], ["login"], ["run"]]
)
def test_a_state_folder_that_cannot_be_entered_is_said_with_its_owner(home, words) -> None:
    """A root that had this HOME leaves such ones (`sudo -E`); no command answers with a traceback."""
    folder = home.folder / ".local/state/ecr-refreshd"
    folder.mkdir(parents=True)
    folder.chmod(0)
    # Root may enter everything but for these two capabilities.
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    try:
        done = subprocess.run(
            [*without, *home.command(*words)],
            env=home.environment,
            cwd=home.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        doctor = subprocess.run(
            [*without, *home.command("doctor")],
            env=home.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        folder.chmod(0o700)
    assert "Traceback" not in done.stderr + doctor.stderr
    assert done.returncode == 2, done.stderr
    assert f"{folder} cannot be entered" in done.stderr
    assert f"→ chmod u+rwx {folder}" in done.stderr
    assert f"do: chmod u+rwx {folder}" in doctor.stdout


def test_a_docker_file_that_cannot_be_read_is_said_with_the_command_that_opens_it(home) -> None:
    """Not its folder's mode, which is well."""
    home.profile("good")
    home.write_config(f'[[registry]]\nhost = "{host(GOOD)}"\nprofile = "good"\n')
    home.write_docker("{}")
    home.docker.chmod(0)
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*without, *home.command("run", "--once")],
        env=home.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"{home.docker} cannot be read" in done.stdout
    assert f"chmod u+rw {home.docker}" in done.stdout
    home.docker.chmod(0o600)
    assert home.run("run", "--once").returncode == 0


@pytest.mark.parametrize("words", [["run", "--once"], ["refresh"], ["run"]])
def test_a_state_folder_that_others_may_write_is_refused(home, words) -> None:
    """Promise 6, and docs/security.md: whoever may write there decides what is believed."""
    folder = home.folder / "state"
    folder.mkdir()
    folder.chmod(0o777)
    done = home.run(*words, ECR_REFRESHD_STATE_DIR=str(folder))
    assert done.returncode == 2
    assert "others can write in it" in done.stderr
    assert list(folder.iterdir()) == []


def test_one_service_per_state_folder_and_once_beside_it(home) -> None:
    """75 for a second service; `--once` asks the first; `status` without one is 5 with pid null."""
    home.profile("good")
    home.write_config(f'[[registry]]\nhost = "{host(GOOD)}"\nprofile = "good"\n')
    assert home.run("status").returncode == 5
    service = home.start()
    until(lambda: home.run("status").returncode == 0, "the service to serve")
    assert home.run("run").returncode == 75
    assert home.run("run", "--once").returncode == 0
    assert len(home.aws.calls("ecr:GetAuthorizationToken")) == 1
    folder = home.folder / ".local/state/ecr-refreshd"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "sock").stat().st_mode & 0o777 == 0o600
    service.terminate()
    assert service.wait(10) == 0
    document = home.status()
    assert document["pid"] is None
    assert document["registries"][0]["phase"] == "fresh"


def test_registries_of_a_principal_and_region_cost_one_call(home) -> None:
    """Promise 9, and both public names share theirs."""
    home.profile("good")
    hosts = [host(f"2{n:011}") for n in range(20)] + ["public.ecr.aws", "ecr-public.aws.com"]
    home.write_config("".join(f'[[registry]]\nhost = "{each}"\nprofile = "good"\n' for each in hosts))
    assert home.run("run", "--once").returncode == 0
    assert len(home.aws.calls("ecr:GetAuthorizationToken")) == 1
    assert len(home.aws.calls("ecr-public:GetAuthorizationToken")) == 1
    assert set(json.loads(home.docker.read_text())["auths"]) == set(hosts)
    assert home.docker.stat().st_mode & 0o777 == 0o600


def test_a_profile_that_is_in_no_file_is_a_warning_before_it_is_used(home) -> None:
    """`config check` names everything; the file may be meant for another machine, so it is no error."""
    home.profile("good")
    home.write_config(f'[[registry]]\nhost = "{host(GOOD)}"\nprofile = "goood"\n')
    done = home.run("config", "check")
    assert done.returncode == 0
    assert 'profile "goood" is in no AWS file on this machine; did you mean good?' in done.stdout
    assert f"{home.config}:3: " in done.stdout
