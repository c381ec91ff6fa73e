"""`doctor` where no real machine can be had for it: WSL, a session that ends, a check that fails, its page."""

from __future__ import annotations

import argparse
import base64
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.aws import ini
from ecr_refreshd.cli import doctor
from ecr_refreshd.cli.doctor import (
    aws,
    clients,
    disk,
    entries,
    machine,
    page,
    pasted,
    profiles,
    service,
    trouble,
    unread,
)
from ecr_refreshd.cli.doctor.dockerfiles import bounded
from ecr_refreshd.cli.doctor.dockerfiles import found as _file
from ecr_refreshd.cli.doctor.finding import Finding, Mend, Severity, exit_code
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.cli.environment import COMPARED, telling, told
from ecr_refreshd.cli.table import Look
from ecr_refreshd.core.clients.families import Family
from ecr_refreshd.core.clients.world import ANONYMOUS, Credential, Outcome, Source
from ecr_refreshd.core.clients.world import Finding as ClientFinding
from ecr_refreshd.core.remedies import aws as remedies
from tests.needs import need


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A home in which nothing stands, on a system of which nothing is known."""
    for name in ("XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DOCKER_AUTH_CONFIG", *COMPARED):
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


def degraded(code: str, scene: Scene) -> Finding:
    complaint = {"code": code, "message": "/home/x/.docker cannot be watched.", "command": ""}
    document = {**scene.document, "pid": 1, "degraded": [complaint]}
    (found,) = trouble.trouble(replace(scene, running=True, document=document))
    return found


def test_what_the_service_cannot_watch_is_said_with_the_limit_to_raise(scene: Scene) -> None:
    assert "fs.inotify.max_user_watches=524288" in degraded("fs.inotify.max_user_watches", scene).how
    assert "run" in degraded("watch.failed", scene).how


def test_a_contested_and_an_unwritable_file(scene: Scene) -> None:
    row = {
        "host": "h",
        "phase": "fresh",
        "sinks": [
            {"path": "/f", "state": "contested", "detail": "x"},
            {"path": "/g", "state": "unwritable", "detail": "The disk is full. df -h /", "hint": "df -h /"},
            {"path": "/j", "state": "missing", "detail": "no token yet"},
            {"path": "/i", "state": "written", "detail": ""},
        ],
    }
    document = {**scene.document, "pid": 1, "registries": [row, {**row, "host": "i"}]}
    found = {each.key: each for each in trouble.trouble(replace(scene, running=True, document=document))}
    assert found.keys() == {"sink.contested", "sink.unwritable"}
    assert found["sink.contested"].how.endswith("ecr-refreshd pause i")
    told = found["sink.unwritable"]
    assert (told.what, told.subject) == ("/g: The disk is full.", "/g")
    assert told.how.split("\n")[1:] == ["df -h /", "ecr-refreshd refresh h i"]
    assert "/g" in told.why
    assert len(list(trouble.trouble(replace(scene, running=True, document=document)))) == 3


def test_a_notice_that_reached_nobody(scene: Scene) -> None:
    notice = {"key": "login:corp", "title": "Sign in", "problems": ["no bus"]}
    document = {**scene.document, "pid": 1, "notices": [notice]}
    (found,) = trouble.trouble(replace(scene, running=True, document=document))
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


DIFFERENT = {"AWS_PROFILE": "dev", "HTTPS_PROXY": "http://me:hunter22@proxy:1", "DOCKER_CONFIG": 'a "b"'}


def test_variables_go_into_one_table_with_those_that_are_there(scene: Scene, tmp_path: Path) -> None:
    """Two tables of one name are no TOML; and what that one holds already is nobody's business (promise 6)."""
    held = 'AWS_CA_BUNDLE = "/ca.pem", ALL_PROXY = "http://me:s3cret@proxy:1"'
    there = configured(tmp_path, f"[environment]\nset = {{ {held} }}\n")
    theirs = {"HOME": there.shell["HOME"], "AWS_CA_BUNDLE": "/ca.pem", "PATH": "/bin"}
    shell = {**there.shell, **DIFFERENT, "AWS_CA_BUNDLE": "/ca.pem"}
    seen = replace(there, running=True, theirs=theirs, shell=shell, aws=None)
    (found,) = service.environment(seen)
    first, *lines = found.how.split("\n")
    assert found.subject == "DOCKER_CONFIG, AWS_PROFILE, HTTPS_PROXY"
    assert str(there.config) in first
    assert tomllib.loads(f"set = {{ {' '.join(lines)} }}")["set"] == {**DIFFERENT, "HTTPS_PROXY": "..."}
    assert "hunter22" not in found.what + found.how
    assert "s3cret" not in found.what + found.how


