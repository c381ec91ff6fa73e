"""The AWS files: what is watched, and what counts as a change."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from ecr_refreshd.aws.files import AwsFiles, token_file
from ecr_refreshd.core import hosts
from ecr_refreshd.core.model import Instant, Login, Principal
from ecr_refreshd.host.clock import SystemClock
from tests.world import homes
from tests.world.rendering import iso


@pytest.fixture
def files(tmp_path) -> AwsFiles:
    homes.sso_profile(tmp_path, "dev", "724013829182")
    return AwsFiles({"HOME": str(tmp_path)}, SystemClock(), tmp_path / "sys")


def relative(files: AwsFiles, home) -> set[str]:
    return {os.path.relpath(folder, home) for folder in files.folders()}


def test_the_folders_of_logins_and_profiles_are_watched_though_missing(tmp_path) -> None:
    files = AwsFiles({"HOME": str(tmp_path)}, SystemClock())
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
        },
        SystemClock(),
    )
    assert token.parent == tmp_path
    assert {"keys", "logins", "irsa", "eks", "."} <= relative(files, tmp_path)


def test_the_real_folder_behind_a_link_is_watched(tmp_path) -> None:
    """Dotfile managers keep the files elsewhere and link them."""
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles/config").write_text("[default]\n")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").symlink_to(tmp_path / "dotfiles/config")
    assert "dotfiles" in relative(AwsFiles({"HOME": str(tmp_path)}, SystemClock()), tmp_path)


def test_a_login_changes_a_look_and_a_touch_does_not(files, tmp_path) -> None:
    before = files.look()
    token = homes.sso_login(tmp_path, Issuer())
    signed_in = files.look()
    assert signed_in.logins != before.logins
    os.utime(token)
    token.write_bytes(token.read_bytes())
    assert files.look() == signed_in
    token.unlink()
    assert files.look() == before


def test_files_of_others_in_the_same_folder_say_nothing(files, tmp_path) -> None:
    """IDE toolkits and the CLI keep client registrations and a database there (aws.md 1.1, 1.2)."""
    before = files.look()
    for name in (
        ".aws/sso/cache/botocore-client-id-us-east-1.json",
        ".aws/cli/cache/session.db",
        ".aws/notes",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert files.look() == before


def test_a_code_typed_in_a_terminal_is_a_change_for_a_profile_with_mfa(files, tmp_path) -> None:
    cached = tmp_path / ".aws/cli/cache/0123.json"
    cached.parent.mkdir(parents=True)
    before = files.look().shared
    cached.write_text("{}")
    assert files.look().shared == before
    homes.role_chain(tmp_path, "mfa", "arn:aws:iam::1:role/x", "dev", mfa_serial="arn:aws:iam::1:mfa/me")
    with_mfa = files.look().shared
    cached.write_text('{"new": 1}')
    assert files.look().shared != with_mfa


def test_profiles_are_read_again_when_they_change_and_only_then(files, tmp_path) -> None:
    first = files.look().profiles
    assert files.look().profiles is first
    homes.profile(tmp_path, "more", region="us-west-2")
    assert list(files.look().profiles.profiles) == ["dev", "more"]


def test_an_environment_that_changes_is_heeded(tmp_path) -> None:
    """`[environment] set` may come with a reload."""
    environ = {"HOME": str(tmp_path)}
    files = AwsFiles(environ, SystemClock(), tmp_path / "sys")
    homes.profile(tmp_path, "dev", sso_account_id="724013829182", sso_role_name="Dev")
    host = hosts.parse("public.ecr.aws")
    assert host
    files.look()
    environ["AWS_PROFILE"] = "dev"
    assert str(files.look().profiles.choices(host)[0].chosen_by) == "environment"


def test_a_file_in_the_middle_of_an_edit_costs_no_registry_its_principal(files, tmp_path) -> None:
    assert list(files.look().profiles.profiles) == ["dev"]
    config = tmp_path / ".aws/config"
    good = config.read_text()
    config.write_text("[profile")
    assert list(files.look().profiles.profiles) == ["dev"]
    assert "before line 1" in files.look().profiles.problems[0].message
    config.write_text(good)
    assert files.look().profiles.problems == ()
    config.unlink()
    assert list(files.look().profiles.profiles) == []


def test_a_pipe_where_a_file_should_be_holds_nobody_up(files, tmp_path) -> None:
    homes.token_file(tmp_path, "corp").parent.mkdir(parents=True)
    os.mkfifo(homes.token_file(tmp_path, "corp"))
    assert files.look().logins == {"sso:corp": Login()}


# -- one look ------------------------------------------------------------------------------------------------


class Issuer:
    """Hands out SSO tokens, each another."""

    issued = 0

    def sso_login(self, *, session: str, ttl: float | None):
        self.issued += 1
        expires_at = time.time() + (3600 if ttl is None else ttl)
        return {"accessToken": f"a{self.issued}", "refreshToken": f"r{self.issued}", "expires_at": expires_at}


LEGACY = "https://old.awsapps.com/start"


@pytest.fixture
def many(tmp_path) -> AwsFiles:
    """One profile of each kind that has a login, and some that have none."""
    homes.sso_profile(tmp_path, "dev", "724013829182")
    homes.sso_profile(tmp_path, "dev2", "724013829182")
    homes.role_chain(tmp_path, "above", "arn:aws:iam::1:role/x", "dev")
    homes.profile(
        tmp_path, "old", sso_start_url=LEGACY, sso_region="us-east-1", sso_account_id="1", sso_role_name="R"
    )
    homes.profile(tmp_path, "con", login_session="arn:aws:iam::1:user/me")
    homes.static_keys(tmp_path, "forever", "AKIA")
    homes.credential_process(tmp_path, "program", "")
    return AwsFiles({"HOME": str(tmp_path)}, SystemClock(), tmp_path / "sys")


def test_every_lane_of_a_profile_has_its_login(many, tmp_path) -> None:
    look = many.look()
    lanes = {look.profiles.standing(Principal(name)).lane for name in look.profiles.profiles}
    assert set(look.logins) == lanes - {""} == {"sso:corp", f"sso:{LEGACY}", "login:arn:aws:iam::1:user/me"}
    assert all(login == Login() for login in look.logins.values())


def test_a_login_of_a_session_is_seen_and_its_refresh_has_another_stamp(many, tmp_path) -> None:
    homes.sso_login(tmp_path, issuer := Issuer(), ttl=-60)
    first = many.look().logins["sso:corp"]
    assert first.alive
    assert first.stamp
    assert first.refreshes
    homes.sso_login(tmp_path, issuer)
    second = many.look().logins["sso:corp"]
    assert second.alive
    assert second.stamp not in {"", first.stamp}
    homes.sso_logout(tmp_path)
    assert many.look().logins["sso:corp"] == Login()


def test_a_login_of_the_old_form_is_found_by_its_start_url_and_ends_with_its_token(many, tmp_path) -> None:
    homes.sso_login(tmp_path, Issuer(), LEGACY, ttl=3600)
    found = many.look().logins[f"sso:{LEGACY}"]
    assert found.alive
    assert found.ends_at == found.expires_at is not None
    homes.sso_login(tmp_path, Issuer(), LEGACY, ttl=-1)
    assert not many.look().logins[f"sso:{LEGACY}"].alive


class HandClock:
    """The machine's clock, some time later."""

    later = timedelta(0)

    def now(self) -> Instant:
        now = SystemClock().now()
        return Instant(now.wall + self.later, now.boot + self.later)


