"""Variables in people's files: what a file gives for them, and what a name is with them put in.

No shell and no Dockerfile is understood here: assignments are found by their form, one a line (several after
``ARG`` and ``ENV``), and a name that several values fit stands for each of them. All of it is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product

_COMMENT = re.compile(r"\s*(?:#|//)")
_DIRECTIVE = re.compile(r"#\s*syntax\s*=", re.IGNORECASE)
"""A comment that is none: BuildKit pulls the image that it names."""
_ASSIGNED = re.compile(
    r"\s*(?:(?:export|arg|env)\s+)?([A-Za-z_]\w*)\s{0,9}=\s{0,9}(\S*)", re.ASCII | re.IGNORECASE
)
_SEVERAL = re.compile(r"\s*(?:arg|env)\s", re.IGNORECASE)
_PAIR = re.compile(r"(?<=\s)([A-Za-z_]\w*)=(\S*)", re.ASCII)
_OLD_ENV = re.compile(r"\s*env\s+([A-Za-z_]\w*)\s+(\S+)\s*$", re.ASCII | re.IGNORECASE)
_VALUE = re.compile(r"[\w.${}:?/-]{1,200}", re.ASCII)
"""What can be a part of a registry's name, or a variable again."""
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^${}]*))?\}|(\w+))", re.ASCII)
_MOST_NAMES = 1000
_MOST_VALUES = 8
_MOST_RESULTS = 16
_LONGEST = 700
"""Characters; a host's name has 253 at most."""
_DEEPEST = 6
"""So often a value may hold variables again; a circle ends there."""


def is_comment(line: str) -> bool:
    """Return whether a line is a comment as a whole, in any format that names images."""
    return _COMMENT.match(line) is not None and not _DIRECTIVE.match(line)


def given(text: str) -> dict[str, tuple[str, ...]]:
    """Return the values that a text gives to variables: ``NAME=value``, also after ``ARG`` and ``ENV``."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        if is_comment(line):
            continue
        for name, written in _pairs(line[:_LONGEST]):
            value = written.strip("\"'")
            known = found.get(name, ())
            if value in known or len(known) >= _MOST_VALUES or not _VALUE.fullmatch(value):
                continue
            if known or len(found) < _MOST_NAMES:
                found[name] = (*known, value)
    return found


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    if _SEVERAL.match(line):
        old = _OLD_ENV.match(line)
        yield from [(old[1], old[2])] if old else ((pair[1], pair[2]) for pair in _PAIR.finditer(line))
    elif assigned := _ASSIGNED.match(line):
        yield assigned[1], assigned[2]


def put_together(word: str, values: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what a word is with its variables put in, for each of their values; nothing if one is not told.

    A default (``${NAME:-default}``) counts where no value is known.
    """
    waiting, done = [word[:_LONGEST]], []
    for _ in range(_DEEPEST):
        now, waiting = waiting, []
        for each in now:
            if not _VARIABLE.search(each):
                done.append(each)
                continue
            waiting += _replaced(each, values)
        waiting = list(dict.fromkeys(waiting))[:_MOST_RESULTS]
    return list(dict.fromkeys(done))[:_MOST_RESULTS]


def _replaced(text: str, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield a text with the variables that it holds now put in, the innermost of those that hold others."""
    choices: dict[str, Sequence[str]] = {}
    for found in _VARIABLE.finditer(text):
        told = values.get(found[1] or found[3], ())
        default = [found[2]] if found[2] else []
        if not told and not default:
            return
        choices[found.group()] = told or default
    for picked in islice(product(*choices.values()), _MOST_RESULTS):
        by_name = dict(zip(choices, picked, strict=True))
        whole = _VARIABLE.sub(lambda found: by_name[found.group()], text)  # noqa: B023 - called at once
        if len(whole) <= _LONGEST:
            yield whole
