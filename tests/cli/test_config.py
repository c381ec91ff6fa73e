"""`config show` prints settings that ask for the same, with their source and without secrets."""

from __future__ import annotations

from ecr_refreshd.cli.config import as_toml
from ecr_refreshd.core.settings_parse import parse

REGIONS = {"us-west-2": "aws", "eu-west-1": "aws"}
TEXT = r"""
[[registry]]
account = "724013829182"
regions = ["us-west-2", "eu-west-1"]
profile = ""
role_arn = "arn:aws:iam::724013829182:role/pull"
external_id = "x-1"
renew.login_backed = "5h 30m"
[[registry]]
host = "724013829183.dkr.ecr.us-west-2.amazonaws.com"
aliases = ["724013829183.dkr-ecr.us-west-2.on.aws"]
heal = { on_foreign = "replace" }
[docker]
files = ["~/a \"b\".json"]
file_mode = "0640"
[renew]
unattended = "40.5%-50%"
[notify]
command = ["notify", "tab\t\u007f\nline"]
sso_session_duration = { "my corp" = "8h" }
[environment]
set = { AWS_PROFILE = "dev" }
"""


def test_what_is_shown_asks_for_the_same() -> None:
    settings = parse(TEXT, regions=REGIONS, source="c.toml")

    assert parse(as_toml(settings), regions=REGIONS, source="shown") == settings


def test_defaults_are_shown_as_such() -> None:
    settings = parse("", regions={}, source="c.toml")
    shown = as_toml(settings)

    assert parse(shown, regions={}, source="shown") == settings
    assert 'login_backed = "1h"  # default' in shown.splitlines()


def test_each_key_has_its_source() -> None:
    lines = as_toml(parse(TEXT, regions=REGIONS, source="c.toml")).splitlines()

    assert lines[:6] == [
        "[[registry]]",
        'host = "724013829182.dkr.ecr.us-west-2.amazonaws.com"  # c.toml:4',
        'profile = ""  # c.toml:5',
        'role_arn = "arn:aws:iam::724013829182:role/pull"  # c.toml:6',
        'external_id = "x-1"  # c.toml:7',
        'renew.login_backed = "5h 30m"  # c.toml:8',
    ]
    assert 'file_mode = "0640"  # c.toml:15' in lines


def test_no_secret_is_shown() -> None:
    text = """
[notify]
webhook = "https://hooks.example/hunter2"
[environment]
set.HTTPS_PROXY = "http://me:hunter2@proxy:3128"
set.ALL_PROXY = "me:hunter2@proxy:3128"
set.MAIL = "me@example"
"""
    shown = as_toml(parse(text, regions={}, source="c.toml"))

    assert "hunter2" not in shown
    assert '"https://hooks.example/***"' in shown
    assert '"HTTPS_PROXY" = "http://***@proxy:3128"' in shown
    assert '"ALL_PROXY" = "***@proxy:3128"' in shown
    assert '"MAIL" = "me@example"' in shown
