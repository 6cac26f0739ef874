"""A gate as a person writes it: what is counted, which test judges it, with which margins."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kanarya_contracts.metrics import DURATION_BUCKETS
from kanarya_contracts.problems import Problem, agreed, problem
from kanarya_contracts.quantities import Duration, Quantity, format_duration
from kanarya_contracts.rollout.base import Strict

Signal = Literal["errors", "slow", "labels"]
"""What is counted: answers with 5xx; answers slower than `slowerThan`; predictions that labels proved wrong."""

_SIGNALS: dict[str, Signal] = {"error-rate": "errors", "latency": "slow", "accuracy": "labels"}


class Margin(Strict):
    """The two hypotheses. For `sequential-ratio`, ratios of rates; for `sequential-proportion`, differences of accuracy."""

    tolerate: Quantity
    """Evidence that the candidate is worse than this refuses it."""
    refuse: Quantity
    """Evidence that the candidate is better than this accepts it."""
    negligible: Quantity | None = None
    """`sequential-ratio` only: evidence that the candidate's own rate is below this accepts it too, whatever the ratio.
    Without it, two versions that never fail can never be told apart."""


class GateSpec(Strict):
    """A metric and the test that judges it."""

    name: str = Field(pattern=r"^[a-z][-a-z0-9]{0,62}$")
    """What steps, evidence and people call it."""
    test: Literal["sequential-ratio", "sequential-proportion", "threshold"]
    """`sequential-ratio`: candidate's rate over the champion's. `sequential-proportion`: difference of accuracy. Both can be
    looked at after every request. `threshold`: an absolute guard on the candidate alone."""
    signal: Signal | None = None
    """What is counted. Follows from a name that starts with `error-rate`, `latency` or `accuracy`."""
    margin: Margin | None = None
    """For the sequential tests, required."""
    failure_condition: Annotated[str, Field(pattern=r"^[<>]=?\s*[0-9]+(\.[0-9]+)?$")] | None = None
    """For `threshold`, required: `"> 0.05"` of the candidate's own rate."""
    slower_than: Duration | None = None
    """For signal `slow`: one of the histogram's bounds. Without it, the bound at or above the champion's p95 when the
    rollout starts, which then stays."""
    alpha: Quantity = Decimal("0.01")
    """Chance of refusing a candidate that is no worse than `tolerate`, over all looks of all gates: divided over the gates
    that can refuse."""
    beta: Quantity = Decimal("0.05")
    """Chance of accepting a candidate that is as bad as `refuse`, over all looks."""
    min_samples: int = Field(default=0, ge=0)
    """Candidate observations a setWeight step waits for, and that a verdict of a threshold needs."""
    on_no_data: Literal["hold", "fail", "pass"] = "hold"
    """When the rollout is due to be promoted and this gate has not one observation of the candidate."""

    def counts(self) -> Signal:
        """The signal, given or implied by the name. Raises ValueError where neither says it, which no valid gate does."""
        implied = (signal for start, signal in _SIGNALS.items() if self.name.startswith(start))
        signal = self.signal or next(implied, None)
        if signal is None:
            raise ValueError(
                "is missing: give errors, slow or labels, or a name that starts with error-rate, latency or accuracy"
            )
        return signal

    @property
    def refuses(self) -> bool:
        """Whether it spends alpha on refusing the candidate."""
        return self.test != "threshold"

    def needed_margin(self) -> Margin:
        """The margin of a test that has one."""
        assert self.margin is not None  # noqa: S101 (validated)
        return self.margin

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = self._threshold_problems() if self.test == "threshold" else self._margin_problems()
        for name in ("alpha", "beta"):
            if not 0 < getattr(self, name) < 1:
                wrong.append(problem(f"got {getattr(self, name)}, expected more than 0 and less than 1", name))
        try:
            wrong += self._bound_problems(self.counts())
        except ValueError as error:
            wrong.append(problem(str(error), "signal"))
        return agreed(self, wrong)

    def _bound_problems(self, signal: Signal) -> list[Problem]:
        if self.slower_than is None:
            return []
        got = format_duration(self.slower_than)
        if signal != "slow":
            return [problem(f"got {got!r} for signal {signal}, expected it for signal slow alone", "slowerThan")]
        bounds = [format_duration(timedelta(seconds=bound)) for bound in DURATION_BUCKETS]
        return [] if got in bounds else [problem(f"got {got!r}, expected one of {', '.join(bounds)}", "slowerThan")]

    def _threshold_problems(self) -> list[Problem]:
        wrong = []
        if self.failure_condition is None:
            wrong.append(problem('is missing; test threshold needs it, such as "> 0.05"', "failureCondition"))
        elif Decimal(self.failure_condition.lstrip("<>= \t")) > 1:
            text = f"got {self.failure_condition!r}, expected a rate between 0 and 1"
            wrong.append(problem(text, "failureCondition"))
        if self.margin is not None:
            wrong.append(problem("is not taken by test threshold", "margin"))
        return wrong

    def _margin_problems(self) -> list[Problem]:
        wrong = []
        if self.failure_condition is not None:
            wrong.append(problem(f"is not taken by test {self.test}", "failureCondition"))
        if self.margin is None:
            return [*wrong, problem(f"is missing; test {self.test} needs it", "margin")]
        low, high, negligible = self.margin.tolerate, self.margin.refuse, self.margin.negligible
        got = f"got tolerate {low}, refuse {high}"
        if self.test == "sequential-ratio" and not 0 < low < high:
            wrong.append(problem(f"{got}; expected ratios with 0 < tolerate < refuse", "margin"))
        if self.test == "sequential-proportion" and not 1 > low > high > -1:
            wrong.append(problem(f"{got}; expected differences with 1 > tolerate > refuse > -1", "margin"))
        if negligible is not None and self.test != "sequential-ratio":
            wrong.append(problem("is for test sequential-ratio alone", "margin", "negligible"))
        elif negligible is not None and not 0 < negligible < 1:
            wrong.append(problem(f"got {negligible}, expected a rate between 0 and 1", "margin", "negligible"))
        return wrong
