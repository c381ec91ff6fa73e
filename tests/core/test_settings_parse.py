"""Every problem of a config file is told at once, at its line; and no text makes the parser do anything else."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecr_refreshd.core.durations import (
    Window,
    WrongValueError,
    duration_text,
    parse_duration,
    parse_window,
    window_text,
)
from ecr_refreshd.core.settings import Discover, Heal, Probe, Renew, Settings
from ecr_refreshd.core.settings_parse import KEYS, parse
from ecr_refreshd.errors import ConfigError

REGIONS = {
    "xx-new-1": "aws-new",
    "us-west-2": "aws",
    "us-east-1": "aws",
    "us-gov-west-1": "aws-us-gov",
    "cn-north-1": "aws-cn",
}
WEST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
EAST = "724013829182.dkr.ecr.us-east-1.amazonaws.com"


def settings_of(text: str) -> Settings:
    return parse(text, regions=REGIONS, source="c.toml")


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as told:
        settings_of(text)
    assert told.value.exit_code == 2
    return told.value.message.splitlines()


def test_empty_text_is_the_defaults() -> None:
    settings = settings_of("")

    assert settings == Settings()
    assert settings.discover.adopt
    assert settings.sources == dict.fromkeys(KEYS, "default")


@pytest.mark.parametrize(("text", "mode"), [("keep", None), ("0600", 0o600), ("640", 0o640)])
def test_a_file_mode_is_keep_or_octal(text: str, mode: int | None) -> None:
    assert settings_of(f'[docker]\nfile_mode = "{text}"\n').docker.file_mode == mode


def test_many_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = """\
dokcer = 1
file_mode = "0600"

[[registry]]
account = 724013829182
regions = [
  "us-west-2",
  "us-wset-2",
]

[[registry]]
profle = "dev"

[docker]
mode = "auts"
files = "~/x"

