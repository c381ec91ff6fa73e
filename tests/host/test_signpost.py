"""A command finds the service of its state folder, whatever XDG_RUNTIME_DIR it has, and no other service."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.errors import ConfigError, NoServiceError
from ecr_refreshd.host import places, signpost
from ecr_refreshd.host.control import Server, ask
from tests.needs import need


class Box:
    """A runtime folder that services with different state folders share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("run", "one", "two"):
            (folder / name).mkdir(mode=0o700)

    def environ(self, state: str, *, session: bool) -> dict[str, str]:
        environ = {"HOME": str(self.folder), "ECR_REFRESHD_STATE_DIR": str(self.folder / state)}
        return {**environ, "XDG_RUNTIME_DIR": str(self.folder / "run")} if session else environ

    @contextmanager
    def service(self, state: str, *, session: bool, dies: bool = False) -> Iterator[None]:
        socket = places.socket(self.environ(state, session=session))
        server = Server(socket, lambda _request: {"state": state})
        server.start()
        post = signpost.put(socket, self.folder / state)
        yield
        if dies:  # what a killed one leaves: names of a socket on which nobody listens
            kept = socket.with_name("kept")
            kept.hardlink_to(socket)
            server.stop()
            kept.rename(socket)
        else:
            signpost.take_away(post, socket)
            server.stop()

    def found(self, state: str, *, session: bool) -> Any:
        try:
            return ask(places.socket_to_ask(self.environ(state, session=session)), {}, 5)["state"]
        except NoServiceError:
            return None


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    monkeypatch.setattr(places, "_MACOS", False)
    return Box(tmp_path)


@pytest.mark.parametrize("served", [True, False])
@pytest.mark.parametrize("asked", [True, False])
def test_a_service_is_found_with_and_without_a_session(box: Box, served: bool, asked: bool) -> None:
    """Cron, `su` and some ssh have no XDG_RUNTIME_DIR, or the service had none."""
    with box.service("one", session=served):
        assert box.found("one", session=asked) == "one"
        assert box.found("two", session=asked) is None
    assert box.found("one", session=asked) is None
    assert list((box.folder / "one").iterdir()) == []
    assert [path.name for path in (box.folder / "run").rglob("*sock*")] == []


def test_two_services_that_share_a_runtime_folder_are_told_apart(box: Box) -> None:
    with box.service("one", session=False), box.service("two", session=True):
        for session in (True, False):
            assert box.found("one", session=session) == "one"
            assert box.found("two", session=session) == "two"


def test_a_signpost_to_a_dead_service_leads_to_nobody_and_not_to_the_next(box: Box) -> None:
    with box.service("one", session=True, dies=True):
        pass
    assert (box.folder / "one" / "sock").is_symlink()
    assert box.found("one", session=False) is None
    with box.service("two", session=True):
        for session in (True, False):
            assert box.found("one", session=session) is None
            assert box.found("two", session=session) == "two"


@pytest.mark.parametrize("session", [True, False])
def test_the_next_service_puts_its_own(box: Box, session: bool) -> None:
    for before in (True, False):
        with box.service("one", session=before, dies=True):
            pass
        with box.service("one", session=session):
            assert box.found("one", session=not session) == "one"


def test_a_signpost_that_has_been_replaced_is_left(box: Box) -> None:
    with box.service("one", session=True):
        post = box.folder / "one" / "sock"
        post.unlink()
        post.symlink_to("elsewhere")
    assert post.is_symlink()


@pytest.mark.parametrize("what", ["one", "run/ecr-refreshd"])
def test_a_signpost_is_not_followed_where_others_can_write(box: Box, what: str) -> None:
    with box.service("one", session=True):
        (box.folder / what).chmod(0o770)
        with pytest.raises(ConfigError, match="others could"):
            box.found("one", session=False)
        (box.folder / what).chmod(0o700)
        assert box.found("one", session=False) == "one"


@pytest.mark.parametrize("what", ["one/sock", "run/ecr-refreshd", "run/ecr-refreshd/sock"])
def test_a_signpost_is_not_followed_where_something_is_anothers(box: Box, what: str) -> None:
    need(os.geteuid() == 0, "only root can give a file away")
    with box.service("one", session=True):
        os.chown(box.folder / what, 12345, 12345, follow_symlinks=False)
        with pytest.raises(ConfigError, match="others could"):
            signpost.followed(box.folder / "one" / "sock")


def test_where_no_second_name_can_be_made_the_place_alone_counts(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    (box.folder / "one" / "sock").symlink_to("nowhere")
    with box.service("one", session=True):
        assert box.found("one", session=True) == "one"
        assert box.found("one", session=False) is None
