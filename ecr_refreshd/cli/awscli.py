"""Runs the AWS CLI, or the user's own command, in the user's terminal to sign a person in.

Facts: version 1 knows no `aws sso login`, and `aws login` came with 2.32; exit codes 253 to 255 are as in
aws.md 5.1. The CLI writes its token file in place, so it is not killed while it may be writing.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from ecr_refreshd.cli.patience import patience
from ecr_refreshd.cli.show import say
from ecr_refreshd.errors import RefreshdError

_VERSION = re.compile(r"aws-cli/(?P<major>[0-9]+)\.(?P<minor>[0-9]+)")
_NEEDED = {"sso": (2, 0), "login": (2, 32)}
"""First word after `aws` -> the version that knows it; everything else every version does."""
_COMMAND = "brew install awscli" if sys.platform == "darwin" else ""
_INSTALL = (
    _COMMAND or "To install it: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
)
_ENDED = {
    253: "its settings do not allow this sign-in",
    254: "AWS refused it, or it was declined in the browser",
    255: "it was given up, or not confirmed in time",
}
_ANSWERS = 30.0
"""Seconds for `aws --version`; a cold start from a slow disk takes several."""
_ENDS = 2.0
"""Seconds that the CLI has to end after Ctrl-C, which it gets too."""


def sign_in(command: str, environ: Mapping[str, str]) -> None:
    """Run a sign-in in the foreground, with the user's terminal.

    Args:
        command: as a shell would take it; words only, no shell runs it.
        environ: the whole environment; its PATH finds the CLI.

    Raises:
        RefreshdError: there is no CLI that can do it, or it did not succeed.
        KeyboardInterrupt: a person gave up.
    """
    argv = shlex.split(command)
    program = _program(argv, environ)
    say(f"$ {command}", sys.stderr)
    try:
        with subprocess.Popen([program, *argv[1:]], env=dict(environ)) as cli:
            code = _wait(cli)
    except OSError as exc:
        raise RefreshdError(
            f"{program}: cannot be run: {exc.strerror}", hint=_INSTALL, command=_COMMAND
        ) from exc
    if code in {130, -2}:
        raise KeyboardInterrupt
    if code:
        why = f": {_ENDED[code]}" if code in _ENDED else ""
        raise RefreshdError(
            f"The sign-in did not succeed (exit code {code}{why}). Valid tokens continue to work.",
            hint=command,
            command=command,
        )


def hindrance(command: str, environ: Mapping[str, str]) -> RefreshdError | None:
    """Return why a sign-in by the AWS CLI cannot be run here; None if it can.

    Args:
        command: as for `sign_in`.
        environ: its PATH finds the CLI.
    """
    argv = shlex.split(command)
    if not argv or argv[0] != "aws":
        return None
    try:
        _program(argv, environ)
    except RefreshdError as error:
        return error
    return None


def _wait(cli: subprocess.Popen[bytes]) -> int:
    try:
        return cli.wait()
    except KeyboardInterrupt:
        end(cli)
        raise


def end(program: subprocess.Popen[bytes]) -> None:
    """Let a program end by the Ctrl-C that it got too, and make it end if it does not."""
    with suppress(subprocess.TimeoutExpired):
        program.wait(_ENDS)
    if program.poll() is None:
        program.terminate()
    with suppress(subprocess.TimeoutExpired):
        program.wait(_ENDS)
    if program.poll() is None:
        program.kill()


def _program(argv: list[str], environ: Mapping[str, str]) -> str:
    """Return the CLI's path, once it is known to be able to do it."""
    program = shutil.which(argv[0], path=environ.get("PATH"))
    if argv[0] != "aws":
        if program is None:
            raise RefreshdError(
                f"`{shlex.join(argv)}` ([login] command) signs in, but {argv[0]} is not on the PATH.",
                hint="Correct [login] command in the settings.",
            )
        return program
    if program is None:
        raise RefreshdError(
            f"`{shlex.join(argv)}` signs in, but there is no AWS CLI on the PATH. "
            "Install it, or run that where there is one with the same files: the service notices.",
            hint=_INSTALL,
            command=_COMMAND,
        )
    needed = _NEEDED.get(argv[1])
    version = _version(program, environ) if needed else None
    if needed and version and version < needed:
        raise RefreshdError(
            f"{program} is the AWS CLI {version[0]}.{version[1]}, and `{shlex.join(argv)}` needs version "
            f"{needed[0]}.{needed[1]} or newer.",
            hint=_INSTALL,
            command=_COMMAND,
        )
    return program


def _version(program: str, environ: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the CLI's version; None if what lies there does not tell, as some wrappers do not."""
    try:
        with patience("asking the AWS CLI for its version"):
            done = subprocess.run(
                [program, "--version"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                timeout=_ANSWERS,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(done.stdout.decode(errors="replace"))
    return (int(found["major"]), int(found["minor"])) if found else None
