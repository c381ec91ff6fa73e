"""`doctor` on broken machines: what is wrong is found, and what the finding says, done literally, makes it go.

The real program in its own process, against the fake AWS. Where a finding names a command, that text is what the
test runs; where it names an edit, the test edits what the text names.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli import standin
from tests.e2e.test_bad_input import GOOD, Home, home, host, until
from tests.needs import need
from tests.world import homes
from tests.world.desktop import Desktop
from tests.world.desktop import missing as no_desktop

__all__ = ["home"]  # a fixture

WEST = host(GOOD)
SECRET = "a very secret password"


def login(user: str = "me", password: str = SECRET) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def token(ends: float, salt: str = "") -> str:
    inner = json.dumps({"payload": f"opaque{salt}", "expiration": int(time.time() + ends)})
    return login("AWS", base64.b64encode(inner.encode()).decode())


def pasteable(how: str) -> None:
    """Assert that no words for people stand behind a command, where a shell would take them for its own."""
    first, *lines = how.split("\n")
    if lines:
        assert first.endswith(":"), how
    elif re.match(
        r"(sudo |)(aws|chmod|chown|docker|ecr-refreshd|export|git|kill|mkdir|mv|systemctl|unset) ", first
    ):
        lines = [first]
    for line in lines:
        assert not re.search(r" \((?!findmnt)|[;,] (or|then)\b", line.replace("$(", "")), how


class Patient:
    """A machine that `doctor` is asked about."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.path = f"{home.folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
        home.environment |= {"PATH": self.path, "AWS_EC2_METADATA_DISABLED": "true"}
        (home.folder / "bin").mkdir(exist_ok=True)
        (home.folder / ".docker").mkdir(mode=0o700)
        self.setup = "[notify]\ndesktop = false\n"
        home.write_config(self.setup)

    def put(self, **document: Any) -> Path:
        """Write docker's file as docker does, one entry a line."""
        self.home.write_docker(json.dumps(document, indent="\t"))
        return self.home.docker

    def asked(self, *words: str, **more: str) -> dict[str, Any]:
        """Return what `doctor --json` says, which holds no secret of any file."""
        done = self.home.run("doctor", "--json", *words, **more)
        assert done.returncode in {0, 1, 4}, done.stderr
        assert "Traceback" not in done.stderr
        for secret in self.secrets():
            assert secret not in done.stdout + done.stderr
        document = json.loads(done.stdout)
        worst = {"error": 1, "warning": 4, "info": 0, None: 0}[document["worst"]]
        assert done.returncode == worst, "the exit code goes by severity"
        assert not [each for each in document["findings"] if each["key"].startswith("doctor.")]
        for each in document["findings"]:
            pasteable(each["how"])
        return document

    def secrets(self) -> set[str]:
        """Return the logins that stand in docker's file, whole and decoded."""
        texts = self.home.docker.read_text() if self.home.docker.is_file() else ""
        found = set(re.findall(r'"auth":\s*"([^"]{8,})"', texts))
        return found | {SECRET}

    def finding(self, key: str, subject: str = "", **more: str) -> dict[str, Any]:
        """Return the finding of this name; there is one."""
        findings = self.asked(**more)["findings"]
        fitting = [each for each in findings if each["key"] == key and subject in each["subject"]]
        assert fitting, [f"{each['key']} {each['subject']}" for each in findings]
        assert all(fitting[0][name] for name in ("what", "why", "how"))
        return fitting[0]

    def gone(self, key: str, subject: str = "", **more: str) -> None:
        """Assert that the finding is there no more."""
        findings = self.asked(**more)["findings"]
        assert not [each for each in findings if each["key"] == key and subject in each["subject"]]

    def type(self, text: str, **more: str) -> None:
        """Run what a finding says, word for word: commands, one after another."""
        config = self.home.config if self.home.config.exists() else ""
        program = self.home.folder / "typed/ecr-refreshd"  # not on PATH: our helper would take it for its own
        program.parent.mkdir(exist_ok=True)
        named = f"--config {shlex.quote(str(config))}" if config else ""
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ecr_refreshd {named} "$@"\n')
        program.chmod(0o755)
        first, *lines = text.split("\n")  # the first is for people where others follow
        for command in lines or [first]:
            done = subprocess.run(
                ["sh", "-c", command],
                env={
                    **self.home.environment,
                    "PATH": f"{program.parent}:{self.home.environment['PATH']}",
                    **more,
                },
                cwd=self.home.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def paste(self, text: str) -> None:
        """Put what a finding says into the settings, line for line."""
        first, lines = text.split("\n", 1)
        assert first == f"Add to {self.home.config}:"
        there = self.home.config.read_text() if self.home.config.exists() else ""
        self.home.write_config(f"{there}{lines}\n")

    def edit(self, key: str, table: str = "auths") -> None:
        """Delete an entry of docker's file, as a person does in an editor."""
        document = json.loads(self.home.docker.read_text())
        del document[table][key]
        self.home.write_docker(json.dumps(document, indent="\t"))

    def program(self, name: str, text: str = "exit 0") -> Path:
        path = self.home.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def serve(self) -> None:
        self.home.start()
        until(lambda: self.home.status()["pid"] is not None, "the service to run")
        self.home.run("run", "--once")


@pytest.fixture
def patient(home: Home) -> Patient:
    return Patient(home)


def test_a_well_machine_has_nothing_wrong(patient: Patient) -> None:
    """With a service, a login and a fresh token: exit 0, no finding but remarks."""
    patient.home.profile("default")
    patient.put(auths={WEST: {"auth": token(-60)}})
    patient.serve()

    assert [each for each in patient.asked()["findings"] if each["severity"] != "info"] == []
    told = patient.home.run("doctor")
    assert (told.returncode, told.stderr) == (0, "")
    assert "Nothing is wrong" in told.stdout or "remark" in told.stdout


def test_an_entry_that_cannot_be_decoded_is_named_whosever_it_is(patient: Patient) -> None:
    """One bad `auth` of any registry costs docker all of them (docker-config.md)."""
    patient.put(auths={"ghcr.io": {"auth": "!!!"}, "quay.io": {"auth": login()}})

    found = patient.finding("entry.undecodable", "ghcr.io")
    assert found["severity"] == "error"
    assert f'Delete the entry "ghcr.io" that begins at line 3 of {patient.home.docker}' in found["how"]
    assert '"ghcr.io"' in patient.home.docker.read_text().splitlines()[2]
    patient.edit("ghcr.io")
    patient.gone("entry.undecodable")


def test_an_entry_of_ours_that_cannot_be_decoded_is_written_anew(patient: Patient) -> None:
    patient.home.profile("default")
    patient.put(auths={WEST: {"auth": "!!!"}})

    """Done as it stands, whether or not the settings name it and a service runs; nothing is deleted first."""
    patient.type(patient.finding("entry.undecodable", WEST)["how"])
    patient.gone("entry.undecodable")
    assert WEST in json.loads(patient.home.docker.read_text())["auths"]


def test_a_file_that_does_not_parse_is_named_with_its_line(patient: Patient) -> None:
    patient.home.write_docker('{\n\t"auths": {\n')

    found = patient.finding("file.unparsable")
    assert "line 3" in found["what"]
    patient.type(found["how"])
    patient.gone("file.unparsable")


def test_twins_are_found_and_brought_along(patient: Patient) -> None:
    patient.home.profile("default")
    patient.put(auths={WEST: {"auth": token(9000)}, f"https://{WEST}": {"auth": token(9000, "other")}})

    found = patient.finding("entry.twin", f"https://{WEST}")
    patient.type(found["how"])
    patient.gone("entry.twin")


def test_a_twin_that_nobody_keeps_is_deleted(patient: Patient) -> None:
    patient.put(auths={WEST: {"auth": token(9000)}, f"{WEST}:443": {"auth": token(9000, "other")}})

    assert f'Delete the entry "{WEST}:443" that begins at line 6' in patient.finding("entry.twin")["how"]
    patient.edit(f"{WEST}:443")
    patient.gone("entry.twin")


def test_a_login_of_a_namespace_is_named(patient: Patient) -> None:
    """A key of host/team goes before the host in podman."""
    need(shutil.which("podman"), "podman is not installed")
    patient.home.profile("default")
    patient.put(auths={WEST: {"auth": token(9000)}, f"{WEST}/team": {"auth": login()}})

    how = patient.finding("entry.closer", f"{WEST}/team")["how"]
    patient.type(how)
    patient.gone("entry.closer")


def test_an_entry_in_the_shadow_of_another_helper(patient: Patient) -> None:
    patient.home.profile("default")
    patient.program("docker-credential-other")
    patient.put(auths={WEST: {"auth": token(9000)}}, credHelpers={WEST: "other"})

    found = patient.finding("entry.shadowed", WEST)
    assert found["severity"] == "error"
    assert f'Delete the line "{WEST}" under credHelpers' in found["how"]
    patient.edit(WEST, "credHelpers")
    patient.gone("entry.shadowed")


@pytest.mark.parametrize("running", [True, False])
def test_an_entry_in_the_shadow_of_a_store(patient: Patient, running: bool) -> None:
    """A running service never leaves one; without it, one command sends docker to our helper."""
    patient.home.profile("default")
    patient.program("docker-credential-desktop", "[ $1 = list ] && echo {}\nexit 0")
    if running:
        patient.serve()
    patient.put(auths={WEST: {"auth": token(9000)}}, credsStore="desktop")
    if not running:
        patient.type(patient.finding("entry.shadowed", WEST)["how"])
        assert json.loads(patient.home.docker.read_text())["credHelpers"] == {WEST: "ecr-refreshd"}
    else:
        until(lambda: "ecr-refreshd" in patient.home.docker.read_text(), "the heal")
    patient.gone("entry.shadowed")


@pytest.mark.parametrize("how", ["installed", "taken out"])
def test_a_helper_that_is_not_there(patient: Patient, how: str) -> None:
    """Whosever it is: docker 29 fails at every command with it."""
    patient.put(auths={}, credHelpers={"quay.io": "gone", "ghcr.io": "gone"})

    found = patient.finding("helper.dead", "docker-credential-gone")
    assert "quay.io, ghcr.io" in found["what"]
    assert f"line 4, 5 of {patient.home.docker}" in found["how"]
    if how == "installed":
        patient.program("docker-credential-gone")
    else:
        patient.put(auths={})
    patient.gone("helper.dead")


def test_a_helper_that_cannot_be_started(patient: Patient) -> None:
    """It lies on PATH, and its interpreter is gone (a venv that was removed)."""
    patient.program("docker-credential-broken").write_text("#!/nowhere/python\n")
    patient.put(credsStore="broken")

    assert "no such file" in patient.finding("helper.dead", "docker-credential-broken")["what"]
    patient.put()
    patient.gone("helper.dead")


def test_a_store_that_hangs_is_said_and_not_waited_for(patient: Patient) -> None:
    patient.program("docker-credential-slow", "exec /bin/sleep 600")
    patient.put(credsStore="slow")

    patient.finding("store.locked", "docker-credential-slow")
    patient.program("docker-credential-slow", "echo {}")
    patient.gone("store.locked")


def test_a_keyring_that_is_locked_lists_logins_without_names(patient: Patient) -> None:
    """As docker-credential-secretservice 0.6.4 does (tests/e2e/test_stores_real.py has the real one)."""
    patient.program(
        "docker-credential-secretservice", """[ "$1" = list ] && echo '{"":"account not defined"}'"""
    )
    patient.put(credsStore="secretservice")
    assert "lock" in patient.finding("store.locked", "docker-credential-secretservice")["what"]
    patient.program("docker-credential-secretservice", "echo '{}'")
    patient.gone("store.locked")


def dead_line(patient: Patient) -> str:
    """Leave a line to our helper, and a PATH without it; return that PATH."""
    patient.put(auths={"quay.io": {"auth": login()}}, credHelpers={WEST: "ecr-refreshd"})
    return f"{patient.home.folder}/bin:/usr/bin:/bin"


def test_our_own_helper_not_on_path_is_linked(patient: Patient) -> None:
    """The command names the program that is beside this one; here it is linked where this test may write."""
    bare = dead_line(patient)

    found = patient.finding("helper.dead", "docker-credential-ecr-refreshd", PATH=bare)
    command = found["how"].replace("sudo ", "").replace("/usr/local/bin/", f"{patient.home.folder}/bin/")
    assert command != found["how"]
    patient.type(command)
    patient.gone("helper.dead", PATH=bare)
    # Now this shell finds it, and cron does not.
    words, command = patient.finding("helper.bare-path", PATH=bare)["how"].split("\n")
    assert f"PATH={patient.home.folder}/bin:/usr/bin:/bin" in words
    assert command == f"sudo ln -s {patient.home.folder}/bin/docker-credential-ecr-refreshd /usr/bin/"


def test_fix_takes_dead_lines_of_ours_out_and_nothing_else(patient: Patient) -> None:
    bare = dead_line(patient)

    document = patient.asked("--fix", PATH=bare)
    assert not [each for each in document["findings"] if each["key"] == "helper.dead"]
    assert len(document["mended"]) == 1
    left = json.loads(patient.home.docker.read_text())
    assert left["auths"] == {"quay.io": {"auth": login()}}
    assert WEST not in left.get("credHelpers", {})


def test_a_helper_on_the_services_path_alone_is_dead_to_this_shell(patient: Patient) -> None:
    """The settings' PATH is the service's; docker is started by the shell."""
    bare = dead_line(patient)
    patient.home.write_config(f'{patient.setup}[environment]\nset = {{ PATH = "{patient.path}" }}\n')

    found = patient.finding("helper.dead", "docker-credential-ecr-refreshd", PATH=bare)
    assert "not on the PATH of this shell" in found["what"]
    patient.gone("helper.bare-path", PATH=bare)
    assert not [
        each for each in patient.asked("--fix", PATH=bare)["findings"] if each["key"] == "helper.dead"
    ]


def test_lines_that_a_service_would_put_back_are_not_taken_out(patient: Patient) -> None:
    patient.serve()
    found = patient.finding("helper.dead", "docker-credential-ecr-refreshd", PATH=dead_line(patient))
    assert not found["fixable"]


def test_a_helper_that_is_slow_is_not_dead(patient: Patient) -> None:
    """On a busy machine it answers late; `--fix` takes nothing out for it."""
    patient.program("docker-credential-ecr-refreshd", "exec /bin/sleep 60")
    patient.put(auths={}, credHelpers={WEST: "ecr-refreshd"})

    document = patient.asked("--fix")
    (found,) = [each for each in document["findings"] if each["key"].startswith("helper.")]
    assert (found["key"], found["severity"]) == ("helper.slow", "warning")
    assert document["mended"] == []
    assert json.loads(patient.home.docker.read_text())["credHelpers"] == {WEST: "ecr-refreshd"}


@pytest.mark.parametrize("by", ["hand", "--fix"])
def test_modes_that_let_others_read(patient: Patient, by: str) -> None:
    path = patient.put(auths={"quay.io": {"auth": login()}})
    path.chmod(0o664)
    path.parent.chmod(0o777)

    for key, subject in (("file.mode", str(path)), ("folder.mode", str(path.parent))):
        found = patient.finding(key, subject)
        assert found["fixable"]
        if by == "hand":
            patient.type(found["how"])
    if by == "--fix":
        assert len(patient.asked("--fix")["mended"]) == 2
    patient.gone("file.mode")
    patient.gone("folder.mode")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.parent.stat().st_mode & stat.S_IWOTH


def test_a_file_without_logins_may_be_read_by_all(patient: Patient) -> None:
    patient.put(auths={"quay.io": {}}).chmod(0o644)
    patient.gone("file.mode")


@pytest.mark.parametrize("tracked", [True, False])
def test_a_token_in_a_git_work_tree(patient: Patient, tracked: bool) -> None:
    need(shutil.which("git"), "git is not installed")
    path = patient.put(auths={"quay.io": {"auth": login()}})
    git = ["git", "-C", str(patient.home.folder), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run([*git, "init", "-q"], check=True, env=patient.home.environment)
    if tracked:
        subprocess.run([*git, "add", str(path)], check=True, env=patient.home.environment)

    found = patient.finding("file.git", str(path))
    assert found["severity"] == ("error" if tracked else "warning")
    patient.type(found["how"])
    patient.gone("file.git")
    assert path.exists()


def test_a_file_with_two_names(patient: Patient) -> None:
    path = patient.put(auths={"quay.io": {"auth": login()}})
    os.link(path, patient.home.folder / "another")

    patient.type(patient.finding("file.hard-link", str(path))["how"])
    patient.gone("file.hard-link")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def apart(patient: Patient, *words: str, before: str) -> dict[str, Any]:
    """Ask `doctor` in namespaces of its own, after a command there."""
    command = shlex.join(patient.home.command("doctor", "--json"))
    done = subprocess.run(
        ["unshare", *words, "sh", "-c", f"{before} && exec {command}"],
        env=patient.home.environment,
        cwd=patient.home.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in {0, 1, 4}, done.stderr
    return {each["key"]: each for each in json.loads(done.stdout)["findings"]}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_single_file_mount(patient: Patient) -> None:
    """A mount of the file is said; one of its folder, as the finding wants it, is well."""
    path = patient.put(auths={"quay.io": {"auth": login()}})
    there = patient.home.folder / "there"
    shutil.copytree(path.parent, there)

    found = apart(patient, "-m", before=f"mount --bind {there}/config.json {path}")
    assert "folder" in found["file.mount"]["how"]
    assert "file.mount" not in apart(patient, "-m", before=f"mount --bind {there} {path.parent}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_read_only_file_system(patient: Patient) -> None:
    path = patient.put(auths={"quay.io": {"auth": login()}})
    mount = f"mount --bind {path.parent} {path.parent} && mount -o remount,bind,ro {path.parent}"

    how = apart(patient, "-m", before=mount)["file.unwritable"]["how"]
    assert "name another file under files in [docker]" in how
    assert "\n" not in how, "a mount that is read-only, as a Kubernetes secret's, cannot be changed"
    patient.home.write_config(
        f'{patient.setup}[docker]\nfiles = ["{patient.home.folder}/other/config.json"]\n'
    )
    assert "file.unwritable" not in apart(patient, "-m", before=mount)


def test_a_link_that_is_not_followed(patient: Patient) -> None:
    """In a folder that everyone may write, somebody else may exchange the link."""
    target = patient.home.folder / "real.json"
    target.write_text("{}")
    path = patient.home.docker
    path.symlink_to(target)
    path.parent.chmod(0o777)

    how = patient.finding("file.symlink", str(path))["how"]
    patient.type(how)
    patient.gone("file.symlink")


def test_a_pipe_in_place_of_the_file(patient: Patient) -> None:
    os.mkfifo(patient.home.docker)
    patient.type(patient.finding("file.unreadable")["how"])
    patient.gone("file.unreadable")


@pytest.mark.parametrize("limit", ["instances", "watches"])
def test_inotify_used_up(patient: Patient, limit: str) -> None:
    """In a user namespace with a limit of its own; the finding names the setting, and goes once it is higher."""
    need(sys.platform == "linux", "inotify is Linux's")
    patient.put(auths={})
    lowered = f"echo 0 > /proc/sys/user/max_inotify_{limit}"
    tried = subprocess.run(["unshare", "-U", "-r", "sh", "-c", lowered], check=False, capture_output=True)
    need(tried.returncode == 0, "no user namespace can be made here")

    found = apart(patient, "-U", "-r", before=lowered)["machine.inotify"]
    assert f"fs.inotify.max_user_{limit}=" in found["how"]
    raised = f"{lowered} && echo 524288 > /proc/sys/user/max_inotify_{limit}"
    assert "machine.inotify" not in apart(patient, "-U", "-r", before=raised)


@pytest.mark.parametrize(("offset", "word"), [(3600, "behind"), (-3600, "ahead of")])
def test_a_clock_that_is_wrong(patient: Patient, offset: float, word: str) -> None:
    patient.home.profile("default")
    patient.put(auths={WEST: {"auth": token(9000)}})
    patient.home.aws.set(clock_offset=offset)

    found = patient.finding("machine.clock")
    assert re.search(rf"(1 h|59 min) {word} AWS", found["what"])
    assert "set-ntp" in found["how"]
    patient.home.aws.set(clock_offset=0)
    patient.gone("machine.clock")


@pytest.mark.parametrize(("state", "key"), [("never", "login.missing"), ("ended", "login.ended")])
def test_a_login_that_is_needed(patient: Patient, state: str, key: str) -> None:
    """One finding for the session, with its command; after it, all is served."""
    patient.home.environment["PATH"] = standin.install(patient.home.folder, patient.home.aws.url)
    homes.sso_profile(patient.home.folder, "dev", GOOD)
    homes.sso_profile(patient.home.folder, "other", "100000000002")
    if state == "ended":
        homes.sso_login(patient.home.folder, patient.home.aws, ttl=-60, refreshable=False)
    patient.put(auths={WEST: {"auth": token(9000)}, host("100000000002"): {"auth": token(-60)}})

    found = patient.finding(key, "corp")
    assert found["how"] == "aws sso login --sso-session corp"
    assert "1 of 2 registries" in found["why"]
    expired = patient.finding("token.expired", host("100000000002"))
    signed_in, again = expired["how"].split("\n")[1:]
    assert signed_in == found["how"]
    patient.type(found["how"])
    patient.gone(key)
    patient.type(again)
    patient.gone("token.expired")


def test_a_login_that_ended_while_tokens_live_is_a_warning(patient: Patient) -> None:
    """Pulls work, and it is said until when."""
    homes.sso_profile(patient.home.folder, "dev", GOOD)
    patient.put(auths={WEST: {"auth": token(9000)}})

    found = patient.finding("login.missing")
    assert found["severity"] == "warning"
    assert "2 h" in found["why"]


REFUSALS = {
    "denied": ({"code": "AccessDeniedException", "status": 400}, "aws.denied", "ecr:GetAuthorizationToken"),
    "region": ({"code": "UnrecognizedClientException", "status": 400}, "aws.config", "enable-region"),
    "worn out": ({"code": "ExpiredTokenException", "status": 400}, "login.ended", ""),
    "down": ({"code": "ServerException", "status": 500}, "aws.unreachable", ""),
}


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("name", REFUSALS)
def test_what_aws_refuses(patient: Patient, name: str, running: bool) -> None:
    """With a service it is what that met; without one AWS is asked now, and no token is written."""
    fault, key, word = REFUSALS[name]
    patient.home.profile("default")
    before = token(9000)
    patient.put(auths={WEST: {"auth": before}})
    patient.home.aws.fault("ecr:GetAuthorizationToken", **fault)
    if running:
        patient.serve()
        patient.home.run("refresh", WEST)

    found = patient.finding(key, WEST)
    assert word in found["how"]
    assert json.loads(patient.home.docker.read_text())["auths"][WEST]["auth"] == before
    patient.home.aws.clear_faults()  # the administrator does what the finding says
    if running:
        assert found["how"].endswith(f"ecr-refreshd refresh {WEST}")
        patient.type(f"ecr-refreshd refresh {WEST}")
    patient.gone(key)


def test_a_registry_that_is_configured_is_not_named_again(patient: Patient) -> None:
    """No service has run yet, so that only the settings know of it."""
    patient.program("docker")
    patient.home.profile("default")
    patient.home.write_config(f'{patient.setup}[[registry]]\nhost = "{WEST}"\n')

    found = patient.finding("client.refused", WEST)
    assert found["how"] == f"ecr-refreshd refresh {WEST}"
    told = json.loads(patient.home.run("explain", "--json", WEST).stdout)["clients"]
    assert "[[registry]]" not in next(each for each in told if each["client"] == "docker")["remedy"]
    patient.type(found["how"])
    findings = patient.asked()["findings"]
    assert not [
        each for each in findings if each["key"] == "client.refused" and each["what"].startswith("docker")
    ]


def test_a_fault_elsewhere_hides_no_refusal(patient: Patient) -> None:
    """A dead helper of another registry is an error, and says nothing of this one."""
    patient.program("docker", "echo Docker version 28.2.2, build e6534b4")
    patient.home.profile("default")
    patient.home.write_config(f'{patient.setup}[[registry]]\nhost = "{WEST}"\n')
    patient.put(auths={}, credHelpers={"quay.io": "gone"})

    patient.finding("helper.dead", "docker-credential-gone")
    patient.finding("client.refused", WEST)


def test_nobody_to_ask(patient: Patient) -> None:
    patient.put(auths={WEST: {"auth": token(9000)}})
    found = patient.finding("aws.config", WEST)
    assert "There are no AWS profiles" in found["what"]
    patient.home.profile("default")
    patient.gone("aws.config")


def test_no_service_and_then_one(patient: Patient) -> None:
    found = patient.finding("service.absent")
    assert found["how"].endswith(":\necr-refreshd --config " + str(patient.home.config) + " run")
    patient.serve()
    patient.gone("service.absent")


def test_a_service_with_another_environment(patient: Patient) -> None:
    """A shell's AWS_PROFILE, which the service has not; a proxy's password is not told."""
    patient.home.profile("default")
    patient.home.profile("dev")
    patient.serve()
    proxy = "http://me:hunter22@127.0.0.1:9"

    found = patient.finding("service.environment", "AWS_PROFILE", AWS_PROFILE="dev")
    assert '"dev" in this shell, and not set for the service' in found["what"]
    patient.paste(found["how"])

    def differs() -> bool:
        document = patient.asked(AWS_PROFILE="dev")
        return any(each["key"] == "service.environment" for each in document["findings"])

    until(lambda: not differs(), "the service to take the new settings", 30)
    told = patient.home.run("doctor", HTTPS_PROXY=proxy, AWS_PROFILE="dev").stdout
    assert "HTTPS_PROXY" in told
    assert "hunter22" not in told


def test_a_service_that_does_not_find_a_program(patient: Patient) -> None:
    """A PATH differs everywhere; what matters is a program that is found here and not there."""
    elsewhere = patient.home.folder / "elsewhere"
    elsewhere.mkdir()
    patient.put(credHelpers={"quay.io": "far"})
    patient.serve()
    (elsewhere / "docker-credential-far").write_text("#!/bin/sh\n")
    (elsewhere / "docker-credential-far").chmod(0o755)
    path = f"{elsewhere}:{patient.path}"

    found = patient.finding("service.path", "docker-credential-far", PATH=path)
    patient.paste(found["how"])

    def differs() -> bool:
        return any(each["key"] == "service.path" for each in patient.asked(PATH=path)["findings"])

    until(lambda: not differs(), "the service to take the new settings", 30)


def test_a_desktop_without_notices_is_a_warning(patient: Patient) -> None:
    patient.home.config.unlink()
    found = patient.finding("notify.no-desktop", DISPLAY=":7")
    assert found["severity"] == "warning"
    assert "no session bus" in found["what"]
    first, lines = found["how"].split("\n", 1)
    assert first == f"Add to {patient.home.folder}/.config/ecr-refreshd/config.toml:"
    patient.home.write_config(f"{lines}\n")
    patient.gone("notify.no-desktop", DISPLAY=":7")


def test_where_no_desktop_is_expected_none_is_missed(patient: Patient) -> None:
    """A server or a container: at most a remark, and only if a person must sign in at times."""
    patient.home.config.unlink()
    patient.home.profile("default")
    patient.put(auths={WEST: {"auth": token(9000)}})
    patient.gone("notify.no-desktop")

    patient.home.write_config("[notify]\ndesktop = true\n")
    assert patient.finding("notify.no-desktop")["severity"] == "warning"


def test_a_login_of_a_person_on_a_server_is_a_remark(patient: Patient) -> None:
    patient.home.config.unlink()
    (patient.home.folder / ".aws").mkdir(exist_ok=True)
    homes.sso_profile(patient.home.folder, "dev", WEST.partition(".")[0])
    patient.put(auths={WEST: {"auth": token(9000)}})
    assert patient.finding("notify.no-desktop")["severity"] == "info"


def test_a_desktop_that_shows_notices_is_well_and_shown_none(patient: Patient, tmp_path: Path) -> None:
    need(not no_desktop(), f"{no_desktop()} is not installed")
    patient.home.config.unlink()
    with Desktop(tmp_path) as desktop:
        there = {**desktop.environment, "HOME": str(patient.home.folder), "PATH": patient.path}
        patient.gone("notify.no-desktop", **{"DISPLAY": ":7", **there})
        assert desktop.displayed() == 0


def test_a_program_for_notices_that_is_not_there(patient: Patient) -> None:
    patient.home.write_config('[notify]\ndesktop = false\ncommand = ["tell-ops"]\n')
    patient.finding("notify.command", "tell-ops")
    patient.program("tell-ops")
    patient.gone("notify.command")


def test_an_expired_token_is_renewed(patient: Patient) -> None:
    patient.home.profile("default")
    patient.put(auths={WEST: {"auth": token(-60)}})
    patient.type(patient.finding("token.expired", WEST)["how"])
    patient.gone("token.expired")


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_no_logout_while_the_settings_are_broken(patient: Patient, mode: int) -> None:
    """Whether the registry is kept is unknown then; once they are right, it is a registry to be renewed."""
    patient.program("docker")
    patient.put(auths={WEST: {"auth": token(-60)}})
    patient.home.write_config("[renew\n" if mode == 0o600 else patient.setup)
    patient.home.config.chmod(mode)
    how = patient.finding("token.expired", WEST)["how"]
    assert "docker logout" not in how
    assert how.startswith("Correct ")
    assert how.endswith("config check")


def test_a_variable_that_goes_before_every_file(patient: Patient) -> None:
    variable = json.dumps({"auths": {WEST: {"auth": token(9000)}}})
    found = patient.finding("environment.docker-auth-config", DOCKER_AUTH_CONFIG=variable)
    assert found["how"].endswith("\nunset DOCKER_AUTH_CONFIG")
    patient.gone("environment.docker-auth-config")


def test_settings_that_cannot_be_used(patient: Patient) -> None:
    """Each problem with its line; a file that others may write is refused, with the command that closes it."""
    patient.home.write_config("[renew]\nlogin_baked = '1h'\n")
    assert "login_backed" in patient.finding("config.invalid")["what"]
    patient.home.write_config(patient.setup)
    patient.home.config.chmod(0o666)
    patient.type(patient.finding("config.invalid")["how"])
    patient.gone("config.invalid")


def test_aws_files_that_do_not_parse(patient: Patient) -> None:
    (patient.home.folder / ".aws").mkdir(exist_ok=True)
    (patient.home.folder / ".aws/config").write_text("[profile dev\n")
    assert "line 1" in patient.finding("aws.files")["what"]
    (patient.home.folder / ".aws/config").write_text("[profile dev]\n")
    patient.gone("aws.files")


def test_nothing_to_keep(patient: Patient) -> None:
    found = patient.finding("registry.none")
    assert f"Add a [[registry]] with its host to {patient.home.config}" in found["how"]
    patient.home.write_config(f'{patient.setup}[[registry]]\nhost = "{WEST}"\n')
    patient.gone("registry.none")


def test_a_paused_registry_is_a_remark(patient: Patient) -> None:
    patient.home.profile("default")
    patient.home.write_config(f'{patient.setup}[[registry]]\nhost = "{WEST}"\n')
    patient.serve()
    assert patient.home.run("pause", WEST).returncode == 0
    found = patient.finding("registry.paused", WEST)
    assert found["severity"] == "info"
    patient.type(found["how"])
    patient.gone("registry.paused")


def test_looking_changes_nothing(patient: Patient) -> None:
    """But for the lock under which AWS is asked, no file is touched, made or read into a token."""
    patient.home.profile("default")
    patient.put(auths={WEST: {"auth": token(-60)}, "ghcr.io": {"auth": "!!!"}}).chmod(0o644)

    def seen() -> dict[str, tuple[int, int]]:
        every = (path for path in patient.home.folder.rglob("*") if "locks" not in path.parts)
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_mode) for path in every if path.is_file()}

    before = seen()
    patient.asked()
    assert {path: each for path, each in seen().items() if not path.endswith(".lock")} == before


def test_podmans_files_are_looked_at_too(patient: Patient) -> None:
    path = patient.home.folder / ".config/containers/auth.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"auths": {"quay.io": {"auth": "!!!"}}}))
    assert str(path) in patient.finding("entry.undecodable", "quay.io")["what"]
    path.write_text("{}")
    patient.gone("entry.undecodable")


def test_the_page_for_people_says_what_why_and_what_to_do(patient: Patient) -> None:
    patient.put(auths={"ghcr.io": {"auth": "!!!"}}).chmod(0o644)
    done = patient.home.run("doctor")
    assert done.returncode == 1
    first, *_ = done.stdout.split("\n\n")
    assert re.fullmatch(r"error: .* \[entry\.undecodable\]\n  why: .*\n  do: .*(\n      .*)?", first)
    assert "1 error" in done.stdout.splitlines()[-1]


def keys(document: dict[str, Any]) -> list[str]:
    return [each["key"] for each in document["findings"] if each["severity"] != "info"]


@pytest.mark.parametrize("fault", ["line", "value", "deleted"])
def test_a_mistake_in_the_settings_of_a_running_service_is_one_finding(patient: Patient, fault: str) -> None:
    """No restart is proposed, which would be an outage; nothing is said by the defaults in their place."""
    patient.home.profile("work", GOOD)
    text = f'{patient.setup}[[registry]]\nhost = "{WEST}"\nprofile = "work"\n'
    patient.home.write_config(text)
    patient.put(auths={WEST: {"auth": token(9000)}})
    patient.serve()
    named = ["--config", str(patient.home.config)]
    if fault == "deleted":
        patient.home.config.unlink()
    else:
        patient.home.write_config(text + {"line": "x=\n", "value": '[docker]\nmode = "AUTO"\n'}[fault])
    until(lambda: bool(patient.home.status()["degraded"]), "the complaint")

    document = json.loads(patient.home.run(*named, "doctor", "--json").stdout)
    assert keys(document) == ["config.invalid"]
    (found,) = [each for each in document["findings"] if each["key"] == "config.invalid"]
    assert "restart" not in found["how"]
    if fault == "deleted":
        assert f"Put {patient.home.config} back" in found["how"]
        assert keys(json.loads(patient.home.run("doctor", "--json").stdout)) == ["config.invalid"]
    else:
        line = 3 + text.count("\n") - 1 if fault == "value" else text.count("\n") + 1
        assert (
            f"Correct line {line} of {patient.home.config}; saving is enough" in found["how"]
            or fault == "value"
        )
    patient.home.write_config(text)
    until(lambda: not patient.home.status()["degraded"], "the settings to be taken")
    assert keys(patient.asked()) == []


def test_a_configuration_that_is_named_and_not_there(patient: Patient) -> None:
    done = patient.home.run("--config", "/nope.toml", "doctor", "--json")
    (found,) = [each for each in json.loads(done.stdout)["findings"] if each["key"] == "config.invalid"]
    assert "Correct /nope.toml" not in found["how"]
    assert "no such file" in found["how"]
    assert "--config /nope.toml init --write" in found["how"]


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("mode", ["auto", "auths", "helper", "both", "store"])
def test_an_undecodable_entry_of_ours_is_written_anew_in_every_mode(
    patient: Patient, mode: str, running: bool
) -> None:
    patient.home.profile("default")
    patient.home.write_config(f'{patient.setup}[docker]\nmode = "{mode}"\n')
    if running:
        patient.serve()
    patient.put(auths={WEST: {"auth": "!!!"}, "quay.io": {"auth": login()}})
    document = patient.asked()
    for each in document["findings"]:
        if each["key"] == "entry.undecodable":
            assert each["how"] == f"ecr-refreshd refresh {WEST}"
            patient.type(each["how"])
    patient.gone("entry.undecodable")
    assert json.loads(patient.home.docker.read_text())["auths"]["quay.io"] == {"auth": login()}


def test_an_undecodable_entry_in_the_shadow_of_another_helper_is_deleted(patient: Patient) -> None:
    """Such a line is left alone, and the entry beside it too."""
    patient.home.profile("default")
    patient.program("docker-credential-other")
    patient.put(auths={WEST: {"auth": "!!!"}}, credHelpers={WEST: "other"})
    assert patient.finding("entry.undecodable", WEST)["how"].startswith(f'Delete the entry "{WEST}"')
    patient.edit(WEST)
    patient.gone("entry.undecodable")


def test_nothing_is_logged_in_or_out_beside_an_entry_that_cannot_be_decoded(patient: Patient) -> None:
    """When it writes the file then, docker empties other entries."""
    patient.program("docker")
    patient.put(auths={"ghcr.io": {"auth": "!!!"}, "quay.io": {"auth": "???"}, WEST: {"auth": token(-60)}})
    for each in patient.asked()["findings"]:
        assert "docker log" not in each["how"]


def test_another_program_of_our_helpers_name_is_put_out_of_the_way(patient: Patient) -> None:
    other = patient.home.folder / "b2/docker-credential-ecr-refreshd"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho hello\n")
    other.chmod(0o755)
    patient.put(auths={}, credHelpers={WEST: "ecr-refreshd"})
    path = f"{other.parent}:{patient.path}"

    found = patient.finding("helper.dead", PATH=path)
    assert str(other) in found["what"]
    assert "ln -s" not in found["how"], "ours is found once that has gone"
    folder = re.search(r'\nexport PATH=(\S+):"\$PATH"$', found["how"])
    assert folder is not None
    patient.gone("helper.dead", PATH=f"{folder[1]}:{path}")


@pytest.mark.parametrize("fault", ["owner", "mode", "file"])
def test_a_state_folder_that_the_service_refuses(patient: Patient, fault: str) -> None:
    folder = patient.home.folder / ".local/state/ecr-refreshd"
    folder.parent.mkdir(parents=True)
    if fault == "file":
        folder.write_text("")
    else:
        folder.mkdir(mode=0o700)
    if fault == "mode":
        folder.chmod(0o777)
    if fault == "owner":
        need(os.geteuid() == 0, "only root can give a folder away")
        os.chown(folder, 1234, -1)
    assert patient.home.run("run", "--once").returncode != 0

    found = patient.finding("state.folder", str(folder))
    if fault == "owner":  # of an unknown user: it is not taken from them
        assert "chown" not in found["how"]
        assert "ECR_REFRESHD_STATE_DIR" in found["how"]
        patient.gone("state.folder", ECR_REFRESHD_STATE_DIR=str(patient.home.folder / "state"))
        return
    patient.type(found["how"].replace("sudo ", ""))
    patient.gone("state.folder")
    assert patient.home.run("run", "--once").returncode == 0


def test_a_file_in_place_of_dockers_folder(patient: Patient) -> None:
    patient.home.docker.parent.rmdir()
    patient.home.docker.parent.write_text("")
    patient.type(patient.finding("file.unwritable", str(patient.home.docker))["how"])
    patient.gone("file.unwritable")


def test_a_link_whose_folder_is_missing(patient: Patient) -> None:
    patient.home.docker.symlink_to(patient.home.folder / "dotfiles/docker/config.json")
    found = patient.finding("file.unwritable")
    assert "is a link to" in found["what"]
    patient.type(found["how"])
    patient.gone("file.unwritable")


@pytest.mark.parametrize("running", [True, False])
def test_a_file_that_nobody_may_change(patient: Patient, running: bool) -> None:
    need(os.geteuid() == 0 and shutil.which("chattr"), "only root can make a file immutable")
    others = host("100000000002")
    patient.home.profile("default")
    patient.home.profile("other", "100000000002")
    path = patient.put(auths={WEST: {"auth": token(-60)}, others: {"auth": token(-60)}})
    need(
        subprocess.run(["chattr", "+i", path], check=False, capture_output=True).returncode == 0,
        "no attributes",
    )
    try:
        if running:
            patient.serve()
            until(
                lambda: all(r["sinks"][0]["state"] == "unwritable" for r in patient.home.rows().values()),
                "it",
            )
        found = [e for e in patient.asked()["findings"] if e["key"] in {"file.unwritable", "sink.unwritable"}]
        assert [each["key"] for each in found] == ["sink.unwritable" if running else "file.unwritable"]
        assert str(path) in found[0]["why"] or not running
        patient.type(found[0]["how"].replace("sudo ", ""))
        patient.gone("file.unwritable")
        until(lambda: "sink.unwritable" not in keys(patient.asked()), "the service to write")
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


@pytest.mark.parametrize("there", ["missing", "file"])
def test_a_docker_config_that_is_no_folder(patient: Patient, there: str) -> None:
    folder = patient.home.folder / "elsewhere"
    if there == "file":
        folder.write_text("")
    found = patient.finding("docker.config-folder", str(folder), DOCKER_CONFIG=str(folder))
    command = found["how"].partition("\n")[2]
    assert command == "unset DOCKER_CONFIG", "which folder is meant cannot be told"
    patient.gone("docker.config-folder", DOCKER_CONFIG="")


@pytest.mark.parametrize("table", ["hooks", "notify"])
def test_a_program_of_the_settings_by_its_path(patient: Patient, table: str) -> None:
    program = patient.home.folder / "tell-ops"
    key, name = {"hooks": ("hooks.on-renewed", "on_renewed"), "notify": ("notify.command", "command")}[table]
    patient.home.write_config(
        f"[notify]\ndesktop = false\n[{table}]\n".replace("[notify]\n[notify]", "[notify]")
        + f'{name} = ["{program}"]\n'
        if table == "hooks"
        else f'[notify]\ndesktop = false\n{name} = ["{program}"]\n'
    )
    found = patient.finding(key)
    assert "does not exist" in found["what"]
    assert "absolute" not in found["how"]
    program.write_text("#!/bin/sh\n")
    patient.type(patient.finding(key)["how"])
    patient.gone(key)


def test_a_service_that_is_stopped_is_let_go_on(patient: Patient) -> None:
    """The checks that would ask it are not blamed for it, and no unit's journal is named for a terminal's."""
    patient.home.profile("default")
    patient.put(auths={WEST: {"auth": token(9000)}})
    patient.serve()
    service = patient.home.running[0]
    service.send_signal(signal.SIGSTOP)
    try:
        found = patient.finding("service.silent")
        assert found["how"] == f"kill -CONT {service.pid}"
        patient.type(found["how"])
        patient.gone("service.silent")
    finally:
        service.send_signal(signal.SIGCONT)


def test_the_whole_name_of_a_helper_where_its_end_belongs(patient: Patient) -> None:
    patient.put(auths={}, credHelpers={WEST: "docker-credential-ecr-refreshd"})
    found = patient.finding("helper.dead")
    assert 'Write "ecr-refreshd" in place of "docker-credential-ecr-refreshd"' in found["how"]
    patient.put(auths={}, credHelpers={WEST: "ecr-refreshd"})
    patient.gone("helper.dead")


def test_what_is_to_be_taken_out_of_one_line_is_named_by_its_key(patient: Patient) -> None:
    patient.home.write_docker(
        json.dumps({"auths": {"ghcr.io": {"auth": "!!!"}}, "credHelpers": {"quay.io": "gone"}})
    )
    assert 'credHelpers."quay.io" (line 1' in patient.finding("helper.dead")["how"]
    assert '"ghcr.io"' in patient.finding("entry.undecodable")["how"]


def test_a_profile_that_is_misspelt_in_the_environment(patient: Patient) -> None:
    patient.home.profile("dev")
    patient.home.profile("prod")
    patient.put(auths={WEST: {"auth": token(9000)}})

    found = patient.finding("aws.profile", AWS_PROFILE="dve")
    assert 'AWS_PROFILE of this shell names the profile "dve"' in found["what"]
    assert "did you mean dev?" in found["what"]
    assert found["how"].endswith("\nexport AWS_PROFILE=dev")
    patient.gone("aws.profile", AWS_PROFILE="dev")
    assert "unset AWS_PROFILE" in patient.finding("aws.profile", AWS_PROFILE="zzzzzz")["how"]


def test_a_profile_that_is_misspelt_is_not_given_to_the_service(patient: Patient) -> None:
    patient.home.profile("default")
    patient.serve()
    found = patient.finding("aws.profile", "defalt", AWS_PROFILE="defalt")
    assert found["severity"] == "warning"
    assert found["how"].endswith("\nexport AWS_PROFILE=default")
    patient.gone("service.environment", AWS_PROFILE="defalt")


def test_a_profile_that_is_misspelt_in_the_settings(patient: Patient) -> None:
    patient.home.profile("dev")
    table = f'{patient.setup}[[registry]]\nhost = "{WEST}"\nprofile = "%s"\n'
    patient.home.write_config(table % "dve")
    found = patient.finding("aws.profile", "dve")
    assert found["how"] == f'Under the [[registry]] of {WEST} in {patient.home.config}:\nprofile = "dev"'
    patient.home.write_config(table % "dev")
    patient.gone("aws.profile")


def test_a_profile_whose_section_is_called_otherwise(patient: Patient) -> None:
    """In ~/.aws/config it is [profile dev]; [dev] is what ~/.aws/credentials has."""
    config = patient.home.folder / ".aws/config"
    config.parent.mkdir(exist_ok=True)
    config.write_text("[plugins]\nx = y\n[dev]\nregion = us-west-2\n")
    patient.put(auths={WEST: {"auth": token(9000)}})
    found = patient.finding("aws.section", "dev", AWS_PROFILE="dev")
    assert "(line 3)" in found["what"]
    assert "[profile dev]" in patient.finding("aws.profile", AWS_PROFILE="dev")["what"]
    patient.type(found["how"])
    patient.gone("aws.section", AWS_PROFILE="dev")
    patient.gone("aws.profile", AWS_PROFILE="dev")
