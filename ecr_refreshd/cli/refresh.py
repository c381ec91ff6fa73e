"""`refresh`: asks the running service for new tokens now, or gets them itself when none runs."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping
from typing import Any

from ecr_refreshd.cli.patience import patience
from ecr_refreshd.cli.show import print_document
from ecr_refreshd.core import hosts, report
from ecr_refreshd.errors import ControlError, NoServiceError, UsageError
from ecr_refreshd.host import control, places

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
    if answer.get("error") == "unknown-host":
        raise _unknown(answer["hosts"], answer["known"])
    if "registries" not in answer:
        raise ControlError(
            "The running service is of another version.", hint="systemctl --user restart ecr-refreshd"
        )
    print_document(answer, about_service=False)
    return report.EXIT_CODES[answer["overall"]]


def _ask(args: argparse.Namespace, named: list[str]) -> Mapping[str, Any]:
    request = {"op": "refresh", "hosts": named, "timeout": _TIMEOUT}
    try:
        return control.ask(places.socket_to_ask(), request, _TIMEOUT + 5)
    except NoServiceError:
        # Imported only now: with a running service the command starts without the service's libraries.
        from ecr_refreshd.cli.run import refresh_once  # noqa: PLC0415 - see above

        return refresh_once(args, frozenset(named))


def _unknown(unknown: list[str], known: list[str]) -> UsageError:
    lines = []
    for host in unknown:
        near = difflib.get_close_matches(host, known, 1, 0.6)
        lines.append(f"{host} is no registry that is kept" + (f"; did you mean {near[0]}?" if near else "."))
    return UsageError("\n".join(lines), hint="`ecr-refreshd status` lists them; nothing was renewed.")
