"""Every command that is shown to people, followed to the letter where it may really do what it says.

Each scene is a machine of its own (tests/world/sandbox.py), where root is root. Asserted is what a person wants:
the trouble is gone, and nothing but what was meant has changed, anywhere; and where HOME, DOCKER_CONFIG, the user
or the owner are other than one would think, that no command is shown that takes anything from anybody.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.needs import need
from tests.world import homes
from tests.world.aws import FakeAws
from tests.world.sandbox import DEV, NAMELESS, OTHER, Done, Sandbox, missing, sandbox

ACCOUNT = "100000000001"
HOST = f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com"
DEAD = {"auths": {HOST: {"auth": "QVdTOmRlYWQ="}}}
DOCKER = "/home/dev/.docker"
FILE = f"{DOCKER}/config.json"
STATE = "/home/dev/.local/state/ecr-refreshd"
OURS = re.compile(rf"{re.escape(STATE)}(/.*)?|/home/dev/.local(/state)?")
"""What a command of ours may make or change."""
TAKING = re.compile(r"\b(chown|chmod|mv|rm|rmdir|mkdir|mount -\w)\b")


class Machine:
    """A sandbox whose user dev has keys of the fake AWS, and a dead token in docker's file."""

    def __init__(self, box: Sandbox, aws: FakeAws) -> None:
        self.box = box
        self.aws = aws
        homes.static_keys(box.path("/home/dev"), "default", homes.access_key(), aws=aws, account=ACCOUNT)
        for path in (box.path("/home/dev/.aws"), *box.path("/home/dev/.aws").iterdir()):
            os.chown(path, DEV, DEV)
        box.folder("/home/dev/.config")
        box.folder("/home/dev/.config/ecr-refreshd")
        box.put("/home/dev/.config/ecr-refreshd/config.toml", "[notify]\ndesktop = false\n")
        box.folder(DOCKER)
        box.put(FILE, json.dumps(DEAD))

    def environment(self, **more: str) -> dict[str, str]:
        environ = {**self.aws.environment("/home/dev"), "AWS_EC2_METADATA_DISABLED": "true"}
        del environ["PATH"]
        return {**environ, "PYTHONDONTWRITEBYTECODE": "1", **more}

    def ours(self, *words: str, uid: int = DEV, **more: str) -> Done:
        """Run ecr-refreshd."""
        done = self.box.run("ecr-refreshd", *words, uid=uid, **self.environment(**more))
        assert "Traceback" not in done.text, done.text
        return done

    def type(self, command: str, uid: int = DEV, **more: str) -> None:
        """Paste a command; it works."""
        done = self.box.type(command, uid=uid, **self.environment(**more))
        assert done.code == 0, f"{command}: {done.text}"

    def findings(self, uid: int = DEV, **more: str) -> list[dict[str, Any]]:
        done = self.ours("doctor", "--json", uid=uid, **more)
        found: list[dict[str, Any]] = json.loads(done.out)["findings"]
        assert not [each for each in found if each["key"].startswith("doctor.")], found
        return found

    def finding(self, key: str, uid: int = DEV, **more: str) -> dict[str, Any]:
        found = self.findings(uid, **more)
        fitting = [each for each in found if each["key"] == key]
        assert fitting, found
        return fitting[0]

    def status(self, **more: str) -> str:
        """Return what `status` says of docker's file."""
        return self.ours("status", **more).out

    def serves(self, **more: str) -> None:
        """Assert that docker's file gets its token."""
        done = self.ours("run", "--once", **more)
        assert done.code == 0, done.text
        assert json.loads(self.box.path(FILE).read_text())["auths"][HOST]["auth"] != "QVdTOmRlYWQ="


def command_of(how: str) -> str:
    """Return what is to be pasted of a finding's text."""
    first, *lines = how.split("\n")
    return "\n".join(lines) or first


@pytest.fixture(scope="module")
def aws() -> Iterator[FakeAws]:
    need(not missing(), missing())
    with FakeAws() as fake:
        yield fake


