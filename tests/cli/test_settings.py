"""A configuration that others may change is refused, and every other way of not being readable is said."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from ecr_refreshd.cli.commandline import read_arguments
from ecr_refreshd.cli.settings import ConfigFile
from ecr_refreshd.core.settings import Log, Settings
from ecr_refreshd.errors import ConfigError
from tests.needs import need

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir(0o700)
    file = folder / "config.toml"
    file.write_text(f'[[registry]]\nhost = "{HOST}"\n')
    file.chmod(0o644)
    return file


def config_file(path: Path, *, required: bool = True) -> ConfigFile:
    return ConfigFile(path, required, known_regions=lambda: {"us-west-2": "aws"})


def refusal(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        config_file(path).load()
    return refused.value


def test_a_file_is_read(path: Path) -> None:
    (registry,) = config_file(path).load().registries

    assert registry.host == HOST


def test_no_file_is_the_defaults_unless_somebody_named_it(tmp_path: Path) -> None:
    assert config_file(tmp_path / "none", required=False).load() == Settings()
    assert refusal(tmp_path / "none").message == f"{tmp_path}/none: there is no such file"


def test_a_deleted_file_means_the_defaults_unless_somebody_named_it(path: Path) -> None:
    """As it will after a restart (DESIGN 4); with --config or ECR_REFRESHD_CONFIG its absence is an error."""
    files = [config_file(path, required=required) for required in (False, True)]
    assert files[0].load() == files[1].load() != Settings()
    path.unlink()

    assert files[0].load() == Settings()
    with pytest.raises(ConfigError, match="there is no such file"):
        files[1].load()


@pytest.mark.parametrize(("mode", "who"), [(0o646, "everyone"), (0o666, "everyone")])
def test_a_file_that_others_may_write_is_refused(path: Path, mode: int, who: str) -> None:
    path.chmod(mode)
    refused = refusal(path)

    assert f"{who} may change it" in refused.message
    assert refused.hint == f"chmod go-w {path}"
    assert refused.exit_code == 2


def test_the_remedy_mends_it(path: Path) -> None:
    path.chmod(0o666)
    subprocess.run(["sh", "-c", refusal(path).hint], check=True)

    config_file(path).load()


def test_a_folder_in_which_others_may_replace_the_file_is_refused(path: Path) -> None:
    path.parent.chmod(0o777)

    assert f"{path.parent}: refused" in refusal(path).message

    path.parent.chmod(0o1777)
    config_file(path).load()


def test_the_folder_of_a_symlink_target_counts_too(path: Path, tmp_path: Path) -> None:
    """Dotfile managers link the file into a repository of theirs."""
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    config_file(link).load()
    path.parent.chmod(0o777)

    assert f"{path.parent}: refused" in refusal(link).message


def test_a_group_of_the_user_alone_may_write(path: Path) -> None:
    """With umask 002 and a group of one's own, as Fedora and Debian set up, files are 0664."""
    path.chmod(0o664)
    user = pwd.getpwuid(os.geteuid())
    group = grp.getgrgid(user.pw_gid)
    need(group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}, "a private group")
    os.chown(path, -1, user.pw_gid)

    config_file(path).load()


def test_a_group_of_several_may_not_write(path: Path) -> None:
    need(os.geteuid() == 0, "root, to give a file away")
    os.chown(path, -1, grp.getgrnam("users").gr_gid)
    path.chmod(0o664)

    assert "its group may change it" in refusal(path).message


def test_a_file_of_another_user_is_refused(path: Path) -> None:
    need(os.geteuid() == 0, "root, to give a file away")
    os.chown(path, 12345, -1)
    refused = refusal(path)

    assert "belongs to another user (user id 12345)" in refused.message
    assert "settings of your own" in refused.hint
    assert "chown" not in refused.hint


def test_a_pipe_does_not_hold_the_service_up(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)

    assert "is not a file" in refusal(pipe).message


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    assert "is not a file" in refusal(tmp_path).message


def test_what_is_no_text_is_told_with_its_line(path: Path) -> None:
    path.write_bytes(b"[log]\nlevel = '\xff'\n")

    assert refusal(path).message == f"{path}:2: is not UTF-8 text"


def test_a_huge_file_is_not_read(path: Path) -> None:
    path.write_bytes(b"#" * ((1 << 20) + 1))

    assert "larger than 1 MiB" in refusal(path).message


def test_option_goes_before_variable_before_the_usual_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("ECR_REFRESHD_CONFIG", raising=False)
    usual = ConfigFile.chosen(read_arguments(["run"]))
    monkeypatch.setenv("ECR_REFRESHD_CONFIG", "~/variable.toml")
    variable = ConfigFile.chosen(read_arguments(["run"]))
    option = ConfigFile.chosen(read_arguments(["run", "--config", "/option.toml"]))

    assert (usual.path, usual.required) == (tmp_path / "xdg/ecr-refreshd/config.toml", False)
    assert (variable.path, variable.required) == (tmp_path / "variable.toml", True)
    assert (option.path, option.required) == (Path("/option.toml"), True)


def test_options_go_before_the_file_also_after_a_reload(path: Path) -> None:
    path.write_text("[log]\nlevel = 'error'\nformat = 'json'\n")
    file = ConfigFile.chosen(read_arguments(["--config", str(path), "run", "--log-level", "debug"]))
    file.load()
    settings = file.load()

    assert settings.log == Log("debug", "json")
    assert settings.sources["log.level"] == "--log-level"
    assert settings.sources["log.format"] == f"{path}:3"