def test_the_first_variables_make_the_table(scene: Scene, tmp_path: Path) -> None:
    there = configured(tmp_path, "")
    theirs = {"HOME": there.shell["HOME"], "PATH": "/bin"}
    seen = replace(there, running=True, theirs=theirs, shell={**there.shell, **DIFFERENT}, aws=None)
    (found,) = service.environment(seen)
    assert tomllib.loads(found.how.partition("\n")[2])["environment"]["set"]["AWS_PROFILE"] == "dev"


def test_a_variable_that_only_the_service_has_is_exported(scene: Scene) -> None:
    theirs = {"HOME": scene.shell["HOME"], "AWS_PROFILE": "my dev"}
    (found,) = service.environment(replace(scene, running=True, theirs=theirs))
    assert found.how.endswith(":\nexport AWS_PROFILE='my dev'")


def test_a_limit_is_raised_above_what_it_is_and_the_other_stays_raised(scene: Scene) -> None:
    put(scene.root, "proc/sys/fs/inotify/max_user_watches", "1048576\n")
    put(scene.root, "proc/sys/fs/inotify/max_user_instances", "128\n")
    watches, instances = (trouble.inotify(f"fs.inotify.max_user_{each}", scene.root) for each in LIMITS)
    assert "max_user_watches=2097152 " in watches
    assert "max_user_instances=1024 " in instances
    files = [next(word for word in each.split() if word.startswith("/etc/")) for each in (watches, instances)]
    assert files[0] != files[1]


LIMITS = ("watches", "instances")
HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"


def login(name: str = "me", password: str = "secret") -> str:
    return base64.b64encode(f"{name}:{password}".encode()).decode()


def ended() -> str:
    inner = base64.b64encode(json.dumps({"payload": "x", "expiration": 1000}).encode()).decode()
    return login("AWS", inner)


def looked_at(scene: Scene, path: Path, **document: Any) -> Scene:
    """The scene with one file in it, as it is found."""
    put(path.parent, path.name, json.dumps(document, indent=1))
    path.chmod(0o600)
    return replace(scene, files=(_file(str(path), scene.environ),))


def gone(check: doctor.Check, scene: Scene) -> bool:
    return (
        list(check(replace(scene, files=tuple(_file(each.path, scene.environ) for each in scene.files))))
        == []
    )


