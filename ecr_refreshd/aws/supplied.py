"""What a `credential_process` printed when a person started it, kept in memory until the next fetch uses it."""

from __future__ import annotations

import time
from collections.abc import Collection

from ecr_refreshd.core.printed import Printed

_KEPT_FOR = 30.0
"""Seconds. The request that follows takes milliseconds; keys that no fetch uses are not kept."""


class Supplied:
    """Outputs by `Standing.process`. Not thread-safe: the owner's lock guards it."""

    def __init__(self) -> None:
        self._outputs: dict[str, tuple[float, Printed]] = {}

    def put(self, process: str, printed: Printed) -> None:
        """Keep an output for the next fetch, in place of an older one."""
        self._drop_old()
        self._outputs[process] = time.monotonic(), printed

    def taken(self, processes: Collection[str]) -> dict[str, Printed]:
        """Return the outputs for these programs, each once."""
        self._drop_old()
        return {name: self._outputs.pop(name)[1] for name in processes if name in self._outputs}

    def _drop_old(self) -> None:
        oldest = time.monotonic() - _KEPT_FOR
        self._outputs = {name: kept for name, kept in self._outputs.items() if kept[0] > oldest}
