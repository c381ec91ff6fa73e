"""`init`: registries from people's files, profiles by account, nothing overwritten unasked."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

WEST = "111111111111.dkr.ecr.us-west-2.amazonaws.com"
EAST = "111111111111.dkr.ecr.eu-west-1.amazonaws.com"
OTHER = "222222222222.dkr.ecr.us-west-2.amazonaws.com"
AWS = """\
[profile dev]
sso_session = corp
sso_account_id = 111111111111
sso_role_name = Developer
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = us-east-1
[profile tool]
credential_process = touch ran
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text(AWS)
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {WEST: {}}, "credsStore": "desktop"}))
    return tmp_path


def run(home: Path, *words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ecr_refreshd", *words],
        cwd=cwd or home,
        env={"HOME": str(home), "PATH": os.defpath, "LANG": "C.UTF-8", **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def tree(home: Path) -> Path:
    src = home / "src"
    (src / "app/node_modules/dep").mkdir(parents=True)
    (src / ".github/workflows").mkdir(parents=True)
    (src / "app/Dockerfile").write_text(f"FROM {EAST}/node:18\nFROM ${{ACCOUNT}}.dkr.ecr.x.amazonaws.com/y\n")
    (src / "app/node_modules/dep/Dockerfile").write_text(
        "FROM 999999999999.dkr.ecr.us-west-2.amazonaws.com/x\n"
    )
    (src / "compose.yaml").write_text(f"services:\n  web:\n    image: {OTHER}/web:1\n")
    (src / ".github/workflows/ci.yml").write_text(f"container: {WEST}/ci:1\n")
    (src / "README.md").write_text("888888888888.dkr.ecr.us-west-2.amazonaws.com/not-an-image-file\n")
    (src / "loop").symlink_to(src)
    os.mkfifo(src / "pipe.yml")
    (src / "binary.yml").write_bytes(b"\xff\xfe\x00" + WEST.encode() + b"\n")
    (src / "huge.yml").write_bytes(b"#" * (1 << 20) + b"##")
    return src


def test_what_stands_in_dockers_files_comes_with_its_profile(home: Path) -> None:
    done = run(home, "init")
    assert done.returncode == 0, done.stderr
    assert 'account = "111111111111"' in done.stdout
    assert 'profile = "dev"   # its account is this one' in done.stdout
    assert "1 registry found" in done.stderr


def test_a_tree_is_searched_and_what_cannot_be_told_is_said(home: Path) -> None:
    done = run(home, "init", "--scan", str(tree(home)))
    assert done.returncode == 0, done.stderr
    assert 'regions = ["eu-west-1", "us-west-2"]' in done.stdout
    assert f"# {OTHER}: compose.yaml:3" in done.stdout
    assert "app/Dockerfile:2: ${ACCOUNT}.dkr.ecr.x.amazonaws.com/y" in done.stdout
    assert "999999999999" not in done.stdout + done.stderr
    assert "888888888888" not in done.stdout
    assert "huge.yml is larger than 1 MiB" in done.stderr


def test_it_is_written_only_when_asked_and_never_over_another(home: Path) -> None:
    place = home / ".config/ecr-refreshd/config.toml"
    printed = run(home, "init", "--scan", str(tree(home))).stdout
    assert not place.exists()
    done = run(home, "init", "--scan", "src", "--write")
    assert done.returncode == 0, done.stderr
    assert place.read_text() == done.stdout == printed, "what was written is shown"
    assert f"Wrote {place}" in done.stderr
    assert done.stderr.endswith("→ ecr-refreshd run\n")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert run(home, "config", "check").returncode == 0
    again = run(home, "init", "--write")
    assert again.returncode == 2
    assert "not overwritten" in again.stderr
    assert place.read_text() == printed


def test_a_named_place_keeps_the_modes_of_its_folder(home: Path) -> None:
    folder = home / "mine"
    folder.mkdir(0o755)
    done = run(home, "--config", str(folder / "ecr.toml"), "init", "--write")
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert run(home, "--config", str(folder / "ecr.toml"), "config", "check").returncode == 0


@pytest.mark.parametrize(
    ("in_docker", "said"),
    [
        (True, "2 registries found: 1 in docker's and podman's files, 1 in 1 file of src."),
        (False, "1 registry found: none in docker's and podman's files, 1 in 1 file of src."),
    ],
)
def test_the_kind_of_file_with_the_registry_is_named(home: Path, said: str, *, in_docker: bool) -> None:
    """Whoever has no docker config is not told that something was found there."""
    if not in_docker:
        (home / ".docker/config.json").unlink()
    (home / "src").mkdir()
    (home / "src/Dockerfile").write_text(f"FROM {OTHER}/app\n")

    assert said in run(home, "init", "--scan", "src").stderr.splitlines()


def test_nobody_is_asked_merely_to_find_out(home: Path) -> None:
    """Neither AWS nor a credential_process (DESIGN 4)."""
    run(home, "init", AWS_PROFILE="tool")
    assert not (home / "ran").exists()


def test_nothing_found_is_no_failure(home: Path) -> None:
    (home / ".docker/config.json").unlink()
    done = run(home, "init")
    assert done.returncode == 0
    assert "--scan" in done.stderr
    (home / "config.toml").write_text(done.stdout)
    (home / "config.toml").chmod(0o600)
    assert run(home, "--config", "config.toml", "config", "check").returncode == 0


@pytest.mark.parametrize("words", [("--scan", "nowhere"), ("--scan", ".aws/config")])
def test_a_folder_that_is_none(home: Path, words: tuple[str, ...]) -> None:
    assert run(home, "init", *words).returncode == 2


def test_a_file_that_does_not_parse_is_passed_over_and_said(home: Path) -> None:
    (home / ".docker/config.json").write_text("{")
    done = run(home, "init")
    assert done.returncode == 0
    assert "config.json was passed over" in done.stderr


def test_a_pipe_in_place_of_the_file_is_passed_over_and_said(home: Path) -> None:
    (home / ".docker/config.json").unlink()
    os.mkfifo(home / ".docker/config.json")
    done = run(home, "init")
    assert done.returncode == 0
    assert "config.json was passed over: it is no file." in done.stderr


@pytest.mark.parametrize("name", [".env", "prod.env"])
def test_a_registry_that_stands_beside_the_compose_file(home: Path, name: str) -> None:
    (home / "src").mkdir()
    (home / "src/compose.yaml").write_text("services:\n  web:\n    image: ${REG}/web:1\n")
    (home / "src" / name).write_text(f"REG={OTHER}\n")
    assert f"# {OTHER}: {name}:1" in run(home, "init", "--scan", "src").stdout


def test_the_command_that_moves_a_configuration_away_can_be_run(home: Path) -> None:
    target = home / "my settings.toml"
    target.write_text("")
    target.chmod(0o600)
    done = run(home, "--config", str(target), "init", "--write")
    command = done.stderr.partition("→ ")[2].splitlines()[0]
    subprocess.run(["sh", "-c", command], check=True, cwd=home)
    assert not target.exists()


def test_what_a_file_or_the_env_beside_it_gives_is_put_in(home: Path) -> None:
    (home / "src/app").mkdir(parents=True)
    (home / "src/Dockerfile").write_text(
        "ARG ACCOUNT=111111111111\nARG REGION=eu-west-1\n"
        "ARG REGISTRY=${ACCOUNT}.dkr.ecr.${REGION}.amazonaws.com\nFROM ${REGISTRY}/app\n"
    )
    (home / "src/app/compose.yaml").write_text("image: ${ACCT}.dkr.ecr.us-west-2.amazonaws.com/web:1\n")
    (home / "src/app/.env").write_text("ACCT=222222222222\n")
    done = run(home, "init", "--scan", "src")
    assert f"# {EAST}: Dockerfile:3" in done.stdout
    assert f"# {OTHER}: app/compose.yaml:1" in done.stdout
    assert "Named with variables" not in done.stdout


def test_what_is_commented_out_becomes_no_registry(home: Path) -> None:
    (home / "src").mkdir()
    (home / "src/Dockerfile").write_text(f"# FROM {OTHER}/old\n# was {EAST}/x\nFROM {EAST}/app\n")
    (home / "src/compose.yaml").write_text(f"  # image: {OTHER}/web\n")
    done = run(home, "init", "--scan", "src")
    active = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert not [line for line in active if "222222222222" in line]
    assert "# Named in comments only" in done.stdout
    assert f"#   {OTHER}: Dockerfile:1" in done.stdout
    assert f"#   {EAST}" not in done.stdout
    assert "2 registries found" in done.stderr


WORK = "[profile work]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = s\n"
MACHINE = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}
CHINA = "111111111111.dkr.ecr.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize(
    ("content", "host", "more"),
    [
        (f"{WORK}aws_account_id = 222222222222\n", WEST, {"AWS_PROFILE": "work"}),
        (f"{WORK}aws_account_id = 222222222222\n", WEST, {}),
        (f"{WORK}region = cn-north-1\n", CHINA, {}),
    ],
    ids=["named, of another account", "the only one, of another account", "of another partition"],
)
def test_a_machine_that_may_have_no_role_is_not_the_only_one_tried(
    home: Path, content: str, host: str, more: dict[str, str]
) -> None:
    (home / ".aws/config").write_text(content)
    (home / ".docker/config.json").write_text(json.dumps({"auths": {host: {}}}))
    done = run(home, "init", **MACHINE, **more)
    assert "\nprofile = " not in done.stdout
    assert "the credentials of this machine, then work." in done.stdout
    assert "\n[[registry]]" in done.stdout


