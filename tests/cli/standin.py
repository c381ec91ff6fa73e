"""Stands in for the AWS CLI v2 as far as signing in goes (aws.md 5.1), against a fake AWS.

`install` writes it as ``~/bin/aws`` and says how it behaves. It writes its token file as the CLI does: in place,
emptied first. What it was run with stands in ``~/aws-runs``, one JSON object a line.
"""

from __future__ import annotations

import configparser
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tests.world import homes
from tests.world.remote import Remote
from tests.world.rendering import iso

ROOT = Path(__file__).parents[2]
VERSION_2 = "aws-cli/2.36.7 Python/3.13.11 Linux/6.12 exe/x86_64.debian.13"
VERSION_1 = "aws-cli/1.46.3 Python/3.11.7 Linux/6.12 botocore/1.43.62"
"""As the real ones print them on stdout."""


def install(home: Path, url: str = "", version: str = VERSION_2, ends: int = 0, takes: float = 0.2) -> str:
    """Put an `aws` into ``~/bin`` and return a PATH that has it before all else.

    Args:
        home: whose.
        url: of the fake AWS; without one, a sign-in leaves nothing behind.
        version: what ``--version`` prints.
        ends: exit code of a sign-in.
        takes: seconds that the person needs.
    """
    path = home / "bin/aws"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f"#!{sys.executable} -I\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"from tests.cli import standin\nstandin.main({url!r}, {version!r}, {ends}, {takes})\n"
    )
    path.chmod(0o755)
    return f"{path.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def runs(home: Path) -> list[dict[str, Any]]:
    """Return what it was run with so far, ``--version`` aside."""
    path = home / "aws-runs"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main(url: str, version: str, ends: int, takes: float) -> None:
    """Run as a program."""
    if sys.argv[1:] == ["--version"]:
        print(version)
        return
    home = Path(os.environ["HOME"])
    run = {"argv": sys.argv[1:], "terminal": sys.stdin.isatty(), "group": os.getpgrp()}
    with (home / "aws-runs").open("a") as file:
        file.write(json.dumps(run) + "\n")
    print("Attempting to open your default browser.", flush=True)
    time.sleep(takes)
    if ends:
        print("\naws: [ERROR]: the sign-in failed", file=sys.stderr)
        sys.exit(ends)
    if url and sys.argv[1:3] == ["sso", "login"]:
        _sso_login(home, url, sys.argv[3:])


def _sso_login(home: Path, url: str, options: list[str]) -> None:
    option, name = options
    if option == "--profile":
        config = configparser.RawConfigParser()
        config.read(home / ".aws/config")
        name = config[f"profile {name}"]["sso_start_url"]
    issued = Remote(url).sso_login(session=name)
    document = {
        "startUrl": homes.START_URL,
        "region": homes.SSO_REGION,
        "accessToken": issued["accessToken"],
        "expiresAt": iso(issued["expires_at"]),
    }
    if option == "--sso-session":
        document |= {
            "clientId": "fake-client",
            "clientSecret": "fake-client-secret",
            "registrationExpiresAt": iso(time.time() + 90 * homes.DAY),
            "refreshToken": issued["refreshToken"],
        }
    path = homes.token_file(home, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document)
    with path.open("w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        time.sleep(0.1)
        file.write(text[len(text) // 2 :])
    print("Successfully logged into Start URL: " + homes.START_URL)
