"""Which principal is chosen for a registry, offline (DESIGN 4, "Which principal")."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_refreshd.aws.profile import account_of_key
from tests.aws.awsfiles import ACCOUNT, HOST, Home

CHINA = "724013829182.dkr.ecr.cn-north-1.amazonaws.com.cn"
GOV = "724013829182.dkr.ecr.us-gov-west-1.amazonaws.com"
OTHER = "arn:aws:iam::111122223333:role/Dev"
OLD_KEY = "AKIAIOSFODNN7EXAMPLE"
IRSA = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": ACCOUNT}


def key_of(account: str) -> str:
    """Make up a key id of an account."""
    number = (1 << 47) | int(account) << 7
    return "AKIA" + base64.b32encode(number.to_bytes(6) + b"1234").decode()


def keys(key_id: str, **more: str) -> str:
    lines = {"aws_access_key_id": key_id, "aws_secret_access_key": "s", **more}
    return "".join(f"{name} = {value}\n" for name, value in lines.items())


def env_keys(key_id: str, **more: str) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": "s", **more}


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


# -- the order ---------------------------------------------------------------------------------------------------

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
[profile con]
login_session = arn:aws:iam::724013829182:user/me
"""
MATCHING = [("near", "account"), ("far", "account"), ("con", "account")]


def test_profiles_of_the_account_same_region_first(home) -> None:
    assert home.config(MANY).chosen() == MATCHING


def test_a_roles_account_goes_before_that_of_its_login(home) -> None:
    home.config(
        "[profile a]\nrole_arn = arn:aws:iam::111111111111:role/x\nsso_account_id = 724013829182\n"
        "[profile b]\nsso_account_id = 222222222222\n"
    )
    assert home.chosen() == []


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_the_named_profile_first_if_it_fits_or_is_unknown(home, variable: str) -> None:
    home.config(MANY + f"[profile static]\n{keys(OLD_KEY)}")
    assert home.chosen(**{variable: "far"})[0] == ("far", "environment")
    assert home.chosen(**{variable: "static"})[0] == ("static", "environment")
    assert home.chosen(**{variable: "other"}) == [*MATCHING, ("other", "environment")]


def test_botocore_reads_the_default_profile_variable_first(home) -> None:
    """The variable that names the profile is told by its own name."""
    home.config(f"[profile a]\n{keys(OLD_KEY)}[profile b]\n{keys(OLD_KEY)}")
    first = home.choices(AWS_PROFILE="a", AWS_DEFAULT_PROFILE="b")[0]
    assert (first.principal.profile, first.variable) == ("b", "AWS_DEFAULT_PROFILE")


def test_no_profile_is_a_candidate_twice(home) -> None:
    names = [name for name, _ in home.config(MANY).chosen(AWS_PROFILE="near")]
    assert names == ["near", "far", "con"]


def test_default_serves_if_its_account_cannot_be_told(home) -> None:
    home.config(f"[default]\n{keys(OLD_KEY)}[profile other]\nsso_account_id = 111111111111\n")
    assert home.chosen() == [("default", "default")]


def test_a_default_of_another_account_serves_if_it_is_alone(home) -> None:
    home.config("[default]\nsso_account_id = 111111111111\n")
    assert home.chosen() == [("default", "default")]
    home.config("[default]\nsso_account_id = 111111111111\n[profile b]\nsso_account_id = 222222222222\n")
    assert home.chosen() == []


# -- another account: registries are opened to others by policy --------------------------------------------------

CENTRAL = f"[profile work]\nrole_arn = {OTHER}\nsource_profile = base\n[default]\nregion = us-west-2\n"


def test_the_named_profile_of_another_account_is_the_last_resort(home) -> None:
    home.config(CENTRAL).credentials(f"[base]\n{keys(OLD_KEY)}")
    (choice,) = home.choices(AWS_PROFILE="work")
    assert (choice.principal.profile, choice.chosen_by, choice.other_account) == ("work", "environment", True)
    assert home.chosen() == [], "two profiles, and nobody has named one"
    assert home.chosen(AWS_PROFILE="work", **IRSA) == [("", "ambient"), ("work", "environment")]


def test_the_only_profile_serves_though_of_another_account(home) -> None:
    (choice,) = home.config("[profile dev]\nsso_account_id = 111122223333\n").choices()
    assert (choice.principal.profile, choice.chosen_by, choice.other_account) == ("dev", "default", True)
    (choice,) = home.config(f"[profile dev]\n{keys(OLD_KEY)}").choices()
    assert (choice.principal.profile, choice.other_account) == ("dev", False), "nobody knows"


