"""The real herald, and the one that the daemon's tests use, keep the same promises."""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ecr_refreshd.core.events import Event
from ecr_refreshd.core.ports import Herald as HeraldPort
from ecr_refreshd.core.settings import Hooks, Notify
from ecr_refreshd.notify.herald import Herald
from tests.contracts.heralds import HeraldContract
from tests.household import HandHerald
from tests.notify.heralding import program


@dataclass
class Made:
    herald: HeraldPort
    said: queue.SimpleQueue[Event] = field(default_factory=queue.SimpleQueue)


class TestHerald(HeraldContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[Made]:
        said: queue.SimpleQueue[Event] = queue.SimpleQueue()
        herald = Herald(said.put, {"PATH": str(Path(sys.executable).parent)})
        herald.configure(Notify(desktop=False, command=(program(tmp_path, "sys.stdin.read()"),)), Hooks())
        yield Made(herald, said)
        herald.stop()


class TestHandHerald(HeraldContract):
    @pytest.fixture
    def world(self) -> Made:
        said: queue.SimpleQueue[Event] = queue.SimpleQueue()
        return Made(HandHerald(said.put), said)
