"""What can be said of profiles without asking anybody."""

from __future__ import annotations

import botocore.session
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecr_refreshd.aws import ini, profiles
from ecr_refreshd.core import hosts
from ecr_refreshd.core.model import Principal, Standing
from tests.aws.awsfiles import ACCOUNT, HOST, Home


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


# -- standing --------------------------------------------------------------------------------------------------

CHAINS = """
[sso-session "corp east"]
sso_start_url = https://corp/start
sso_region = us-east-1
[profile sso]
sso_session = corp east
sso_account_id = 111111111111
sso_role_name = Dev
[profile "legacy one"]
sso_start_url = https://old/start
sso_region = us-east-1
sso_account_id = 111111111111
sso_role_name = Dev
[profile console]
login_session = arn:aws:iam::111111111111:user/me
[profile program]
credential_process = x
[profile role]
role_arn = arn:aws:iam::222222222222:role/x
source_profile = sso
[profile deep]
role_arn = arn:aws:iam::333333333333:role/x
source_profile = role
[profile deep-legacy]
role_arn = arn:aws:iam::333333333333:role/x
source_profile = legacy one
[profile mfa]
role_arn = arn:aws:iam::333333333333:role/x
source_profile = keys
mfa_serial = arn:aws:iam::111111111111:mfa/me
[profile above-mfa]
role_arn = arn:aws:iam::333333333333:role/x
source_profile = mfa
[profile pod]
role_arn = arn:aws:iam::333333333333:role/x
web_identity_token_file = /t
[profile instance]
role_arn = arn:aws:iam::333333333333:role/x
credential_source = Ec2InstanceMetadata
[profile loop]
role_arn = arn:aws:iam::333333333333:role/x
source_profile = pool
[profile pool]
role_arn = arn:aws:iam::333333333333:role/x
source_profile = loop
[profile self]
role_arn = arn:aws:iam::333333333333:role/x
source_profile = self
[profile broken]
role_arn = arn:aws:iam::333333333333:role/x
source_profile = gone
"""
KEYS = """
[keys]
aws_access_key_id = AKIA
aws_secret_access_key = s
[self]
aws_access_key_id = AKIA
aws_secret_access_key = s
[session]
aws_access_key_id = ASIA
aws_secret_access_key = s
aws_session_token = t
"""
CORP = ("sso:corp east", "corp east", "aws sso login --sso-session 'corp east'")
OLD = ("sso:https://old/start", "https://old/start", "aws sso login --profile 'legacy one'")


@pytest.mark.parametrize(
    ("profile", "backed", "lane", "session", "command"),
    [
        ("sso", True, *CORP),
        ("role", True, *CORP),
        ("deep", True, *CORP),
        ("legacy one", True, *OLD),
        ("deep-legacy", True, *OLD),
        ("console", True, "login:arn:aws:iam::111111111111:user/me", "", "aws login --profile console"),
        ("program", True, "", "", ""),
        ("session", True, "", "", ""),
        ("mfa", True, "", "", "aws sts get-caller-identity --profile mfa"),
        ("above-mfa", True, "", "", "aws sts get-caller-identity --profile above-mfa"),
        ("keys", False, "", "", ""),
        ("self", False, "", "", ""),
        ("pod", False, "", "", ""),
        ("instance", False, "", "", ""),
        ("loop", False, "", "", ""),
        ("broken", False, "", "", ""),
        ("gone", False, "", "", ""),
        ("", False, "", "", ""),
    ],
)
def test_who_must_renew_a_principal(home, profile, backed, lane, session, command) -> None:
    found = home.config(CHAINS).credentials(KEYS).standing(profile)
    assert (found.login_backed, found.lane, found.sso_session) == (backed, lane, session)
    assert found.login_command == command
    assert found.process == ("program" if profile == "program" else "")
    assert found.code_lasts == (3600 if "mfa" in profile else 0)


@pytest.mark.parametrize(
    ("command", "other"),
    [
        ("aws configure export-credentials --profile sso", "sso"),
        ("/usr/local/bin/aws configure export-credentials --profile=sso --format process", "sso"),
        ("aws --profile 'legacy one' configure export-credentials", "legacy one"),
        ("aws configure export-credentials --profile role", "role"),
        ("aws configure export-credentials --profile console", "console"),
    ],
)
def test_a_program_that_is_the_aws_cli_stands_as_the_profile_it_prints(
    home, command: str, other: str
) -> None:
    """It renews that login, whose refresh token is good once: never beside another that renews it."""
    home.config(f"{CHAINS}[profile cli]\ncredential_process = {command}\n[profile above]\nrole_arn = {ACCOUNT}\n"
                "source_profile = cli\n")  # fmt: skip
    assert home.standing("cli") == home.standing("above") == home.standing(other)
    assert home.standing("cli").lane


@pytest.mark.parametrize(
    "command",
    ["aws-vault export --profile sso", "aws sts assume-role --profile sso",
     'aws "export-credentials --profile sso', "aws configure export-credentials",
     "aws configure export-credentials --profile gone",
     "aws configure export-credentials --profile cli", "aws configure export-credentials --profile"],
)  # fmt: skip
def test_another_program_stands_for_itself(home, command: str) -> None:
    home.config(f"{CHAINS}[profile cli]\ncredential_process = {command}\n")
    program = command.split(maxsplit=1)[0]
    assert home.standing("cli") == Standing(login_backed=True, process="cli", program=program)


