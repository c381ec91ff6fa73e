"""`status`: asks the running service, else tells what the state file remembers. Reads no settings."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ecr_refreshd import __version__
from ecr_refreshd.cli.patience import patience
from ecr_refreshd.cli.show import print_document
from ecr_refreshd.errors import NoServiceError
from ecr_refreshd.host import clock, control, places, statefile
from ecr_refreshd.osutil import docker_config

EXIT_CODES = {"ok": 0, "failed": 1, "login-required": 3, "degraded": 4, "starting": 4, "not-running": 5}
"""Overall state -> exit code, the same as `core.report`'s: importing that would double the time of `status`."""

_TIMEOUT = 5.0
"""Seconds; the service answers from memory between two events, within milliseconds."""


def status(args: argparse.Namespace) -> int:
    """Print the status document and return the exit code of its overall state, or 5 with no service."""
    if args.watch:
        from ecr_refreshd.cli.watching import watch  # noqa: PLC0415 - what a prompt runs need not load it

        return _exit_code(watch(_look, _remembered, as_json=args.json))
    with patience("asking the service"):
        document = with_complaints(_look())
    if args.json:
        print(json.dumps(document, indent=2))
    else:
        print_document(document, about_service=True)
    return _exit_code(document)


def with_complaints(document: dict[str, Any]) -> dict[str, Any]:
    """Return a status document with what is wrong with the environment of whoever asks."""
    found = docker_config.complaint()
    known = document.get("degraded", [])
    if found is None or any(each["code"] == found.code for each in known):
        return document
    return {**document, "degraded": [asdict(found), *known]}


def _exit_code(document: Mapping[str, Any]) -> int:
    return NoServiceError.exit_code if document["pid"] is None else EXIT_CODES[document["overall"]]


def _look() -> dict[str, Any]:
    try:
        return control.ask(places.socket_to_ask(), {"op": "status"}, _TIMEOUT)
    except NoServiceError:
        return _remembered()


def _remembered() -> dict[str, Any]:
    from ecr_refreshd.core import memory  # noqa: PLC0415 - half of the start-up time, for this case only

    return memory.last_document(statefile.read(places.state_file()), clock.now().wall, __version__)
