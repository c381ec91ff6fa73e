"""The command line: reads the arguments, starts one command's module, and gives its exit code.

A command's module is imported when the command is known: `status` and `--help` answer without the service's
libraries.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from ecr_refreshd.cli.commandline import read_arguments
from ecr_refreshd.cli.show import show_error
from ecr_refreshd.cli.standard import discard, fill_closed, show_nothing_more
from ecr_refreshd.errors import RefreshdError

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (DESIGN 3); `argv` is without the program's name."""
    fill_closed()
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == ["credential"]:
        # What our shell script hands over; its usage errors are docker's protocol, not a person's.
        return int(importlib.import_module("ecr_refreshd.cli.credential").main(given[1:]))
    try:
        code = _done(given)
        sys.stdout.flush()
    except OSError as error:
        try:
            print(flush=True)  # was it stdout? Then this fails too, be it buffered (PYTHONUNBUFFERED) or not
        except OSError as again:
            show_nothing_more(again)
            return 1
        raise error from None
    return code


def _done(given: Sequence[str]) -> int:
    try:
        arguments = read_arguments(given)
        module, function = arguments.module or "ecr_refreshd.cli.manual", arguments.function or "begin"
        return int(getattr(importlib.import_module(module), function)(arguments))
    except SystemExit as asked:  # argparse has shown what was asked for: --help or --version
        return asked.code if isinstance(asked.code, int) else 2
    except RefreshdError as error:
        try:
            show_error(error)
        except OSError:  # the exit code says it too
            discard(sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
