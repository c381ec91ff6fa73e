"""`refresh`: asks the running service for new tokens now, or gets them itself when none runs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from ecr_refreshd.cli import asking
from ecr_refreshd.cli.patience import patience
from ecr_refreshd.cli.show import print_document
from ecr_refreshd.cli.status import EXIT_CODES
from ecr_refreshd.core import hosts

_TIMEOUT = 150.0
"""Seconds: a grant has 30 s and a child 90 s (DESIGN 5), and the first may have to wait for a second child."""


def refresh(args: argparse.Namespace) -> int:
    """Renew, print what came of it, and return the exit code of the hosts that were named.

    Raises:
        UsageError: a host that nobody knows; then nothing was renewed.
    """
    named = [hosts.bare(text) for text in args.hosts]
    with patience("renewing"):
        answer = _ask(args, named)
    print_document(answer, about_service=False)
    return EXIT_CODES[answer["overall"]]


def _ask(args: argparse.Namespace, named: list[str]) -> Mapping[str, Any]:
    request = {"op": "refresh", "hosts": named, "timeout": _TIMEOUT}
    return asking.asked_or_done(lambda: asking.ask(request, _TIMEOUT + 5), lambda: _done(args, named))


def _done(args: argparse.Namespace, named: list[str]) -> Mapping[str, Any]:
    # Imported only now: with a running service the command starts without the service's libraries.
    from ecr_refreshd.cli.run import alone  # noqa: PLC0415 - see above
    from ecr_refreshd.waits import Wait  # noqa: PLC0415 - see above

    return asking.checked(alone(args, Wait(frozenset(named), refresh=True)))
