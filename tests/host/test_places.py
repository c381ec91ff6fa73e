"""Where everything lies, and which folders are refused."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ecr_refreshd.errors import ConfigError
from ecr_refreshd.host import places
from tests.needs import need

HOME = {"HOME": "/home/dev"}


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_MACOS", False)


@pytest.fixture
def macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_MACOS", True)


@pytest.mark.usefixtures("linux")
def test_linux_places_come_from_home() -> None:
    assert places.config_file(HOME) == Path("/home/dev/.config/ecr-refreshd/config.toml")
    assert places.state_folder(HOME) == Path("/home/dev/.local/state/ecr-refreshd")
    assert places.state_file(HOME) == Path("/home/dev/.local/state/ecr-refreshd/state.json")
    assert places.lock_folder(HOME) == Path("/home/dev/.local/state/ecr-refreshd/locks")
    assert places.socket(HOME) == Path("/home/dev/.local/state/ecr-refreshd/sock")
    assert places.docker_config(HOME) == Path("/home/dev/.docker/config.json")


@pytest.mark.usefixtures("macos")
def test_macos_places_are_apples() -> None:
    folder = Path("/Users/dev/Library/Application Support/ecr-refreshd")
    environ = {"HOME": "/Users/dev", "XDG_RUNTIME_DIR": "/tmp", "XDG_STATE_HOME": "/x"}
    assert places.state_folder(environ) == folder
    assert places.socket(environ) == folder / "sock"
    assert places.config_file(environ) == Path("/Users/dev/.config/ecr-refreshd/config.toml")
    assert places.containers_auth_files(environ) == (Path("/Users/dev/.config/containers/auth.json"),)


@pytest.mark.usefixtures("linux")
def test_xdg_variables_move_them(tmp_path: Path) -> None:
    environ = {**HOME, "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": str(tmp_path)}
    assert places.config_file(environ) == Path("/c/ecr-refreshd/config.toml")
    assert places.state_folder(environ) == Path("/s/ecr-refreshd")
    assert places.socket(environ) == tmp_path / "ecr-refreshd" / "sock"


@pytest.mark.usefixtures("linux")
@pytest.mark.parametrize("value", ["", "relative/folder"])
def test_an_empty_or_relative_xdg_variable_counts_as_unset(value: str) -> None:
    environ = dict.fromkeys(("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"), value) | HOME
    assert places.config_file(environ) == places.config_file(HOME)
    assert places.state_folder(environ) == places.state_folder(HOME)
    assert places.socket(environ) == places.socket(HOME)


@pytest.mark.usefixtures("linux")
def test_a_runtime_folder_that_is_gone_or_anothers_is_not_used(tmp_path: Path) -> None:
    """`su` leaves XDG_RUNTIME_DIR naming the caller's folder."""
    gone = {**HOME, "XDG_RUNTIME_DIR": str(tmp_path / "gone")}
    assert places.socket(gone) == places.socket(HOME)
    need(os.geteuid() == 0, "only root can give a folder away")
    os.chown(tmp_path, 12345, 12345)
    assert places.socket({**HOME, "XDG_RUNTIME_DIR": str(tmp_path)}) == places.socket(HOME)


def test_the_state_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert places.state_folder({**HOME, "ECR_REFRESHD_STATE_DIR": "/state/x"}) == Path("/state/x")
    assert places.state_folder({**HOME, "ECR_REFRESHD_STATE_DIR": "~/x"}) == Path("/home/dev/x")
    assert places.state_folder({**HOME, "ECR_REFRESHD_STATE_DIR": "here"}) == tmp_path / "here"


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}])
def test_without_a_home_the_user_database_answers(environ: dict[str, str]) -> None:
    assert places.home(environ) == Path(pwd.getpwuid(os.geteuid()).pw_dir)


