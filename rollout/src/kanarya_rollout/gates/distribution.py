"""Has any class's share of the candidate's predictions moved by more than `tolerate`? Have all moved by less than `refuse`?

d_j is the difference of class j's shares in the two versions' predictions, in the same windows; one class against the rest is
a proportion. Refusal needs evidence against "every |d_j| <= tolerate": for each class and each direction the e-process of
`proportions`, and their weighted mean. Weights are 1 / (j (j + 1)) in the order in which classes are first seen, which sum to
1; what belongs to classes not seen yet stands by as 1. So it is one e-process for multinomial counts however many classes
there turn out to be (the mean of e-processes is one: see `mixture`). Acceptance needs evidence against "some |d_j| >= refuse":
each class must have it, in both directions, so the least of them is what counts and no correction is needed (R. Berger,
"Multiparameter hypothesis testing and acceptance sampling", Technometrics 24, 1982: intersection-union tests).

A class that is new begins with the window after: to begin with the one that it appears in would be to choose by looking. A
server that has its classes from the start, at 0, loses nothing by that.

A change of `tolerate` that is too small to matter never refuses, however many requests there are; a test of equality would.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from kanarya_contracts.rollout import Evidence, GateSpec, Tally, Verdict
from kanarya_rollout.gates.gate import Saved, packed, progress, unpacked
from kanarya_rollout.gates.mixture import Thresholds, evidence, geometric, lacks, log_mean_exp
from kanarya_rollout.gates.proportions import Side, expected, increments
from kanarya_rollout.gates.window import NOTHING, Classes, Window

_POINTS = 4
"""Alternatives in one direction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """The test that a spec describes, without what it has seen."""

    against: tuple[Side, Side]
    """Shares that rose, shares that fell, by more than `tolerate`."""
    favour: tuple[Side, Side]
    """Shares that rose by less than `refuse`, fell by less."""
    thresholds: Thresholds
    margins: tuple[str, str]
    """What sums belong to. Not alpha and beta: those may be edited in mid-rollout."""

    @staticmethod
    @lru_cache(maxsize=256)
    def of(tolerate: Decimal, refuse: Decimal, alpha: float, beta: float) -> "Law":
        """Alternatives are denser near the margin; those that accept reach to no difference."""
        low, high = float(tolerate), float(refuse)
        moved = geometric(high - low, max(0.6, high), _POINTS)
        still = geometric((high - low) / 2, high, _POINTS)
        return Law(
            against=(
                Side(boundary=low, above=False, differences=tuple(low + by for by in moved)),
                Side(boundary=-low, above=True, differences=tuple(-low - by for by in moved)),
            ),
            favour=(
                Side(boundary=high, above=True, differences=tuple(high - by for by in still)),
                Side(boundary=-high, above=False, differences=tuple(-high + by for by in still)),
            ),
            thresholds=Thresholds.of(alpha, beta),
            margins=(repr(low), repr(high)),
        )


Terms = tuple[tuple[float, ...], tuple[float, ...]]
"""ln of each alternative's e-process, in both directions."""

_FRESH: Terms = ((0.0,) * _POINTS, (0.0,) * _POINTS)


