"""The credential helper with no service: what it was told once is not believed beyond its time (DESIGN 6)."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.test_bad_input import Home, home
from tests.e2e.test_helper import HOST, NOT_FOUND, SCRIPT, SHELLS, desktop, helper, kept, password
from tests.needs import need
from tests.world import homes

__all__ = ["home"]  # a fixture

SOON = 6.0
"""Seconds: how long a refusal is believed that no service keeps true, and a little more."""


def test_after_a_sign_in_the_next_pull_works(home: Home) -> None:
    kept(home)
    homes.sso_profile(home.folder, "sso", "100000000001")
    home.write_config(f'[[registry]]\nhost = "{HOST}"\nprofile = "sso"\n')
    desktop(home)
    done = helper(home, "get", HOST)
    assert (done.returncode, done.stdout) == (1, NOT_FOUND)
    assert b"aws sso login --sso-session corp" in done.stderr
    homes.sso_login(home.folder, home.aws)
    time.sleep(SOON)
    assert password(helper(home, "get", HOST))


def test_after_a_moment_offline_the_next_pull_works(home: Home) -> None:
    kept(home)
    desktop(home)
    home.aws.fault("ecr:GetAuthorizationToken", way="reset")
    done = helper(home, "get", HOST)
    assert (done.returncode, done.stdout) == (1, NOT_FOUND)
    home.aws.clear_faults()
    time.sleep(SOON)
    assert password(helper(home, "get", HOST))


def test_a_short_pause_ends_when_it_says(home: Home) -> None:
    kept(home)
    desktop(home)
    assert password(helper(home, "get", HOST))
    assert home.run("pause", HOST, "--for", "3s").returncode == 0
    assert helper(home, "get", HOST).stdout == NOT_FOUND
    time.sleep(4)
    assert password(helper(home, "get", HOST))


@pytest.mark.parametrize("content", ["{", "pipe"])
def test_what_ails_the_files_of_others_keeps_no_pull_waiting(home: Home, content: str) -> None:
    """The token comes when AWS has given it, not after all the time there is."""
    kept(home)
    home.write_docker(content)
    if content == "pipe":
        home.docker.unlink()
        os.mkfifo(home.docker)
    begin = time.monotonic()
    assert password(helper(home, "get", HOST))
    alone = time.monotonic() - begin
    home.aws.fault("ecr:GetAuthorizationToken", way="ok", delay=3)
    shutil.rmtree(home.folder / ".local/state/ecr-refreshd/helper")
    begin = time.monotonic()
    assert password(helper(home, "get", HOST))
    assert time.monotonic() - begin < alone + 3 + 10, "nobody waited for a file that cannot be read"


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(home: Home) -> None:
    kept(home)
    folder = home.folder / ".local/state/ecr-refreshd"
    folder.mkdir(mode=0o700, parents=True)
    (folder / "helper").write_text("in the way")
    assert password(helper(home, "get", HOST))


def test_a_full_disk_is_no_reason_to_refuse_a_pull(home: Home) -> None:
    need(os.geteuid() == 0 and shutil.which("unshare"), "root, to mount a small disk")
    kept(home)
    state = home.folder / ".local/state/ecr-refreshd"
    state.mkdir(mode=0o700, parents=True)
    script = (
        'mount -t tmpfs -o size=16k,mode=700 none "$STATE" && mkdir -m 700 "$STATE/helper" "$STATE/locks" && '
        '{ dd if=/dev/zero of="$STATE/fill" bs=512 2>/dev/null || true; } && printf %s "$HOST" | "$SCRIPT" get'
    )
    environment = {**home.environment, "STATE": str(state), "HOST": HOST, "SCRIPT": str(SCRIPT)}
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script],
        env=environment, capture_output=True, timeout=90, check=False,
    )  # fmt: skip
    assert password(done)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_nobody_else_may_enter_what_is_made(home: Home, umask: int) -> None:
    kept(home)
    home.environment["ECR_REFRESHD_STATE_DIR"] = str(home.folder / "state")
    before = os.umask(umask)
    try:
        assert password(helper(home, "get", HOST))
    finally:
        os.umask(before)
    state = home.folder / ".local/state/ecr-refreshd"
    for folder in (state, state / "helper", home.folder / "state"):
        assert folder.stat().st_mode & 0o777 == 0o700, folder
    for file in (state / "helper").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    need(shutil.which(request.param[0]), f"{request.param[0]} is not installed")
    return list(request.param)


def asked(home: Home, shell: list[str], **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*shell, str(SCRIPT), "get"], input=HOST.encode(), env={**home.environment, **more}, capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("options", ["xtrace", "errexit", "nounset", "verbose", "xtrace:errexit:nounset"])
def test_what_a_shell_is_told_to_do_by_the_environment(home: Home, shell: list[str], options: str) -> None:
    """SHELLOPTS=xtrace would print the token on stderr: into the log of a CI job."""
    kept(home)
    done = asked(home, shell, SHELLOPTS=options)
    secret = password(done)
    assert secret.encode() not in done.stderr
    done = asked(home, shell, SHELLOPTS=options)
    assert password(done) == secret
    assert secret.encode() not in done.stderr
    done = asked(home, shell, SHELLOPTS=options, HOME=str(home.folder / "nowhere"))
    assert done.stdout == NOT_FOUND


@pytest.mark.parametrize("name", [".now", f"helper/{HOST}", f"helper/{HOST}.none"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(home: Home, shell: list[str], name: str) -> None:
    kept(home)
    assert password(helper(home, "get", HOST))
    path = home.folder / ".local/state/ecr-refreshd" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert password(asked(home, shell))


def test_a_link_in_place_of_the_stamp_is_not_followed(home: Home, shell: list[str], tmp_path: Path) -> None:
    kept(home)
    assert password(helper(home, "get", HOST))
    stamp = home.folder / ".local/state/ecr-refreshd/.now"
    stamp.unlink(missing_ok=True)
    stamp.symlink_to(tmp_path / "victim")
    (tmp_path / "victim").write_text("somebody's")
    assert password(asked(home, shell))
    assert (tmp_path / "victim").read_text() == "somebody's"


def test_a_pipe_in_place_of_what_is_remembered_is_put_aside(home: Home) -> None:
    kept(home)
    assert home.run("run", "--once").returncode == 0
    path = home.folder / ".local/state/ecr-refreshd/state.json"
    path.unlink()
    os.mkfifo(path)
    assert home.run("run", "--once").returncode == 0
    assert path.is_file()
