"""Promise 8: no reader of a file is locked out by a rewrite; promise 6: everyone on the machine is."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.sinks import permissions
from ecr_refreshd.sinks.dockerfile import DockerFile
from ecr_refreshd.sinks.permissions import Permissions
from tests.contracts.sinks import AUTH, HOST, NEWER, STRANGER
from tests.needs import need

OWNER, READER, GROUP = 41001, 41002, 41003


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a docker config in a folder that everyone may enter, as homes often are."""
    folder = tmp_path / ".docker"
    folder.mkdir()
    for each in [folder, *folder.parents]:
        if str(each).startswith("/tmp/") and each.stat().st_uid == os.geteuid():
            each.chmod(0o755)
    file = folder / "config.json"
    file.write_bytes(STRANGER)
    return file


def sink(path: Path, file_mode: int | None = None) -> DockerFile:
    return DockerFile(str(path), str(path.parent.parent / "locks"), file_mode, mode="auths")


def write(path: Path, auth: str = AUTH, file_mode: int | None = None) -> tuple[str, ...]:
    return sink(path, file_mode).write(Delivery({HOST: Secret(auth)})).notes


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def acl(path: Path, *words: str) -> None:
    need(shutil.which("setfacl"), "setfacl")
    done = subprocess.run(["setfacl", *words, str(path)], check=False, capture_output=True, text=True)
    need(done.returncode == 0, f"a file system with access lists: {done.stderr}")


def can_read(path: Path, uid: int, gid: int = 41999, groups: str = "") -> bool:
    need(os.geteuid() == 0, "root, to become somebody else")
    need(shutil.which("setpriv"), "setpriv")
    also = f"--groups={groups}" if groups else "--clear-groups"
    command = ["setpriv", f"--reuid={uid}", f"--regid={gid}", also, "cat", str(path)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (0o600, 0o600),
        (0o640, 0o640),
        (0o660, 0o660),
        (0o644, 0o600),
        (0o664, 0o600),
        (0o666, 0o600),
        (0o604, 0o600),
        (0o400, 0o400),
    ],
)
def test_a_groups_rights_stay_and_everyones_go(path: Path, before: int, after: int) -> None:
    path.chmod(before)
    notes = write(path)
    assert mode(path) == after
    said = f"narrowed from {before:04o} to {after:04o}"
    assert [said in note for note in notes] == ([] if before == after else [True])


def test_a_new_file_is_the_users_alone(path: Path) -> None:
    path.unlink()
    write(path)
    assert mode(path) == 0o600


def test_a_group_of_readers_can_still_read(path: Path) -> None:
    need(os.geteuid() == 0, "root")
    os.chown(path, 0, GROUP)
    path.chmod(0o640)
    assert can_read(path, READER, GROUP)
    for auth in (AUTH, NEWER):
        write(path, auth)
        assert can_read(path, READER, GROUP)
        assert not can_read(path, READER)


def test_whom_an_access_list_names_can_still_read(path: Path) -> None:
    path.chmod(0o600)
    acl(path, "-m", f"u:{READER}:r,g:{GROUP}:r")
    listed = permissions.read(bytes(path), path.stat())
    for auth in (AUTH, NEWER):
        assert write(path, auth) == ()  # it was never 0640, and nothing of it went
        assert permissions.read(bytes(path), path.stat()) == listed
        assert can_read(path, READER)
        assert can_read(path, 41009, GROUP)
        assert not can_read(path, 41009)


def test_a_list_on_a_public_file_keeps_whom_it_names(path: Path) -> None:
    """A umask opened it to its group and to all; somebody opened it to that one user."""
    need(os.geteuid() == 0, "root")
    os.chown(path, OWNER, GROUP)
    path.chmod(0o644)
    acl(path, "-m", f"u:{READER}:r")
    (note,) = write(path)
    assert "access list" in note
    assert "from 0644 to 0640" in note
    assert can_read(path, READER)
    assert not can_read(path, 41009, GROUP)
    assert not can_read(path, 41009)


def test_a_named_mode_shuts_an_access_list_out(path: Path) -> None:
    path.chmod(0o600)
    acl(path, "-m", f"u:{READER}:r")
    (note,) = write(path, file_mode=0o600)
    assert "access list" in note
    assert not can_read(path, READER)


def test_a_list_that_the_folder_hands_down_opens_nothing(path: Path) -> None:
    """The new inode inherits the folder's default list; the file of before had none."""
    path.chmod(0o640)
    acl(path.parent, "-d", "-m", f"u:{READER}:rw")
    write(path)
    assert mode(path) == 0o640
    assert not can_read(path, READER)
    path.unlink()
    write(path)
    assert not can_read(path, READER)


def as_owner(path: Path) -> str:
    """Write as the file's owner, who is in no group but their own; return what a failure says."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(OWNER)
            os.setuid(OWNER)
            write(path)
            code = 0
        finally:
            os._exit(code)
    return "" if os.waitpid(child, 0)[1] == 0 else "failed"


def test_a_group_the_owner_is_not_in_keeps_its_rights(path: Path) -> None:
    """The administrator gave the file a group; its owner may not, but can name the group in an access list."""
    need(os.geteuid() == 0, "root")
    acl(path, "-m", f"u:{READER}:r")
    acl(path, "-b")
    for each in (path.parent, path.parent.parent):
        os.chown(each, OWNER, OWNER)
    os.chown(path, OWNER, GROUP)
    path.chmod(0o640)
    assert as_owner(path) == ""
    assert AUTH in path.read_text()
    assert can_read(path, 41009, GROUP)
    assert not can_read(path, 41009)
    assert not can_read(path, 41009, OWNER)


def test_everyone_is_in_staff_on_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    staff, other = Permissions(0o640, group=20), Permissions(0o640, group=80)
    monkeypatch.setattr("ecr_refreshd.sinks.permissions.sys.platform", "darwin")
    assert (staff.narrowed(None).mode, other.narrowed(None).mode) == (0o600, 0o640)
