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
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from kanarya_contracts.rollout import Evidence, GateSpec, Signal, Verdict
from kanarya_rollout.gates.gate import Saved, packed, progress, unpacked, words
from kanarya_rollout.gates.mixture import Thresholds, evidence, geometric, lacks, log_mean_exp, missing
from kanarya_rollout.gates.window import Window

OWN = ((0.0, 0.5), (0.125, 0.125), (0.25, 0.125), (0.5, 0.25))
"""(q / p0, weight). Half rests on a candidate that never fails: the case that `negligible` is for."""
_OWN_WEIGHTS = tuple(math.log(weight * len(OWN)) for _, weight in OWN)
_OWN_SHARES = tuple(math.log(weight) for _, weight in OWN)
_LN_2 = math.log(2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A null, and the ratios that speak against it."""

    null: float
    ratios: tuple[float, ...]
    logs: tuple[float, ...]
    """ln(ratio / null)."""

    @classmethod
    def of(cls, null: float, ratios: tuple[float, ...]) -> "Grid":
        """These ratios against that null."""
        return cls(null=null, ratios=ratios, logs=tuple(math.log(ratio / null) for ratio in ratios))

    def add(self, sums: tuple[float, ...], window: Window) -> tuple[float, ...]:
        """The sums with ln of each ratio's likelihood over the null's for one window."""
        n_c, n_s, e_c = window.candidate_n, window.stable_n, window.candidate_bad
        events, ln = e_c + window.stable_bad, math.log
        base = events * ln(self.null * n_c + n_s)
        return tuple(
            [
                total + e_c * log - events * ln(ratio * n_c + n_s) + base
                for total, ratio, log in zip(sums, self.ratios, self.logs, strict=True)
            ]
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """The test that a spec describes, without what it has seen."""

    worse: Grid
    better: Grid
    negligible: float | None
    own: tuple[tuple[float, float], ...]
    """What each term of E_own gains, in logarithms, by a bad observation and by a good one; none without `negligible`."""
    thresholds: Thresholds
    margins: tuple[str, str]
    """What sums belong to. Not alpha, beta and `negligible`: those may be edited in mid-rollout."""

    @staticmethod
    @lru_cache(maxsize=256)
    def of(tolerate: Decimal, refuse: Decimal, negligible: Decimal | None, alpha: float, beta: float) -> "Law":
        """Two grids: ratios above `tolerate`, and below `refuse`."""
        low, high = float(tolerate), float(refuse)
        return Law(
            worse=Grid.of(low, geometric(1.25 * low, max(100.0, 12.5 * low), 24)),
            better=Grid.of(high, geometric(min(0.3, 0.15 * high), 0.75 * high, 16)),
            negligible=None if negligible is None else float(negligible),
            own=() if negligible is None else tuple(_gains(float(negligible))),
            thresholds=Thresholds.of(alpha, beta),
            margins=(repr(low), repr(high)),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SequentialRatio:
    """See the module. `opened` makes one."""

    name: str
    signal: Signal
    law: Law
    bad: tuple[float, ...]
    """ln of each term of E_bad."""
    good: tuple[float, ...]
    """ln of each term of E_good."""
    log_bad: float
    """ln of E_bad. It and `log_good` follow from the terms, which most windows of a good model leave as they are."""
    log_good: float
    """ln of E_good."""
    seen: Window
    """Everything, windows that had no observation of one side included."""

    @classmethod
    def opened(cls, spec: GateSpec, alpha: float, saved: Mapping[str, list[str]] | None = None) -> "SequentialRatio":
        """A gate that goes on from `saved`, or begins if that is None or of other margins."""
        margin, signal = spec.needed_margin(), spec.counts()
        law = Law.of(margin.tolerate, margin.refuse, margin.negligible, alpha, float(spec.beta))
        if saved is None or saved.get("of") != [spec.test, signal, *law.margins]:
            zeros = ((0.0,) * len(law.worse.ratios), (0.0,) * len(law.better.ratios))
            return cls(
                name=spec.name, signal=signal, law=law, bad=zeros[0], good=zeros[1], log_bad=0.0, log_good=0.0, seen=Window()
            )
        bad, good, seen = unpacked(saved["bad"]), unpacked(saved["good"]), Window.restored(saved["seen"])
        logs = (log_mean_exp(bad), log_mean_exp(good))
        return cls(name=spec.name, signal=signal, law=law, bad=bad, good=good, log_bad=logs[0], log_good=logs[1], seen=seen)

    def saved(self) -> Saved:
        """Running sums, and the margins they belong to."""
        of = ["sequential-ratio", self.signal, *self.law.margins]
        return {"of": of, "bad": packed(self.bad), "good": packed(self.good), "seen": self.seen.saved()}

    def fold(self, window: Window) -> "SequentialRatio":
        """One window more. A window without both versions, or without a bad event, says nothing about the ratio."""
        seen = self.seen + window
        bad, good, log_bad, log_good = self.bad, self.good, self.log_bad, self.log_good
        if window.candidate_n and window.stable_n and window.candidate_bad + window.stable_bad:
            bad, good = self.law.worse.add(bad, window), self.law.better.add(good, window)
            log_bad, log_good = log_mean_exp(bad), log_mean_exp(good)
        return SequentialRatio(
            name=self.name, signal=self.signal, law=self.law, bad=bad, good=good, log_bad=log_bad, log_good=log_good, seen=seen
        )

    def judge(self, elapsed: float | None = None) -> Evidence:
        """Refused, accepted, or neither yet."""
        own = self._own()
        return evidence(
            self.name,
            self.law.thresholds,
            against=self.log_bad,
            favour=self._log_favour(own),
            candidate=self.seen.candidate,
            stable=self.seen.stable,
            lacking=lambda: self._lacking(own),
            message=self._message,
            elapsed=elapsed,
        )

    def _own(self) -> list[float]:
        """ln of each term of E_own, without its weight; none without `negligible`."""
        bad, good = self.seen.candidate_bad, self.seen.candidate_n - self.seen.candidate_bad
        return [(bad * log if bad else 0.0) + good * gain for log, gain in self.law.own]

    def _log_favour(self, own: list[float]) -> float:
        if not own:
            return self.log_good
        return log_mean_exp(
            (self.log_good, log_mean_exp([log + weight for log, weight in zip(own, _OWN_WEIGHTS, strict=True)]))
        )

    def _lacking(self, own: list[float]) -> float:
        n, limits = self.seen.candidate_n, self.law.thresholds
        against = lacks(limits.against, self.bad, n)
        if not own:
            return min(against, lacks(limits.favour, self.good, n))
        halved = limits.favour + _LN_2
        each = [missing(halved - weight, log, n) for log, weight in zip(own, _OWN_SHARES, strict=True)]
        return min(against, lacks(halved, self.good, n), *each)

    def _message(self, verdict: Verdict, needs: int | None) -> str:
        word, seen, law = words(self.signal), self.seen, self.law
        if verdict == "NoData":
            return f"no candidate {word.observations} yet"
        if verdict == "Inconclusive":
            if not seen.candidate_bad + seen.stable_bad and law.negligible is None:
                return (
                    f"nothing {word.bad} on either side in {seen.candidate_n:,} candidate {word.observations}, "
                    "and a ratio of nothing can never conclude; set margin.negligible to the rate that is low enough"
                )
            return progress(seen.candidate_n, needs, word.observations)
        rates = (
            f"{_share(seen.candidate_bad, seen.candidate_n)} of {seen.candidate_n:,} candidate {word.observations} {word.bad}"
        )
        if seen.stable_n:
            rates += f", {_share(seen.stable_bad, seen.stable_n)} of {seen.stable_n:,} of the stable version's"
        if verdict == "Failed":
            return f"{rates}: more than {law.worse.null:g} times as many"
        either = "" if law.negligible is None else f", or fewer than {100 * law.negligible:g}% in any case"
        return f"{rates}: less than {law.better.null:g} times as many{either}"


def _gains(p0: float) -> Iterator[tuple[float, float]]:
    for share, _ in OWN:
        yield math.log(share) if share else -math.inf, math.log1p(-share * p0) - math.log1p(-p0)


def _share(bad: int, n: int) -> str:
    return f"{100 * bad / n:.3g}%"
