"""What all tests take for granted of the process they run in, and how several such processes share a machine.

`make test` runs them in several (pytest-xdist), since most of them wait. Each test goes to whoever is free; but
what needs a thing that a machine has once, or that is dear to set up, stays with one process, and what measures
comes last and runs while all others rest.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# A shell starts its background jobs with SIGINT ignored, nohup with SIGHUP; children inherit that, and would not
# end as those of a terminal do.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

TOGETHER = {
    # One engine runs on a machine at a time: port 443, names in /etc/hosts.
    "e2e/test_pulls.py": "the engine",
    "e2e/test_helper_pulls.py": "the engine",
    "e2e/test_engine_world.py": "the engine",
    "e2e/test_systemd.py": "the box",
    "aws/test_classify.py::test_each_failure_asks": "failures that are provoked once",
    "core/test_dockerconfig_go.py": "a program that Go compiles",
    "e2e/test_builds_agree.py": "an engine for builds",
    "e2e/test_clients_agree.py": "what listens to the clients",
    "e2e/test_go_clients_agree.py": "what listens to clients of Go",
    # Each counts or times something, which means little while others want the processor.
    "aws/test_tenth.py": "alone",
    "aws/test_bounds.py": "alone",
    "e2e/test_quiet.py": "alone",
    "sinks/test_contention.py": "alone",
}
"""What stays with one process, by the beginning of a test's name."""

EARLY = (
    "test_demo.py",
    "e2e/test_watcher_traps.py",
    "core/test_promises.py",
    "sinks/test_crash.py",
    "aws/test_instants.py",
)
"""What takes long, besides those: whoever began it last would be waited for."""


def group(name: str) -> str:
    """Return with whom a test stays: with nobody but itself, where that is its own name."""
    inside = name.removeprefix("tests/")
    return next((group for beginning, group in TOGETHER.items() if inside.startswith(beginning)), name)


def turn(item: pytest.Item) -> int:
    """Return when a test's turn is, 0 for the first."""
    with_whom = group(item.nodeid)
    if with_whom == "alone":
        return 2
    return 0 if with_whom != item.nodeid or item.nodeid.removeprefix("tests/").startswith(EARLY) else 1


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was skipped as a whole, and why, so that a wall of ``s`` alarms nobody and hides nothing."""
    stats = terminalreporter.stats
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ") for report in stats.get("skipped", ())
    )
    skipped = reasons.total()
    if not skipped:
        return
    ran = sum(len(stats.get(outcome, ())) for outcome in ("passed", "failed", "error", "xfailed"))
    share = f"{skipped} of {skipped + ran} tests were skipped ({100 * skipped // (skipped + ran)} %)"
    if os.environ.get("CI") == "true":
        why = "they need clients that CI does not build"
    else:
        why = "they need root, Debian packages or clients that this machine lacks; .ci/run installs and runs them"
    terminalreporter.section("skipped")
    terminalreporter.write_line(f"{share}: {why}. Most of them:")
    for reason, count in reasons.most_common(8):
        terminalreporter.write_line(f"  {count:5} {reason}")


def is_one_of_several(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Keep groups together. The marks of --dist=loadgroup do nothing since pytest 9.2 (pytest-xdist #1386)."""
    from xdist.scheduler.loadscope import LoadScopeScheduling  # noqa: PLC0415 - without it there is one process

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    config.option.loadscopereorder = False  # our order stands; else large groups come first, long or not
    return Groups(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Shorten the folder of one of several: ``popen-gw`` costs the bytes that a socket's path has no room for."""
    if is_one_of_several(config):
        given = Path(config.option.basetemp)
        config.option.basetemp = given.with_name(given.name.removeprefix("popen-gw"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what takes long at the beginning, and what must be alone at the end."""
    if is_one_of_several(config):
        items.sort(key=turn)


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test that must be alone begin when no other runs; its time limit begins then, too."""
    if not is_one_of_several(item.config):
        return (yield)
    room = Path(item.config.option.basetemp).parent / "room"
    with held(room, fcntl.LOCK_EX if group(item.nodeid) == "alone" else fcntl.LOCK_SH):
        return (yield)


@contextmanager
def held(path: Path, how: int) -> Iterator[None]:
    """Hold a lock on a file."""
    lock = os.open(path, os.O_RDONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, how)
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # not only closed: a forked child would keep it
        os.close(lock)
