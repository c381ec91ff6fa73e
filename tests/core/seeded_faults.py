"""`make faults`: small faults, seeded into a copy of the core one at a time; each must fail some test.

A list like this is how tests are tested. A fault whose place in the source has gone is reported too: find it a
new place, or drop it with the code it was about.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
TESTS = ("tests/test_daemon.py", "tests/core/test_machine.py", "tests/core/test_promises.py")


class Fault(NamedTuple):
    """A text of a core module, and what it becomes."""

    name: str
    module: str
    old: str
    new: str


FAULTS = (
    Fault(
        "a stale answer is accepted",
        "machine.py",
        "    if facts.serial != event.serial or facts.fetching is None:\n        return state\n    past",
        "    past",
    ),
    Fault(
        "a lost worker is never given up", "machine.py", "now.boot - facts.fetching > _FETCH_LOST", "False"
    ),
    Fault(
        "a lost write is never given up", "machine.py", "now.boot - sink.writing_since > _WRITE_LOST", "False"
    ),
    Fault("an expired token is written", "settle.py", "or not alive(facts.token, now):", "or False:"),
    Fault("the alarm for a retry is forgotten", "settle.py", "        wake.boot(facts.retry_at)\n", ""),
    Fault(
        "AWS is asked by time while a person must sign in",
        "machine.py",
        "        pause = None\n    changed",
        "        pass\n    changed",
    ),
    Fault(
        "a failure drops the good token",
        "machine.py",
        "    return replace(\n        facts,\n        fetching=None,",
        "    return replace(\n        facts,\n        token=None,\n        fetching=None,",
    ),
    Fault(
        "a remembered token is trusted although no file holds it",
        "settle.py",
        "    if facts.token.auth is None:\n        return True",
        "    if facts.token.auth is None:\n        return False",
    ),
    Fault("a war never ends", "machine.py", "or since > _PEACE:", "or False:"),
    Fault("our older token is taken for somebody's", "healing.py", "or ours or entry", "or entry"),
    Fault(
        "a host that was not looked at is overwritten",
        "settle.py",
        "if host in shadows or not _known(sink, host) or not",
        "if host in shadows or not",
    ),
    Fault(
        "only the wall clock counts",
        "schedule.py",
        "    return token.obtained_boot is not None and now.boot - token.obtained_boot >= at - token.obtained_at",
        "    return False",
    ),
    Fault(
        "a batch is not gathered",
        "settle.py",
        "    wake.boot(state.gather_until)\n    return True",
        "    return False",
    ),
    Fault(
        "a login during a fetch is forgotten",
        "machine.py",
        "        return replace(facts, changed=True)",
        "        return facts",
    ),
    Fault(
        "a foreign login is overwritten",
        "healing.py",
        "    return Judgement(Verdict.KEEP, until)",
        "    return Judgement(Verdict.WRITE)",
    ),
)


def verdict(fault: Fault, folder: Path) -> str:
    """Return ``caught``, ``MISSED`` or ``GONE`` for one fault, seeded into a fresh copy in this folder."""
    for name in ("ecr_refreshd", "tests"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    path = folder / "ecr_refreshd" / "core" / fault.module
    text = path.read_text()
    if fault.old not in text:
        return "GONE"
    path.write_text(text.replace(fault.old, fault.new, 1))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *TESTS, "--timeout", "200"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "SEEDED": "1"},
        capture_output=True,
        timeout=600,
        check=False,
    )
    return "caught" if done.returncode == 1 else "MISSED"


def main() -> int:
    """Try every fault; 0 if each was caught."""
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="ecr-refreshd-faults-") as folder:
        for fault in FAULTS:
            verdicts.append(verdict(fault, Path(folder)))
            print(f"{verdicts[-1]:7} {fault.name}", flush=True)
    return 0 if set(verdicts) == {"caught"} else 1


if __name__ == "__main__":
    sys.exit(main())
