"""Edits to JSON text: replace, drop and add members, and touch no byte beside them.

What is new is written in the file's own style; a file without one gets docker's (tabs, no final newline).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Union

from ecr_refreshd.core.jsontext import Document, JsonObject

Fresh = Union[str, Mapping[str, "Fresh"]]  # noqa: UP007 - a recursive alias needs the string form on 3.11
"""A new value: JSON text as it is, or the members of an object, each key already JSON text."""


def quoted(name: str) -> str:
    """Return a text as JSON, in ASCII only: it fits documents that are read byte by byte."""
    return json.dumps(name)


@dataclass(frozen=True, slots=True)
class Style:
    """How a document is laid out.

    Attributes:
        newline: what ends its lines; "" when objects stand on one line.
        unit: one level of indentation.
        colon, comma: what stands between a key and its value, and between members on one line.
    """

    newline: str = "\n"
    unit: str = "\t"
    colon: str = ": "
    comma: str = ", "

    @classmethod
    def of(cls, document: Document) -> Style:
        """Return the style of a document, told by its first two members."""
        if document.root is None or not document.root.members:
            return cls(newline="\r\n" if "\r\n" in document.text else "\n")
        text, members = document.text, document.root.members
        first = members[0]
        gap = text[document.root.start + 1 : first.start]
        colon = text[first.colon : first.at]
        if "\n" in colon or "\r" in colon:
            colon = ": "
        if "\n" in gap:
            return cls("\r\n" if "\r\n" in gap else "\n", gap.rpartition("\n")[2], colon)
        comma = ", " if colon.endswith(" ") else ","
        if len(members) > 1:
            comma = text[first.end : members[1].start]
        return cls("", "", colon, comma)

    def render(self, fresh: Fresh, indent: str) -> str:
        """Return a new value's text; `indent` is that of the line it begins on."""
        if isinstance(fresh, str):
            return fresh
        inner = indent + self.unit
        items = [f"{name}{self.colon}{self.render(value, inner)}" for name, value in fresh.items()]
        if not self.newline:
            return "{" + self.comma.join(items) + "}"
        brk = self.newline + inner
        return "{" + brk + f",{brk}".join(items) + self.newline + indent + "}"


_blank = re.compile(r"[ \t]*").match


def _indent_of_line(text: str, at: int) -> str:
    found = _blank(text, text.rfind("\n", 0, at) + 1)
    return found.group() if found else ""


@dataclass(slots=True)
class Splice:
    """Edits collected for one document, applied together by `result`."""

    document: Document
    style: Style = field(init=False)
    _edits: list[tuple[int, int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.style = Style.of(self.document)

    def put(self, start: int, end: int, fresh: Fresh) -> None:
        """Write a new value in the place of a span."""
        indent = _indent_of_line(self.document.text, start)
        self._edits.append((start, end, self.style.render(fresh, indent)))

    def edit(self, owner: JsonObject, dropped: Collection[int], added: Mapping[str, Fresh]) -> None:
        """Drop members of an object by their index, and add new ones at its end.

        One call per object: the comma that goes or stays depends on all of it.
        """
        kept = [i for i in range(len(owner.members)) if i not in dropped]
        members = owner.members
        for before, index in zip([-1, *kept], kept, strict=False):
            if index != before + 1:
                self._edits.append((members[before + 1].start, members[index].start, ""))
        if not kept and not members:
            self._fill(owner, added)
            return
        end = members[-1].end
        if kept:
            start = members[kept[-1]].end
            self._edits.append((start, end, self._appended(owner, added, leading=True)))
        else:
            self._edits.append((members[0].start, end, self._appended(owner, added, leading=False)))

    def result(self) -> bytes:
        """Return the document with every edit applied."""
        old, at = memoryview(self.document.data), 0
        out: list[bytes | memoryview] = []
        for start, end, new in sorted(self._edits):
            out += [old[at:start], new.encode("latin-1")]
            at = end
        return b"".join([*out, old[at:]])

    def _appended(self, owner: JsonObject, added: Mapping[str, Fresh], *, leading: bool) -> str:
        """Return new members as they follow the last old one of an object (or stand alone in its place)."""
        text, style = self.document.text, self.style
        gap = text[owner.start + 1 : owner.members[0].start]
        if "\n" in gap and style.newline:
            indent = gap.rpartition("\n")[2]
            comma = "," + style.newline + indent
        else:
            indent, style = "", Style("", "", style.colon, style.comma if not style.newline else ", ")
            comma = style.comma
        items = [f"{name}{style.colon}{style.render(value, indent)}" for name, value in added.items()]
        return (comma if leading and items else "") + comma.join(items)

    def _fill(self, owner: JsonObject, added: Mapping[str, Fresh]) -> None:
        """Add members to an object that has none; blanks inside it stay where they are."""
        if not added:
            return
        inside = self.document.text[owner.start + 1 : owner.end - 1]
        whole = self.style.render(added, _indent_of_line(self.document.text, owner.start))
        body = whole[1:-1]
        if "\n" in inside and self.style.newline:
            body = body[: body.rindex("\n")].removesuffix("\r")
        self._edits.append((owner.start + 1, owner.start + 1, body))
