"""Registries in the images that people's files name: Dockerfiles, compose files, workflows, manifests.

It is a search for text, not a reading of each format: an image is written the same way in all of them. What is
put together from variables cannot be told, and is named as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ecr_refreshd.core import hosts

_NAMED = re.compile(
    r"(?<![A-Za-z0-9.-])(?:[0-9]{12}\.dkr[.-]ecr[a-z0-9.-]*[a-z0-9]|public\.ecr\.aws|ecr-public\.aws\.com)"
    r"(?![A-Za-z0-9-]|\.[A-Za-z0-9])"
)
_WORD = r"(?:\{\{[^}]*\}\}|[^\s\"'])*"
_COMPOSED = re.compile(rf"{_WORD}dkr[.-]ecr{_WORD}")


@dataclass(frozen=True, slots=True)
class Mention:
    """A registry that a line names.

    Attributes:
        host: canonical; "" where variables stand in the name.
        line: its number, from 1.
        text: the name as it is written there.
    """

    host: str
    line: int
    text: str


def mentions(text: str) -> Iterator[Mention]:
    """Yield the registries that a text names, line by line; a line that is a comment counts too."""
    for number, line in enumerate(text.splitlines(), 1):
        if "ecr" not in line:
            continue
        for found in _NAMED.finditer(line):
            host = hosts.parse(found.group())
            if host is not None:
                yield Mention(host.name, number, found.group())
        for found in _COMPOSED.finditer(line):
            composed = "$" in found.group() or "{{" in found.group()
            if composed and not _NAMED.search(found.group()):
                yield Mention("", number, found.group()[:120])