@pytest.fixture
def machine(aws: FakeAws) -> Iterator[Machine]:
    with sandbox() as box:
        yield Machine(box, aws)


def root_gets(machine: Machine, *paths: str) -> None:
    """Give paths to root, as a command under `sudo` leaves them."""
    for path in paths:
        os.chown(machine.box.path(path), 0, 0)


# -- a HOME of somebody else --------------------

EVERY = (
    ("run", "--once"),
    ("refresh",),
    ("login",),
    ("status",),
    ("pause", HOST),
    ("ensure", HOST, "--min-ttl", "1h"),
    ("doctor",),
    ("explain", HOST),
    ("init",),
)


@pytest.mark.parametrize("uid", [DEV, NAMELESS])
@pytest.mark.parametrize("home", ["/", "/srv/home"])
def test_a_home_of_roots_is_never_given_away(machine: Machine, home: str, uid: int) -> None:
    """OpenShift runs any user id with HOME=/; `su` without `-` keeps that of root, which is closed."""
    machine.box.folder("/srv/home", owner=0)
    for words in EVERY:
        with machine.box.changes() as changed:
            done = machine.ours(*words, uid=uid, HOME=home)
        assert not TAKING.search(done.text), done.text
        assert not changed
        if words not in {("status",), ("init",), ("explain", HOST)}:
            assert f"HOME is {home}" in done.text, done.text
            assert ("export HOME=/home/dev" in done.text) == (uid == DEV)
    helper = machine.box.run(
        "sh",
        "-c",
        f"echo {HOST} | docker-credential-ecr-refreshd get",
        uid=uid,
        **machine.environment(HOME=home),
    )
    assert helper.out == "credentials not found in native keychain\n"
    assert not TAKING.search(helper.err), helper.err
    assert f"HOME is {home}" in helper.err


def test_the_home_that_is_proposed_works(machine: Machine) -> None:
    done = machine.finding("home.anothers", HOME="/srv")
    machine.type(f"{command_of(done['how'])} && ecr-refreshd run --once", HOME="/srv")
    machine.serves()


def test_root_with_a_users_home_is_told_to_be_that_user(machine: Machine) -> None:
    """`sudo -E ecr-refreshd doctor` must not take a healthy state from its service."""
    machine.serves()
    found = machine.findings(uid=0)
    assert not [each for each in found if TAKING.search(each["how"])], found
    how = next(each["how"] for each in found if each["key"] == "home.anothers")
    with machine.box.changes() as changed:
        done = machine.box.type(command_of(how), uid=0, **machine.environment())
    assert "belongs to dev" not in done.text, done.text
    assert not changed
    machine.serves()


CHANGING = (
    ("run", "--once"),
    ("refresh",),
    ("ensure", HOST, "--min-ttl", "1h"),
    ("pause", HOST),
    ("resume", HOST),
    ("init", "--write"),
)


@pytest.mark.parametrize("words", CHANGING, ids=lambda words: words[0])
def test_root_leaves_nothing_of_its_own_in_a_home(machine: Machine, words: tuple[str, ...]) -> None:
    """`sudo -E`, images with ENV HOME: what is made belongs to whose home it is, and works for them."""
    for path in ("/home/dev/.config/ecr-refreshd/config.toml",):
        machine.box.path(path).unlink()
    for _ in range(2):
        machine.ours(*words, uid=0)
        assert not of_root(machine)
    if words[0] != "init":
        assert machine.ours("status", uid=DEV).code in {0, 5}
        machine.ours("resume", HOST)
        machine.serves()


def test_the_helper_as_root_leaves_nothing_of_roots(machine: Machine) -> None:
    machine.box.path("/home/dev/.config/ecr-refreshd/config.toml").unlink()
    ask = f"echo {HOST} | docker-credential-ecr-refreshd get"
    done = machine.box.run("sh", "-c", ask, uid=0, **machine.environment())
    assert json.loads(done.out)["Username"] == "AWS", done.text
    assert not of_root(machine)
    again = machine.box.run("sh", "-c", ask, uid=DEV, **machine.environment())
    assert json.loads(again.out)["Username"] == "AWS", again.text


