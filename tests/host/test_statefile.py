"""The file that outlives the service: whatever happens to it, the service starts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ecr_refreshd.host import statefile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "state.json"


def test_what_was_written_is_read(path: Path) -> None:
    statefile.write(path, {"schema": 1, "text": "zwölf"})
    assert statefile.read(path) == {"schema": 1, "text": "zwölf"}
    assert statefile.load(path) == ({"schema": 1, "text": "zwölf"}, "")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_no_file_is_an_empty_memory(path: Path) -> None:
    assert statefile.read(path) == {}
    assert statefile.load(path) == ({}, "")


BAD = [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe{}", b"[" * 100_000, b"\0" * 4096]


@pytest.mark.parametrize("content", BAD)
def test_a_bad_file_is_put_aside_and_told(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    document, sentence = statefile.load(path)
    assert document == {}
    assert "state.json.bad" in sentence
    assert (path.parent / "state.json.bad").read_bytes() == content
    assert statefile.load(path) == ({}, "")


def test_only_one_bad_file_is_kept(path: Path) -> None:
    path.parent.mkdir()
    for content in BAD[:4]:
        path.write_bytes(content)
        statefile.load(path)
    assert [each.name for each in path.parent.iterdir()] == ["state.json.bad"]


@pytest.mark.parametrize("content", BAD)
def test_a_look_changes_nothing(path: Path, content: bytes) -> None:
    """`status` reads the file of a service that may be running."""
    path.parent.mkdir()
    path.write_bytes(content)
    assert statefile.read(path) == {}
    assert path.read_bytes() == content


def test_a_folder_in_its_place_stops_nothing(path: Path) -> None:
    path.mkdir(parents=True)
    assert statefile.read(path) == {}
    document, sentence = statefile.load(path)
    assert document == {}
    assert sentence
    statefile.write(path, {"a": 1})
    assert statefile.read(path) == {"a": 1}


def test_a_failed_write_leaves_the_old_file_and_no_litter(path: Path) -> None:
    statefile.write(path, {"old": 1})
    with pytest.raises(TypeError):
        statefile.write(path, {"new": object()})
    assert statefile.read(path) == {"old": 1}
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_vanished_is_made_again(path: Path) -> None:
    statefile.write(path, {"a": 1})
    path.unlink()
    path.parent.rmdir()
    statefile.write(path, {"a": 2})
    assert statefile.read(path) == {"a": 2}


WRITE = """
import sys
from pathlib import Path
from ecr_refreshd.host import statefile
print("go", flush=True)
number = 0
while True:
    number += 1
    statefile.write(Path(sys.argv[1]), {"number": number, "filler": "x" * 200_000})
"""


def test_a_kill_at_any_instant_leaves_a_whole_file(path: Path) -> None:
    for round_ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.02 + round_ * 0.003)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        if path.exists():
            assert len(json.loads(path.read_bytes())["filler"]) == 200_000
        document, sentence = statefile.load(path)
        assert sentence == ""
        assert set(path.parent.iterdir()) <= {path}, "a killed writer's leftovers go at the next start"
        assert document or not path.exists()
