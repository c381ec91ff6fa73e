"""What stands where a file should be is never waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ecr_refreshd.host import plainfile


def test_a_file_is_read_with_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"text")
    data, status = plainfile.read(str(path), 4)
    assert (data, status.st_ino) == (b"text", path.stat().st_ino)


def test_a_pipe_a_device_and_a_folder_are_none(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(OSError, match="it is no file"):
            plainfile.read(path)
    with pytest.raises(IsADirectoryError):
        plainfile.read(tmp_path)


def test_what_is_too_large_is_not_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"text!")
    with pytest.raises(OSError, match="File too large"):
        plainfile.read(path, 4)


def test_what_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        plainfile.read(tmp_path / "nothing")
