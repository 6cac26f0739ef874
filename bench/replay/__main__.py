"""How fast `kanarya replay` is, on streams that decide early, late and never. The goal decides the exit status.

    make bench-replay      or   .venv/bin/python -m bench.replay [--windows 100000] [--seed 1]

Each stream is 100,000 windows for the four gates of manifests/iris, through the command itself as a process: start, reading,
writing and all. What is measured is time on the clock, beside processor time, which a busy machine changes less.
"""

import argparse
import dataclasses
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.figures import CONSOLE, ROOT, Run, table, word

SPEC = ROOT / "manifests/iris/modelrollout.yaml"
GOAL_SECONDS = 10.0
"""For 100,000 windows."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Windows of many rollouts, turn by turn."""

    name: str
    rollouts: int
    requests: int
    """Of the candidate in a window; the champion has nine times as many."""


STREAMS = (
    Stream(name="one rollout", rollouts=1, requests=120),
    Stream(name="1,000 rollouts, decided on the way", rollouts=1000, requests=40),
    Stream(name="1,000 rollouts, never decided", rollouts=1000, requests=2),
)


def lines(stream: Stream, windows: int, seed: int) -> Iterator[str]:
    """The stream. Versions are alike: 0.5 % errors, 1 % slow, 95 % of the labels right; half of the labels come back."""
    chance = random.Random(seed)  # noqa: S311 (a seeded benchmark)
    for number in range(windows):
        window = {
            "seconds": 60,
            "weight": 10,
            "candidate": side(chance, stream.requests),
            "stable": side(chance, 9 * stream.requests),
            "rollout": f"r{number % stream.rollouts}",
        }
        yield json.dumps(window)


def side(chance: random.Random, requests: int) -> dict[str, int]:
    errors = draw(chance, requests, 0.005)
    slow = draw(chance, requests - errors, 0.01)
    labels = (requests - errors) // 2
    return {"requests": requests, "errors": errors, "slow": slow, "labels": labels, "right": draw(chance, labels, 0.95)}


def draw(chance: random.Random, n: int, p: float) -> int:
    return sum(chance.random() < p for _ in range(n))


@dataclass(frozen=True, kw_only=True)
class Result:
    stream: Stream
    seconds: float
    processor: float
    undecided: float
    """Share of the windows that were answered Inconclusive."""


def measure(stream: Stream, windows: int, seed: int) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        path, answers = Path(folder) / "windows.jsonl", Path(folder) / "answers.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines(stream, windows, seed)))
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        with answers.open("wb") as out:
            command = [sys.executable, "-m", "kanarya_cli", "replay", str(SPEC), str(path)]
            subprocess.run(command, check=True, stdout=out)
        seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        said = [json.loads(line)["verdict"] for line in answers.read_text().splitlines()]
    assert len(said) == windows
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Result(stream=stream, seconds=seconds, processor=processor, undecided=said.count("Inconclusive") / windows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.replay", description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    run, goal = Run("replay", options), GOAL_SECONDS * options.windows / 100_000
    results = [measure(stream, options.windows, options.seed) for stream in STREAMS]
    columns = ("stream", "seconds", "of the processor", "µs a window", "undecided", f"at most {goal:g} s")
    shown = table(f"{options.windows:,} windows, {SPEC.relative_to(ROOT)}", *columns)
    for stream, result in zip(STREAMS, results, strict=True):
        shown.add_row(
            stream.name,
            f"{result.seconds:.1f}",
            f"{result.processor:.1f}",
            f"{1e6 * result.seconds / options.windows:.0f}",
            f"{100 * result.undecided:.0f} %",
            word(result.seconds <= goal),
        )
    CONSOLE.print(shown)
    run.write(streams=[dataclasses.asdict(result) for result in results])
    return 0 if all(result.seconds <= goal for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