def of_root(machine: Machine) -> list[str]:
    return [
        path for path, found in machine.box.found().items() if path.startswith("/home/dev") and found[1] == 0
    ]


@pytest.mark.parametrize("uid", [DEV, 0])
def test_commands_that_only_read_make_nothing(machine: Machine, uid: int) -> None:
    if uid == 0:
        machine.box.path("/home/dev/.config/ecr-refreshd/config.toml").unlink()
    with machine.box.changes() as changed:
        for words in (
            ("status",),
            ("doctor",),
            ("explain", HOST),
            ("config", "check"),
            ("config", "show"),
            ("init",),
        ):
            machine.ours(*words, uid=uid)
        machine.box.run("docker-credential-ecr-refreshd", "list", uid=uid, **machine.environment())
    assert not changed


# -- DOCKER_CONFIG that names the wrong thing --------------------

SLIPS = {
    FILE: DOCKER,
    "~/.docker": DOCKER,
    "~/.docker/config.json": DOCKER,
    "$HOME/.docker": DOCKER,
    f'"{DOCKER}"': DOCKER,
    "/home/dev/config.json": "/home/dev",
}


@pytest.mark.parametrize("value", SLIPS)
def test_a_wrong_docker_config_is_corrected(machine: Machine, value: str) -> None:
    """It names the folder (docker/cli#7235): nothing is moved or made for a slip, everywhere the same is said."""
    right = f"export DOCKER_CONFIG={SLIPS[value]}"
    with machine.box.changes() as changed:
        for words in (("run", "--once"), ("status",), ("doctor",), ("explain", HOST), ("init",)):
            done = machine.ours(*words, DOCKER_CONFIG=value)
            assert right in done.text, (words, done.text)
            assert not TAKING.search(done.text), done.text
    assert not [path for path in changed if not OURS.fullmatch(path)]
    if SLIPS[value] == DOCKER:
        machine.type(f"{right} && ecr-refreshd run --once", DOCKER_CONFIG=value)
        assert not [each for each in machine.findings() if each["key"] == "token.expired"]


@pytest.mark.parametrize("name", ["HOME", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "ECR_REFRESHD_STATE_DIR"])
def test_a_variable_that_names_a_file_is_corrected(machine: Machine, name: str) -> None:
    """The file is left where it is, whatever it is: the variable is wrong (DESIGN 8)."""
    machine.box.put("/home/dev/afile")
    right = "export HOME=/home/dev" if name == "HOME" else f"unset {name}"
    writes = [("init", "--scan", "/home/dev", "--write")] if name in {"HOME", "XDG_CONFIG_HOME"} else []
    for words in (("run", "--once"), ("doctor",), *writes):
        done = machine.ours(*words, **{name: "/home/dev/afile"})
        assert not TAKING.search(done.text), (words, done.text)
        if words == ("doctor",):
            assert right in done.text, (words, done.text)
    machine.type(f"{right} && ecr-refreshd run --once", **{name: "/home/dev/afile"})


# -- docker's file, and those who keep the user out --------------------


def test_what_sudo_docker_login_left_is_given_back(machine: Machine) -> None:
    """~/.docker is root's, 0700 (moby/moby#24910): the folder and the file, by name, and nothing else."""
    machine.box.put(f"{DOCKER}/daemon.json", owner=0)
    root_gets(machine, DOCKER, FILE)
    said = machine.ours("run", "--once")
    assert said.code == 4, said.text
    command = f"sudo chown -h dev {DOCKER} {FILE}"
    assert command in said.text
    found = machine.findings()
    assert found[0]["how"] == command, found
    assert not [each for each in found if "ecr-refreshd refresh" in each["how"]], found
    assert command in machine.status()
    assert command in machine.ours("explain", HOST).text
    with machine.box.changes() as changed:
        machine.type(command)
    assert changed == {DOCKER, FILE}
    machine.serves()


