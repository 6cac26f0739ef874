"""A study of A/B tests as a table with bars, and as a picture. Used by `kanarya simulate`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from kanarya_cli.simulation.users import ENDINGS, Ended, Ending, Fate

_COLOURS: dict[Ending, str] = {"winner": "green", "no difference": "cyan", "loser": "red", "not enough data": "bright_black"}
_PLOTTED: dict[Ending, str] = {"winner": "C2", "no difference": "C9", "loser": "C3", "not enough data": "0.7"}
_WIDTH = 30
_DAY, _HOUR = 86_400.0, 3_600.0


@dataclass(frozen=True, kw_only=True)
class FateRow:
    """What became of a challenger's tests."""

    fate: Fate
    tests: Sequence[Ended]

    def share(self, ending: Ending) -> float:
        """Of the tests that ended so."""
        return sum(one.ending == ending for one in self.tests) / len(self.tests)

    @property
    def mistaken(self) -> float:
        """Share of the tests that said something that is not so."""
        return 1 - self.share(self.fate.right) - self.share("not enough data")

    def quantile(self, of: str, q: float) -> float | None:
        """Of `seconds` or `users` until a test ended; None where so many had not enough data."""
        ended = sorted(float(getattr(one, of)) for one in self.tests if one.ending != "not enough data")
        place = int(np.ceil(q * len(self.tests))) - 1
        return ended[place] if place < len(ended) else None

    def as_data(self) -> dict[str, object]:
        """For programs; times and users are null where so many tests had not enough data."""
        return {
            "challenger": self.fate.name,
            "difference": self.fate.difference,
            "right": self.fate.right,
            **{ending: self.share(ending) for ending in ENDINGS},
            "seconds": {"median": self.quantile("seconds", 0.5), "p90": self.quantile("seconds", 0.9)},
            "challengersUsers": {"median": self.quantile("users", 0.5), "p90": self.quantile("users", 0.9)},
        }


def table(rows: Sequence[FateRow]) -> Table:
    """A line a challenger: how its tests ended, what of that is wrong, how long they took and how many users."""
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    found.add_column("challenger\nby", no_wrap=True)
    found.add_column("how its tests end", no_wrap=True, min_width=_WIDTH)
    for ending in ENDINGS:
        found.add_column(ending.replace(" ", "\n", 1), justify="right", style=_COLOURS[ending])
    for head in ("took\nhalf", "took\n9 of 10", "its users\nhalf", "its users\n9 of 10"):
        found.add_column(head, justify="right")
    for row in rows:
        times = [_span(row.quantile("seconds", q)) for q in (0.5, 0.9)]
        counts = [_count(row.quantile("users", q)) for q in (0.5, 0.9)]
        found.add_row(row.fate.name, _bar(row), *(_share(row, ending) for ending in ENDINGS), *times, *counts)
    return found


def draw(rows: Sequence[FateRow], path: Path) -> None:
    """Two plots in one picture: how tests end, and when. Raises ModuleNotFoundError without matplotlib, ValueError for a kind
    of file that it does not know."""
    from matplotlib.figure import Figure  # noqa: PLC0415 (an extra)

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    ends, times = figure.subplots(1, 2)
    left = np.zeros(len(rows))
    for ending in ENDINGS:
        shares = np.array([100 * row.share(ending) for row in rows])
        ends.barh([row.fate.name for row in rows], shares, left=left, label=ending, color=_PLOTTED[ending])
        left += shares
    ends.invert_yaxis()
    ends.set(title="How A/B tests end", xlabel="% of tests", xlim=(0, 100))
    ends.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4)
    for number, row in enumerate(rows):
        days = np.sort([one.seconds / _DAY for one in row.tests if one.ending != "not enough data"])
        heights = 100 * np.arange(1, len(days) + 1) / len(row.tests)
        begun, heights = np.concatenate([[0.0], days]), np.concatenate([[0.0], heights])
        times.step(begun, heights, where="post", color=f"C{number}", label=row.fate.name)
    times.set(title="Ended by then", xlabel="days", ylabel="% of tests", ylim=(0, 101))
    times.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)
    figure.savefig(path, dpi=150)


def _bar(row: FateRow) -> Text:
    bar, drawn = Text(), 0.0
    for ending in ENDINGS:
        before, drawn = round(_WIDTH * drawn), drawn + row.share(ending)
        bar.append("█" * (round(_WIDTH * drawn) - before), style=_COLOURS[ending])
    return bar


def _share(row: FateRow, ending: Ending) -> Text:
    """What ought to happen stands out."""
    share = row.share(ending)
    return Text(f"{100 * share:.1f}%" if share else "-", style="bold" if ending == row.fate.right else "")


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds / _DAY:.3g} d" if seconds >= 2 * _DAY else f"{seconds / _HOUR:.3g} h"


def _count(users: float | None) -> str:
    return "-" if users is None else f"{users:,.0f}"
