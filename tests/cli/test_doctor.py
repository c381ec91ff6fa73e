"""`doctor` where no real machine can be had for it: WSL, a session that ends, a check that fails, its page."""

from __future__ import annotations

import argparse
import os
import pwd
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.cli import doctor
from ecr_refreshd.cli.doctor import disk, machine, page, service
from ecr_refreshd.cli.doctor.finding import Finding, Mend, Severity, exit_code
from ecr_refreshd.cli.doctor.scene import Scene, bounded
from ecr_refreshd.cli.environment import telling, told
from ecr_refreshd.cli.table import Look


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A home in which nothing stands, on a system of which nothing is known."""
    for name in ("XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ECR_REFRESHD_STATE_DIR", str(tmp_path / "home/state"))
    (tmp_path / "home").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    return replace(
        Scene.gathered(argparse.Namespace(config=None, log_level=None, log_format=None)), root=root
    )


def configured(tmp_path: Path, text: str) -> Scene:
    """A scene with settings of its own."""
    config = tmp_path / "home/config.toml"
    config.write_text(text)
    config.chmod(0o600)
    return Scene.gathered(argparse.Namespace(config=str(config), log_level=None, log_format=None))


def put(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_a_wsl_without_systemd_is_named_until_it_has_it(scene: Scene) -> None:
    assert list(machine.windows(scene)) == []
    put(scene.root, "proc/sys/kernel/osrelease", "6.6.87.2-microsoft-standard-WSL2\n")
    (found,) = machine.windows(scene)
    assert found.key == "wsl.no-systemd"
    assert "systemd=true" in found.how
    (scene.root / "run/systemd/system").mkdir(parents=True)
    assert list(machine.windows(scene)) == []


@pytest.mark.parametrize(
    ("shell", "severity"),
    [({"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}, "warning"), ({"XDG_SESSION_TYPE": "wayland"}, "info")],
)
def test_a_service_that_ends_with_its_session(scene: Scene, shell: dict[str, str], severity: str) -> None:
    """On a server that is a fault; at a desktop it is as it should be."""
    name = pwd.getpwuid(os.geteuid()).pw_name
    serving = replace(scene, document={**scene.document, "pid": 4711}, shell=shell)
    put(
        scene.root,
        "proc/4711/cgroup",
        f"0::/user.slice/user@{os.geteuid()}.service/app.slice/ecr-refreshd.service",
    )
    (found,) = machine.lingering(serving)
    assert (str(found.severity), found.how) == (severity, "loginctl enable-linger")
    put(scene.root, f"var/lib/systemd/linger/{name}")
    assert list(machine.lingering(serving)) == []


def test_a_system_service_needs_no_lingering(scene: Scene) -> None:
    serving = replace(scene, document={**scene.document, "pid": 4711})
    put(scene.root, "proc/4711/cgroup", "0::/system.slice/ecr-refreshd@jenkins.service")
    assert list(machine.lingering(serving)) == []


def test_a_file_on_windows_disk_is_a_remark(scene: Scene) -> None:
    """Where Windows writes, no notice arrives."""
    (file,) = [each for each in scene.files if each.path.endswith("/.docker/config.json")]
    put(Path(file.path).parent, "config.json", "{}")
    seen = replace(file, status=Path(file.path).stat())
    mounts = "22 1 0:1 / / rw - ext4 /dev/sda rw\n23 22 0:2 / /mnt/c rw - 9p C: rw\n"
    put(scene.root, "proc/self/mountinfo", mounts)
    assert list(disk.mounts(replace(scene, files=(seen,)))) == []
    folder = os.path.dirname(file.path)  # noqa: PTH120 - a text, as the file's own is
    put(scene.root, "proc/self/mountinfo", f"{mounts}24 22 0:3 / {folder} rw - 9p C: rw\n")
    (found,) = disk.mounts(replace(scene, files=(seen,)))
    assert (found.key, str(found.severity)) == ("file.unheard", "info")


def test_what_the_settings_put_into_the_services_environment_is_not_the_shells(
    scene: Scene, tmp_path: Path
) -> None:
    """The shell's clients do not have it, and the second look of `--fix` must not take it for the shell's."""
    before = dict(os.environ)
    text = f'[environment]\nset = {{ DOCKER_CONFIG = "{tmp_path}/theirs", PATH = "/nowhere" }}\n'
    for _ in range(2):
        seen = configured(tmp_path, text)
        assert dict(os.environ) == before == seen.shell
        assert seen.environ == {**before, "DOCKER_CONFIG": f"{tmp_path}/theirs", "PATH": "/nowhere"}
        assert (seen.files[0].path, seen.files[0].dialect) == (f"{tmp_path}/theirs/config.json", "docker")


def degraded(text: str, scene: Scene) -> Finding:
    document = {**scene.document, "pid": 1, "degraded": [text]}
    (found,) = service.trouble(replace(scene, running=True, document=document))
    return found


def test_what_the_service_cannot_watch_is_said_with_the_limit_to_raise(scene: Scene) -> None:
    text = "/home/x/.docker cannot be watched (... used up; raise fs.inotify.max_user_watches): ..."
    assert "fs.inotify.max_user_watches=524288" in degraded(text, scene).how
    assert "run" in degraded("something else", scene).how


def test_a_contested_and_an_unwritable_file(scene: Scene) -> None:
    row = {
        "host": "h",
        "phase": "fresh",
        "sinks": [
            {"path": "/f", "state": "contested", "detail": "x"},
            {"path": "/g", "state": "unwritable", "detail": "The disk is full. df -h"},
            {"path": "/i", "state": "written", "detail": ""},
        ],
    }
    document = {**scene.document, "pid": 1, "registries": [row]}
    found = {each.key: each for each in service.trouble(replace(scene, running=True, document=document))}
    assert found.keys() == {"sink.contested", "sink.unwritable"}
    assert found["sink.contested"].how.endswith("ecr-refreshd pause h")
    assert found["sink.unwritable"].what == "The disk is full. df -h"
    assert found["sink.unwritable"].how.endswith("ecr-refreshd refresh h")


def test_a_notice_that_reached_nobody(scene: Scene) -> None:
    notice = {"key": "login:corp", "title": "Sign in", "problems": ["no bus"]}
    document = {**scene.document, "pid": 1, "notices": [notice]}
    (found,) = service.trouble(replace(scene, running=True, document=document))
    assert found.key == "notify.undelivered"
    assert "no bus" in found.what


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("http://me:hunter2@proxy:3128", "http://***@proxy:3128"),
        ("http://me:hunter2@[::1]:3128/", "http://***@[::1]:3128/"),
        ("me:hunter2@proxy:3128", "***@proxy:3128"),
        ("http://[broken:hunter2@x", "***"),
        ("//me:hunter2@proxy", "//***@proxy"),
        ("localhost,.corp", "localhost,.corp"),
    ],
)
def test_a_proxys_password_is_never_shown(value: str, shown: str) -> None:
    """Promise 6: the variable is told, and not who signs in there."""
    assert told("HTTPS_PROXY", value) == shown


def test_no_key_is_told() -> None:
    environ = {"AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "y", "AWS_PROFILE": "dev", "PATH": "/bin"}
    assert telling(environ) == {"AWS_PROFILE": "dev", "PATH": "/bin"}


def finding(severity: Severity, **more: Any) -> Finding:
    return Finding("some.key", severity, "subject", "What was found.", "Why.", "a command", **more)


@pytest.mark.parametrize(
    ("severities", "code"),
    [([], 0), (["info"], 0), (["warning"], 4), (["info", "error", "warning"], 1), (["warning", "info"], 4)],
)
def test_the_exit_code_goes_by_the_worst(severities: list[str], code: int) -> None:
    assert exit_code(finding(Severity(each)) for each in severities) == code


def test_a_check_that_fails_hides_no_other(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with certbot's certificates: each for itself."""

    def broken(_scene: Scene) -> Iterator[Finding]:
        yield finding(Severity.INFO)
        raise ZeroDivisionError

    def good(_scene: Scene) -> Iterator[Finding]:
        yield finding(Severity.ERROR)

    monkeypatch.setattr(doctor, "CHECKS", (("one", (broken,)), ("another", (good,))))
    keys = [(each.key, each.subject) for each in doctor._found(scene)]
    assert keys == [("some.key", "subject"), ("doctor.failed", "broken"), ("some.key", "subject")]


def test_what_hangs_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        bounded(lambda: os.read(pipe[0], 1), 0.2) if (pipe := os.pipe()) else None
    os.write(pipe[1], b"x")  # ends the thread
    for each in pipe:
        os.close(each)


def test_the_page_puts_the_worst_first_and_commands_in_one_piece() -> None:
    mend = Mend("it is well", lambda: None)
    findings = [finding(Severity.INFO), finding(Severity.ERROR, mend=mend)]
    text = page.as_text(findings, ["files"], ["it is well."], Look(None, False, True, None))
    assert text.splitlines() == [
        "mended: it is well.",
        "",
        "error: What was found. [some.key]",
        "  why: Why.",
        "  do: a command",
        "",
        "info: What was found. [some.key]",
        "  why: Why.",
        "  do: a command",
        "",
        "1 error, 1 remark. Looked at: files.",
        "`ecr-refreshd doctor --fix` mends one of these.",
    ]
