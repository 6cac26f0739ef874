"""Is the split that was asked for the split that happens? Blocks a promotion on evidence from a split that was not real; it
never refuses a candidate, whose fault it is not.

Requests go to the candidate with chance w, the weight that the gateway says it has. For x of n at that weight

    ln E = ln B(k w + x, k (1 - w) + n - x) - ln B(k w, k (1 - w)) - x ln w - (n - x) ln(1 - w),      k = 100

the beta-binomial mixture of M. Lindon, A. Malek, "Anytime-Valid Inference for Multinomial Count Data" (NeurIPS 2022, arXiv
2011.03567), section 3, with its mass around w. It is an e-process while the split is right, and begins anew with every weight:
the i-th counts 1 / (i (i + 1)) of the whole, which sum to 1, and what belongs to weights to come stands by as 1. At 1/alpha the
split is not believed.

Requests that may have been sent at another weight are not counted: a window without a weight changes nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kanarya_contracts.rollout import Evidence, GateSpec, Tally, Verdict
from kanarya_rollout.gates.gate import Saved, packed, progress, timed, unpacked
from kanarya_rollout.gates.mixture import log_mean_exp, shown
from kanarya_rollout.gates.window import Split

_WHOLE = 100

_CONCENTRATION = 100.0
"""k: alternatives to w = 0.1 have a standard deviation of 0.03."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRatio:
    """See the module. `opened` makes one."""

    name: str
    min_samples: int
    """At least 1."""
    threshold: float
    """ln(1/alpha)."""
    place: int = 0
    """Which weight this is, from 1; 0 before the first."""
    weight: int = 0
    of: int = 100
    """What the weight is a part of: the percent that both versions have together."""
    candidate_n: int = 0
    """At this weight."""
    stable_n: int = 0
    """At this weight."""
    earlier: float = -math.inf
    """ln of what the weights before this one add to E."""
    seen: tuple[int, int] = (0, 0)
    """Everything that was counted, of candidate and stable version."""
    observations: str = "requests"
    """What is split."""

    @classmethod
    def opened(cls, spec: GateSpec, alpha: float, saved: Mapping[str, list[str]] | None = None) -> "SampleRatio":
        """A gate that goes on from `saved`, or begins if that is None."""
        return cls.continued(name=spec.name, min_samples=max(1, spec.min_samples), threshold=-math.log(alpha), saved=saved)

    @classmethod
    def continued(
        cls,
        *,
        name: str,
        min_samples: int,
        threshold: float,
        saved: Mapping[str, list[str]] | None,
        observations: str = "requests",
    ) -> "SampleRatio":
        """The same, for whoever looks at a split without a spec."""
        begun = cls(name=name, min_samples=min_samples, threshold=threshold, observations=observations)
        if saved is None or saved.get("of") != ["sample-ratio"]:
            return begun
        place, weight, candidate_n, stable_n, all_candidate, all_stable = map(int, saved["counts"])
        (of,) = map(int, saved.get("parts-of", ("100",)))
        return replace(
            begun,
            of=of,
            place=place,
            weight=weight,
            candidate_n=candidate_n,
            stable_n=stable_n,
            earlier=unpacked(saved["earlier"])[0],
            seen=(all_candidate, all_stable),
        )

    def saved(self) -> Saved:
        """Counts at this weight, and what the ones before left."""
        counts = (self.place, self.weight, self.candidate_n, self.stable_n, *self.seen)
        return {
            "of": ["sample-ratio"],
            "counts": list(map(str, counts)),
            **({} if self.of == _WHOLE else {"parts-of": [str(self.of)]}),
            "earlier": packed([self.earlier]),
        }

    def fold(self, window: Split) -> "SampleRatio":
        """One window more; it counts if it has a weight."""
        weight, of = window.weight, window.of
        if weight is None or not 0 < weight < of:
            return self
        here = self
        if (weight, of) != (self.weight, self.of):
            earlier = _log_sum(self.earlier, self._part())
            here = replace(self, place=self.place + 1, weight=weight, of=of, candidate_n=0, stable_n=0, earlier=earlier)
        return replace(
            here,
            candidate_n=here.candidate_n + window.candidate_n,
            stable_n=here.stable_n + window.stable_n,
            seen=(here.seen[0] + window.candidate_n, here.seen[1] + window.stable_n),
        )

    def _part(self) -> float:
        """ln of what this weight adds to E."""
        return self._log_here() - math.log(self.place * (self.place + 1)) if self.place else -math.inf

    def _log_here(self) -> float:
        share, x, rest = self.weight / self.of, self.candidate_n, self.stable_n
        a, b = _CONCENTRATION * share, _CONCENTRATION * (1 - share)
        return _log_beta(a + x, b + rest) - _log_beta(a, b) - x * math.log(share) - rest * math.log(1 - share)

    @property
    def log_e(self) -> float:
        """ln of the evidence against the split."""
        return _log_sum(self.earlier, self._part(), -math.log(self.place + 1))

    @property
    def believed(self) -> bool:
        """Whether the split that happened may be the one that was asked for."""
        return self.log_e < self.threshold

    def judge(self, elapsed: float | None = None) -> Evidence:
        """Successful unless the split is not believed; then Inconclusive, which holds and refuses nobody."""
        verdict, message = self._verdict()
        needs = max(0, self.min_samples - self.seen[0])
        return Evidence(
            metric=self.name,
            candidate=Tally(n=self.seen[0]),
            stable=Tally(n=self.seen[1]),
            log_e=shown(self.log_e),
            threshold=shown(self.threshold),
            verdict=verdict,
            needs=needs,
            message=timed(message, needs, self.seen[0], elapsed),
        )

    def _verdict(self) -> tuple[Verdict, str]:
        if not any(self.seen):
            return "NoData", f"no {self.observations} at a settled weight yet"
        if not self.believed:
            return "Inconclusive", f"{self.spoken}: not the split that was asked for, so nothing is promoted on it"
        if self.seen[0] < self.min_samples:
            return "Inconclusive", progress(self.seen[0], self.min_samples - self.seen[0], self.observations)
        return "Successful", f"{self.spoken}, as asked for"

    @property
    def spoken(self) -> str:
        """The present weight's split, in words."""
        total = self.candidate_n + self.stable_n
        got = 100 * self.candidate_n / total if total else 0.0
        asked = f"weight {self.weight}" if self.of == _WHOLE else f"{self.weight} of {self.of} parts"
        return f"{got:.3g}% of {total:,} {self.observations} went to the candidate at {asked}"


def _log_sum(*logs: float) -> float:
    return log_mean_exp(logs) + math.log(len(logs))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
