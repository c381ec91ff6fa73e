"""Promise 3: the file keeps its owner, rights, links and attributes, and others' edits survive ours."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import SinkContended, SinkUnparsable, SinkUnwritable
from ecr_refreshd.sinks import lock, replacement, stage, swap
from ecr_refreshd.sinks.dockerfile import DockerFile
from tests.contracts.sinks import AUTH, HOST, NEWER, STRANGER
from tests.needs import need

TOKENS = {HOST: Secret(AUTH)}
NEWER_TOKENS = {HOST: Secret(NEWER)}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".docker").mkdir(mode=0o700)
    return tmp_path / ".docker"


def sink(path: Path, file_mode: int = 0o600) -> DockerFile:
    return DockerFile(str(path), str(path.parent.parent / "locks"), file_mode, mode="auths")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def holds_token(path: Path) -> bool:
    return json.loads(path.read_bytes())["auths"][HOST] == {"auth": AUTH}


class TestRights:
    def test_a_new_file_and_its_folder_are_the_users_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "config.json"
        sink(path).write(Delivery(TOKENS))
        assert (mode(path), mode(path.parent)) == (0o600, 0o700)
        assert names(path.parent) == ["config.json"]

    def test_only_one_folder_is_made(self, tmp_path: Path) -> None:
        with pytest.raises(SinkUnwritable, match="its folder is not there") as refused:
            DockerFile(str(tmp_path / "a" / "b" / "config.json"), str(tmp_path / "locks")).write(
                Delivery(TOKENS)
            )
        assert not (tmp_path / "a").exists()
        assert refused.value.command == f"mkdir -p -m 700 {tmp_path}/a/b"

    @pytest.mark.parametrize(
        ("old", "allowed", "new"),
        [(0o600, 0o600, 0o600), (0o644, 0o600, 0o600), (0o400, 0o600, 0o400), (0o664, 0o640, 0o640)],
    )
    def test_the_mode_stays_less_what_others_could_read(
        self, home: Path, old: int, allowed: int, new: int
    ) -> None:
        path = home / "config.json"
        path.write_bytes(STRANGER)
        path.chmod(old)
        file = sink(path, allowed)
        notes = file.write(Delivery(TOKENS)).notes
        assert mode(path) == new
        assert [f"from {old:04o} to {new:04o}" in note for note in notes] == ([True] if old != new else [])
        assert file.look([HOST]).notes == notes

    def test_a_new_file_takes_the_folders_group_and_the_mode_of_the_setting(self, home: Path) -> None:
        need(os.geteuid() == 0, "root, to give a folder another group")
        os.chown(home, 0, 4242)
        path = home / "config.json"
        sink(path, 0o640).write(Delivery(TOKENS))
        assert (path.stat().st_gid, mode(path)) == (4242, 0o640)

    def test_root_keeps_a_users_file_theirs(self, home: Path) -> None:
        need(os.geteuid() == 0, "root")
        os.chown(home, 4242, 4243)
        path = home / "config.json"
        sink(path).write(Delivery(TOKENS))
        assert (path.stat().st_uid, path.stat().st_gid) == (4242, 4243)
        os.chown(path, 4244, 4245)
        sink(path).write(Delivery(NEWER_TOKENS))
        assert (path.stat().st_uid, path.stat().st_gid) == (4244, 4245)

    def test_a_folder_made_by_root_belongs_to_whose_home_it_is_in(self, home: Path) -> None:
        need(os.geteuid() == 0, "root")
        os.chown(home, 4242, 4243)
        path = home / "new" / "config.json"
        sink(path).write(Delivery(TOKENS))
        for made in (path.parent, path):
            assert (made.stat().st_uid, made.stat().st_gid) == (4242, 4243)

    def test_a_file_of_somebody_else_is_not_taken_from_them(self, home: Path) -> None:
        path = home / "config.json"
        path.write_bytes(STRANGER)
        path.chmod(0o644)
        home.chmod(0o777)
        refused = as_nobody(path)
        assert refused.startswith("sink.owner ")
        assert "belongs to root" in refused
        assert (path.read_bytes(), names(home)) == (STRANGER, ["config.json"])

    def test_extended_attributes_and_acls_stay(self, home: Path) -> None:
        path = home / "config.json"
        path.write_bytes(STRANGER)
        path.chmod(0o660)
        acl = bytes.fromhex(
            "02000000 01000600ffffffff 0200060092100000 04000600ffffffff 10000600ffffffff 20000000ffffffff"
        )
        try:
            os.setxattr(path, "user.origin", b"by hand")
            os.setxattr(path, "system.posix_acl_access", acl)
        except (AttributeError, OSError):
            need(False, "a file system with extended attributes and ACLs")
        sink(path, 0o660).write(Delivery(TOKENS))
        assert os.getxattr(path, "user.origin") == b"by hand"
        assert os.getxattr(path, "system.posix_acl_access") == acl
        sink(path, 0o600).write(Delivery(NEWER_TOKENS))
        # The mode's group bits are the ACL's mask: without them nobody named in it may read.
        assert mode(path) == 0o600


class TestLinks:
    def test_links_are_followed_and_kept_relative_and_chained(self, home: Path) -> None:
        (home / "one").mkdir()
        (home / "real.json").write_bytes(STRANGER)
        (home / "one" / "two.json").symlink_to("../real.json")
        (home / "config.json").symlink_to("one/two.json")
        sink(home / "config.json").write(Delivery(TOKENS))
        assert (home / "config.json").readlink() == Path("one/two.json")
        assert not (home / "real.json").is_symlink()
        assert holds_token(home / "real.json")
        assert names(home / "one") == ["two.json"]

    def test_a_folder_may_be_a_link(self, home: Path) -> None:
        (home / "dotfiles").mkdir()
        (home / "d").symlink_to(home / "dotfiles")
        sink(home / "d" / "config.json").write(Delivery(TOKENS))
        assert holds_token(home / "dotfiles" / "config.json")

    def test_a_dangling_link_gets_its_target(self, home: Path) -> None:
        (home / "config.json").symlink_to("later.json")
        sink(home / "config.json").write(Delivery(TOKENS))
        assert holds_token(home / "later.json")

    def test_a_circle_is_said(self, home: Path) -> None:
        (home / "config.json").symlink_to("other.json")
        (home / "other.json").symlink_to("config.json")
        for call in (
            lambda: sink(home / "config.json").look([HOST]),
            lambda: sink(home / "config.json").write(Delivery(TOKENS)),
        ):
            with pytest.raises(SinkUnwritable, match="circle"):
                call()

    def test_a_link_in_a_folder_that_everyone_may_write_is_not_followed(self, home: Path) -> None:
        (home / "real.json").write_bytes(STRANGER)
        (home / "open").mkdir()
        (home / "open").chmod(0o1777)
        (home / "open" / "config.json").symlink_to(home / "real.json")
        with pytest.raises(SinkUnwritable, match="everyone may write") as refused:
            sink(home / "open" / "config.json").write(Delivery(TOKENS))
        assert "chmod o-w" in refused.value.hint
        assert (home / "real.json").read_bytes() == STRANGER

    def test_a_strangers_link_is_not_followed(self, home: Path) -> None:
        need(os.geteuid() == 0, "root, to make a link that is somebody else's")
        (home / "real.json").write_bytes(STRANGER)
        (home / "config.json").symlink_to("real.json")
        os.lchown(home / "config.json", 4242, 4242)
        with pytest.raises(SinkUnwritable, match="stranger"):
            sink(home / "config.json").write(Delivery(TOKENS))
        os.chown(home, 4242, 4242)  # now it is the folder's owner's
        sink(home / "config.json").write(Delivery(TOKENS))
        assert holds_token(home / "real.json")

    def test_a_hard_link_is_said(self, home: Path) -> None:
        path = home / "config.json"
        path.write_bytes(STRANGER)
        path.chmod(0o600)
        os.link(path, home / "other.json")
        (note,) = sink(path).write(Delivery(TOKENS)).notes
        assert "2 hard links" in note
        assert (home / "other.json").read_bytes() == STRANGER

    def test_the_nix_store_is_never_written(self, home: Path) -> None:
        need(os.geteuid() == 0 and not Path("/nix").exists(), "root, and a machine without nix")
        store = Path("/nix/store/abc-home-manager-files")
        store.mkdir(parents=True)
        try:
            (store / "config.json").write_bytes(b"{}")
            (home / "config.json").symlink_to(store / "config.json")
            with pytest.raises(SinkUnwritable, match="nix store") as refused:
                sink(home / "config.json").write(Delivery(TOKENS))
            assert "home-manager" in refused.value.hint
        finally:
            subprocess.run(["rm", "-r", "/nix"], check=True)


class TestOthersAtTheSameTime:
    """A writer between any two of our steps: certbot's test_race idea, at every step."""

    def at(self, monkeypatch: pytest.MonkeyPatch, module: object, name: str, act: Callable[[], None]) -> None:
        """Let `act` happen once, right before a call."""
        original = getattr(module, name)
        acted = []

        def stand_in(*args: object, **kwargs: object) -> object:
            if not acted:
                acted.append(1)
                act()
            return original(*args, **kwargs)

        monkeypatch.setattr(module, name, stand_in)

    def docker_login(self, path: Path, key: str) -> None:
        """Read, add a key, and rename: what docker does."""
        document = json.loads(path.read_bytes())
        document.setdefault("auths", {})[key] = {"auth": "eDp5"}
        temporary = path.with_name(f"config.json{key}")
        temporary.write_text(json.dumps(document, indent="\t"))
        temporary.rename(path)

    @pytest.mark.parametrize("step", ["exchange", "wait_for_writers"])
    def test_an_edit_by_rename_at_the_last_moment_survives(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        path = home / "config.json"
        path.write_bytes(STRANGER)
        self.at(monkeypatch, replacement, step, lambda: self.docker_login(path, "late.io"))
        sink(path).write(Delivery(TOKENS))
        assert holds_token(path)
        assert set(json.loads(path.read_bytes())["auths"]) == {"ghcr.io", "late.io", HOST}
        assert names(home) == ["config.json"]

    def test_edits_on_both_sides_of_the_exchange_survive(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = home / "config.json"
        path.write_bytes(STRANGER)
        self.at(monkeypatch, replacement, "exchange", lambda: self.docker_login(path, "before.io"))
        self.at(monkeypatch, replacement, "wait_for_writers", lambda: self.docker_login(path, "after.io"))
        sink(path).write(Delivery(TOKENS))
        assert set(json.loads(path.read_bytes())["auths"]) == {"ghcr.io", "before.io", "after.io", HOST}
        assert names(home) == ["config.json"]

    def test_an_edit_is_not_undone_by_somebody_who_read_the_file_before_it_was_merged(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = home / "config.json"
        path.write_bytes(STRANGER)
        stale: list[bytes] = []
        self.at(monkeypatch, replacement, "exchange", lambda: self.docker_login(path, "late.io"))
        self.at(monkeypatch, replacement, "wait_for_writers", lambda: stale.append(path.read_bytes()))

        def save_stale() -> None:
            assert b"late.io" not in stale[0]
            path.write_bytes(stale[0])
            self.docker_login(path, "stale.io")

        self.at(monkeypatch, replacement, "pause", save_stale)
        sink(path).write(Delivery(TOKENS))
        assert set(json.loads(path.read_bytes())["auths"]) == {"ghcr.io", "late.io", "stale.io", HOST}
        assert names(home) == ["config.json"]

    def test_an_edit_in_place_that_began_before_the_exchange_survives(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The editor has the file open, we swap it away from under it, and it goes on writing."""
        path = home / "config.json"
        path.write_bytes(STRANGER)
        new = STRANGER.replace(b'"psFormat"', b'"x": 1, "psFormat"')
        editors = []

        def edit() -> None:
            stream = path.open("r+b", buffering=0)
            os.ftruncate(stream.fileno(), 0)

            def finish() -> None:
                stream.write(new[:20])
                stream.write(new[20:])
                stream.close()

            editors.append(threading.Timer(0.2, finish))
            editors[0].start()

        self.at(monkeypatch, replacement, "exchange", edit)
        sink(path).write(Delivery(TOKENS))
        editors[0].join()
        assert json.loads(path.read_bytes())["x"] == 1
        assert holds_token(path)
        assert names(home) == ["config.json"]

    def test_an_edit_in_place_that_takes_too_long_is_kept_and_merged_later(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = home / "config.json"
        path.write_bytes(STRANGER)
        path.chmod(0o600)
        monkeypatch.setattr(replacement, "_WRITER_PATIENCE", 0.01)
        with path.open("r+b", buffering=0) as editor:
            file = sink(path)
            file.write(Delivery(TOKENS))
            assert holds_token(path)
            (note,) = {note for note in file.look([HOST]).notes if "still writing" in note}
            assert "config.json.ecr-refreshd." in note
            editor.truncate(0)
            editor.write(STRANGER.replace(b'"psFormat"', b'"x": 1, "psFormat"'))
        assert file.look([HOST]).notes == ()
        assert json.loads(path.read_bytes())["x"] == 1
        assert holds_token(path)
        assert names(home) == ["config.json"]

    def test_a_file_that_appears_meanwhile_is_not_overwritten(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = home / "config.json"
        self.at(monkeypatch, replacement, "move_to_free_name", lambda: path.write_bytes(STRANGER) and None)
        sink(path).write(Delivery(TOKENS))
        assert json.loads(path.read_bytes())["auths"].keys() == {"ghcr.io", HOST}

    def test_a_file_that_vanishes_meanwhile_is_made_anew(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = home / "config.json"
        path.write_bytes(STRANGER)
        self.at(monkeypatch, replacement, "exchange", path.unlink)
        sink(path).write(Delivery(TOKENS))
        assert json.loads(path.read_bytes())["auths"].keys() == {HOST}
        assert names(home) == ["config.json"]

    def test_a_broken_file_that_was_displaced_goes_back_to_where_its_author_put_it(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = home / "config.json"
        path.write_bytes(STRANGER)
        self.at(monkeypatch, replacement, "exchange", lambda: path.write_bytes(b'{"half') and None)
        with pytest.raises(SinkUnparsable, match="line 1"):
            sink(path).write(Delivery(TOKENS))
        assert (path.read_bytes(), names(home)) == (b'{"half', ["config.json"])

    def test_a_writer_that_never_rests_is_said_and_loses_nothing(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = home / "config.json"
        path.write_bytes(STRANGER)
        made = stage.Stage.make
        count = 0

        def make(self: stage.Stage, data: bytes, instead_of: stage.Snapshot | None) -> bytes:
            nonlocal count
            count += 1
            path.write_bytes(STRANGER + b" " * count)
            return made(self, data, instead_of)

        monkeypatch.setattr(stage.Stage, "make", make)
        with pytest.raises(SinkContended) as refused:
            sink(path).write(Delivery(TOKENS))
        assert refused.value.code == "sink.contended"
        assert names(home) == ["config.json"]
        assert path.read_bytes().strip() == STRANGER.strip()

    def test_our_own_processes_wait_for_each_other(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lock, "_PATIENCE", 0.05)
        path = home / "config.json"
        with lock.locked(str(home.parent / "locks"), os.fsencode(path)):
            with pytest.raises(SinkContended, match="Another ecr-refreshd"):
                sink(path).write(Delivery(TOKENS))
            assert not path.exists()
        sink(path).write(Delivery(TOKENS))
        (name,) = names(home.parent / "locks")
        assert name.endswith(".lock")
        assert mode(home.parent / "locks") == 0o700


def test_a_lock_folder_that_cannot_be_used_is_named(home: Path) -> None:
    (home / "locks").write_text("a file")
    with pytest.raises(SinkUnwritable, match="its lock cannot be taken") as refused:
        DockerFile(str(home / "config.json"), str(home / "locks")).write(Delivery(TOKENS))
    assert refused.value.code == "sink.lock"
    assert names(home) == ["locks"]


def test_a_planted_leftover_is_not_merged(home: Path) -> None:
    """Root must not copy into a user's file what that user has linked beside it."""
    (home.parent / "roots.json").write_text('{"auths": {"secret.io": {"auth": "eDp5"}}}')
    os.link(home.parent / "roots.json", home / ".config.json.ecr-refreshd.aa.bb.cc")
    path = home / "config.json"
    sink(path).write(Delivery(TOKENS))
    sink(path).write(Delivery(NEWER_TOKENS))
    assert json.loads(path.read_bytes())["auths"].keys() == {HOST}


class TestWhereFilesCannotBeExchanged:
    @pytest.fixture(params=[errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
    def refusing(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: bytes, __: bytes, ___: int) -> None:
            raise OSError(request.param, os.strerror(request.param))

        monkeypatch.setattr(swap, "_rename", refuse)

    @pytest.mark.usefixtures("refusing")
    def test_it_is_renamed_over(self, home: Path) -> None:
        path = home / "config.json"
        sink(path).write(Delivery(TOKENS))
        sink(path).write(Delivery(NEWER_TOKENS))
        assert NEWER in path.read_text()
        assert names(home) == ["config.json"]

    @pytest.mark.usefixtures("refusing")
    def test_a_first_version_comes_in_even_without_hard_links(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", refuse)
        sink(home / "config.json").write(Delivery(TOKENS))
        assert holds_token(home / "config.json")
        assert names(home) == ["config.json"]

    @pytest.mark.usefixtures("refusing")
    def test_a_file_that_appears_meanwhile_is_not_overwritten(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = home / "config.json"
        TestOthersAtTheSameTime().at(
            monkeypatch, replacement, "move_to_free_name", lambda: path.write_bytes(STRANGER) and None
        )
        sink(path).write(Delivery(TOKENS))
        assert json.loads(path.read_bytes())["auths"].keys() == {"ghcr.io", HOST}
        assert names(home) == ["config.json"]


def as_nobody(path: Path) -> str:
    """Write in another process as a user without rights; return the code and the text of the refusal."""
    need(os.geteuid() == 0, "root, to become somebody else")
    for folder in [path.parent, *path.parents]:
        if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    parent, child = multiprocessing.Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            file = DockerFile(str(path), f"/tmp/ecr-refreshd-test-locks-{os.getpid()}", mode="auths")
            try:
                file.write(Delivery(TOKENS))
                child.send("written")
            except Exception as error:
                child.send(f"{getattr(error, 'code', type(error).__name__)} {error}")
        finally:
            os._exit(0)
    answer = parent.recv()
    os.waitpid(pid, 0)
    subprocess.run(["rm", "-rf", f"/tmp/ecr-refreshd-test-locks-{pid}"], check=True)
    return str(answer)


def test_no_permission_is_said_with_where_to_look(home: Path) -> None:
    path = home / "config.json"
    path.write_bytes(STRANGER)
    path.chmod(0o644)
    refused = as_nobody(path)
    assert refused.startswith("sink.permission ")
    assert "belongs to root" in refused
    assert "chown" not in refused
    assert path.read_bytes() == STRANGER


@pytest.mark.skipif(sys.platform == "win32", reason="no such system calls")
def test_waiting_for_writers_holds_no_lease_and_tells_who_writes(tmp_path: Path) -> None:
    need(sys.platform == "linux", "Linux, which has leases")
    path = tmp_path / "x"
    path.write_bytes(b"x")
    reader = os.open(path, os.O_RDONLY)
    try:
        assert swap.wait_for_writers(reader, 0)
        writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # would fail with EWOULDBLOCK under a lease
        assert not swap.wait_for_writers(reader, 0.01)
        os.close(writer)
        assert swap.wait_for_writers(reader, 0)
    finally:
        os.close(reader)


def test_a_file_written_in_place_is_never_seen_empty(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single-file mount can only be written in place; emptied first, it would read as ``{}`` to docker."""
    monkeypatch.setattr(replacement, "is_mount", lambda _: True)
    path = home / "config.json"
    path.write_bytes(STRANGER)
    path.chmod(0o600)
    inode = path.stat().st_ino
    file = sink(path)
    reader = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("bystanders.py")), "read", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    for number in range(300):
        file.write(Delivery({HOST: Secret(AUTH * (1 + number % 2 * 500))}))
    answer, _ = reader.communicate(timeout=20)
    seen = json.loads(answer)
    assert seen["reads"] > 20
    assert (seen["missing"], seen["empty"]) == (0, 0)
    assert path.stat().st_ino == inode
