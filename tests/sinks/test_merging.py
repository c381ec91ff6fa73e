"""Promise 3: an edit that a rewrite has displaced stands in the file again, whatever goes wrong after that."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import SinkError, SinkUnwritable
from ecr_refreshd.sinks import replacement, stage, swap
from ecr_refreshd.sinks.dockerfile import DockerFile
from tests.contracts.sinks import AUTH, HOST

TOKENS = {HOST: Secret(AUTH)}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with somebody's login in it, on a machine without keychains."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / ".docker").mkdir()
    file = tmp_path / ".docker" / "config.json"
    file.write_text('{"auths": {"ghcr.io": {"auth": "eDp5"}}}')
    file.chmod(0o600)
    return file


def login(path: Path, host: str) -> None:
    """Log in as docker does: read, add a key, rename."""
    document = json.loads(path.read_bytes())
    document["auths"][host] = {"auth": "eDp5"}
    put(path, document)


def put(path: Path, document: object) -> None:
    temporary = path.with_name("config.json123")
    temporary.write_text(json.dumps(document))
    temporary.rename(path)


def sink(path: Path) -> DockerFile:
    return DockerFile(str(path), str(path.parent.parent / "locks"))


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def between(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let `act` happen once, between the last look at the file and its exchange."""
    original, acted = replacement.exchange, []

    def stand_in(one: bytes, other: bytes) -> None:
        if not acted:
            acted.append(1)
            act()
        original(one, other)

    monkeypatch.setattr(replacement, "exchange", stand_in)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fills_up_before_the_merge_does_not_take_a_login_out(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    between(monkeypatch, lambda: login(path, "late.io"))
    made, count = stage.Stage.make, []

    def make(self: stage.Stage, data: bytes, instead_of: stage.Snapshot | None) -> bytes:
        count.append(1)
        if len(count) == 2:
            raise OSError(code, os.strerror(code))
        return made(self, data, instead_of)

    monkeypatch.setattr(stage.Stage, "make", make)
    with pytest.raises(SinkUnwritable):
        sink(path).write(Delivery(TOKENS))
    assert json.loads(path.read_bytes())["auths"].keys() == {"ghcr.io", "late.io"}
    assert names(path) == ["config.json"]
    sink(path).write(Delivery(TOKENS))
    assert json.loads(path.read_bytes())["auths"].keys() == {"ghcr.io", "late.io", HOST}


def test_a_link_that_takes_the_files_place_at_the_last_moment_keeps_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`stow`, home-manager or a person move the file to their dotfiles."""
    real = path.parent.parent / "dotfiles.json"

    def stow() -> None:
        path.rename(real)
        path.symlink_to(real)

    between(monkeypatch, stow)
    with pytest.raises(SinkError):
        sink(path).write(Delivery(TOKENS))
    assert path.is_symlink()
    assert names(path) == ["config.json"]
    sink(path).write(Delivery(TOKENS))
    assert json.loads(real.read_bytes())["auths"].keys() == {"ghcr.io", HOST}


def test_who_was_opening_the_file_as_it_was_displaced_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between finding a file's inode and writing to it, a busy machine lets others run, us among them."""
    looked, count = replacement.Replacement._read_displaced, []

    def look(self: replacement.Replacement, ready: bytes) -> bytes | None:
        seen = looked(self, ready)
        count.append(1)
        if len(count) == 1:
            Path(os.fsdecode(ready)).write_text('{"auths": {"ghcr.io": {}, "mine.io": {"auth": "eDp5"}}}')
        return seen

    monkeypatch.setattr(replacement.Replacement, "_read_displaced", look)
    sink(path).write(Delivery(TOKENS))
    assert json.loads(path.read_bytes())["auths"].keys() == {"ghcr.io", "mine.io", HOST}
    assert names(path) == ["config.json"]


def test_who_read_the_file_before_a_merge_and_writes_it_late_takes_nothing_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For an instant the file lacks the edit that is being merged; a program may write late what it read."""
    between(monkeypatch, lambda: login(path, "late.io"))
    slow: list[threading.Timer] = []
    make, made = stage.Stage.make, []

    def instant(self: stage.Stage, data: bytes, instead_of: stage.Snapshot | None) -> bytes:
        made.append(1)
        if len(made) == 2:
            document = json.loads(path.read_bytes())
            document["auths"]["slow.io"] = {"auth": "eDp5"}
            slow.append(threading.Timer(0.12, put, [path, document]))
            slow[0].start()
        return make(self, data, instead_of)

    monkeypatch.setattr(stage.Stage, "make", instant)
    sink(path).write(Delivery(TOKENS))
    slow[0].join()
    assert json.loads(path.read_bytes())["auths"].keys() == {"ghcr.io", "late.io", "slow.io", HOST}


class TestAnEditInPlaceWhereNobodyCanBeSeenWriting:
    """macOS, NFS, another's file: there are no leases; and an editor first makes the file empty."""

    @pytest.fixture(autouse=True)
    def no_leases(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(swap.fcntl, "F_SETLEASE", raising=False)

    def test_what_it_is_about_to_write_is_not_displaced(self, path: Path) -> None:
        with path.open("wb", buffering=0) as editor:
            write = threading.Timer(0.05, editor.write, [b'{"auths": {"mine.io": {"auth": "eDp5"}}}'])
            write.start()
            sink(path).write(Delivery(TOKENS))
            write.join()
        assert json.loads(path.read_bytes())["auths"].keys() == {"mine.io", HOST}

    def test_a_file_that_stays_empty_is_written(self, path: Path) -> None:
        path.write_bytes(b"")
        sink(path).write(Delivery(TOKENS))
        assert json.loads(path.read_bytes())["auths"].keys() == {HOST}
