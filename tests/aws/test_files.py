"""The AWS files: what is watched, and what counts as a change."""

from __future__ import annotations

import os
import time

import pytest

from ecr_refreshd.aws.files import AwsFiles
from ecr_refreshd.core import hosts
from tests.world import homes


@pytest.fixture
def files(tmp_path) -> AwsFiles:
    homes.sso_profile(tmp_path, "dev", "724013829182")
    return AwsFiles({"HOME": str(tmp_path)}, tmp_path / "sys")


def relative(files: AwsFiles, home) -> set[str]:
    return {os.path.relpath(folder, home) for folder in files.folders()}


def test_the_folders_of_logins_and_profiles_are_watched_though_missing(tmp_path) -> None:
    files = AwsFiles({"HOME": str(tmp_path)})
    assert relative(files, tmp_path) == {".aws", ".aws/sso/cache", ".aws/login/cache", ".aws/cli/cache"}


def test_where_variables_and_profiles_point_is_watched(files, tmp_path) -> None:
    token = homes.web_identity(tmp_path, "pod", "arn:aws:iam::1:role/x")
    files = AwsFiles(
        {
            "HOME": str(tmp_path),
            "AWS_CONFIG_FILE": str(tmp_path / ".aws/config"),
            "AWS_SHARED_CREDENTIALS_FILE": "~/keys/credentials",
            "AWS_LOGIN_CACHE_DIRECTORY": "$HOME/logins",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "irsa/token"),
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "eks/token"),
        }
    )
    assert token.parent == tmp_path
    assert {"keys", "logins", "irsa", "eks", "."} <= relative(files, tmp_path)


def test_the_real_folder_behind_a_link_is_watched(tmp_path) -> None:
    """Dotfile managers keep the files elsewhere and link them."""
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles/config").write_text("[default]\n")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").symlink_to(tmp_path / "dotfiles/config")
    assert "dotfiles" in relative(AwsFiles({"HOME": str(tmp_path)}), tmp_path)


def test_a_login_changes_the_digest_and_a_touch_does_not(files, tmp_path) -> None:
    class Issuer:
        def sso_login(self, *, session: str, ttl: float | None):
            return {"accessToken": f"{time.time()}", "refreshToken": "r", "expires_at": 2e9}

    before = files.digest()
    token = homes.sso_login(tmp_path, Issuer())
    signed_in = files.digest()
    assert signed_in != before
    os.utime(token)
    token.write_bytes(token.read_bytes())
    assert files.digest() == signed_in
    token.unlink()
    assert files.digest() == before


def test_files_of_others_in_the_same_folder_say_nothing(files, tmp_path) -> None:
    """IDE toolkits and the CLI keep client registrations and a database there (aws.md 1.1, 1.2)."""
    before = files.digest()
    for name in (
        ".aws/sso/cache/botocore-client-id-us-east-1.json",
        ".aws/cli/cache/session.db",
        ".aws/notes",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert files.digest() == before


def test_a_code_typed_in_a_terminal_is_a_change_for_a_profile_with_mfa(files, tmp_path) -> None:
    cached = tmp_path / ".aws/cli/cache/0123.json"
    cached.parent.mkdir(parents=True)
    before = files.digest()
    cached.write_text("{}")
    assert files.digest() == before
    homes.role_chain(tmp_path, "mfa", "arn:aws:iam::1:role/x", "dev", mfa_serial="arn:aws:iam::1:mfa/me")
    with_mfa = files.digest()
    cached.write_text('{"new": 1}')
    assert files.digest() != with_mfa


def test_profiles_are_read_again_when_they_change_and_only_then(files, tmp_path) -> None:
    first = files.profiles()
    assert files.profiles() is first
    homes.profile(tmp_path, "more", region="us-west-2")
    assert list(files.profiles().profiles) == ["dev", "more"]


def test_an_environment_that_changes_is_heeded(tmp_path) -> None:
    """`[environment] set` may come with a reload."""
    environ = {"HOME": str(tmp_path)}
    files = AwsFiles(environ, tmp_path / "sys")
    homes.profile(tmp_path, "dev")
    host = hosts.parse("public.ecr.aws")
    assert host
    files.profiles()
    environ["AWS_PROFILE"] = "dev"
    assert str(files.profiles().choices(host)[0].chosen_by) == "environment"


def test_a_file_in_the_middle_of_an_edit_costs_no_registry_its_principal(files, tmp_path) -> None:
    assert list(files.profiles().profiles) == ["dev"]
    config = tmp_path / ".aws/config"
    good = config.read_text()
    config.write_text("[profile")
    assert list(files.profiles().profiles) == ["dev"]
    assert "before line 1" in files.profiles().problems[0]
    config.write_text(good)
    assert files.profiles().problems == ()
    config.unlink()
    assert list(files.profiles().profiles) == []


def test_a_pipe_where_a_file_should_be_holds_nobody_up(files, tmp_path) -> None:
    homes.token_file(tmp_path, "corp").parent.mkdir(parents=True)
    os.mkfifo(homes.token_file(tmp_path, "corp"))
    assert files.digest()