def test_a_file_of_roots_is_given_back(machine: Machine) -> None:
    root_gets(machine, FILE)
    machine.ours("run", "--once")
    command = f"sudo chown dev {FILE}"
    assert machine.findings()[0]["how"] == command
    assert command in machine.status()
    assert command in machine.ours("explain", HOST).text
    with machine.box.changes() as changed:
        machine.type(command)
    assert changed == {FILE}
    machine.serves()


def test_a_folder_of_roots_is_given_back(machine: Machine) -> None:
    root_gets(machine, DOCKER)
    machine.box.path(DOCKER).chmod(0o755)
    assert command_of(machine.finding("file.unwritable")["how"]) == f"sudo chown dev {DOCKER}"
    machine.ours("run", "--once")
    found = machine.finding("file.unwritable")
    with machine.box.changes() as changed:
        machine.type(command_of(found["how"]))
    assert changed == {DOCKER}
    machine.serves()


@pytest.mark.parametrize(("mode", "path"), [(0o500, DOCKER), (0o000, FILE), (0o000, DOCKER)])
def test_a_mode_of_ones_own_is_widened_for_oneself(machine: Machine, mode: int, path: str) -> None:
    machine.box.path(path).chmod(mode)
    machine.ours("run", "--once")
    how = command_of(machine.findings()[0]["how"])
    assert how.startswith("chmod u+rw")
    with machine.box.changes() as changed:
        machine.type(how)
    assert changed == {path}
    machine.serves()


@pytest.mark.parametrize("owner", [OTHER, NAMELESS])
@pytest.mark.parametrize("path", [DOCKER, FILE])
def test_what_another_user_owns_is_never_taken(machine: Machine, path: str, owner: int) -> None:
    """A user id without a name is a user of another machine (NFS, containers)."""
    os.chown(machine.box.path(path), owner, owner)
    machine.ours("run", "--once")
    first = machine.findings()[0]
    assert f"belongs to {'other' if owner == OTHER else f'user id {owner}'}" in first["what"] + first["how"]
    for each in machine.findings():
        assert not TAKING.search(each["how"]), each


def test_a_file_outside_of_home_is_never_taken(machine: Machine) -> None:
    """DOCKER_CONFIG may name a folder of root's on purpose."""
    machine.box.folder("/srv/docker", owner=0, mode=0o755)
    machine.box.put("/srv/docker/config.json", json.dumps(DEAD), owner=0)
    machine.ours("run", "--once", DOCKER_CONFIG="/srv/docker")
    found = machine.findings(DOCKER_CONFIG="/srv/docker")
    assert "belongs to root" in found[0]["what"] + found[0]["how"]
    assert not [each for each in found if TAKING.search(each["how"])], found


# -- config.json is a folder --------------------


@pytest.mark.parametrize("around", [DEV, 0])
def test_an_empty_folder_for_a_file_is_removed(machine: Machine, around: int) -> None:
    """`docker -v` makes one where the file is missing, and ~/.docker too, root's."""
    machine.box.path(FILE).unlink()
    machine.box.folder(FILE, owner=0, mode=0o755)
    os.chown(machine.box.path(DOCKER), around, around)
    machine.box.path(DOCKER).chmod(0o755)
    machine.box.put("/home/dev/.config/ecr-refreshd/config.toml", f'[[registry]]\nhost = "{HOST}"\n')
    machine.ours("run", "--once")
    found = machine.finding("file.unreadable")
    assert "mounts a file that does not exist" in found["how"]
    assert machine.findings()[0] == found
    with machine.box.changes() as changed:
        machine.type(command_of(found["how"]))
    assert changed <= {DOCKER, FILE}
    machine.serves()


def test_a_folder_with_something_in_it_stays(machine: Machine) -> None:
    machine.box.path(FILE).unlink()
    machine.box.folder(FILE)
    machine.box.put(f"{FILE}/precious")
    machine.ours("run", "--once")
    found = machine.finding("file.unreadable")
    assert not TAKING.search(found["how"])
    assert "not empty" in found["how"]


# -- mounts that take no writes --------------------