def type_in(command: str, scene: Scene) -> None:
    done = subprocess.run(
        ["sh", "-c", command], env=dict(scene.shell), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.parametrize("where", ["docker", "containers"])
def test_a_dead_token_is_taken_out_of_its_own_file(scene: Scene, tmp_path: Path, where: str) -> None:
    """`docker logout` does not know podman's files, nor one that DOCKER_CONFIG does not name."""
    need(shutil.which({"docker": "docker", "containers": "skopeo"}[where]), "no client is installed")
    name = {"docker": "config.json", "containers": "auth.json"}[where]
    seen = looked_at(scene, tmp_path / "some where" / name, auths={HOST: {"auth": ended()}})
    seen = replace(seen, registries={})
    (found,) = entries.dead(seen)
    type_in(found.how, seen)
    assert gone(entries.dead, seen)


def test_where_no_client_is_there_or_a_logout_would_ask_a_helper_the_entry_is_named(
    scene: Scene, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    for more, shell in (
        ({}, {"PATH": "/nowhere"}),
        ({"credHelpers": {HOST: "x"}}, {}),
        ({"credsStore": "x"}, {}),
    ):
        seen = looked_at(scene, path, auths={HOST: {"auth": ended()}}, **more)
        (found,) = entries.dead(replace(seen, registries={}, shell={**scene.shell, **shell}))
        assert found.how == f'Delete the entry "{HOST}" that begins at line 3 of {path}'


def test_an_undecodable_entry_is_told_as_its_own_readers_take_it(scene: Scene, tmp_path: Path) -> None:
    need(shutil.which("podman"), "podman is not installed")
    seen = looked_at(scene, tmp_path / "my files/auth.json", auths={"ghcr.io": {"auth": "!!!"}})
    (found,) = entries.broken(seen)
    assert "docker" not in found.why + found.how
    assert found.how.endswith(f"podman login --authfile '{tmp_path}/my files/auth.json' ghcr.io")
    assert not found.explains("quay.io", str(tmp_path / "my files/auth.json"))


def test_a_path_with_a_blank_stays_one_word(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "my docker/config.json"
    put(path.parent, path.name, "{")
    seen = replace(scene, files=(_file(str(path), scene.environ),))
    (found,) = entries.broken(seen)
    type_in(found.how.partition("\n")[2], seen)
    assert gone(entries.broken, seen)


@pytest.mark.parametrize("tracked", [True, False])
def test_a_file_in_a_work_tree_of_its_own_with_a_name_that_is_a_pattern(
    scene: Scene, tmp_path: Path, tracked: bool
) -> None:
    """There .git is a file, and what is ignored stands with the repository."""
    need(shutil.which("git"), "git is not installed")
    main, tree = tmp_path / "main", tmp_path / "my tree"
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C"]
    for words in (
        ["init", "-q"],
        ["commit", "-q", "--allow-empty", "-m", "x"],
        ["worktree", "add", "-q", "--detach", str(tree)],
    ):
        main.mkdir(exist_ok=True)
        subprocess.run([*git, str(main), *words], check=True, capture_output=True)
    seen = looked_at(scene, tree / "a[b]*\\c/config.json", auths={"quay.io": {"auth": login()}})
    if tracked:
        subprocess.run([*git, str(tree), "add", "."], check=True)
    (found,) = disk.exposure(seen)
    assert found.key == "file.git"
    type_in(found.how.partition("\n")[2] or found.how, seen)
    assert gone(disk.exposure, seen)


def test_fix_changes_nothing_that_was_put_in_place_of_what_it_looked_at(scene: Scene, tmp_path: Path) -> None:
    """In a folder that everyone may write, the file may be a link to another of the user's by then."""
    folder, other = tmp_path / "open", tmp_path / "other"
    other.mkdir(0o755)
    put(other, "program", "x")
    (other / "program").chmod(0o755)
    seen = looked_at(scene, folder / "config.json", auths={"quay.io": {"auth": login()}})
    path = Path(seen.files[0].path)
    path.chmod(0o666)
    folder.chmod(0o777)
    seen = replace(seen, files=(_file(str(path), scene.environ),))
    mends = {each.key: each.mend for each in disk.exposure(seen)}
    path.unlink()
    path.symlink_to(other / "program")
    for stand_in in (lambda: None, lambda: path.unlink() or os.link(other / "program", path)):
        stand_in()
        with pytest.raises(OSError, match=r"symbolic links|in its place"):
            mends["file.mode"].do()
    folder.rename(tmp_path / "away")
    folder.symlink_to(other)
    with pytest.raises(OSError, match=r"[Nn]ot a directory|symbolic links|in its place"):
        mends["folder.mode"].do()
    assert stat.S_IMODE((other / "program").stat().st_mode) == 0o755


def refused(*hosts: str, file: str = "/f") -> Finding:
    return Finding(
        "client.refused", Severity.ERROR, "", "", "", "", hosts=frozenset(hosts), files=frozenset({file})
    )


@pytest.mark.parametrize(
    ("causes", "told"),
    [
        ([], True),
        ([({}, Severity.ERROR)], True),
        ([({"files": {"/g"}}, Severity.ERROR)], True),
        ([({"files": {"/f"}}, Severity.WARNING)], True),
        ([({"hosts": {"a"}}, Severity.ERROR)], True),
        ([({"hosts": {"a", "b"}, "files": {"/g"}}, Severity.ERROR)], True),
        ([({"files": {"/f"}}, Severity.ERROR)], False),
        ([({"hosts": {"a"}}, Severity.ERROR), ({"hosts": {"b"}, "files": {"/f"}}, Severity.ERROR)], False),
    ],
)
def test_only_what_concerns_the_same_registry_and_file_makes_a_refusal_an_echo(
    causes: list[tuple[dict[str, set[str]], Severity]], told: bool
) -> None:
    """A file that git would publish is no reason why podman finds no login."""
    others = [
        Finding("k", severity, "", "", "", "", **{name: frozenset(each) for name, each in more.items()})
        for more, severity in causes
    ]
    finding_ = refused("a", "b")
    assert doctor._is_an_echo(finding_, [finding_, *others]) is not told


@pytest.mark.parametrize(
    ("outcomes", "severity"),
    [
        ((ANONYMOUS,), "info"),
        ((Outcome(error="x"),), "warning"),
        ((Outcome(Credential("me")),), "warning"),
        ((), ""),
    ],
)
def test_the_kubelets_files_are_one_way_of_several(
    scene: Scene,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    outcomes: tuple[Outcome, ...],
    severity: str,
) -> None:
    """Pull secrets and a credential provider are not looked at; no error is made of a guess."""
    kubelet = Family("kubelet", "kubelet", lambda *_: ClientFinding((), Source("/f"), outcomes), ("sh",))
    monkeypatch.setattr(clients, "FAMILIES", (kubelet,))
    seen = configured(tmp_path, f'[[registry]]\nhost = "{HOST}"\n')
    assert [str(each.severity) for each in clients.clients(seen)] == ([severity] if severity else [])


def test_many_clients_are_counted_with_docker_named(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of twenty names is read by nobody."""
    families = tuple(
        Family(name, name, lambda *_: ClientFinding((), Source("/f"), (ANONYMOUS,)), ("sh",))
        for name in ("docker pull, push", "podman", "crane")
    )
    monkeypatch.setattr(clients, "FAMILIES", families)
    (found,) = clients.clients(configured(tmp_path, f'[[registry]]\nhost = "{HOST}"\n'))
    assert found.what.startswith("docker pull, push and 2 other clients: no pull from")


def test_bytes_that_are_no_text_in_a_variable(scene: Scene) -> None:
    (found,) = unread.variable(replace(scene, shell={"DOCKER_AUTH_CONFIG": os.fsdecode(b'{"\xff"')}))
    assert "does not parse" in found.what


def test_a_home_whose_name_is_no_text(tmp_path: Path) -> None:
    home = os.fsencode(tmp_path) + b"/h\xff"
    os.mkdir(home)  # noqa: PTH102 - bytes, which pathlib does not take
    for words in (["--json"], []):
        done = subprocess.run(
            [sys.executable, "-m", "ecr_refreshd", "doctor", *words],
            env={b"HOME": home, b"PATH": os.defpath.encode(), b"LANG": b"C.UTF-8"},
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in {0, 1, 4}, done.stderr
        assert b"Traceback" not in done.stderr
        assert b"doctor.failed" not in done.stdout


def test_a_profile_is_named_where_the_registry_is(scene: Scene, tmp_path: Path) -> None:
    """Who names it twice is refused."""
    for text in ("", "[notify]\ndesktop = false\n"):
        seen = configured(tmp_path, text)
        block = pasted.registry(HOST, replace(seen, registries={HOST: None, "other": None}))
        assert tomllib.loads(block.partition("\n")[2]) == {
            "registry": [{"host": HOST, "profile": "NAME"}],
        }
    seen = configured(tmp_path, '[[registry]]\naccount = "724013829182"\nregions = ["us-west-2"]\n')
    first, *lines = pasted.registry(HOST, seen).split("\n")
    assert lines == ['profile = "NAME"']
    assert HOST in first


def test_a_line_goes_under_the_table_that_is_there(scene: Scene, tmp_path: Path) -> None:
    assert pasted.under("notify", ["x = 1"], scene).endswith(":\n[notify]\nx = 1")
    seen = configured(tmp_path, "[notify]\nwarn_before = '1h'\n")
    assert pasted.under("notify", ["x = 1"], seen) == (
        f"Under [notify] in {seen.config}, in place of what is called so there:\nx = 1"
    )


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


def test_lines_to_be_pasted_stay_lines() -> None:
    (first, second, *_) = page.as_text(
        [replace(finding(Severity.INFO), how="Add to x:\n[a]\n" + "b " * 90)],
        [],
        [],
        Look(60, False, True, None),
    ).splitlines()[2:]
    assert (first, second) == ("  do: Add to x:", "      [a]")
    assert "      " + "b " * 90 in page.as_text(
        [replace(finding(Severity.INFO), how="Add to x:\n[a]\n" + "b " * 90)],
        [],
        [],
        Look(60, False, True, None),
    )


def test_the_page_puts_the_worst_first_and_commands_in_one_piece() -> None:
    mend = Mend("it is well", lambda: None)
    findings = [finding(Severity.INFO), finding(Severity.ERROR, mend=mend)]
    text = page.as_text(findings, ["files"], ["it is well."], Look(None, False, True, None))
    assert text.splitlines() == [
        "fixed: it is well.",
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
        "`ecr-refreshd doctor --fix` fixes one of these.",
    ]


@pytest.mark.parametrize("mine", [True, False])
def test_an_aws_file_that_may_not_be_read_is_told_from_one_that_does_not_parse(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mine: bool
) -> None:
    """Root reads everything, so what the system says stands here in its place."""
    path = tmp_path / "my credentials"
    path.write_text("")
    if not mine:
        monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    closed = ini.config_problem(str(path), PermissionError(13, "Permission denied", str(path)))
    torn = ini.Problem("/c/config does not parse in line 3, so no.", remedies.correct_file("/c/config", 3))
    assert scene.aws is not None
    looked = replace(scene.aws, profiles=replace(scene.aws.profiles, problems=(closed, torn)))
    unread, unparsed = profiles.files(replace(scene, aws=looked))
    assert "does not parse" not in unread.what + unread.why
    assert (unread.how == f"chmod u+rw '{path}'") is mine
    assert "chown" not in unread.how, "HOME is not theirs here, so neither is what lies in it"
    assert unparsed.how == "Correct line 3 of /c/config."


def test_a_service_is_started_anew_as_it_was_started(scene: Scene) -> None:
    """By the systemd that it runs under, which its own control group tells; else in its terminal."""
    serving = replace(scene, document={**scene.document, "pid": 4711})
    for group, how in (
        (
            "0::/user.slice/user@1000.service/app.slice/ecr-refreshd.service",
            "systemctl --user restart ecr-refreshd.service",
        ),
        ("0::/system.slice/ecr-refreshd@ci.service", "sudo systemctl restart ecr-refreshd@ci.service"),
    ):
        put(scene.root, "proc/4711/cgroup", group)
        assert service.restart(serving) == how
    put(scene.root, "proc/4711/cgroup", "0::/user.slice/user-1000.slice/session-3.scope")
    assert service.restart(serving).split("\n")[1:] == ["kill 4711 && sleep 3", "ecr-refreshd run"]


@pytest.mark.parametrize(
    ("hint", "after", "how"),
    [
        ("aws sso login", (), "aws sso login"),
        ("aws sso login", ("b",), "One after the other:\naws sso login\nb"),
        ("chmod o-w X, or name it", (), "Do this, or name it:\nchmod o-w X"),
        ("aws a; if so, it lacks: aws b", (), "One after the other:\naws a\n# if so, it lacks:\naws b"),
        ("Ask somebody.", ("b",), "Ask somebody, then:\nb"),
        ("Ask somebody.", (), "Ask somebody."),
        ("", ("b",), "b"),
        ("", (), ""),
    ],
)
def test_a_hint_that_is_a_command_can_be_pasted(hint: str, after: tuple[str, ...], how: str) -> None:
    assert pasted.hinted(hint, *after) == how


def test_a_registry_that_refuses_the_tokens_is_found(scene: Scene) -> None:
    """Also after a `run --once`, by what its state file remembers."""
    error = {
        "code": "registry.refused",
        "category": "denied",
        "message": "h refuses the tokens that AWS issues for it: HTTP 403.",
        "hint": "Check the policy. Then: ecr-refreshd refresh h",
    }
    row = {"host": "h", "phase": "blocked", "last_error": error, "sinks": []}
    for pid in (1, None):
        document = {**scene.document, "pid": pid, "registries": [row]}
        (found,) = trouble.trouble(replace(scene, running=pid is not None, document=document))
        assert (found.key, str(found.severity)) == ("registry.refused", "error")
        assert "ecr-refreshd refresh h" in found.how


@pytest.mark.parametrize("code", ["ConfigParseError", "aws.files"])
def test_a_file_that_has_been_mended_is_no_longer_complained_of(scene: Scene, code: str) -> None:
    """The service has not looked again yet, or awaits its time."""
    folder = Path(scene.environ["HOME"], ".aws")
    error = {"code": code, "category": "config", "message": f"{folder}/config begins with a byte order mark."}

    def told(error: dict[str, str]) -> list[str]:
        row = {"host": "h", "phase": "failing", "last_error": error, "sinks": [], "principal": None}
        serving = replace(scene, running=True, document={**scene.document, "registries": [row]})
        return [each.what for each in aws.refusals(serving)]

    assert told(error) == []
    elsewhere = {**error, "message": "/srv/aws/config begins with a byte order mark."}
    assert len(told(elsewhere)) == 1, "the service may have files of its own"
    denied = {**error, "code": "AccessDeniedException", "category": "denied"}
    assert len(told(denied)) == 1


# -- what to begin with --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sign", [".git/", "Dockerfile", "Dockerfile.dev", "compose.yaml", "docker-compose.yml"]
)
def test_a_project_is_searched_and_nothing_written(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    project = tmp_path / "home/src"
    project.mkdir()
    (project / sign).mkdir() if sign.endswith("/") else (project / sign).touch()
    monkeypatch.chdir(project)

    (found,) = entries.none_kept(scene)

    assert found.how.splitlines()[1:] == ["ecr-refreshd init --scan ."]


@pytest.mark.parametrize("folder", ["/", "home", "home/music"])
def test_no_scan_of_a_folder_that_is_no_project(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """Neither of all that a home holds, be it a repository itself, nor of the whole disk."""
    (tmp_path / "home/music").mkdir()
    (tmp_path / "home/.git").mkdir()
    monkeypatch.chdir(tmp_path / folder)

    (found,) = entries.none_kept(scene)

    assert "\n" not in found.how
    assert "--write" not in found.how


def test_a_service_is_installed_where_that_is_possible(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the unit that came with the program, a systemd that answers, and the program that the unit names."""
    (tmp_path / "bin").mkdir()
    systemctl = tmp_path / "bin/systemctl"
    systemctl.write_text('#!/bin/sh\n[ "$2" = show ] && echo Version=252\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    share = tmp_path / "package/share/systemd"
    monkeypatch.setattr(service.resources, "files", lambda _package: tmp_path / "package")
    program = tmp_path / "home/.local/bin/ecr-refreshd"

    def proposed() -> list[str]:
        (found,) = (each for each in service.presence(scene) if each.key == "service.absent")
        return found.how.splitlines()[1:]

    assert proposed() == ["ecr-refreshd run"]
    share.mkdir(parents=True)
    (share / "ecr-refreshd.service").touch()
    assert proposed() == ["ecr-refreshd run"]
    program.parent.mkdir(parents=True)
    program.touch()
    assert proposed() == [
        "mkdir -p ~/.config/systemd/user",
        f"cp {share}/ecr-refreshd.service ~/.config/systemd/user/",
        "systemctl --user enable --now ecr-refreshd",
    ]


def test_a_paused_registry_is_resumed_not_refreshed(scene: Scene) -> None:
    host = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
    row = {"host": host, "phase": "paused"}
    asleep = replace(scene, document={**scene.document, "registries": [row]})

    assert asleep.renewal(host) == [f"ecr-refreshd resume {host}"]