[renew]
login_backed = 3600
"""
    assert problems_of(text) == [
        "c.toml:1: dokcer: unknown key (nearest valid key: docker)",
        "c.toml:2: file_mode: unknown key (nearest valid key: docker.file_mode)",
        'c.toml:5: registry.account: must be text in quotes, for its leading zeros: write "724013829182"',
        'c.toml:8: registry.regions: "us-wset-2" is not an AWS region (nearest: "us-west-2")',
        "c.toml:11: registry: names no registry; write either host, or account and regions",
        "c.toml:12: registry.profle: unknown key (nearest valid key: profile)",
        'c.toml:15: docker.mode: "auts" is not one of auto, auths, helper, both, store (nearest: "auths")',
        'c.toml:16: docker.files: must be a list, not text: write ["~/x"]',
        'c.toml:19: renew.login_backed: must be text with a unit, not a bare number: write "3600s" for seconds',
    ]


HOST = f'[[registry]]\nhost = "{WEST}"\n'

SECRETS = [
    "[notify]\nwebhook = https://hooks.example/CANARY\n",
    "[environment]\nset = { TOKEN = CANARY }\n",
    "[notify]\ncommand = CANARY\n",
    "[[registry]]\nendpoint_url = https://me:CANARY@h.example\n",
    '[notify]\nwebhook = "https://hooks.example/CANARY\n',
    "TOKEN = CANARY\n",
    "CANARY\n",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_line_that_is_no_toml_is_quoted_without_a_secret(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(text, regions=REGIONS, source="c.toml")
    assert "not valid TOML" in str(raised.value)
    assert "CANARY" not in str(raised.value)


WRONG = [
    # what is written, the line it is told at, the key, a part of what is said
    ("a = [1\n", 2, "not valid TOML", "Unclosed array"),
    ("[docker]\nmode = auto\n", 2, "not valid TOML", "Invalid value"),
    ("[docker]\n\n[docker]\n", 3, "not valid TOML", "Cannot declare"),
    ("[discover]\nadopt = yes\n", 2, "not valid TOML", "adopt = yes (write: adopt = true)"),
    ("[discover]\nadopt = No # x\n", 2, "not valid TOML", "(write: adopt = false)"),
    ("[docker]\nmode = auto\n", 2, "not valid TOML", 'mode = auto (write: mode = "auto")'),
    ("[[registry]]\nprofile: dev\n", 2, "not valid TOML", 'profile: dev (write: profile = "dev")'),
    ('[[registry]]\nprofile = "dev\n', 2, "not valid TOML", 'profile = "dev (write: profile = "dev")'),
    (
        "[[registry]]\nregions = [us-west-2, eu-west-1]\n",
        2,
        "not valid TOML",
        '(write: regions = ["us-west-2", "eu-west-1"])',
    ),
    ("[[registry]\n", 1, "not valid TOML", "[[registry] (write: [[registry]])"),
    ("[docker\nmode = 'auto'\n", 1, "not valid TOML", "[docker (write: [docker])"),
    ('[docker]\nfiles = ["~/a"\n', 3, "not valid TOML", '(write: files = ["~/a"])'),
    ("[docker]\nmode = \u201cauto\u201d\n", 2, "not valid TOML", '(write: mode = "auto")'),
    ("x = " + "9" * 5000, 1, "not valid TOML", "limit"),
    ("x = " + "[" * 9000 + "]" * 9000, 1, "not usable", "nested too deeply"),
    ("[dockre]\n", 1, "dockre", "unknown table (nearest valid key: docker)"),
    ("docker = 1\n", 1, "docker", "must be a table, not a number"),
    ("[[docker]]\nmode = 'auto'\n", 1, "docker", "write [docker], not [[docker]]"),
    (f"[registry]\nhost = '{WEST}'\n", 1, "registry", "write [[registry]], not [registry]"),
    ('[docker]\n"file mode" = 1\n', 2, 'docker."file mode"', "nearest valid key: file_mode"),
    ("[log]\nzzz = 1\n", 2, "log.zzz", "valid keys: level, format"),
    ("[log]\nlevel = 'INFO'\n", 2, "log.level", 'nearest: "info"'),
    ("[log]\nlevel = true\n", 2, "log.level", "must be text in quotes, not true or false"),
    ("[notify]\ndesktop = 'yes'\n", 2, "notify.desktop", "must be true or false"),
    ("[notify]\ndesktop = 1\n", 2, "notify.desktop", "must be true or false"),
    ("[discover]\nadopt = 'auto'\n", 2, "discover.adopt", '(without quotes), not "auto" (nearest: true)'),
    ("[discover]\nadopt = 'always'\n", 2, "discover.adopt", '(without quotes), not "always" (nearest: true)'),
    ("[discover]\nadopt = 'never'\n", 2, "discover.adopt", '(without quotes), not "never" (nearest: false)'),
    ("[notify]\ncommand = 'notify me'\n", 2, "notify.command", 'write ["notify me"]'),
    ("[notify]\ncommand = ['']\n", 2, "notify.command", "names no program"),
    ("[notify]\ncommand = ['a',\n 1]\n", 3, "notify.command", "must be text"),
    ("[notify]\nwebhook = 'hooks.example/x'\n", 2, "notify.webhook", "is not a URL"),
    ("[notify]\nwebhook = 'https://me:hunter2@h.example/x'\n", 2, "notify.webhook", "without a user"),
    ("[notify]\nwebhook = 'https://[::1/x'\n", 2, "notify.webhook", "is not a URL"),
    ("[notify]\nwebhook = 'https://h:99999/x'\n", 2, "notify.webhook", "is not a URL"),
    ("[notify.sso_session_duration]\ncorp = '8'\n", 2, "notify.sso_session_duration.corp", "not a duration"),
    ("[notify]\nsso_session_duration = '8h'\n", 2, "notify.sso_session_duration", "must be a table"),
    ("[hooks]\non_renewed = [true]\n", 2, "hooks.on_renewed", "must be text"),
    ("[docker]\nfile_mode = 600\n", 2, "docker.file_mode", 'write "0600"'),
    ("[docker]\nfile_mode = '0644'\n", 2, "docker.file_mode", "everyone"),
    ("[docker]\nfile_mode = '0700'\n", 2, "docker.file_mode", "one of 0600, 0640, 0660"),
    ("[docker]\nfile_mode = 'rw'\n", 2, "docker.file_mode", "octal"),
    ("[docker]\nfile_mode = 'keeep'\n", 2, "docker.file_mode", 'nearest: "keep"'),
    ("[docker]\nfiles = ['config.json']\n", 2, "docker.files", 'must begin with "/" or "~/"'),
    ("[docker]\nfiles = ['~/.docker/']\n", 2, "docker.files", "names a folder"),
    ("[docker]\nfiles = ['/a',\n'/a']\n", 2, "docker.files", "named twice"),
    ("[renew]\nlogin_backed = '1 hour'\n", 2, "renew.login_backed", "is not a duration"),
    ("[renew]\nlogin_backed = '0s'\n", 2, "renew.login_backed", "between 1s and 30d"),
    ("[renew]\nlogin_backed = '31d'\n", 2, "renew.login_backed", "between 1s and 30d"),
    ("[renew]\nstartup_splay = '-1s'\n", 2, "renew.startup_splay", "is not a duration"),
    ("[renew]\nunattended = '67%-50%'\n", 2, "renew.unattended", "ends before it begins"),
    ("[renew]\nunattended = '50-67'\n", 2, "renew.unattended", 'write it as "50%-67%"'),
    ("[renew]\nunattended = '50%-100%'\n", 2, "renew.unattended", "between 1% and 95%"),
    ("[discover]\nignore = ['^7.*$']\n", 2, "discover.ignore", "must match the whole host"),
    ("[discover]\nignore = ['724013829182']\n", 2, "discover.ignore", 'write "724013829182*"'),
    ("[http]\nlisten = '9464'\n", 2, "http.listen", "127.0.0.1:9464"),
    ("[http]\nlisten = ':9464'\n", 2, "http.listen", "127.0.0.1:9464"),
    ("[http]\nlisten = '::1:9464'\n", 2, "http.listen", "127.0.0.1:9464"),
    ("[http]\nlisten = '127.0.0.1:0'\n", 2, "http.listen", "127.0.0.1:9464"),
    ("[http]\nlisten = '127.0.0.1:70000'\n", 2, "http.listen", "127.0.0.1:9464"),
    ("[http]\nlisten = 'example.org:80'\n", 2, "http.listen", "127.0.0.1:9464"),
    ("[environment.set]\nA = 'x'\nAWS_SECRET_ACCESS_KEY = 'hunter2'\n", 3, "environment.set", "key material"),
    ("[environment.set]\nAWS_SESSION_TOKEN = 'hunter2'\n", 2, "environment.set", "key material"),
    ("[environment.set]\nA = 'AKIAIOSFODNN7EXAMPLE'\n", 2, "environment.set.A", "holds an access key"),
    ("[environment.set]\n'A=B' = 'x'\n", 2, "environment.set", "not a variable's name"),
    ("[environment.set]\nA = 1\n", 2, "environment.set.A", "must be text"),
    ('[environment.set]\nA = "\\u0000"\n', 2, "environment.set.A", "NUL"),
    ("[[registry]]\nhost = 'ghcr.io'\n", 2, "registry.host", "is not an ECR host"),
    ("[[registry]]\nhost = 1\n", 2, "registry.host", "must be text"),
    (f"[[registry]]\nhost = '{WEST.replace('us-w', 'us-v')}'\n", 2, "registry.host", "nearest: "),
    (f"[[registry]]\nhost = '{WEST}.cn'\n", 2, "registry.host", "another suffix"),
    (HOST + "account = '724013829182'\n", 3, "registry.account", "stands beside host"),
    ("[[registry]]\naccount = '724013829182'\n", 2, "registry.account", "needs regions"),
    ("[[registry]]\nregions = ['us-west-2']\n", 2, "registry.regions", "needs account"),
    ("[[registry]]\naccount = '7'\nregions = ['us-west-2']\n", 2, "registry.account", "12 digits"),
    ("[[registry]]\naccount = '724013829182'\nregions = []\n", 3, "registry.regions", "at least one"),
    ("[[registry]]\naccount = '724013829182'\nregions = 'us-west-2'\n", 3, "registry.regions", "a list"),
    ("[[registry]]\naccount='724013829182'\nregions = ['xx-new-1']\n", 3, "registry.regions", "not known"),
    (HOST + HOST, 4, "registry.host", f"{WEST} is named twice, first in line 2"),
    (HOST + f"aliases = ['{WEST}']\n", 3, "registry.aliases", "named twice"),
    (HOST + f"aliases = ['{EAST}']\n", 3, "registry.aliases", "not of the same region"),
    (HOST + "aliases = ['public.ecr.aws']\n", 3, "registry.aliases", "not of the same region and service"),
    (HOST + "aliases = ['docker.io']\n", 3, "registry.aliases", "another provider's"),
    (HOST + "aliases = ['a b']\n", 3, "registry.aliases", "is not a host name"),
    (HOST + "aliases = ['a.example/path']\n", 3, "registry.aliases", "is not a host name"),
    (HOST + "role_arn = 'pull'\n", 3, "registry.role_arn", "is not a role"),
    (
        HOST + "role_arn = 'arn:aws-cn:iam::724013829182:role/x'\n",
        3,
        "registry.role_arn",
        "another partition",
    ),
    (HOST + "external_id = 'abc'\n", 3, "registry.external_id", "needs role_arn"),
    (HOST + "session_name = 'abc'\n", 3, "registry.session_name", "needs role_arn"),
    (
        HOST + "role_arn = 'arn:aws:iam::724013829182:role/x'\nsession_name = 'a b'\n",
        4,
        "registry.session_name",
        "is not a session name",
    ),
    (HOST + "endpoint_url = 'ecr.example'\n", 3, "registry.endpoint_url", "is not a URL"),
    (HOST + 'profile = "a\\nb"\n', 3, "registry.profile", "control character"),
    (HOST + "renew = '1h'\n", 3, "registry.renew", "must be a table"),
    (HOST + "renew.logn_backed = '1h'\n", 3, "registry.renew.logn_backed", "nearest valid key: login_backed"),
    (HOST + "[registry.heal]\non_foreign = 'kepe'\n", 4, "registry.heal.on_foreign", 'nearest: "keep"'),
]


@pytest.mark.parametrize(("text", "line", "key", "said"), WRONG)
def test_one_problem_is_told_at_its_line(text: str, line: int, key: str, said: str) -> None:
    (problem,) = problems_of(text)

    assert problem.startswith(f"c.toml:{line}: {key}")
    assert said in problem
    assert "hunter2" not in problem


def test_aliases_fit_one_region_only() -> None:
    text = '[[registry]]\naccount = "724013829182"\nregions = ["us-west-2", "us-east-1"]\naliases = ["a.example"]'

    (problem,) = problems_of(text)

    assert problem.startswith("c.toml:4: registry.aliases: fit one region only")


def test_account_with_regions_becomes_one_setting_a_host() -> None:
    text = """\
