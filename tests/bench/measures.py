"""What is measured, and how: the real program in its own process, against the fake AWS on loopback.

Each function returns its figures; none asserts one, because timings differ from machine to machine.
"""

from __future__ import annotations

import json
import os
import re
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.sinks.dockerfile import DockerFile
from tests.e2e.test_bad_input import Home, host
from tests.world import homes
from tests.world.aws import FakeAws
from tests.world.processes import children

ACCOUNT = "100000000001"
OFF = "[probe]\nwhen = 'off'\n"
_PATIENCE = 60.0


class Figure(NamedTuple):
    """One row of the table."""

    what: str
    goal: str
    measured: str


@contextmanager
def house(*registries: str, profile: str = "dev", more: str = OFF) -> Iterator[Home]:
    """A home with these registries, which one profile serves."""
    with FakeAws(ttl=12 * 3600) as aws, tempfile.TemporaryDirectory(prefix="ecr-bench-") as folder:
        Path(folder).chmod(0o700)
        made = Home(Path(folder), aws)
        made.profile(profile, ACCOUNT)
        tables = "".join(f'[[registry]]\nhost = "{name}"\nprofile = "{profile}"\n' for name in registries)
        made.write_config(tables + more)
        try:
            yield made
        finally:
            for service in made.running:
                service.terminate()
                service.wait(20)


def hosts(count: int, region: str = "us-west-2") -> list[str]:
    """Return so many registries of one region."""
    return [host(f"{100000000001 + n}", region) for n in range(count)]


def entries(made: Home) -> dict[str, str]:
    """Return what stands in the docker config."""
    try:
        return {name: entry["auth"] for name, entry in json.loads(made.docker.read_text())["auths"].items()}
    except (FileNotFoundError, KeyError, ValueError):
        return {}


def wait_for(true: object, pause: float = 0.001) -> float:
    """Return how long it took, in seconds, until this was true."""
    begin = time.perf_counter()
    while not true():  # type: ignore[operator]
        if time.perf_counter() - begin > _PATIENCE:
            raise TimeoutError
        time.sleep(pause)
    return time.perf_counter() - begin


def spread(seconds: list[float]) -> str:
    """Return median and 99th percentile (the worst of fewer than a hundred) in milliseconds."""
    ordered = sorted(seconds)
    worst = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {statistics.median(ordered) * 1000:.0f} ms, p99 {worst * 1000:.0f} ms ({len(ordered)} runs)"


