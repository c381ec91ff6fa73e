"""The commands that can be typed: their options, examples and exit codes, as their help shows them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "console", "json", "journald")
DEFAULT_MIN_TTL = "2h"
"""Longer than nearly every build, and shorter than what is left of a token at its renewal (4 h at least)."""

Pairs = tuple[tuple[str, str], ...]


class Command(NamedTuple):
    """One command: `module` is imported and its `function` called when it was typed.

    Attributes:
        usage: what follows the command's name.
        examples: what can be typed, and what that does.
        more: paragraphs for its help, of at most 80 columns.
        exits: exit codes, and what each means.
    """

    name: str
    help: str
    module: str
    function: str
    usage: str
    examples: Pairs
    add: Callable[[argparse.ArgumentParser], object] = lambda _parser: None
    more: str = ""
    exits: Pairs = ()


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="fetch what is not fresh, write it, and exit")


def _status_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document, times in UTC")
    parser.add_argument("--watch", action="store_true", help="stay, and show every change; Ctrl-C ends it")


def _refresh_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hosts", nargs="*", metavar="HOST", help="a registry; none named means all")


def _ensure_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hosts", nargs="+", metavar="HOST", help="a registry")
    parser.add_argument(
        "--min-ttl",
        default=DEFAULT_MIN_TTL,
        metavar="TIME",
        help="how long each token must still be valid, such as 30m or 4h (default: %(default)s)",
    )
    parser.add_argument(
        "--timeout", default="60s", metavar="TIME", help="how long to wait for it (default: %(default)s)"
    )


def _login_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("profile", nargs="?", metavar="PROFILE", help="an AWS profile or an sso-session")


def _explain_options(parser: argparse.ArgumentParser) -> None:
    _host_option(parser)
    parser.add_argument("--all", action="store_true", help="also clients that are not on PATH")
    parser.add_argument("--json", action="store_true", help="print one JSON document, times in UTC")


def _init_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scan", metavar="DIR", help="also look for images in the files of this folder")
    parser.add_argument("--write", action="store_true", help="write it to the service's settings file")


def _doctor_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--fix", action="store_true", help="fix what can be fixed safely, then check again")


def _pause_options(parser: argparse.ArgumentParser) -> None:
    _host_option(parser)
    parser.add_argument(
        "--for", dest="length", metavar="TIME", help="such as 2h or 30m (default: until resume)"
    )


def _host_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST", help="a registry")


def _topic_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", nargs="*", metavar="COMMAND", help="a command; none named means all of them")


_HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
_USAGE_EXIT = ("2", "usage or configuration error")
_HOST_EXIT = ("2", "usage or configuration error, unknown HOST")
_OVERALL_EXITS = (
    ("0", "every registry has a valid token where its clients read it"),
    ("1", "no registry has a valid token"),
    ("3", "a registry waits for a person to sign in"),
    ("4", "degraded: something else is not as it should be"),
)

COMMANDS = (
    Command(
        "run",
        "keep every registry's login fresh, in the foreground",
        "ecr_refreshd.cli.run",
        "run",
        "[--once]",
        (
            ("ecr-refreshd run", "what systemd, launchd and a sidecar start"),
            ("ecr-refreshd run --once && docker pull IMAGE", "in CI: fetch, write, exit"),
            ("ecr-refreshd run --config ./ecr.toml --log-level debug", "with other settings"),
        ),
        _run_options,
        exits=(
            ("0", "stopped; with --once: every registry is fresh"),
            ("1, 3, 4", "with --once: as of `ecr-refreshd status`"),
            _USAGE_EXIT,
            ("75", "another service runs for this user (never with --once)"),
        ),
    ),
    Command(
        "status",
        "show every registry: token, next renewal, errors",
        "ecr_refreshd.cli.status",
        "status",
        "[--json] [--watch]",
        (
            ("ecr-refreshd status", "one look"),
            ("ecr-refreshd status --watch", "stay, and redraw when something changes"),
            ("ecr-refreshd status --json | jq -r .overall", "one word for a script"),
            ("ecr-refreshd status --watch --json", "one JSON document a line for each change"),
        ),
        _status_options,
        exits=(*_OVERALL_EXITS, ("5", "no service is running; shows what the last one remembered")),
    ),
    Command(
        "refresh",
        "renew tokens now, and overwrite what other programs wrote",
        "ecr_refreshd.cli.refresh",
        "refresh",
        "[HOST...]",
        (
            ("ecr-refreshd refresh", "all registries"),
            (f"ecr-refreshd refresh {_HOST}", "one of them"),
        ),
        _refresh_options,
        "A paused registry is passed over; naming it ends its pause.",
        exits=(_OVERALL_EXITS[0], _OVERALL_EXITS[1], _HOST_EXIT, *_OVERALL_EXITS[2:]),
    ),
    Command(
        "ensure",
        "wait until registries have a token that is valid long enough",
        "ecr_refreshd.cli.ensure",
        "ensure",
        "HOST... [--min-ttl TIME] [--timeout TIME]",
        (
            (f"ecr-refreshd ensure {_HOST}", "before a build: at least 2 h left"),
            ("ecr-refreshd ensure public.ecr.aws --min-ttl 30m --timeout 2m", "wait up to 2 min"),
        ),
        _ensure_options,
        """\
