"""What can be said of profiles without asking anybody, and who is chosen for a registry (DESIGN 4)."""

from __future__ import annotations

import botocore.session
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecr_refreshd.aws import ini
from ecr_refreshd.aws.profiles import Profiles
from ecr_refreshd.core import hosts
from ecr_refreshd.core.model import Principal, Standing

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
ACCOUNT = "arn:aws:iam::724013829182:role/x"


class Home:
    """A home's AWS files, and what is read out of them."""

    def __init__(self, path) -> None:
        self.path = path
        self.environ = {"HOME": str(path), "AWS_EC2_METADATA_DISABLED": "true"}
        (path / ".aws").mkdir()

    def config(self, text: str):
        (self.path / ".aws/config").write_text(text)
        return self

    def credentials(self, text: str):
        (self.path / ".aws/credentials").write_text(text)
        return self

    def load(self, **environ: str) -> Profiles:
        return Profiles.load(self.environ | environ, self.path / "sys")

    def chosen(self, host: str = HOST, **environ: str) -> list[tuple[str, str]]:
        parsed = hosts.parse(host)
        assert parsed
        choices = self.load(**environ).choices(parsed)
        return [(choice.principal.profile, str(choice.chosen_by)) for choice in choices]

    def standing(self, profile: str, **environ: str) -> Standing:
        return self.load(**environ).standing(Principal(profile))


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


# -- who is chosen ---------------------------------------------------------------------------------------------

MANY = """
[default]
region = us-west-2
[profile other]
sso_account_id = 111111111111
[profile far]
role_arn = arn:aws:iam::724013829182:role/x
source_profile = other
region = eu-west-1
[profile near]
sso_account_id = 724013829182
region = us-west-2
[profile plain]
aws_account_id = 724013829182
[profile con]
login_session = arn:aws:iam::724013829182:user/me
"""


def test_the_profile_whose_account_matches_same_region_first_then_file_order(home) -> None:
    assert home.config(MANY).chosen() == [
        ("near", "account"), ("far", "account"), ("plain", "account"), ("con", "account"),
    ]  # fmt: skip


def test_a_roles_account_goes_before_that_of_its_login(home) -> None:
    home.config("[profile a]\nrole_arn = arn:aws:iam::111111111111:role/x\nsso_account_id = 724013829182\n")
    assert home.chosen() == []


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_the_environments_profile_comes_first_if_it_fits_or_cannot_be_told(home, variable: str) -> None:
    home.config(MANY + "[profile static]\nregion = x\n")
    assert home.chosen(**{variable: "far"})[0] == ("far", "environment")
    assert home.chosen(**{variable: "static"})[0] == ("static", "environment")
    assert home.chosen(**{variable: "other"})[0] == ("near", "account")


def test_botocore_reads_the_default_profile_variable_first(home) -> None:
    home.config("[profile a]\n[profile b]\n")
    assert home.chosen(AWS_PROFILE="a", AWS_DEFAULT_PROFILE="b")[0] == ("b", "environment")


def test_nobody_is_named_twice(home) -> None:
    names = [name for name, _ in home.config(MANY).chosen(AWS_PROFILE="near")]
    assert names == ["near", "far", "plain", "con"]


def test_default_serves_if_its_account_cannot_be_told(home) -> None:
    home.config("[default]\nregion = eu-west-1\n[profile other]\nsso_account_id = 111111111111\n")
    assert home.chosen() == [("default", "default")]


def test_a_default_of_another_account_is_the_last_resort(home) -> None:
    home.config("[default]\nsso_account_id = 111111111111\n")
    assert home.chosen() == [("default", "default")]
    assert home.chosen(AWS_ACCESS_KEY_ID="x") == [("", "ambient")]


def test_credentials_never_cross_partitions(home) -> None:
    home.config("[default]\nregion = cn-north-1\n[profile gov]\nregion = us-gov-west-1\n")
    assert home.chosen("724013829182.dkr.ecr.cn-north-1.amazonaws.com.cn") == [("default", "default")]
    assert home.chosen("public.ecr.aws") == []
    assert home.chosen(AWS_PROFILE="gov") == [("default", "default")]


@pytest.mark.parametrize(
    "environ",
    [
        {"AWS_ACCESS_KEY_ID": "x"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": ACCOUNT},
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/x"},
        {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"},
    ],
)
def test_the_ambient_chain_serves_where_there_is_one(home, environ) -> None:
    assert home.chosen(**environ) == [("", "ambient")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("devices/virtual/dmi/id/sys_vendor", "Amazon EC2\n"),
        ("devices/virtual/dmi/id/bios_vendor", "Amazon EC2\n"),
        ("hypervisor/uuid", "ec2e1916-9099-7caf-fd21-012345abcdef\n"),
    ],
)
def test_an_ec2_instance_has_an_ambient_chain_unless_it_is_disabled(home, name: str, content: str) -> None:
    path = home.path / "sys" / name
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert home.chosen(AWS_EC2_METADATA_DISABLED="") == [("", "ambient")]
    assert home.chosen() == []


def test_a_workstation_has_none(home) -> None:
    assert home.chosen(AWS_EC2_METADATA_DISABLED="", AWS_WEB_IDENTITY_TOKEN_FILE="/no/role") == []


def test_the_public_registry_takes_any_account_but_starts_no_program(home) -> None:
    home.config(
        "[profile program]\ncredential_process = x\n"
        "[profile above]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = program\n"
        "[profile china]\nsso_account_id = 222222222222\nsso_region = cn-north-1\n"
        "[profile first]\nsso_account_id = 111111111111\n[profile second]\naws_access_key_id = x\n"
    )
    assert home.chosen("public.ecr.aws") == [("first", "default")]
    assert home.chosen("public.ecr.aws", AWS_PROFILE="second") == [("second", "environment")]
    home.config("[profile first]\n[default]\n")
    assert home.chosen("ecr-public.aws.com") == [("default", "default")]
    home.config("")
    assert home.chosen("public.ecr.aws", AWS_ACCESS_KEY_ID="x") == [("", "ambient")]


def test_a_named_profile_that_is_not_there_is_told_only_if_nobody_else_serves(home) -> None:
    home.config(MANY)
    assert home.chosen(AWS_PROFILE="gone")[0] == ("near", "account")
    home.config("")
    assert home.chosen(AWS_PROFILE="gone") == [("gone", "environment")]


def test_nobody_is_told_with_who_there_is(home) -> None:
    home.config("".join(f"[profile p{n}]\nsso_account_id = 11111111111{n}\n" for n in range(9)))
    parsed = hosts.parse(HOST)
    assert parsed
    failure = home.load().nobody_for(parsed)
    assert (failure.category, failure.code) == ("config", "profile.none")
    assert failure.message == (
        f"No profile for account 724013829182: nobody to ask about {HOST}. Profiles: p0 (111111111110), "
        "p1 (111111111111), p2 (111111111112), p3 (111111111113), p4 (111111111114), p5 (111111111115), "
        "p6 (111111111116), p7 (111111111117) and 1 more."
    )
    assert f'host = "{HOST}"' in failure.hint


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
    assert found == Standing(backed, lane, session, command)


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
    assert home.standing("cli") == Standing(login_backed=True)


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
    assert ini.expand("$NOBODY/x", {}) == "$NOBODY/x"
