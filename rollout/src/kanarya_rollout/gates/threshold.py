"""Is the candidate's own rate past a fixed line? An absolute guard, and no test.

The rate is bad / n over the whole rollout; for labels it is the accuracy, right / n, as in `sequential_proportion`. From
`minSamples` observations on (at least one), each window with observations of the candidate is a reading: bad where the
condition is met. More than `failureLimit` of them, and the gate is Failed; otherwise it is Successful while the rate is on the
right side of the line, and cannot tell while it is past it. An edited line begins to count its readings anew. It judges the
environment together with the model and knows no error probability, so it stands beside the sequential tests and not in
their place (shared incidents and peeking: R. Johari, L. Pekelis, D. Walsh, "Always Valid Inference", arXiv 1512.04922,
section 1). Source of the form: `failureCondition` and `failureLimit` of Argo Rollouts' AnalysisTemplate.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from kanarya_contracts.rollout import Evidence, GateSpec, Signal, Verdict
from kanarya_rollout.gates.gate import Saved, progress, timed, words
from kanarya_rollout.gates.window import Window

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONDITION = re.compile(r"^([<>]=?)\s*(\d+(?:\.\d+)?)$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """See the module. `opened` makes one."""

    name: str
    signal: Signal
    condition: str
    """As in the spec: `> 0.05`."""
    min_samples: int
    """At least 1."""
    limit: int
    """Bad readings that are let pass."""
    seen: Window
    bad_readings: int = 0

    @classmethod
    def opened(cls, spec: GateSpec, alpha: float, saved: Mapping[str, list[str]] | None = None) -> "Threshold":  # noqa: ARG003
        """A gate that goes on from `saved`, or begins if that is None or counts something else. Spends no alpha."""
        assert spec.failure_condition is not None  # noqa: S101 (the spec's validator)
        signal, least = spec.counts(), max(1, spec.min_samples)
        fresh = cls(
            name=spec.name,
            signal=signal,
            condition=spec.failure_condition,
            min_samples=least,
            limit=spec.failure_limit,
            seen=Window(),
        )
        if saved is None or saved.get("of") != fresh.saved()["of"]:
            return fresh
        line, count = saved.get("readings", ["", "0"])
        return replace(
            fresh, seen=Window.restored(saved["seen"]), bad_readings=int(count) if line == spec.failure_condition else 0
        )

    def saved(self) -> Saved:
        """The counts; the condition may be edited in mid-rollout, they stay."""
        readings = [self.condition, str(self.bad_readings)]
        return {"of": ["threshold", self.signal], "seen": self.seen.saved(), "readings": readings}

    def fold(self, window: Window) -> "Threshold":
        """One window more, and a reading if it has observations of the candidate."""
        after = self._after(self.seen + window, self.bad_readings)
        return self._after(after.seen, self.bad_readings + 1) if window.candidate_n and after.past_the_line else after

    def _after(self, seen: Window, bad_readings: int) -> "Threshold":
        return Threshold(
            name=self.name,
            signal=self.signal,
            condition=self.condition,
            min_samples=self.min_samples,
            limit=self.limit,
            seen=seen,
            bad_readings=bad_readings,
        )

    def judge(self, elapsed: float | None = None) -> Evidence:
        """No evidence in the sense of the sequential tests: the e-values stay None."""
        n, word = self.seen.candidate_n, words(self.signal)
        verdict, needs = self._verdict(), max(0, self.min_samples - n)
        if n == 0:
            message = f"no candidate {word.observations} yet"
        elif needs:
            message = progress(n, needs, word.observations)
        else:
            message = f"{self._speak()} on {n:,} candidate {word.observations}; the line is {self.condition}{self._let_pass()}"
        return Evidence(
            metric=self.name,
            candidate=self.seen.candidate,
            stable=self.seen.stable,
            verdict=verdict,
            needs=None if verdict == "Inconclusive" and not needs else needs,
            message=timed(message, needs, n, elapsed),
        )

    @property
    def past_the_line(self) -> bool:
        """Whether there are enough observations, and the condition is met."""
        return self.seen.candidate_n >= self.min_samples and self._violated()

    def _verdict(self) -> Verdict:
        if self.seen.candidate_n == 0:
            return "NoData"
        if self.seen.candidate_n < self.min_samples:
            return "Inconclusive"
        past = self._violated()
        if max(self.bad_readings, past) > self.limit:  # past an edited line, before any reading
            return "Failed"
        return "Inconclusive" if past else "Successful"

    def _let_pass(self) -> str:
        return f"; {self.bad_readings:,} of the {self.limit:,} bad readings that are let pass" if self.limit else ""

    def _rate(self) -> float:
        bad = self.seen.candidate_bad / self.seen.candidate_n
        return 1 - bad if self.signal == "labels" else bad

    def _violated(self) -> bool:
        past, line = _read(self.condition)
        return past(self._rate(), line)

    def _speak(self) -> str:
        what = "accuracy" if self.signal == "labels" else f"share {words(self.signal).bad}"
        return f"{what} {self._rate():.3g}"


@lru_cache(maxsize=256)
def _read(condition: str) -> tuple[Callable[[float, float], bool], float]:
    """When a rate is past the line, and the line."""
    match = _CONDITION.match(condition)
    assert match is not None  # noqa: S101 (the spec's pattern)
    return _COMPARE[match[1]], float(match[2])
