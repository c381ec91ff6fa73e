"""Asks the running service for something to be done, with its refusals as errors for people."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from ecr_refreshd.core import hosts
from ecr_refreshd.core.remedies import ours
from ecr_refreshd.core.remedies.service import restart_unit
from ecr_refreshd.errors import ControlError, LockHeldError, NoServiceError, UsageError
from ecr_refreshd.host import clock, control, places

_STARTS_WITHIN = timedelta(seconds=60)
_ASK_AGAIN = timedelta(milliseconds=200)

_LABELS = 4
"""Of a private registry's name up to its region: ACCOUNT.dkr.ecr.REGION."""
_NEAR = 0.75

_Answer = TypeVar("_Answer")


def asked_or_done(
    ask: Callable[[], _Answer], do: Callable[[], _Answer], within: timedelta = _STARTS_WITHIN
) -> _Answer:
    """Have the running service do something, or do it in this process where none runs.

    A service holds the lock for a moment before it listens, and for a moment after: then it is asked again.

    Args:
        ask: asks it.
        do: does it in its place, under the lock.
        within: how long a service may hold the lock and answer nobody.

    Raises:
        LockHeldError: one did so for longer, or a command holds the lock.
        RefreshdError: whatever else the two raise.
    """
    end = clock.now().boot + within
    while True:
        try:
            return ask()
        except NoServiceError:
            pass
        try:
            return do()
        except LockHeldError as error:
            if not error.serving or clock.now().boot >= end:
                raise
        clock.pause(_ASK_AGAIN)


def ask(request: dict[str, Any], timeout: float) -> Mapping[str, Any]:
    """Return the service's answer: a status document, with what the operation adds to it.

    Args:
        request: see `answers.answer`.
        timeout: seconds for the whole exchange.

    Raises:
        NoServiceError: none runs.
        ControlError: it did not answer as it should.
        UsageError: a host that nobody knows.
    """
    return checked(control.ask(places.socket_to_ask(), request, timeout))


def checked(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an answer, of the service or of this process in its place, that is about known hosts."""
    if answer.get("error") == "unknown-host":
        raise unknown_host(answer["hosts"], answer["known"])
    if "registries" not in answer:
        raise ControlError(
            "The running service is of another version.",
            hint=restart_unit("ecr-refreshd", of_user=True).command,
            command=restart_unit("ecr-refreshd", of_user=True).command,
        )
    return answer


def unknown_host(unknown: Iterable[str], known: Iterable[str]) -> UsageError:
    """Return the error that names the nearest known host for each that nobody knows."""
    names = list(known)
    lines = [
        f"ecr-refreshd does not keep {host}{did_you_mean(host, _slips_of(host, names))}" for host in unknown
    ]
    if names:
        words, command = "Nothing was changed. To see what is kept:", ours.STATUS
    else:
        words, command = "It keeps no registry yet. To name one in its settings:", ours.INIT_HELP
    return UsageError("\n".join(lines), hint=f"{words} {command}", command=command)


def _slips_of(host: str, known: Iterable[str]) -> list[str]:
    """Return the hosts for which a misspelt one may stand: another account's or region's is no misspelling."""
    # Imported only for an error: a command that asks a running service starts without botocore's data.
    from ecr_refreshd.aws.partitions import regions  # noqa: PLC0415 - see above

    asked = hosts.parse(host)
    exists = asked is not None and regions().get(asked.region) in asked.partitions
    labels = hosts.bare(host).split(".")
    fitting = []
    for name in known:
        other = hosts.parse(name)
        if other is None or other.account is None or len(labels) < _LABELS:
            fitting.append(name)
        elif exists and asked is not None:
            if (other.account, other.region) == (asked.account, asked.region):
                fitting.append(name)
        elif _is_near(labels[0], other.account) and _is_near(labels[3], other.region):
            fitting.append(name)
    return fitting


def _is_near(one: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, one, other).ratio() >= _NEAR


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that says a name is not known."""
    near = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f"; did you mean {near[0]}?" if near else "."