def test_session_keys_in_the_environment_are_somebodys_to_renew(home) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "ASIA", "AWS_SECRET_ACCESS_KEY": "s"}
    assert not home.standing("", **keys).login_backed
    assert home.standing("", **keys, AWS_SESSION_TOKEN="t").login_backed


def test_a_role_of_the_registry_itself_stands_as_its_profile_does(home) -> None:
    profiles = home.config(CHAINS).load()
    assert profiles.standing(Principal("sso", ACCOUNT)) == profiles.standing(Principal("sso"))


# -- the files -------------------------------------------------------------------------------------------------


def test_the_credentials_file_wins_key_by_key(home) -> None:
    home.config("[profile a]\nregion = one\noutput = json\n").credentials("[a]\nregion = two\n")
    assert dict(home.load().profiles["a"].keys) == {"region": "two", "output": "json"}


def test_variables_say_where_the_files_are(home) -> None:
    (home.path / "elsewhere").write_text("[profile a]\nregion = x\n")
    (home.path / "keys").write_text("[b]\naws_access_key_id = x\n")
    found = home.load(
        AWS_CONFIG_FILE="~/elsewhere", AWS_SHARED_CREDENTIALS_FILE="${BASE}/keys", BASE=str(home.path)
    )
    assert list(found.profiles) == ["a", "b"]


BAD = {
    "no section": ("secret = CANARY\n", "has no [section] before line 1"),
    "no value": ("[default]\nCANARY\n", "does not parse in line 2"),
    "twice": ("[default]\na = CANARY\na = 2\n", "sets a twice in [default] (line 3)"),
    "section twice": ("[default]\n[default]\n", "has the section [default] twice (line 2)"),
    "indented": ("[default]\ns3 =\n  CANARY\n", "indented line without '='"),
    "binary": ("[default]\na = \udcff\n", "not text"),
}


@pytest.mark.parametrize(("content", "says"), BAD.values(), ids=BAD)
def test_a_file_that_does_not_parse_is_a_problem_and_no_exception(home, content: str, says: str) -> None:
    """Nothing of the line is quoted: it may be the one with the secret key."""
    (home.path / ".aws/config").write_bytes(content.encode(errors="surrogateescape"))
    home.credentials("[keys]\naws_access_key_id = x\n")
    found = home.load()
    assert list(found.profiles) == ["keys"]
    assert len(found.problems) == 1
    assert says in found.problems[0].message
    assert "CANARY" not in repr(found.problems)
    parsed = hosts.parse(HOST)
    assert parsed
    said = found.nobody_for(parsed)
    assert said.message.startswith(found.problems[0].message), "the first cause comes first"
    assert said.hint == found.problems[0].remedy.hint
    assert "no AWS profiles" not in said.message


@pytest.mark.parametrize("content", [content for content, _ in BAD.values()], ids=BAD)
def test_what_is_a_problem_here_is_one_to_botocore(home, monkeypatch, content: str) -> None:
    (home.path / ".aws/config").write_bytes(content.encode(errors="surrogateescape"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home.path / ".aws/config"))
    with pytest.raises(botocore.exceptions.ConfigParseError):
        _ = botocore.session.Session().full_config


TITLES = st.sampled_from(
    ["default", "profile a", 'profile "a b"', "profile a b", "profile", "a", "sso-session s", "profilex y",
     'profile "', "DEFAULT", "Profile a", "services x", "profile 'q'"]
)  # fmt: skip
LINES = st.sampled_from(
    ["region = us-west-2", "Region=x", "a: b", "# c", "; d", "e = f # g", "s3 =\n  k = v", "", "  continued",
     "sso_account_id = 1", "h = %(x)s", "i ="]
)  # fmt: skip
FILES = st.lists(st.tuples(TITLES, st.lists(LINES, max_size=4)), max_size=5).map(
    lambda sections: "".join(
        f"[{title}]\n" + "".join(f"{each}\n" for each in body) for title, body in sections
    )
)


@given(config=FILES, credentials=FILES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_two_files_say_to_us_what_they_say_to_botocore(home, config: str, credentials: str) -> None:
    home.config(config).credentials(credentials)
    ours = home.load()
    session = botocore.session.Session()
    session.set_config_variable("config_file", str(home.path / ".aws/config"))
    session.set_config_variable("credentials_file", str(home.path / ".aws/credentials"))
    try:
        theirs = session.full_config
    except botocore.exceptions.ConfigParseError:
        assert ours.problems
        return
    assert not ours.problems
    assert list(ours.profiles) == list(theirs["profiles"])
    assert {name: sorted(p.keys) for name, p in ours.profiles.items()} == {
        name: sorted(keys) for name, keys in theirs["profiles"].items()
    }
    assert list(ours.sessions) == list(theirs.get("sso_sessions", {}))


def test_no_home_means_that_of_the_user(monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert ini.home({}) == "/somewhere"
    assert ini.expand("~/x", {"HOME": "/there"}) == "/there/x"
    assert ini.expand("~/x", {"HOME": "/"}) == "/x"
    assert ini.expand("~", {"HOME": "/"}) == "/"
    assert profiles.folder({"HOME": "/"}) == "/.aws"
    assert ini.expand("$NOBODY/x", {}) == "$NOBODY/x"
