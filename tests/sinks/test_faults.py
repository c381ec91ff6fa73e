"""Promises 3 and 7: whatever is refused, the old file is intact, and the text says cause and remedy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.sinks import AUTH, HOST, STRANGER
from tests.needs import need

WRITER = [sys.executable, str(Path(__file__).with_name("writer.py"))]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".docker").mkdir(mode=0o700)
    (tmp_path / ".docker" / "config.json").write_bytes(STRANGER)
    (tmp_path / ".docker" / "config.json").chmod(0o600)
    return tmp_path / ".docker"


def run(argv: list[str]) -> dict[str, Any]:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def write_in_mounts(home: Path, setup: str, *more: str, auth: str = AUTH) -> dict[str, Any]:
    """Write from a mount namespace of its own, after a piece of shell in it; $D is the folder."""
    need(sys.platform == "linux" and os.geteuid() == 0, "root on Linux, to mount")
    need(shutil.which("unshare"), "unshare")
    writer = " ".join([*WRITER, '"$D/config.json"', '"$D/../locks"', auth, *more])
    after = "cat $D/config.json >$D/../seen; ls -A $D >$D/../names"
    script = f"set -e; {setup}\n{writer}\n{after}"
    return run(["unshare", "-m", "--propagation", "private", "env", f"D={home}", "sh", "-c", script])


def seen(home: Path) -> bytes:
    """The file as it was in the namespace."""
    return (home.parent / "seen").read_bytes()


def names(home: Path) -> list[str]:
    return (home.parent / "names").read_text().split()


def holds_token(data: bytes) -> bool:
    return bool(json.loads(data)["auths"][HOST] == {"auth": AUTH})


class TestMountOfASingleFile:
    MOUNT = "cp -p $D/config.json $D/../outside; mount --bind $D/../outside $D/config.json"

    @pytest.mark.parametrize("more", [(), ("blind",)])
    def test_it_is_written_in_place_and_said(self, home: Path, more: tuple[str, ...]) -> None:
        answer = write_in_mounts(home, self.MOUNT, *more)
        assert answer["code"] == ""
        (note,) = answer["notes"]
        assert "Mount its folder instead" in note
        assert holds_token((home.parent / "outside").read_bytes())
        assert (home.parent / "outside").read_bytes() == seen(home)
        assert names(home) == ["config.json"]

    def test_a_shorter_version_leaves_nothing_behind_its_end(self, home: Path) -> None:
        old = STRANGER.replace(b'"ghcr.io"', f'"{HOST}": {{"auth": "{"x" * 4000}"}}, "ghcr.io"'.encode())
        (home / "config.json").write_bytes(old)
        write_in_mounts(home, self.MOUNT)
        assert seen(home) == old.replace(b"x" * 4000, AUTH.encode())

    def test_its_mode_is_narrowed_too(self, home: Path) -> None:
        (home / "config.json").chmod(0o644)
        answer = write_in_mounts(home, self.MOUNT)
        assert any("0644 to 0600" in note for note in answer["notes"])
        assert (home.parent / "outside").stat().st_mode & 0o777 == 0o600

    def test_one_that_others_read_and_only_they_can_change_gets_no_token(self, home: Path) -> None:
        """Promise 6: root in a container may write any file, and narrow none that is not its own."""
        need(shutil.which("setpriv"), "setpriv")
        foreign = "chown 65534 $D/../outside; chmod 0644 $D/../outside; setpriv --bounding-set -fowner \\"
        answer = write_in_mounts(home, f"{self.MOUNT}; {foreign}")
        assert answer["code"] == "sink.owner"
        assert "chmod 0600" in answer["hint"]
        assert (home.parent / "outside").read_bytes() == STRANGER

    def test_in_a_folder_that_cannot_be_written_it_still_works(self, home: Path) -> None:
        answer = write_in_mounts(home, f"mount --bind $D $D; {self.MOUNT}; mount -o remount,bind,ro $D")
        assert answer["code"] == ""
        assert holds_token(seen(home))

    @pytest.mark.parametrize("more", [(), ("blind",)])
    def test_a_read_only_one_is_said(self, home: Path, more: tuple[str, ...]) -> None:
        answer = write_in_mounts(home, f"{self.MOUNT}; mount -o remount,bind,ro $D/config.json", *more)
        assert answer["code"] == "sink.read-only"
        assert "writable" in answer["hint"]
        assert (seen(home), names(home)) == (STRANGER, ["config.json"])

    def test_a_stale_one_is_said_and_not_written(self, home: Path) -> None:
        setup = f"{self.MOUNT}; cp $D/../outside $D/../new; mv $D/../new $D/../outside"
        answer = write_in_mounts(home, setup)
        assert answer["code"] == "sink.stale-mount"
        assert "replaced on the other side" in answer["message"]
        assert "mount the folder" in answer["hint"]
        assert (seen(home), (home.parent / "outside").read_bytes()) == (STRANGER, STRANGER)

    def test_on_a_full_disk_the_old_file_stays_whole(self, home: Path) -> None:
        setup = (
            "mkdir $D/../small; mount -t tmpfs -o size=16k,mode=700 none $D/../small; "
            "cp $D/config.json $D/../small/config.json; touch $D/config.json; "
            "mount --bind $D/../small/config.json $D/config.json; "
            "dd if=/dev/zero of=$D/../small/fill bs=4k 2>/dev/null || true"
        )
        answer = write_in_mounts(home, setup, auth="QVdT" * 2000)
        assert answer["code"] == "sink.full"
        assert seen(home) == STRANGER


def test_a_full_disk_leaves_the_old_file_and_nothing_else(home: Path) -> None:
    setup = (
        "cp $D/config.json $D/../old; mount -t tmpfs -o size=64k,mode=700 none $D; cp $D/../old $D/config.json; "
        "dd if=/dev/zero of=$D/fill bs=4k 2>/dev/null || true"
    )
    answer = write_in_mounts(home, setup)
    assert answer["code"] == "sink.full"
    assert "disk is full" in answer["message"]
    assert "The old file is intact" in answer["message"]
    assert answer["hint"].endswith(f": df -h {home}")
    assert (seen(home), names(home)) == (STRANGER, ["config.json", "fill"])


def test_a_read_only_file_system_is_said(home: Path) -> None:
    answer = write_in_mounts(home, "mount --bind $D $D; mount -o remount,bind,ro $D")
    assert answer["code"] == "sink.read-only"
    assert "read-only file system" in answer["message"]
    assert "Mount it writable" in answer["hint"]
    assert "remount" not in answer["hint"]
    assert seen(home) == STRANGER


def test_a_folder_that_is_a_mount_is_written_as_any_other(home: Path) -> None:
    answer = write_in_mounts(home, "mount --bind $D $D")
    assert (answer["code"], answer["notes"]) == ("", [])
    assert holds_token(seen(home))


@pytest.fixture
def fuse(home: Path) -> Iterator[Path]:
    """The folder through FUSE, which knows no exchange."""
    need(sys.platform == "linux" and os.geteuid() == 0 and Path("/dev/fuse").exists(), "root and FUSE")
    need(shutil.which("bindfs"), "bindfs")
    point = home.parent / "fuse"
    point.mkdir()
    subprocess.run(["bindfs", home, point], check=True, timeout=20)
    yield point
    subprocess.run(["umount", point], check=True, timeout=20)


def test_a_file_system_without_exchange_is_renamed_over(fuse: Path, home: Path) -> None:
    answer = run([*WRITER, str(fuse / "config.json"), str(home.parent / "locks"), AUTH])
    assert answer["code"] == ""
    assert holds_token((home / "config.json").read_bytes())
    assert [path.name for path in home.iterdir()] == ["config.json"]
    (fuse / "config.json").unlink()
    answer = run([*WRITER, str(fuse / "config.json"), str(home.parent / "locks"), AUTH])
    assert answer["code"] == ""
    assert holds_token((home / "config.json").read_bytes())
    assert [path.name for path in home.iterdir()] == ["config.json"]


def write_injected(home: Path, *injected: str) -> dict[str, Any]:
    """Write while strace makes system calls fail."""
    need(sys.platform == "linux" and shutil.which("strace"), "strace")
    rules = [part for rule in injected for part in ("-e", f"inject={rule}")]
    calls = ",".join(rule.partition(":")[0] for rule in injected)
    argv = ["strace", "-f", "-qq", "-o", str(home.parent / "trace"), "-e", f"trace={calls}", *rules]
    return run([*argv, *WRITER, str(home / "config.json"), str(home.parent / "locks"), AUTH])


@pytest.mark.parametrize(
    ("rule", "code", "said", "hint"),
    [
        ("fsync:error=EIO:when=1", "sink.io", "disk reported an error", "dmesg"),
        ("pwrite64:error=EDQUOT:when=1", "sink.full", "quota", "quota -s"),
        ("pwrite64:error=ENOSPC:when=1", "sink.full", "disk is full", "df -h"),
        ("renameat2:error=EPERM:when=1", "sink.permission", "does not permit it", "lsattr"),
        ("renameat2:error=EACCES:when=1", "sink.permission", "no permission", "ls -ld"),
        ("fchmod:error=EIO:when=1", "sink.io", "disk reported an error", "dmesg"),
    ],
)
def test_a_refused_call_leaves_the_old_file_and_names_cause_and_remedy(
    home: Path, rule: str, code: str, said: str, hint: str
) -> None:
    answer = write_injected(home, rule)
    assert answer["code"] == code
    assert said in answer["message"]
    assert str(home / "config.json") in answer["message"]
    assert f": {hint}" in answer["hint"]
    assert (home / "config.json").read_bytes() == STRANGER
    assert [path.name for path in home.iterdir()] == ["config.json"]


def test_an_error_while_the_folder_is_synced_is_said_and_mended_by_the_next_rewrite(home: Path) -> None:
    answer = write_injected(home, "fsync:error=EIO:when=2")
    assert answer["code"] == "sink.io"
    assert "was written, but" in answer["message"]
    assert holds_token((home / "config.json").read_bytes())
    answer = run([*WRITER, str(home / "config.json"), str(home.parent / "locks"), AUTH])
    assert (answer["code"], answer["notes"]) == ("", [])
    assert [path.name for path in home.iterdir()] == ["config.json"]


def test_a_system_without_exchange_replaces_the_file_all_the_same(home: Path) -> None:
    answer = write_injected(home, "renameat2:error=ENOSYS")
    assert answer["code"] == ""
    assert holds_token((home / "config.json").read_bytes())