# -- keys in the environment -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [OLD_KEY, key_of("724013829182"), "x"])
def test_keys_in_the_environment_come_first(home, key: str) -> None:
    assert home.config(MANY).chosen(AWS_PROFILE="near", **env_keys(key)) == [
        ("", "ambient"), ("near", "environment"), *MATCHING[1:],
    ]  # fmt: skip


def test_keys_of_another_account_come_last(home) -> None:
    """The account inside a key id is a hint, so such keys are not given up."""
    home.config(MANY)
    assert home.chosen(**env_keys(key_of("111122223333"))) == [*MATCHING, ("", "ambient")]
    assert home.chosen(**env_keys(OLD_KEY, AWS_ACCOUNT_ID="111122223333")) == [*MATCHING, ("", "ambient")]


# -- the account, offline ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        "granted_sso_account_id = 724013829182\ncredential_process = granted credential-process --profile x\n",
        f"credential_process = aws-sso process --arn {ACCOUNT}\n",
        f"credential_process = okta-aws-cli --aws-iam-role={ACCOUNT}\n",
        f"credential_process = saml2aws login --role '{ACCOUNT}'\n",
        keys(OLD_KEY, x_principal_arn="arn:aws:sts::724013829182:assumed-role/Dev/me"),
        keys(OLD_KEY, aws_account_id="724013829182"),
        keys(key_of("724013829182")),
        keys(key_of("724013829182").replace("AKIA", "ASIA"), aws_session_token="t"),
        "sso_account_id = 724013829182\nsso_role_name = x\n",
        "login_session = arn:aws:iam::724013829182:user/me\n",
    ],
)
def test_an_account_that_stands_in_a_profile_is_found(home, lines: str) -> None:
    """Tools that keep the account elsewhere than in role_arn need no settings of ours."""
    home.config(
        f"[profile other]\nsso_account_id = 111111111111\n[profile 'Audit/Power User']\n{lines}"
        "[profile third]\nsso_account_id = 222222222222\n"
    )
    assert home.chosen() == [("Audit/Power User", "account")]


def test_the_account_inside_a_key_id() -> None:
    assert account_of_key("ASIAY34FZKBOKMUTVV7A") == "609629065308"


@pytest.mark.parametrize("key", ["", "AKIA", OLD_KEY, "AKIAJ" + "A" * 15, "AROA" + "Q" * 16, "AKIA" + "0" * 16,
                                 "akiay34fzkbokmutvv7a", "AKIA" + "7" * 16])  # fmt: skip
def test_a_key_id_that_holds_no_account_says_none(key: str) -> None:
    assert account_of_key(key) == ""


@given(st.integers(0, 10**12 - 1))
def test_every_account_can_be_read_back(number: int) -> None:
    assert account_of_key(key_of(f"{number:012}")) == f"{number:012}"


@pytest.mark.parametrize(
    "value", ['"724013829182"', "724013829182 # dev", "7240-1382-9182", "\u0667" * 12, ""]
)
def test_a_value_that_is_no_account_tells_none(home, value: str) -> None:
    home.config(f"[profile dev]\nsso_account_id = {value}\nsso_role_name = x\n[profile b]\n{keys(OLD_KEY)}")
    assert home.chosen() == []
    assert ("no account number" if value else "dev (account unknown)") in home.nobody().message


# -- no credentials of its own -----------------------------------------------------------------------------------

MACHINES = {
    "keys": env_keys(OLD_KEY),
    "web identity": IRSA,
    "ecs": {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"},
    "eks": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/x"},
    "instance": {
        "AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1",
    },
}  # fmt: skip
BARE = ["[default]\n", "[default]\nregion = us-west-2\n", "[default]\noutput = json\nmfa_serial = x\n",
        "[default]\nsso_session = corp\n",
        "[default]\naws_access_key_id =\naws_secret_access_key =\n", ""]  # fmt: skip


@pytest.mark.parametrize("environ", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("content", BARE)
def test_a_profile_without_credentials_hides_nothing(home, content: str, environ) -> None:
    """`aws configure set region` leaves such a default on every build machine."""
    home.config(content)
    assert home.chosen(**environ) == [("", "ambient")]
    home.config("").credentials(content)
    assert home.chosen(**environ) == [("", "ambient")]
    home.config(content.replace("default", "profile dev"))
    assert home.chosen(**environ, AWS_PROFILE="dev") == [("", "ambient")]


@pytest.mark.parametrize("content", BARE)
def test_where_nothing_gives_credentials_nobody_is_asked(home, content: str) -> None:
    assert home.config(content).chosen() == []
    assert "no profile" in home.nobody().message.lower().replace("aws profile", "profile")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("devices/virtual/dmi/id/sys_vendor", "Amazon EC2\n"),
        ("devices/virtual/dmi/id/bios_vendor", "Amazon EC2\n"),
        ("hypervisor/uuid", "ec2e1916-9099-7caf-fd21-012345abcdef\n"),
    ],
)
def test_an_ec2_instance_has_a_role_unless_that_is_disabled(home, name: str, content: str) -> None:
    path = home.path / "sys" / name
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert home.chosen(AWS_EC2_METADATA_DISABLED="") == [("", "ambient")]
    assert home.chosen() == []


