"""Do more of the candidate's users reach the goal, or fewer, or as many? The gate that decides an A/B test.

    Successful     the interval for the difference (`difference`: valid at any time) lies above 0
    Failed         it lies below 0
    NoDifference   it lies within the minimum effect of 0, on both sides
    Inconclusive   none of these yet

Evidence from a split that did not happen is no evidence. The users of whom clients report were drawn by the weight, so
`sample_ratio` looks at their numbers, and while it does not believe them there is no verdict at all: clients that report less
often where it goes badly are found out by this.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from kanarya_contracts.rollout import Evidence, Goal, Interval, Tally, Verdict
from kanarya_rollout.gates.difference import Difference, Grid
from kanarya_rollout.gates.gate import Saved, packed, progress, timed, unpacked
from kanarya_rollout.gates.mixture import shown
from kanarya_rollout.gates.sample_ratio import SampleRatio
from kanarya_rollout.gates.window import Reached, Split, Window

SPLIT_ALPHA = 0.001
"""Chance of not believing a split that is right, over all looks."""

_FEW = Decimal("0.0001")
"""Resolution of shares as evidence shows them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GoalGate:
    """See the module. `opened` makes one."""

    goal: Goal
    difference: Difference
    split: SampleRatio

    @classmethod
    def opened(cls, goal: Goal, saved: Mapping[str, list[str]] | None = None) -> "GoalGate":
        """A gate that goes on from `saved`, or begins if that is None or of another goal."""
        grid = Grid.of(goal.minimum_effect, goal.alpha)
        begun = Difference.begun(grid)
        if saved is None or saved.get("of") != _of(goal):
            return cls(goal=goal, difference=begun, split=_split(goal, None))
        logs, width = unpacked(saved["logs"]), len(begun.logs[0])
        difference = Difference(
            grid=grid,
            logs=tuple(logs[start : start + width] for start in range(0, len(logs), width)),
            past=Window.restored(saved["past"]),
            open=Window.restored(saved["open"]),
        )
        parts = {name.removeprefix("split."): value for name, value in saved.items() if name.startswith("split.")}
        return cls(goal=goal, difference=difference, split=_split(goal, parts))

    def saved(self) -> Saved:
        """Running sums, and the hypotheses they belong to."""
        return {
            "of": _of(self.goal),
            "logs": packed(log for logs in self.difference.logs for log in logs),
            "past": self.difference.past.saved(),
            "open": self.difference.open.saved(),
            **{f"split.{name}": value for name, value in self.split.saved().items()},
        }

    def fold(self, window: Reached) -> "GoalGate":
        """More reports."""
        users = window.users
        drawn = Split(candidate_n=users.candidate_n, stable_n=users.stable_n, weight=window.weight)
        return GoalGate(goal=self.goal, difference=self.difference.fold(users), split=self.split.fold(drawn))

    def judge(self, elapsed: float | None = None) -> Evidence:
        """Better, worse, alike, or nothing of this yet."""
        found, threshold = self.difference, shown(self.difference.grid.threshold)
        verdict = self._verdict()
        decided = verdict in {"Successful", "Failed", "NoDifference"}
        needs = 0 if decided else self._needs() if verdict == "Inconclusive" else None
        return Evidence(
            metric=self.goal.name,
            candidate=_tally(found.seen.candidate),
            stable=_tally(found.seen.stable),
            log_e=shown(found.worse_than(0.0)),
            log_e_good=shown(found.better_than(0.0)),
            threshold=threshold,
            threshold_good=threshold,
            interval=self._interval(),
            verdict=verdict,
            needs=needs,
            message=timed(self._message(verdict, needs), needs, found.seen.candidate_n, elapsed),
        )

    def _verdict(self) -> Verdict:
        found, effect = self.difference, float(self.goal.minimum_effect)
        if not (found.seen.candidate_n and found.seen.stable_n):
            return "NoData"
        if not self.split.believed:
            return "Inconclusive"
        if found.high <= 0:
            return "Failed"
        if found.low >= 0:
            return "Successful"
        return "NoDifference" if -effect <= found.low and found.high <= effect else "Inconclusive"

    def _needs(self) -> int | None:
        """Until the nearest of the three ends, if what was seen goes on."""
        found, effect = self.difference, float(self.goal.minimum_effect)
        alike = max(found.lacks_better(-effect), found.lacks_worse(effect))
        least = min(found.lacks_better(0.0), found.lacks_worse(0.0), alike)
        return max(1, math.ceil(least)) if least < 1e12 else None

    def _interval(self) -> Interval | None:
        found = self.difference
        if not (found.seen.candidate_n and found.seen.stable_n):
            return None
        return Interval(
            difference=_share(found.seen.candidate) - _share(found.seen.stable),
            low=Decimal(repr(found.low)).quantize(_FEW),
            high=Decimal(repr(found.high)).quantize(_FEW),
            level=1 - self.goal.alpha,
        )

    def _message(self, verdict: Verdict, needs: int | None) -> str:
        interval, seen = self._interval(), self.difference.seen
        if interval is None:
            one = "the candidate's" if seen.stable_n else "the champion's" if seen.candidate_n else "either version's"
            return f"no report of {one} users yet"
        counted = (
            f"{_percent(_share(seen.candidate))} of {seen.candidate_n:,} users reached it,"
            f" of the champion's {seen.stable_n:,} {_percent(_share(seen.stable))}"
        )
        reach = f"{_points(interval.low)} to {_points(interval.high)} at {_percent(interval.level)}"
        within = f"{_points(interval.difference)} points ({reach})"
        if not self.split.believed:
            return f"{counted}; but {self.split.spoken}: not the split that was asked for, so nothing follows from it"
        said = {
            "Successful": f"better by {within}",
            "Failed": f"worse by {within}",
            "NoDifference": f"no difference of {_points(self.goal.minimum_effect, sign='')} points or more: {within}",
        }.get(verdict, within)
        return f"{counted}: {said}" + (f"; {progress(seen.candidate_n, needs, 'users')}" if verdict == "Inconclusive" else "")


def _of(goal: Goal) -> list[str]:
    """What sums belong to. Not alpha, which may be edited while the test runs."""
    return ["goal", goal.name, str(goal.minimum_effect)]


def _split(goal: Goal, saved: Mapping[str, list[str]] | None) -> SampleRatio:
    return SampleRatio.continued(
        name=goal.name, min_samples=1, threshold=-math.log(SPLIT_ALPHA), saved=saved, observations="users"
    )


def _share(tally: Tally) -> Decimal:
    return (Decimal(tally.n - tally.bad) / tally.n).quantize(_FEW) if tally.n else Decimal(0)


def _tally(tally: Tally) -> Tally:
    """With the share that reached it as a mean, because nothing here is bad."""
    return Tally(n=tally.n, bad=tally.bad, mean=_share(tally) if tally.n else None)


def _percent(share: Decimal) -> str:
    return f"{float(100 * share):.4g} %"


def _points(share: Decimal, *, sign: str = "+") -> str:
    return f"{float(100 * share):{sign}.3g}"
