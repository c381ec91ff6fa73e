"""Promise 5: a token goes where the client of that file looks, and no other login vanishes by it."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.model import EntryKind, Owed, fingerprint
from ecr_refreshd.core.ports import Sink
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import SinkUnwritable
from ecr_refreshd.sinks.dockerfile import DockerFile, _Change
from tests.contracts.sinks import AUTH, HOST, OTHER, SinkContract
from tests.sinks.processes import ends

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


def helper_on(path: Path) -> None:
    """Put a helper of ours on this PATH, as far as finding it goes."""
    program(path, "docker-credential-ecr-refreshd", "echo docker-credential-ecr-refreshd 1")


def document(sink: DockerFile) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(sink.path).read_text())
    return found


def test_an_empty_helper_name_means_this_file_to_docker(tmp_path: Path) -> None:
    sink = file_with(tmp_path, json.dumps({"credsStore": "pass", "credHelpers": {HOST: ""}}))
    assert sink.write(Delivery({**TOKENS, OTHER: Secret(AUTH)})).unread.keys() == {OTHER}
    assert set(document(sink)["auths"]) == {HOST, OTHER}


def test_podman_ignores_a_store_and_heeds_a_helper(tmp_path: Path) -> None:
    content = json.dumps({"credsStore": "pass", "credHelpers": {OTHER: "ecr-login"}})
    sink = file_with(tmp_path, content, dialect="containers")
    view = sink.write(Delivery({**TOKENS, OTHER: Secret(AUTH)}))
    assert (view.shadows.keys(), view.unread) == ({OTHER}, {})
    assert set(document(sink)["auths"]) == {HOST}


def test_a_closer_key_with_another_login_is_left_and_named(tmp_path: Path) -> None:
    """Podman takes it for all that lies below; one with a dead token of ECR's is brought along instead."""
    other = base64.b64encode(b"me:mine").decode()
    keys = {f"{HOST}/team": {"auth": other}, f"{HOST}/app": {"auth": base64.b64encode(b"AWS:dead").decode()}}
    sink = file_with(tmp_path, json.dumps({"auths": keys}), dialect="containers")
    view = sink.write(Delivery(TOKENS))
    assert document(sink)["auths"] == {
        f"{HOST}/team": {"auth": other},
        f"{HOST}/app": {"auth": AUTH},
        HOST: {"auth": AUTH},
    }
    assert any(f"{HOST}/team" in note for note in view.notes)


def test_mode_auths_writes_even_where_docker_asks_elsewhere(tmp_path: Path, no_keychain: Path) -> None:
    helper_on(no_keychain)
    sink = file_with(tmp_path, json.dumps({"credsStore": "pass"}), mode="auths")
    view = sink.write(Delivery(TOKENS, answered=frozenset(TOKENS)))
    assert holds_token(sink)
    assert (view.shadows, view.unread) == ({}, {}), "the user wanted it so"
    assert any("docker-credential-pass" in note for note in view.notes), "who will not read it is said"


