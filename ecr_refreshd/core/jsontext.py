"""JSON as text: where each member stands in the bytes, so that one value can change and nothing else does.

A document is read as Latin-1, which gives every byte one character: spans are byte offsets, and bytes that are
no UTF-8 survive. The C scanner of `json` jumps over whatever nobody asked about. Accepted is what Go's
``encoding/json`` accepts in one piece, as podman reads it (docker alone also takes text after the document).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from ecr_refreshd.core.notjson import recognised

MAX_DEPTH = 10_000
"""Go's own limit on nesting; a deeper document is an error to docker and podman."""

NOTHING_OPENED: frozenset[str] = frozenset()


class JsonError(ValueError):
    """The bytes are not what their readers accept.

    Attributes:
        reason: plain words; never a piece of the document, which holds secrets.
        line, column: from 1, in characters.
        is_whole: the reason is true of the whole document, and the place tells nothing.
    """

    def __init__(self, reason: str, line: int, column: int, *, is_whole: bool = False) -> None:
        super().__init__(reason if is_whole else f"line {line}, column {column}: {reason}")
        self.reason = reason
        self.line = line
        self.column = column
        self.is_whole = is_whole


@dataclass(frozen=True, slots=True)
class Number:
    """A number by its spelling; equal only when spelt alike, so that no digit is ever rounded away."""

    text: str


@dataclass(frozen=True, slots=True)
class Deep:
    """A value nested too deeply for the C scanner: skipped, and known by its text only."""

    text: str


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an object: where it stands and what it says.

    Attributes:
        name: the key, unescaped.
        start, colon: the key's opening quote, and the place right behind its closing one.
        at, end: the value's span.
        value: str, bool, None, `Number`, list, tuple of pairs (an object), `Deep`, or the `JsonObject` itself
            where the caller asked for it to be opened.
    """

    name: str
    start: int
    colon: int
    at: int
    end: int
    value: Any


@dataclass(frozen=True, slots=True)
class JsonObject:
    """An object with its braces at `start` and `end` - 1; duplicate members are kept, in order."""

    start: int
    end: int
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A document, and its root.

    Attributes:
        data, text: the same, byte by byte and character by character.
        root: None when there is nothing (an empty file, only spaces, or ``null``).
        start, end: the span of the root, or of what stands in its place.
    """

    data: bytes
    text: str
    root: JsonObject | None
    start: int
    end: int


def scan(data: bytes, opened: frozenset[str] = NOTHING_OPENED) -> Document:
    """Scan a whole document whose root is an object.

    Args:
        data: the file. Empty, blank and ``null`` documents have no root: docker reads all three as ``{}``.
        opened: folded names of root members whose objects are wanted member by member.

    Raises:
        JsonError: docker or podman would not accept it.
    """
    text = data.decode("latin-1")
    if data.startswith(b"\xef\xbb\xbf"):
        _malformed(text, 0, "a byte order mark")
    start = _skip_space(text, 0)
    if start == len(text):
        return Document(data, text, None, start, start)
    if text.startswith("null", start):
        root, end = None, start + 4
    elif text[start] == "{":
        root = scan_object(text, start, opened)
        end = root.end
    else:
        _malformed(text, start, "the document is not an object")
    rest = _skip_space(text, end)
    if rest != len(text):
        _malformed(text, rest, "text stands after the end of the document")
    return Document(data, text, root, start, end)


def scan_object(text: str, start: int, opened: frozenset[str] = NOTHING_OPENED, depth: int = 1) -> JsonObject:
    """Scan the object whose brace is at `start`: its own members, and those in `opened` one level further.

    Raises:
        JsonError: the text from there on is no object.
    """
    members: list[Member] = []
    at = _skip_space(text, start + 1)
    if text[at : at + 1] == "}":
        return JsonObject(start, at + 1, ())
    while True:
        if text[at : at + 1] != '"':
            _malformed(text, at, "a key in double quotes is expected here")
        name, colon = _value(text, at, depth)
        if not name.isascii():
            name = json.loads(text[at:colon].encode("latin-1").decode("utf-8", "replace"), strict=False)
        value_at = _skip_space(text, colon)
        if text[value_at : value_at + 1] != ":":
            _malformed(text, value_at, "a colon is expected after the key")
        value_at = _skip_space(text, value_at + 1)
        if opened and text[value_at : value_at + 1] == "{" and folded(name) in opened:
            value: Any = scan_object(text, value_at, depth=depth + 1)
            end = value.end
        else:
            value, end = _value(text, value_at, depth)
        members.append(Member(name, at, colon, value_at, end, value))
        at = _skip_space(text, end)
        if text[at : at + 1] == "}":
            return JsonObject(start, at + 1, tuple(members))
        if text[at : at + 1] != ",":
            _malformed(text, at, "a comma or a closing brace is expected here")
        at = _skip_space(text, at + 1)


