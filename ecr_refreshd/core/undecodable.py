"""Find what keeps docker from decoding any login of a config that parses: one value of a wrong type is enough."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ecr_refreshd.core.clients import shapes
from ecr_refreshd.core.dockerconfig import Config
from ecr_refreshd.core.dockerentry import bare, decoded
from ecr_refreshd.core.jsontext import folded

_NEWEST = shapes.docker()


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A value that docker cannot use.

    Attributes:
        what: a half sentence on it. Never holds its content.
        line: where it stands, from 1.
    """

    what: str
    line: int


def mistyped(config: Config) -> Iterator[Obstacle]:
    """Yield the fields of a wrong type: each ends docker's decoding (docker/cli configfile.LoadFromReader)."""
    text, root = config.document.text, config.document.root
    for member in root.members if root else ():
        fits = _NEWEST.fields.get(folded(member.name))
        if fits is not None and not fits(member.value):
            yield Obstacle(f"{member.name} is of the wrong type", text.count("\n", 0, member.at) + 1)


def undecodable(config: Config, kept: Collection[str] = ()) -> Iterator[Obstacle]:
    """Yield the entries that are not base64 of ``user:password``.

    Docker stops decoding at one, wherever Go's map has it: which others are decoded is chance.

    Args:
        config: docker's own config.json.
        kept: hosts whose own entries are passed over.
    """
    text = config.document.text
    for member in config.entries():
        auth = "" if bare(member.name) in kept else config.fields(member).get("auth", "")
        if auth and not decoded(auth)[0]:
            line = text.count("\n", 0, member.at) + 1
            yield Obstacle(f"the login of {member.name} is not base64 of user:password", line)