def test_a_profile_that_the_aws_cli_serves_is_of_the_same_login(tmp_path) -> None:
    homes.profile(tmp_path, "cli", credential_process="aws configure export-credentials --profile dev")
    homes.sso_profile(tmp_path, "dev", "724013829182")
    homes.sso_login(tmp_path, Issuer(), ttl=-60)
    logins = AwsFiles({"HOME": str(tmp_path)}, SystemClock(), tmp_path / "sys").look().logins
    assert set(logins) == {"sso:corp"}
    assert logins["sso:corp"].alive, "it is refreshed, being none of the old form"


def test_a_life_that_runs_out_is_seen_though_no_file_changes(many, tmp_path) -> None:
    homes.sso_login(tmp_path, Issuer(), LEGACY, ttl=3600)
    files = AwsFiles(many._environ, clock := HandClock(), tmp_path / "sys")
    before = files.look()
    clock.later = timedelta(minutes=61)
    after = files.look()
    assert [look.logins[f"sso:{LEGACY}"].alive for look in (before, after)] == [True, False]
    assert after.files == before.files


def test_a_file_that_the_cli_is_just_writing_is_torn_and_no_logout(many, tmp_path) -> None:
    """It empties the file, then writes it (aws.md 1.1)."""
    path = homes.sso_login(tmp_path, Issuer())
    whole = path.read_text()
    for part in ("", whole[:40]):
        path.write_text(part)
        found = many.look().logins["sso:corp"]
        assert found.torn
        assert (found.stamp, found.alive) == ("", False)
    path.write_text(whole)
    assert not many.look().logins["sso:corp"].torn


