"""The child works however this package was installed, says why where it cannot, and what killed it is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import ecr_refreshd
from ecr_refreshd.aws import memorylimit
from tests.aws.asking import ecr
from tests.needs import need
from tests.world import homes

PACKAGES = sysconfig.get_path("purelib")
ASK = """
import os, queue
from ecr_refreshd.aws.fetcher import Fetcher
from ecr_refreshd.core.model import Grant, Principal, Standing
from ecr_refreshd.core.ports import FetchOrder
from ecr_refreshd.host.clock import SystemClock
answers = queue.Queue()
fetcher = Fetcher(answers.put, os.environ, SystemClock())
fetcher.fetch([FetchOrder(Grant(Principal("dev"), "ecr", "us-west-2"), 1, Standing())])
answer = answers.get(timeout=30)
fetcher.stop()
print(answer.failure.message if hasattr(answer, "failure") else "a token")
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """A Python in which nothing is installed."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    return folder / "bin/python"


def told(python: Path, aws, home: Path, *path: Path | str, run: list[str] | None = None) -> str:
    """Return what comes of asking for a token, with these folders on PYTHONPATH."""
    homes.static_keys(home, "dev", homes.access_key(), aws=aws, account="724013829182")
    environ = aws.environment(home, PYTHONPATH=os.pathsep.join(map(str, path)))
    argv = [str(python), *(run or ["-c", ASK])]
    done = subprocess.run(
        argv, env=environ, cwd=home, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    return done.stdout.strip()


def copied(folder: Path, *, broken: bool = False) -> Path:
    """Return a folder that holds this package, and nothing that it needs."""
    shutil.copytree(Path(ecr_refreshd.__file__).parent, folder / "ecr_refreshd")
    if broken:
        (folder / "ecr_refreshd/aws/child.py").write_text("raise ImportError('no such thing: damaged')\n")
    return folder


def test_a_package_on_pythonpath_asks(bare, aws, tmp_path) -> None:
    """As with ``pip install --target``: the isolated mode ignores PYTHONPATH."""
    assert told(bare, aws, tmp_path, PACKAGES) == "a token"


def test_a_package_in_a_zipapp_asks(bare, aws, tmp_path) -> None:
    """boto3 cannot read its data out of a zip, so it lies beside it."""
    packages = copied(tmp_path / "package")
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr("__main__.py", ASK)
        for path in packages.rglob("*.py"):
            archive.write(path, path.relative_to(packages))
    rest = tmp_path / "rest"
    rest.mkdir()
    for each in Path(PACKAGES).iterdir():
        if "ecr_refreshd" not in each.name:
            (rest / each.name).symlink_to(each)
    assert told(bare, aws, tmp_path, rest, run=["app.pyz"]) == "a token"


def test_a_child_without_boto3_says_so(bare, aws, tmp_path) -> None:
    said = told(bare, aws, tmp_path, copied(tmp_path / "package"))
    assert said == (
        "The process that asks AWS does not start: ModuleNotFoundError: No module named 'botocore'."
    )


def test_a_child_that_ends_at_once_is_quoted(bare, aws, tmp_path) -> None:
    said = told(bare, aws, tmp_path, copied(tmp_path / "package", broken=True), PACKAGES)
    assert said == (
        "The process that asks AWS ended without an answer: exit status 1: ImportError: no such thing: damaged."
    )


def test_an_installed_package_stays_isolated(asking, aws, tmp_path, monkeypatch) -> None:
    """A PYTHONPATH that names somebody's modules reaches the service, and not its child."""
    (tmp_path / "botocore.py").write_text("raise SystemExit('theirs')\n")
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account="724013829182")
    asking.environ["PYTHONPATH"] = str(tmp_path)
    asking.fetcher._environ = asking.environ
    asking.token(ecr("dev"))


GROUP = Path("/sys/fs/cgroup/memory")


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group with room for the service, and not for its child."""
    group = (GROUP if GROUP.is_dir() else GROUP.parent) / f"ecr-refreshd-test-{os.getpid()}"
    name = "memory.limit_in_bytes" if GROUP.is_dir() else "memory.max"
    try:
        group.mkdir()
    except OSError:
        need(False, "no control group of memory may be made here")
    try:
        if not (group / name).exists():
            need(False, "control groups do not account memory here")
        (group / name).write_text(str(32 << 20))
        yield group
    finally:
        group.rmdir()


def test_a_child_killed_for_memory_names_the_limit(aws, tmp_path, small_group: Path) -> None:
    homes.static_keys(tmp_path, "dev", homes.access_key(), aws=aws, account="724013829182")
    inside = f"import os\nopen('{small_group}/cgroup.procs', 'w').write(str(os.getpid()))\n{ASK}"
    done = subprocess.run(
        [sys.executable, "-c", inside],
        env=aws.environment(tmp_path), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == (
        "The process that asks AWS ended without an answer: killed by SIGKILL: "
        "its memory limit of 32 MiB is too small."
    ), done.stderr


# -- memory ----------------------------------------------------------------------------------------------------

V2 = {
    "proc/self/cgroup": "0::/user.slice/app.service\n",
    "sys/fs/cgroup/user.slice/app.service/memory.events": "low 0\noom 3\noom_kill 2\n",
    "sys/fs/cgroup/user.slice/app.service/memory.max": "max\n",
    "sys/fs/cgroup/user.slice/memory.max": "67108864\n",
}
CONTAINER = {
    "proc/self/cgroup": "0::/\n",
    "sys/fs/cgroup/memory.events": "low 0\noom 3\noom_kill 2\n",
    "sys/fs/cgroup/memory.max": "67108864\n",
}
V1 = {
    "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/\n",
    "sys/fs/cgroup/memory/docker/abc/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "67108864\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
}


@pytest.mark.parametrize("system", [V2, CONTAINER, V1], ids=["v2", "container", "v1"])
def test_kills_for_memory_are_counted(tmp_path, system: dict[str, str]) -> None:
    for name, text in system.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memorylimit.kills(tmp_path) == 2
    assert memorylimit.limit(tmp_path) == 64 << 20


def test_without_control_groups_nothing_is_claimed(tmp_path) -> None:
    assert memorylimit.kills(tmp_path) == 0
    assert memorylimit.limit(tmp_path) == 0
