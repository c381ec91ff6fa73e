"""Watchdog's traps, each a test (reliability.md 2.2, 2.3): an edit is seen at once, or after one check."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer

from ecr_refreshd.host.watch import FolderWatcher
from tests.contracts.watchers import WatchersContract
from tests.fakes import FakeWatcher
from tests.needs import need

INOTIFY = "watchdog.observers.inotify_c.InotifyFD"


class RealWorld:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "docker"
        self.folder.mkdir()
        self.file = self.folder / "config.json"
        self.changes: list[str] = []
        self.watcher = FolderWatcher(self.changes.append, self.mend)

    def mend(self) -> None:
        self.watcher.mend()

    def watch(self, *folders: Path) -> None:
        self.watcher.watch(frozenset(map(str, folders or [self.folder])))

    def write(self, path: Path) -> None:
        """As docker does it: a temporary beside it, and a rename."""
        temporary = path.with_name(path.name + "123")
        temporary.write_text(f"{time.monotonic_ns()}")
        temporary.rename(path)

    def lose_events(self) -> None:
        observer = self.watcher._observer
        assert observer is not None
        observer._inotify_fd.handle_event = lambda event: None

    def comes(self, what: Callable[[], bool]) -> bool:
        for _ in range(2000):
            if what():
                return True
            time.sleep(0.005)
        return False

    def let_time_pass(self) -> None:
        time.sleep(0.2)

    def sees(self, path: Path) -> bool:
        """Return whether an edit of this file is told by an event, without a check."""
        self.changes.clear()
        self.write(path)
        return self.comes(lambda: str(path) in self.changes)

    def is_told_by_a_check(self, path: Path) -> bool:
        self.changes.clear()
        self.watcher.check()
        return str(path) in self.changes or str(path.parent) in self.changes


class FakeWorld(RealWorld):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fake = FakeWatcher(self.changes.append)
        self.watcher = self.fake  # type: ignore[assignment]

    def write(self, path: Path) -> None:
        self.fake.touch(str(path))

    def lose_events(self) -> None:
        self.fake.silent = True

    def let_time_pass(self) -> None: ...


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RealWorld]:
    threads, open_files = set(threading.enumerate()), descriptors()
    world = RealWorld(tmp_path)
    yield world
    world.watcher.stop()
    assert world.comes(lambda: set(threading.enumerate()) <= threads), threading.enumerate()
    assert world.comes(lambda: descriptors() == open_files)


class TestFolderWatcher(WatchersContract):
    @pytest.fixture
    def world(self, world: RealWorld) -> RealWorld:
        return world


class TestFakeWatcher(WatchersContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> FakeWorld:
        return FakeWorld(tmp_path)


# -- 2.2: what an action looks like ---------------------------------------------------------------------------


def test_reading_wakes_nobody(world: RealWorld) -> None:
    """Unfiltered, a look at the file is an event, and each event a look: 95 % of a CPU."""
    world.file.write_text("{}")
    world.watch()
    for _ in range(1000):
        world.file.read_text()
    world.let_time_pass()
    assert world.changes == []


def test_a_rename_from_elsewhere_is_seen(world: RealWorld, tmp_path: Path) -> None:
    world.watch()
    (tmp_path / "new").write_text("{}")
    (tmp_path / "new").rename(world.file)
    assert world.comes(lambda: str(world.file) in world.changes)


def test_an_edit_in_place_is_seen(world: RealWorld) -> None:
    world.file.write_text("{}")
    world.watch()
    os.truncate(world.file, 1)
    assert world.comes(lambda: str(world.file) in world.changes)


def test_the_way_vim_saves_is_seen(world: RealWorld) -> None:
    world.file.write_text("{}")
    world.watch()
    world.file.rename(world.folder / "config.json~")
    assert world.comes(lambda: str(world.file) in world.changes)
    world.changes.clear()
    world.file.write_text("{ }")
    assert world.comes(lambda: str(world.file) in world.changes)


def test_a_removal_is_seen(world: RealWorld) -> None:
    world.file.write_text("{}")
    world.watch()
    world.file.unlink()
    assert world.comes(lambda: str(world.file) in world.changes)


def test_a_change_of_rights_is_told_by_a_check(world: RealWorld) -> None:
    """No event tells of chmod; it can make a file readable that was not."""
    world.file.write_text("{}")
    world.watch()
    world.watcher.check()
    world.file.chmod(0o400)
    assert world.is_told_by_a_check(world.file)
    assert world.watcher.check() == ()
    assert world.watcher.check() == (), "rights are no lost event"


def test_a_folder_that_is_a_symlink_is_watched_where_it_leads(world: RealWorld, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(world.folder)
    world.watch(link)
    world.write(world.file)
    assert world.comes(lambda: str(link / "config.json") in world.changes)


def test_a_symlink_that_leads_elsewhere_now_is_followed_after_a_check(
    world: RealWorld, tmp_path: Path
) -> None:
    link, other = tmp_path / "link", tmp_path / "other"
    link.symlink_to(world.folder)
    other.mkdir()
    world.watch(link)
    link.unlink()
    link.symlink_to(other)
    assert world.is_told_by_a_check(link / "config.json")
    assert world.sees(link / "config.json")


def test_two_names_of_one_folder_are_both_told(world: RealWorld, tmp_path: Path) -> None:
    """A second watch of one inode with other kinds would replace the first one's."""
    link = tmp_path / "link"
    link.symlink_to(world.folder)
    world.watch(link, world.folder, world.folder / "missing")
    world.write(world.file)
    assert world.comes(lambda: {str(link / "config.json"), str(world.file)} <= set(world.changes))
    world.watch(link)
    assert world.sees(link / "config.json")