[[registry]]
account = "724013829182"
regions = ["us-west-2", "cn-north-1"]
profile = ""
"""
    settings = settings_of(text)

    assert [(each.host, each.profile) for each in settings.registries] == [
        (WEST, ""),
        ("724013829182.dkr.ecr.cn-north-1.amazonaws.com.cn", ""),
    ]
    assert settings.sources[f"registry.{WEST}.profile"] == "c.toml:4"
    assert f"registry.{WEST}.role_arn" not in settings.sources
    assert settings.discover.adopt, "whoever names one never loses the others"


@pytest.mark.parametrize(
    ("written", "host"),
    [
        (WEST, WEST),
        (f"https://{WEST.upper()}:443/v2/", WEST),
        ("public.ecr.aws", "public.ecr.aws"),
        ("724013829182.dkr-ecr.us-west-2.on.aws", "724013829182.dkr-ecr.us-west-2.on.aws"),
        ("724013829182.dkr.ecr.us-gov-west-1.amazonaws.com",) * 2,
    ],
)
def test_any_form_of_a_host_is_understood(written: str, host: str) -> None:
    (registry,) = settings_of(f'[[registry]]\nhost = "{written}"\n').registries

    assert registry.host == host
    assert registry.profile is None


def test_a_registry_overrides_the_tables_of_all_and_inherits_the_rest() -> None:
    text = f"""\