def test_a_user_nobody_knows_is_told_to_set_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers run under user ids without a name."""
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(ConfigError, match="no HOME") as caught:
        places.home({})
    assert "HOME" in caught.value.hint


def test_docker_config_follows_docker() -> None:
    assert places.docker_config({**HOME, "DOCKER_CONFIG": "/d"}) == Path("/d/config.json")
    assert places.docker_config({**HOME, "DOCKER_CONFIG": ""}) == Path("/home/dev/.docker/config.json")


@pytest.mark.usefixtures("linux")
def test_auth_files_are_in_podmans_order() -> None:
    usual = Path("/home/dev/.config/containers/auth.json")
    assert places.containers_auth_files(HOME) == (Path(f"/run/containers/{os.geteuid()}/auth.json"), usual)
    session = {**HOME, "XDG_RUNTIME_DIR": "/run/user/1000"}
    assert places.containers_auth_files(session) == (Path("/run/user/1000/containers/auth.json"), usual)
    named = {**session, "REGISTRY_AUTH_FILE": "/a/auth.json"}
    assert places.containers_auth_files(named)[0] == Path("/a/auth.json")
    twice = {**session, "REGISTRY_AUTH_FILE": str(usual)}
    assert len(places.containers_auth_files(twice)) == 2


@pytest.mark.usefixtures("linux")
def test_a_caller_without_the_session_finds_the_service_that_has_it(tmp_path: Path) -> None:
    """`ensure` in cron has no XDG_RUNTIME_DIR, or a service does not have one and the caller does."""
    state, runtime = tmp_path / "state", tmp_path / "run"
    state.mkdir()
    runtime.mkdir()
    environ = {"HOME": "/nowhere", "XDG_RUNTIME_DIR": str(runtime), "ECR_REFRESHD_STATE_DIR": str(state)}
    assert places.socket_to_ask(environ) == runtime / "ecr-refreshd" / "sock"
    (state / "sock").touch()
    assert places.socket_to_ask(environ) == state / "sock"
    (runtime / "ecr-refreshd").mkdir()
    (runtime / "ecr-refreshd" / "sock").touch()
    assert places.socket_to_ask(environ) == state / "sock", "it is of this state folder for sure"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_private_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    folder = places.private_folder(tmp_path / "local" / "state" / "x")
    assert [mode(p) for p in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3
    assert places.private_folder(folder) == folder


def test_a_folder_of_ours_that_others_could_read_is_closed(tmp_path: Path) -> None:
    """RuntimeDirectory= of systemd makes 0755 unless told otherwise (reliability.md 5.1)."""
    (tmp_path / "x").mkdir(0o755)
    (tmp_path / "x").chmod(0o755)
    assert mode(places.private_folder(tmp_path / "x")) == 0o700


@pytest.mark.parametrize("bits", [0o770, 0o777, 0o1777])
def test_a_folder_that_others_could_write_is_refused(tmp_path: Path, bits: int) -> None:
    """Whoever could write in it may have put something there already, so it is not closed in silence."""
    (tmp_path / "x").mkdir()
    (tmp_path / "x").chmod(bits)
    with pytest.raises(ConfigError, match="others can write") as caught:
        places.private_folder(tmp_path / "x")
    assert "chmod 700" in caught.value.hint
    assert mode(tmp_path / "x") == bits


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    need(os.geteuid() == 0, "only root can give a folder away")
    (tmp_path / "x").mkdir(0o700)
    os.chown(tmp_path / "x", 12345, 12345)
    with pytest.raises(ConfigError, match="user id 12345"):
        places.private_folder(tmp_path / "x")


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(ConfigError, match="cannot be made a private folder"):
        places.private_folder(tmp_path / "x" / "y")
    with pytest.raises(ConfigError, match="cannot be made a private folder"):
        places.private_folder(tmp_path / "x")


def told_to_another(environ: dict[str, str], do: str) -> str:
    """Return how another user, whom folders of root's keep out, is told of it."""
    need(os.geteuid() == 0, "only root can become another user")
    code = (
        "import os\nfrom ecr_refreshd.errors import ConfigError\nfrom ecr_refreshd.host import places\n"
        f"os.setegid(65534)\nos.seteuid(65534)\ntry:\n    {do}\n"
        "except ConfigError as error:\n    print(error.message, error.hint, sep='|')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environ, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


OPEN = "places.private_folder(places.state_folder())"


@pytest.mark.usefixtures("linux")
def test_a_folder_of_roots_in_which_ours_cannot_be_made_is_told_with_the_command() -> None:
    """`sudo` with our HOME makes ~/.local, and leaves it."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o755)
        (home / ".local").mkdir(0o755)
        state = home / ".local/state/ecr-refreshd"
        for home_owner, advice in ((65534, f"sudo chown nobody {home}/.local"), (0, f"HOME is {home}")):
            os.chown(home, home_owner, -1)
            (home / ".local").chmod(0o755)
            told = told_to_another({"HOME": name}, OPEN)
            assert told.startswith(
                f"{state} cannot be made: {home}/.local belongs to root, and you are nobody.|{advice}"
            )
            (home / ".local").chmod(0o700)
            for do in (OPEN, "places.socket_to_ask()"):
                told = told_to_another({"HOME": name}, do)
                assert told.startswith(
                    f"{home}/.local cannot be entered: it belongs to root, and you are nobody.|{advice}"
                )


@pytest.mark.usefixtures("linux")
def test_a_home_that_is_not_there_is_told_with_the_variable() -> None:
    """As of system users and containers: nobody should give `/` away for it."""
    told = told_to_another({"HOME": "/nonexistent"}, OPEN)
    assert told.startswith("/nonexistent/.local/state/ecr-refreshd cannot be made: / belongs to root")
    assert "set HOME" in told
    assert "chown" not in told
