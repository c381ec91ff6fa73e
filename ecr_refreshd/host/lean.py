"""Imports libraries without what they import for uses that are not ours.

structlog and APScheduler import asyncio at their top for coroutines, which nobody here has: 2.6 MiB of 31 that
the idle service would keep (reliability.md 5.6). structlog also imports `rich` or `better_exceptions` where
they are installed, only to show local variables in tracebacks, where secrets are.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_UNWANTED = ("rich", "better_exceptions")


class _StandIn(ModuleType):
    """What looks like asyncio, and becomes it the moment somebody wants more of it than one name."""

    def __init__(self) -> None:
        super().__init__("asyncio")
        self.__path__: list[str] = []
        self.iscoroutinefunction = inspect.iscoroutinefunction

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.real(), name)

    def real(self) -> ModuleType:
        if sys.modules.get("asyncio") is self:
            del sys.modules["asyncio"]
        return importlib.import_module("asyncio")


class _Submodules(MetaPathFinder, Loader):
    """Gives the real submodules of asyncio to whoever imports one by its full name."""

    def __init__(self, stand_in: _StandIn) -> None:
        self._stand_in = stand_in

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> ModuleSpec | None:
        if not fullname.startswith("asyncio.") or sys.modules.get("asyncio") is not self._stand_in:
            return None
        self._stand_in.real()
        module = importlib.import_module(fullname)
        del sys.modules[
            fullname
        ]  # else the import system takes the module's own spec, and makes a second one
        return ModuleSpec(fullname, self, loader_state=module)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module: ModuleType = spec.loader_state
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: it has been executed."""


@contextmanager
def lean() -> Iterator[None]:
    """While it lasts, asyncio is imported in name only, and the tracebacks' decorators not at all."""
    stand_in = _StandIn()
    submodules = _Submodules(stand_in)
    hidden = [name for name in _UNWANTED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is how an import is refused
    sys.modules.setdefault("asyncio", stand_in)
    sys.meta_path.insert(0, submodules)
    try:
        yield
    finally:
        sys.meta_path.remove(submodules)
        for name in hidden:
            del sys.modules[name]
        if sys.modules.get("asyncio") is stand_in:
            del sys.modules["asyncio"]
