"""The command line: reads the arguments, starts one command's module, and gives its exit code.

A command's module is imported when the command is known: `status` and `--help` answer without the service's
libraries.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from ecr_refreshd.cli.arguments import read_arguments
from ecr_refreshd.errors import ConfigError, RefreshdError

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (DESIGN 3); `argv` is without the program's name."""
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == ["credential"]:
        # What our shell script hands over; its usage errors are docker's protocol, not a person's.
        return int(importlib.import_module("ecr_refreshd.cli.credential").main(given[1:]))
    try:
        arguments = read_arguments(given)
    except SystemExit as asked:  # argparse has said it all: --help, --version or a usage error
        return asked.code if isinstance(asked.code, int) else 2
    try:
        run = getattr(importlib.import_module(arguments.module), arguments.function)
        code = int(run(arguments))
        sys.stdout.flush()
    except RefreshdError as error:
        _tell(error)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`status | head`). What is still buffered must go nowhere, or the
        # interpreter complains when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _tell(error: RefreshdError) -> None:
    # The problems of a config file begin with path:line, as editors expect it.
    prefix = "" if isinstance(error, ConfigError) else "ecr-refreshd: "
    print(f"{prefix}{error.message}", file=sys.stderr)
    if error.hint:
        print(error.hint, file=sys.stderr)