def test_a_folder_removed_and_made_again_is_seen_without_a_check(world: RealWorld) -> None:
    """Watchdog tells one removal, then nothing for ever, and calls itself alive."""
    world.watch()
    for _ in range(3):
        shutil.rmtree(world.folder)
        world.let_time_pass()
        world.changes.clear()
        world.folder.mkdir()
        assert world.comes(lambda: str(world.folder) in world.changes)
        assert world.sees(world.file)


def test_a_folder_removed_and_made_again_at_once_is_seen_after_a_check(world: RealWorld) -> None:
    world.watch()
    for _ in range(5):
        shutil.rmtree(world.folder)
        world.folder.mkdir()
        world.write(world.file)
        assert str(world.file) in world.changes or world.is_told_by_a_check(world.file)
        world.let_time_pass()
        world.watcher.check()
        assert world.sees(world.file)


def test_a_folder_moved_away_and_made_anew_is_seen_after_a_check(world: RealWorld, tmp_path: Path) -> None:
    """Watchdog goes on to watch the old one, wherever it is."""
    world.watch()
    world.folder.rename(tmp_path / "away")
    world.folder.mkdir()
    world.write(world.file)
    assert world.is_told_by_a_check(world.file)
    assert world.sees(world.file)


# -- folders that are missing ---------------------------------------------------------------------------------


def test_a_missing_folder_is_watched_as_soon_as_it_appears(world: RealWorld) -> None:
    deep = world.folder / "aws" / "sso" / "cache"
    world.watch(deep)
    assert world.watcher.check() == ()
    deep.mkdir(parents=True)
    assert world.comes(lambda: str(deep) in world.changes)
    assert world.sees(deep / "token.json")


def test_a_whole_tree_that_comes_and_goes_is_followed(world: RealWorld) -> None:
    deep = world.folder / "aws" / "sso" / "cache"
    world.watch(deep, world.folder)
    for _ in range(3):
        world.changes.clear()
        deep.mkdir(parents=True)
        assert world.comes(lambda: str(deep) in world.changes)
        assert world.sees(deep / "token.json")
        shutil.rmtree(world.folder / "aws")
        world.let_time_pass()