Returns once each token is valid for at least that long in every file it belongs
in, and renews what is not. With no service running it does so itself.""",
        exits=(
            ("0", "each token is valid that long"),
            ("1, 4", "it could not be had: no registry has a valid token, or some have"),
            ("2", "usage or configuration error, unknown HOST, no token is valid that long"),
            ("3", "a person has to sign in"),
        ),
    ),
    Command(
        "login",
        "sign in to AWS again, then renew",
        "ecr_refreshd.cli.login",
        "login",
        "[PROFILE]",
        (
            ("ecr-refreshd login", "everything that a registry waits for, one after another"),
            ("ecr-refreshd login dev", "the login behind this profile, even if it has not ended"),
        ),
        _login_options,
        """\
Runs the AWS CLI in this terminal: `aws sso login`, `aws login`, or for profiles
with MFA `aws sts get-caller-identity`. Without PROFILE it signs in where a
registry waits for it or a login is about to end; if none does, it says so and
opens nothing. A sign-in in any other way is noticed too, such as over ssh with
`aws sso login --use-device-code`.""",
        exits=(
            ("0", "signed in and renewed, or nothing waits for a sign-in"),
            ("1", "a sign-in did not succeed, or no registry has a valid token"),
            ("2", "usage or configuration error, unknown PROFILE"),
            ("3, 4", "as of `ecr-refreshd status`"),
        ),
    ),
    Command(
        "explain",
        "show which login each client uses, and whether it works",
        "ecr_refreshd.cli.explain",
        "explain",
        "HOST [--all] [--json]",
        (
            (f"ecr-refreshd explain {_HOST}", "docker, and the clients on PATH"),
            (
                "ecr-refreshd explain public.ecr.aws --json | jq '.clients[].works'",
                "for a script",
            ),
        ),
        _explain_options,
        """\
Explains docker, compose, buildx, podman, buildah, skopeo, crane, ko, kaniko,
docker-py, nerdctl, oras, helm, the kubelet, testcontainers and `sudo docker`.
Run it in the environment of the client: its variables and PATH decide.
Credential helpers are asked; no secret is shown.""",
        exits=(
            ("0", "docker pull and every other client found on PATH work"),
            ("1", "docker pull fails"),
            ("2", "HOST is no ECR registry"),
            ("4", "docker pull works and another client fails, or it cannot be told"),
        ),
    ),
    Command(
        "doctor",
        "check everything: what is wrong, why it matters, how to fix it",
        "ecr_refreshd.cli.doctor",
        "doctor",
        "[--json] [--fix]",
        (
            ("ecr-refreshd doctor", "check, and change nothing"),
            ("ecr-refreshd doctor --fix", "narrow file modes, remove dead helper lines of ours"),
            ("ecr-refreshd doctor --json | jq -r '.findings[].key'", "for a script"),
        ),
        _doctor_options,
        """\
