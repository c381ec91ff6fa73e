"""The unit as it is shipped, in a real systemd with a real user manager: started, reloaded, killed, stopped."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.needs import need
from tests.world.systemd_box import Box, missing

pytestmark = [pytest.mark.engine, pytest.mark.timeout(240)]

REPOSITORY = Path(__file__).resolve().parents[2]
HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
PORT = 4566


@pytest.fixture(scope="module")
def box(tmp_path_factory) -> Iterator[Box]:
    """A booted box with the unit installed by the README's lines, an AWS of its own, and a dead token."""
    need(not missing(), missing())
    program = Path(sys.prefix) / "bin" / "ecr-refreshd"
    need(program.exists(), f"{program} is not installed")
    with Box(tmp_path_factory.mktemp("box")) as machine:
        # Python and the checkout may lie where only root can look; in the box that is changed, not outside.
        for folder in {*Path(sys.base_prefix).parents, *Path(sys.prefix).parents, *REPOSITORY.parents}:
            machine.root(f"chmod a+rx {folder} 2>/dev/null || true")
        settle_in(machine, program)
        yield machine


def settle_in(box: Box, program: Path) -> None:
    unit = REPOSITORY / "systemd" / "ecr-refreshd.service"
    config = json.dumps({"auths": {HOST: {"auth": "QVdTOmRlYWQ="}}})
    box.shell(
        f"""set -e
        mkdir -p ~/.local/bin ~/.aws ~/.docker ~/.config/systemd/user ~/.config/ecr-refreshd
        ln -s {program} ~/.local/bin/ecr-refreshd
        printf '[default]\\naws_access_key_id = AKIABOXBOXBOXBOXBOXB\\n' > ~/.aws/credentials
        echo aws_secret_access_key = x >> ~/.aws/credentials
        printf '%s' '{config}' > ~/.docker/config.json; chmod 600 ~/.docker/config.json
        echo AWS_ENDPOINT_URL_ECR=http://127.0.0.1:{PORT} > ~/.config/ecr-refreshd/environment
        cp {unit} ~/.config/systemd/user/
        systemd-run --user --quiet --unit=fake-aws --setenv=PYTHONDONTWRITEBYTECODE=1 \
            --working-directory={REPOSITORY} {sys.executable} -m tests.world.aws --port {PORT}
        systemctl --user daemon-reload
        """
    )
    until(
        lambda: "refused" not in box.shell(f"echo > /dev/tcp/127.0.0.1/{PORT} 2>&1", check=False),
        "the fake AWS to listen",
    )


def until(true: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Wait for something, for a bounded time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def show(box: Box, name: str) -> str:
    return box.shell(f"systemctl --user show -P {name} ecr-refreshd").strip()


def auth(box: Box) -> str:
    document = json.loads(box.shell("cat ~/.docker/config.json"))
    return str(document["auths"].get(HOST, {}).get("auth", ""))


def test_the_unit_from_start_to_stop(box: Box) -> None:
    """READY, a token on disk, reload, a crash that is mended, a clean stop, and no secret in the journal."""
    box.shell("systemctl --user start ecr-refreshd")
    assert show(box, "ActiveState") == "active", "Type=notify: start returns when READY=1 came"
    until(lambda: len(auth(box)) > 100, "a token in the docker config")
    token = auth(box)
    assert box.shell("~/.local/bin/ecr-refreshd status > /dev/null; echo $?").strip() == "0"
    assert box.shell("stat -c %a /run/user/$(id -u)/ecr-refreshd/sock").strip() == "600"

    until(lambda: show(box, "StatusText").startswith("1 fresh, next renewal "), "a status line")
    pid = show(box, "MainPID")
    box.shell("systemctl --user reload ecr-refreshd")
    until(lambda: "config.reloaded" in journal(box), "the reload in the journal")
    assert show(box, "MainPID") == pid

    box.shell(f"kill -9 {pid}")
    until(
        lambda: show(box, "ActiveState") == "active" and show(box, "MainPID") not in {"0", pid}, "a restart"
    )
    assert auth(box) == token
    assert box.shell("~/.local/bin/ecr-refreshd run; echo $?", check=False).strip().endswith("75")

    box.shell("systemctl --user stop ecr-refreshd")
    assert show(box, "ActiveState") == "inactive"
    assert show(box, "Result") == "success"
    assert box.shell("~/.local/bin/ecr-refreshd status > /dev/null; echo $?").strip() == "5"
    text = journal(box)
    assert "grant.renewed" in text
    assert re.search(r"service\.started version=\S+ registries=1 .*keeping 1 registry", text)
    assert "service.stopped" in text
    assert "=null" not in text
    assert '=""' not in text
    assert token not in text
    assert token[20:60] not in text


def journal(box: Box) -> str:
    return box.root("journalctl --no-pager -o cat _UID=$(id -u dev)")


def test_the_sandbox_is_in_force(box: Box) -> None:
    """The hardening that works without namespaces, as the kernel sees it."""
    box.shell("systemctl --user start ecr-refreshd")
    status = box.root(f"cat /proc/{show(box, 'MainPID')}/status")
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["Seccomp"].strip() == "2"
    score = box.shell("systemd-analyze --user security --no-pager ecr-refreshd | tail -1", check=False)
    print("systemd-analyze security:", score.strip(), os.linesep)
    box.shell("systemctl --user stop ecr-refreshd")
