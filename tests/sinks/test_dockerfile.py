"""Promise 5: a token goes where the client of that file looks, and no other login vanishes by it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from ecr_refreshd.core.model import EntryKind
from ecr_refreshd.core.ports import Sink
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import SinkUnwritable
from ecr_refreshd.sinks.dockerfile import DockerFile
from tests.contracts.sinks import AUTH, HOST, OTHER, SinkContract

TOKENS = {HOST: Secret(AUTH)}


@pytest.fixture(autouse=True)
def no_keychain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH of our own, so that no keychain of this machine is found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


class TestDockerFile(SinkContract):
    def make(self, folder: Path, content: bytes | None) -> Sink:
        path = folder / ".docker" / "config.json"
        if content is not None:
            path.parent.mkdir()
            path.write_bytes(content)
        return DockerFile(str(path), str(folder / "locks"))

    def content(self, sink: Sink) -> bytes | None:
        path = Path(sink.path)
        return path.read_bytes() if path.exists() else None


def file_with(folder: Path, content: str, **settings: str) -> DockerFile:
    path = folder / "config.json"
    path.write_text(content)
    return DockerFile(str(path), str(folder / "locks"), **settings)  # type: ignore[arg-type]


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    (folder / name).chmod(0o755)


def holds_token(sink: DockerFile) -> bool:
    return AUTH in Path(sink.path).read_text()


def test_an_empty_helper_name_means_this_file_to_docker(tmp_path: Path) -> None:
    sink = file_with(tmp_path, json.dumps({"credsStore": "pass", "credHelpers": {HOST: ""}}))
    assert sink.write({**TOKENS, OTHER: Secret(AUTH)}).shadows.keys() == {OTHER}
    assert set(json.loads(Path(sink.path).read_text())["auths"]) == {HOST}


def test_podman_ignores_a_store_and_heeds_a_helper(tmp_path: Path) -> None:
    content = json.dumps({"credsStore": "pass", "credHelpers": {OTHER: "ecr-login"}})
    sink = file_with(tmp_path, content, dialect="containers")
    assert sink.write({**TOKENS, OTHER: Secret(AUTH)}).shadows.keys() == {OTHER}
    assert set(json.loads(Path(sink.path).read_text())["auths"]) == {HOST}


def test_mode_auths_writes_even_where_docker_asks_elsewhere(tmp_path: Path) -> None:
    sink = file_with(tmp_path, json.dumps({"credsStore": "pass"}), own_mode="auths")
    view = sink.write(TOKENS)
    assert holds_token(sink)
    assert view.shadows == {}, "what is written is not reported as not written"
    assert any("credsStore" in note for note in view.notes), "who will not read it is said"


def test_every_shadow_says_what_to_do(tmp_path: Path) -> None:
    sink = file_with(tmp_path, json.dumps({"credsStore": "pass", "credHelpers": {OTHER: "x"}}))
    assert all(
        "emove that line" in why.replace("\n", " ") for why in sink.look([HOST, OTHER]).shadows.values()
    )


class TestKeychainThatDockerFindsByItself:
    def test_logins_in_it_would_vanish_so_nothing_is_written(self, tmp_path: Path, no_keychain: Path) -> None:
        program(no_keychain, "docker-credential-secretservice", """echo '{"https://ghcr.io":"me"}'""")
        sink = file_with(tmp_path, "{}")
        view = sink.write(TOKENS)
        assert "docker-credential-secretservice" in view.shadows[HOST]
        assert '"credsStore": "secretservice"' in view.shadows[HOST]
        assert sink.look([HOST]).shadows == view.shadows
        assert Path(sink.path).read_text() == "{}"

    @pytest.mark.parametrize("script", ["echo '{}'", "echo oops; exit 1", "echo '{'", "exec 1>&-"])
    def test_an_empty_or_dead_one_has_nothing_to_lose(
        self, tmp_path: Path, no_keychain: Path, script: str
    ) -> None:
        program(no_keychain, "docker-credential-secretservice", script)
        sink = file_with(tmp_path, "{}")
        assert sink.write(TOKENS).shadows == {}
        assert holds_token(sink)

    def test_whoever_has_pass_gets_no_other_keychain(self, tmp_path: Path, no_keychain: Path) -> None:
        program(no_keychain, "docker-credential-secretservice", """echo '{"https://ghcr.io":"me"}'""")
        program(no_keychain, "pass", "exit 0")
        assert file_with(tmp_path, "{}").look([HOST]).shadows == {}
        program(no_keychain, "docker-credential-pass", """echo '{"https://ghcr.io":"me"}'""")
        assert "docker-credential-pass" in file_with(tmp_path, "{}").look([HOST]).shadows[HOST]

    @pytest.mark.parametrize(
        "content", ['{"auths": {"ghcr.io": {}}}', '{"credHelpers": {"gcr.io": "gcloud"}}']
    )
    def test_it_is_not_asked_where_docker_would_not_look_for_it(
        self, tmp_path: Path, no_keychain: Path, content: str
    ) -> None:
        program(no_keychain, "docker-credential-secretservice", f"touch {tmp_path}/asked")
        assert file_with(tmp_path, content).write(TOKENS).shadows == {}
        assert file_with(tmp_path, "{}", dialect="containers").write(TOKENS).shadows == {}
        assert not (tmp_path / "asked").exists()

    def test_a_hanging_one_is_ended_with_its_children(
        self, tmp_path: Path, no_keychain: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ecr_refreshd.sinks.keychain._TIMEOUT", 0.3)
        program(no_keychain, "docker-credential-secretservice", f"sleep 60 & echo $! >{tmp_path}/pid; wait")
        sink = file_with(tmp_path, "{}")
        assert sink.write(TOKENS).shadows == {}
        child = int((tmp_path / "pid").read_text())
        for _ in range(200):
            if not _runs(child):
                break
            time.sleep(0.01)
        assert not _runs(child)

    def test_it_is_asked_once_a_minute_at_most(self, tmp_path: Path, no_keychain: Path) -> None:
        program(
            no_keychain, "docker-credential-secretservice", f'echo x >>{tmp_path}/asked; echo \'{{"a":"b"}}\''
        )
        sink = file_with(tmp_path, "{}")
        for _ in range(3):
            sink.look([HOST])
        assert (tmp_path / "asked").read_text() == "x\n"


def _runs(pid: int) -> bool:
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_token_in_a_git_work_tree_is_said_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "dotfiles" / ".git").mkdir(parents=True)
    (tmp_path / "dotfiles" / "docker").mkdir()
    real = tmp_path / "dotfiles" / "docker" / "config.json"
    real.write_text("{}")
    real.chmod(0o600)
    link = tmp_path / "config.json"
    link.symlink_to("dotfiles/docker/config.json")
    sink = DockerFile(str(link), str(tmp_path / "locks"))
    assert sink.look([HOST]).notes == ()
    (note,) = sink.write(TOKENS).notes
    assert str(tmp_path / "dotfiles") in note
    assert "git add" in note
    assert sink.look([HOST]).notes == (note,)


def test_the_folders_of_link_and_target_are_to_be_watched(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "home" / "config.json").symlink_to("../one/link")
    (tmp_path / "one" / "link").symlink_to(tmp_path / "two" / "config.json")
    sink = DockerFile(str(tmp_path / "home" / "config.json"), str(tmp_path / "locks"))
    assert sink.folders() == {str(tmp_path / name) for name in ("home", "one", "two")}


def test_a_path_that_is_no_utf8_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff\xfe")
    folder.mkdir()
    sink = DockerFile(str(folder / "config.json"), str(tmp_path / "locks"))
    assert sink.write(TOKENS).entries[HOST].kind is EntryKind.TOKEN
    (folder / "config.json").write_bytes(b"{")
    with pytest.raises(Exception, match="xff") as refused:
        sink.look([HOST])
    str(refused.value).encode()


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    sink = DockerFile(str(tmp_path / "config.json"), str(tmp_path / "locks"))
    for call in (lambda: sink.look([HOST]), lambda: sink.write(TOKENS)):
        with pytest.raises(SinkUnwritable, match="not a regular file"):
            call()
    folder = DockerFile(str(tmp_path), str(tmp_path / "locks"))
    with pytest.raises(SinkUnwritable, match="not a regular file"):
        folder.look([HOST])
