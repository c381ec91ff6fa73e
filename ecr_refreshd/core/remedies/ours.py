"""Our own command lines, as advice names them: none changes what is not ours, so they rest on no fact."""

from __future__ import annotations

import shlex

STATUS = "ecr-refreshd status"
RUN = "ecr-refreshd run"
RUN_ONCE = "ecr-refreshd run --once"
DOCTOR = "ecr-refreshd doctor"
FIX = "ecr-refreshd doctor --fix"
INIT = "ecr-refreshd init"
INIT_HELP = "ecr-refreshd help init"
CHECK_SETTINGS = "ecr-refreshd config check"
SHOW_SETTINGS = "ecr-refreshd config show"
SCAN = "ecr-refreshd init --scan ."


def refresh(*hosts: str) -> str:
    """Return the command that gets a new token now: for these registries, or for all."""
    return " ".join(["ecr-refreshd refresh", *map(shlex.quote, hosts)])


def resume(host: str) -> str:
    """Return the command that ends a pause."""
    return f"ecr-refreshd resume {shlex.quote(host)}"


def pause(host: str) -> str:
    """Return the command that has a registry left alone."""
    return f"ecr-refreshd pause {shlex.quote(host)}"


def explain(host: str) -> str:
    """Return the command that says what each client sends."""
    return f"ecr-refreshd explain {shlex.quote(host)}"


def help_of(command: str) -> str:
    """Return the command that shows the help of another."""
    return f"ecr-refreshd help {shlex.quote(command)}"
