"""A gate as a person writes it: what is counted, which test judges it, with which margins."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kanarya_contracts.metrics import DURATION_BUCKETS
from kanarya_contracts.problems import Problem, agreed, problem
from kanarya_contracts.quantities import Duration, Quantity, format_duration
from kanarya_contracts.rollout.base import Strict

Signal = Literal["errors", "slow", "labels", "pairs", "scores", "predictions", "requests"]
"""What is counted: answers with 5xx; answers slower than `slowerThan`; predictions that labels proved wrong; labels of mirrored
requests, by which of the two versions was right; scores that came back, with their sum and sum of squares; rows answered, by
class; requests, against the share that was asked for."""

Test = Literal[
    "sequential-ratio",
    "sequential-proportion",
    "sequential-pairs",
    "sequential-mean",
    "distribution",
    "sample-ratio",
    "threshold",
]

SIGNALS: Mapping[str, tuple[Signal, ...]] = {
    "sequential-ratio": ("errors", "slow"),
    "sequential-proportion": ("labels",),
    "sequential-pairs": ("pairs",),
    "sequential-mean": ("scores",),
    "distribution": ("predictions",),
    "sample-ratio": ("requests",),
    "threshold": ("errors", "slow", "labels"),
}
"""Test → what it can judge; where that is one thing, it need not be said."""

BY_COPIES: frozenset[Signal] = frozenset({"errors", "slow", "predictions", "pairs"})
"""Signals that copies of requests tell as well; pairs, they alone. Labels and scores come back for answers that somebody got,
and a copy is no part of a split."""

NAMED: Mapping[str, Signal] = {"error-rate": "errors", "latency": "slow", "accuracy": "labels"}
"""Start of a gate's name → what it counts, where the test leaves a choice."""

_WITHOUT_MARGIN = frozenset({"sample-ratio", "threshold"})


class Margin(Strict):
    """The two hypotheses. For `sequential-ratio`, ratios of rates; for `sequential-proportion` and `sequential-pairs`,
    differences of accuracy; for `sequential-mean`, differences of the mean, above 0 being better; for `distribution`, shares by
    which a class moved."""

    tolerate: Quantity
    """Evidence that the candidate is worse than this refuses it."""
    refuse: Quantity
    """Evidence that the candidate is better than this accepts it."""
    negligible: Quantity | None = None
    """`sequential-ratio` only: evidence that the candidate's own rate is below this accepts it too, whatever the ratio.
    Without it, two versions that never fail can never be told apart."""


class ScoreBounds(Strict):
    """What is known of scores before any has come: for `sequential-mean`, and for the goal of an A/B test that is a mean."""

    low: Quantity = Decimal(0)
    """The least there can be. A gate's is 0 or more, because sums of its scores are counters; a goal's may be less."""
    high: Quantity
    """The most there can be. The nearer to what happens, the sooner a decision. A score beyond makes a gate hold; that of a
    goal's user is refused where it is reported."""
    better: Literal["higher", "lower"] = "higher"
    """`lower` for a Brier score or a cost."""


