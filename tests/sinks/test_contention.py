"""Promise 3 under load: another process edits the file all the while, and none of its edits is lost through us.

What is counted are the other's keys. That its stale snapshot sometimes takes our entry back is no loss: healing
is for that. Ours must stand after the last write.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import SinkContended, SinkUnparsable
from ecr_refreshd.sinks.dockerfile import DockerFile
from tests.contracts.sinks import HOST

BYSTANDER = [sys.executable, str(Path(__file__).with_name("bystanders.py"))]


def bystander(*words: object) -> subprocess.Popen[str]:
    argv = [*BYSTANDER, *map(str, words)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def answer(child: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    found: dict[str, Any] = json.loads(out)
    return found


def token(number: int) -> Secret:
    return Secret(base64.b64encode(f"AWS:{number}".encode()).decode())


def renew_while(path: Path, child: subprocess.Popen[str], enough: int) -> int:
    """Renew our token again and again while a process runs; return how often that came through.

    Once it came through `enough` times, the process is let go, so that a slow machine takes longer and fails no
    sooner.
    """
    file = DockerFile(str(path), str(path.parent.parent / "locks"), mode="auths")
    renewed = number = 0
    while child.poll() is None:
        number += 1
        try:
            file.write(Delivery({HOST: token(number)}))
            renewed += 1
        except (SinkContended, SinkUnparsable):
            pass  # the loop of the service tries again; so does this one
        if renewed >= enough and child.stdin is not None:
            child.stdin.close()
            child.stdin = None  # else communicate() would flush it
        time.sleep(0.02)
    file.write(Delivery({HOST: token(0)}))
    return renewed


@pytest.mark.parametrize(
    ("kind", "count", "pause", "renewals"),
    [("rename", 2000, 0.005, 20), ("rename", 1000, 0.0, 2), ("place", 1000, 0.005, 20)],
    ids=["by rename, 200 a second", "by rename, without a rest", "in place, 200 a second"],
)
def test_no_edit_of_another_process_is_lost(
    tmp_path: Path,
    kind: str,
    count: int,
    pause: float,
    renewals: int,
    record_property: Callable[[str, object], None],
) -> None:
    (tmp_path / ".docker").mkdir(mode=0o700)
    path = tmp_path / ".docker" / "config.json"
    path.write_text(json.dumps({"auths": {"ghcr.io": {"auth": "eDp5"}}, "psFormat": "x"}, indent="\t"))
    path.chmod(0o600)
    with bystander("read", path) as reader, bystander(kind, path, count, pause) as editor:
        renewed = renew_while(path, editor, renewals)
        made = answer(editor)
        seen = answer(reader)

    document = json.loads(path.read_bytes())
    expected = {"ghcr.io", HOST, *(f"{kind}{number}.io" for number in range(made["edits"]))}
    assert expected - document["auths"].keys() == set()
    assert document["auths"].keys() == expected
    assert document["psFormat"] == "x"
    assert document["auths"][HOST] == {"auth": token(0).reveal()}
    record_property("edits_per_second", made["edits"] / made["seconds"])
    assert made["edits"] >= count
    assert renewed >= renewals
    assert seen["reads"] > 100
    if kind == "rename":  # whoever writes in place tears the file for its readers without our doing
        assert (seen["missing"], seen["broken"]) == (0, 0)
    assert [entry.name for entry in path.parent.iterdir()] == ["config.json"]
