"""Measures everything and prints the table; ``--write`` puts it into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

from tests.bench import helper, measures

PAGE = Path(__file__).resolve().parents[2] / "docs/benchmarks.md"
_MARK = "<!-- the table below is written by `make bench` -->"


def main() -> int:
    """Measure; 0."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="fewer runs, shorter windows")
    args = parser.parse_args()
    few = args.quick
    figures: list[measures.Figure] = []
    for part in (
        lambda: measures.start(3 if few else 15),
        lambda: [measures.heal(5 if few else 100)],
        lambda: [measures.login(3 if few else 40)],
        lambda: measures.rewrite(5 if few else 50),
        lambda: [measures.cold(1 if few else 5)],
        lambda: [measures.end(2 if few else 10)],
        lambda: helper.credential(20 if few else 200),
        lambda: [measures.idle(10, 30 if few else 240)],
        lambda: [measures.idle(1000, 30 if few else 120)],
    ):
        for figure in part():
            figures.append(figure)
            print(f"{figure.what}: {figure.measured} (goal: {figure.goal})", flush=True)
    if args.write:
        machine = f"{platform.system()} {platform.machine()}"
        where = f"{measures.CPUS} CPUs, Python {platform.python_version()}, {machine}"
        rows = [f"| {f.what} | {f.goal} | {f.measured} |" for f in figures]
        table = "\n".join(
            [_MARK, "", f"On {where}:", "", "| what | goal | measured |", "|---|---|---|", *rows, ""]
        )
        kept = PAGE.read_text().partition(_MARK)[0]
        PAGE.write_text(kept + table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
