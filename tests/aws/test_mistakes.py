"""What stands wrong in the AWS files is named with its line, and each command that is given mends it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_refreshd.aws import ini, mistakes
from ecr_refreshd.aws.profiles import Profiles
from ecr_refreshd.core import hosts

HOST = hosts.parse("724013829182.dkr.ecr.us-west-2.amazonaws.com")
SSO = "sso_start_url = https://corp.awsapps.com/start\nsso_region = us-east-1\n"
IN_ACCOUNT = "sso_session = corp\nsso_account_id = 724013829182\nsso_role_name = Dev\n"
ROLE = "role_arn = arn:aws:iam::724013829182:role/x\n"
CORP = f"[sso-session corp]\n{SSO}"


class Files:
    """The AWS files of a home, the config file behind a symbolic link as dotfile managers make it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / ".aws").mkdir()
        (home / "dotfiles").mkdir()
        self.config = home / "dotfiles/aws config"
        (home / ".aws/config").symlink_to(self.config)
        self.credentials = home / ".aws/credentials"

    def load(self) -> Profiles:
        environ = {"HOME": str(self.home), "AWS_EC2_METADATA_DISABLED": "true"}
        return Profiles.load(environ, self.home / "sys")

    def run(self, command: str) -> None:
        subprocess.run(["sh", "-euc", command], check=True, timeout=10)
        assert (self.home / ".aws/config").is_symlink()

    def to_botocore(self, monkeypatch) -> dict:
        monkeypatch.setenv("AWS_CONFIG_FILE", str(self.home / ".aws/config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(self.credentials))
        return botocore.session.Session().full_config


@pytest.fixture
def files(tmp_path) -> Files:
    return Files(tmp_path)


TITLES = {
    "[sso_session corp]": "[sso-session corp]",
    "[SSO-Session corp]": "[sso-session corp]",
    "[sso session corp]": "[sso-session corp]",
    "[sso-session My Corp]": "[sso-session 'My Corp']",
    "[Profile dev]": "[profile dev]",
    "[PROFILE dev]": "[profile dev]",
    "[profile:dev]": "[profile dev]",
    "[ profile dev ]": "[profile dev]",
    "[profile Acme Dev]": "[profile 'Acme Dev']",
    "[profile ann's-dev]": '[profile "ann\'s-dev"]',
    "[profile a/b & c]": "[profile 'a/b & c']",
    "[dev]": "[profile dev]",
    "[Acme Dev]": "[profile 'Acme Dev']",
    "[Default]": "[default]",
    "[profile dev ]": None,
}


@pytest.mark.parametrize(("title", "right"), TITLES.items(), ids=TITLES)
def test_a_title_that_nobody_reads_gets_the_right_one(
    files, monkeypatch, title: str, right: str | None
) -> None:
    keys = SSO if "sso" in title.lower() else f"{IN_ACCOUNT}region = us-west-2\n"
    before = f"# mine\n{title}  ; theirs\n{keys}\n[profile other]\nregion = x\n"
    files.config.write_text(before)
    found = [each for each in mistakes.everywhere(files.load()) if each.is_title]
    if right is None:
        assert found == []
        return
    assert len(found) == 1
    assert title in found[0].problem.message
    assert "line 2" in found[0].problem.message
    assert right in found[0].problem.message
    files.run(found[0].problem.remedy.command)
    assert files.config.read_text() == before.replace(title, right)
    assert not [each for each in mistakes.everywhere(files.load()) if each.is_title]
    read = files.to_botocore(monkeypatch)
    assert len(read["profiles"]) + len(read.get("sso_sessions", {})) == 2


COMMENTED = {
    "[profile dev] # see [x]": "[profile dev]",
    "[profile dev]; [x] and more": "[profile dev]",
    "[dev] # see [x]": "[profile dev]",
    "[default] # see [x]": "[default]",
    "[sso-session corp] # [x]": "[sso-session corp]",
}


@pytest.mark.parametrize(("title", "right"), COMMENTED.items(), ids=COMMENTED)
def test_a_comment_with_a_bracket_is_taken_off_a_title(files, title: str, right: str) -> None:
    """The parser takes a title up to the last bracket of its line."""
    keys = SSO if "sso" in title else f"{IN_ACCOUNT}region = us-west-2\n"
    files.config.write_text(f"{title}\n{keys}")
    (found,) = [each for each in mistakes.everywhere(files.load()) if each.is_title]
    assert f"it has to be {right}." in found.problem.message
    files.run(found.problem.remedy.command)
    assert files.config.read_text() == f"{right}\n{keys}"


def test_a_comment_with_a_bracket_in_the_credentials_file(files) -> None:
    files.credentials.write_text("[dev] # see [x]\naws_access_key_id = AKIA\naws_secret_access_key = s\n")
    (found,) = [each for each in mistakes.everywhere(files.load()) if each.is_title]
    files.run(found.problem.remedy.command)
    assert files.credentials.read_text().startswith("[dev]\n")


def test_an_indented_title_is_found_in_its_line(files) -> None:
    before = f"# mine\n  [dev]\n  {IN_ACCOUNT}"
    files.config.write_text(before)
    (found,) = [each for each in mistakes.everywhere(files.load()) if each.is_title]
    assert "[dev] (line 2)" in found.problem.message
    files.run(found.problem.remedy.command)
    assert list(files.load().profiles) == ["dev"]


def test_a_key_below_an_indented_title_is_found_in_its_line(files) -> None:
    files.config.write_text(
        "  [profile dev]\n  sso_account_id = '111111111111'\n  region = x\n   [no title]\n"
    )
    (found,) = mistakes.everywhere(files.load())
    assert "line 2:" in found.problem.message
    assert ini.lines(str(files.config)).keys() == {
        ("profile dev", ""), ("profile dev", "sso_account_id"), ("profile dev", "region"),
    }  # fmt: skip


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1).map(str.strip))
def test_any_name_is_quoted_so_that_it_is_read_back(name: str) -> None:
    if name and not set(name) & set("[]\x85"):
        assert list(ini.named({f"profile {mistakes.quoted_name(name)}": {}}, "profile")) == [name]


