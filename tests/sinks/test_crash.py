"""Promise 3: killed at any system call, the file is valid, old or new; the next rewrite puts all right."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.sinks.dockerfile import DockerFile
from tests.contracts.sinks import AUTH, HOST, NEWER
from tests.needs import need

WRITER = [sys.executable, str(Path(__file__).with_name("writer.py"))]
OLD = json.dumps(
    {"auths": {"ghcr.io": {"auth": "eDp5"}, HOST: {"auth": "QVdTOm9sZA=="}}}, indent="\t"
).encode()
# Calls that touch files. Between two of them a death changes nothing that a death before the second does not.
CALLS = (
    "openat,close,fstat,newfstatat,read,pread64,write,pwrite64,ftruncate,fsync,fchmod,fchown,flistxattr,llistxattr,"
    "rename,renameat2,link,linkat,unlink,unlinkat,flock,fcntl,getdents64,mkdir,access,faccessat"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    need(sys.platform == "linux" and shutil.which("strace"), "strace")
    (tmp_path / ".docker").mkdir(mode=0o700)
    return tmp_path / ".docker"


def fresh(home: Path) -> Path:
    shutil.rmtree(home)
    home.mkdir(mode=0o700)
    path = home / "config.json"
    path.write_bytes(OLD)
    path.chmod(0o600)
    return path


def traced(path: Path, more: list[str], calls: str = CALLS, *inject: str) -> list[str]:
    """Run the writer under strace; return the lines of its trace."""
    trace = path.parent.parent / "trace"
    argv = ["strace", "-qq", "-o", str(trace), "-e", f"trace={calls}", *inject]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    subprocess.run(
        [*argv, *WRITER, str(path), str(path.parent.parent / "locks"), AUTH, *more],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )
    return trace.read_text(errors="replace").splitlines()


def calls_of_the_rewrite(lines: list[str]) -> list[tuple[str, int]]:
    """Every call between the two marks, as its name and which of that name in the whole process it is."""
    counted: Counter[str] = Counter()
    found, inside = [], False
    for line in lines:
        name = re.match(r"\w+", line)
        if name is None:
            continue
        counted[name[0]] += 1
        if "/mark/end" in line:
            break
        if inside:
            found.append((name[0], counted[name[0]]))
        inside = inside or "/mark/begin" in line
    return found


def stories(calls: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Leave out what only looks: a death before it is a death after the call before."""
    looking = {
        "fstat",
        "newfstatat",
        "read",
        "pread64",
        "close",
        "getdents64",
        "access",
        "faccessat",
        "fcntl",
    }
    return [
        call
        for call, before in zip(calls, [("", 0), *calls], strict=False)
        if call[0] not in looking or before[0] not in looking
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("more", [[], ["late"]], ids=["alone", "with an edit displaced and not yet merged"])
def test_killed_before_any_system_call_of_a_rewrite(home: Path, more: list[str]) -> None:
    path = fresh(home)
    traced(path, more)  # compiles, so that later runs make the same calls
    path = fresh(home)
    calls = stories(calls_of_the_rewrite(traced(path, more)))
    assert {"renameat2", "fsync", "rename", "pwrite64", "unlink"} <= {name for name, _ in calls}
    if more:  # until the edit is displaced all is as in the other story
        calls = calls[[name for name, _ in calls].index("renameat2") :]
    hosts = {"ghcr.io", HOST, *(["late.io"] if more else [])}
    assert json.loads(path.read_bytes())["auths"].keys() == hosts
    tokens = Counter()
    survived = 0
    for name, number in calls:
        path = fresh(home)
        lines = traced(path, more, name, "-e", f"inject={name}:signal=KILL:when={number}")
        if not lines or "killed by SIGKILL" not in lines[-1]:
            survived += 1  # a module was compiled meanwhile, so the count is off for this one
            continue

        document = json.loads(path.read_bytes())
        assert {"ghcr.io", HOST} <= document["auths"].keys() <= hosts
        tokens[document["auths"][HOST]["auth"]] += 1
        edited = "late.io" in path.read_text() or any("late.io" in f.read_text() for f in home.iterdir())
        assert not any(f.stat().st_mode & 0o077 for f in home.iterdir() if "ecr-refreshd" in f.name)

        file = DockerFile(str(path), str(home.parent / "locks"), mode="auths")
        if number % 2:
            file.look([HOST])  # a restarted service looks first, and may have nothing to write
        else:
            file.write(Delivery({HOST: Secret(NEWER)}))
            assert json.loads(path.read_bytes())["auths"][HOST] == {"auth": NEWER}
        left = {f.name for f in home.iterdir()}
        assert left - {"config.json1234"} == {"config.json"}, (name, number)
        if edited and "config.json1234" not in left:
            assert json.loads(path.read_bytes())["auths"].keys() == hosts, (name, number)
    assert survived <= len(calls) // 10
    assert len(tokens) == 2  # both halves were met: before the exchange, and after it


def test_a_leftover_that_nobody_can_merge_is_kept_and_said(home: Path) -> None:
    path = fresh(home)
    left = home / ".config.json.ecr-refreshd.aaaa.bbbb.cccc"
    left.write_bytes(b'{"half')
    file = DockerFile(str(path), str(home.parent / "locks"), mode="auths")
    (note,) = file.write(Delivery({HOST: Secret(NEWER)})).notes
    assert str(left) in note
    assert left.read_bytes() == b'{"half'
    assert file.look([HOST]).notes == (note,)


def test_a_half_written_version_of_ours_is_removed(home: Path) -> None:
    path = fresh(home)
    (home / ".config.json.ecr-refreshd.new.0123456789abcdef").write_bytes(b'{"auths": {')
    DockerFile(str(path), str(home.parent / "locks")).look([HOST])
    assert [f.name for f in home.iterdir()] == ["config.json"]
    assert path.read_bytes() == OLD
