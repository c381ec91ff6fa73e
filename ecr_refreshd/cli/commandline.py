"""Parse the command line: commands, their options, global options anywhere, and errors that suggest a fix."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ecr_refreshd import __version__
from ecr_refreshd.cli import manual
from ecr_refreshd.cli.arguments import COMMANDS, CONFIG_COMMANDS, LOG_FORMATS, LOG_LEVELS, Command
from ecr_refreshd.errors import UsageError

_PROGRAM = "ecr-refreshd"
_WIDEST = 80


def read_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; `module` and `function` name the command, both "" where none was typed.

    Raises:
        SystemExit: 0 after ``--help`` or ``--version``.
        UsageError: what was typed cannot be understood.
    """
    # The global options have no defaults of their own: a command's parser would put them over what was
    # typed before the command.
    unset = argparse.Namespace(config=None, log_level=None, log_format=None, module="", function="")
    unset.parser = parser = _parser()
    arguments, rest = parser.parse_known_args(argv, unset)
    if rest:
        chosen: _Parser = arguments.parser
        chosen.refuse(rest)
    return arguments


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are ours, and whose help may be a page of its own."""

    def __init__(self, *args: Any, page: Callable[[], str] | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self._page = page

    def format_help(self) -> str:
        if self._page is not None:
            return self._page()
        return super().format_help().replace("positional arguments:", "arguments:")

    def error(self, message: str) -> NoReturn:
        text = f"{message[0].upper()}{message[1:]}"
        raise UsageError(f"{text}.", hint=self._help, command=self._help)

    @property
    def _help(self) -> str:
        return " ".join([_PROGRAM, "help", *self.prog.split()[1:]])

    def refuse(self, rest: Sequence[str]) -> NoReturn:
        """Raise the error for arguments that nothing takes."""
        first = rest[0]
        if not first.startswith("-"):
            raise UsageError(f"One argument too many: {first}.", hint=self._help, command=self._help)
        from ecr_refreshd.cli import suggestions  # noqa: PLC0415 - for errors only

        near = suggestions.for_option(first, self._option_string_actions)
        meant = f" Did you mean {near}?" if near else ""
        raise UsageError(f"There is no option {first}.{meant}", hint=self._help, command=self._help)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # The standard library's own message lists every command and suggests none.
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:  # noqa: SLF001
            from ecr_refreshd.cli import suggestions  # noqa: PLC0415 - for errors only

            prefix = "".join(f"{word} " for word in self.prog.split()[1:])
            remedy = suggestions.for_command(str(value), action.choices, prefix)
            raise UsageError(
                f"There is no command `{prefix}{value}`.", hint=remedy.hint, command=remedy.command
            )
        super()._check_value(action, value)


def _parser() -> _Parser:
    parser = _Parser(_PROGRAM, add_help=False, allow_abbrev=False, page=manual.main_page)
    _add_global_options(parser)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=_Parser)
    for command in COMMANDS:
        _add(commands.add_parser, command, _PROGRAM)
    config = commands.add_parser("config", add_help=False, allow_abbrev=False, page=manual.config_page)
    _add_global_options(config)
    config.set_defaults(parser=config)
    subcommands = config.add_subparsers(metavar="COMMAND", parser_class=_Parser, required=True)
    for command in CONFIG_COMMANDS:
        _add(subcommands.add_parser, command, f"{_PROGRAM} config")
    return parser


def _add(make: Callable[..., _Parser], command: Command, prefix: str) -> None:
    parser = make(
        command.name,
        usage=f"{prefix} {command.name} {command.usage}".rstrip(),
        description=manual.description(command),
        epilog=manual.epilog(command),
        formatter_class=_format,
        add_help=False,
        allow_abbrev=False,
    )
    command.add(parser)
    parser.add_argument("-h", "--help", action="help", help="show this text")
    _add_global_options(parser, shown=False)
    parser.set_defaults(module=command.module, function=command.function, parser=parser)


def _format(prog: str) -> argparse.HelpFormatter:
    width = min(_WIDEST, shutil.get_terminal_size().columns)
    return argparse.RawDescriptionHelpFormatter(prog, width=width)


def _add_global_options(parser: _Parser, *, shown: bool = True) -> None:
    """Add what every command takes; a command's own help points to `ecr-refreshd help` for it."""
    unset = argparse.SUPPRESS
    parser.add_argument("--config", default=unset, help=unset)
    parser.add_argument("--log-level", choices=LOG_LEVELS, default=unset, help=unset)
    parser.add_argument("--log-format", choices=LOG_FORMATS, default=unset, help=unset)
    parser.add_argument(
        "--version", action="version", version=f"{_PROGRAM} {__version__}", default=unset, help=unset
    )
    if shown:
        parser.add_argument("-h", "--help", action="help", default=unset, help=unset)