@pytest.mark.parametrize("is_secret", [True, False])
@pytest.mark.parametrize("what", [DOCKER, FILE])
def test_a_read_only_mount_is_not_to_be_changed(machine: Machine, what: str, is_secret: bool) -> None:
    """A Kubernetes secret, a tmpfs as a volume and by subPath, is always read-only (kubernetes#60814)."""
    if is_secret:
        machine.box.folder("/srv/secret", owner=0, mode=0o755)
        machine.box.mount("-t", "tmpfs", "none", "/srv/secret")
        machine.box.type(f"cp {FILE} /srv/secret/", uid=0)
        machine.box.type("chmod 755 /srv/secret; chmod 644 /srv/secret/config.json", uid=0)
        machine.box.mount("--bind", "/srv/secret" + what.removeprefix(DOCKER), what)
    else:
        root_gets(machine, FILE)
        machine.box.path(FILE).chmod(0o644)
        machine.box.mount("--bind", what, what)
    machine.box.mount("-o", "remount,bind,ro", what)
    machine.ours("run", "--once")
    found = [each for each in machine.findings() if each["key"] in {"file.unwritable", "file.mode"}]
    assert found
    for each in found:
        assert ("emptyDir" in each["how"]) == is_secret, each
        assert f"{each['what']} {each['how']}".count("read-only") == (2 if is_secret else 1), each
        assert not TAKING.search(each["how"]), each
    machine.box.folder("/home/dev/files")
    config = f'[docker]\nfiles = ["/home/dev/files/config.json"]\n[[registry]]\nhost = "{HOST}"\n'
    machine.box.put("/home/dev/.config/ecr-refreshd/config.toml", config)
    assert machine.ours("run", "--once").code == 0, "a writable file under files helps"


def test_a_read_only_home_is_told_the_variable(machine: Machine) -> None:
    machine.box.mount("--bind", "/home/dev", "/home/dev")
    machine.box.mount("-o", "remount,bind,ro", "/home/dev")
    said = machine.ours("run", "--once")
    assert "ECR_REFRESHD_STATE_DIR" in said.text
    found = machine.finding("state.folder")
    assert "ECR_REFRESHD_STATE_DIR" in found["how"]
    assert not TAKING.search(found["how"])
    machine.box.folder("/srv/state")
    assert not [
        each
        for each in machine.findings(ECR_REFRESHD_STATE_DIR="/srv/state")
        if each["subject"] == found["subject"]
    ]


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_closed_aws_folder_is_named(machine: Machine, is_ours: bool) -> None:
    """`sudo aws configure` leaves ~/.aws to root: that is no missing profile."""
    if is_ours:
        machine.box.path("/home/dev/.aws").chmod(0)
    else:
        root_gets(machine, "/home/dev/.aws")
        machine.box.path("/home/dev/.aws").chmod(0o700)
    found = machine.findings()
    assert not [each for each in found if each["key"] == "aws.none"]
    (closed,) = [each for each in found if "/home/dev/.aws cannot be entered" in each["what"]]
    command = "chmod u+rwx /home/dev/.aws" if is_ours else "sudo chown dev /home/dev/.aws"
    assert command_of(closed["how"]) == command
    machine.type(command)
    machine.serves()


# -- our own folders --------------------


def test_a_local_of_roots_is_given_back(machine: Machine) -> None:
    machine.box.folder("/home/dev/.local", owner=0, mode=0o755)
    said = machine.ours("run", "--once")
    command = "sudo chown dev /home/dev/.local"
    assert command in said.text
    assert command_of(machine.finding("state.folder")["how"]) == command
    with machine.box.changes() as changed:
        machine.type(command)
    assert changed == {"/home/dev/.local"}
    machine.serves()


def test_a_state_folder_of_roots_is_given_back(machine: Machine) -> None:
    """It is ours alone, so that all in it goes along."""
    machine.serves()
    root_gets(machine, STATE, f"{STATE}/locks", f"{STATE}/state.json")
    said = machine.ours("run", "--once")
    found = machine.finding("service.silent")
    command = f"sudo chown -R dev {STATE}"
    assert command in said.text
    assert command_of(found["how"]) == command
    with machine.box.changes() as changed:
        machine.type(command)
    assert all(path.startswith(STATE) for path in changed)
    machine.serves()