def test_a_missing_folder_that_comes_as_a_symlink_is_watched(world: RealWorld, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    world.watch(world.folder / "link")
    (world.folder / "link").symlink_to(target)
    assert world.comes(lambda: str(world.folder / "link") in world.changes)
    assert world.sees(world.folder / "link" / "config.json")


def test_a_missing_folder_in_a_folder_that_is_a_symlink_is_watched(world: RealWorld, tmp_path: Path) -> None:
    alias, target = tmp_path / "alias", tmp_path / "target"
    alias.symlink_to(world.folder)
    target.mkdir()
    world.watch(alias / "one" / "deep", alias / "two")
    (alias / "one").mkdir()
    (alias / "one" / "deep").mkdir()
    (alias / "two").symlink_to(target)
    assert world.comes(lambda: {str(alias / "one" / "deep"), str(alias / "two")} <= set(world.changes))
    assert world.sees(alias / "one" / "deep" / "file")
    assert world.sees(alias / "two" / "file")


def test_edits_beside_a_missing_folder_are_nobodys_business(world: RealWorld) -> None:
    world.watch(world.folder / "missing")
    world.write(world.file)
    world.let_time_pass()
    world.watcher.check()
    assert world.changes == []


# -- 2.3: what fails ------------------------------------------------------------------------------------------


def test_a_callback_that_raises_does_not_deafen_the_watcher(tmp_path: Path) -> None:
    """An exception in a handler ends watchdog's dispatching thread (#793, #427, #663)."""
    world = RealWorld(tmp_path)
    seen: list[str] = []

    def fail_once(path: str) -> None:
        seen.append(path)
        if len(seen) == 1:
            raise RuntimeError("a bug")

    world.watcher = FolderWatcher(fail_once, world.mend)
    world.watch()
    world.write(world.file)
    assert world.comes(lambda: str(world.file) in seen)
    assert any("RuntimeError" in each.message for each in world.watcher.check())
    assert world.watcher.check() == ()
    world.watcher.stop()


@pytest.mark.parametrize("victim", ["reader", "dispatcher", "emitter"])
def test_a_thread_of_watchdogs_that_died_is_replaced_by_a_check(
    world: RealWorld, victim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    world.watch()
    observer = world.watcher._observer
    assert observer is not None
    thread, method = {
        "reader": (observer._inotify_fd, "handle_event"),
        "dispatcher": (observer, "dispatch_events"),
        "emitter": (next(iter(observer.emitters)), "queue_events"),
    }[victim]
    fail = lambda *args, **kwargs: 1 / 0  # noqa: E731 - it stands for whatever goes wrong inside
    setattr(thread, method, fail)
    world.write(world.file)
    for _ in range(1000):
        if not thread.is_alive():
            break
        world.write(world.file)
        time.sleep(0.005)
    assert not thread.is_alive()
    world.write(world.file)
    assert world.is_told_by_a_check(world.file)
    world.watcher.check()
    assert world.sees(world.file)


def test_an_unreadable_folder_is_told_and_watched_again_when_it_can_be(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watchdog takes EACCES for success and hears nothing; root may read everything, so access is faked."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    world.watch()
    assert "cannot be read" in world.watcher.check()[0].message
    monkeypatch.undo()
    assert world.watcher.check() == ()
    assert world.sees(world.file)


def test_without_an_inotify_instance_edits_are_seen_by_checks(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IDEs and syncthing share the 128 instances of a user with us."""

    def refuse(*args: object) -> int:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr(f"{INOTIFY}._create_inotify_fd", refuse)
    world.watch()
    assert "max_user_instances" in world.watcher.check()[0].message
    world.write(world.file)
    assert world.is_told_by_a_check(world.file)
    monkeypatch.undo()
    assert world.watcher.check() == ()
    assert world.sees(world.file)


def test_without_inotify_watches_edits_are_seen_by_checks(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> int:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr(f"{INOTIFY}._get_or_create_watch", refuse)
    world.watch()
    (complaint,) = world.watcher.check()
    assert complaint.code == "fs.inotify.max_user_watches"
    assert "max_user_watches" in complaint.message
    assert str(world.folder) in complaint.message
    world.write(world.file)
    assert world.is_told_by_a_check(world.file)
    monkeypatch.undo()
    assert world.watcher.check() == ()
    assert world.sees(world.file)


def test_a_folder_that_changes_in_silence_is_called_degraded_until_it_speaks(world: RealWorld) -> None:
    """WSL's drives, NFS and SMB tell nothing of what others write."""
    world.watch()
    world.lose_events()
    world.write(world.file)
    assert world.watcher.check() == ()
    assert "without telling" in world.watcher.check()[0].message
    world.changes.clear()
    world.write(world.file)
    world.watcher.check()
    assert str(world.folder) in world.changes
    del world.watcher._observer._inotify_fd.handle_event  # type: ignore[union-attr]
    assert world.sees(world.file)
    world.comes(lambda: world.watcher.check() == ())
    assert world.watcher.check() == ()


OVERFLOW = """
import sys, time
from ecr_refreshd.host.watch import FolderWatcher
told = []
watcher = FolderWatcher(told.append, lambda: None)
watcher.watch(frozenset(sys.argv[1:]))
print("ready", flush=True)
for line in sys.stdin:
    if line == "check\\n":
        watcher.check()
    else:
        count = -1
        while count != len(told):
            count = len(told)
            time.sleep(0.5)
    print(any(path.startswith(sys.argv[1]) for path in told), flush=True)
watcher.stop()
"""


def test_an_edit_lost_in_an_overflow_is_told_by_a_check(tmp_path: Path) -> None:
    """A frozen process loses what the kernel's queue cannot hold: here, the one event that matters."""
    limit = Path("/proc/sys/fs/inotify/max_queued_events")
    if not limit.exists():
        pytest.skip("inotify is Linux's")
    folder, noise = tmp_path / "docker", tmp_path / "noise"
    for path in (folder, noise):
        path.mkdir()
        for name in ("config.json", "other"):
            (path / name).write_text("{}")
    watcher = subprocess.Popen(
        [sys.executable, "-c", OVERFLOW, str(folder), str(noise)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watcher.stdout is not None
    assert watcher.stdin is not None
    assert watcher.stdout.readline() == "ready\n"
    os.kill(watcher.pid, signal.SIGSTOP)
    for number in range(int(limit.read_text())):  # in turns: equal events in a row would be one
        os.truncate(noise / "config.json", number)
        os.truncate(noise / "other", number)
    (folder / "config.json").write_text("{ }")
    os.kill(watcher.pid, signal.SIGCONT)
    try:
        for command, answer in (("wait", "False"), ("check", "True")):
            watcher.stdin.write(f"{command}\n")
            watcher.stdin.flush()
            assert watcher.stdout.readline() == f"{answer}\n", command
    finally:
        _, errors = watcher.communicate(timeout=60)
    assert "overflowed" in errors


# -- cost -----------------------------------------------------------------------------------------------------


def test_its_threads_sleep_while_nothing_happens(world: RealWorld, tmp_path: Path) -> None:
    """Promise 9: nothing polls, also while a folder is missing."""
    need(sys.platform == "darwin" or Path("/proc/self/task").exists(), "/proc is not mounted")
    if sys.platform == "darwin":
        pytest.skip("macOS does not count the switches of a thread")
    before = set(threading.enumerate())
    world.watch(world.folder, tmp_path / "missing" / "deep")
    threads = set(threading.enumerate()) - before
    assert threads
    world.let_time_pass()
    slept = [switches(thread) for thread in threads]
    for _ in range(5):
        world.let_time_pass()
    assert [switches(thread) for thread in threads] == slept


def switches(thread: threading.Thread) -> int:
    lines = Path(f"/proc/self/task/{thread.native_id}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)


def test_a_watcher_that_stops_logs_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Stopped between two steps of its loop, watchdog's emitter calls it an error; nothing is wrong."""
    observer = Observer()
    observer.start()
    watch = observer.schedule(FileSystemEventHandler(), str(tmp_path))
    (emitter,) = observer.emitters
    observer.stop()
    observer.join(5)
    with caplog.at_level("DEBUG"):
        emitter.queue_events(0)  # what its thread does where it had just asked whether to go on
    assert watch.path == str(tmp_path)
    assert caplog.records == []
