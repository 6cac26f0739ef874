"""What a person sees of a run: a line a round while it goes on, and at the end a table with each goal beside what was found."""

from typing import Any

from rich.table import Table

from bench.figures import CONSOLE, Run, table, word
from bench.serving.load import Round
from bench.serving.works import WORKS, Work

START_GOAL = 4.0
"""Times KServe's start."""
RESIDENT_GOAL = 100.0
"""MB after a start."""


def progress(work: Work, number: int, name: str, found: Round) -> None:
    CONSOLE.print(
        f"{work.name} {number + 1}: {name}: {found['per_second']:,.0f} a second,"
        f" {found['per_cpu_second']:,.0f} a processor's second,"
        f" p50 {found['p50_ms']:.2f} ms, p99 {found['p99_ms']:.2f} ms"
    )


def show(works: dict[str, Any], start: dict[str, dict[str, float]] | None, run: Run) -> None:
    figures = ("req/s", "req/CPU s", "p50 ms", "p99 ms", "MB", "ratio", "by CPU", "goal", "")
    shown = table("Medians of each server, and how often ours does what it does", "work", "server", *figures)
    shown.columns[1].justify = "left"
    for work in WORKS:
        if work.name in works:
            _add(shown, work, works[work.name])
    CONSOLE.print(shown)
    if start is not None:
        _start(start)
    if (load := run.machine["load"]) > 0.5:
        CONSOLE.print(f"The machine was not quiet before the run: load {load:.1f}. The ratios by processor time say more.")


def _add(shown: Table, work: Work, found: dict[str, Any]) -> None:
    for index, name in enumerate(work.peers):
        one = found["medians"][name]
        cells = [work.title if index == 0 else "", name, *(f"{one[key]:,.0f}" for key in ("per_second", "per_cpu_second"))]
        cells += [f"{one['p50_ms']:.2f}", f"{one['p99_ms']:.2f}", f"{one['resident_mb']:.0f}"]
        if name in found["ratios"]:
            ratio = found["ratios"][name]
            first = ratio["p99"] if work.load == "paced" else ratio["per_second"]
            second = "" if work.load == "paced" else f"{ratio['per_cpu_second']:.2f}"
            cells += [f"{first:.2f}", second, f"{ratio['goal']:g}", word(first >= ratio["goal"])]
        shown.add_row(*cells, end_section=index == len(work.peers) - 1)


def _start(found: dict[str, dict[str, float]]) -> None:
    theirs, ours = found["KServe"], found["kanarya"]
    ratio = theirs["seconds"] / ours["seconds"]
    CONSOLE.print(
        f"Start to ready: KServe {theirs['seconds']:.2f} s, {theirs['resident_mb']:.0f} MB; ours {ours['seconds']:.2f} s, "
        f"{ours['resident_mb']:.0f} MB. {ratio:.1f} times as fast (goal {START_GOAL:g}: {word(ratio >= START_GOAL)}), "
        f"at most {RESIDENT_GOAL:g} MB: {word(ours['resident_mb'] <= RESIDENT_GOAL)}."
    )