def test_a_state_folder_of_another_user_is_left(machine: Machine) -> None:
    machine.serves()
    os.chown(machine.box.path(STATE), OTHER, OTHER)
    said = machine.ours("run", "--once")
    assert "ECR_REFRESHD_STATE_DIR" in said.text
    assert "belongs to other" in said.text
    assert not TAKING.search(said.text)


def test_a_state_folder_open_to_all_is_closed(machine: Machine) -> None:
    machine.serves()
    machine.box.path(STATE).chmod(0o777)
    found = machine.finding("state.folder")
    with machine.box.changes() as changed:
        machine.type(command_of(found["how"]))
    assert changed == {STATE}
    machine.serves()


# -- settings --------------------

CONFIG = "/home/dev/.config/ecr-refreshd/config.toml"


def test_settings_that_others_may_write_are_closed(machine: Machine) -> None:
    machine.box.path(CONFIG).chmod(0o666)
    found = machine.finding("config.invalid")
    with machine.box.changes() as changed:
        machine.type(command_of(found["how"]))
    assert changed == {CONFIG}
    machine.serves()


@pytest.mark.parametrize("uid", [DEV, 0])
def test_settings_of_another_user_are_not_taken(machine: Machine, uid: int) -> None:
    if uid == DEV:
        os.chown(machine.box.path(CONFIG), OTHER, OTHER)
        machine.box.path(CONFIG).chmod(0o644)
    said = machine.ours("run", "--once", uid=uid)
    assert said.code == 2
    assert not TAKING.search(said.text)
    assert ("sudo -H -u dev" in said.text) == (uid == 0)


# -- what a walk of all must not forget --------------------


def advice() -> set[str]:
    """Return every function of `core.remedies`, by module and name."""
    found: set[str] = set()
    for module in ("aws", "clients", "files", "helpers", "service"):
        room = importlib.import_module(f"ecr_refreshd.core.remedies.{module}")
        found |= {
            f"{module}.{name}"
            for name, each in inspect.getmembers(room, inspect.isfunction)
            if each.__module__ == room.__name__ and not name.startswith("_")
        }
    return found


