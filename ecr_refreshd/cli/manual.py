"""The pages of `ecr-refreshd help`, and what the program says when no command is named."""

from __future__ import annotations

import argparse
import os
import sys

from ecr_refreshd import __version__
from ecr_refreshd.cli.arguments import COMMANDS, CONFIG_COMMANDS, CONFIG_HELP, Command, Pairs

SHORT = "Keeps the logins of Amazon ECR registries fresh, so that no pull waits for one."
_POINTER = "Global options, files and variables: ecr-refreshd help"
_STATE = (
    "~/Library/Application Support/ecr-refreshd/"
    if sys.platform == "darwin"
    else "~/.local/state/ecr-refreshd/"
)
_EXAMPLES = (
    ("ecr-refreshd doctor", "is everything in place?"),
    ("ecr-refreshd run", "keep fresh what is in docker's config, in the foreground"),
    ("ecr-refreshd status", "what is kept, and what needs you"),
)
_GLOBAL_OPTIONS = (
    ("--config PATH", "settings file instead of the usual one"),
    ("--log-level LEVEL", "debug, info, warning or error"),
    ("--log-format FORM", "auto, console, json or journald"),
    ("--version", "show the version"),
    ("-h, --help", "show the help of the program, or of a command"),
)
_EXITS = (
    ("0", "good"),
    ("1", "failed"),
    ("2", "usage or configuration error, unknown HOST"),
    ("3", "a person has to sign in"),
    ("4", "degraded"),
    ("5", "no service is running"),
    ("75", "another service holds the lock"),
)
_FILES = (
    ("~/.config/ecr-refreshd/config.toml", "settings; none are needed"),
    ("~/.docker/config.json", "docker's config, where tokens are written"),
    (_STATE, "state and locks; in helper/ tokens"),
)
_VARIABLES = (
    ("ECR_REFRESHD_CONFIG", "settings file, as --config"),
    ("ECR_REFRESHD_STATE_DIR", "folder of state and locks"),
    ("DOCKER_CONFIG", "folder of docker's config"),
    ("REGISTRY_AUTH_FILE", "podman's auth.json"),
    ("AWS_PROFILE, AWS_CONFIG_FILE, ...", "as for the AWS CLI"),
    ("NO_COLOR", "no colours"),
)
_REPORT = """\
To report a bug, include the output of:
  ecr-refreshd version; ecr-refreshd doctor --json"""

_FIRST_STEPS = f"""\
{SHORT}
No service has run here yet. First steps:

  ecr-refreshd doctor    check docker's config, AWS profiles and logins
  ecr-refreshd run       keep docker's ECR logins fresh (Ctrl-C ends it)
  ecr-refreshd status    in another terminal: what is kept, and what needs you

Registries that are in no docker config yet: ecr-refreshd init --scan DIR
All commands: ecr-refreshd help"""


def main_page() -> str:
    """Return the help of the whole program."""
    commands = [(each.name, each.help) for each in COMMANDS]
    commands.insert(-2, ("config", CONFIG_HELP))
    return "\n\n".join(
        [
            "usage: ecr-refreshd [OPTION...] COMMAND [ARGUMENT...]",
            SHORT,
            _listed("commands", commands),
            _listed("options, before or after the command", _GLOBAL_OPTIONS),
            _examples(_EXAMPLES),
            _listed("exit codes", _EXITS),
            _listed("files", _FILES),
            _listed("variables", _VARIABLES),
            f"{_REPORT}\n",
        ]
    )


def config_page() -> str:
    """Return the help of `config`, which does nothing without a command of its own."""
    return "\n\n".join(
        [
            "usage: ecr-refreshd config COMMAND",
            _sentence(CONFIG_HELP),
            _listed("commands", [(each.name, each.help) for each in CONFIG_COMMANDS]),
            _examples(tuple(command.examples[0] for command in CONFIG_COMMANDS)),
            f"{_POINTER}\n",
        ]
    )


def description(command: Command) -> str:
    """Return what a command's help says before its options."""
    return "\n\n".join(filter(None, [_sentence(command.help), command.more]))


def epilog(command: Command) -> str:
    """Return what a command's help says after its options."""
    exits = _listed("exit codes", command.exits) if command.exits else ""
    return "\n\n".join(filter(None, [_examples(command.examples), exits, _POINTER]))


def begin(args: argparse.Namespace) -> int:
    """Show the status where a service runs or has run, else how to begin; return the exit code."""
    from ecr_refreshd.cli import status  # noqa: PLC0415 - only where there is something to show
    from ecr_refreshd.host import places  # noqa: PLC0415 - see above

    # The socket first: where our folder is closed to this user, that is said (and `Path.exists` would raise).
    if os.path.exists(places.socket_to_ask()) or os.path.exists(places.state_file()):  # noqa: PTH110 - see above
        args.json = args.watch = False
        return status.status(args)
    print(_FIRST_STEPS)
    return 0


def show_version(_args: argparse.Namespace) -> int:
    """Print the version."""
    print(f"ecr-refreshd {__version__}")
    return 0


def show_help(args: argparse.Namespace) -> int:
    """Print the help of the program or of a command.

    Raises:
        UsageError: there is no such command.
    """
    from ecr_refreshd.cli.commandline import read_arguments  # noqa: PLC0415 - that module shows these pages

    try:
        read_arguments([*args.topic, "--help"])
    except SystemExit:
        return 0
    return 0


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _listed(title: str, pairs: Pairs | list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in pairs) + 2
    return "\n".join([f"{title}:", *(f"  {name:<{width}}{meaning}" for name, meaning in pairs)])


def _examples(pairs: Pairs) -> str:
    return "\n".join(["examples:", *(f"  {typed}\n      {meaning}" for typed, meaning in pairs)])
