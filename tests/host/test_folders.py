"""What a folder is and what lies in it, by stat alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ecr_refreshd.host import folders


def test_a_folder_is_known_by_its_inode(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    found = folders.spot(str(tmp_path / "link"))
    assert found == folders.spot(str(tmp_path))
    assert found is not None
    assert found.path == os.path.realpath(tmp_path)
    (tmp_path / "file").touch()
    assert folders.spot(str(tmp_path / "file")) is None
    assert folders.spot(str(tmp_path / "missing")) is None


def test_the_nearest_folder_above_is_the_one_that_exists(tmp_path: Path) -> None:
    assert folders.nearest(str(tmp_path / "a" / "b" / "c")) == folders.spot(str(tmp_path))
    (tmp_path / "dangling").symlink_to(tmp_path / "gone" / "x")
    assert folders.nearest(str(tmp_path / "dangling" / "y")) == folders.spot(str(tmp_path))


def test_contents_tell_a_rewrite_from_a_change_of_rights(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("{}")
    before = folders.contents(str(tmp_path))
    (tmp_path / "file").chmod(0o400)
    other_rights = folders.contents(str(tmp_path))
    assert other_rights != before
    assert not folders.rewritten(before, other_rights)
    (tmp_path / "new").write_text("{}")
    (tmp_path / "new").rename(tmp_path / "file")
    assert folders.rewritten(other_rights, folders.contents(str(tmp_path)))


def test_what_happens_inside_a_subfolder_is_not_the_folders_change(tmp_path: Path) -> None:
    (tmp_path / "buildx").mkdir()
    before = folders.contents(str(tmp_path))
    (tmp_path / "buildx" / "activity").touch()
    assert folders.contents(str(tmp_path)) == before


def test_a_crowded_folder_is_looked_at_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A config.json may lie among a hundred thousand downloads; the look is taken every 30 s."""
    monkeypatch.setattr(folders, "_MOST_ENTRIES", 5)
    for number in range(9):
        (tmp_path / str(number)).touch()
    assert len(folders.contents(str(tmp_path))) == 5


def test_a_folder_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    assert folders.contents(str(tmp_path / "gone")) == {}
