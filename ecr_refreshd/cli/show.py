"""Prints a status document for people, as well as the place it is printed to can show it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from ecr_refreshd.cli.table import Look, render
from ecr_refreshd.host import clock


def print_document(document: Mapping[str, Any], *, about_service: bool) -> None:
    """Print a document on stdout; `about_service` also says whether a service runs, and how it is."""
    encoding = sys.stdout.encoding or "ascii"
    is_terminal = sys.stdout.isatty()
    wants_colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
    look = Look(
        width=shutil.get_terminal_size().columns if is_terminal else None,
        colour=is_terminal and wants_colour,
        unicode=encoding.lower().replace("-", "").startswith("utf"),
    )
    text = render(document, clock.now().wall, look, about_service=about_service)
    # A UTF-8 terminal is given every character but lone surrogates, which no encoding has.
    print(text.encode(encoding, "replace").decode(encoding))
