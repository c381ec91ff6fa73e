"""Where in a TOML text each key stands, which `tomllib` does not tell: for ``path:line:`` in messages.

The text must have been accepted by `tomllib` before: this scanner knows only what it needs to step over the
parts, and would misread an invalid document. Lines are counted from 1.
"""

from __future__ import annotations

import re
import tomllib

Path = tuple[str | int, ...]
"""The way to a value: keys, and positions (from 0) in arrays and arrays of tables."""

_BLANK = re.compile(r"[ \t]*")
_BETWEEN = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY_PART = re.compile(r"""(?P<bare>[A-Za-z0-9_-]+)|"(?:[^"\\]|\\.)*"|'[^']*'""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'  # up to two quotes may stand right before the closing three
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def key_lines(text: str) -> dict[Path, int]:
    """Return the line of every key, table header and array element of a valid TOML text.

    Raises:
        RecursionError: arrays nested some hundred deep, about where tomllib gives up too.
    """
    return _Scanner(text).scan()


class _Scanner:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counted_to = 0
        self._line = 1
        self._lines: dict[Path, int] = {}
        self._array_lengths: dict[Path, int] = {}

    def scan(self) -> dict[Path, int]:
        """Return what `key_lines` promises."""
        table: Path = ()
        self._skip(_BETWEEN)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BETWEEN)
        return self._lines

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError("not a TOML text that tomllib accepts")
        self._at = found.end()
        return found.group()

    def _note(self, path: Path) -> None:
        # Text before the present place is counted once, so the whole scan stays linear in the text.
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        self._lines.setdefault(path, self._line)

    def _key(self) -> Path:
        parts: list[str | int] = []
        while True:
            self._skip(_BLANK)
            found = _KEY_PART.match(self._text, self._at)
            if found is None:
                raise ValueError("not a TOML text that tomllib accepts")
            self._at = found.end()
            # tomllib itself undoes the escapes of a quoted key.
            parts.append(found["bare"] or tomllib.loads(f"key = {found.group()}")["key"])
            self._skip(_BLANK)
            if self._text[self._at] != ".":
                return tuple(parts)
            self._at += 1

    def _header(self) -> Path:
        is_array = self._text.startswith("[[", self._at)
        begin = self._at
        self._at += 2 if is_array else 1
        key = self._key()
        end = self._at + (2 if is_array else 1)
        path: Path = ()
        self._at = begin
        for part in key[:-1]:
            path = self._newest((*path, part))
            self._note(path)
        path = (*path, key[-1])
        if is_array:
            self._note(path)
            self._array_lengths[path] = self._array_lengths.get(path, 0) + 1
        path = self._newest(path)
        self._note(path)
        self._at = end
        return path

    def _newest(self, path: Path) -> Path:
        """Return the table a header's part names: of an array of tables it is the last one so far."""
        length = self._array_lengths.get(path)
        return path if length is None else (*path, length - 1)

    def _pair(self, table: Path) -> None:
        begin = self._at
        key = self._key()
        end = self._at
        self._at = begin
        for depth in range(1, len(key) + 1):
            self._note((*table, *key[:depth]))
        self._at = end + 1  # the equals sign
        self._value((*table, *key))

    def _value(self, path: Path) -> None:
        self._skip(_BLANK)
        opening = self._text[self._at]
        if opening in "[{":
            self._at += 1
            position = 0
            self._skip(_BETWEEN)
            while self._text[self._at] not in "]}":
                if opening == "[":
                    self._note((*path, position))
                    self._value((*path, position))
                else:
                    self._pair(path)
                position += 1
                self._skip(_BETWEEN)
                if self._text[self._at] == ",":
                    self._at += 1
                    self._skip(_BETWEEN)
            self._at += 1
        elif opening in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)
