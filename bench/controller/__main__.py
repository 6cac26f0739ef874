"""How much of a processor one controller takes for 1,000 rollouts, and whom it asks how often. Goals decide the exit status.

    make bench-controller      or   .venv/bin/python bench/controller [--rollouts 1000] [--seconds 120]

A real API server over etcd, a real Prometheus that scrapes 2,000 model servers and the controller, a real MLflow over SQLite,
and the controller's own process. Every rollout is under way at 10 % and undecided, with `analysis.interval` and `pollInterval`
of 30 s; see `world`. Measured twice, with a tenth of the rollouts and with all: from a start to the end of the first round, and
at rest. Writes bench/results/controller.json. Where the time goes, py-spy says of the process whose id is shown.
"""

import argparse
import datetime
import json
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import world
from measured import Measured, NotAtRest, measure
from rich.console import Console
from rich.table import Table
from surroundings import ROOT, Surroundings, apiserver

RESULTS = ROOT / "bench/results/controller.json"
GOAL_SHARE = 0.20
"""Of one processor, at rest."""
GOAL_FIRST_ROUND = 20.0
"""Seconds of a processor, which a busy machine changes less than the clock's."""
QUERIES_A_MINUTE = 4 * 60
"""At most: four a second, however many rollouts there are."""
FEW, MANY = "bench-few", "bench-many"
"""Namespaces: a tenth of the rollouts, and the others."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    text: str
    found: str
    holds: bool


def goals(few: Measured, all_of_them: Measured) -> tuple[Goal, ...]:
    """Of the larger measurement."""
    return (
        Goal(
            text=f"at most {GOAL_SHARE:.0%} of one processor at rest",
            found=f"{all_of_them.share:.1%}",
            holds=all_of_them.share <= GOAL_SHARE,
        ),
        Goal(
            text=f"a first round of at most {GOAL_FIRST_ROUND:.0f} s of a processor",
            found=f"{all_of_them.first_round_processor:.1f} s, after {all_of_them.first_round:.0f} s",
            holds=all_of_them.first_round_processor <= GOAL_FIRST_ROUND,
        ),
        Goal(
            text=f"no more queries to Prometheus than of a tenth of the rollouts, or {QUERIES_A_MINUTE} a minute",
            found=f"{few.queries:.0f} and {all_of_them.queries:.0f}",
            holds=all_of_them.queries <= max(few.queries, QUERIES_A_MINUTE),
        ),
        Goal(
            text="every rollout counts, and nothing else",
            found=f"{all_of_them.counting:,} of {all_of_them.rollouts:,}",
            holds=all_of_them.counting == all_of_them.rollouts,
        ),
    )


def table(results: list[Measured]) -> Table:
    """A column a measurement."""
    found = Table(title=f"One controller, an interval of {world.INTERVAL}", title_justify="left")
    found.add_column("rollouts")
    for one in results:
        found.add_column(f"{one.rollouts:,}", justify="right")
    rows = {
        "first round, s": lambda one: f"{one.first_round:.0f}",
        "  of a processor": lambda one: f"{one.first_round_processor:.1f}",
        "  queries to Prometheus": lambda one: f"{one.first_queries:.0f}",
        "  calls to MLflow": lambda one: f"{one.registry_calls:,}",
        "  MLflow's of a processor": lambda one: f"{one.registry_processor:.1f}",
        "at rest, of one processor": lambda one: f"{one.share:.1%}",
        "  passes a rollout, a minute": lambda one: f"{one.passes:.1f}",
        "  queries to Prometheus, a minute": lambda one: f"{one.queries:.0f}",
        "  calls to MLflow, a minute": lambda one: f"{one.registry:.0f}",
        "  calls to the API server, a minute": lambda one: ", ".join(
            f"{verb} {n:.0f}" for verb, n in sorted(one.calls.items())
        ),
        "  memory, MiB": lambda one: f"{one.memory / 2**20:.0f}",
        "at the end": lambda one: "; ".join(f"{count} {what}" for what, count in one.doing.items()),
    }
    for name, cell in rows.items():
        found.add_row(name, *map(cell, results))
    return found


def run(options: argparse.Namespace, console: Console) -> list[Measured]:
    """A tenth, and all. Raises NotAtRest."""
    names = [f"m{number:04d}" for number in range(options.rollouts)]
    few = max(1, options.rollouts // 10)
    results = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        around = Surroundings(folder, stack, {FEW: names[:few], MANY: names[few:]}, console)
        for spaces in ([FEW], [FEW, MANY]):
            results.append(measure(around, spaces, options.seconds, folder, console))
            console.print((folder / "controller.log").read_text()[-2000:], markup=False)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/controller", description=__doc__.splitlines()[0])
    parser.add_argument("--rollouts", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=120.0, help="for which the rest is measured")
    options = parser.parse_args()
    console = Console(width=128)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything that was started is ended
    if apiserver.missing():
        console.print(f"needs {', '.join(apiserver.missing())}; tests/cluster/programs and tests/cluster/sources bring them")
        return 2
    at, load = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), os.getloadavg()
    try:
        results = run(options, console)
    except NotAtRest as error:
        console.print(f"not measured: {error}", markup=False)
        return 1
    console.print(table(results))
    held = goals(*results)
    for goal in held:
        console.print(f"{goal.text}: {goal.found}, {'holds' if goal.holds else 'MISSED'}", highlight=False)
    document = {"at": at, "load_before": load, "options": vars(options), "measured": [asdict(one) for one in results]}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({**document, "goals": [asdict(goal) for goal in held]}, indent=2) + "\n")
    console.print(f"written to {RESULTS.relative_to(ROOT)}")
    return 0 if all(goal.holds for goal in held) else 1


if __name__ == "__main__":
    sys.exit(main())
