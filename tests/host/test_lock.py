"""One service per user and state folder; a real second process competes."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from ecr_refreshd.errors import ConfigError, LockHeldError, RefreshdError
from ecr_refreshd.host.lock import InstanceLock

HOLD = """
import sys
from pathlib import Path
from ecr_refreshd.host.lock import InstanceLock
lock = InstanceLock(Path(sys.argv[1]))
lock.acquire(serving="serves" in sys.argv)
print("held", flush=True)
sys.stdin.readline()
"""


def hold(folder: Path, *how: str) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def end(holder: subprocess.Popen[str]) -> None:
    holder.communicate("go\n", timeout=20)


@pytest.mark.parametrize(("how", "code"), [((), 1), (("serves",), 75)])
def test_the_second_instance_is_told_who_holds_it(tmp_path: Path, how: tuple[str, ...], code: int) -> None:
    holder = hold(tmp_path, *how)
    try:
        with pytest.raises(LockHeldError, match=f"process {holder.pid} ") as caught:
            InstanceLock(tmp_path).acquire()
        assert (caught.value.exit_code, caught.value.serving) == (code, code == 75)
    finally:
        end(holder)


def test_nobody_waits_for_a_service(tmp_path: Path) -> None:
    """It ends when somebody ends it; who has the lock for a moment only is waited for."""
    holder = hold(tmp_path, "serves")
    try:
        with pytest.raises(LockHeldError):
            InstanceLock(tmp_path).acquire(timedelta(days=1))
    finally:
        end(holder)


def test_nobody_waits_for_a_lock_that_is_of_no_use_any_more(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    looks = iter([False, False, True])
    try:
        with pytest.raises(LockHeldError):
            InstanceLock(tmp_path).acquire(timedelta(days=1), unless=lambda: next(looks))
    finally:
        end(holder)


def test_it_waits_for_the_holder_to_end(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    lock = InstanceLock(tmp_path)
    with pytest.raises(LockHeldError):
        lock.acquire(timedelta(milliseconds=150))
    end(holder)
    lock.acquire(timedelta(seconds=20))
    lock.release()


def test_a_killed_holder_leaves_nothing_to_clean_up(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    holder.kill()
    holder.communicate(timeout=20)
    lock = InstanceLock(tmp_path)
    lock.acquire()
    lock.release()


def test_the_file_stays_and_says_whose_it_is(tmp_path: Path) -> None:
    """Removed, it would let two instances lock two files of one name."""
    lock = InstanceLock(tmp_path / "locks")
    lock.acquire()
    path = tmp_path / "locks" / "instance.lock"
    inode = path.stat().st_ino
    assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    lock.release()
    lock.acquire(serving=True)
    assert path.read_text() == f"{os.getpid()} serves\n"
    lock.release()
    lock.release()
    assert path.read_text() == ""
    lock.acquire()
    assert path.stat().st_ino == inode
    lock.release()


def test_a_child_does_not_keep_it(tmp_path: Path) -> None:
    """A child that outlives the service, such as a daemonised credential_process, must not block the next."""
    lock = InstanceLock(tmp_path)
    lock.acquire()
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.readline()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        close_fds=False,
    )
    assert child.stdout is not None
    child.stdout.readline()
    lock.release()
    try:
        other = InstanceLock(tmp_path)
        other.acquire()
        other.release()
    finally:
        child.communicate("\n", timeout=20)


def test_two_folders_are_two_locks(tmp_path: Path) -> None:
    one, two = InstanceLock(tmp_path / "one"), InstanceLock(tmp_path / "two")
    one.acquire()
    two.acquire()
    one.release()
    two.release()


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "instance.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefreshdError, match="cannot be opened"):
        InstanceLock(tmp_path).acquire()
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError):
        InstanceLock(tmp_path).acquire()
