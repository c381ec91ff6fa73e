"""Whether rows of a kept status document are what was once written: a mangled file must not break `status`.

A key that is not there is what an earlier version did not write; one of another kind makes a row worthless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ecr_refreshd.core.times import parsed

_Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return isinstance(value, int)


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


def _time(value: Any) -> bool:
    try:
        parsed(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _or_none(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _each(check: _Check) -> _Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _keys(kinds: Mapping[str, _Check]) -> _Check:
    return lambda value: (
        isinstance(value, dict) and all(check(value[key]) for key, check in kinds.items() if key in value)
    )


_PRINCIPAL: Mapping[str, _Check] = {
    "profile": _text,
    "chosen_by": _text,
    "login_backed": _truth,
    "other_account": _truth,
    "also_fits": _each(_text),
    **dict.fromkeys(("role_arn", "sso_session", "process", "variable"), _or_none(_text)),
}
_ERROR: Mapping[str, _Check] = {
    **dict.fromkeys(("code", "category", "message", "hint"), _text),
    "command": _or_none(_text),
    "at": _or_none(_time),
}
_SINK: Mapping[str, _Check] = {
    **dict.fromkeys(("path", "kind", "state", "detail", "reason", "hint"), _text),
    "command": _or_none(_text),
    "works": _truth,
    "kept_until": _or_none(_time),
}
_PROBE: Mapping[str, _Check] = {"answer": _text, "detail": _text, "at": _or_none(_time)}

is_registry = _keys(
    {
        **dict.fromkeys(("host", "phase", "origin", "region"), _text),
        **dict.fromkeys(("grant", "served_by", "fingerprint", "account", "paused_by"), _or_none(_text)),
        **dict.fromkeys(
            ("expires_at", "works_until", "obtained_at", "next_renewal_at", "paused_until"), _or_none(_time)
        ),
        "counts": _truth,
        "heals": _number,
        "principal": _or_none(_keys(_PRINCIPAL)),
        "last_error": _or_none(_keys(_ERROR)),
        "sinks": _each(_keys(_SINK)),
        "probe": _or_none(_keys(_PROBE)),
    }
)
is_file = _keys(
    {
        **dict.fromkeys(("path", "state", "detail", "hint"), _text),
        "command": _or_none(_text),
        "notes": _each(_text),
    }
)
is_notice = _keys(
    {
        **dict.fromkeys(("key", "title", "body", "command"), _text),
        "since": _time,
        "problems": _each(_text),
    }
)
