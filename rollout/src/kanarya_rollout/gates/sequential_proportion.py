"""Is the candidate's accuracy below the stable version's by more than `tolerate`? Above it by more than `refuse`?

Labels are right or wrong; d is the difference of accuracies. Refusal needs evidence against {d >= tolerate}, acceptance
against {d <= refuse}; each is the mean of e-processes over a grid of differences (`proportions`: exact, with its proof).

A window stays open until it has labels of both versions: labels come late and in batches, one version's before the
other's. When it closes depends on how many there are and never on which are right, so the proof holds as it stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from kanarya_contracts.rollout import Evidence, GateSpec, Verdict
from kanarya_rollout.gates.gate import Saved, packed, progress, unpacked
from kanarya_rollout.gates.mixture import Thresholds, evidence, geometric, lacks, log_mean_exp
from kanarya_rollout.gates.proportions import Side, expected, increments
from kanarya_rollout.gates.window import NOTHING, Window

_POINTS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """The test that a spec describes, without what it has seen."""

    against: Side
    favour: Side
    thresholds: Thresholds
    margins: tuple[str, str]
    """What sums belong to. Not alpha and beta: those may be edited in mid-rollout."""

    @staticmethod
    @lru_cache(maxsize=256)
    def of(tolerate: Decimal, refuse: Decimal, alpha: float, beta: float) -> "Law":
        """Alternatives are denser near the margin."""
        low, high = float(refuse), float(tolerate)
        distances = geometric(min(high - low, 0.4), 0.9, _POINTS)
        return Law(
            against=Side(boundary=high, above=True, differences=tuple(high - by for by in distances)),
            favour=Side(boundary=low, above=False, differences=tuple(low + by for by in distances)),
            thresholds=Thresholds.of(alpha, beta),
            margins=(repr(high), repr(low)),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SequentialProportion:
    """See the module. `opened` makes one."""

    name: str
    law: Law
    bad: tuple[float, ...] = (0.0,) * _POINTS
    """ln of the e-process against the candidate, for each difference."""
    good: tuple[float, ...] = (0.0,) * _POINTS
    """ln of the one for it."""
    past: Window = NOTHING
    """Closed windows."""
    open: Window = NOTHING
    """The window that still lacks labels of one side; empty if none does."""

    @classmethod
    def opened(cls, spec: GateSpec, alpha: float, saved: Mapping[str, list[str]] | None = None) -> "SequentialProportion":
        """A gate that goes on from `saved`, or begins if that is None or of other margins."""
        margin = spec.needed_margin()
        law = Law.of(margin.tolerate, margin.refuse, alpha, float(spec.beta))
        if saved is None or saved.get("of") != [spec.test, *law.margins]:
            return cls(name=spec.name, law=law)
        return cls(
            name=spec.name,
            law=law,
            bad=unpacked(saved["bad"]),
            good=unpacked(saved["good"]),
            past=Window.restored(saved["past"]),
            open=Window.restored(saved["open"]),
        )

    def saved(self) -> Saved:
        """Running sums, and the margins they belong to."""
        return {
            "of": ["sequential-proportion", *self.law.margins],
            "bad": packed(self.bad),
            "good": packed(self.good),
            "past": self.past.saved(),
            "open": self.open.saved(),
        }

    def fold(self, window: Window) -> "SequentialProportion":
        """More labels. They enter the sums when both versions have some."""
        window, law, base = self.open + window, self.law, expected(self.past)
        if not (window.candidate_n and window.stable_n):
            return SequentialProportion(name=self.name, law=law, bad=self.bad, good=self.good, past=self.past, open=window)
        return SequentialProportion(
            name=self.name,
            law=law,
            bad=tuple(map(float.__add__, self.bad, increments(law.against, base, window))),
            good=tuple(map(float.__add__, self.good, increments(law.favour, base, window))),
            past=self.past + window,
        )

    def judge(self, elapsed: float | None = None) -> Evidence:
        """Refused, accepted, or neither yet."""
        seen = self.past + self.open
        return evidence(
            self.name,
            self.law.thresholds,
            against=log_mean_exp(self.bad),
            favour=log_mean_exp(self.good),
            candidate=seen.candidate,
            stable=seen.stable,
            lacking=self._lacking,
            message=self._message,
            elapsed=elapsed,
        )

    def _lacking(self) -> float:
        n, limits = self.past.candidate_n, self.law.thresholds
        return min(lacks(limits.against, self.bad, n), lacks(limits.favour, self.good, n))

    def _message(self, verdict: Verdict, needs: int | None) -> str:
        seen = self.past + self.open
        if verdict == "NoData":
            return "no candidate labels yet"
        if seen.stable_n == 0:
            return f"{seen.candidate_n:,} candidate labels, none of the stable version to compare with"
        if verdict == "Inconclusive":
            return progress(seen.candidate_n, needs, "labels")
        rates = (
            f"right on {100 - 100 * seen.candidate_bad / seen.candidate_n:.3g}% of {seen.candidate_n:,} candidate labels, "
            f"{100 - 100 * seen.stable_bad / seen.stable_n:.3g}% of {seen.stable_n:,} of the stable version's"
        )
        if verdict == "Failed":
            return f"{rates}: the difference is below {self.law.against.boundary:+g}"
        return f"{rates}: the difference is above {self.law.favour.boundary:+g}"
