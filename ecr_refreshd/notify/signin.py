"""Starts a sign-in for a person who pressed a button: outside of this service, never as its child.

A browser cannot live in our sandbox, and would die with us. On Linux the user's own service manager runs the
command (DESIGN 7); on macOS the terminal does, which was never tried on a Mac.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence

from ecr_refreshd.notify.programs import Programs

_PASSED_ON = (
    "PATH", "HOME", "LANG", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS", "BROWSER", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
    "ECR_REFRESHD_STATE_DIR", "XDG_STATE_HOME",
    "AWS_LOGIN_CACHE_DIRECTORY", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY",
    "https_proxy", "http_proxy", "no_proxy",
)  # fmt: skip
"""What a sign-in needs of our environment, and nothing that could be a key."""


def start(programs: Programs, command: str, environ: Mapping[str, str], refreshes: Sequence[str] = ()) -> str:
    """Start a command such as ``aws sso login --sso-session corp``; return why it did not start, "" if it did.

    Args:
        programs: runs it.
        command: words, of which no shell is to make anything.
        environ: the environment of the service.
        refreshes: the registries that are renewed when it has ended, since no file tells the service of it.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        return f"The command of the sign-in cannot be read: {command!r}"
    program = shutil.which(words[0], path=environ.get("PATH"))
    if program is None:
        return f"{words[0]} is not on the PATH of the service. In a terminal, run: {command}"
    argv = [program, *words[1:]]
    after = [sys.executable, "-P", "-m", "ecr_refreshd", "refresh", *refreshes] if refreshes else []
    if sys.platform == "darwin":
        line = " && ".join(shlex.join(each) for each in (argv, after) if each)
        script = 'on run argv\ntell application "Terminal" to do script (item 1 of argv)\nend run'
        problem = programs.run(["osascript", "-e", script, line], "")
    else:
        problem = _in_a_unit(programs, command, argv, environ, after)
    if not problem:
        return ""
    return f"The sign-in could not be started ({problem.rstrip('.')}). In a terminal, run: {command}"


def _in_a_unit(
    programs: Programs, command: str, argv: list[str], environ: Mapping[str, str], after: list[str]
) -> str:
    """Have the user's service manager run it, once at a time; return why that did not go well."""
    unit = f"ecr-refreshd-login-{hashlib.sha256(command.encode()).hexdigest()[:8]}"
    # A value that may hold a proxy's password is not for arguments: systemd-run (249 or newer) takes it from its
    # environment. The others are given in full, for older ones.
    passed = [
        f"--setenv={name}" if "@" in environ[name] else f"--setenv={name}={environ[name]}"
        for name in _PASSED_ON
        if name in environ
    ]
    # systemd tells here how it went; a sign-in that was given up is no reason to start a program again.
    script = f'[ "$SERVICE_RESULT" != success ] || exec {shlex.join(after)}'
    words = ["/bin/sh", "-c", script]
    properties = [f"--property=ExecStopPost={' '.join(map(_quoted, words))}"] if after else []
    problem = programs.run(
        ["systemd-run", "--user", "--collect", "--quiet", f"--unit={unit}", *properties, *passed, *argv], ""
    )
    if problem and not programs.run(["systemctl", "--user", "is-active", "--quiet", f"{unit}.service"], ""):
        return ""  # pressed twice: the first one still waits for the person in the browser
    return problem


def _quoted(word: str) -> str:
    """Return a word as systemd.service(5) reads it in a command line."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'
