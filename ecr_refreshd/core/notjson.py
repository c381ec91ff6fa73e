"""Name what a file that should be JSON holds instead, so that its reader knows how it came about.

Sentences never quote the file: it may hold secrets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotJson:
    """What a file holds instead of JSON.

    Attributes:
        text: as the end of a sentence that begins with the file's name and a place in it.
        is_whole: it is true of the whole file, so that the place tells nothing.
    """

    text: str
    is_whole: bool = False


_UTF16 = (
    "the file is UTF-16 text, as PowerShell 5 writes it with > and Out-File, and docker reads UTF-8 only; "
    "save it as UTF-8 without a byte order mark"
)
_UTF32 = "the file is UTF-32 text; docker reads UTF-8 only"
_NULS = "the file holds NUL bytes, as a power cut or a full disk leaves a file that was being written"
_CONFLICT = "the file holds the conflict marks of a git merge (<<<<<<< ======= >>>>>>>)"
_PAGE = "the file is HTML or XML, such as a sign-in or error page that a proxy or a server sent in its place"
_YAML = "the file is YAML; docker reads JSON only"
_COMMENT = "comments are not JSON, and docker accepts none"
_QUOTED = (
    "the text stands in quotes of its own, which belong to the shell or the file that it was copied from"
)
_BASE64 = "the text is still base64, as a Kubernetes secret keeps it; it has to be decoded"
_TEMPLATE = "this is the placeholder of a template that was not filled in"
_PATH = "this is a path, not the JSON text itself"
_LEADING_BOM = "the file starts with a byte order mark, which docker and podman reject"

_CONFLICT_MARKS = re.compile(r"^(?:<{7}|>{7})(?: |\r?$)", re.MULTILINE)
_YAML_LINE = re.compile(r"(?:---[ \t]*\r?\n|[A-Za-z_][\w.-]*:(?:[ \t]|\r?\n|$))")
_INI_LINE = re.compile(r"\[[A-Za-z][^\]\"{}]*\][ \t]*\r?$|[A-Za-z_][\w.-]*[ \t]*=", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{\{|\$\{|\$\(|<%|%\(|\$[A-Za-z_]")
_PATH_TEXT = re.compile(r"(?:~|\.{0,2}|[A-Za-z]:)[/\\][^\s\"{}]*$")


def recognised(text: str, at: int) -> NotJson | None:
    """Return what a text is that fails to parse at a place, None if nothing is recognised.

    Args:
        text: the file, a character for each byte (Latin-1).
        at: where its parser stopped.
    """
    return _by_bytes(text) or _by_place(text, at)


def _by_bytes(text: str) -> NotJson | None:
    if text.startswith(("\xff\xfe\x00\x00", "\x00\x00\xfe\xff")):
        return NotJson(_UTF32, is_whole=True)
    if text.startswith(("\xff\xfe", "\xfe\xff")) or re.match(
        r"(?:[\t\n\r -~]\x00){2}|(?:\x00[\t\n\r -~]){2}", text
    ):
        return NotJson(_UTF16, is_whole=True)
    if "\x00" in text:
        return NotJson(_NULS, is_whole=True)
    if text.startswith("\xef\xbb\xbf"):
        return NotJson(_LEADING_BOM)
    if text.startswith(("\x1f\x8b", "PK\x03\x04", "BZh", "\xfd7zXZ")):
        return NotJson("the file is compressed; docker reads plain text only", is_whole=True)
    return NotJson(_CONFLICT) if _CONFLICT_MARKS.search(text) else None


def _by_place(text: str, at: int) -> NotJson | None:
    here = text[at:]
    if _PATH_TEXT.match(text.strip()) and not here.startswith(("//", "/*")):
        return NotJson(_PATH, is_whole=True)
    if here.startswith(("//", "/*", "#")):
        first = here.startswith("#!") and at == 0
        return NotJson("this is a script, not a docker config" if first else _COMMENT)
    if _PLACEHOLDER.match(here) or text[max(0, at - 1) : at + 1] == "{{":
        return NotJson(_TEMPLATE)
    if text[:at].strip():
        return None
    return _by_beginning(here)


def _by_beginning(here: str) -> NotJson | None:
    """Return what a text is whose very beginning is no JSON object."""
    if here.startswith("<"):
        return NotJson(_PAGE, is_whole=True)
    if here.startswith(("'", '"', "`")):
        return NotJson(_QUOTED)
    if here.startswith("eyJ") or re.match(r"ew[0-9A-Za-z]", here):
        return NotJson(_BASE64, is_whole=True)
    if _YAML_LINE.match(here):
        return NotJson(_YAML, is_whole=True)
    if _INI_LINE.match(here):
        return NotJson("the file is INI or TOML text; docker reads JSON only", is_whole=True)
    if here.startswith("-----BEGIN"):
        return NotJson("the file is a key or a certificate, not a docker config", is_whole=True)
    return NotJson("the document is a list, not an object") if here.startswith("[") else None
