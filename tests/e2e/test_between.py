"""Who comes while another instance starts, ends or works: nobody is turned away for an instant's sake (DESIGN 3).

`75` means that another service runs; a command that holds the lock for some seconds is waited for, and so is the
moment in which a service has the lock and does not listen yet.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.cli import credential
from tests.e2e.test_bad_input import Home, home, host, until
from tests.e2e.test_helper import HOST, helper, kept, password
from tests.world import homes

__all__ = ["home"]  # a fixture

SLOW = host("100000000002")
HANGS = "import time\ntime.sleep(60)\n"


def lock_of(home: Home) -> Path:
    return home.folder / ".local/state/ecr-refreshd/locks/instance.lock"


@contextmanager
def held(path: Path, words: str) -> Iterator[None]:
    """Hold the lock as a process does that says these words of itself."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.parent.chmod(0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, words.encode())
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def a_command_at_work(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    """`ensure` of a registry whose credential_process hangs: it does the work itself, and takes its time."""
    homes.credential_process(home.folder, "slow", HANGS)
    kept(home, f'[[registry]]\nhost = "{SLOW}"\nprofile = "slow"\n')
    argv = home.command("ensure", SLOW, "--min-ttl", "1h", "--timeout", "6s")
    with subprocess.Popen(argv, env=home.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as busy:
        until(lambda: lock_of(home).exists() and lock_of(home).read_text() != "", "it works")
        yield busy
        busy.communicate(timeout=30)


def test_a_service_waits_for_a_command_that_is_at_work(home: Home) -> None:
    """A unit that ended with 75 is not started again: a pull at boot must not cost the service."""
    with a_command_at_work(home) as busy:
        service = home.start()
        until(lambda: home.status()["pid"] == service.pid, "the service runs", 30)
        assert busy.wait(1) != 75


def test_a_second_service_ends_at_once(home: Home) -> None:
    kept(home)
    first = home.start()
    until(lambda: home.status()["pid"] == first.pid, "the first runs")
    done = home.run("run")
    assert done.returncode == 75
    assert f"process {first.pid}" in done.stderr


Does = Callable[[Home], Any]


@pytest.mark.parametrize(
    "does",
    [
        lambda home: home.run("refresh", HOST).returncode,
        lambda home: home.run("run", "--once").returncode,
        lambda home: home.run("ensure", HOST, "--min-ttl", "1h").returncode,
        lambda home: home.run("pause", HOST).returncode,
        lambda home: helper(home, "get", host("100000000003")).returncode - 1,
    ],
    ids=["refresh", "run --once", "ensure", "pause", "the credential helper"],
)
def test_a_service_that_does_not_listen_yet_is_asked_once_it_does(home: Home, does: Does) -> None:
    kept(home)
    service = home.start()
    until(lambda: home.status()["pid"] == service.pid, "the service runs")
    socket = lock_of(home).parent.with_name("sock")
    hidden = socket.rename(socket.with_name("hidden"))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(does, home)
        time.sleep(2)
        assert not asked.done()
        hidden.rename(socket)
        assert asked.result(40) == 0


def test_a_principal_that_hangs_delays_no_pull_from_another_registry(home: Home) -> None:
    """Promise 8, with no service: who waits for a turn finds what the one at work has left for it."""
    homes.credential_process(home.folder, "slow", HANGS)
    kept(home, f'[[registry]]\nhost = "{SLOW}"\nprofile = "slow"\n')
    lines = dict.fromkeys((HOST, SLOW), "ecr-refreshd")
    home.write_docker(f'{{"credHelpers": {lines}}}'.replace("'", '"'))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(helper, home, "get", SLOW)
        turn = lock_of(home).with_name("credential.lock")
        until(lambda: turn.exists() and turn.read_text() != "", "it is at work")
        assert password(helper(home, "get", HOST))
        assert lock_of(home).read_text() != "", "the other one still hangs"
        assert slow.result(60).returncode == 1


def test_who_is_killed_at_work_is_not_taken_for_a_service(home: Home) -> None:
    """What the lock file says is true only as long as its lock is held."""
    kept(home)
    path = lock_of(home)
    with held(path, f"{os.getpid()} serves\n"):
        pass
    assert path.read_text().endswith("serves\n")
    service = home.start()
    until(lambda: home.status()["pid"] == service.pid, "the service runs")


def runtime(home: Home, folder: Path) -> Path:
    """Give the home a runtime folder of its own; return where its service's socket will be."""
    folder.mkdir(mode=0o700)
    home.environment["XDG_RUNTIME_DIR"] = str(folder)
    return folder / "ecr-refreshd/sock"


def started(home: Home) -> subprocess.Popen[bytes]:
    kept(home)
    service = home.start()
    until(lambda: home.status()["pid"] == service.pid, "the service runs")
    until(lambda: home.docker.exists() and HOST in home.docker.read_text(), "its token on disk")
    return service


def test_a_state_folder_that_is_deleted_hides_no_service(home: Home, tmp_path: Path) -> None:
    """Who deletes it to begin anew must not be told that nothing runs, and have a pause lost."""
    runtime(home, tmp_path / "run")
    service = started(home)
    shutil.rmtree(lock_of(home).parent.parent)
    assert home.status()["pid"] == service.pid
    done = home.run("pause", HOST)
    assert done.returncode == 0
    assert "No service" not in done.stdout
    assert home.status()["pid"] == service.pid


def test_a_path_that_is_nearly_too_long_hides_no_service(home: Home, tmp_path: Path) -> None:
    """A socket's path has room for 103 bytes on every system; beside a full one no second name fits."""
    room = 100 - len(str(tmp_path / "r/ecr-refreshd/sock"))
    if room < 0:
        pytest.skip("the folder of this test is too long itself")
    socket = runtime(home, tmp_path / f"r{'x' * room}")
    assert len(str(socket)) == 100
    service = started(home)
    assert socket.exists()
    assert home.status()["pid"] == service.pid


def lock_of_answers(home: Home) -> Path:
    folder = os.fsencode(lock_of(home).parent.with_name("helper"))
    return lock_of(home).with_name(f"{hashlib.sha256(folder).hexdigest()[:32]}.lock")


def test_the_end_of_a_service_waits_for_no_lock(home: Home) -> None:
    service = started(home)
    with held(lock_of_answers(home), ""):
        service.terminate()
        assert service.wait(6) == 0, "within the 5 s that it has"


def test_a_release_that_failed_is_tried_again(home: Home) -> None:
    """A registry that left: its answer must not stay with the helper because the folder was busy for a while."""
    other = host("100000000004")
    home.profile("four", "100000000004")
    named = f'[[registry]]\nhost = "{other}"\nprofile = "four"\n'
    way = '[docker]\nmode = "helper"\n'
    kept(home, named + way)
    service = home.start()
    folder = lock_of(home).parent.with_name("helper")
    until(lambda: (folder / other).exists() and (folder / HOST).exists(), "both answers")
    until(lambda: home.docker.exists() and other in home.docker.read_text(), "both lines")
    with held(lock_of_answers(home), ""):
        home.write_config(f'[[registry]]\nhost = "{HOST}"\nprofile = "dev"\n{way}')
        service.send_signal(signal.SIGHUP)
        until(lambda: "sink.unwritable" in home.log.read_text(), "it fails", 30)
        assert (folder / other).exists()
    until(lambda: not (folder / other).exists(), "it is gone", 30)


def test_a_failure_ends_the_wait_where_answers_cannot_be_kept(home: Home) -> None:
    kept(home)
    home.aws.fault("ecr:GetAuthorizationToken", code="AccessDeniedException", status=400)
    folder = lock_of(home).parent.with_name("helper")
    folder.mkdir(mode=0o700, parents=True)
    folder.chmod(0o777)
    began = time.monotonic()
    done = helper(home, "get", HOST)
    assert done.returncode == 1
    assert time.monotonic() - began < credential._SERVICE_TAKES, "what is known is said"
