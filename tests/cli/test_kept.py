"""Promise 5: the files of every client that is here are kept, each by its own reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecr_refreshd.cli.kept import dialect, file_plans, runs_programs
from ecr_refreshd.core.settings import Docker, Settings


def roles(environ: dict[str, str], settings: Settings | None = None) -> dict[str, str]:
    return {plan.path: plan.role for plan in file_plans(settings or Settings(), environ)}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}


def test_a_docker_that_is_a_snap_has_a_file_of_its_own(tmp_path: Path, environ: dict[str, str]) -> None:
    snap = f"{tmp_path}/snap/docker/current/.docker/config.json"
    assert snap not in roles(environ)
    (tmp_path / "snap/docker/1779").mkdir(parents=True)
    (tmp_path / "snap/docker/current").symlink_to("1779")
    assert roles(environ)[snap] == "also"
    assert dialect(snap, environ) == "docker"
    assert not runs_programs(snap, environ)
    assert runs_programs(f"{tmp_path}/.docker/config.json", environ)


def test_helm_has_a_file_of_its_own(tmp_path: Path, environ: dict[str, str]) -> None:
    usual = f"{tmp_path}/.config/helm/registry/config.json"
    assert usual not in roles(environ)
    (tmp_path / ".config/helm").mkdir(parents=True)
    assert roles(environ)[usual] == "also"
    assert dialect(usual, environ) == "docker"
    assert roles({**environ, "HELM_REGISTRY_CONFIG": "/x/helm.json"})["/x/helm.json"] == "also"


def test_named_files_are_all_there_is(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "snap/docker").mkdir(parents=True)
    named = roles(environ, Settings(docker=Docker(files=("/x/config.json",))))
    assert [path for path, role in named.items() if role != "helper"] == ["/x/config.json"]
