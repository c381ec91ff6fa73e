"""Takes what may be a secret out of texts that others wrote: AWS's messages, a credential_process's stderr.

Names of programs, profiles, roles and operations stay, because they are what the text is shown for.
"""

from __future__ import annotations

import re

_LONGEST = 300
_SECRET_KEY = 40
"""Letters of an AWS secret key, which may hold slashes."""
_NAMED = re.compile(
    r"""(?ix) \b([\w-]*(?:secret|token|password|passwd|authorization|bearer|api[_-]?key|access[_-]?key)[\w-]*
    ["']? \s* [:=] \s* (?:bearer\s+|basic\s+)? ["']?) [^\s"',;&]+"""
)
_KEY_ID = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b")
_USER = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@]+@")
_QUERY = re.compile(r"(?i)\b(https?://[^\s?#]+)[?#]\S+")
_WORD = re.compile(r"[A-Za-z0-9+/_.%~-]{16,}=*")
_ARN = re.compile(r"arn:[a-z0-9-]+:\S*")


def first_line(text: str) -> str:
    """Return the first line of a text that says something, redacted, at most 300 characters.

    Of a Python traceback that is its last one.
    """
    lines = [line for raw in text.splitlines() if (line := raw.strip())]
    if not lines:
        return ""
    return redacted(lines[-1] if lines[0].startswith("Traceback (most recent call") else lines[0])


def redacted(text: str) -> str:
    """Return a text without what may be a secret, at most 300 characters of it."""
    text = _NAMED.sub(r"\1***", text[: _LONGEST * 10])
    text = _QUERY.sub(r"\1?***", _USER.sub(r"\1***@", _KEY_ID.sub("***", text)))
    pieces, last = [], 0
    for arn in _ARN.finditer(text):
        pieces += [_WORD.sub(_judge, text[last : arn.start()]), arn[0]]
        last = arn.end()
    shown = "".join([*pieces, _WORD.sub(_judge, text[last:])])
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _judge(found: re.Match[str]) -> str:
    """Judge word by word: letters and digits mixed at random are a key, ``GetAuthorizationToken`` is not."""
    text = found[0]
    shown = "/".join("***" if _is_key(part) else part for part in text.split("/"))
    is_path = text.startswith("/") and len(text) != _SECRET_KEY
    return "***" if shown == text and not is_path and _is_key(text) else shown


def _is_key(word: str) -> bool:
    digits = sum(letter.isdigit() for letter in word)
    letters = sum(letter.isalpha() for letter in word)
    if len(word) < 16 or not letters:
        return False
    mixed = digits > 0 and any(c.isupper() for c in word)
    hexadecimal = digits > 3 and re.fullmatch(r"[0-9a-f-]{20,}", word) is not None
    return mixed or hexadecimal or len(word) >= 64