class GateSpec(Strict):
    """A metric and the test that judges it."""

    name: str = Field(pattern=r"^[a-z][-a-z0-9]{0,62}$")
    """What steps, evidence and people call it."""
    test: Test
    """`sequential-ratio`: candidate's rate over the champion's. `sequential-proportion`: difference of accuracy.
    `sequential-pairs`: the same on requests that both versions answered, which takes far fewer labels and needs a mirror.
    `sequential-mean`: difference of a mean score. `distribution`: how far any class's share of the predictions moved. These
    can be looked at after every request. `sample-ratio`: whether the split that was asked for is the one that happens; it
    never refuses the candidate, it keeps it from being promoted. `threshold`: an absolute guard on the candidate alone."""
    signal: Signal | None = None
    """What is counted. Follows from the test, or from a name that starts with `error-rate`, `latency` or `accuracy`."""
    margin: Margin | None = None
    """For tests that compare, required."""
    scores: ScoreBounds | None = None
    """For `sequential-mean`, required."""
    failure_condition: Annotated[str, Field(pattern=r"^[<>]=?\s*[0-9]+(\.[0-9]+)?$")] | None = None
    """For `threshold`, required: `"> 0.05"` of the candidate's own rate."""
    failure_limit: int = Field(default=0, ge=0, le=1000)
    """For `threshold`: how many bad readings are let pass before one is a verdict; with 0, the first is. A reading is a look
    at the counters that brings candidate observations. While it is past its line the gate does not agree to a promotion."""
    slower_than: Duration | None = None
    """For signal `slow`: one of the histogram's bounds. Without it, the bound at or above the champion's p95 when the
    rollout starts, which then stays."""
    alpha: Quantity = Decimal("0.01")
    """Chance of refusing a candidate that is no worse than `tolerate`, over all looks of all gates: divided over the gates
    that can refuse. For `sample-ratio`, chance of finding fault with a split that is right; not divided."""
    beta: Quantity = Decimal("0.05")
    """Chance of accepting a candidate that is as bad as `refuse`, over all looks."""
    min_samples: int = Field(default=0, ge=0)
    """Candidate observations a setWeight step waits for, and that a verdict of `threshold` and `sample-ratio` needs."""
    on_no_data: Literal["hold", "fail", "pass"] = "hold"
    """When the rollout is due to be promoted and this gate has not one observation of the candidate."""

    def counts(self) -> Signal:
        """The signal: given, or implied by test or name. Raises ValueError where nothing says it, which no valid gate does."""
        return self.signal or _implied(self.test, self.name)

    @property
    def judged_by_copies(self) -> bool:
        """Whether a mirrored candidate gives it anything to count."""
        return self.counts() in BY_COPIES

    @property
    def refuses(self) -> bool:
        """Whether it spends alpha on refusing the candidate."""
        return self.test not in _WITHOUT_MARGIN

    def needed_margin(self) -> Margin:
        """The margin of a test that has one."""
        assert self.margin is not None  # noqa: S101 (validated)
        return self.margin

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = [*self._belongs(), *self._hypotheses()]
        for name in ("alpha", "beta"):
            if not 0 < getattr(self, name) < 1:
                wrong.append(problem(f"got {getattr(self, name)}, expected more than 0 and less than 1", name))
        try:
            wrong += self._signal_problems(self.counts())
        except ValueError as error:
            wrong.append(problem(str(error), "signal"))
        return agreed(self, wrong)

    def _belongs(self) -> list[Problem]:
        """Each test has the fields it needs and no other's."""
        wrong = []
        for field, needed, example in (
            ("margin", self.test not in _WITHOUT_MARGIN, ""),
            ("scores", self.test == "sequential-mean", ', such as {low: "0", high: "1"}'),
            ("failure_condition", self.test == "threshold", ', such as "> 0.05"'),
        ):
            given = getattr(self, field) is not None
            alias = str(type(self).model_fields[field].alias)
            if needed and not given:
                wrong.append(problem(f"is missing; test {self.test} needs it{example}", alias))
            elif given and not needed:
                wrong.append(problem(f"is not taken by test {self.test}", alias))
        if self.failure_limit and self.test != "threshold":
            wrong.append(problem(f"is not taken by test {self.test}", "failureLimit"))
        return wrong

    def _signal_problems(self, signal: Signal) -> list[Problem]:
        wrong = []
        if signal not in SIGNALS[self.test]:
            wrong.append(problem(f"got {signal!r} for test {self.test}, expected {_or(SIGNALS[self.test])}", "signal"))
        if self.slower_than is None:
            return wrong
        got = format_duration(self.slower_than)
        if signal != "slow":
            return [*wrong, problem(f"got {got!r} for signal {signal}, expected it for signal slow alone", "slowerThan")]
        bounds = [format_duration(timedelta(seconds=bound)) for bound in DURATION_BUCKETS]
        return wrong if got in bounds else [*wrong, problem(f"got {got!r}, expected one of {', '.join(bounds)}", "slowerThan")]

    def _hypotheses(self) -> list[Problem]:
        """Margins that are two different hypotheses, in the units of the test; a rate that is one."""
        wrong = []
        if self.failure_condition is not None and Decimal(self.failure_condition.lstrip("<>= \t")) > 1:
            text = f"got {self.failure_condition!r}, expected a rate between 0 and 1"
            wrong.append(problem(text, "failureCondition"))
        if self.scores is not None and not 0 <= self.scores.low < self.scores.high:
            wrong.append(problem(f"got {self.scores.low} to {self.scores.high}, expected 0 <= low < high", "scores"))
        return wrong if self.margin is None else [*wrong, *self._margin_problems(self.margin)]

    def _margin_problems(self, margin: Margin) -> list[Problem]:
        wrong = []
        low, high, negligible = margin.tolerate, margin.refuse, margin.negligible
        got, reach = f"got tolerate {low}, refuse {high}", 1 if self.scores is None else self.scores.high - self.scores.low
        if self.test == "sequential-ratio" and not 0 < low < high:
            wrong.append(problem(f"{got}; expected ratios with 0 < tolerate < refuse", "margin"))
        if self.test == "distribution" and not 0 <= low < high < 1:
            wrong.append(problem(f"{got}; expected shares with 0 <= tolerate < refuse < 1", "margin"))
        if self.test in {"sequential-proportion", "sequential-pairs", "sequential-mean"} and not reach > low > high > -reach:
            wrong.append(problem(f"{got}; expected differences with {reach} > tolerate > refuse > -{reach}", "margin"))
        if negligible is not None and self.test != "sequential-ratio":
            wrong.append(problem("is for test sequential-ratio alone", "margin", "negligible"))
        elif negligible is not None and not 0 < negligible < 1:
            wrong.append(problem(f"got {negligible}, expected a rate between 0 and 1", "margin", "negligible"))
        return wrong


@lru_cache(maxsize=1024)
def _implied(test: str, name: str) -> Signal:
    choice = SIGNALS[test]
    if len(choice) == 1:
        return choice[0]
    for start, signal in NAMED.items():
        if name.startswith(start):
            return signal
    raise ValueError(f"is missing: give {_or(choice)}, or a name that starts with {_or(NAMED)}")


def _or(words: Iterable[str]) -> str:
    *others, last = words
    return " or ".join(filter(None, [", ".join(others), last]))