Checks the service and its environment, settings, profiles, logins, docker's and
podman's files, credential helpers, notices, clock and limits. With no service
running it also asks AWS for a token of each profile, and throws it away. Run it
in the shell in which docker fails: its variables and PATH decide. Nothing is
changed without --fix, and no secret is shown.""",
        exits=(("0", "nothing is wrong"), ("1", "something does not work"), ("4", "only warnings")),
    ),
    Command(
        "init",
        "find registries and profiles, and propose a configuration",
        "ecr_refreshd.cli.init",
        "init",
        "[--scan DIR] [--write]",
        (
            ("ecr-refreshd init", "from the logins in docker's and podman's files"),
            (
                "ecr-refreshd init --scan ~/src > config.toml",
                "also from Dockerfiles, compose files, workflows",
            ),
            ("ecr-refreshd init --scan . --write", "into place; an existing file is never overwritten"),
        ),
        _init_options,
        """\
No configuration is needed for registries that are in docker's or podman's
files. Asks neither AWS nor a credential_process: profiles are matched by the
accounts in ~/.aws/config. The configuration goes to stdout, remarks to stderr.""",
        exits=(
            ("0", "printed, or written"),
            ("1", "no registry found for --write, or the file cannot be written"),
            ("2", "usage error, or the file exists"),
        ),
    ),
    Command(
        "pause",
        "leave a registry alone for a while",
        "ecr_refreshd.cli.pause",
        "pause",
        "HOST [--for TIME]",
        (
            (f"ecr-refreshd pause {_HOST} --for 2h", "for two hours"),
            (f"ecr-refreshd pause {_HOST}", "until `ecr-refreshd resume`, over restarts too"),
        ),
        _pause_options,
        """\
While paused, its token is not renewed and its login in the files is neither
restored nor removed. Kept over restarts; works with no service running.""",
        exits=(("0", "paused"), ("1", "it could not be done"), _HOST_EXIT),
    ),
    Command(
        "resume",
        "keep a paused registry fresh again",
        "ecr_refreshd.cli.pause",
        "resume",
        "HOST",
        ((f"ecr-refreshd resume {_HOST}", "ends its pause"),),
        _host_option,
        exits=(("0", "resumed"), ("1", "it could not be done"), _HOST_EXIT),
    ),
    Command(
        "help",
        "show this page, or the help of a command",
        "ecr_refreshd.cli.manual",
        "show_help",
        "[COMMAND]",
        (("ecr-refreshd help ensure", "the same as `ecr-refreshd ensure --help`"),),
        _topic_option,
    ),
    Command(
        "version",
        "show the version",
        "ecr_refreshd.cli.manual",
        "show_version",
        "",
        (("ecr-refreshd version", "the same as `ecr-refreshd --version`"),),
    ),
)

CONFIG_COMMANDS = (
    Command(
        "check",
        "find every problem of the configuration at once",
        "ecr_refreshd.cli.config",
        "check",
        "",
        (
            ("ecr-refreshd config check", "the configuration in force"),
            ("ecr-refreshd config check --config ./ecr.toml", "a file that is not in force yet"),
        ),
        exits=(("0", "no problem"), ("2", "problems, each with its line")),
    ),
    Command(
        "show",
        "print the effective settings, and where each comes from",
        "ecr_refreshd.cli.config",
        "show",
        "",
        (("ecr-refreshd config show", "as TOML: default, or the file and line"),),
        exits=(("0", "printed"), ("2", "the configuration has problems")),
    ),
)

CONFIG_HELP = "check or show the configuration"
