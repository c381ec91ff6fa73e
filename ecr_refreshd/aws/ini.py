"""Reads one AWS ini file as botocore does, except that a file that does not parse is a problem in words.

The rules are botocore.configloader's (1.44): a strict ini file, lower-case keys, indented blocks are nested
settings, ``[profile "x y"]`` is quoted as in a shell. A problem's text names the line and never quotes it: it
may be the line with the secret key.
"""

from __future__ import annotations

import codecs
import configparser
import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from ecr_refreshd.core.remedies import Remedy, files
from ecr_refreshd.core.remedies import aws as remedies
from ecr_refreshd.osutil import ownership

Sections = dict[str, dict[str, str]]

_TITLE = re.compile(r"\[(.+)\]")
"""configparser's own rule for a title: up to the last bracket."""
_KEY = re.compile(r"([^\s#;:=\[][^:=]*)[:=]")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an AWS file, or a line of it, has no effect, and what helps; no value of a secret key is quoted.

    Attributes:
        message: a sentence with the path, and the line where there is one.
        marked_file: the real file that only has to lose its byte order mark; "" if that is not all.
    """

    message: str
    remedy: Remedy
    marked_file: str = ""


@dataclass(frozen=True, slots=True)
class IniFile:
    """What one file says; `problem` is why it could not be read, None if it could or is not there."""

    path: str
    sections: Sections = field(default_factory=dict)
    problem: Problem | None = None


def home(environ: Mapping[str, str]) -> str:
    """Return the home folder as botocore would find it in that environment."""
    return environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - botocore's own rule


def expand(path: str, environ: Mapping[str, str]) -> str:
    """Return a path with ``$VARIABLES`` and ``~`` resolved in that environment, as botocore does."""
    path = _VARIABLE.sub(lambda found: environ.get(found[1] or found[2], found[0]), path)
    if path == "~" or path.startswith("~/"):
        return home(environ).rstrip("/") + path[1:] or "/"
    return os.path.expanduser(path)  # noqa: PTH111 - ~somebody; an unknown user stays as written


def read(path: str) -> IniFile:
    """Return what the file says; a missing one says nothing."""
    if not os.path.isfile(path):  # noqa: PTH113 - botocore's own test
        return IniFile(path, problem=_closed_folder(path))
    parser = configparser.RawConfigParser()
    try:
        with open(path) as file:  # noqa: PTH123 - the locale's encoding, as botocore reads it
            parser.read_file(file)
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        return IniFile(path, problem=config_problem(path, error))
    sections = {name: dict(parser.items(name)) for name in parser.sections()}
    nested = ("\n" in text and "=" not in line for name in sections for text in sections[name].values()
              if text.startswith("\n") for line in text.split("\n") if line.strip())  # fmt: skip
    if any(nested):
        what = f"{path} has an indented line without '=', so no AWS program can use it."
        return IniFile(path, problem=Problem(what, remedies.correct_file(path, 0)))
    return IniFile(path, sections)


def _closed_folder(path: str) -> Problem | None:
    """Return that a folder on the way to a file cannot be entered; botocore takes the file for missing then."""
    try:
        os.stat(path)  # noqa: PTH116 - a text, from a variable
    except PermissionError:
        found = ownership.deepest(path)
        whose = f"its mode is {found.mode:04o}" if found.is_ours else f"it belongs to {found.owner}"
        what = f"{found.path} cannot be entered: {whose}. No AWS program finds a profile there."
        return Problem(what, _readable(path))
    except OSError:
        pass
    return None


def config_problem(path: str, error: object) -> Problem:
    """Return why no AWS program can use a file.

    Args:
        path: the file's.
        error: what the ini parser or the system said of it; None if only that it does not parse is known.
    """
    if isinstance(error, OSError):
        return Problem(f"{path} cannot be read: {error.strerror or type(error).__name__}.", _readable(path))
    mark = _byte_order_mark(path)
    if mark == "UTF-8":
        what = f"{path} begins with a byte order mark, so no AWS program can use it."
        real = os.path.realpath(path)
        helps = remedies.remove_byte_order_mark(real, gnu=sys.platform != "darwin")
        return Problem(what, helps, marked_file=real)
    if mark:
        what = f"{path} is saved as {mark}, so no AWS program can use it."
        return Problem(what, remedies.save_as_utf8(os.path.realpath(path), mark))
    if isinstance(error, UnicodeDecodeError):
        what = (
            f"{path} is not text in this system's encoding ({error.encoding}), so no AWS program can use it."
        )
        return Problem(what, remedies.save_as_utf8(os.path.realpath(path), ""))
    said, number = _fault(error)
    twice = isinstance(error, configparser.DuplicateSectionError | configparser.DuplicateOptionError)
    helps = remedies.merge_duplicates(path, number) if twice else remedies.correct_file(path, number)
    return Problem(f"{path} {said}, so no AWS program can use it.", helps)


def _byte_order_mark(path: str) -> str:
    """Return the encoding that a file's first bytes tell of, "" for plain text."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a text, from a variable
            start = file.read(4)
    except OSError:
        return ""
    if start.startswith(codecs.BOM_UTF8):
        return "UTF-8"
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "UTF-32"
    utf16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in start
    return "UTF-16" if utf16 else ""


def _readable(path: str) -> Remedy:
    otherwise = "set AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE to files of yours"
    return files.given_back(ownership.deepest(path), otherwise=otherwise)


def _fault(error: object) -> tuple[str, int]:
    """Return in words what an error of the ini parser says, and its line's number (0: none), without the line."""
    match error:
        case configparser.MissingSectionHeaderError():
            return f"has no [section] before line {error.lineno}", error.lineno
        case configparser.ParsingError() if error.errors:
            return f"does not parse in line {error.errors[0][0]}", error.errors[0][0]
        case configparser.DuplicateSectionError():
            return f"has the section [{error.section}] twice (line {error.lineno})", error.lineno or 0
        case configparser.DuplicateOptionError():
            return f"sets {error.option} twice in [{error.section}] (line {error.lineno})", error.lineno or 0
        case _:
            return "does not parse", 0


def lines(path: str) -> dict[tuple[str, str], int]:
    """Return the first line of each title, by ``(title, "")``, and of each key, by ``(title, key)``."""
    found: dict[tuple[str, str], int] = {}
    title, level, has_key = "", 0, False
    try:
        with open(path, errors="replace") as file:  # noqa: PTH123 - as `read`
            for number, line in enumerate(file, 1):
                text, indent = line.strip(), len(line) - len(line.lstrip())
                if not text or text.startswith(("#", ";")) or (has_key and indent > level):
                    continue  # deeper than its key, a line belongs to the value
                level = indent
                if header := _TITLE.match(text):
                    title, has_key = header[1], False
                    found.setdefault((title, ""), number)
                elif key := _KEY.match(text):
                    has_key = True
                    found.setdefault((title, key[1].strip().lower()), number)
    except OSError:
        pass
    return found


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
