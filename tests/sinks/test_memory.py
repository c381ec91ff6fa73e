"""The sink that stands in for files in other tests keeps the same contract."""

from __future__ import annotations

from pathlib import Path

from ecr_refreshd.core.ports import Sink
from tests.contracts.sinks import SinkContract
from tests.fakes import MemorySink


class TestMemorySink(SinkContract):
    def make(self, folder: Path, content: bytes | None) -> Sink:
        return MemorySink(str(folder / "config.json"), content)

    def content(self, sink: Sink) -> bytes | None:
        assert isinstance(sink, MemorySink)
        return sink.content