def test_a_profile_in_the_credentials_file_has_no_kind(files, monkeypatch) -> None:
    files.config.write_text("")
    files.credentials.write_text("[profile dev]\naws_access_key_id = AKIA\naws_secret_access_key = CANARY\n")
    (found,) = mistakes.everywhere(files.load())
    assert "CANARY" not in repr(found)
    files.run(found.problem.remedy.command)
    assert list(files.to_botocore(monkeypatch)["profiles"]) == ["dev"]


VALUES = {
    "sso_account_id = 724013829182 # dev": "724013829182",
    'sso_account_id = "724013829182"': "724013829182",
    "sso_account_id = 7240-1382-9182": "724013829182",
    "sso_account_id=724013829182 ; dev": "724013829182",
    "granted_sso_account_id = '724013829182'": "724013829182",
    "sso_role_name = Dev  # mine": "Dev",
    'sso_start_url = "https://corp.awsapps.com/start#/"': "https://corp.awsapps.com/start#/",
    'role_arn = "arn:aws:iam::724013829182:role/x"': "arn:aws:iam::724013829182:role/x",
    "sso_account_id = 7240138291": None,
    "sso_account_id = dev": None,
}


@pytest.mark.parametrize(("line", "right"), VALUES.items(), ids=VALUES)
def test_a_value_with_quotes_or_a_comment_is_named(files, line: str, right: str | None) -> None:
    key = line.partition("=")[0].strip()
    more = "source_profile = dev\naws_access_key_id = A\n" if key == "role_arn" else ""
    before = f"[profile dev]\nregion = us-west-2\n{line}\n{more}"
    files.config.write_text(before)
    problem = mistakes.on_the_way(files.load(), "dev")
    assert problem
    assert problem.message.startswith(f"{files.home}/.aws/config, line 3: {key}")
    if key.endswith("account_id"):
        assert "no account number" in problem.message
    if right is None:
        assert problem.remedy.command == ""
        assert problem.remedy.words
        return
    files.run(problem.remedy.command)
    mended = f"{line.partition('=')[0]}= {right}"
    assert files.config.read_text() == before.replace(line, mended)
    assert mistakes.on_the_way(files.load(), "dev") is None


