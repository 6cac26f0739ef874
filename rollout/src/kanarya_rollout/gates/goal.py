"""Do the candidate's users get on better, worse, or as well? The gate that decides an A/B test.

Users reach the goal or not, and two shares are compared (`difference`); or, where the goal has scores, two means
(`mean_difference`). With a lower score the better one, better and worse change places.

    Successful     the interval for the difference (valid at any time) lies on the better side of 0
    Failed         it lies on the worse side
    NoDifference   it lies within the minimum effect of 0, on both sides
    Inconclusive   none of these yet

Evidence from a split that did not happen is no evidence. The users of whom clients report were drawn by the weight, so
`sample_ratio` looks at their numbers, and while it does not believe them there is no verdict at all: clients that report less
often where it goes badly are found out by this. Users whose score was refused were drawn too; they are in neither mean, and it
is said how many they are. Nor is there a verdict on scores that cannot lie between their bounds, nor where the difference was
one thing for a time and another later, so that the interval is empty.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kanarya_contracts.rollout import Evidence, Goal, Interval, Verdict
from kanarya_rollout.gates.difference import Difference, Grid
from kanarya_rollout.gates.gate import Saved, progress, timed
from kanarya_rollout.gates.goal_words import percent, words
from kanarya_rollout.gates.mean_difference import Frame, MeanDifference
from kanarya_rollout.gates.mixture import shown
from kanarya_rollout.gates.sample_ratio import SampleRatio
from kanarya_rollout.gates.window import Reported, Split

SPLIT_ALPHA = 0.001
"""Chance of not believing a split that is right, over all looks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GoalGate:
    """See the module. `opened` makes one."""

    goal: Goal
    difference: Difference | MeanDifference
    split: SampleRatio
    outside: tuple[int, int] = (0, 0)
    """Users of candidate and stable version who are left out, because their score lies outside of its bounds."""

    @classmethod
    def opened(cls, goal: Goal, saved: Mapping[str, list[str]] | None = None) -> "GoalGate":
        """A gate that goes on from `saved`, or begins if that is None or of another goal."""
        if saved is not None and saved.get("of") != _of(goal):
            saved = None
        ours, theirs = map(int, (saved or {}).get("outside", ("0", "0")))
        return cls(goal=goal, difference=_difference(goal, saved), split=_split(goal, saved), outside=(ours, theirs))

    def saved(self) -> Saved:
        """Running sums, and the hypotheses they belong to."""
        return {
            "of": _of(self.goal),
            "outside": list(map(str, self.outside)),
            **self.difference.saved(),
            **{f"split.{name}": value for name, value in self.split.saved().items()},
        }

    def fold(self, window: Reported) -> "GoalGate":
        """More reports."""
        users: Any = window.users  # of the kind that the goal counts
        ours, theirs = window.outside
        drawn = Split(
            candidate_n=users.candidate_n + ours, stable_n=users.stable_n + theirs, weight=window.weight, of=window.of
        )
        return GoalGate(
            goal=self.goal,
            difference=self.difference.fold(users),
            split=self.split.fold(drawn),
            outside=(self.outside[0] + ours, self.outside[1] + theirs),
        )

    def judge(self, elapsed: float | None = None) -> Evidence:
        """Better, worse, alike, or nothing of this yet."""
        found, threshold = self.difference, shown(self.difference.threshold)
        candidate, low, high = found.candidate, found.low, found.high
        interval, void = self._interval(low, high), self._void(low, high)
        verdict = "NoData" if interval is None else "Inconclusive" if void is not None else self._verdict(low, high)
        decided = verdict in {"Successful", "Failed", "NoDifference"}
        needs = 0 if decided else self._needs() if verdict == "Inconclusive" and void is None else None
        worse, better = found.worse_than(0.0), found.better_than(0.0)
        if self._lower:
            worse, better = better, worse
        return Evidence(
            metric=self.goal.name,
            candidate=candidate,
            stable=found.stable,
            log_e=shown(worse),
            log_e_good=shown(better),
            threshold=threshold,
            threshold_good=threshold,
            interval=interval,
            verdict=verdict,
            needs=needs,
            message=timed(self._message(verdict, interval, void, needs), needs, candidate.n, elapsed),
        )

    @property
    def _lower(self) -> bool:
        """Whether a low score is a good one."""
        return self.goal.scores is not None and self.goal.scores.better == "lower"

    def _void(self, low: float, high: float) -> str | None:
        """Why nothing follows from what was reported; None if something does."""
        if self.difference.impossible:
            return "but scores lie outside of the bounds in strategy.abTest.goal.scores: nothing can be told from them"
        if not self.split.believed:
            return f"but {self.split.spoken}: not the split that was asked for, so nothing follows from it"
        if low > high:
            say, shown_as = words(self.goal), self.difference.shown
            least, most = say.amount(shown_as(low)), say.amount(shown_as(high))
            return f"but one difference cannot be {least} or more and {most} or less: it did not stay the same"
        return None

    def _verdict(self, low: float, high: float) -> Verdict:
        effect = float(self.goal.minimum_effect)
        if high <= 0:
            return "Successful" if self._lower else "Failed"
        if low >= 0:
            return "Failed" if self._lower else "Successful"
        return "NoDifference" if -effect <= low and high <= effect else "Inconclusive"

    def _needs(self) -> int | None:
        """Until the nearest of the three ends, if what was seen goes on."""
        found, effect = self.difference, float(self.goal.minimum_effect)
        alike = max(found.lacks_better(-effect), found.lacks_worse(effect))
        least = min(found.lacks_better(0.0), found.lacks_worse(0.0), alike)
        return max(1, math.ceil(least)) if least < 1e12 else None

    def _interval(self, low: float, high: float) -> Interval | None:
        """None while a version has no user who was reported."""
        found = self.difference
        candidate, stable = found.candidate.mean, found.stable.mean
        if candidate is None or stable is None:
            return None
        return Interval(difference=candidate - stable, low=found.shown(low), high=found.shown(high), level=1 - self.goal.alpha)

    def _message(self, verdict: Verdict, interval: Interval | None, void: str | None, needs: int | None) -> str:
        candidate, stable, say = self.difference.candidate, self.difference.stable, words(self.goal)
        if interval is None:
            one = "the candidate's" if stable.n else "the champion's" if candidate.n else "either version's"
            return f"no report of {one} users yet{self._left_out}"
        counted = f"{say.counted(candidate, stable)}{self._left_out}"
        if void is not None:
            return f"{counted}; {void}"
        reach = f"{say.amount(interval.low)} to {say.amount(interval.high)} at {percent(interval.level)}"
        within = f"{say.amount(interval.difference)}{say.unit} ({reach})"
        said = {
            "Successful": f"better by {within}",
            "Failed": f"worse by {within}",
            "NoDifference": f"no difference of {say.amount(self.goal.minimum_effect, sign='')}{say.unit} or more: {within}",
        }.get(verdict, within)
        return f"{counted}: {said}" + (f"; {progress(candidate.n, needs, 'users')}" if verdict == "Inconclusive" else "")

    @property
    def _left_out(self) -> str:
        ours, theirs = self.outside
        return f" ({ours:,} and {theirs:,} more had scores outside of their bounds)" if ours or theirs else ""


def _of(goal: Goal) -> list[str]:
    """What sums belong to. Not alpha, nor which side is the better one: those may be edited while the test runs."""
    return ["goal", goal.counted_as, str(goal.minimum_effect)]


def _difference(goal: Goal, saved: Mapping[str, list[str]] | None) -> Difference | MeanDifference:
    if goal.scores is None:
        return Difference.opened(Grid.of(goal.minimum_effect, goal.alpha), saved)
    return MeanDifference.opened(Frame.of(goal.scores, goal.minimum_effect, goal.alpha), saved)


def _split(goal: Goal, saved: Mapping[str, list[str]] | None) -> SampleRatio:
    parts = {name.removeprefix("split."): value for name, value in (saved or {}).items() if name.startswith("split.")}
    return SampleRatio.continued(
        name=goal.name, min_samples=1, threshold=-math.log(SPLIT_ALPHA), saved=parts or None, observations="users"
    )
