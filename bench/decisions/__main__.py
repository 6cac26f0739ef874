"""Simulated rollouts by the thousand: our rule beside those that other tools document. Seeded; goals decide the exit status.

    make bench-decisions [FULL=1]      or   .venv/bin/python -m bench.decisions [--rollouts 2000] [--seed 1]

Ours runs over arrays; in every cell one rollout's windows go through the controller's own `decide` as well, and must be
answered alike. Writes docs/explanation/decisions.md and bench/results/decisions.json.
"""

import argparse
import dataclasses
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from rich.progress import Progress

from bench.decisions.cells import Cell, Outcome, cells, no_traffic, simulate
from bench.decisions.page import goals, page
from bench.figures import CONSOLE, ROOT, Run, table, word

PAGE = ROOT / "docs/explanation/decisions.md"


def one(task: tuple[Cell, int, int]) -> tuple[Cell, Outcome]:
    cell, rollouts, seed = task
    return cell, simulate(cell, rollouts=rollouts, seed=seed)


def measure(rollouts: int, seed: int) -> dict[Cell, Outcome]:
    """Every cell, on every core."""
    tasks = [(cell, rollouts, seed + number) for number, cell in enumerate([*cells(), *no_traffic()])]
    results = {}
    with ProcessPoolExecutor() as pool, Progress(console=CONSOLE, transient=True) as progress:
        bar = progress.add_task("simulating", total=len(tasks))
        for cell, outcome in pool.map(one, tasks, chunksize=1):
            results[cell] = outcome
            progress.advance(bar)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.decisions", description=__doc__.splitlines()[0])
    parser.add_argument("--rollouts", type=int, default=2000, help="of each cell")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    run, began = Run("decisions", options), time.monotonic()
    results = measure(options.rollouts, options.seed)
    seconds = time.monotonic() - began
    size = f"{options.rollouts:,} rollouts a cell, {len(results)} cells, seed {options.seed}, {seconds:.0f} s"
    PAGE.write_text(page(results, about=f"{run.place}: {size}."), encoding="utf-8")
    found = goals(results)
    shown = table(f"Simulated rollouts: {size}", "goal", "worst", "")
    for goal in found:
        shown.add_row(goal.text, goal.worst, word(goal.holds))
    CONSOLE.print(shown)
    CONSOLE.print(f"written to {PAGE.relative_to(ROOT)}")
    rows = [
        {"fate": cell.fate.name, "rate": cell.rate, "rule": cell.rule, **dataclasses.asdict(outcome)}
        for cell, outcome in results.items()
    ]
    run.write(seconds=seconds, cells=rows)
    return 0 if all(goal.holds for goal in found) else 1


if __name__ == "__main__":
    sys.exit(main())