@pytest.mark.parametrize(
    "text",
    [
        f"{CORP}[profile dev]\n{IN_ACCOUNT}",
        "[profile dev]\ncredential_process = sh -c 'get \"$HOME\" 2>/dev/null | cat'\n",
        "[profile dev]\ncredential_process = get --url https://x/#/y ~user 'a b'\n",
        f"[profile dev]\n{ROLE}web_identity_token_file = /t\n",
        f"[profile dev]\n{ROLE}source_profile = dev\naws_access_key_id = A\n",
        "[profile dev]\nregion = us-west-2 # here\n",
        "[services s]\necr =\n  endpoint_url = http://x\n[plugins]\ncli_legacy_plugin_path = x\n",
    ],
)  # fmt: skip
def test_what_works_is_no_mistake(files, text: str) -> None:
    files.config.write_text(text)
    assert mistakes.everywhere(files.load()) == []
    assert mistakes.on_the_way(files.load(), "dev") is None


def test_a_start_url_left_over_is_deleted(files) -> None:
    files.config.write_text(
        f"{CORP}[profile dev]\n{IN_ACCOUNT}sso_start_url = https://old.awsapps.com/start\n"
    )
    problem = mistakes.on_the_way(files.load(), "dev")
    assert problem
    assert "Delete the line sso_start_url from [profile dev]" in problem.remedy.words
    files.run(problem.remedy.command)
    assert files.config.read_text() == f"{CORP}[profile dev]\n{IN_ACCOUNT}"


def test_a_session_or_source_misspelt_is_corrected(files) -> None:
    files.config.write_text(
        f"{CORP}[profile base]\n{IN_ACCOUNT.replace('= corp', '= copr')}"
        "[profile dev]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = bsae\n"
    )
    for near in ("base", "corp"):
        problem = mistakes.on_the_way(files.load(), "dev")
        assert problem
        assert f"did you mean {near}?" in problem.message
        files.run(problem.remedy.command)
    assert mistakes.on_the_way(files.load(), "dev") is None


WHOLE = {
    "byte order mark": b"\xef\xbb\xbf[profile dev]\nregion = us-west-2\n",
    "utf-16": "[profile dev]\nregion = us-west-2\n".encode("utf-16"),
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("place", ["config", "credentials"])
def test_a_file_in_another_encoding_is_converted(files, content: bytes, place: str) -> None:
    """One text for each cause, wherever the file is met, and its command makes it readable."""
    files.config.write_text("")
    target = files.config if place == "config" else files.credentials
    target.write_bytes(content)
    target.chmod(0o640)
    (problem,) = files.load().problems
    assert "[section]" not in problem.message
    files.run(problem.remedy.command)
    assert files.load().problems == ()
    assert target.read_text() == "[profile dev]\nregion = us-west-2\n"
    assert target.stat().st_mode & 0o777 == 0o640


def test_nothing_is_converted_by_half(files) -> None:
    files.config.write_bytes("[profile dev]\n".encode("utf-16") + b"\x00\xd8")
    (problem,) = files.load().problems
    before = files.config.read_bytes()
    subprocess.run(["sh", "-c", problem.remedy.command], check=False, timeout=10, capture_output=True)
    assert files.config.read_bytes() == before


def test_a_registry_without_a_profile_names_the_title_that_hides_one(files) -> None:
    files.config.write_text(f"{CORP}[profile Acme Dev]\n{IN_ACCOUNT}[profile other]\nsource_profile = gone\n")
    failure = files.load().nobody_for(HOST)
    assert "[profile 'Acme Dev']" in failure.message
    assert failure.command.startswith("sed -i.bak-")


def test_a_registry_without_a_profile_names_the_account_that_is_none(files) -> None:
    files.config.write_text(f"{CORP}[profile dev]\n{IN_ACCOUNT.replace('182', '182 # dev')}")
    failure = files.load().nobody_for(HOST)
    assert "line 6: sso_account_id" in failure.message
    assert failure.command


def test_mistakes_of_others_hide_nobody(files) -> None:
    files.config.write_text(
        "[profile other]\nrole_arn = arn:aws:iam::111122223333:role/x\nsource_profile = gone\n"
    )
    assert files.load().nobody_for(HOST).code == "profile.none"
