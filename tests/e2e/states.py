"""Files as anybody could have left them, and how a login is written down that was sent or promised.

A home is built anew for each state; nothing outside it is read.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecr_refreshd.core.clients.world import Outcome
from ecr_refreshd.core.model import fingerprint

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
OTHER = "registry.example.com"
NOTHING = "nothing"
FAILS = "fails"


def auth(password: str, user: str = "AWS") -> str:
    """The text for an ``auth`` field."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def entry(password: str, user: str = "AWS") -> dict[str, str]:
    """An entry with a password of its own, so that one sees which one was sent."""
    return {"auth": auth(password, user)}


def answers(password: str, user: str = "AWS") -> tuple[str, int]:
    """What a helper says that knows the host."""
    return json.dumps({"ServerURL": HOST, "Username": user, "Secret": password}), 0


KNOWS_NOTHING = ("credentials not found in native keychain", 1)
IS_BROKEN = ("the vault burns", 1)
ANSWERS_EMPTY = ('{"ServerURL":"","Username":"","Secret":""}', 0)


@dataclass(frozen=True)
class State:
    """A state of the files.

    Attributes:
        config: ``~/.docker/config.json``: an object, or bytes as they are; None for no such file.
        files: others by their path in the home.
        env: variables; ``{home}`` stands for the home.
        helpers: suffix -> what this helper prints, and its exit code.
        programs: others that are on PATH.
    """

    name: str
    config: dict[str, Any] | bytes | None = None
    files: dict[str, dict[str, Any] | bytes] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    helpers: dict[str, tuple[str, int]] = field(default_factory=dict)
    programs: tuple[str, ...] = ()

    def build(self, home: Path) -> dict[str, str]:
        """Lay it out in an empty folder; return the environment of a client there."""
        files = dict(self.files)
        if self.config is not None:
            files[".docker/config.json"] = self.config
        for name, content in files.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        programs = home / "bin"
        programs.mkdir()
        (home / "run").mkdir(exist_ok=True)
        for suffix, (said, code) in self.helpers.items():
            text = f"#!/bin/sh\nread -r _\nprintf '%s\\n' '{said}'\nexit {code}\n"
            _program(programs / f"docker-credential-{suffix}", text)
        for name in self.programs:
            _program(programs / name, "#!/bin/sh\n")
        # The runtime folder of the account that runs the tests is nobody's business here.
        environment = {"HOME": str(home), "PATH": str(programs), "XDG_RUNTIME_DIR": str(home / "run")}
        for name, value in self.env.items():
            environment[name] = value.replace("{home}", str(home))
        return environment


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def sent(user: str, password: str) -> str:
    """How a login is written down here."""
    return fingerprint(auth(password, user)) if user or password else NOTHING


def promised(outcome: Outcome) -> str:
    """What an explanation says will be sent, in the same words."""
    if outcome.error:
        return FAILS
    given = outcome.credential
    if given is None:
        return NOTHING
    words = [given.fingerprint] if given.fingerprint else []
    words += ["identity"] if given.identity else []
    words += ["bearer"] if given.bearer else []
    return " ".join(words)
