"""Commands for people leave what they change, or move away, beside it: never in place of an older copy."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ecr_refreshd.core.ownership import Ownership, User
from ecr_refreshd.core.remedies import Remedy, aws, files, service


def _mine(path: str) -> Ownership:
    user = User(1000, "u", "/home/u", True, "u", 1000)
    return Ownership(path, user, exists=True, owner="u", owner_uid=1000, is_below_home=True)


COMMANDS: dict[str, Callable[[str], Remedy]] = {
    "byte order mark": lambda path: aws.remove_byte_order_mark(path, gnu=True),
    "encoding": lambda path: aws.save_as_utf8(path, "UTF-16"),
    "title": lambda path: aws.rename_title(path, 1, "[profile dev]"),
    "value": lambda path: aws.rewrite_value(path, 2, "region", "us-west-2"),
    "line": lambda path: aws.delete_line(path, 2, "region", "[profile dev]"),
    "in the way": lambda path: files.in_the_way(_mine(path)),
    "hard link": files.hard_link,
    "unparsable": lambda path: files.unparsable(_mine(path), "it"),
    "settings": service.replace_settings,
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_an_older_copy_is_never_overwritten(tmp_path: Path, kind: str) -> None:
    """Also by the same command, pasted twice."""
    path = tmp_path / "a file"
    path.write_text("[dev]\nregion = x\n")
    older = {tmp_path / f"a file.{end}": end for end in ("bak", "old", "new", "broken")}
    for copy, text in older.items():
        copy.write_text(text)
    for _ in range(2):
        command = COMMANDS[kind](str(path)).command
        assert command
        subprocess.run(["sh", "-c", command], check=False, timeout=10, capture_output=True)
    assert {copy: copy.read_text() for copy in older} == older
    assert any(each.read_text() == "[dev]\nregion = x\n" for each in tmp_path.iterdir())


@pytest.mark.parametrize("kind", COMMANDS)
def test_it_does_what_it_says_where_nothing_is_in_its_way(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a file"
    text = "[dev]\nregion = x\n"
    path.write_bytes(text.encode({"encoding": "utf-16", "byte order mark": "utf-8-sig"}.get(kind, "utf-8")))
    was, inode = path.read_bytes(), path.stat().st_ino
    subprocess.run(["sh", "-c", COMMANDS[kind](str(path)).command], check=True, timeout=10)
    changed = not path.exists() or path.read_bytes() != was or path.stat().st_ino != inode
    assert changed