class TestAStoreThatHidesTheEntries:
    """Promise 5: docker asks a store, so it is sent to our helper, and no secret comes into the file."""

    def test_clients_are_sent_to_our_helper_and_the_token_leaves_the_file(
        self, tmp_path: Path, no_keychain: Path
    ) -> None:
        helper_on(no_keychain)
        stale = {"auths": {HOST: {"auth": AUTH}, f"https://{HOST}": {"auth": AUTH}, "ghcr.io": {}}}
        sink = file_with(tmp_path, json.dumps({**stale, "credsStore": "desktop"}))
        assert sink.look([HOST]).helped == {HOST}
        view = sink.write(Delivery(TOKENS, answered=frozenset({HOST})))
        assert document(sink) == {
            "auths": {"ghcr.io": {}},
            "credsStore": "desktop",
            "credHelpers": {HOST: "ecr-refreshd"},
        }
        assert (view.entries[HOST].kind, view.lines) == (EntryKind.HELPER, {HOST})
        assert sink.look([HOST]) == view

    def test_a_file_without_a_token_keeps_its_mode(self, tmp_path: Path, no_keychain: Path) -> None:
        """Others may have to read it; and what is said of its mode would not be true."""
        helper_on(no_keychain)
        sink = file_with(tmp_path, '{"auths": {"ghcr.io": {"auth": "eDp5"}}}', mode="helper")
        Path(sink.path).chmod(0o644)
        view = sink.write(Delivery(TOKENS, answered=frozenset({HOST})))
        assert document(sink)["credHelpers"] == {HOST: "ecr-refreshd"}
        assert Path(sink.path).stat().st_mode & 0o777 == 0o644
        assert not any("mode" in note for note in view.notes)
        sink.write(Delivery({OTHER: Secret(AUTH)}))
        assert Path(sink.path).stat().st_mode & 0o777 == 0o644

    def test_who_else_may_not_find_our_helper_is_said(self, tmp_path: Path, no_keychain: Path) -> None:
        """A desktop starts its programs with a bare PATH, and a helper that is not found breaks docker there."""
        helper_on(no_keychain)
        notes = file_with(tmp_path, '{"credsStore": "desktop"}').look([HOST]).notes
        assert any("sudo ln -s" in note for note in notes)
        assert file_with(tmp_path, "{}").look([HOST]).notes == ()

    def test_not_before_the_helper_has_an_answer(self, tmp_path: Path, no_keychain: Path) -> None:
        helper_on(no_keychain)
        sink = file_with(tmp_path, '{"credsStore": "desktop"}')
        assert sink.write(Delivery(TOKENS)).entries[HOST].kind is EntryKind.ABSENT
        assert document(sink) == {"credsStore": "desktop"}

    @pytest.mark.parametrize("script", ["exit 1", "echo something else", "kill -9 $$"])
    def test_a_helper_that_does_not_run_is_not_named(
        self, tmp_path: Path, no_keychain: Path, script: str
    ) -> None:
        """A dead line breaks docker 29 and later altogether."""
        program(no_keychain, "docker-credential-ecr-refreshd", script)
        sink = file_with(tmp_path, '{"credsStore": "desktop"}')
        view = sink.write(Delivery(TOKENS, answered=frozenset({HOST})))
        assert "credHelpers" not in document(sink)
        assert holds_token(sink), "podman and docker-py read it"
        assert "docker-credential-ecr-refreshd" in view.unread[HOST]

    def test_a_helper_that_is_uninstalled_has_its_line_taken_away(
        self, tmp_path: Path, no_keychain: Path
    ) -> None:
        helper_on(no_keychain)
        sink = file_with(tmp_path, '{"credsStore": "desktop"}')
        everything = Delivery(TOKENS, answered=frozenset({HOST}))
        sink.write(everything)
        (no_keychain / "docker-credential-ecr-refreshd").unlink()
        view = sink.look([HOST])
        assert (view.lines, view.helped) == ({HOST}, frozenset())
        sink.write(everything)
        assert document(sink) == {"credsStore": "desktop", "auths": {HOST: {"auth": AUTH}}}

    def test_a_line_of_ours_goes_when_the_host_is_no_business_of_ours_any_more(
        self, tmp_path: Path, no_keychain: Path
    ) -> None:
        """A registry that leaves the config keeps its entry; our line goes (DESIGN 4)."""
        helper_on(no_keychain)
        lines = {HOST: "ecr-refreshd", OTHER: "ecr-login"}
        sink = file_with(tmp_path, json.dumps({"credHelpers": lines, "credsStore": "desktop"}))
        assert sink.look([]).lines == {HOST}
        sink.write(Delivery(released=frozenset({HOST, OTHER})))
        assert document(sink) == {"credHelpers": {OTHER: "ecr-login"}, "credsStore": "desktop"}

    def test_another_helpers_line_is_taken_over_only_where_that_is_wanted(
        self, tmp_path: Path, no_keychain: Path
    ) -> None:
        helper_on(no_keychain)
        content = json.dumps({"credHelpers": {HOST: "ecr-login"}})
        everything = Delivery(TOKENS, answered=frozenset({HOST}))
        assert "ecr-login" in file_with(tmp_path, content).write(everything).shadows[HOST]
        for mode, auths in (("helper", {}), ("both", {HOST: {"auth": AUTH}})):
            sink = file_with(tmp_path, content, mode=mode)
            sink.write(everything)
            assert document(sink)["credHelpers"] == {HOST: "ecr-refreshd"}
            assert document(sink).get("auths", {}) == auths
            assert sink.look([HOST]).owed == Owed(helpers={HOST: "ecr-login"})

    def test_what_gave_way_to_us_is_given_back(self, tmp_path: Path, no_keychain: Path) -> None:
        helper_on(no_keychain)
        sink = file_with(tmp_path, json.dumps({"credHelpers": {HOST: "ecr-refreshd"}}))
        sink.write(Delivery(released=frozenset({HOST}), restored={HOST: "ecr-login"}))
        assert document(sink) == {"credHelpers": {HOST: "ecr-login"}}

    def test_leaving_helper_mode_leaves_no_line_behind(self, tmp_path: Path, no_keychain: Path) -> None:
        helper_on(no_keychain)
        everything = Delivery(TOKENS, answered=frozenset({HOST}))
        file_with(tmp_path, "{}", mode="helper").write(everything)
        sink = DockerFile(str(tmp_path / "config.json"), str(tmp_path / "locks"), mode="auths")
        assert sink.look([HOST]).entries[HOST].untidy
        sink.write(everything)
        assert document(sink) == {"auths": {HOST: {"auth": AUTH}}}