def test_a_workstation_has_none(home) -> None:
    assert home.chosen(AWS_EC2_METADATA_DISABLED="", AWS_WEB_IDENTITY_TOKEN_FILE="/no/role") == []


def test_the_machines_role_comes_behind_default_if_it_is_unknown(home) -> None:
    home.config(f"[default]\n{keys(OLD_KEY)}")
    assert home.chosen(**MACHINES["eks"]) == [("default", "default"), ("", "ambient")]
    assert home.chosen(**IRSA) == [("", "ambient"), ("default", "default")], "its account is known to fit"


# -- partitions --------------------------------------------------------------------------------------------------

GLOBAL_AND_CHINA = f"[default]\n{keys(OLD_KEY)}[profile china]\nregion = cn-north-1\n{keys(OLD_KEY)}"


@pytest.mark.parametrize("region", ["", "region = us-east-1\n"])
def test_credentials_never_cross_partitions(home, region: str) -> None:
    home.config(GLOBAL_AND_CHINA.replace("[default]\n", f"[default]\n{region}"))
    assert home.chosen(CHINA) == [("china", "default")], "the only profile of that partition"
    assert home.chosen() == [("default", "default")]
    assert home.chosen(GOV) == []
    assert home.chosen("public.ecr.aws") == [("default", "default")]
    assert home.chosen(AWS_PROFILE="china") == [("default", "default")]
    assert home.chosen(CHINA, AWS_PROFILE="china") == [("china", "environment")]
    assert "china" in home.nobody(GOV).message


@pytest.mark.parametrize(
    "lines",
    [
        "role_arn = arn:aws-cn:iam::724013829182:role/x\n",
        "login_session = arn:aws-cn:iam::724013829182:user/me\n",
        "sso_account_id = 724013829182\nsso_region = cn-north-1\n",
        "credential_process = x --arn arn:aws-cn:iam::724013829182:role/x\n",
        "sso_account_id = 724013829182\nregion = cn-northwest-1\n",
    ],
)
def test_the_partition_stands_in_the_profile(home, lines: str) -> None:
    home.config(f"[profile a]\n{lines}[profile b]\n{lines}")
    assert home.chosen() == []
    assert home.chosen(AWS_PROFILE="a") == []
    assert home.chosen(CHINA) == [("a", "account"), ("b", "account")]


def test_a_role_above_keys_of_another_partition_is_asked_for_nothing(home) -> None:
    """Its keys would be sent there to assume it."""
    cn = ACCOUNT.replace("aws", "aws-cn")
    home.config(f"[profile a]\nrole_arn = {cn}\nsource_profile = base\n"
                f"[profile b]\nrole_arn = {cn}\ncredential_source = Environment\n"
                f"[profile base]\nregion = us-west-2\n{keys(OLD_KEY)}")  # fmt: skip
    assert home.chosen(CHINA, AWS_REGION="us-west-2") == []
    assert home.chosen(CHINA, AWS_REGION="cn-north-1") == [("b", "account")]


def test_a_profile_that_names_no_partition_serves_others_if_alone(home) -> None:
    home.config(f"[default]\n{keys(OLD_KEY)}")
    assert home.chosen(CHINA) == [("default", "default")]
    assert home.chosen(CHINA, **env_keys(OLD_KEY)) == []
    assert home.chosen(CHINA, AWS_DEFAULT_REGION="us-west-2") == []
    assert home.chosen(AWS_DEFAULT_REGION="cn-north-1") == []


def test_the_partition_stands_in_the_profiles_session_too(home) -> None:
    """It would be sent to a commercial host as the only profile there is."""
    home.config("[profile a]\nsso_session = s\nsso_account_id = 111111111111\nsso_role_name = r\n"
                "[sso-session s]\nsso_region = us-gov-west-1\n")  # fmt: skip
    assert home.chosen() == []
    assert home.chosen("public.ecr.aws") == []
    assert home.chosen(GOV) == [("a", "default")]


def test_keys_belong_to_the_partition_of_the_role_above_them(home) -> None:
    role = f"[profile r]\nrole_arn = {OTHER.replace('aws', 'aws-cn')}\nsource_profile = d\n"
    home.config(f"{role}[profile d]\n{keys(OLD_KEY)}")
    assert home.chosen(AWS_PROFILE="d") == []
    assert home.chosen(CHINA, AWS_PROFILE="d") == [("d", "environment")]
    home.config(f"{role}[profile d]\n{keys(OLD_KEY)}[profile c]\nrole_arn = {ACCOUNT}\nsource_profile = d\n")
    assert home.chosen(AWS_PROFILE="d")[0] == ("d", "environment"), "the roles disagree"


