"""An interval for the difference of two proportions that holds at any time. Used by the gate on an A/B test's goal.

For each b of a grid, two e-processes run: against {d <= b} and against {d >= b}, each the mean over a few alternatives beyond
b (`proportions`: exact for finite samples, with its proof; both rates may drift together from window to window). The interval
reaches from the largest b such that {d <= b'} is refused for every b' <= b, to the smallest such that {d >= b'} is refused for
every b' >= b. It is a confidence sequence by inversion, as in R. Turner, P. Gruenwald, "Safe sequential testing and effect
estimation in stratified count data" (AISTATS 2023, arXiv 2302.11401), section 4.

Why it holds at any time. Let d be the true difference and g the grid's smallest value that is not below it. Where the lower
end exceeds d it is at least g, so {d <= g}, which is true, was refused. By Ville's inequality that ever happens with
probability at most alpha/2: one hypothesis, not the whole grid, has to be paid for. The upper end alike. The grid costs
resolution and no error: an end is the true end rounded outwards.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import takewhile
from math import inf, log

from kanarya_contracts.rollout import Tally
from kanarya_rollout.gates.gate import Saved, packed, unpacked
from kanarya_rollout.gates.mixture import geometric, lacks, log_mean_exp
from kanarya_rollout.gates.proportions import Side, expected, increments
from kanarya_rollout.gates.window import NOTHING, Window

_MULTIPLES = (0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 7, 10, 14, 20, 28, 40, 56, 80)
"""The grid, in units of the difference that matters: dense where verdicts fall."""

_POINTS = 7
"""Alternatives of each hypothesis."""

_FARTHEST = 0.9
"""Differences beyond it, either way, are not told apart."""

_FEW = Decimal("0.0001")
"""Resolution of shares as evidence shows them."""

Logs = tuple[float, ...]
"""ln of the e-processes of one hypothesis, an alternative each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """The hypotheses, lowest b first."""

    below: tuple[Side, ...]
    """{d <= b}."""
    above: tuple[Side, ...]
    """{d >= b}."""
    threshold: float
    """ln(2/alpha)."""

    @staticmethod
    @lru_cache(maxsize=256)
    def of(effect: Decimal, alpha: Decimal) -> "Grid":
        """Around the difference that matters. 0 and that difference, both ways, are on the grid."""
        unit = float(effect)
        half = [unit * multiple for multiple in _MULTIPLES if unit * multiple <= max(unit, _FARTHEST)]
        points = [*(-value for value in reversed(half)), 0.0, *half]
        distances = geometric(min(unit, 0.4) / 4, 0.4, _POINTS)
        return Grid(
            below=tuple(Side(boundary=b, above=False, differences=tuple(b + by for by in distances)) for b in points),
            above=tuple(Side(boundary=b, above=True, differences=tuple(b - by for by in distances)) for b in points),
            threshold=log(2 / float(alpha)),
        )

    @property
    def sides(self) -> tuple[Side, ...]:
        """Every hypothesis."""
        return self.below + self.above


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What has been seen of it. `opened` makes one."""

    grid: Grid
    logs: tuple[Logs, ...]
    """Of every hypothesis, in the order of `Grid.sides`."""
    past: Window = NOTHING
    """Closed windows."""
    open: Window = NOTHING
    """The window that still lacks observations of one version. When it closes depends on how many there are and not on how
    they are, so the proof holds as it stands."""

    @classmethod
    def opened(cls, grid: Grid, saved: Mapping[str, list[str]] | None = None) -> "Difference":
        """One that goes on from `saved`, or begins if that is None."""
        if saved is None:
            return cls(grid=grid, logs=((0.0,) * _POINTS,) * len(grid.sides))
        logs = unpacked(saved["logs"])
        return cls(
            grid=grid,
            logs=tuple(logs[start : start + _POINTS] for start in range(0, len(logs), _POINTS)),
            past=Window.restored(saved["past"]),
            open=Window.restored(saved["open"]),
        )

    def saved(self) -> Saved:
        """Running sums."""
        return {
            "logs": packed(log for logs in self.logs for log in logs),
            "past": self.past.saved(),
            "open": self.open.saved(),
        }

    @property
    def threshold(self) -> float:
        """ln of the evidence at which one side is refused."""
        return self.grid.threshold

    @property
    def seen(self) -> Window:
        """Everything."""
        return self.past + self.open

    def fold(self, users: Window) -> "Difference":
        """More observations. They enter the sums when both versions have some."""
        window, base = self.open + users, expected(self.past)
        if not (window.candidate_n and window.stable_n):
            return Difference(grid=self.grid, logs=self.logs, past=self.past, open=window)
        grown = zip(self.logs, self.grid.sides, strict=True)
        logs = tuple(tuple(map(float.__add__, old, increments(side, base, window))) for old, side in grown)
        return Difference(grid=self.grid, logs=logs, past=self.past + window)

    @property
    def low(self) -> float:
        """The true difference is at least that. -1 while nothing is known."""
        return max(_refused(self._below(), self.grid.threshold), default=-1.0)

    @property
    def high(self) -> float:
        """The true difference is at most that. 1 while nothing is known."""
        return min(_refused(reversed(self._above()), self.grid.threshold), default=1.0)

    def better_than(self, b: float) -> float:
        """ln of the evidence that it is above b, which is on the grid."""
        return log_mean_exp(_at(self._below(), b))

    def worse_than(self, b: float) -> float:
        """ln of the evidence that it is below b, which is on the grid."""
        return log_mean_exp(_at(self._above(), b))

    def lacks_better(self, b: float) -> float:
        """About how many candidate observations are missing until it is known to be above b; infinite if it looks otherwise."""
        return lacks(self.grid.threshold, _at(self._below(), b), self.past.candidate_n)

    def lacks_worse(self, b: float) -> float:
        """The same, of being below b."""
        return lacks(self.grid.threshold, _at(self._above(), b), self.past.candidate_n)

    @property
    def candidate(self) -> Tally:
        """The candidate's users, as the status shows them."""
        return _tally(self.seen.candidate)

    @property
    def stable(self) -> Tally:
        """The stable version's."""
        return _tally(self.seen.stable)

    @property
    def impossible(self) -> bool:
        """Counts are never: a torn scrape is mended where deltas are taken."""
        return False

    @staticmethod
    def shown(value: float) -> Decimal:
        """As evidence shows it."""
        return Decimal(repr(value)).quantize(_FEW)

    def _below(self) -> Sequence[tuple[Side, Logs]]:
        return list(zip(self.grid.below, self.logs[: len(self.grid.below)], strict=True))

    def _above(self) -> Sequence[tuple[Side, Logs]]:
        return list(zip(self.grid.above, self.logs[len(self.grid.below) :], strict=True))


def _refused(hypotheses: "Iterator[tuple[Side, Logs]] | Sequence[tuple[Side, Logs]]", threshold: float) -> Iterator[float]:
    """Boundaries from the outermost on, as long as each is refused."""
    return (side.boundary for side, _ in takewhile(lambda one: log_mean_exp(one[1]) >= threshold, hypotheses))


def _tally(tally: Tally) -> Tally:
    """With the share of good ones as a mean."""
    return Tally(n=tally.n, bad=tally.bad, mean=(Decimal(tally.n - tally.bad) / tally.n).quantize(_FEW) if tally.n else None)


def _at(hypotheses: Sequence[tuple[Side, Logs]], b: float) -> Logs:
    return min(hypotheses, key=lambda one: abs(one[0].boundary - b), default=(None, (-inf,)))[1]
