"""The files that the loop keeps, each with its lane: which there are, which is to look when, what they all watch.

For the loop's own thread; the lanes themselves work in theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from pathlib import PurePath

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.ports import Lane
from ecr_refreshd.core.state import Plan, State


class Lanes:
    """The lanes of a plan's files.

    Args:
        make: makes the lane of a file, by its path.
    """

    def __init__(self, make: Callable[[str], Lane]) -> None:
        self._make = make
        self._lanes: dict[str, Lane] = {}

    def arrange(self, plan: Plan) -> None:
        """Have a lane for each of the plan's files and no other, and have each look at the plan's hosts."""
        wanted = {file.path for file in plan.files}
        self.drop(self._lanes.keys() - wanted)
        for path in wanted - self._lanes.keys():
            self._lanes[path] = self._make(path)
            self._lanes[path].start()
        for lane in self._lanes.values():
            lane.look(tuple(plan.registries))

    def drop(self, paths: Collection[str] | None = None) -> None:
        """Stop these lanes (all, if none is given); the next arrangement makes them anew."""
        for path in list(self._lanes if paths is None else paths):
            self._lanes.pop(path).stop()

    def write(self, path: str, serial: int, delivery: Delivery) -> None:
        """Have a sink written."""
        self._lanes[path].write(serial, delivery)

    def changed(self, path: str) -> None:
        """Have those look that a change at this path can concern."""
        folder = str(PurePath(path).parent)
        for lane in self._lanes.values():
            if path in lane.folders or folder in lane.folders:
                lane.look(again=True)

    def look(self, state: State, *, all_of_them: bool) -> None:
        """Have those look whose file may have mended by itself, or all."""
        for path, lane in self._lanes.items():
            sink = state.sink(path)
            if all_of_them or sink.view is None or sink.failure or sink.view.failures:
                lane.look()

    @property
    def folders(self) -> frozenset[str]:
        """Return the folders whose changes can change a file."""
        return frozenset[str]().union(*(lane.folders for lane in self._lanes.values()))

    @property
    def alive(self) -> bool:
        """Return whether every lane's thread runs."""
        return all(lane.alive for lane in self._lanes.values())

    def stop(self, left: Callable[[], timedelta]) -> None:
        """Stop them all, at once, since each may hang on a disk of its own; `left` says how long to wait."""
        for lane in self._lanes.values():
            lane.stop(0)
        for lane in self._lanes.values():
            lane.stop(max(0.0, left().total_seconds()))
