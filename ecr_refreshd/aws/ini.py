"""Reads one AWS ini file as botocore does, except that a file that does not parse is a problem in words.

The rules are botocore.configloader's (1.44): a strict ini file, lower-case keys, indented blocks are nested
settings, ``[profile "x y"]`` is quoted as in a shell. A problem's text names the line and never quotes it: it
may be the line with the secret key.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

Sections = dict[str, dict[str, str]]

_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})", re.ASCII)


@dataclass(frozen=True, slots=True)
class IniFile:
    """What one file says; `problem` is why it could not be read, "" if it could or is not there."""

    path: str
    sections: Sections = field(default_factory=dict)
    problem: str = ""


def home(environ: Mapping[str, str]) -> str:
    """Return the home folder as botocore would find it in that environment."""
    return environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - botocore's own rule


def expand(path: str, environ: Mapping[str, str]) -> str:
    """Return a path with ``$VARIABLES`` and ``~`` resolved in that environment, as botocore does."""
    path = _VARIABLE.sub(lambda found: environ.get(found[1] or found[2], found[0]), path)
    if path == "~" or path.startswith("~/"):
        return home(environ) + path[1:]
    return os.path.expanduser(path)  # noqa: PTH111 - ~somebody; an unknown user stays as written


def read(path: str) -> IniFile:
    """Return what the file says; a missing one says nothing."""
    if not os.path.isfile(path):  # noqa: PTH113 - botocore's own test
        return IniFile(path)
    parser = configparser.RawConfigParser()
    try:
        with open(path) as file:  # noqa: PTH123 - the locale's encoding, as botocore reads it
            parser.read_file(file)
    except OSError as error:
        return IniFile(path, problem=f"{path} cannot be read: {error.strerror or type(error).__name__}.")
    except UnicodeDecodeError:
        return IniFile(path, problem=f"{path} is not text in this system's encoding.")
    except configparser.Error as error:
        return IniFile(path, problem=f"{path} {fault(error)}, so no AWS program can use it.")
    sections = {name: dict(parser.items(name)) for name in parser.sections()}
    nested = ("\n" in text and "=" not in line for name in sections for text in sections[name].values()
              if text.startswith("\n") for line in text.split("\n") if line.strip())  # fmt: skip
    if any(nested):
        return IniFile(
            path, problem=f"{path} has an indented line without '=', so no AWS program can use it."
        )
    return IniFile(path, sections)


def fault(error: object) -> str:
    """Return in words what an error of the ini parser says, with its line's number and without the line."""
    match error:
        case configparser.MissingSectionHeaderError():
            return f"has no [section] before line {error.lineno}"
        case configparser.ParsingError() if error.errors:
            return f"does not parse in line {error.errors[0][0]}"
        case configparser.DuplicateSectionError():
            return f"has the section [{error.section}] twice (line {error.lineno})"
        case configparser.DuplicateOptionError():
            return f"sets {error.option} twice in [{error.section}] (line {error.lineno})"
        case _:
            return "does not parse"


def named(sections: Sections, kind: str) -> Sections:
    """Return the sections ``[KIND name]`` by name: profiles, sso-sessions or services of a config file."""
    found: Sections = {}
    for title, values in sections.items():
        if title.startswith(kind):
            try:
                words = shlex.split(title)
            except ValueError:
                continue  # an unbalanced quote: botocore passes over it without a word
            if len(words) == 2:
                found[words[1]] = values
        elif kind == "profile" and title == "default":
            found[title] = values
    return found
