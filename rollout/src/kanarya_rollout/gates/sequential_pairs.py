"""On requests that both versions answered: is the candidate right less often than the stable version by more than `tolerate`?
More often than it less `refuse`?

The stable version answered somebody, the candidate a copy; the label says of both whether they were right. x is 1 if the
candidate alone was, -1 if the stable version alone was, 0 otherwise, so d = E[x] is the difference of their accuracies. For a
boundary b and a bet l that is fixed beforehand,

    E[ 1 + l (x - b) ] = 1 + l (d - b) <= 1    for every d >= b where l < 0, for every d <= b where l > 0

and no factor is negative while |l| < 1 / (1 -+ b). So the product over labels is an e-process against that null, however d
changes from one label to the next within it (I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by
betting", JRSS B 86(1), 2024, arXiv 2010.09686, section 4); the gate takes the mean over a grid of bets (`mixture`). For b = 0
and l = 1 - 2 t it is (t / .5)^lost ((1 - t) / .5)^won, the likelihood ratio of a sign test on the labels that tell the versions
apart (Q. McNemar, Psychometrika 12, 1947): where both are right or both wrong, nothing is learnt and nothing is lost. That is
why pairs need so few labels: what makes a request hard is the same for both.

A bet does not depend on what was seen, so the product is a function of four counts: labels may come in any order, late, and
in any batches.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from kanarya_contracts.rollout import Evidence, GateSpec, Verdict
from kanarya_rollout.gates.gate import Saved, progress
from kanarya_rollout.gates.mixture import Thresholds, evidence, geometric, lacks, log_mean_exp
from kanarya_rollout.gates.window import Pairs

_BETS = geometric(0.05, 0.95, 8)
"""Of the largest bet that leaves something after every label."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bets:
    """A null and the bets against it, as what one label does to the logarithm of each."""

    boundary: float
    lost: tuple[float, ...]
    won: tuple[float, ...]
    same: tuple[float, ...]
    """Both right or both wrong."""

    @classmethod
    def against(cls, boundary: float) -> "Bets":
        """On the candidate being worse: the null is {d >= boundary}."""
        return cls._of(boundary, [-share / (1 - boundary) for share in _BETS])

    @classmethod
    def on(cls, boundary: float) -> "Bets":
        """On its being better: the null is {d <= boundary}."""
        return cls._of(boundary, [share / (1 + boundary) for share in _BETS])

    @classmethod
    def _of(cls, boundary: float, bets: list[float]) -> "Bets":
        lost, won, same = (tuple(math.log1p(bet * (x - boundary)) for bet in bets) for x in (-1, 1, 0))
        return cls(boundary=boundary, lost=lost, won=won, same=same)

    def logs(self, seen: Pairs) -> list[float]:
        """ln of each e-process."""
        same = seen.both + seen.neither
        return [
            seen.lost * lost + seen.won * won + same * rest
            for lost, won, rest in zip(self.lost, self.won, self.same, strict=True)
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """The test that a spec describes, without what it has seen."""

    against: Bets
    favour: Bets
    thresholds: Thresholds
    margins: tuple[str, str]
    """What counts belong to. Not alpha and beta: those may be edited in mid-rollout."""

    @staticmethod
    @lru_cache(maxsize=256)
    def of(tolerate: Decimal, refuse: Decimal, alpha: float, beta: float) -> "Law":
        """`tolerate` > `refuse`: differences of accuracy."""
        high, low = float(tolerate), float(refuse)
        return Law(
            against=Bets.against(high),
            favour=Bets.on(low),
            thresholds=Thresholds.of(alpha, beta),
            margins=(repr(high), repr(low)),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SequentialPairs:
    """See the module. `opened` makes one."""

    name: str
    law: Law
    seen: Pairs

    @classmethod
    def opened(cls, spec: GateSpec, alpha: float, saved: Mapping[str, list[str]] | None = None) -> "SequentialPairs":
        """A gate that goes on from `saved`, or begins if that is None or of other margins: margins that are chosen by looking
        at the counts would prove anything."""
        margin = spec.needed_margin()
        law = Law.of(margin.tolerate, margin.refuse, alpha, float(spec.beta))
        known = saved is not None and saved.get("of") == [spec.test, *law.margins]
        return cls(name=spec.name, law=law, seen=Pairs.restored(saved["seen"]) if saved is not None and known else Pairs())

    def saved(self) -> Saved:
        """The counts, and the margins they belong to."""
        return {"of": ["sequential-pairs", *self.law.margins], "seen": self.seen.saved()}

    def fold(self, window: Pairs) -> "SequentialPairs":
        """More labels."""
        return replace(self, seen=self.seen + window)

    def judge(self, elapsed: float | None = None) -> Evidence:
        """Refused, accepted, or neither yet."""
        return evidence(
            self.name,
            self.law.thresholds,
            against=log_mean_exp(self.law.against.logs(self.seen)),
            favour=log_mean_exp(self.law.favour.logs(self.seen)),
            candidate=self.seen.candidate,
            stable=self.seen.stable,
            lacking=self._lacking,
            message=self._message,
            elapsed=elapsed,
        )

    def _lacking(self) -> float:
        n, law, seen = self.seen.candidate_n, self.law, self.seen
        return min(
            lacks(law.thresholds.against, law.against.logs(seen), n), lacks(law.thresholds.favour, law.favour.logs(seen), n)
        )

    def _message(self, verdict: Verdict, needs: int | None) -> str:
        seen, n = self.seen, self.seen.candidate_n
        if verdict == "NoData":
            return "no label of a mirrored request has come back yet"
        if verdict == "Inconclusive":
            return progress(n, needs, "pairs")
        share = 100 * (seen.won - seen.lost) / n
        found = (
            f"of {n:,} mirrored requests with a label, the candidate alone was right on {seen.won:,} and the stable version "
            f"alone on {seen.lost:,}, {share:+.3g} points"
        )
        if verdict == "Failed":
            return f"{found}: the difference is below {self.law.against.boundary:+g}"
        return f"{found}: the difference is above {self.law.favour.boundary:+g}"
