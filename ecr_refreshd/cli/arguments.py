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
    """One command: `module` is imported and its `function` called when it was typed; `more` is for its help."""

    name: str
    help: str
    module: str
    function: str
    examples: tuple[tuple[str, str], ...]
    add: Callable[[argparse.ArgumentParser], object] = lambda _parser: None
    more: str = ""


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="fetch what is not fresh, write it, and exit")


def _status_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for scripts: one JSON document, times in UTC")
    parser.add_argument("--watch", action="store_true", help="stay, and show every change; Ctrl-C ends it")


def _refresh_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hosts", nargs="*", metavar="HOST", help="a registry's host; none named means all")


def _ensure_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hosts", nargs="+", metavar="HOST", help="a registry's host")
    parser.add_argument(
        "--min-ttl", required=True, metavar="TIME", help="the life each must have, such as 2h or 90m"
    )
    parser.add_argument("--timeout", default="60s", metavar="TIME", help="how long to wait for it (60s)")


def _login_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("profile", nargs="?", metavar="PROFILE", help="an AWS profile, or an sso-session")


def _explain_options(parser: argparse.ArgumentParser) -> None:
    _host_option(parser)
    parser.add_argument("--json", action="store_true", help="for scripts: one JSON document, times in UTC")


def _init_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scan", metavar="DIR", help="also look for images in the files of this folder")
    parser.add_argument("--write", action="store_true", help="put it where the service looks for it")


def _doctor_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for scripts: one JSON document")
    parser.add_argument("--fix", action="store_true", help="mend what can be mended safely, then look again")


def _pause_options(parser: argparse.ArgumentParser) -> None:
    _host_option(parser)
    parser.add_argument("--for", dest="length", metavar="TIME", help="such as 2h or 30m; else until resume")


def _host_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST", help="a registry's host")


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
            ("ecr-refreshd status --watch", "live, redrawn in place"),
            ("ecr-refreshd status --json | jq -r .overall", "for scripts"),
            ("ecr-refreshd status --watch --json", "one document a line, whenever something has changed"),
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
    Command(
        "ensure",
        "wait until registries have a token that lives long enough",
        "ecr_refreshd.cli.ensure",
        "ensure",
        (
            (
                "ecr-refreshd ensure 724013829182.dkr.ecr.us-west-2.amazonaws.com --min-ttl 2h && docker build .",
                "before a long build",
            ),
            ("ecr-refreshd ensure public.ecr.aws --min-ttl 30m --timeout 2m", "with more patience"),
        ),
        _ensure_options,
        """\
Returns once each host's token has at least that much life in every file it
belongs in; renews what has less. With no service running it does so itself.

exit codes: 0 each has it; 2 no such host, or no token lives that long;
3 a person has to sign in; 1 or 4 it could not be had (none is valid; some are).""",
    ),
    Command(
        "login",
        "sign in to AWS again, and have everything fresh",
        "ecr_refreshd.cli.login",
        "login",
        (
            ("ecr-refreshd login", "everything that a registry waits for, one after another"),
            ("ecr-refreshd login dev", "the login behind this profile, whether or not it has ended"),
        ),
        _login_options,
        """\
Runs the AWS CLI in this terminal: `aws sso login`, `aws login`, or for profiles
with MFA `aws sts get-caller-identity`. Without PROFILE it signs in where a
registry waits for it or a login is about to end; if none does, it says so and
opens nothing. A sign-in in any other way is noticed too, such as over ssh with
`aws sso login --use-device-code`.""",
    ),
    Command(
        "explain",
        "which file, key, helper and token each client would use, and whether that works",
        "ecr_refreshd.cli.explain",
        "explain",
        (
            ("ecr-refreshd explain 724013829182.dkr.ecr.us-west-2.amazonaws.com", "for people"),
            (
                "ecr-refreshd explain --json public.ecr.aws | jq '.clients[] | select(.works != \"yes\")'",
                "for scripts",
            ),
        ),
        _explain_options,
        """\
Explains docker, compose, buildx, podman, buildah, skopeo, crane, ko, kaniko,
docker-py, nerdctl, oras, helm, the kubelet, testcontainers and `sudo docker`.
Run it in the environment of the client: its variables and PATH decide.
Credential helpers are asked; no secret is shown.

exit codes: 0 every client found on PATH works; 4 some do not; 1 none does;
2 HOST is no ECR registry.""",
    ),
    Command(
        "doctor",
        "check everything; say what is wrong, why it matters and how to mend it",
        "ecr_refreshd.cli.doctor",
        "doctor",
        (
            ("ecr-refreshd doctor", "for people"),
            ("ecr-refreshd doctor --fix", "narrow modes, and take dead lines of ours out of docker's file"),
            (
                "ecr-refreshd doctor --json | jq -r '.findings[] | .key + \" \" + .subject'",
                "for scripts",
            ),
        ),
        _doctor_options,
        """\
Looks at the service and its environment, settings, profiles, logins, docker's
and podman's files, credential helpers, notices, clock and limits. With no
service running it also asks AWS for a token of each profile, and throws it
away. Run it in the shell in which docker fails: its variables and PATH decide.
Nothing is changed without --fix, and no secret is shown.

exit codes: 0 nothing is wrong; 4 only warnings; 1 something does not work.""",
    ),
    Command(
        "init",
        "find registries and profiles, and propose a configuration",
        "ecr_refreshd.cli.init",
        "init",
        (
            ("ecr-refreshd init", "what stands in docker's and podman's files"),
            (
                "ecr-refreshd init --scan ~/src > config.toml",
                "and in Dockerfiles, compose files and workflows",
            ),
            ("ecr-refreshd init --scan . --write", "into place; a file that is there is never overwritten"),
        ),
        _init_options,
        """\
Asks neither AWS nor a credential_process: profiles are matched by the accounts
in ~/.aws/config. The configuration goes to stdout, remarks to stderr.""",
    ),
    Command(
        "pause",
        "leave a registry alone for a while",
        "ecr_refreshd.cli.pause",
        "pause",
        (
            ("ecr-refreshd pause 724013829182.dkr.ecr.us-west-2.amazonaws.com --for 2h", "for two hours"),
            (
                "ecr-refreshd pause 724013829182.dkr.ecr.us-west-2.amazonaws.com",
                "until `ecr-refreshd resume`, over restarts too",
            ),
        ),
        _pause_options,
        """\
No renewal, no heal and no removal: what stands in the files stays as you leave
it. Kept over restarts; works with no service running.""",
    ),
    Command(
        "resume",
        "serve a paused registry again",
        "ecr_refreshd.cli.pause",
        "resume",
        (("ecr-refreshd resume 724013829182.dkr.ecr.us-west-2.amazonaws.com", "ends its pause"),),
        _host_option,
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
    if command.more:
        sentence += f"\n\n{command.more}"
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