[renew]
login_backed = "30m"
unattended = "40%-50%"
[[registry]]
host = "{WEST}"
renew = {{ login_backed = "5h 30m" }}
heal.on_foreign = "replace"
[[registry]]
host = "{EAST}"
"""
    west, east = settings_of(text).registries

    assert west.renew == Renew(timedelta(hours=5, minutes=30), Window(0.4, 0.5))
    assert east.renew == Renew(timedelta(minutes=30), Window(0.4, 0.5))
    assert west.heal == Heal(on_foreign="replace")
    assert east.heal == Heal()
    assert east.probe == Probe()
    assert settings_of(text).sources[f"registry.{WEST}.renew.login_backed"] == "c.toml:6"


def test_what_is_allowed_but_hardly_meant_is_a_warning() -> None:
    text = f"""\
[[registry]]
host = "{WEST}"
endpoint_url = "http://aws.example"
aliases = [
  "{WEST.replace("7240", "7241")}",
  "r.corp.example:5000",
]
[http]
listen = "0.0.0.0:9464"
[docker]
mode = "helper"
[heal]
on_logout = "respect"
"""
    assert settings_of(text).warnings == (
        "c.toml:3: registry.endpoint_url: http sends the token over the network in clear text",
        "c.toml:6: registry.aliases: r.corp.example:5000 is not AWS's: whoever runs it receives the token",
        "c.toml:9: http.listen: has no effect in this version",
        "c.toml:9: http.listen: other machines can reach it and learn your hosts and their health",
    )
    assert settings_of("[discover]\nadopt = false").warnings == (
        "c.toml:2: discover.adopt: no registry is kept: no [[registry]] is configured",
    )
    assert settings_of('[docker]\nmode = "auths"\n[notify]\nwarn_before = "1800s"').warnings == ()


def test_settings_are_equal_when_they_ask_for_the_same() -> None:
    """A reload compares settings; where a key stands is not what it asks for."""
    assert settings_of('[log]\nlevel = "debug"') == settings_of('\n\n# more\nlog.level = "debug"')


def test_places_of_keys_are_no_key_material() -> None:
    text = '[environment.set]\nAWS_WEB_IDENTITY_TOKEN_FILE = "/t"\nAWS_CONTAINER_CREDENTIALS_FULL_URI = "u"'

    assert dict(settings_of(text).environment.set) == {
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/t",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "u",
    }


def test_webhook_shows_only_its_host() -> None:
    settings = settings_of('[notify]\nwebhook = "https://hooks.example/services/T0/hunter2"')

    assert settings.notify.webhook is not None
    assert settings.notify.webhook.shown == "https://hooks.example/***"
    assert settings.notify.webhook.url.reveal() == "https://hooks.example/services/T0/hunter2"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("pattern", "host", "ignored"),
    [
        (WEST, WEST, True),
        (WEST, EAST, False),
        ("724013829182.*", WEST, True),
        ("724013829182.*", "1724013829182.dkr", False),
        ("*.us-?ast-1.*", EAST, True),
        ("*.dkr", WEST, False),
        ("7240*dkr", WEST, False),
    ],
)
def test_patterns_match_the_whole_host(pattern: str, host: str, *, ignored: bool) -> None:
    assert Discover(ignore=(pattern,)).ignores(host) is ignored


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1h", 3600), ("5h 30m", 19800), ("1h30m", 5400), ("2d", 172800), ("0s", 0), (" 1m ", 60)],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", " ", "1", "1.5h", "h", "30m 1h", "1h 1h", "-1h", "\u0661h", "1H", "1e3s"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(WrongValueError, match="is not a duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**9 - 1))
def test_durations_survive_being_written(seconds: int) -> None:
    duration = timedelta(seconds=seconds)

    assert parse_duration(duration_text(duration)) == duration


@given(st.integers(min_value=10, max_value=950), st.integers(min_value=10, max_value=950))
def test_windows_survive_being_written(one: int, other: int) -> None:
    window = parse_window(f"{min(one, other) / 10}%-{max(one, other) / 10}%")

    assert parse_window(window_text(window)) == window


KEY_WORDS = sorted(
    {part for key in KEYS for part in key.split(".")} | {"registry", "host", "account", "regions"}
)
KEY = st.sampled_from([*KEY_WORDS, "aliases", "profile", "role_arn", "x", '"a b"', '"\\n"', "''"])
VALUE = st.recursive(
    st.sampled_from(
        f"""1 -0.5 inf true 1979-05-27 07:32:00 "" "1h" "50%-67%" "auto" '''\na''' "us-west-2" "724013829182"
        "{WEST}" "*" "~/x" "\\u0000" "https://x/" "::1\"""".split()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(inner, max_size=2).map(
            lambda items: "{" + ", ".join(f"k{at} = {item}" for at, item in enumerate(items)) + "}"
        ),
    ),
    max_leaves=5,
)
LINE = st.one_of(
    st.builds("{} = {}".format, KEY, VALUE),
    st.builds("{}.{} = {}".format, KEY, KEY, VALUE),
    st.builds("[{}]".format, KEY),
    st.builds("[{}.{}]".format, KEY, KEY),
    st.builds("[[{}]]".format, KEY),
)


@given(st.one_of(st.lists(LINE, max_size=8).map("\n".join), st.text(max_size=60)))
@example("[[registry]]\n[registry.renew]\n[[registry.heal]]\n")
def test_no_document_makes_the_parser_raise_anything_else(text: str) -> None:
    """Either settings or a ConfigError whose every line has a place within the file."""
    try:
        settings_of(text)
    except ConfigError as told:
        for line in told.message.splitlines():
            found = re.match(r"c\.toml:(\d+): .+", line)
            assert found is not None
            assert 1 <= int(found[1]) <= text.count("\n") + 1
