"""Reading one TOML table: takes its keys one by one, and notes every problem instead of stopping at the first.

Whatever nobody took by the end is an unknown key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from ecr_refreshd.core.durations import WrongValueError
from ecr_refreshd.core.settings_kinds import nearest, type_name
from ecr_refreshd.core.tomllines import Path

T = TypeVar("T")

DEFAULT = "default"

NOT_BUILT: Mapping[str, tuple[object, ...]] = {
    "http.listen": ("",),
}
"""Keys that this version reads but does not act on -> the values for which that makes no difference."""


@dataclass(slots=True)
class Notes:
    """What was found out about one file while it was read.

    Attributes:
        source: the file's name in messages.
        lines: where each key stands.
        everywhere: every valid ``table.key``, for keys that stand in the wrong table.
        problems, warnings: (line, text) of each.
        sources: see `Settings.sources`.
    """

    source: str
    lines: Mapping[Path, int]
    everywhere: tuple[str, ...] = ()
    problems: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Return the line of a key, or of the nearest table around it that has one; 0 if nothing has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    def place(self, path: Path) -> str:
        """Return ``path:line`` of a key."""
        return f"{self.source}:{self.line(path)}"

    def problem(self, path: Path, text: str) -> None:
        """Note what is wrong with a key."""
        self.problems.append((self.line(path), f"{self.place(path)}: {dotted(path)}: {text}"))

    def warn(self, path: Path, text: str) -> None:
        """Note what is allowed but probably not meant."""
        self.warnings.append((self.line(path), f"{self.place(path)}: {dotted(path)}: {text}"))


def dotted(path: Path) -> str:
    """Return a key's full name as one would write it; positions in arrays are left out, the line tells them."""
    return ".".join(
        part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part[:80])
        for part in path
        if isinstance(part, str)
    )


class Table:
    """One table being read. `at` is its path; an absent or misshapen table reads as an empty one."""

    def __init__(self, raw: object, at: Path, notes: Notes) -> None:
        self.at = at
        self.notes = notes
        self._taken: list[str] = []
        self._values: Mapping[str, object] = {}
        if isinstance(raw, dict):
            self._values = raw
        elif isinstance(raw, list) and raw and isinstance(raw[0], dict):
            notes.problem(at, f"must be one table: write [{dotted(at)}], not [[{dotted(at)}]]")
        else:
            notes.problem(at, f"must be a table, not {type_name(raw)}")

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def holds_nothing(self, name: str) -> bool:
        """Return whether a key's value is an empty list."""
        return self._values.get(name) == []

    def take(self, name: str, kind: Callable[[object], T], default: T) -> T:
        """Return a key's value, or the default where it is absent or wrong."""
        raw = self._raw(name)
        if raw is None:
            return default
        return self._idle_or(name, self._read((*self.at, name), raw, kind, default))

    def take_list(self, name: str, kind: Callable[[object], T], default: tuple[T, ...]) -> tuple[T, ...]:
        """Return the values of a list; an element that is wrong is noted at its own line."""
        raw = self._raw(name)
        if raw is None:
            return default
        if not isinstance(raw, list):
            meant = f": write [{json.dumps(raw)}]" if isinstance(raw, str) and len(raw) <= 80 else ""
            self.complain(name, f"must be a list, not {type_name(raw)}{meant}")
            return default
        at = (*self.at, name)
        read = (self._read((*at, position), each, kind, None) for position, each in enumerate(raw))
        return self._idle_or(name, tuple(value for value in read if value is not None))

    def take_map(self, name: str, check: Callable[[str], None], kind: Callable[[object], T]) -> dict[str, T]:
        """Return the values of a table whose keys are the user's own, such as session names."""
        raw = self._raw(name)
        if raw is None:
            return {}
        if not isinstance(raw, dict):
            self.complain(name, f"must be a table, not {type_name(raw)}")
            return {}
        values: dict[str, T] = {}
        for key, each in raw.items():
            at = (*self.at, name, key)
            try:
                check(key)
            except WrongValueError as wrong:
                self.notes.problem(at, str(wrong))
                continue
            value = self._read(at, each, kind, None)
            if value is not None:
                values[key] = value
        return self._idle_or(name, values)

    def table(self, name: str) -> Table:
        """Return a table inside this one."""
        self._taken.append(name)
        return Table(self._values.get(name, {}), (*self.at, name), self.notes)

    def tables(self, name: str) -> list[Table]:
        """Return an array of tables inside this one."""
        self._taken.append(name)
        raw = self._values.get(name, [])
        if isinstance(raw, list) and all(isinstance(each, dict) for each in raw):
            return [Table(each, (*self.at, name, position), self.notes) for position, each in enumerate(raw)]
        self.complain(name, f"must be an array of tables: write [[{name}]], not [{name}]")
        return []

    def complain(self, name: str, text: str) -> None:
        """Note what is wrong with a key of this table."""
        self.notes.problem((*self.at, name), text)

    def warn(self, name: str, text: str, position: int | None = None) -> None:
        """Note about a key of this table, or an element of its list, what is allowed but probably not meant."""
        self.notes.warn((*self.at, name) if position is None else (*self.at, name, position), text)

    def close(self) -> None:
        """Note every key that nobody took."""
        for name in self._values:
            if name not in self._taken:
                kind = "table" if not self.at and isinstance(self._values[name], dict | list) else "key"
                self.complain(name, f"unknown {kind}{self._meant(name)}")

    def _meant(self, name: str) -> str:
        near = nearest(name, self._taken)
        if near:
            return f" (nearest valid key: {near})"
        homes = [full for full in self.notes.everywhere if full.rsplit(".", 1)[1] == name]
        if homes:
            return f" (nearest valid key: {homes[0]})"
        return f" (valid keys: {', '.join(self._taken)})"

    def _raw(self, name: str) -> object:
        self._taken.append(name)
        raw = self._values.get(name)
        at = (*self.at, name)
        self.notes.sources[dotted(at)] = DEFAULT if raw is None else self.notes.place(at)
        return raw

    def _idle_or(self, name: str, value: T) -> T:
        at = (*self.at, name)
        idle = NOT_BUILT.get(".".join(dotted(at).split(".")[-2:]))
        if idle is not None and value not in idle:
            self.warn(name, "has no effect in this version")
        return value

    def _read(self, at: Path, raw: object, kind: Callable[[object], T], default: T) -> T:
        try:
            return kind(raw)
        except WrongValueError as wrong:
            self.notes.problem(at, str(wrong))
            return default