HERE = {
    "files.whose_home": test_the_home_that_is_proposed_works,
    "files.given_back": test_what_sudo_docker_login_left_is_given_back,
    "files.read_only": test_a_read_only_mount_is_not_to_be_changed,
    "files.variable_names_file": test_a_variable_that_names_a_file_is_corrected,
    "files.docker_config_variable": test_a_wrong_docker_config_is_corrected,
    "files.folder_in_place_of_file": test_an_empty_folder_for_a_file_is_removed,
    "service.closed": test_a_state_folder_of_roots_is_given_back,
    "service.open_to_others": test_a_state_folder_open_to_all_is_closed,
    "service.settings_of_another": test_settings_of_another_user_are_not_taken,
    "service.settings_open_to_others": test_settings_that_others_may_write_are_closed,
    "service.settings_unreadable": test_a_home_of_roots_is_never_given_away,
}
"""The scenes of this module."""
ELSEWHERE = {
    **dict.fromkeys(
        (
            "files.executable",
            "files.hard_link",
            "files.in_the_way",
            "files.kept_by_git",
            "files.link_not_followed",
            "files.narrowed",
            "files.folder_open_to_others",
            "files.no_folder",
            "files.not_ignored_by_git",
            "files.docker_config_absent",
            "files.unchangeable",
            "files.unparsable",
            "helpers.first_on_path",
            "helpers.link_on_path",
            "service.cannot_be_made",
            "service.go_on",
            "service.raise_inotify",
            "service.restart_process",
            "service.restart_unit",
            "service.set_variable",
            "service.start",
            "service.start_unit",
            "service.unset_profile",
        ),
        "tests/e2e/test_doctor.py",
    ),
    **dict.fromkeys(
        (
            "aws.delete_line",
            "aws.remove_byte_order_mark",
            "aws.rename_title",
            "aws.rewrite_value",
            "aws.save_as_utf8",
        ),
        "tests/test_backups.py",
    ),
    "clients.refresh": "tests/e2e/test_doctor.py",
    "clients.start_service": "tests/e2e/test_doctor.py",
    "helpers.reach_bare_path": "tests/e2e/test_doctor.py",
}
"""Followed word for word in the homes of other tests, where no root is needed."""
HARMLESS = {
    **dict.fromkeys(
        (
            "aws.add_source_profile",
            "aws.allow",
            "aws.assign_role",
            "aws.attach_role",
            "aws.check_endpoint",
            "aws.check_metadata_options",
            "aws.check_proxy",
            "aws.check_role_trust",
            "aws.correct_account_and_role",
            "aws.correct_certificate_file",
            "aws.correct_environment",
            "aws.correct_file",
            "aws.correct_files",
            "aws.correct_program",
            "aws.correct_program_path",
            "aws.correct_value",
            "aws.hop_limit",
            "aws.identity_provider",
            "aws.install_login_runtime",
            "aws.merge_duplicates",
            "aws.metadata_unreachable",
            "aws.new_environment_keys",
            "aws.newer_botocore",
            "aws.plain_host",
            "aws.profile_meant",
            "aws.program_output",
            "aws.proxy_refuses",
            "aws.raise_memory_limit",
            "aws.reinstall",
            "aws.run_program",
            "aws.separate_sso_profile",
            "aws.trust_certificate",
            "aws.wait_for_file",
        ),
        "words",
    ),
    "aws.check_identity": "only asks AWS who one is",
    "aws.check_identity_or_region": "only asks AWS who one is",
    "aws.list_profiles": "only prints",
    "aws.show_sources": "only prints",
    "aws.show_aws_folder": "only looks: ls",
    "aws.first_profile": "asks a person, and writes what they answer",
    "aws.login": "asks a person to sign in",
    "aws.sso_login": "asks a person to sign in",
    "files.disk": "only looks: df, quota, dmesg",
    "files.unexplained": "only looks: ls, lsattr",
    "files.mounted_file": "words",
    "clients.wait_for_aws": "words",
    "service.install_unit": "needs a user manager; copies a file of ours, and enables a unit of this user",
    "service.add_registry": "words",
    "service.no_home": "words",
    "service.scan": "only prints",
    "service.scan_another": "words",
    "service.folder_refuses": "one of those above",
    "service.ask_registry": "only looks: curl",
    "service.read_log": "only looks: journalctl",
    "service.linger": "needs a user manager; changes one flag of this user",
    "service.set_clock": "sets the clock of the machine that the tests share",
    "service.start_agent": "macOS",
    "service.start_systemd_in_wsl": "WSL",
    "helpers.reinstall": "needs pipx, and the folder that it was installed from",
}
"""Why nothing can be followed here."""
NOT_YET = {
    "aws.enter_code",
    "aws.sign_in",
    "service.let_in",
    "aws.name_profile",
    "aws.unreachable_endpoint",
    "clients.also_in_entries",
    "clients.correct_by_hand",
    "clients.check_program",
    "clients.explain_as_root",
    "clients.helper_on_path",
    "clients.name_file",
    "clients.name_registry",
    "clients.set_runtime_folder",
    "clients.take_out",
    "clients.unset_variable",
    "helpers.auth_variable",
    "helpers.auth_variable_keys",
    "helpers.exact_hosts",
    "helpers.store_of_one_vendor",
    "service.name_registries",
    "service.replace_settings",
    "service.stop",
}
"""Advice without a scene; it may only shrink."""


def test_all_advice_has_a_scene() -> None:
    """A function of `core.remedies` that nobody follows fails here: name its scene, or why there can be none."""
    known = {*HERE, *ELSEWHERE, *HARMLESS, *NOT_YET}
    assert advice() == known, (sorted(advice() - known), sorted(known - advice()))
    for name, place in ELSEWHERE.items():
        assert (Path(__file__).parent.parent / place).exists(), name
