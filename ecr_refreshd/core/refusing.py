"""What our credential helper says of hosts that cannot be served, so that it need not ask anybody.

A client that is told nothing says "no basic auth credentials", and a person looks in the wrong place; a refusal
names the cause and the command. It is believed for an hour at most, and hardly longer than there is a service to
keep it true.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from ecr_refreshd.core.decisions import Wake
from ecr_refreshd.core.model import ABSENT, Entry, Failure, Instant, Refusal, View
from ecr_refreshd.core.remedies import ours
from ecr_refreshd.core.schedule import alive
from ecr_refreshd.core.sighting import lives
from ecr_refreshd.core.state import Pause, Plan, State
from ecr_refreshd.core.times import timestamp

BELIEVED = timedelta(hours=1)
_RENEWED = timedelta(minutes=20)
_ROUNDED = timedelta(seconds=1)
"""Its end is kept in whole seconds."""


def refusals(
    ready: View, hosts: Iterable[str], state: State, now: Instant, plan: Plan, wake: Wake
) -> dict[str, Refusal]:
    """Return the refusals that are to be written now.

    Args:
        ready: what the helper would answer now.
        hosts: whose clients are sent to the helper.
        state: what is known.
        now: by both clocks.
        plan: what is wanted.
        wake: told when one of these has to be renewed.
    """
    wanted: dict[str, Refusal] = {}
    for host in sorted(hosts):
        text = refusal_of(state, host, plan, now)
        if not text:
            continue
        entry = ready.entries.get(host, ABSENT)
        if (
            host not in state.pauses
            and entry.expires_hint is not None
            and _serves(state, host, plan, entry, now)
        ):
            wake.wall(entry.expires_hint)
            continue
        until = believed_until(state.pauses.get(host), now.wall)
        known = ready.refusals.get(host)
        if known is not None and known.text == text:
            if known.until - now.wall > _RENEWED:
                wake.wall(known.until - _RENEWED)
                continue
            if known.until >= until - _ROUNDED:
                wake.wall(until)
                continue
        wanted[host] = Refusal(text, until)
        wake.wall(until - _RENEWED)
    return wanted


def believed_until(pause: Pause | None, now: datetime) -> datetime:
    """Return until when a refusal of now is believed (UTC); one for a pause no longer than that lasts."""
    until = now + BELIEVED
    return until if pause is None or pause.until is None else min(until, pause.until)


def _serves(state: State, host: str, plan: Plan, entry: Entry, now: Instant) -> bool:
    """Return whether an answer of before still opens the registry: a failure takes nothing away (promise 8).

    It may be another principal's, whose profile has been renamed, misspelt or lost sight of.
    """
    registry = plan.registries.get(host)
    token = None if registry is None or registry.grant is None else state.grant(registry.grant.key).token
    if token is not None and token.fingerprint == entry.fingerprint:
        return alive(token, now)
    return lives(entry, now)


def refusal_of(state: State, host: str, plan: Plan, now: Instant) -> str:
    """Return why a host cannot be served and what helps, in one line; "" if it can, or may in a moment."""
    registry = plan.registries.get(host)
    if registry is None:
        return ""
    pause = state.pauses.get(host)
    if pause is not None:
        end = "" if pause.until is None else f" until {timestamp(pause.until)}"
        return f"{host} is paused{end}. Run: {ours.resume(host)}"
    if registry.grant is None:
        return "" if registry.blocked is None else _said(host, registry.blocked)
    facts = state.grant(registry.grant.key)
    if facts.token is not None and facts.token.auth is not None and alive(facts.token, now):
        return ""
    return "" if facts.failure is None else _said(host, facts.failure)


def _said(host: str, failure: Failure) -> str:
    text = f"{host} has no valid token: {failure.message} -> {failure.hint or 'ecr-refreshd status'}"
    return " ".join(text.split())