def test_logins_and_the_terminals_cache_do_not_count_as_files(many, tmp_path) -> None:
    """A refresh an hour must not make a new plan of everything."""
    homes.role_chain(tmp_path, "mfa", "arn:aws:iam::1:role/x", "dev", mfa_serial="arn:aws:iam::1:mfa/me")
    before = many.look()
    homes.sso_login(tmp_path, Issuer())
    cached = tmp_path / ".aws/cli/cache/0123.json"
    cached.parent.mkdir(parents=True)
    cached.write_text("{}")
    after = many.look()
    assert after.files == before.files
    assert after.shared != before.shared
    homes.profile(tmp_path, "more")
    assert many.look().files != after.files


def test_keys_that_name_their_own_end_are_a_login_of_their_profile_and_of_roles_above_it(tmp_path) -> None:
    end = time.time() + 3600
    section = {"aws_access_key_id": "ASIA", "aws_secret_access_key": "s", "aws_session_token": "t"}
    homes.section(tmp_path / ".aws/credentials", "saml", section | {"x_security_token_expires": iso(end)})
    homes.section(tmp_path / ".aws/credentials", "dateless", section)
    homes.role_chain(tmp_path, "above", "arn:aws:iam::1:role/x", "saml")
    logins = AwsFiles({"HOME": str(tmp_path)}, SystemClock(), tmp_path / "sys").look().logins
    assert set(logins) == {"keys:saml", "keys:above"}
    assert logins["keys:saml"] == logins["keys:above"]
    found = logins["keys:saml"]
    assert (found.alive, found.refreshes) == (True, False)
    assert found.ends_at == datetime.fromtimestamp(int(end), UTC)


def test_what_has_not_changed_is_not_read_again(many, tmp_path) -> None:
    """A look may be taken on every tick. Told by the kernel: reading sets a file's access time."""
    path = homes.sso_login(tmp_path, Issuer())
    quiet = time.time() - 60
    for each in (path, tmp_path / ".aws/config", tmp_path / ".aws/credentials"):
        os.utime(each, (quiet - 1e6, quiet))
    first = many.look()
    read = [each.stat().st_atime for each in (path, tmp_path / ".aws/config")]
    for each in (path, tmp_path / ".aws/config"):
        os.utime(each, (quiet - 1e6, quiet))
    assert many.look() == first
    if read != [quiet - 1e6] * 2:  # else the file system keeps no access times
        assert [each.stat().st_atime for each in (path, tmp_path / ".aws/config")] == [quiet - 1e6] * 2


def test_two_changes_within_a_tick_of_the_kernels_clock_are_both_seen(many, tmp_path) -> None:
    """Same size, same inode, same time: only the content differs."""
    path = homes.sso_login(tmp_path, Issuer())
    first = many.look().logins["sso:corp"].stamp
    stamp = path.stat()
    path.write_text(path.read_text().replace('"a1"', '"b1"'))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert many.look().logins["sso:corp"].stamp != first


def test_variables_say_where_the_logins_lie(tmp_path) -> None:
    environ = {
        "HOME": str(tmp_path),
        "AWS_LOGIN_CACHE_DIRECTORY": "~/elsewhere",
        "AWS_CONFIG_FILE": "$HOME/conf",
    }
    (tmp_path / "conf").write_text("[profile con]\nlogin_session = arn:aws:iam::1:user/me\n")
    assert set(AwsFiles(environ, SystemClock()).look().logins) == {"login:arn:aws:iam::1:user/me"}
    assert token_file("login:x", environ).startswith(f"{tmp_path}/elsewhere/")


def test_a_look_while_others_write_never_fails(many, tmp_path) -> None:
    """From a worker thread, with a CLI that rewrites its files all the time."""
    path = homes.sso_login(tmp_path, Issuer())
    whole, stop = path.read_text(), threading.Event()

    def rewrite() -> None:
        while not stop.is_set():
            path.write_text("")
            path.write_text(whole)
            path.unlink()
            path.write_text(whole)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        seen = {
            (found.torn, bool(found.stamp)) for _ in range(300) for found in [many.look().logins["sso:corp"]]
        }
    finally:
        stop.set()
        writer.join()
    assert seen <= {(False, True), (True, False), (False, False)}
    assert many.look().logins["sso:corp"].alive
