"""A herald with everything it says, and notices to give it."""

from __future__ import annotations

import os
import queue
import stat
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from ecr_refreshd.core.events import Event
from ecr_refreshd.core.model import Notice
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.settings import Hooks, Notify, Webhook
from ecr_refreshd.notify.herald import Herald

COMMAND = "aws sso login --sso-session corp"


def notice(
    key: str = "login:sso:corp", body: str = "Pulls work until 20:00.", *, sign_in: bool = True
) -> Notice:
    return Notice(
        key, 'AWS login "corp" is needed', body, datetime(2026, 3, 2, 8, tzinfo=UTC), COMMAND, sign_in
    )


class Heralding:
    """A herald; a context manager. Desktop notices are off unless asked for."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.said: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.herald = Herald(self.said.put, {"PATH": os.environ["PATH"], **(environ or {})})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.herald.stop()

    def configure(
        self,
        *,
        desktop: bool = False,
        command: tuple[str, ...] = (),
        webhook: str = "",
        on_renewed: tuple[str, ...] = (),
    ) -> Self:
        hook = Webhook(Secret(webhook), "http://127.0.0.1/***") if webhook else None
        self.herald.configure(Notify(desktop, command, hook), Hooks(on_renewed))
        return self

    def next(self, seconds: float = 20.0) -> Event:
        return self.said.get(timeout=seconds)

    def tell(self, event: str = "raised", about: Notice | None = None) -> tuple[str, ...]:
        """Tell a notice; return its problems."""
        self.herald.tell(event, about or notice())
        return self.next().problems  # type: ignore[union-attr] # the next thing said is its answer


def program(folder: Path, text: str, name: str = "told") -> str:
    """Write a Python program; return its path."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport os, sys, time, json\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)
