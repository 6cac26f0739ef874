"""Simulated rollouts by the thousand: our rule beside those that other tools document. Seeded; goals decide the exit status.

    make bench-decisions [FULL=1]      or   .venv/bin/python bench/decisions [--rollouts 2000] [--seed 1]

Ours runs over arrays; in every cell one rollout's windows go through the controller's own `decide` as well, and must be
answered alike. Writes docs/explanation/decisions.md and bench/results/decisions.json.
"""

import argparse
import dataclasses
import datetime
import json
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from cells import Cell, Outcome, cells, no_traffic, simulate
from page import goals, page
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/explanation/decisions.md"
RESULTS = ROOT / "bench/results/decisions.json"


def one(task: tuple[Cell, int, int]) -> tuple[Cell, Outcome]:
    cell, rollouts, seed = task
    return cell, simulate(cell, rollouts=rollouts, seed=seed)


def measure(rollouts: int, seed: int, console: Console) -> dict[Cell, Outcome]:
    """Every cell, on every core."""
    tasks = [(cell, rollouts, seed + number) for number, cell in enumerate([*cells(), *no_traffic()])]
    results = {}
    with ProcessPoolExecutor() as pool, Progress(console=console, transient=True) as progress:
        bar = progress.add_task("simulating", total=len(tasks))
        for cell, outcome in pool.map(one, tasks, chunksize=1):
            results[cell] = outcome
            progress.advance(bar)
    return results


def machine() -> str:
    named = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return f"{named[0] if named else platform.processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/decisions", description=__doc__.splitlines()[0])
    parser.add_argument("--rollouts", type=int, default=2000, help="of each cell")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    console, began = Console(), time.monotonic()
    results = measure(options.rollouts, options.seed, console)
    seconds = time.monotonic() - began
    today = datetime.datetime.now(datetime.UTC).date()
    run = f"{options.rollouts:,} rollouts a cell, {len(results)} cells, seed {options.seed}, {seconds:.0f} s"
    about = f"{today}, {machine()}: {run}."
    PAGE.write_text(page(results, about=about), encoding="utf-8")
    rows = [
        {"fate": cell.fate.name, "rate": cell.rate, "rule": cell.rule, **dataclasses.asdict(outcome)}
        for cell, outcome in results.items()
    ]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"about": about, "cells": rows}, indent=2) + "\n", encoding="utf-8")
    found = goals(results)
    table = Table(title=about)
    for name in ("goal", "worst", "holds"):
        table.add_column(name)
    for goal in found:
        table.add_row(goal.text, goal.worst, "yes" if goal.holds else "NO")
    console.print(table)
    console.print(f"written to {PAGE.relative_to(ROOT)} and {RESULTS.relative_to(ROOT)}")
    return 0 if all(goal.holds for goal in found) else 1


if __name__ == "__main__":
    sys.exit(main())
