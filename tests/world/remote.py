"""Steering a fake from another process: each command is ``POST /_control/NAME`` with its arguments as JSON."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.world import homes
from tests.world.loopback import Answer, Request, as_json


def control(target: object, commands: tuple[str, ...], request: Request) -> Answer:
    """Answer ``/_control/NAME``: call the command of that name with the body's arguments."""
    name = request.path.removeprefix("/_control/")
    if name not in commands:
        return as_json({"error": f"no command {name!r}; there are {', '.join(commands)}"}, 404)
    try:
        return as_json(getattr(target, name)(**request.json()))
    except (TypeError, ValueError) as error:
        return as_json({"error": str(error)}, 400)


class Remote:
    """A fake in another process, steered over plain HTTP by its own commands: ``Remote(url).set(ttl=5)``.

    A command that the fake does not know or like raises ValueError with its words. Arguments go by name.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda **arguments: _command(f"{self.url}/_control/{name}", arguments)

    def environment(self, home: Path | str, **more: str) -> dict[str, str]:
        """The whole environment of a child that shall find its AWS there."""
        return homes.environment(self.url, home, **more)


def _command(url: str, arguments: dict[str, Any]) -> Any:
    asked = urllib.request.Request(url, json.dumps(arguments).encode(), method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise ValueError(json.load(error)["error"]) from None
