"""`explain`: which login each client would send, and never the login itself (promises 5 to 7)."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.documents import registry

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"


def auth(ends: float) -> str:
    inner = base64.b64encode(json.dumps({"expiration": int(ends)}).encode()).decode()
    return base64.b64encode(f"AWS:{inner}".encode()).decode()


HINT = "aws sso login --sso-session corp"
LIVING, DEAD = auth(time.time() + 35900), auth(time.time() - 36000)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home, and a PATH with nothing but a docker client that tells its version."""
    for name in (".docker", "bin"):
        (tmp_path / name).mkdir()
    docker = tmp_path / "bin/docker"
    docker.write_text("#!/bin/sh\necho Docker version 28.2.2, build e6534b4\n")
    docker.chmod(0o755)
    return tmp_path


def explain(home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ecr_refreshd", "explain", *words],
        cwd=home,
        env={"HOME": str(home), "PATH": f"{home}/bin", "LANG": "C.UTF-8", **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def put(home: Path, **document: Any) -> None:
    (home / ".docker/config.json").write_text(json.dumps(document))


def configure(home: Path, text: str) -> None:
    path = home / ".config/ecr-refreshd/config.toml"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)


def test_what_works_is_said_with_its_end(home: Path) -> None:
    put(home, auths={HOST: {"auth": LIVING}})
    done = explain(home, HOST)
    told = done.stdout.splitlines()
    assert told[0] == HOST
    assert re.fullmatch(r"docker pull: works until .*\(in 9 h .*\)", told[2]), (
        "made when tests were collected"
    )
    assert f"auths.{HOST}" in told[3]
    assert done.returncode == 0


def test_a_dead_token_is_said_to_be_dead_with_what_to_do(home: Path) -> None:
    put(home, auths={HOST: {"auth": DEAD}})
    done = explain(home, HOST)
    assert done.returncode == 1
    assert re.fullmatch(r"docker pull: fails: token expired 10 h .*ago", done.stdout.splitlines()[2])


def test_no_secret_is_shown(home: Path) -> None:
    """Promise 6: a login is known by its fingerprint, whosever it is."""
    mine = base64.b64encode(b"me:a very secret password").decode()
    put(home, auths={HOST: {"auth": LIVING}, f"{HOST}/team": {"auth": mine}})
    variable = json.dumps({"auths": {HOST: {"auth": DEAD}}})
    for words in ((HOST,), ("--json", HOST)):
        done = explain(home, *words, DOCKER_AUTH_CONFIG=variable)
        shown = done.stdout + done.stderr
        for secret in (LIVING, DEAD, mine, "very secret", base64.b64decode(LIVING).decode()[4:]):
            assert secret not in shown


def test_for_scripts_every_client_is_one_object(home: Path) -> None:
    put(home, auths={HOST: {"auth": LIVING}})
    document = json.loads(explain(home, "--json", HOST).stdout)
    by_name = {
        client["client"] if "client" in client else client["key"]: client for client in document["clients"]
    }
    assert document["host"] == HOST
    assert {client["works"] for client in document["clients"]} <= {"yes", "no", "unknown"}
    assert len(by_name) == len(document["clients"]) > 10


def test_a_form_of_the_host_is_the_host(home: Path) -> None:
    put(home, auths={HOST: {"auth": LIVING}})
    assert json.loads(explain(home, "--json", f"https://{HOST.upper()}/team/app:1").stdout)["host"] == HOST


@pytest.mark.parametrize("form", ["oci://{}/chart", "docker://{}/app:1", "{}/app@sha256:" + "0" * 64, " {} "])
def test_an_images_name_is_its_host(form: str, home: Path) -> None:
    put(home, auths={HOST: {"auth": LIVING}})
    assert json.loads(explain(home, "--json", form.format(HOST)).stdout)["host"] == HOST


def test_another_name_of_a_registry_is_explained_too(home: Path) -> None:
    configure(home, f'[[registry]]\nhost = "{HOST}"\naliases = ["registry.corp.example"]\n')
    put(home, auths={"registry.corp.example": {"auth": LIVING}})
    document = json.loads(explain(home, "--json", "registry.corp.example").stdout)
    assert {each["client"]: each["works"] for each in document["clients"]}["docker"] == "yes"


def remedies(home: Path) -> dict[str, str]:
    document = json.loads(explain(home, "--json", HOST).stdout)
    return {each["client"]: each["remedy"] for each in document["clients"]}


def test_what_is_to_be_done_is_what_helps(home: Path) -> None:
    """Promise 7: a host that nobody keeps is named in the settings; one that stands in a file needs none."""
    told = remedies(home)["docker"]
    assert f'[[registry]]\nhost = "{HOST}"' in told
    put(home, auths={HOST: {"auth": DEAD}})
    assert "aws configure sso" in remedies(home)["docker"], "nobody can be asked for a token"
    keys = "aws_access_key_id = AKIAY34FZKBOKMUTVV7A\naws_secret_access_key = s\n"
    profile(home, "dev", f"{keys}aws_account_id = 724013829182\n")
    assert remedies(home)["docker"] == "ecr-refreshd run"
    configure(home, f'[[registry]]\nhost = "{HOST}"\n')
    assert remedies(home)["docker"] == f"ecr-refreshd refresh {HOST}"


def profile(home: Path, name: str, keys: str) -> None:
    """Append a profile of the AWS files."""
    path = home / ".aws/config"
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(f"[{name if name.startswith('sso-session') else f'profile {name}'}]\n{keys}\n")


def test_on_the_first_day_the_sign_in_is_the_fix(home: Path) -> None:
    """No service has run: the AWS files say that the login has ended, and a refresh could not help."""
    put(home, auths={HOST: {"auth": DEAD}})
    url = "sso_start_url = https://corp.awsapps.com/start\nsso_region = us-east-1\n"
    profile(home, "sso-session corp", url)
    profile(home, "dev", "sso_session = corp\nsso_account_id = 724013829182\nsso_role_name = Dev\n")
    done = explain(home, HOST)
    assert done.returncode == 1
    verdict = done.stdout.splitlines()[2]
    assert verdict.startswith("docker pull: fails: token expired 10 h ")
    assert verdict.endswith(" ago. Fix: aws sso login --sso-session corp")


def test_docker_decides_the_exit_code(home: Path) -> None:
    """A podman that works beside it changes nothing for who pulls with docker."""
    podman = home / "bin/podman"
    podman.write_text("#!/bin/sh\n")
    podman.chmod(0o755)
    other = home / ".config/containers/auth.json"
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps({"auths": {HOST: {"auth": LIVING}}}))
    put(home, auths={HOST: {"auth": DEAD}})
    done = explain(home, HOST)
    assert done.returncode == 1
    assert "podman: works until" in done.stdout
    other.write_text(json.dumps({"auths": {HOST: {"auth": DEAD}}}))
    put(home, auths={HOST: {"auth": LIVING}})
    assert explain(home, HOST).returncode == 4
    (home / "bin/docker").unlink()
    put(home, auths={HOST: {"auth": DEAD}})
    assert explain(home, HOST).returncode == 1, "the file is docker's, and a docker may read it"


