"""`make soak`: lives through many lives, one seed after another, until one shows a fault or all are lived."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from datetime import timedelta

from ecr_refreshd import daemon
from ecr_refreshd.core import machine
from tests.simulation.test_ninety_days import calls, live
from tests.simulation.world import MINUTE


def main() -> int:
    """0 if every life was well; its figures are printed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--days", type=int, default=90)
    args = parser.parse_args()
    daemon.TICK, machine.SLEPT = 10 * MINUTE, 25 * MINUTE
    most: Counter[str] = Counter()
    floor = timedelta.max
    for seed in range(args.first, args.first + args.seeds):
        life, observer = live(seed, args.days)
        floor = min([floor, *observer.floors])
        for profile in ("dev", "robot"):
            by_day = calls(life, profile, good=True)
            most[profile] = max(most[profile], *by_day.values())
    lived = args.seeds * args.days
    print(
        f"{args.seeds} lives of {args.days} days ({lived:,} days): no second without a token that could be had;"
    )
    print(f"least left at the end of a login that found the machine awake and online: {floor};")
    print(
        f"most tokens asked for in a day: {most['dev']} where a person signs in, {most['robot']} elsewhere."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