class Usage(NamedTuple):
    """What a process has used so far: voluntary context switches of all threads, CPU seconds; RSS in MiB now."""

    switches: int
    cpu: float
    rss: float

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Read it from /proc; of an undumpable process only root may."""
        switches = 0
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            switches += int(status.read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        nanoseconds = sum(
            int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")
        )
        rss = Path(f"/proc/{pid}/status").read_text().partition("\nVmRSS:")[2].split()[0]
        return cls(switches, nanoseconds / 1e9, int(rss) / 1024)


def idle(count: int, seconds: float) -> Figure:
    """RSS, wake-ups and CPU of a service that has nothing to do."""
    with house(*hosts(count)) as made:
        service = made.start()
        wait_for(lambda: len(entries(made)) == count, 0.05)
        time.sleep(15)
        before = Usage.of(service.pid)
        time.sleep(seconds)
        after = Usage.of(service.pid)
    minutes = seconds / 60
    goal = "RSS ≤ 32 MiB, ≤ 12 wake-ups and ≤ 6 ms CPU a minute" if count <= 10 else "RSS ≤ 42 MiB"
    return Figure(
        f"idle service, {count:,} registries",
        goal,
        f"RSS {after.rss:.1f} MiB, {(after.switches - before.switches) / minutes:.1f} wake-ups and "
        f"{(after.cpu - before.cpu) * 1000 / minutes:.1f} ms CPU a minute (over {seconds:.0f} s)",
    )


def start(runs: int) -> list[Figure]:
    """From the start of the process to READY=1, and to all tokens on disk: 10 registries, one grant."""
    ready: list[float] = []
    written: list[float] = []
    for _ in range(runs):
        with house(*hosts(10)) as made, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            address = str(made.folder / "notify")
            notified.bind(address)
            made.environment["NOTIFY_SOCKET"] = address
            begin = time.perf_counter()
            made.start()
            while b"READY=1" not in notified.recv(1000):
                pass
            ready.append(time.perf_counter() - begin)
            wait_for(lambda made=made: len(entries(made)) == 10)
            written.append(time.perf_counter() - begin)
    return [
        Figure("start to READY, 10 registries", "≤ 0.4 s", spread(ready)),
        Figure("start to all tokens on disk, 10 registries, 1 grant", "≤ 1.2 s", spread(written)),
    ]


def heal(runs: int) -> Figure:
    """From the rename that took our entry away to the file that has it again."""
    times: list[float] = []
    with house(*hosts(10)) as made:
        made.start()
        wait_for(lambda: len(entries(made)) == 10, 0.05)
        for n in range(runs):
            time.sleep(2.1)  # undone within 2 s ten times running would be a war
            name = hosts(10)[n % 10]
            document = json.loads(made.docker.read_text())
            del document["auths"][name]
            fresh = made.docker.with_name("fresh")
            fresh.write_text(json.dumps(document, indent="\t"))
            begin = time.perf_counter()
            fresh.replace(made.docker)
            wait_for(lambda name=name: name in entries(made), 0.0002)
            times.append(time.perf_counter() - begin)
    return Figure("heal after a logout", "p50 ≤ 30 ms, p99 ≤ 150 ms", spread(times))


def login(runs: int) -> Figure:
    """From the token file of a new SSO login to all tokens fresh on disk: 10 registries, 3 grants."""
    times: list[float] = []
    regions = ("us-west-2", "eu-west-1", "us-east-1")
    names = [host(f"{100000000001 + n}", regions[n % 3]) for n in range(10)]
    with house() as made:
        homes.sso_profile(made.folder, "sso", ACCOUNT)
        homes.sso_login(made.folder, made.aws)
        made.write_config("".join(f'[[registry]]\nhost = "{n}"\nprofile = "sso"\n' for n in names) + OFF)
        made.start()
        wait_for(lambda: len(entries(made)) == 10, 0.05)
        for _ in range(runs):
            time.sleep(1)
            old = set(entries(made).values())
            begin = time.perf_counter()
            homes.sso_login(made.folder, made.aws)
            wait_for(lambda old=old: not old & set(entries(made).values()), 0.002)
            times.append(time.perf_counter() - begin)
    return Figure(
        "after `aws sso login`: token file to all fresh on disk, 10 registries, 3 grants",
        "p99 ≤ 1.5 s",
        spread(times),
    )


def rewrite(runs: int) -> list[Figure]:
    """A 1,000-entry config of 4 MB, both fsyncs included: ten entries of ours, and all of them."""
    figures = []
    for ours in (10, 1000):
        times: list[float] = []
        with tempfile.TemporaryDirectory(prefix="ecr-bench-") as folder:
            path = Path(folder) / "config.json"
            names = hosts(1000)
            path.write_text(json.dumps({"auths": {n: {"auth": "x" * 4000} for n in names}}, indent="\t"))
            sink = DockerFile(str(path), folder)
            sink.look(names[:ours])
            for run in range(runs):
                tokens = {n: Secret(f"QVdT{run:04}" + "y" * 3992) for n in names[:ours]}
                begin = time.perf_counter()
                sink.write(Delivery(tokens))
                times.append(time.perf_counter() - begin)
        figures.append(
            Figure(
                f"rewrite of a 1,000-entry config.json (4 MB), {ours:,} tokens of ours",
                "≤ 25 ms",
                spread(times),
            )
        )
    return figures


def cold(runs: int) -> Figure:
    """1,000 registries in 50 grants, from nothing."""
    times, calls, peaks = [], [], []
    for _ in range(runs):
        with house() as made:
            tables = []
            for n in range(50):
                made.profile(f"p{n}", f"{200000000000 + n}")
                tables.extend(
                    f'[[registry]]\nhost = "{host(str(300000000000 + 20 * n + m))}"\nprofile = "p{n}"\n'
                    for m in range(20)
                )
            made.write_config("".join(tables) + OFF)
            begin = time.perf_counter()
            service = made.start()
            stop = threading.Event()
            peak: list[float] = [0.0]
            watcher = threading.Thread(target=_peak, args=(service.pid, stop, peak))
            watcher.start()
            wait_for(lambda made=made: len(entries(made)) == 1000, 0.02)
            times.append(time.perf_counter() - begin)
            stop.set()
            watcher.join()
            calls.append(len(made.aws.calls("GetAuthorizationToken")))
            peaks.append(peak[0])
    return Figure(
        "1,000 registries in 50 grants, cold",
        "≤ 50 AWS calls, ≤ 10 s, ≤ 200 MiB in all processes",
        f"{max(calls)} AWS calls, {statistics.median(times):.1f} s, {max(peaks):.0f} MiB ({runs} runs)",
    )


def _rss(pid: int) -> float:
    """Return what a process holds in memory (MiB), 0 once it has ended."""
    with suppress(OSError):
        held = re.search(r"^VmRSS:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return int(held[1]) / 1024 if held else 0.0
    return 0.0


def _peak(pid: int, stop: threading.Event, peak: list[float]) -> None:
    """Keep the greatest sum of RSS (MiB) of a process and its children."""
    while not stop.wait(0.02):
        peak[0] = max(peak[0], sum(_rss(each) for each in (pid, *children(pid))))


def end(runs: int) -> Figure:
    """From SIGTERM to the end of the process, while AWS hangs."""
    times = []
    for _ in range(runs):
        with house(*hosts(10)) as made:
            made.aws.fault(way="hang")
            service = made.start()
            wait_for(lambda made=made: made.aws.calls(), 0.05)
            time.sleep(0.5)
            begin = time.perf_counter()
            service.terminate()
            service.wait(20)
            times.append(time.perf_counter() - begin)
    return Figure("SIGTERM while AWS hangs", "≤ 5 s", spread(times))


CPUS = len(os.sched_getaffinity(0))