@dataclass(frozen=True, kw_only=True, slots=True)
class OneClass:
    """One class against the rest."""

    past: Window = NOTHING
    """Its rows are the good ones."""
    bad: Terms = _FRESH
    good: Terms = _FRESH

    def fold(self, law: Law, window: Window) -> "OneClass":
        """One window more, with rows of both versions."""
        base = expected(self.past)

        def grown(terms: Terms, sides: tuple[Side, Side]) -> Terms:
            first, second = (
                tuple(map(float.__add__, logs, increments(side, base, window))) for logs, side in zip(terms, sides, strict=True)
            )
            return first, second

        return OneClass(past=self.past + window, bad=grown(self.bad, law.against), good=grown(self.good, law.favour))

    @property
    def log_bad(self) -> float:
        """Evidence that its share moved, either way."""
        return log_mean_exp(self.bad[0] + self.bad[1])

    @property
    def log_good(self) -> float:
        """Evidence that it did not, in the direction that has less of it."""
        return min(map(log_mean_exp, self.good))


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """See the module. `opened` makes one."""

    name: str
    law: Law
    classes: Mapping[str, OneClass]
    """In the order in which they were first seen."""
    open: Classes
    """Rows of one version that wait for the other's."""

    @classmethod
    def opened(cls, spec: GateSpec, alpha: float, saved: Mapping[str, list[str]] | None = None) -> "Distribution":
        """A gate that goes on from `saved`, or begins if that is None or of other margins."""
        margin = spec.needed_margin()
        law = Law.of(margin.tolerate, margin.refuse, alpha, float(spec.beta))
        if saved is None or saved.get("of") != [spec.test, *law.margins]:
            return cls(name=spec.name, law=law, classes={}, open=Classes(candidate={}, stable={}))
        names, sums = saved["classes"], unpacked(saved["sums"])
        each = 4 * _POINTS
        classes = {
            name: OneClass(
                past=Window.restored(saved["past"][4 * index : 4 * index + 4]),
                bad=_halves(sums[each * index : each * index + each // 2]),
                good=_halves(sums[each * index + each // 2 : each * (index + 1)]),
            )
            for index, name in enumerate(names)
        }
        waits, counts = saved["waiting"], list(map(int, saved["open"]))
        waiting = Classes(
            candidate=dict(zip(waits, counts[: len(waits)], strict=True)),
            stable=dict(zip(waits, counts[len(waits) :], strict=True)),
        )
        return cls(name=spec.name, law=law, classes=classes, open=waiting)

    def saved(self) -> Saved:
        """Running sums, and the margins they belong to."""
        each, waits = self.classes.values(), sorted(self.open.candidate.keys() | self.open.stable.keys())
        return {
            "of": ["distribution", *self.law.margins],
            "classes": list(self.classes),
            "past": [count for one in each for count in one.past.saved()],
            "sums": packed(log for one in each for terms in (*one.bad, *one.good) for log in terms),
            "waiting": waits,
            "open": [str(side.get(name, 0)) for side in (self.open.candidate, self.open.stable) for name in waits],
        }

    def fold(self, window: Classes) -> "Distribution":
        """More predictions. They enter the sums when both versions have some."""
        window = Classes(candidate=_sum(self.open.candidate, window.candidate), stable=_sum(self.open.stable, window.stable))
        rows = [any(window.candidate.values()), any(window.stable.values())]
        if any(rows) and not all(rows):
            return Distribution(name=self.name, law=self.law, classes=self.classes, open=window)
        classes = dict(self.classes)
        if any(rows):
            classes = {name: one.fold(self.law, window.against_rest(name)) for name, one in classes.items()}
        for name in sorted((window.candidate.keys() | window.stable.keys()) - classes.keys()):
            classes[name] = OneClass()
        return Distribution(name=self.name, law=self.law, classes=classes, open=Classes(candidate={}, stable={}))

    def judge(self, elapsed: float | None = None) -> Evidence:
        """Refused, accepted, or neither yet."""
        each = list(self.classes.values())
        past = each[0].past if each else NOTHING
        return evidence(
            self.name,
            self.law.thresholds,
            against=self._against(each),
            favour=min((one.log_good for one in each), default=0.0),
            candidate=Tally(n=past.candidate_n + self.open.candidate_n),
            stable=Tally(n=past.stable_n + sum(self.open.stable.values())),
            lacking=self._lacking,
            message=self._message,
            elapsed=elapsed,
        )

    @staticmethod
    def _against(each: Sequence[OneClass]) -> float:
        """The weighted mean over classes, those that were not seen yet counting 1."""
        parts = [one.log_bad - math.log(place * (place + 1)) for place, one in enumerate(each, 1)]
        parts.append(-math.log(len(each) + 1))
        return log_mean_exp(parts) + math.log(len(parts))

    def _lacking(self) -> float:
        each, limits = list(self.classes.values()), self.law.thresholds
        if not each:
            return math.inf
        n = each[0].past.candidate_n
        refused = min(
            lacks(limits.against + math.log(place * (place + 1)), one.bad[0] + one.bad[1], n)
            for place, one in enumerate(each, 1)
        )
        return min(refused, max(lacks(limits.favour, terms, n) for one in each for terms in one.good))

    def _message(self, verdict: Verdict, needs: int | None) -> str:
        if verdict == "NoData":
            return "no candidate predictions yet"
        rows = next(iter(self.classes.values()), OneClass()).past
        if rows.stable_n == 0:
            return f"{self.open.candidate_n:,} candidate predictions, none of the stable version to compare with"
        if verdict == "Inconclusive":
            return progress(rows.candidate_n, needs, "predictions")
        name, candidate, stable = max(
            ((name, *_shares(one.past)) for name, one in self.classes.items() if one.past), key=_moved
        )
        most = f"class {name} is {100 * candidate:.3g}% of {rows.candidate_n:,} candidate predictions, {100 * stable:.3g}% of "
        most += f"{rows.stable_n:,} of the stable version's"
        if verdict == "Failed":
            return f"{most}: moved by more than {self.law.margins[0]}"
        return f"{most}, and no class moved by {self.law.margins[1]}"


def _shares(past: Window) -> tuple[float, float]:
    return 1 - past.candidate_bad / past.candidate_n, 1 - past.stable_bad / past.stable_n


def _moved(shares: tuple[str, float, float]) -> float:
    return abs(shares[1] - shares[2])


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in [*one, *(name for name in other if name not in one)]}


def _halves(logs: tuple[float, ...]) -> Terms:
    return logs[: len(logs) // 2], logs[len(logs) // 2 :]
