"""Takes secrets out of what is about to be written: by the name they stand under, and by how they look.

Rules: the last step before a line is rendered, so nothing is added after it; rather too much than too little;
what comes out is made of plain values only, so that no renderer shows an object in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

HIDDEN = "***"
_DEEPEST = 8

_SECRET_NAME = re.compile(
    r"(?i)(?:token|password|passwd|passphrase|secret|authorization|auth|credential|cookie|signature|access_?key"
    r"|private_?key|api_?key)s?$"
)

_LOOKS = (
    # base64 of "AWS:" and of a JSON object: an auth field, an ECR password, an SSO token, a JWT.
    (re.compile(r"QVdTO[A-Za-z0-9+/]{8,}={0,2}"), HIDDEN),
    (re.compile(r"eyJ[A-Za-z0-9+/_-]{8,}={0,2}(?:\.[A-Za-z0-9_-]+){0,4}"), HIDDEN),
    # Any other long run of base64, of either alphabet. Paths have dots and both slash and dash.
    (re.compile(r"[A-Za-z0-9+/]{100,}={0,2}|[A-Za-z0-9_-]{100,}={0,2}"), HIDDEN),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}"), HIDDEN),
    (re.compile(r"(?i)\b(basic|bearer)\s+[A-Za-z0-9+/=._~-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"://[^/\s:@]+:[^/\s@]+@"), f"://{HIDDEN}@"),
    # name = value, in an INI file, a query, a header or JSON, when the name says what it is.
    (
        re.compile(
            r"(?i)([\w-]*(?:token|password|passwd|secret|signature|access_?key|authorization)\w*[\"']?\s*[=:]\s*[\"']?)"
            r"(?!\*\*\*|https?://)[^\s\"',;&]{16,}"
        ),
        rf"\1{HIDDEN}",
    ),
)
_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
"""A terminal obeys them, whoever wrote them."""


def scrub(text: str) -> str:
    """Return a text without what looks like a secret, and without control characters."""
    text = text.translate(_CONTROLS)
    for pattern, instead in _LOOKS:
        text = pattern.sub(instead, text)
    return text


def redact(value: Any, clean: Callable[[str], str], depth: int = 0) -> Any:
    """Return a value as plain JSON values; every text, dictionary keys included, has gone through `clean`."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {
            clean(str(name)): HIDDEN if _is_secret(name, item) else redact(item, clean, depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | AbstractSet):
        return [redact(item, clean, depth + 1) for item in value]
    if isinstance(value, bytes | bytearray):
        value = bytes(value).decode(errors="replace")
    return clean(value if isinstance(value, str) else _shown(value))


def _is_secret(name: object, value: object) -> bool:
    harmless = value is None or value == "" or isinstance(value, bool | int | float)
    return not harmless and _SECRET_NAME.search(str(name)) is not None


def _shown(value: object) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - a value that cannot be shown must not cost the line
        return f"<{type(value).__name__}: {type(error).__name__}>"
