"""Small and quick in one run (promise 9): a service that sleeps for most of a minute, and heals at once."""

from __future__ import annotations

import json
import time
from pathlib import Path

from ecr_refreshd.core.model import fingerprint
from tests.e2e.test_bad_input import Home, home, host, until
from tests.needs import need

__all__ = ["home"]  # a fixture

HOST = host("100000000001")
WINDOW = 10.0
WINDOWS = 6
WAKES_A_WINDOW = 6
"""The goal is 12 a minute (DESIGN 11), measured by `make bench` on a quiet machine. Here others contend for the
cores, and who waits for a lock that somebody else's work holds up counts as woken; so the quietest window
decides. Polling once a second shows in every window as 10."""


def wakes(pid: int) -> int:
    """Return how often all threads of a process have given up the processor by themselves."""
    found = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        found += int(status.read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return found


def quietest(pid: int) -> int:
    """Return the fewest of them in one of several windows; the first that is quiet enough ends the search."""
    found = []
    for _ in range(WINDOWS):
        before = wakes(pid)
        time.sleep(WINDOW)
        found.append(wakes(pid) - before)
        if found[-1] <= WAKES_A_WINDOW:
            break
    return min(found)


def test_it_sleeps_while_nothing_happens_and_heals_at_once(home: Home) -> None:
    """No fast polling hides behind the quick heal: both are seen in the same process."""
    home.profile("dev")
    home.write_config(f'[[registry]]\nhost = "{HOST}"\nprofile = "dev"\n')
    service = home.start()
    until(home.docker.exists, "the token on disk")
    try:
        wakes(service.pid)
    except PermissionError:
        need(False, "only root may see the threads of an undumpable process")
    time.sleep(8)
    assert quietest(service.pid) <= WAKES_A_WINDOW

    ours = fingerprint(json.loads(home.docker.read_text())["auths"][HOST]["auth"])
    fresh = home.docker.with_name("fresh")
    healed = []
    for pause in (0, 2.5, 2.5):
        time.sleep(pause)
        fresh.write_text('{"auths": {}}')
        fresh.replace(home.docker)
        begin = time.monotonic()
        until(lambda: HOST in json.loads(home.docker.read_text())["auths"], "healed")
        healed.append(time.monotonic() - begin)
    assert min(healed) < 5, "by an event, and not by the tick of 30 s"
    assert fingerprint(json.loads(home.docker.read_text())["auths"][HOST]["auth"]) == ours
