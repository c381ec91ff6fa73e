"""What every watcher promises, the real one and the one that tests tell what happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ecr_refreshd.core.ports import Watcher


class World(Protocol):
    watcher: Watcher
    changes: list[str]
    folder: Path

    def write(self, path: Path) -> None:
        """Change a file as another program would."""
        ...

    def lose_events(self) -> None:
        """From now on nothing is told, as on a network file system."""
        ...

    def comes(self, what: Callable[[], bool]) -> bool:
        """Return whether it comes true within ten seconds."""
        ...

    def let_time_pass(self) -> None: ...


class WatchersContract:
    """Subclass it with a fixture `world`, whose watcher watches nothing yet and whose `folder` exists."""

    def test_a_change_is_told_by_its_path(self, world: World) -> None:
        world.watcher.watch(frozenset({str(world.folder)}))
        world.write(world.folder / "config.json")
        assert world.comes(lambda: str(world.folder / "config.json") in world.changes)

    def test_only_the_folders_of_the_latest_wish_are_watched(self, world: World) -> None:
        other = world.folder.parent / "other"
        world.watcher.watch(frozenset({str(world.folder)}))
        world.watcher.watch(frozenset({str(other)}))
        world.write(world.folder / "config.json")
        world.let_time_pass()
        world.watcher.check()
        assert not [path for path in world.changes if path.startswith(str(world.folder))]

    def test_a_lost_event_costs_one_check(self, world: World) -> None:
        world.watcher.watch(frozenset({str(world.folder)}))
        world.lose_events()
        world.write(world.folder / "config.json")
        world.let_time_pass()
        assert not world.changes
        world.watcher.check()
        assert world.changes == [str(world.folder)]

    def test_nothing_is_told_when_nothing_happens(self, world: World) -> None:
        world.write(world.folder / "config.json")
        world.watcher.watch(frozenset({str(world.folder)}))
        world.let_time_pass()
        assert world.watcher.check() == ()
        assert world.changes == []

    def test_nothing_is_told_after_it_was_stopped(self, world: World) -> None:
        world.watcher.watch(frozenset({str(world.folder)}))
        world.watcher.stop()
        world.write(world.folder / "config.json")
        world.let_time_pass()
        world.watcher.check()
        assert world.changes == []
        world.watcher.stop()
