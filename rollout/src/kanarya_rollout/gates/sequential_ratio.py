"""Is the candidate's rate of bad events more than `tolerate` times the stable version's? Less than `refuse` times?

Conditional-binomial mixture e-process. In a window with n_c and n_s observations, e_c and e_s of them bad, and L the ratio
of the rates, e_c given e_c + e_s is binomial with theta(L) = L n_c / (L n_c + n_s) when bad events are rare; swings of the
base rate that both versions share cancel. For ratios g above `tolerate` = L0

    E_bad = mean over g of  prod over windows of  [theta(g) / theta(L0)]^e_c  [(1 - theta(g)) / (1 - theta(L0))]^e_s

The likelihood ratio is monotone in e_c, so E_bad is an e-process for every L <= L0: at 1/alpha the candidate is refused.
E_good is its mirror image with ratios below `refuse` = L1. Form and grids: M. Lindon, D. Sanden, V. Shirikian, "Rapid
Regression Detection in Software Deployments through Sequential Testing", KDD 2022 (arXiv 2205.14762), section 4, for
counts; conditioning on the sum as in M. Lindon, A. Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS
2022 (arXiv 2011.03567).

Two versions that never fail have no ratio. With `negligible` = p0 the candidate's own n and bad also make

    E_own = weighted mean over q < p0 of  (q / p0)^bad  [(1 - q) / (1 - p0)]^(n - bad)

an e-process for every rate >= p0, whatever the rates were in each window. A candidate is acceptable if its ratio is below
L1 or its rate below p0; under "neither", E_good and E_own are both e-processes and so is their mean, which accepts at 1/beta.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from kanarya_contracts.rollout import Evidence, Signal, Verdict
from kanarya_rollout.gates.gate import Saved, Window, floats, progress, words
from kanarya_rollout.gates.mixture import geometric, log_mean_exp, remaining

_OWN = ((0.0, 0.5), (0.125, 0.125), (0.25, 0.125), (0.5, 0.25))
"""(q / p0, weight). Half rests on a candidate that never fails: the case that `negligible` is for."""


@lru_cache(maxsize=256)
def _ratios(tolerate: float, refuse: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Alternatives to "at most tolerate" and to "at least refuse"."""
    worse = geometric(1.25 * tolerate, max(100.0, 12.5 * tolerate), 24)
    better = geometric(min(0.3, 0.15 * refuse), 0.75 * refuse, 16)
    return worse, better