def folded(name: str) -> str:
    """Return a key as Go compares it with the name of a field: without case, and with its two odd letters."""
    return name.replace("\u017f", "s").replace("\u212a", "k").lower()


def _malformed(text: str, at: int, reason: str) -> NoReturn:
    """Raise the error for a place at which the text is no JSON, with what the text is instead if that is seen."""
    found = recognised(text, at)
    if found is None:
        fail(text, at, reason)
    fail(text, min(at, len(text) - 1), found.text, is_whole=found.is_whole)


def fail(text: str, at: int, reason: str, *, is_whole: bool = False) -> NoReturn:
    """Raise the error for this place.

    Raises:
        JsonError: always.
    """
    if at >= len(text):
        at, reason = len(text), f"the file ends too early: {reason}"
    bol = text.rfind("\n", 0, at) + 1
    column = len(text[bol:at].encode("latin-1").decode("utf-8", "replace")) + 1
    raise JsonError(reason, text.count("\n", 0, at) + 1, column, is_whole=is_whole)


_space = re.compile(r"[ \t\n\r]*").match


def _skip_space(text: str, at: int) -> int:
    found = _space(text, at)
    return found.end() if found else at


class _NoNumberError(ValueError):
    """`NaN` and `Infinity`, which Python takes and Go does not."""


def _refuse_constant(_: str) -> NoReturn:
    raise _NoNumberError


# Pairs keep duplicates and order; spelt numbers are never too long for int() nor rounded by float().
_decode = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=Number, parse_float=Number, parse_constant=_refuse_constant
).raw_decode


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    """Return the value at a place and its end; `depth` counts the objects around it."""
    try:
        return _decode(text, at)
    except json.JSONDecodeError as error:
        place, reason = error.pos, error.msg[:1].lower() + error.msg[1:].rstrip(": ")
    except _NoNumberError:
        place, reason = at, "NaN and Infinity are not JSON"
    except RecursionError:
        place, reason = -1, ""
    # Outside the handlers: a JSONDecodeError carries the whole document, and must not hang on ours as context.
    if not reason:
        end = _skip_deep(text, at, depth)
        return Deep(text[at:end]), end
    _malformed(text, place, reason.removesuffix(" at").removesuffix(" starting"))


_token = re.compile(
    r"[ \t\n\r]*(?:(?P<mark>[{}\[\],:])"
    r'|(?P<string>"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*")'
    r"|(?P<plain>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null))"
).match

# What may stand next -> what each kind of token leads to. An opening mark always expects its own first item.
_NEXT = {
    "value": {"[": "first item", "{": "first key", "plain": "after", "string": "after"},
    "first item": {"[": "first item", "{": "first key", "plain": "after", "string": "after", "]": "after"},
    "first key": {"string": "colon", "}": "after"},
    "key": {"string": "colon"},
    "colon": {":": "value"},
}


def _skip_deep(text: str, at: int, depth: int) -> int:
    """Return the end of the value at a place, with a stack of our own instead of the interpreter's."""
    stack: list[str] = []
    expected = "value"
    while True:
        found = _token(text, at)
        if found is None:
            _malformed(text, _skip_space(text, at), "what stands here is not JSON")
        kind = found["mark"] or found.lastgroup or ""
        if expected == "after":
            step = {",": "key" if stack[-1] == "{" else "value", "}" if stack[-1] == "{" else "]": "after"}
        else:
            step = _NEXT[expected]
        if kind not in step:
            _malformed(text, found.start(found.lastgroup or 0), "this mark or value is not expected here")
        expected = step[kind]
        at = found.end()
        if kind in ("{", "["):
            stack.append(kind)
            if len(stack) + depth > MAX_DEPTH:
                _malformed(text, at - 1, f"values are nested more than {MAX_DEPTH} deep")
        elif kind in ("}", "]"):
            stack.pop()
        if not stack:
            return at
