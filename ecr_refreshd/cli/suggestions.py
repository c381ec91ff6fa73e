"""The command that was probably meant: the nearest by spelling, or ours for a word that other programs use."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable

from ecr_refreshd.core.remedies import Remedy, service

_WORDS = {
    "run": ("start", "serve", "daemon", "up", "service", "launch"),
    "status": ("list", "ls", "ps", "info", "show", "state", "top", "get"),
    "status --watch": ("watch", "monitor"),
    "refresh": ("renew", "update", "sync", "pull", "restart", "reload"),
    "ensure": ("wait", "get-login-password"),
    "login": ("signin", "sign-in", "auth", "authenticate", "sso"),
    "doctor": ("check", "diagnose", "test", "health", "debug", "lint"),
    "doctor --fix": ("fix", "repair"),
    "explain": ("why", "inspect", "describe", "which"),
    "init": ("setup", "configure", "scan", "add", "new"),
    "pause": ("logout", "disable", "suspend", "remove", "rm"),
    "resume": ("unpause", "enable", "continue"),
    "config show": ("settings", "cat"),
    "config check": ("validate", "verify"),
    "help": ("usage", "man", "commands"),
}
_COMMON = {word: command for command, words in _WORDS.items() for word in words}


def for_command(typed: str, known: Iterable[str], prefix: str = "") -> Remedy:
    """Return what to type instead of a command that does not exist.

    Args:
        typed: the word in its place.
        known: the commands that exist there.
        prefix: the command that these belong to, with a blank behind it; "" for none.
    """
    word, names = typed.lower(), list(known)
    if not prefix and word in {"stop", "kill", "quit", "down"}:
        return service.stop(macos=sys.platform == "darwin")
    if not prefix and word in {"logs", "log", "journal"}:
        return service.read_log(macos=sys.platform == "darwin")
    common = "" if prefix else _COMMON.get(word, "")
    near = difflib.get_close_matches(word, names, 1, 0.6)
    meant = common or (f"{prefix}{near[0]}" if near else "")
    if not meant and not prefix:
        other = difflib.get_close_matches(word, list(_COMMON), 1, 0.8)
        meant = _COMMON[other[0]] if other else ""
    if not meant:
        return Remedy("", f"ecr-refreshd help {prefix}".strip())
    return Remedy(f"Did you mean `{meant}`?", f"ecr-refreshd {meant}")


def for_option(typed: str, known: Iterable[str]) -> str:
    """Return the option that was probably meant, "" if none is near."""
    near = difflib.get_close_matches(typed.partition("=")[0], list(known), 1, 0.6)
    return near[0] if near else ""
