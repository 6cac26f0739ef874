"""A study as a table, as a plot in the terminal, and as a picture. Used by `kanarya simulate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kanarya_cli.simulation.ours import Ours
from kanarya_cli.simulation.rules import PROMOTED, ROLLED_BACK
from kanarya_cli.simulation.run import Result
from kanarya_cli.simulation.study import Fate, Row

_WIDTH = 48
_BLOCKS = " ▁▂▃▄▅▆▇█"


def table(rows: Sequence[Row]) -> Table:
    """A line a rule: how often it errs on each challenger, and whom the worst one reaches."""
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    found.add_column("rule", no_wrap=True)
    fates = _fates(rows)
    for fate in fates:
        found.add_column(f"{fate.name}\n{'rolled back' if fate.good else 'promoted'}", justify="right")
    found.add_column("identical\nminutes", justify="right")
    worst = _worst(fates)
    found.add_column(f"{worst.name}\nrequests exposed", justify="right")
    by = {(row.rule, row.fate.name): row for row in rows}
    for rule in dict.fromkeys(row.rule for row in rows):
        cells = [_wrong(by.get((rule, fate.name))) for fate in fates]
        first, last = by[rule, fates[0].name].result, by.get((rule, worst.name))
        exposed = f"{last.result.exposed.mean():,.0f}" if last else "-"
        found.add_row(Text(rule, style="bold" if rule == Ours.name else ""), *cells, _minutes(first), exposed)
    return found


def _fates(rows: Sequence[Row]) -> list[Fate]:
    return list({row.fate.name: row.fate for row in rows}.values())


def _worst(fates: Sequence[Fate]) -> Fate:
    """The last that every rule can see."""
    return [fate for fate in fates if fate.errors][-1]


def _wrong(row: Row | None) -> Text:
    """The share of wrong endings; red from five in a hundred."""
    if row is None:
        return Text("-", style="dim")
    share = row.result.share(ROLLED_BACK if row.fate.good else PROMOTED)
    return Text(f"{100 * share:.1f}%", style="red" if share >= 0.05 else "")


def _minutes(result: Result) -> str:
    decided = result.decided
    return f"{np.median(decided):,.0f}" if len(decided) >= len(result.outcome) / 2 else "undecided"


def curves(rows: Sequence[Row]) -> RenderableType:
    """How ours comes to its decisions: a line a challenger, time from left to right, shares as heights."""
    ours = [row for row in rows if row.rule == Ours.name]
    end = max([1, *(int(row.result.minutes.max()) for row in ours)])
    grid = Table.grid(padding=(0, 2))
    for row in ours:
        for word, outcome, style in (("promoted", PROMOTED, "green"), ("rolled back", ROLLED_BACK, "red")):
            share = row.result.share(outcome)
            if share >= 0.005:
                grid.add_row(row.fate.name, word, Text(_line(row.result, outcome, end), style=style), f"{100 * share:.1f}%")
    return Group(grid, Text(f"from the first request to {_hours(end)}", style="dim"))


def _line(result: Result, outcome: int, end: int) -> str:
    times = result.minutes[result.outcome == outcome]
    shares = [(times <= end * (place + 1) / _WIDTH).sum() / len(result.outcome) for place in range(_WIDTH)]
    return "".join(_BLOCKS[min(8, int(np.ceil(8 * share)))] for share in shares)


def _hours(minutes: int) -> str:
    return f"{minutes} minutes" if minutes < 180 else f"{minutes / 60:.0f} hours"


def draw(rows: Sequence[Row], path: Path) -> None:
    """The same as a picture: decisions over time, and every rule's mistakes. Raises OSError, ValueError."""
    from matplotlib.figure import Figure  # noqa: PLC0415 (a second, and only for a picture)

    figure = Figure(figsize=(13, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_curves(left, [row for row in rows if row.rule == Ours.name])
    _draw_mistakes(right, rows)
    figure.savefig(path, dpi=120)


def _draw_curves(axes: Any, ours: Sequence[Row]) -> None:
    for number, row in enumerate(ours):
        for outcome, line in ((PROMOTED, "-"), (ROLLED_BACK, "--")):
            times = np.sort(row.result.minutes[row.result.outcome == outcome])
            if len(times):
                heights = 100 * np.arange(1, len(times) + 1) / len(row.result.outcome)
                label = f"{row.fate.name}: {'promoted' if outcome == PROMOTED else 'rolled back'}"
                axes.step(times, heights, line, where="post", color=f"C{number}", label=label)
    axes.set(title="Kanarya: decided by then", xlabel="minutes", ylabel="% of rollouts", xscale="log", ylim=(0, 101))
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4)


def _draw_mistakes(axes: Any, rows: Sequence[Row]) -> None:
    fates = [fate for fate in _fates(rows) if fate.errors]
    rules = list(dict.fromkeys(row.rule for row in rows))
    by = {(row.rule, row.fate.name): row for row in rows}
    for number, rule in enumerate(rules):
        shares = [by[rule, one.name].result.share(ROLLED_BACK if one.good else PROMOTED) for one in fates]
        places = np.arange(len(fates)) + (number - len(rules) / 2) * 0.8 / len(rules)
        axes.bar(places, 100 * np.array(shares), 0.8 / len(rules), label=rule)
    names = [f"{one.name}\n({'rolled back' if one.good else 'promoted'})" for one in fates]
    axes.set_xticks(np.arange(len(fates)), names, fontsize=7)
    axes.set(title="Mistakes", ylabel="% of rollouts", ylim=(0, 101))
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4)
