"""Quote the line at which a TOML text stops being TOML, and guess what was meant.

A line may hold a secret (a webhook's address, a header, a variable): of such a key only the name is quoted.
"""

from __future__ import annotations

import json
import re

_LONGEST = 80
_BARE_KEY = r"[A-Za-z0-9_.-]+"
_PAIR = re.compile(rf"\s*(?P<key>{_BARE_KEY}|\"[^\"]*\")\s*(?P<sign>[=:])\s*(?P<value>.*?)\s*$")
_OPEN = re.compile(r"=\s*\[[^\]]*$")
_TITLE = re.compile(r"\s*(?:\[[^\[\]]*|\[\[[^\]]*\]?)\s*$")
"""Of a table, and not closed."""
_SHOWN = frozenset({
    "account", "adopt", "aliases", "desktop", "endpoint_url", "external_id", "file_mode", "files", "format",
    "heal", "host", "ignore", "level", "login_backed", "mode", "on_demand", "on_foreign", "on_login_end",
    "on_logout", "probe", "profile", "profiles", "regions", "renew", "role_arn", "session_name",
    "startup_splay", "timeout", "unattended", "warn_before", "when", "credential_process_timeout",
})  # fmt: skip
"""Keys of ours whose value is no secret."""
_TRUE = frozenset({"yes", "on", "true", "1"})
_FALSE = frozenset({"no", "off", "false", "0"})
_ADDRESS = re.compile(r"://[^/\s]*@|[?]")


def explained(text: str, line: int) -> str:
    """Return what follows the parser's words: the line, and what may have been meant; "" if nothing can be said.

    Args:
        text: the whole file.
        line: where the parser stopped, from 1.
    """
    lines = text.splitlines()
    if line > len(lines) or not lines[line - 1].strip():
        # An array or a text that is not closed goes on to the end of the file: its first line is the wrong one.
        line = max((n for n, each in enumerate(lines, 1) if _OPEN.search(each)), default=0)
    if line < 1:
        return ""
    wrong = lines[line - 1]
    pair = _PAIR.match(wrong)
    shown = _quotable(wrong, pair)
    guess = _guess(wrong, pair)
    return f"{f': {shown}' if shown else ''}{f' (write: {guess})' if guess else ''}"


def _quotable(wrong: str, pair: re.Match[str] | None) -> str:
    stripped = wrong.strip()
    if stripped.startswith("["):
        return stripped[:_LONGEST]
    if pair is None:
        return ""
    if pair["key"] not in _SHOWN or _ADDRESS.search(pair["value"]):
        return f"{pair['key']} {pair['sign']} ..."
    return stripped if len(stripped) <= _LONGEST else f"{stripped[:_LONGEST]}..."


def _guess(wrong: str, pair: re.Match[str] | None) -> str:
    """Return the line as it may have been meant; "" without a guess."""
    if _TITLE.match(wrong):
        name = wrong.strip().strip("[] \t")
        return f"[[{name}]]" if wrong.strip().startswith("[[") else f"[{name}]"
    if pair is None or pair["key"] not in _SHOWN or _ADDRESS.search(pair["value"]):
        return ""
    key, value = pair["key"], pair["value"].partition(" #")[0].strip()
    meant = _value(value)
    return f"{key} = {meant}" if meant and (meant != value or pair["sign"] == ":") else ""


def _value(value: str) -> str:
    """Return a value as TOML has it: a boolean in lower case, a text in double quotes, a list closed."""
    lower = value.lower()
    if lower in _TRUE | _FALSE and not value.isdigit():
        return "true" if lower in _TRUE else "false"
    if re.fullmatch(r"[0-9]+|true|false", value):
        return value
    if value.startswith("["):
        inner = value.strip("[] \t").rstrip(",")
        return f"[{', '.join(_value(each.strip()) for each in inner.split(',') if each.strip())}]"
    bare = value.strip("\"'\u201c\u201d\u2018\u2019\u00ab\u00bb")
    if not bare or set(bare) & set("\"'{}"):
        return ""
    return json.dumps(bare, ensure_ascii=False)
