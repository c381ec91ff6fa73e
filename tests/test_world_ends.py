"""What the engine's world borrows from the machine goes back, also when the test run is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.needs import need
from tests.world import names
from tests.world.names import Loan
from tests.world.processes import Program

REPOSITORY = Path(__file__).parent.parent
BEFORE = "127.0.0.1 localhost\n::1 localhost"  # no newline at the end, as people leave it


@pytest.fixture
def root(tmp_path) -> Path:
    """A machine's root, as far as the lender knows it."""
    (tmp_path / "etc").mkdir()
    (tmp_path / names.HOSTS).write_text(BEFORE)
    (tmp_path / "cert.pem").write_text("certificate")
    return tmp_path


def eventually(holds: Callable[[], bool], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_loan_names_trusts_and_gives_back(root) -> None:
    inode = (root / names.HOSTS).stat().st_ino
    with Loan(["a.example", "b.example"], root / "cert.pem", root=root):
        assert "\n127.0.0.1 a.example b.example " in (root / names.HOSTS).read_text()
        assert (root / names.TRUST / "b.example/ca.crt").read_text() == "certificate"
    assert (root / names.HOSTS).read_text().rstrip("\n") == BEFORE
    assert (root / names.HOSTS).stat().st_ino == inode, (
        "in a container the file is a mount: it keeps its inode"
    )
    assert not (root / names.TRUST).exists()


def test_a_killed_run_gives_the_names_back(root) -> None:
    program = (
        "import sys, time; from pathlib import Path; from tests.world.names import Loan\n"
        "root = Path(sys.argv[1]); loan = Loan(['a.example'], root / 'cert.pem', root=root)\n"
        "print('lent', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(root)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout.readline() == "lent\n"
        run.kill()
    eventually(lambda: "a.example" not in (root / names.HOSTS).read_text())
    eventually(lambda: not (root / names.TRUST).exists())


def test_one_run_at_a_time_and_leftovers_of_a_crash_go(root) -> None:
    with (root / names.HOSTS).open("a") as hosts:
        hosts.write(f"\n127.0.0.1 stale.example {names.MARK}\n")
    with Loan(["a.example"], root / "cert.pem", root=root):
        assert "stale.example" not in (root / names.HOSTS).read_text()
        with pytest.raises(TimeoutError, match="another test run"):
            Loan(["b.example"], root / "cert.pem", root=root, timeout=0.1)
        assert "a.example" in (root / names.HOSTS).read_text()
    with Loan(["b.example"], root / "cert.pem", root=root):
        assert "b.example" in (root / names.HOSTS).read_text()


def test_trust_of_somebody_else_is_never_replaced(root) -> None:
    theirs = root / names.TRUST / "a.example/ca.crt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    with pytest.raises(FileExistsError):
        names.lend(root, ["a.example"], b"ours")
    names.take_back(root)
    assert theirs.read_text() == "theirs"
    assert (root / names.HOSTS).read_text() == BEFORE


def test_programs_end_with_the_run_that_started_them(tmp_path) -> None:
    need(Path("/usr/bin/setpriv").exists(), "util-linux's setpriv is not installed")
    program = (
        "import sys, time; from pathlib import Path; from tests.world.processes import Program\n"
        "p = Program(['sleep', '60'], Path(sys.argv[1]), {'PATH': '/usr/bin:/bin'})\n"
        "print(p.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "log")],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        pid = int(run.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        run.kill()
    eventually(lambda: _gone(pid))


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_program_that_does_not_start_says_why_and_one_that_ignores_sigterm_is_killed(tmp_path) -> None:
    need(Path("/usr/bin/setpriv").exists(), "util-linux's setpriv is not installed")
    env = {"PATH": os.defpath}
    with (
        pytest.raises(RuntimeError, match="no room left"),
        Program(["sh", "-c", "echo no room left; exit 3"], tmp_path / "log", env) as failing,
    ):
        failing.wait_until(lambda: False, "it", timeout=10)
    stubborn = Program(
        ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], tmp_path / "log2", env
    )
    stubborn.wait_until(lambda: "ready" in stubborn.tail(), "it")
    stubborn.close(grace=0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(stubborn.pid, signal.SIG_DFL)