@pytest.mark.parametrize("name", ["ecs", "instance"])
def test_a_machine_without_a_role_hides_no_profile(home, name: str) -> None:
    """What would have served without it comes behind it."""
    home.config(f"[default]\n{keys(OLD_KEY)}")
    assert home.chosen(CHINA, **MACHINES[name]) == [("", "ambient"), ("default", "default")]
    home.config(f"[profile work]\n{keys(OLD_KEY)}")
    named = home.chosen(CHINA, **MACHINES[name], AWS_PROFILE="work")
    assert named == [("", "ambient"), ("work", "environment")]
    assert home.chosen(CHINA, **IRSA) == [], "those credentials are certain, and of another partition"


def test_keys_of_the_environment_are_of_its_region(home) -> None:
    home.config(GLOBAL_AND_CHINA)
    assert home.chosen(CHINA, AWS_REGION="us-west-2", **env_keys(OLD_KEY)) == [("china", "default")]
    assert home.chosen(CHINA, **env_keys(OLD_KEY)) == [("china", "default")]
    assert home.chosen(CHINA, AWS_DEFAULT_REGION="cn-north-1", **env_keys(OLD_KEY))[0] == ("", "ambient")
    assert home.chosen(AWS_REGION="cn-north-1", **env_keys(OLD_KEY)) == []
    assert home.chosen(**IRSA | {"AWS_ROLE_ARN": ACCOUNT.replace("aws", "aws-cn")}) == [
        ("default", "default")
    ]


# -- the public registry -----------------------------------------------------------------------------------------


def test_the_public_registry_takes_any_account_but_starts_no_program(home) -> None:
    home.config(
        "[profile program]\ncredential_process = x\n"
        "[profile above]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = program\n"
        "[profile china]\nsso_account_id = 222222222222\nsso_region = cn-north-1\n"
        f"[profile first]\nsso_account_id = 111111111111\n[profile second]\n{keys(OLD_KEY)}"
    )
    assert home.chosen("public.ecr.aws") == [("first", "default"), ("second", "default")]
    assert home.chosen("public.ecr.aws", AWS_PROFILE="second")[0] == ("second", "environment")
    home.config(f"[profile first]\n{keys(OLD_KEY)}[default]\n{keys(OLD_KEY)}")
    assert home.chosen("ecr-public.aws.com")[0] == ("default", "default")
    home.config("[default]\nregion = us-east-1\n")
    assert home.chosen("public.ecr.aws", **env_keys("x")) == [("", "ambient")]
    home.config("[profile program]\ncredential_process = x\n")
    assert home.chosen("public.ecr.aws") == []


# -- nobody ------------------------------------------------------------------------------------------------------


def test_a_named_profile_that_is_missing_is_told_if_nobody_serves(home) -> None:
    home.config(MANY)
    assert home.chosen(AWS_PROFILE="gone") == MATCHING
    home.config("")
    assert home.chosen(AWS_PROFILE="gone") == [("gone", "environment")]


def test_nobody_is_told_with_the_candidates_and_the_line_to_write(home) -> None:
    home.config("".join(f"[profile p{n}]\nsso_account_id = 11111111111{n}\n" for n in range(9)))
    failure = home.nobody()
    assert (failure.category, failure.code) == ("config", "profile.none")
    assert failure.message == (
        f"No AWS profile for account 724013829182: nobody to ask about {HOST}. Profiles: p0 (111111111110), "
        "p1 (111111111111), p2 (111111111112), p3 (111111111113), p4 (111111111114), p5 (111111111115), "
        "p6 (111111111116), p7 (111111111117) and 1 more."
    )
    assert f'host = "{HOST}" and profile = "p0"' in failure.hint


def test_a_profile_whose_account_is_unknown_is_proposed_first(home) -> None:
    home.config(f"[profile a]\nsso_account_id = 111111111111\n[profile b]\n{keys(key_of('222222222222'))}"
                f"[profile 'c \"d\"']\n{keys(OLD_KEY)}")  # fmt: skip
    failure = home.nobody()
    assert "b (222222222222, by its key id)" in failure.message
    assert 'profile = "c \\"d\\""' in failure.hint


def test_a_profile_of_another_partition_is_called_so(home) -> None:
    home.config(
        f"[default]\n{keys(OLD_KEY)}[profile dev]\nsso_account_id = 111111111111\nregion = us-west-2\n"
    )
    message = home.nobody(CHINA).message
    assert "default (of another partition), dev (111111111111, of another partition)." in message
