"""What can be typed: the commands, their options and their examples.

The global options work before and after the command. Every ``--help`` ends with examples.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ecr_refreshd import __version__

_LOG_LEVELS = ("debug", "info", "warning", "error")
_LOG_FORMATS = ("auto", "console", "json", "journald")


class Command(NamedTuple):
    """One command: `module` is imported and its `function` called when it was typed."""

    name: str
    help: str
    module: str
    function: str
    examples: tuple[tuple[str, str], ...]
    add: Callable[[argparse.ArgumentParser], object] = lambda _parser: None


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="fetch what is not fresh, write it, and exit")


def _status_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for scripts: one JSON document, times in UTC")


def _refresh_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hosts", nargs="*", metavar="HOST", help="a registry's host; none named means all")


COMMANDS = (
    Command(
        "run",
        "keep every registry's login fresh, in the foreground",
        "ecr_refreshd.cli.run",
        "run",
        (
            ("ecr-refreshd run", "what systemd, launchd and a sidecar start"),
            ("ecr-refreshd run --once", "for CI: fetch what is not fresh, write it, exit"),
            ("ecr-refreshd --config ./ecr.toml run --log-level debug", "with other settings"),
        ),
        _run_options,
    ),
    Command(
        "status",
        "every registry: how fresh it is, what comes next, what went wrong",
        "ecr_refreshd.cli.status",
        "status",
        (
            ("ecr-refreshd status", "for people"),
            ("ecr-refreshd status --json | jq -r .overall", "for scripts"),
        ),
        _status_options,
    ),
    Command(
        "refresh",
        "renew now, and overwrite what others wrote",
        "ecr_refreshd.cli.refresh",
        "refresh",
        (
            ("ecr-refreshd refresh", "all registries"),
            ("ecr-refreshd refresh 724013829182.dkr.ecr.us-west-2.amazonaws.com", "one of them"),
        ),
        _refresh_options,
    ),
)

CONFIG_COMMANDS = (
    Command(
        "check",
        "find every problem of the configuration at once",
        "ecr_refreshd.cli.config",
        "check",
        (
            ("ecr-refreshd config check", "exit code 0: good, 2: problems"),
            ("ecr-refreshd config check --config ./ecr.toml", "a file that is not in force yet"),
        ),
    ),
    Command(
        "show",
        "print the effective settings, and where each comes from",
        "ecr_refreshd.cli.config",
        "show",
        (("ecr-refreshd config show", "as TOML: default, or the file and line"),),
    ),
)


def read_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; `module` and `function` name the command.

    Raises:
        SystemExit: 0 after ``--help`` or ``--version``, 2 after telling a usage error.
    """
    # The global options have no defaults of their own: a command's parser would put them over what was
    # typed before the command.
    unset = argparse.Namespace(config=None, log_level=None, log_format=None)
    return _parser().parse_args(argv, unset)


def _parser() -> argparse.ArgumentParser:
    shared = _global_options()
    parser = _new_parser(
        argparse.ArgumentParser,
        "ecr-refreshd",
        shared,
        "Keeps the logins of Amazon ECR registries fresh, so that no pull ever waits for one.",
        (COMMANDS[0].examples[0], COMMANDS[1].examples[0], CONFIG_COMMANDS[0].examples[0]),
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        _add(commands.add_parser, command, shared)
    config = _new_parser(
        commands.add_parser,
        "config",
        shared,
        "Check or show the configuration.",
        tuple(example for command in CONFIG_COMMANDS for example in command.examples[:1]),
        help="check or show the configuration",
    )
    subcommands = config.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in CONFIG_COMMANDS:
        _add(subcommands.add_parser, command, shared)
    return parser


def _global_options() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS, allow_abbrev=False)
    options = shared.add_argument_group("global options, before or after the command")
    options.add_argument("--config", metavar="PATH", help="settings file in place of the usual one")
    options.add_argument("--log-level", metavar="LEVEL", choices=_LOG_LEVELS, help=", ".join(_LOG_LEVELS))
    options.add_argument("--log-format", metavar="FORM", choices=_LOG_FORMATS, help=", ".join(_LOG_FORMATS))
    options.add_argument(
        "--version", action="version", version=f"ecr-refreshd {__version__}", help="show the version"
    )
    options.add_argument("--help", action="help", help="show this text")
    return shared


def _add(
    make: Callable[..., argparse.ArgumentParser], command: Command, shared: argparse.ArgumentParser
) -> None:
    sentence = command.help[0].upper() + command.help[1:] + "."
    parser = _new_parser(make, command.name, shared, sentence, command.examples, help=command.help)
    command.add(parser)
    parser.set_defaults(module=command.module, function=command.function)


def _new_parser(
    make: Callable[..., argparse.ArgumentParser],
    name: str,
    shared: argparse.ArgumentParser,
    description: str,
    examples: tuple[tuple[str, str], ...],
    **more: str,
) -> argparse.ArgumentParser:
    told = "\n".join(f"  {typed}\n      {meaning}" for typed, meaning in examples)
    return make(
        name,
        parents=[shared],
        description=description,
        epilog=f"examples:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
        **more,
    )
