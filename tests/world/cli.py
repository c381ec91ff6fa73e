"""Stands in for the AWS CLI v2 as far as `aws configure export-credentials` of an `aws login` profile goes.

It renews a login as the CLI does: the one-time refresh token is sent, then the file is emptied and written again.
What it was run with stands in ``~/cli-runs``, one JSON object a line. `install` says how else it may behave.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
WAYS = ("ok", "hang", "v1", "old", "silent", "nonsense", "flood")


_EXPIRED = "Your session has expired or credentials have changed. Please reauthenticate using 'aws login'."
_SAID = {
    "TOKEN_EXPIRED": _EXPIRED,
    "USER_CREDENTIALS_CHANGED": _EXPIRED,
    "INSUFFICIENT_PERMISSIONS": "Unable to create or refresh login credentials due to insufficient permissions. "
    "You may be missing permission for the 'signin:CreateOAuth2Token' action.",
}
_UNSPECIFIED = (
    "An unspecified error happened when resolving AWS credentials or refreshing a login session profile."
)


def install(home: Path, way: str = "ok", *, slow: float = 0.0) -> str:
    """Put an `aws` into ``~/bin``; return a PATH that has it before all else.

    Args:
        home: where.
        way: ``hang`` for ever; ``v1``, which has no such command; ``old``, which knows no `aws login`; ``silent``
            failure; printing ``nonsense`` or a ``flood``.
        slow: seconds between AWS's answer and the writing of it.
    """
    if way not in WAYS:
        raise ValueError(way)
    path = home / "bin/aws"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f"#!{sys.executable} -I\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"from tests.world import cli\ncli.main({way!r}, {slow})\n"
    )
    path.chmod(0o755)
    return f"{path.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def runs(home: Path) -> list[dict[str, Any]]:
    """Return what it was run with so far."""
    path = home / "cli-runs"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main(way: str, slow: float) -> None:
    """Run as a program."""
    home = Path(os.environ["HOME"])
    run = {
        "argv": sys.argv[1:],
        "pid": os.getpid(),
        "session": os.getsid(0),
        "stdin": str(Path("/proc/self/fd/0").readlink()),
        "ignores_sigterm": signal.getsignal(signal.SIGTERM) is signal.SIG_IGN,
        "ends_by_itself": signal.alarm(0) > 0,
        "metadata": os.environ.get("AWS_EC2_METADATA_DISABLED"),
        "region": os.environ.get("AWS_DEFAULT_REGION"),
        "prompt": os.environ.get("AWS_CLI_AUTO_PROMPT"),
        "container": os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    }
    signal.alarm(60)
    with (home / "cli-runs").open("a") as file:
        file.write(json.dumps(run) + "\n")
    {
        "hang": lambda: time.sleep(300),
        "v1": lambda: _fail("usage: aws [options]\naws: error: argument subcommand: Invalid choice", 2),
        "old": lambda: _fail("Unable to retrieve credentials: no credentials found", 253),
        "silent": lambda: sys.exit(255),
        "nonsense": lambda: print("[]"),
        "flood": _flood,
        "ok": lambda: _export(home, sys.argv[1:], slow),
    }[way]()


def _flood() -> None:
    while True:
        print("x" * 65536)


def _fail(text: str, status: int = 255) -> NoReturn:
    print(f"\naws: [ERROR]: {text}", file=sys.stderr)
    sys.exit(status)


def _export(home: Path, argv: list[str], slow: float) -> None:
    if argv[:2] != ["configure", "export-credentials"] or argv[2::2] != ["--profile", "--format"]:
        _fail(f"Found invalid choice '{argv}'", 252)
    config = configparser.RawConfigParser()
    config.read(home / ".aws/config")
    session = config[f"profile {argv[3]}"]["login_session"]
    path = home / ".aws/login/cache" / f"{hashlib.sha256(session.encode()).hexdigest()}.json"
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError:
        _fail("Unable to retrieve credentials: Error loading login session token: Unable to load a existing "
              f"login session for session {session}. Please reauthenticate with 'aws login'.", 253)  # fmt: skip
    except ValueError:
        _fail(f"Unable to retrieve credentials: '{path.stem}'", 253)
    if datetime.fromisoformat(document["accessToken"]["expiresAt"]) - datetime.now(UTC) < timedelta(
        minutes=5
    ):
        _renew(document)
        time.sleep(slow)
        with path.open("r+") as file:
            file.truncate()
            file.write(json.dumps(document))
    keys = document["accessToken"]
    said = {"Version": 1, "AccessKeyId": keys["accessKeyId"], "SecretAccessKey": keys["secretAccessKey"],
            "SessionToken": keys["sessionToken"], "Expiration": keys["expiresAt"]}  # fmt: skip
    print(json.dumps(said, indent=2))


def _renew(document: dict[str, Any]) -> None:
    body = {
        "clientId": document["clientId"],
        "refreshToken": document["refreshToken"],
        "grantType": "refresh_token",
    }
    request = urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL_SIGNIN"] + "/v1/token", json.dumps(body).encode(),
        {"Content-Type": "application/json", "User-Agent": "aws-cli/2.36.7"},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            said = json.load(answer)
    except urllib.error.HTTPError as error:
        what = str(json.load(error).get("error"))
        _fail(
            _SAID.get(
                what, _UNSPECIFIED if error.code < 500 else "An error occurred (InternalServerException)"
            )
        )
    except OSError:
        _fail(f'Could not connect to the endpoint URL: "{request.full_url}"')
    end = datetime.now(UTC) + timedelta(seconds=said["expiresIn"])
    document["accessToken"] |= said["accessToken"] | {"expiresAt": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
    document["refreshToken"] = said["refreshToken"]