STORE = """case $1 in
store) cat > {folder}/kept ;;
get) cat {folder}/kept 2>/dev/null || {{ echo credentials not found in native keychain; exit 1; }} ;;
erase) rm -f {folder}/kept ;;
esac"""


class TestModeStore:
    """The token lies where the user keeps every login, and nothing of it in the file."""

    def test_the_store_gets_it_and_the_file_says_so(self, tmp_path: Path, no_keychain: Path) -> None:
        program(no_keychain, "docker-credential-desktop", STORE.format(folder=tmp_path))
        content = {
            "auths": {HOST: {"auth": AUTH}},
            "credsStore": "desktop",
            "credHelpers": {HOST: "ecr-refreshd"},
        }
        sink = file_with(tmp_path, json.dumps(content), mode="store")
        assert sink.look([HOST]).entries[HOST].kind is EntryKind.ABSENT
        view = sink.write(Delivery(TOKENS))
        assert document(sink) == {"auths": {HOST: {}}, "credsStore": "desktop"}
        assert json.loads((tmp_path / "kept").read_text())["Username"] == "AWS"
        assert (view.entries[HOST].fingerprint, view.stored) == (fingerprint(AUTH), {HOST})

    def test_a_store_that_refuses_leaves_the_file_as_it_was(self, tmp_path: Path, no_keychain: Path) -> None:
        program(
            no_keychain,
            "docker-credential-desktop",
            "cat >/dev/null; echo The stub received bad data.; exit 1",
        )
        content = json.dumps({"auths": {HOST: {"auth": AUTH}}, "credsStore": "desktop"})
        sink = file_with(tmp_path, content, mode="store")
        view = sink.write(Delivery(TOKENS))
        assert "as long as an ECR token" in view.failures[HOST].message
        assert "helper" in view.failures[HOST].hint
        assert Path(sink.path).read_text() == content

    def test_what_ails_one_host_is_its_own(self, tmp_path: Path, no_keychain: Path) -> None:
        """Promise 8: beside it one that the same store takes, and one that needs no store."""
        third = HOST.replace("7", "8")
        refuses = f'read -r said; case $said in *{HOST}*) echo some failure; exit 1 ;; esac; echo "$said"'
        program(
            no_keychain,
            "docker-credential-fake",
            STORE.format(folder=tmp_path).replace("cat >", f"{refuses} >"),
        )
        sink = file_with(
            tmp_path, json.dumps({"credsStore": "fake", "credHelpers": {third: ""}}), mode="store"
        )
        view = sink.write(Delivery(dict.fromkeys([HOST, OTHER, third], Secret(AUTH))))
        assert view.failures.keys() == {HOST}
        assert document(sink)["auths"] == {OTHER: {}, third: {"auth": AUTH}}

    def test_a_store_that_does_not_answer_hides_nothing_of_the_file(
        self, tmp_path: Path, no_keychain: Path
    ) -> None:
        program(no_keychain, "docker-credential-fake", "cat >/dev/null; echo the keychain is locked; exit 1")
        content = {"credsStore": "fake", "credHelpers": {OTHER: ""}, "auths": {OTHER: {"auth": AUTH}}}
        view = file_with(tmp_path, json.dumps(content), mode="store").look([HOST, OTHER])
        assert view.entries.keys() == {OTHER}
        assert view.failures[HOST].code == "store.locked"