def test_a_machine_that_nobody_stands_behind_is_written_down(home: Path) -> None:
    (home / ".aws/config").write_text("")
    assert '\nprofile = ""' in run(home, "init", **MACHINE).stdout


def test_who_has_served_a_registry_is_proposed(home: Path) -> None:
    (home / ".aws/config").write_text(f"{WORK}aws_account_id = 222222222222\n")
    state = home / "state"
    state.mkdir()
    token = {
        "fingerprint": "0" * 12,
        "obtained_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-01T12:00:00Z",
    }
    remembered = {"schema": 1, "grants": {"work/ecr/us-west-2": token}}
    (state / "state.json").write_text(json.dumps(remembered))
    done = run(home, "init", **MACHINE, ECR_REFRESHD_STATE_DIR=str(state))
    assert 'profile = "work"   # it has served this registry before' in done.stdout
    remembered["grants"] |= {"(ambient)/ecr/us-west-2": token, "work/ecr/us-west-2": {}}
    (state / "state.json").write_text(json.dumps(remembered))
    assert "then work." in run(home, "init", **MACHINE, ECR_REFRESHD_STATE_DIR=str(state)).stdout


def test_nothing_found_does_not_lead_in_a_circle(home: Path) -> None:
    """Words, no command: neither the one that was just typed, nor one that scans what nobody named."""
    (home / ".docker/config.json").unlink()
    (home / "src").mkdir()
    for words in (("--write",), ("--scan", "src", "--write"), ("--scan", "src"), ("--scan", "gone"), ()):
        done = run(home, "init", *words)
        assert "ecr-refreshd init" not in done.stderr, words


def test_in_a_project_its_files_are_the_place_to_look(home: Path) -> None:
    (home / ".docker/config.json").unlink()
    project = home / "src"
    project.mkdir()
    (project / "Dockerfile").touch()
    done = run(home, "init", "--write", cwd=project)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "  → ecr-refreshd init --scan .")
