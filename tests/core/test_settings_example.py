"""config.example.toml tells the truth: every key, its default, and what this version does not do yet."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

from ecr_refreshd.core.settings import RegistrySetting, Settings
from ecr_refreshd.core.settings_parse import KEYS, parse
from ecr_refreshd.core.settings_table import NOT_BUILT
from ecr_refreshd.core.tomllines import key_lines

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
REGIONS = {"us-west-2": "aws", "eu-west-1": "aws", "us-east-1": "aws"}


def _registry_text() -> str:
    """Return the commented-out registry table, as a user has it who takes the marks away."""
    block = EXAMPLE.read_text().split("# [[registry]]")[1].split("\n[discover]")[0]
    lines = [line.removeprefix("# ") for line in block.splitlines()]
    return "[[registry]]\n" + "\n".join(line for line in lines if not line.startswith(("host", "aliases")))


def test_example_is_exactly_the_defaults() -> None:
    """Copying the whole example changes nothing."""
    settings = parse(EXAMPLE.read_text(), regions=REGIONS, source="example")

    assert settings == Settings()
    assert settings.warnings == ()


def test_example_names_every_key_and_no_other() -> None:
    document = tomllib.loads(EXAMPLE.read_text())

    assert {f"{table}.{key}" for table, keys in document.items() for key in keys} == set(KEYS)


def test_every_key_of_the_example_has_its_sentence() -> None:
    text = EXAMPLE.read_text()
    lines = text.splitlines()
    for path, line in key_lines(text).items():
        if len(path) == 2:
            assert re.search(r"# [A-Za-z/].*\.$", lines[line - 1]), lines[line - 1]


def test_example_says_what_this_version_does_not_do() -> None:
    """A key whose feature is missing says so, and no other key does."""
    text = EXAMPLE.read_text()
    lines = text.splitlines()
    told = {
        ".".join(path)
        for path, line in key_lines(text).items()
        if len(path) == 2 and "not in this version" in lines[line - 1]
    }

    assert told == set(NOT_BUILT)
    assert set(NOT_BUILT) <= set(KEYS)


def test_defaults_of_unbuilt_keys_make_no_difference() -> None:
    """A user who sets nothing is warned of nothing."""
    for name, idle in NOT_BUILT.items():
        table, key = name.split(".")

        assert getattr(getattr(Settings(), table), key) in idle


def test_example_registry_can_be_used_as_it_stands() -> None:
    """Each registry key is shown with a value that is accepted."""
    settings = parse(_registry_text(), regions=REGIONS, source="example")

    assert [each.host for each in settings.registries] == [
        "724013829182.dkr.ecr.us-west-2.amazonaws.com",
        "724013829182.dkr.ecr.eu-west-1.amazonaws.com",
    ]
    for region in ("us-west-2", "eu-west-1"):
        assert f"registry.724013829182.dkr.ecr.{region}.amazonaws.com.profile" in settings.sources


def test_example_registry_shows_every_key() -> None:
    shown = set(re.findall(r"^# ([a-z_]+) = ", EXAMPLE.read_text(), re.MULTILINE))

    assert shown == {field.name for field in fields(RegistrySetting)} | {"account", "regions"}