def test_clients_that_are_not_here_are_shown_on_request(home: Path) -> None:
    put(home, auths={HOST: {"auth": LIVING}})
    assert "kaniko" not in explain(home, HOST).stdout
    assert "more clients with --all" in explain(home, HOST).stdout
    assert "kaniko" in explain(home, HOST, "--all").stdout


def test_a_store_that_fails_costs_builds_every_login(home: Path) -> None:
    """colima#167: the pull works by our line, and the classic builder gets no login at all."""
    helper = home / "bin/docker-credential-ecr-refreshd"
    answer = {"ServerURL": HOST, "Username": "AWS", "Secret": base64.b64decode(LIVING).decode()[4:]}
    helper.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    helper.chmod(0o755)
    put(home, auths={HOST: {}}, credsStore="desktop", credHelpers={HOST: "ecr-refreshd"})
    document = json.loads(explain(home, "--json", HOST).stdout)
    works = {each["client"]: each["works"] for each in document["clients"]}
    assert (works["docker"], works["docker-build"], works["docker-py-build"]) == ("yes", "no", "no")
    assert explain(home, HOST).returncode == 4


def test_the_docker_of_a_snap_reads_its_own_file(home: Path) -> None:
    """Snapd sets HOME to ~/snap/docker/current: the file in the user's home is never read."""
    put(home, auths={HOST: {"auth": LIVING}})
    own = home / "snap/docker/current/.docker/config.json"
    own.parent.mkdir(parents=True)
    own.write_text(json.dumps({"auths": {HOST: {"auth": DEAD}}}))
    document = json.loads(explain(home, "--json", HOST).stdout)
    works = {each["client"]: each["works"] for each in document["clients"]}
    assert (works["docker"], works["docker-snap"]) == ("yes", "no")
    assert "docker of the snap: fails: token expired" in explain(home, HOST).stdout
    assert explain(home, HOST).returncode == 4


def test_where_somebody_has_to_sign_in_that_is_said(home: Path) -> None:
    """A refresh alone would fail as the one before it."""
    put(home, auths={HOST: {"auth": DEAD}})
    error = {
        "code": "sso",
        "category": "login",
        "message": "",
        "hint": "aws sso login --sso-session corp",
        "at": None,
    }
    sinks = [{"path": str(home / ".docker/config.json"), "kind": "auths", "state": "written", "detail": ""}]
    row = registry(HOST, phase="login-required", last_error=error, expires_at=None, sinks=sinks)
    state = home / ".local/state/ecr-refreshd"
    state.mkdir(mode=0o700, parents=True)
    (state / "state.json").write_text(json.dumps({"schema": 1, "status": {"schema": 1, "registries": [row]}}))
    (state / "state.json").chmod(0o600)
    assert remedies(home)["docker"] == HINT