@dataclass(frozen=True, kw_only=True, slots=True)
class SequentialRatio:
    """See the module. `opened` makes one."""

    name: str
    signal: Signal
    tolerate: float
    refuse: float
    negligible: float | None
    threshold: float
    """ln(1/alpha)."""
    threshold_good: float
    """ln(1/beta)."""
    bad: tuple[float, ...]
    """ln of each term of E_bad."""
    good: tuple[float, ...]
    """ln of each term of E_good."""
    seen: Window
    """Everything, windows that had no observation of one side included."""

    @classmethod
    def opened(
        cls,
        name: str,
        *,
        signal: Signal,
        tolerate: Decimal,
        refuse: Decimal,
        negligible: Decimal | None,
        alpha: float,
        beta: float,
        saved: Mapping[str, list[str]] | None = None,
    ) -> "SequentialRatio":
        """A gate that goes on from `saved`, or begins if that is None or of other margins."""
        worse, better = _ratios(float(tolerate), float(refuse))
        fresh = cls(
            name=name,
            signal=signal,
            tolerate=float(tolerate),
            refuse=float(refuse),
            negligible=None if negligible is None else float(negligible),
            threshold=-math.log(alpha),
            threshold_good=-math.log(beta),
            bad=(0.0,) * len(worse),
            good=(0.0,) * len(better),
            seen=Window(),
        )
        if saved is None or saved.get("of") != fresh.saved()["of"]:
            return fresh
        return replace(fresh, bad=floats(saved, "bad"), good=floats(saved, "good"), seen=Window.restored(saved["seen"]))

    def saved(self) -> Saved:
        """Running sums, and the margins they belong to."""
        return {
            "of": ["sequential-ratio", self.signal, repr(self.tolerate), repr(self.refuse)],
            "bad": list(map(repr, self.bad)),
            "good": list(map(repr, self.good)),
            "seen": self.seen.saved(),
        }

    def fold(self, window: Window) -> "SequentialRatio":
        """One window more. A window without both versions, or without a bad event, says nothing about the ratio."""
        seen = self.seen + window
        if not (window.candidate_n and window.stable_n and window.candidate_bad + window.stable_bad):
            return replace(self, seen=seen)
        worse, better = _ratios(self.tolerate, self.refuse)
        return replace(
            self,
            seen=seen,
            bad=tuple(map(float.__add__, self.bad, _increments(worse, self.tolerate, window))),
            good=tuple(map(float.__add__, self.good, _increments(better, self.refuse, window))),
        )

    def judge(self) -> Evidence:
        """Refusal first: it is the safe side."""
        against, favour = log_mean_exp(self.bad), self._log_favour()
        verdict: Verdict = "Inconclusive"
        if self.seen.candidate_n == 0:
            verdict = "NoData"
        elif against >= self.threshold:
            verdict = "Failed"
        elif favour >= self.threshold_good:
            verdict = "Successful"
        needs = 0 if verdict in {"Failed", "Successful"} else self._needs()
        return Evidence(
            metric=self.name,
            candidate=self.seen.candidate,
            stable=self.seen.stable,
            log_e=_rounded(against),
            log_e_good=_rounded(favour),
            threshold=_rounded(self.threshold),
            threshold_good=_rounded(self.threshold_good),
            verdict=verdict,
            needs=needs,
            message=self._message(verdict, needs),
        )

    def _log_favour(self) -> float:
        ratio = log_mean_exp(self.good)
        if self.negligible is None:
            return ratio
        own = [log + math.log(weight * len(_OWN)) for log, weight in self._own_terms(self.negligible)]
        return log_mean_exp((ratio, log_mean_exp(own)))

    def _own_terms(self, p0: float) -> Iterator[tuple[float, float]]:
        """ln of each term of E_own, with its weight."""
        good = self.seen.candidate_n - self.seen.candidate_bad
        for share, weight in _OWN:
            if share == 0 and self.seen.candidate_bad:
                yield -math.inf, weight
            else:
                bad = self.seen.candidate_bad * math.log(share) if self.seen.candidate_bad else 0.0
                yield bad + good * (math.log1p(-share * p0) - math.log1p(-p0)), weight

    def _needs(self) -> int | None:
        """At the rates seen so far. None without observations, or where no sum is growing."""
        if self.seen.candidate_n == 0:
            return None
        rate = self.seen.candidate_bad / self.seen.candidate_n
        return remaining([*self._ratio_paths(rate), *self._own_paths(rate)])

    def _ratio_paths(self, rate: float) -> Iterator[tuple[float, float]]:
        """What each ratio's sum lacks, and gains for a candidate observation and the stable ones that come with it."""
        others, events = self.seen.stable_n / self.seen.candidate_n, self.seen.stable_bad / self.seen.candidate_n
        if others == 0 or rate + events == 0:
            return
        worse, better = _ratios(self.tolerate, self.refuse)
        halved = math.log(2) if self.negligible is not None else 0.0
        for ratios, null, sums, threshold in (
            (worse, self.tolerate, self.bad, self.threshold),
            (better, self.refuse, self.good, self.threshold_good + halved),
        ):
            for ratio, log in zip(ratios, sums, strict=True):
                gains = rate * math.log(ratio / null) - (rate + events) * math.log((ratio + others) / (null + others))
                yield threshold + math.log(len(ratios)) - log, gains

    def _own_paths(self, rate: float) -> Iterator[tuple[float, float]]:
        if self.negligible is None:
            return
        for (log, weight), (share, _) in zip(self._own_terms(self.negligible), _OWN, strict=True):
            if log > -math.inf:
                gains = (rate * math.log(share) if rate else 0.0) + (1 - rate) * (
                    math.log1p(-share * self.negligible) - math.log1p(-self.negligible)
                )
                yield self.threshold_good + math.log(2 / weight) - log, gains

    def _message(self, verdict: Verdict, needs: int | None) -> str:
        word, seen = words(self.signal), self.seen
        if verdict == "NoData":
            return f"no candidate {word.observations} yet"
        rates = (
            f"{_share(seen.candidate_bad, seen.candidate_n)} of {seen.candidate_n:,} candidate {word.observations} {word.bad}"
        )
        if seen.stable_n:
            rates += f", {_share(seen.stable_bad, seen.stable_n)} of {seen.stable_n:,} of the stable version's"
        if verdict == "Failed":
            return f"{rates}: more than {self.tolerate:g} times as many"
        if verdict == "Successful":
            either = "" if self.negligible is None else f", or fewer than {100 * self.negligible:g}% in any case"
            return f"{rates}: less than {self.refuse:g} times as many{either}"
        if not seen.candidate_bad + seen.stable_bad and self.negligible is None:
            return (
                f"nothing {word.bad} on either side in {seen.candidate_n:,} candidate {word.observations}, "
                "and a ratio of nothing can never conclude; set margin.negligible to the rate that is low enough"
            )
        return progress(seen.candidate_n, needs, word.observations)


def _increments(ratios: tuple[float, ...], null: float, window: Window) -> Iterator[float]:
    """ln of each ratio's likelihood over the null's for one window."""
    n_c, n_s, events = window.candidate_n, window.stable_n, window.candidate_bad + window.stable_bad
    base = null * n_c + n_s
    for ratio in ratios:
        yield window.candidate_bad * math.log(ratio / null) - events * math.log((ratio * n_c + n_s) / base)


def _rounded(log: float) -> Decimal:
    return Decimal(f"{log:.4f}")


def _share(bad: int, n: int) -> str:
    return f"{100 * bad / n:.3g}%"
