"""Prints for people, as well as the place it is printed to can show it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from ecr_refreshd.cli.table import Look, printable, render
from ecr_refreshd.cli.words import advice_lines
from ecr_refreshd.errors import ConfigError, RefreshdError
from ecr_refreshd.host import clock


def print_document(document: Mapping[str, Any], *, about_service: bool) -> None:
    """Print a document on stdout; `about_service` also says whether a service runs, and how it is."""
    print(showable(render(document, clock.now().wall, look(), about_service=about_service)))


def look() -> Look:
    """Return what stdout can show just now: a window's width changes."""
    is_terminal = sys.stdout.isatty()
    wants_colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
    return Look(
        width=shutil.get_terminal_size().columns if is_terminal else None,
        colour=is_terminal and wants_colour,
        unicode=_shows_unicode(sys.stdout),
        zone=clock.LocalZone(),
    )


def say(text: str, out: TextIO | None = None) -> None:
    """Print a sentence, on stdout if nothing else is named; it may quote what AWS or a file said."""
    out = out or sys.stdout
    print("\n".join(showable(printable(line), out) for line in text.split("\n")), file=out, flush=True)


def show_error(error: RefreshdError) -> None:
    """Print an error on stderr: its message, then what to do in the form of `say_with_advice`."""
    # The problems of a config file begin with path:line, as editors expect it.
    prefix = "" if isinstance(error, ConfigError) else "ecr-refreshd: "
    say_with_advice(f"{prefix}{error.message}", error.hint, error.command)


def say_with_advice(message: str, hint: str, command: str | None, out: TextIO | None = None) -> None:
    """Print a message and below it words and the command that helps; on stderr if nothing else is named.

    Args:
        message: what happened.
        hint: the whole advice.
        command: its part that can be pasted, see `advice_lines`.
        out: where to.
    """
    out = out or sys.stderr
    arrow = "→" if _shows_unicode(out) else "->"
    say("\n".join([message, *(f"  {line}" for line in advice_lines(hint, command, arrow))]), out)


def _shows_unicode(out: TextIO) -> bool:
    return _encoding(out).lower().replace("-", "").startswith("utf")


def showable(text: str, out: TextIO | None = None) -> str:
    """Return a text in which each character that the place cannot show is replaced."""
    # A UTF-8 terminal is given every character but lone surrogates, which no encoding has.
    encoding = _encoding(out or sys.stdout)
    return text.encode(encoding, "replace").decode(encoding)


def _encoding(out: TextIO) -> str:
    return out.encoding or "ascii"
