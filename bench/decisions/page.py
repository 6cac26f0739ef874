"""The results as a page of the documentation, and the goals they are held to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.decisions.cells import FATES, RATES, Cell, Fate, Outcome
from kanarya_cli.simulation.ours import Ours
from kanarya_cli.simulation.rules import RIVALS

Results = Mapping[Cell, Outcome]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Something that is to hold everywhere, with the place where it holds least."""

    text: str
    worst: str
    holds: bool


def goals(results: Results) -> tuple[Goal, ...]:
    """Each with its worst cell."""
    ours = {cell: outcome for cell, outcome in results.items() if cell.rule == Ours.name}
    return (
        _at_most(
            "false rollback of an identical or tolerable challenger at most 1.5 %",
            [(cell, one.rolled_back, cell.fate.false_rollback) for cell, one in ours.items()],
        ),
        _at_most(
            "false promotion at or beyond the refused margin at most 5 %; of ten times the errors and 30 % errors at most 1 %",
            [(cell, one.promoted, cell.fate.false_promotion) for cell, one in ours.items() if cell.fate.false_promotion],
        ),
        _at_most(
            "nothing is promoted without requests, or without the labels that a gate asks for",
            [(cell, one.promoted, 0.0) for cell, one in ours.items() if cell.fate.false_promotion == 0],
        ),
        *_accuracy(ours),
        _exposure(ours),
        _twins(ours),
    )


def _place(cell: Cell) -> str:
    return f"{cell.fate.name}, {cell.rate:g} requests/s"


def _at_most(text: str, found: list[tuple[Cell, float, float | None]]) -> Goal:
    limited = [(cell, share, limit) for cell, share, limit in found if limit is not None]
    cell, share, limit = max(limited, key=lambda one: one[1] / max(one[2], 1e-9))
    return Goal(text=text, worst=f"{_percent(share)} ({_place(cell)})", holds=share <= limit)


def _accuracy(ours: Results) -> Iterator[Goal]:
    asked = [(cell, one.rolled_back) for cell, one in ours.items() if cell.fate.refused is not None]
    for rate in RATES:
        cell, share = min((one for one in asked if one[0].rate == rate), key=lambda one: one[1])
        text = f"accuracy 0.90 to 0.85 refused in at least 95 % within 24 hours at {rate:g} requests/s"
        yield Goal(text=text, worst=f"{_percent(share)} ({cell.fate.name})", holds=share >= (cell.fate.refused or 0.0))


def _exposure(ours: Results) -> Goal:
    (one,) = [outcome for cell, outcome in ours.items() if cell.fate.name == "10x errors" and cell.rate == 2.0]
    text = "at most 200 requests answered by a challenger with ten times the errors, at 2 requests/s"
    return Goal(text=text, worst=f"{one.exposed:.0f} on average", holds=one.exposed <= 200)


def _twins(ours: Results) -> Goal:
    checked, different = sum(one.checked for one in ours.values()), sum(one.different for one in ours.values())
    text = "the rule over arrays answers as the controller's `decide`, window by window"
    return Goal(text=text, worst=f"{different} of {checked:,} windows differ", holds=checked > 0 and different == 0)


def _percent(share: float) -> str:
    text = f"{100 * share:.1f}"
    return f"{text.removesuffix('.0')} %"


def page(results: Results, *, about: str) -> str:
    """Markdown."""
    return "\n\n".join([_INTRODUCTION, about, "## Goals", _goals(results), *_tables(results), _NOTES]) + "\n"


def _goals(results: Results) -> str:
    rows = [f"| {goal.text} | {goal.worst} | {'yes' if goal.holds else '**no**'} |" for goal in goals(results)]
    return "\n".join(["| Goal | Worst | Holds |", "| --- | --- | --- |", *rows])


def _tables(results: Results) -> Iterator[str]:
    for title, word, wanted in (
        ("## False rollback, %", "rolled_back", [fate for fate in FATES if fate.false_rollback is not None]),
        ("## False promotion, %", "promoted", [fate for fate in FATES if fate.false_rollback is None]),
    ):
        for gate, heading in (
            ("error-rate", "errors"),
            ("", "slow answers and accuracy, which the other rules do not look at"),
        ):
            fates = [fate for fate in wanted if (fate.gate == "error-rate") == bool(gate)]
            rules = (Ours.name, *RIVALS) if gate else (Ours.name,)
            yield f"{title}: {heading}"
            yield _table(
                ["rule", *(fate.name for fate in fates)], [[rule, *_row(results, rule, fates, word)] for rule in rules]
            )
    yield "## Exposure and time"
    yield "Requests answered at 10x errors; minutes to the end of the median identical challenger; undecided ones."
    by = {(cell.rule, cell.fate.name, cell.rate): one for cell, one in results.items()}
    rows = [
        [
            rule,
            " / ".join(f"{by[rule, '10x errors', rate].exposed:,.0f}" for rate in RATES),
            " / ".join(f"{by[rule, 'identical', rate].minutes:,.0f}" for rate in RATES),
            " / ".join(f"{100 * by[rule, 'identical', rate].undecided:.1f}".removesuffix(".0") for rate in RATES),
        ]
        for rule in (Ours.name, *RIVALS)
    ]
    yield _table(["rule", "requests", "minutes", "undecided, %"], rows)


def _row(results: Results, rule: str, fates: list[Fate], word: str) -> Iterator[str]:
    by = {(cell.rule, cell.fate.name, cell.rate): one for cell, one in results.items()}
    for fate in fates:
        yield " / ".join(f"{100 * getattr(by[rule, fate.name, rate], word):.1f}".removesuffix(".0") for rate in RATES)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_INTRODUCTION = """<!-- Generated by `make bench-decisions`; do not edit. -->

# How often each rule is wrong

Thousands of simulated rollouts a cell: Poisson requests, 0.5 % errors, 5 % slow answers and 90 % accuracy unless a column
says otherwise, a look a minute, at most 24 hours. Figures are for 0.2 / 2 / 20 / 200 requests a second. The rivals are what
each tool's documentation shows (`kanarya_cli/simulation/rules.py`); ours is
[`bench/decisions/rollout.yaml`](../../bench/decisions/rollout.yaml) with one gate at a time."""

_NOTES = """## How to read it

- **False rollback**: an identical challenger was refused. **False promotion**: a worse one was promoted. What is neither was
  undecided after 24 hours and was still waiting at its weight.
- **+20 % slow** is exactly what `tolerate` allows, **2x errors** and **+100 % slow** exactly what `refuse` forbids,
  **accuracy 0.88** lies between the margins, where either answer is right.
- **shared incident**: both versions fail 5 points more in minutes 2 to 12. **varying**: traffic swings by half and errors up
  to threefold, in both. **counter resets**: one process in twenty begins anew each minute. **missing scrapes**: one in five.
  **restarts**: the controller misses one look in ten.
- A minute without requests is no check for the rivals; the tools themselves may call it a failed one.
- Requests are independent here. Real errors cluster; see the [critiques](../critiques.md)."""
