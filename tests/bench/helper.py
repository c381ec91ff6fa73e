"""What the way from a pull to its login costs: our helper, a program that does nothing, and the helper of others.

They take turns within one run, so that whatever else the machine does is borne by all alike.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.measures import ACCOUNT, Figure, house, wait_for
from tests.e2e.test_bad_input import Home, host
from tests.world import homes

HOST = host(ACCOUNT)
_PATH = os.pathsep.join([os.environ.get("ECR_REFRESHD_TEST_CLIENTS", ""), os.environ["PATH"]])
_ROUND_TRIP = 0.05
"""Seconds to AWS and back."""


def credential(runs: int) -> list[Figure]:
    """A ready answer, beside the newest `docker-credential-ecr-login` with a warm cache where there is one."""
    ours = Path(sys.executable).with_name("docker-credential-ecr-refreshd")
    with house(HOST) as made:
        made.environment["PATH"] = f"{ours.parent}:{made.environment['PATH']}"
        made.write_docker(f'{{"credHelpers": {{"{HOST}": "ecr-refreshd"}}}}')
        made.start()
        wait_for((made.folder / ".local/state/ecr-refreshd/helper" / HOST).exists, 0.05)
        programs: dict[str, Callable[[], float]] = {
            "nothing": lambda: _run(made, "/bin/true"),
            "ours": lambda: _run(made, str(ours), "get"),
        }
        other = shutil.which("docker-credential-ecr-login", path=_PATH)
        if other:
            homes.sso_profile(made.folder, "sso", ACCOUNT)
            homes.sso_login(made.folder, made.aws)
            programs["keys"] = lambda: _run(made, other, "get", profile="dev")
            programs["sso"] = lambda: _far(made, lambda: _run(made, other, "get", profile="sso"))
        times: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(runs + 1):
            for name, run in programs.items():
                times[name].append(run())
    middle = {
        name: statistics.median(each[1:]) for name, each in times.items()
    }  # the first one warms the caches
    return [
        Figure(
            "credential helper, ready answer",
            "≤ 3 times `/bin/true`",
            _ratio(middle, "ours", "nothing", runs),
        ),
        *(
            Figure(f"`docker-credential-ecr-login get`, {how}", goal, _ratio(middle, name, "ours", runs))
            for name, how, goal in (
                ("keys", "static keys, warm cache", "≥ 3.5 times ours"),
                ("sso", "SSO, 50 ms a round trip", "≥ 15 times ours"),
            )
            if name in middle
        ),
    ]


def _far(made: Home, run: Callable[[], float]) -> float:
    made.aws.fault(way="ok", delay=_ROUND_TRIP)
    try:
        return run()
    finally:
        made.aws.clear_faults()


def _run(made: Home, *argv: str, profile: str = "") -> float:
    environment = {**made.environment, "AWS_PROFILE": profile} if profile else made.environment
    begin = time.perf_counter()
    done = subprocess.run(argv, input=HOST.encode(), env=environment, capture_output=True, check=True)
    took = time.perf_counter() - begin
    assert argv[1:] == () or b"Secret" in done.stdout, done.stdout
    return took


def _ratio(middle: dict[str, float], one: str, other: str, runs: int) -> str:
    times = middle[one] / middle[other]
    return f"p50 {middle[one] * 1000:.1f} ms, {times:.1f} times ({middle[other] * 1000:.1f} ms; {runs} runs)"
