"""The watcher in its own thread: the contract of every watcher, and folders that hang whoever looks at them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ecr_refreshd.host import watching
from ecr_refreshd.host.watching import Watching
from tests.world import hang


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "docker"
        self.folder.mkdir()
        self.changes: list[str] = []
        self.watcher = Watching(self.changes.append, every=0.05)

    def watch(self, *folders: Path) -> None:
        self.watcher.watch(frozenset(map(str, folders or [self.folder])))
        for each in folders or [self.folder]:
            self.comes(lambda each=each: str(each) in self.changes)
        self.changes.clear()

    def write(self, path: Path) -> None:
        temporary = path.with_name(path.name + "123")
        temporary.write_text(f"{time.monotonic_ns()}")
        temporary.rename(path)

    def comes(self, what: Callable[[], object]) -> None:
        for _ in range(2000):
            if what():
                return
            time.sleep(0.005)
        raise AssertionError("it never comes")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.watcher.stop()


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Path]:
    hang.required()
    folder = tmp_path / "share"
    folder.mkdir()
    with hang.silent(folder):
        yield folder


def test_a_change_is_told_by_its_path_without_a_check(world: World) -> None:
    """Promise 4: healed in a fraction of a second."""
    world.watch()
    world.write(world.folder / "config.json")
    world.comes(lambda: str(world.folder / "config.json") in world.changes)


def test_each_folder_is_told_once_when_its_watch_begins(world: World) -> None:
    """What happened in it before was seen by nobody."""
    world.watcher.watch(frozenset({str(world.folder)}))
    world.comes(lambda: world.changes == [str(world.folder)])
    time.sleep(0.3)
    assert world.changes == [str(world.folder)]


def test_a_lost_event_costs_one_round(world: World) -> None:
    """Clause 6: an edit is seen within one tick."""
    world.watch()
    observer = world.watcher._inner._observer
    assert observer is not None
    observer._inotify_fd.handle_event = lambda _event: None  # type: ignore[attr-defined] # Linux's observer has it
    world.write(world.folder / "config.json")
    world.comes(lambda: world.changes == [str(world.folder)])


def test_a_wish_and_a_check_return_at_once_from_a_folder_that_hangs(
    world: World, silent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clauses 6 and 7: the loop goes on, and status names the folder."""
    monkeypatch.setattr(watching, "_ANSWERS_WITHIN", 0.2)
    world.watch()
    caller = threading.Thread(
        target=lambda: (
            world.watcher.watch(frozenset({str(world.folder), str(silent)})),
            world.watcher.check(),
        )
    )
    caller.start()
    caller.join(10)
    assert not caller.is_alive()
    world.comes(lambda: any(str(silent) in each.message for each in world.watcher.check()))
    assert world.watcher.alive, "a restart would not help"


def test_a_folder_that_begins_to_hang_as_its_watch_is_placed_is_named_too(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look has found it well; what hangs is the kernel's own look, which comes next."""
    hang.required()
    monkeypatch.setattr(watching, "_ANSWERS_WITHIN", 0.2)
    world.watch()
    share = tmp_path / "share"
    share.mkdir()
    observer = world.watcher._inner._observer
    assert observer is not None
    with ExitStack() as mounted:
        schedule = observer.schedule

        def hanging(*words: object, **more: object) -> object:
            mounted.enter_context(hang.silent(share))
            return schedule(*words, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(observer, "schedule", hanging)
        world.watcher.watch(frozenset({str(world.folder), str(share)}))
        world.comes(lambda: any(str(share) in each.message for each in world.watcher.check()))


def test_events_of_other_folders_still_come_while_one_hangs(world: World, silent: Path) -> None:
    """Promise 8: one dead share never delays another's heal."""
    world.watch()
    world.watcher.watch(frozenset({str(world.folder), str(silent)}))
    world.comes(lambda: world.watcher._inner.looking_at == str(silent))
    world.write(world.folder / "config.json")
    world.comes(lambda: str(world.folder / "config.json") in world.changes)


def test_its_end_does_not_wait_for_a_folder_that_hangs(world: World, silent: Path) -> None:
    """SIGTERM is answered within 5 s."""
    world.watcher.watch(frozenset({str(silent)}))
    world.comes(lambda: world.watcher._inner.looking_at == str(silent))
    ended = threading.Thread(target=world.watcher.stop)
    ended.start()
    ended.join(10)
    assert not ended.is_alive()


def test_a_dead_reader_is_no_life_until_a_check_has_mended_it(world: World) -> None:
    """`WATCHDOG=1` asks for this."""
    world.watch()
    assert world.watcher.alive
    observer = world.watcher._inner._observer
    assert observer is not None
    observer.stop()
    observer.join(5)
    assert not world.watcher.alive
    world.comes(lambda: world.watcher.alive)


def test_without_inotify_it_lives_by_looks_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fallback that is declared is no reason to be restarted."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr("ecr_refreshd.host.watch.Observer", refuse)
    world.watch()
    world.comes(lambda: any("inotify" in each.message for each in world.watcher.check()))
    assert world.watcher.alive
    world.write(world.folder / "config.json")
    world.comes(lambda: str(world.folder) in world.changes)


def test_after_its_end_nothing_is_told(world: World) -> None:
    """No call comes into a loop that has ended."""
    world.watch()
    world.watcher.stop()
    world.write(world.folder / "config.json")
    time.sleep(0.1)
    assert world.changes == []
