"""The parts as they are put together: what the settings and the environment mean for each."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ecr_refreshd.cli.assembly import Assembly
from ecr_refreshd.cli.kept import file_plans
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.core.settings_parse import parse
from ecr_refreshd.host.logs import Secrets
from tests.cli.documents import WEST
from tests.household import Lines


def assembled(load: Callable[[], Settings]) -> Assembly:
    return Assembly(
        Path("config.toml"), load, load(), log=Lines(), known=Secrets(), supervise=lambda _state: None
    )


def settings(text: str = "") -> Settings:
    return parse(text, regions={}, source="config.toml")


def test_podmans_file_is_read_as_podman_does_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REGISTRY_AUTH_FILE names any file; podman knows no credsStore, so an entry there is served."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ECR_REFRESHD_STATE_DIR", str(tmp_path / "state"))
    file = tmp_path / "podman-logins.json"
    file.write_text(json.dumps({"auths": {WEST: {}}, "credsStore": "pass"}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))
    seen: list[object] = []
    sink = assembled(settings).parts().lane(str(file), seen.append).sink

    assert sink.look([WEST]).unread == {}

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    docker = tmp_path / "config.json"
    file.rename(docker)
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(docker))
    sink = assembled(settings).parts().lane(str(docker), seen.append).sink

    assert list(sink.look([WEST]).unread) == [WEST]


def test_an_auth_json_that_is_a_link_to_dockers_file_is_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read as podman's too, a token would be put beside the store that docker's reading keeps it out of."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DOCKER_CONFIG", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE"):
        monkeypatch.delenv(name, raising=False)
    for folder in (".docker", ".config/containers"):
        (tmp_path / folder).mkdir(parents=True)
    auth = tmp_path / ".config/containers/auth.json"
    auth.symlink_to(tmp_path / ".docker/config.json")
    assert str(auth) not in [plan.path for plan in file_plans(settings())]
    auth.unlink()
    auth.write_text("{}")
    assert str(auth) in [plan.path for plan in file_plans(settings())]


def test_a_variable_that_leaves_the_settings_is_as_it_was_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reload means the file as it is now, and not all that it ever said."""
    monkeypatch.setenv("HTTPS_PROXY", "http://outer:3128")
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    texts = ['[environment]\nset = {HTTPS_PROXY = "http://inner:3128", AWS_CA_BUNDLE = "/ca.pem"}\n', ""]
    assembly = assembled(lambda: settings(texts[0]))
    assert (os.environ["HTTPS_PROXY"], os.environ["AWS_CA_BUNDLE"]) == ("http://inner:3128", "/ca.pem")

    del texts[0]
    assembly.parts().reload()

    assert os.environ["HTTPS_PROXY"] == "http://outer:3128"
    assert "AWS_CA_BUNDLE" not in os.environ
