"""Is the candidate's own rate past a fixed line? An absolute guard, and no test.

The rate is bad / n over the whole rollout; for labels it is the accuracy, right / n, as in `sequential_proportion`. With
`minSamples` observations (at least one) the condition decides: met, the gate is Failed; not met, Successful. It judges the
environment together with the model and knows no error probability, so it stands beside the sequential tests and not in
their place (shared incidents and peeking: R. Johari, L. Pekelis, D. Walsh, "Always Valid Inference", arXiv 1512.04922,
section 1). Source of the form: `failureCondition` of Argo Rollouts' AnalysisTemplate.
"""

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kanarya_contracts.rollout import Evidence, GateSpec, Signal, Verdict
from kanarya_rollout.gates.gate import Saved, progress, timed, words
from kanarya_rollout.gates.window import Window

_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
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
    seen: Window

    @classmethod
    def opened(cls, spec: GateSpec, alpha: float, saved: Mapping[str, list[str]] | None = None) -> "Threshold":  # noqa: ARG003
        """A gate that goes on from `saved`, or begins if that is None or counts something else. Spends no alpha."""
        assert spec.failure_condition is not None  # noqa: S101 (the spec's validator)
        signal, least = spec.counts(), max(1, spec.min_samples)
        fresh = cls(name=spec.name, signal=signal, condition=spec.failure_condition, min_samples=least, seen=Window())
        if saved is None or saved.get("of") != fresh.saved()["of"]:
            return fresh
        return replace(fresh, seen=Window.restored(saved["seen"]))

    def saved(self) -> Saved:
        """The counts; the condition may be edited in mid-rollout, they stay."""
        return {"of": ["threshold", self.signal], "seen": self.seen.saved()}

    def fold(self, window: Window) -> "Threshold":
        """One window more."""
        return replace(self, seen=self.seen + window)

    def judge(self, elapsed: float | None = None) -> Evidence:
        """No evidence in the sense of the sequential tests: the e-values stay None."""
        n, word = self.seen.candidate_n, words(self.signal)
        if n == 0:
            verdict: Verdict = "NoData"
            message = f"no candidate {word.observations} yet"
        elif n < self.min_samples:
            verdict = "Inconclusive"
            message = progress(n, self.min_samples - n, word.observations)
        else:
            verdict = "Failed" if self._violated() else "Successful"
            message = f"{self._speak()} on {n:,} candidate {word.observations}; the line is {self.condition}"
        needs = 0 if verdict in {"Failed", "Successful"} else max(0, self.min_samples - n)
        return Evidence(
            metric=self.name,
            candidate=self.seen.candidate,
            stable=self.seen.stable,
            verdict=verdict,
            needs=needs,
            message=timed(message, needs, n, elapsed),
        )

    def _rate(self) -> float:
        bad = self.seen.candidate_bad / self.seen.candidate_n
        return 1 - bad if self.signal == "labels" else bad

    def _violated(self) -> bool:
        match = _CONDITION.match(self.condition)
        assert match is not None  # noqa: S101 (the spec's pattern)
        return bool(_COMPARE[match[1]](self._rate(), float(match[2])))

    def _speak(self) -> str:
        what = "accuracy" if self.signal == "labels" else f"share {words(self.signal).bad}"
        return f"{what} {self._rate():.3g}"