def test_a_file_that_does_not_parse_is_to_be_corrected_first(home: Path) -> None:
    (home / ".docker/config.json").write_text('{"auths": {')
    told = remedies(home)["docker"]
    assert str(home / ".docker/config.json") in told
    assert "line 1" in told


def test_what_podman_needs_beside_a_credential_store(home: Path) -> None:
    configure(home, f'[docker]\nmode = "store"\n[[registry]]\nhost = "{HOST}"\n')
    put(home, credsStore="gone")
    told = remedies(home)
    assert 'mode = "both"' in told["podman"]
    assert "docker-credential-gone" in told["docker"]


def test_the_page_begins_with_who_works_and_who_does_not(home: Path) -> None:
    put(home, auths={HOST: {"auth": LIVING}})
    head, docker, others, *_ = explain(home, HOST).stdout.split("\n\n")
    assert head == HOST
    assert docker.startswith("docker pull: works until")
    assert others.startswith("docker run, create, docker compose")


@pytest.mark.parametrize("host", ["ghcr.io", "12345.dkr.ecr.us-west-2.amazonaws.com", ""])
def test_what_is_no_ecr_registry(host: str, home: Path) -> None:
    done = explain(home, host)
    assert done.returncode == 2
    assert "ACCOUNT.dkr.ecr.REGION.amazonaws.com" in done.stderr


def test_a_helper_that_hangs_is_not_waited_for(home: Path) -> None:
    helper = home / "bin/docker-credential-slow"
    helper.write_text(f"#!/bin/sh\necho >>{home}/starts\nexec /bin/sleep 600\n")
    helper.chmod(0o755)
    put(home, credsStore="slow")
    done = explain(home, HOST)
    assert done.returncode in {1, 4}
    starts = len((home / "starts").read_text().splitlines())
    assert starts == 1, "once, and not for each client and each form of the name"


def test_a_pipe_in_place_of_the_file_is_not_waited_for(home: Path) -> None:
    os.mkfifo(home / ".docker/config.json")
    done = explain(home, HOST)
    assert done.returncode in {1, 4}
    assert "it is no file" in done.stdout


def test_nothing_is_changed_by_looking(home: Path) -> None:
    put(home, auths={HOST: {"auth": DEAD}})
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    explain(home, HOST)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before
    assert not os.path.lexists(home / ".local")


def remember(home: Path, **more: Any) -> None:
    """Put a row into the state file, of a service that has ended."""
    state = home / ".local/state/ecr-refreshd/state.json"
    state.parent.mkdir(parents=True, mode=0o700)
    sink = {"path": str(home / ".docker/config.json"), "kind": "auths", "state": "written", "detail": ""}
    row = registry(HOST, **({"sinks": [sink]} | more))
    state.write_text(json.dumps({"schema": 1, "status": {"registries": [row]}}))
    state.chmod(0o600)


def test_a_pause_is_what_has_to_end(home: Path) -> None:
    put(home, auths={HOST: {"auth": DEAD}})
    remember(home, phase="paused", paused_by="asked", paused_until=None, expires_at=None)
    assert remedies(home)["docker"] == f"ecr-refreshd resume {HOST}"


def test_why_aws_could_not_be_asked_is_what_helps(home: Path) -> None:
    """A registry without a valid token, whose error may pass: `refresh` would meet the same."""
    put(home, auths={HOST: {"auth": DEAD}})
    error = {"code": "imds.no-role", "category": "transient", "message": "The machine has no IAM role."}
    words = "Give the machine a role:"
    remember(
        home,
        phase="retrying",
        expires_at=None,
        last_error=error | {"hint": f"{words} aws ec2 help", "command": "aws ec2 help", "at": None},
    )
    assert remedies(home)["docker"] == f"{words}\naws ec2 help"


def test_the_token_of_another_account_is_noted(home: Path) -> None:
    put(home, auths={HOST: {"auth": LIVING}})
    remember(home, principal={"profile": "dev", "chosen_by": "default", "other_account": True})
    told = " ".join(explain(home, HOST).stdout.split())
    assert "by the profile dev of another account, and works if the registry admits that account" in told


def test_the_token_of_another_account_is_noted_before_the_first_run(home: Path) -> None:
    put(home, auths={HOST: {"auth": DEAD}})
    keys = "aws_access_key_id = AKIAY34FZKBOKMUTVV7A\naws_secret_access_key = s\n"
    profile(home, "dev", f"{keys}aws_account_id = 111122223333\n")
    told = " ".join(explain(home, HOST).stdout.split())
    assert "dev of another account, and works if" in told


def test_the_root_folder_is_a_home_whose_paths_are_paths(home: Path) -> None:
    done = explain(home, HOST, "--all", HOME="/", ECR_REFRESHD_STATE_DIR=str(home / "state"))
    assert "/.docker/config.json" in done.stdout
    assert " //" not in done.stdout
    assert '"//' not in done.stdout
