"""What a value of the settings file may be: one function per kind, from the TOML value to ours.

Each raises WrongValueError when the value is impossible. A message quotes what was written only where it
cannot be a secret. Names that AWS gives (hosts, regions, roles) are in `core.settings_names`.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import shlex
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from urllib.parse import SplitResult, urlsplit

from ecr_refreshd.core.durations import (
    Window,
    WrongValueError,
    duration_text,
    parse_duration,
    parse_window,
    shown,
)
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.settings import Webhook

_NAMES: dict[type, str] = {
    bool: "true or false",
    str: "text",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
    datetime: "a date",
    date: "a date",
    time: "a time",
}

_FLAG_WORDS = {
    "true": ("true", "yes", "on", "auto", "always"),
    "false": ("false", "no", "off", "never"),
}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY_MATERIAL = re.compile(
    r"SECRET|PASSW|TOKEN|CREDENTIAL|PRIVATE_KEY|ACCESS_KEY|API_?KEY|BEARER", re.IGNORECASE
)
_PLACES_OF_KEYS = ("_FILE", "_URI", "_PATH", "_DIR")
# The shape of an access key ID; no profile, path or proxy looks like it.
_ACCESS_KEY_ID = re.compile(r"(?<![A-Z0-9])A(?:KIA|SIA)[A-Z0-9]{16}(?![A-Z0-9])")


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the name most like this one, or "" when none is near."""
    near = difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0.6)
    return near[0] if near else ""


def type_name(raw: object) -> str:
    """Return what people call a TOML value's type."""
    return _NAMES.get(type(raw), type(raw).__name__)


def text(raw: object) -> str:
    """Any text without control characters."""
    if not isinstance(raw, str):
        hint = f': write "{raw}"' if type(raw) is int else ""
        raise WrongValueError(f"must be text in quotes, not {type_name(raw)}{hint}")
    if not raw.isprintable():
        raise WrongValueError("holds a control character")
    return raw


def flag(raw: object) -> bool:
    """Either true or false."""
    if isinstance(raw, bool):
        return raw
    word = raw.strip().lower() if isinstance(raw, str) else ""
    wrong = "must be true or false (without quotes), not"
    for meant, words in _FLAG_WORDS.items():
        if word in words:
            raise WrongValueError(f'{wrong} "{word}" (nearest: {meant})')
    raise WrongValueError(f"{wrong} {type_name(raw)}")


def one_of(choices: tuple[str, ...]) -> Callable[[object], str]:
    """Return the kind whose values are these words."""

    def choice(raw: object) -> str:
        word = text(raw)
        if word not in choices:
            near = nearest(word, choices)
            meant = f' (nearest: "{near}")' if near else ""
            raise WrongValueError(f"{shown(word)} is not one of {', '.join(choices)}{meant}")
        return word

    return choice


def duration(least: timedelta, most: timedelta) -> Callable[[object], timedelta]:
    """Return the kind of durations within these bounds, both included."""

    def bounded(raw: object) -> timedelta:
        if type(raw) is int:
            raise WrongValueError(f'must be text with a unit, not a bare number: write "{raw}s" for seconds')
        value = parse_duration(text(raw))
        if not least <= value <= most:
            bounds = f"between {duration_text(least)} and {duration_text(most)}"
            raise WrongValueError(f"{shown(text(raw))} must lie {bounds}")
        return value

    return bounded


def window(raw: object) -> Window:
    """A window of a token's life, such as ``50%-67%``."""
    return parse_window(text(raw))


def file_mode(raw: object) -> int | None:
    """Permission bits that let the owner write and nobody outside the group read; None for ``keep``."""
    if type(raw) is int:
        raise WrongValueError('must be text in quotes: write "0600"')
    word = text(raw)
    if word == "keep":
        return None
    if not re.fullmatch(r"(?:0o?)?[0-7]{3}", word):
        near = ' (nearest: "keep")' if nearest(word, ("keep",)) else ""
        raise WrongValueError(f'{shown(word)} is neither "keep" nor an octal file mode such as "0640"{near}')
    mode = int(word, 8)
    if mode & 0o007:
        raise WrongValueError(
            f"{shown(word)} would let everyone on the machine at the token; the widest is 0660"
        )
    if mode not in (0o600, 0o640, 0o660):
        raise WrongValueError(f"{shown(word)} must be one of 0600, 0640, 0660")
    return mode


def path(raw: object) -> str:
    """The path of a file: absolute, or from ``~/``. A service has no folder of its own to start from."""
    word = text(raw)
    if not word.startswith(("/", "~/")):
        raise WrongValueError(f'{shown(word)} must begin with "/" or "~/"')
    if word.endswith("/") or word.rsplit("/", 1)[1] in (".", ".."):
        raise WrongValueError(f"{shown(word)} names a folder; name the file in it, such as config.json")
    return word


def argument(raw: object) -> str:
    """One element of an argv. Any character but NUL, which no program can be given."""
    if not isinstance(raw, str):
        raise WrongValueError(f"must be text in quotes, not {type_name(raw)}")
    if "\0" in raw:
        raise WrongValueError("holds a NUL character")
    return raw


def command_line(raw: object) -> str:
    """A program and its arguments, as a shell would split them."""
    line = text(raw)
    try:
        words = shlex.split(line)
    except ValueError as exc:
        raise WrongValueError("cannot be split into words: a quote is not closed") from exc
    if not words or not words[0]:
        raise WrongValueError("names no program")
    return line


def url(raw: object) -> str:
    """An http or https URL. Never quoted: its path may be what makes it a secret."""
    word = text(raw)
    parts = split_url(word)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or " " in word:
        raise WrongValueError("is not a URL; it begins with https:// and names a host")
    if parts.username is not None or parts.fragment:
        raise WrongValueError("must be a URL without a user, a password or a fragment")
    return word


def webhook(raw: object) -> Webhook | None:
    """A URL to post notices to; "" is none."""
    if raw == "":
        return None
    word = url(raw)
    parts = split_url(word)
    return Webhook(Secret(word), f"{parts.scheme}://{parts.netloc}/***" if parts else "***")


def split_url(word: str) -> SplitResult | None:
    """Return a URL's parts, or None; urlsplit's own messages would quote parts of it."""
    try:
        parts = urlsplit(word)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return None
    return parts


def in_clear(word: str) -> bool:
    """Return whether what is sent to a URL crosses a network unencrypted."""
    parts = split_url(word)
    return parts is not None and parts.scheme == "http" and not is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(raw: object) -> str:
    """An address and a port to listen on; "" is none."""
    word = text(raw)
    if not word:
        return ""
    host, colon, port = word.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
        fits = bracketed == (address.version == 6)
    except ValueError:
        fits = host == "localhost"
    if not (colon and fits and re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise WrongValueError(f'{shown(word)} is not an address and a port, such as "127.0.0.1:9464"')
    return word


def variable_name(name: str) -> None:
    """Raise WrongValueError unless a name may stand in [environment] set: no key material in a settings file."""
    if not _VARIABLE.fullmatch(name):
        raise WrongValueError("is not a variable's name")
    if _KEY_MATERIAL.search(name) and not name.upper().endswith(_PLACES_OF_KEYS):
        raise WrongValueError(
            "holds key material, which does not belong in a settings file; name a profile instead"
        )


def variable_value(raw: object) -> str:
    """A variable's value. Never quoted."""
    word = argument(raw)
    if _ACCESS_KEY_ID.search(word):
        raise WrongValueError("holds an access key, which does not belong in a settings file")
    return word
