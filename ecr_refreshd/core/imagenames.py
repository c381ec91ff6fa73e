"""Registries in the images that people's files name: Dockerfiles, compose files, workflows, manifests.

It is a search for text, not a reading of each format: an image is written the same way in all of them. What is
put together from variables is told where the file, or the ``.env`` beside it, gives them (core/placeholders.py),
and else is named as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ecr_refreshd.core import hosts
from ecr_refreshd.core.placeholders import given, is_comment, put_together

_NAMED = re.compile(
    r"(?:[0-9]{12}\.dkr[.-]ecr[a-z0-9.-]{0,80}[a-z0-9]|public\.ecr\.aws|ecr-public\.aws\.com)"
    r"(?![a-z0-9-]|\.[a-z0-9])",
    re.ASCII | re.IGNORECASE,
)
_IN_A_NAME = re.compile(r"[A-Za-z0-9.-]")
_DEFAULT = re.compile(r"\$\{\w+:?-")
"""What stands before the default of a shell's variable: ``${REG:-HOST}``."""
_MARK = re.compile(r"dkr[.-]ecr", re.IGNORECASE)
_MOST = 300
"""Characters on either side of a mark. Without a bound a line of base64 takes minutes."""
_AFTER = re.compile(r"(?:\{\{[^}]*\}\}|[^\s\"'])*")
_BEFORE = re.compile(r"(?:\}\}[^{]*\{\{|[^\s\"'@])*")
"""The same from right to left; before an ``@`` stands who signs in, which nobody is to read here."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A registry that a line names.

    Attributes:
        host: canonical; "" where variables stand in the name.
        line: its number, from 1.
        text: the name as it is written there.
        commented: the line is a comment, so that nobody pulls from there just now.
    """

    host: str
    line: int
    text: str
    commented: bool = False


def mentions(text: str, beside: Mapping[str, Sequence[str]] | None = None) -> Iterator[Mention]:
    """Yield the registries that a text names, line by line.

    Args:
        text: a file's.
        beside: what files beside it give for variables, as `placeholders.given` returns it; what the file itself
            gives goes before.
    """
    values = {**(beside or {}), **given(text)}
    for number, line in enumerate(text.splitlines(), 1):
        commented = is_comment(line)
        for name in _named(line):
            host = hosts.parse(name)
            if host is not None:
                yield Mention(host.name, number, name, commented)
        for word in _words(line):
            composed = "$" in word or "{{" in word
            if composed and not commented and not any(_named(word)):
                yield from _composed(word, number, values)


def _composed(word: str, line: int, values: Mapping[str, Sequence[str]]) -> Iterator[Mention]:
    """Yield the registries that a name with variables stands for; the name as such where they are not told."""
    names = [name for whole in put_together(word, values) for name in _named(whole)]
    found = dict.fromkeys(host.name for name in names if (host := hosts.parse(name)) is not None)
    if found:
        yield from (Mention(host, line, word[:120]) for host in found)
    else:
        yield Mention("", line, word[:120])


def _named(line: str) -> Iterator[str]:
    """Yield what is written like a registry's name, and is not the end of another name."""
    for found in _NAMED.finditer(line):
        at = found.start()
        before = line[at - 1 : at] if at else ""
        if not _IN_A_NAME.match(before) or (before == "-" and _is_default(line, at)):
            yield found.group()


def _is_default(line: str, at: int) -> bool:
    begin = line.rfind("${", max(0, at - _MOST), at)
    return begin >= 0 and _DEFAULT.fullmatch(line, begin, at) is not None


def _words(line: str) -> Iterator[str]:
    """Yield the words that may be names put together from variables, each character at most once."""
    done = 0
    for mark in _MARK.finditer(line):
        if mark.start() < done:
            continue
        back = line[max(done, mark.start() - _MOST) : mark.start()][::-1]
        before = _BEFORE.match(back)
        after = _AFTER.match(line, mark.end(), mark.end() + _MOST)
        assert before is not None  # noqa: S101 - for the type checker; both take nothing, too
        assert after is not None  # noqa: S101 - same
        done = after.end()
        yield back[: before.end()][::-1] + line[mark.start() : done]