class TestKeychainThatDockerFindsByItself:
    """Promise 5: one entry of ours ends docker's own search, and the logins it finds must not vanish by it."""

    LISTS = """echo '{"https://ghcr.io":"me"}'"""

    def test_it_is_named_in_the_file_before_anything_else_is(self, tmp_path: Path, no_keychain: Path) -> None:
        program(no_keychain, "docker-credential-secretservice", self.LISTS)
        helper_on(no_keychain)
        sink = file_with(tmp_path, "{}")
        view = sink.write(Delivery(TOKENS, answered=frozenset({HOST})))
        assert document(sink) == {"credHelpers": {HOST: "ecr-refreshd"}, "credsStore": "secretservice"}
        assert view.owed == Owed("secretservice", {HOST: None})

    def test_without_a_helper_of_ours_the_token_lies_there_for_the_others(
        self, tmp_path: Path, no_keychain: Path
    ) -> None:
        program(no_keychain, "docker-credential-secretservice", self.LISTS)
        sink = file_with(tmp_path, "{}")
        view = sink.write(Delivery(TOKENS))
        assert document(sink) == {"auths": {HOST: {"auth": AUTH}}, "credsStore": "secretservice"}
        assert "docker-credential-secretservice" in view.unread[HOST]

    @pytest.mark.parametrize(
        "script",
        [
            "echo '{}'",
            "echo oops; exit 1",
            "echo '{'",
            "exec 1>&-",
            "echo 'Cannot autolaunch D-Bus without X11 $DISPLAY'; exit 1",
        ],
    )
    def test_an_empty_or_dead_one_has_nothing_to_lose(
        self, tmp_path: Path, no_keychain: Path, script: str
    ) -> None:
        program(no_keychain, "docker-credential-secretservice", script)
        sink = file_with(tmp_path, "{}")
        assert sink.write(Delivery(TOKENS)).unread == {}
        assert holds_token(sink)

    NO_BUS = "echo 'Cannot autolaunch D-Bus without X11 $DISPLAY'; exit 1"

    @pytest.mark.parametrize(
        "kept", [".local/share/keyrings/login.keyring", ".local/share/kwalletd/kdewallet.kwl"]
    )
    def test_one_without_a_session_may_hold_logins_where_it_has_kept_something(
        self, tmp_path: Path, no_keychain: Path, monkeypatch: pytest.MonkeyPatch, kept: str
    ) -> None:
        """A service that was started by cron or ssh, on a machine with a desktop."""
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
        (tmp_path / kept).parent.mkdir(parents=True)
        (tmp_path / kept).touch()
        program(no_keychain, "docker-credential-secretservice", self.NO_BUS)
        helper_on(no_keychain)
        sink = file_with(tmp_path, "{}")
        sink.write(Delivery(TOKENS, answered=frozenset({HOST})))
        assert document(sink) == {"credHelpers": {HOST: "ecr-refreshd"}, "credsStore": "secretservice"}

    def test_one_of_which_nobody_can_tell_is_said_with_the_remedy(
        self, tmp_path: Path, no_keychain: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        program(no_keychain, "docker-credential-secretservice", self.NO_BUS)
        sink = file_with(tmp_path, "{}")
        sink.write(Delivery(TOKENS))
        assert holds_token(sink)
        (note,) = (note for note in sink.look([HOST]).notes if "no D-Bus session" in note)
        assert '"credsStore": "secretservice"' in note

    def test_pass_that_was_never_initialised_has_nothing_to_lose_and_one_that_fails_may_have(
        self, tmp_path: Path, no_keychain: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("PASSWORD_STORE_DIR", raising=False)
        program(no_keychain, "pass", "exit 0")
        for said in ("pass not initialized", "what?"):
            program(no_keychain, "docker-credential-pass", f"echo '{said}'; exit 1")
            sink = file_with(tmp_path, "{}")
            assert not any("credsStore" in note for note in sink.write(Delivery(TOKENS)).notes)
            assert holds_token(sink)
        (tmp_path / ".password-store/docker-credential-helpers/Z2hjci5pbw==").mkdir(parents=True)
        sink = file_with(tmp_path, "{}")
        assert "docker-credential-pass" in sink.look([HOST]).unread[HOST]

    def test_whoever_has_pass_gets_no_other_keychain(self, tmp_path: Path, no_keychain: Path) -> None:
        program(no_keychain, "docker-credential-secretservice", self.LISTS)
        program(no_keychain, "pass", "exit 0")
        assert file_with(tmp_path, "{}").look([HOST]).unread == {}
        program(no_keychain, "docker-credential-pass", self.LISTS)
        assert "docker-credential-pass" in file_with(tmp_path, "{}").look([HOST]).unread[HOST]

    @pytest.mark.parametrize(
        "content", ['{"auths": {"ghcr.io": {}}}', '{"credHelpers": {"gcr.io": "gcloud"}}']
    )
    def test_it_is_not_asked_where_docker_would_not_look_for_it(
        self, tmp_path: Path, no_keychain: Path, content: str
    ) -> None:
        program(no_keychain, "docker-credential-secretservice", f"touch {tmp_path}/asked")
        assert file_with(tmp_path, content).write(Delivery(TOKENS)).unread == {}
        assert file_with(tmp_path, "{}", dialect="containers").write(Delivery(TOKENS)).unread == {}
        assert not (tmp_path / "asked").exists()

    def test_a_locked_one_may_hold_logins(self, tmp_path: Path, no_keychain: Path) -> None:
        """At a start before anybody has unlocked the keyring: an entry of ours would hide it for good."""
        said = "Cannot get secret of a locked object"
        program(no_keychain, "docker-credential-secretservice", f"echo '{said}: is locked'; exit 1")
        helper_on(no_keychain)
        sink = file_with(tmp_path, "{}")
        sink.write(Delivery(TOKENS, answered=frozenset({HOST})))
        assert document(sink) == {"credHelpers": {HOST: "ecr-refreshd"}, "credsStore": "secretservice"}

    def test_one_that_waits_for_somebody_is_ended_with_its_children_and_may_hold_logins(
        self, tmp_path: Path, no_keychain: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ecr_refreshd.sinks.keychain._TIMEOUT", 0.3)
        program(no_keychain, "docker-credential-secretservice", f"sleep 60 & echo $! >{tmp_path}/pid; wait")
        sink = file_with(tmp_path, "{}")
        assert "docker-credential-secretservice" in sink.write(Delivery(TOKENS)).unread[HOST]
        child = int((tmp_path / "pid").read_text())
        assert ends(child)

    @pytest.mark.parametrize("answered", [frozenset({HOST}), frozenset[str]()])
    def test_a_line_of_ours_that_outlived_its_store_does_not_hide_it(
        self, tmp_path: Path, no_keychain: Path, answered: frozenset[str]
    ) -> None:
        """Docker Desktop is gone, its line too, and what docker would find now is hidden by ours alone."""
        program(no_keychain, "docker-credential-secretservice", self.LISTS)
        helper_on(no_keychain)
        sink = file_with(tmp_path, json.dumps({"credHelpers": {HOST: "ecr-refreshd"}}))
        assert sink.look([HOST]).spare == {HOST}
        sink.write(Delivery(TOKENS, answered=answered, released=frozenset({HOST})))
        if answered:
            assert document(sink) == {"credHelpers": {HOST: "ecr-refreshd"}, "credsStore": "secretservice"}
        else:
            assert document(sink) == {}, "docker finds it by itself"

    @pytest.mark.parametrize(
        "others", [{}, {"auths": {"ghcr.io": {}}}, {"credHelpers": {"gcr.io": "gcloud"}}]
    )
    def test_one_that_we_named_is_named_no_more_unless_something_needs_it_by_then(
        self, tmp_path: Path, others: dict[str, Any]
    ) -> None:
        """The file is judged as it is when it is rewritten."""
        lines = {HOST: "ecr-refreshd", **others.get("credHelpers", {})}
        content = {**others, "credHelpers": lines, "credsStore": "pass"}
        sink = file_with(tmp_path, json.dumps(content))
        sink.write(Delivery(released=frozenset({HOST}), unpinned="pass"))
        assert document(sink) == ({**others, "credsStore": "pass"} if others else {})

    def test_a_login_that_comes_while_it_is_given_back_does_not_hide_it(self, tmp_path: Path) -> None:
        base = {"credHelpers": {HOST: "ecr-refreshd"}, "credsStore": "pass"}
        theirs = json.dumps({"auths": {"ghcr.io": {}}, **base}).encode()
        sink = file_with(tmp_path, json.dumps(base))
        change = _Change(sink, Delivery(released=frozenset({HOST}), unpinned="pass"))
        merged = change.merged(json.dumps(base).encode(), b"{}", theirs)
        left = json.loads(merged)
        assert not left.pop("credHelpers", {}), "our line has gone"
        assert left == {"auths": {"ghcr.io": {}}, "credsStore": "pass"}

    def test_it_is_asked_once_a_minute_at_most(self, tmp_path: Path, no_keychain: Path) -> None:
        program(
            no_keychain,
            "docker-credential-secretservice",
            f'[ $1 = list ] || exit 1; echo x >>{tmp_path}/asked; echo \'{{"a":"b"}}\'',
        )
        sink = file_with(tmp_path, "{}")
        for _ in range(3):
            sink.look([HOST])
        assert (tmp_path / "asked").read_text() == "x\n"


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
    (note,) = sink.write(Delivery(TOKENS)).notes
    assert str(tmp_path / "dotfiles") in note
    assert "git add" in note
    assert sink.look([HOST]).notes == (note,)


def test_a_git_work_tree_without_a_token_is_no_news(tmp_path: Path, no_keychain: Path) -> None:
    helper_on(no_keychain)
    (tmp_path / ".git").mkdir()
    sink = file_with(tmp_path, "{}", mode="helper")
    view = sink.write(Delivery(TOKENS, answered=frozenset({HOST})))
    assert view.entries[HOST].kind is EntryKind.HELPER
    assert not any("git work tree" in note for note in view.notes)


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
    assert sink.write(Delivery(TOKENS)).entries[HOST].kind is EntryKind.TOKEN
    (folder / "config.json").write_bytes(b"{")
    with pytest.raises(Exception, match="xff") as refused:
        sink.look([HOST])
    str(refused.value).encode()


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    sink = DockerFile(str(tmp_path / "config.json"), str(tmp_path / "locks"))
    for call in (lambda: sink.look([HOST]), lambda: sink.write(Delivery(TOKENS))):
        with pytest.raises(SinkUnwritable, match="not a regular file"):
            call()
    folder = DockerFile(str(tmp_path), str(tmp_path / "locks"))
    with pytest.raises(SinkUnwritable, match="is a directory"):
        folder.look([HOST])


def test_a_sessions_file_that_cannot_be_reached_is_absent(tmp_path: Path) -> None:
    """A container has no session: nothing needs podman's file there, and nothing has to be said of it."""
    (tmp_path / "run").write_text("no folder")
    path, locks = str(tmp_path / "run/containers/auth.json"), str(tmp_path / "locks")
    view = DockerFile(path, locks, dialect="containers", is_needed=False).look([HOST])
    assert (view.exists, view.entries[HOST].kind) == (False, EntryKind.ABSENT)
