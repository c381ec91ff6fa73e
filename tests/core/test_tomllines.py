"""Every key of a TOML text is found at the line it stands in, however the text is written."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_refreshd.core.tomllines import Path, key_lines

TEXT = '''\
# a comment = [not a key]
top = 1   # [nor this]
a.b."c.d" = { x = 1, y.z = [1, 2] }
multi = """
[not.a.table]
key = "no"
\\"""
"""
literal = \'\'\'
# no 'comment'
\'\'\'\'\'
"quoted \\u0041" = 'x'

[table]   # header
list = [
  "one",   # ] not the end
  # "none",
  { two = 2 },
  [ 3,
    4 ],
]
when = 1979-05-27 07:32:00
[ table . sub ]
k = -inf
[[rows]]
n = 1
[rows.inner]
deep = 1
[[rows.more]]
m = 1
[[rows.more]]
m = 2
[[rows]]
[[rows.more]]
m = 3
'''

LINES: dict[Path, int] = {
    ("top",): 2,
    ("a",): 3,
    ("a", "b", "c.d", "y", "z", 1): 3,
    ("multi",): 4,
    ("literal",): 9,
    ("quoted A",): 12,
    ("table",): 14,
    ("table", "list"): 15,
    ("table", "list", 0): 16,
    ("table", "list", 1, "two"): 18,
    ("table", "list", 2): 19,
    ("table", "list", 2, 1): 20,
    ("table", "when"): 22,
    ("table", "sub"): 23,
    ("table", "sub", "k"): 24,
    ("rows",): 25,
    ("rows", 0): 25,
    ("rows", 0, "n"): 26,
    ("rows", 0, "inner"): 27,
    ("rows", 0, "inner", "deep"): 28,
    ("rows", 0, "more", 0, "m"): 30,
    ("rows", 0, "more", 1): 31,
    ("rows", 0, "more", 1, "m"): 32,
    ("rows", 1): 33,
    ("rows", 1, "more", 0, "m"): 35,
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_way_of_writing_a_key(newline: str) -> None:
    text = TEXT.replace("\n", newline)
    found = key_lines(text)

    assert {path: found.get(path) for path in LINES} == LINES
    assert set(found) == set(paths_of(tomllib.loads(text)))


def paths_of(value: object, at: Path = ()) -> list[Path]:
    """Return the path of everything inside a parsed document."""
    inside: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    paths = [(*at, key) for key, _each in inside]
    return paths + [path for key, each in inside for path in paths_of(each, (*at, key))]


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
SCALARS = st.one_of(
    st.integers(-9, 9), st.booleans(), WORDS, st.sampled_from(['"', "'", "#", "]", "}", "\n", "="])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def written(value: object, gap: str) -> str:
    """Return a value as TOML; `gap` stands where an array may have newlines and comments."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{quoted(key)} = {written(each, gap)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + "".join(f"{gap}{written(each, gap)},{gap}" for each in value) + gap + "]"
    if isinstance(value, str):
        return quoted(value)
    return json.dumps(value)


@given(
    st.lists(
        st.tuples(WORDS, st.dictionaries(WORDS, VALUES, max_size=4)), max_size=4, unique_by=lambda row: row[0]
    ),
    st.sampled_from(["", " ", "\n", " # ]}\"'\n\t"]),
    st.booleans(),
)
def test_every_path_has_its_line(tables: list[tuple[str, dict[str, object]]], gap: str, rows: bool) -> None:
    """The scanner finds exactly the paths tomllib finds, and each direct key at the line it was written to."""
    lines: list[str] = []
    expected: dict[Path, int] = {}
    for name, table in tables:
        lines.append(f"[[{quoted(name)}]]" if rows else f"[{quoted(name)}]")
        at: Path = (name, 0) if rows else (name,)
        expected[at] = len(lines)
        for key, value in table.items():
            expected[(*at, key)] = len(lines) + 1
            lines += f"{quoted(key)} = {written(value, gap)}".split("\n")
    text = "\n".join(lines)
    found = key_lines(text)

    assert set(found) == set(paths_of(tomllib.loads(text)))
    assert {path: found[path] for path in expected} == expected


def test_a_large_file_takes_linear_time() -> None:
    """Each character is counted once: a scan that counted lines anew for every key would not end in time."""
    text = "\n".join(f"key{number} = [1, 2, 3]" for number in range(30_000))

    assert key_lines(text)[("key29999", 2)] == 30_000
