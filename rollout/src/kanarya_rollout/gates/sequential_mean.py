"""Is the candidate's mean score below the stable version's by more than `tolerate`? Above it by more than `refuse`?

1 is the best score, whichever way they were counted. Against the candidate and for it one e-process each, the mean over a
grid of gaps of the e-variables in `means`: exact for scores between bounds that are stated beforehand.

A window stays open until it has scores of both versions. Scores outside their bounds void all this: the gate then says so,
and neither refuses nor accepts any more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from kanarya_contracts.rollout import Evidence, GateSpec, ScoreBounds, Tally, Verdict
from kanarya_rollout.gates.gate import Saved, packed, progress, unpacked
from kanarya_rollout.gates.means import MILLION, Scaled, bets
from kanarya_rollout.gates.mixture import Thresholds, evidence, geometric, lacks, log_mean_exp
from kanarya_rollout.gates.window import Scores, Sums

_POINTS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """The test that a spec describes, without what it has seen."""

    low: float
    width: float
    mirrored: bool
    """Whether a low score is a good one."""
    tolerate: float
    refuse: float
    gaps: tuple[float, ...]
    thresholds: Thresholds
    margins: tuple[str, ...]
    """What sums belong to. Not alpha and beta: those may be edited in mid-rollout."""

    @staticmethod
    @lru_cache(maxsize=256)
    def of(scores: ScoreBounds, tolerate: Decimal, refuse: Decimal, alpha: float, beta: float) -> "Law":
        """Margins are scaled as scores are."""
        width = scores.high - scores.low
        high, low = float(tolerate / width), float(refuse / width)
        return Law(
            low=float(scores.low),
            width=float(width),
            mirrored=scores.better == "lower",
            tolerate=high,
            refuse=low,
            gaps=geometric(min(high - low, 0.4), 0.9, _POINTS),
            thresholds=Thresholds.of(alpha, beta),
            margins=(repr(high), repr(low), str(scores.low), str(scores.high), scores.better),
        )

    def scaled(self, sums: Sums) -> Scaled:
        """Sums of scores as sums of what lies between 0 and 1."""
        found = Scaled.of(sums, self.low, self.width)
        return found.mirrored if self.mirrored else found


@dataclass(frozen=True, kw_only=True, slots=True)
class SequentialMean:
    """See the module. `opened` makes one."""

    name: str
    law: Law
    bad: tuple[float, ...] = (0.0,) * _POINTS
    """ln of the e-process against the candidate, for each gap."""
    good: tuple[float, ...] = (0.0,) * _POINTS
    """ln of the one for it."""
    past: Scores
    """Closed windows."""
    open: Scores
    """The window that still lacks scores of one side; empty if none does."""

    @classmethod
    def opened(cls, spec: GateSpec, alpha: float, saved: Mapping[str, list[str]] | None = None) -> "SequentialMean":
        """A gate that goes on from `saved`, or begins if that is None or of other margins or bounds."""
        assert spec.scores is not None  # noqa: S101 (the spec's validator)
        margin = spec.needed_margin()
        law = Law.of(spec.scores, margin.tolerate, margin.refuse, alpha, float(spec.beta))
        if saved is None or saved.get("of") != [spec.test, *law.margins]:
            return cls(name=spec.name, law=law, past=Scores(), open=Scores())
        bad, good = unpacked(saved["bad"]), unpacked(saved["good"])
        past, waiting = Scores.restored(saved["past"]), Scores.restored(saved["open"])
        return cls(name=spec.name, law=law, bad=bad, good=good, past=past, open=waiting)

    def saved(self) -> Saved:
        """Running sums, and the margins and bounds they belong to."""
        return {
            "of": ["sequential-mean", *self.law.margins],
            "bad": packed(self.bad),
            "good": packed(self.good),
            "past": self.past.saved(),
            "open": self.open.saved(),
        }

    def fold(self, window: Scores) -> "SequentialMean":
        """More scores. They enter the sums when both versions have some."""
        window = self.open + window
        if not (window.candidate.n and window.stable.n):
            return replace(self, open=window)
        gains = list(self._increments(self.law.scaled(window.candidate), self.law.scaled(window.stable)))
        return replace(
            self,
            bad=tuple(log + against for log, (against, _) in zip(self.bad, gains, strict=True)),
            good=tuple(log + favour for log, (_, favour) in zip(self.good, gains, strict=True)),
            past=self.past + window,
            open=Scores(),
        )

    def _increments(self, candidate: Scaled, stable: Scaled) -> Iterator[tuple[float, float]]:
        """(ln e against, ln e for) of one window, for each gap."""
        before = self.law.scaled(self.past.candidate), self.law.scaled(self.past.stable)
        difference = candidate.mean - stable.mean
        for bet, cost in bets(self.law.gaps, candidate=candidate, stable=stable, before=before):
            yield bet * (self.law.tolerate - difference) - cost, bet * (difference - self.law.refuse) - cost

    def judge(self, elapsed: float | None = None) -> Evidence:
        """Refused, accepted, or neither yet."""
        seen = self.past + self.open
        found = evidence(
            self.name,
            self.law.thresholds,
            against=log_mean_exp(self.bad),
            favour=log_mean_exp(self.good),
            candidate=_tally(seen.candidate),
            stable=_tally(seen.stable),
            lacking=self._lacking,
            message=self._message,
            elapsed=elapsed,
        )
        if self.law.scaled(seen.candidate).impossible or self.law.scaled(seen.stable).impossible:
            bounds = f"{self.law.low:g} to {self.law.low + self.law.width:g}"
            text = f"scores lie outside {bounds}, as scores.low and scores.high say: nothing can be told from them"
            return found.model_copy(update={"verdict": "Inconclusive", "needs": None, "message": text})
        return found

    def _lacking(self) -> float:
        n, limits = self.past.candidate.n, self.law.thresholds
        return min(lacks(limits.against, self.bad, n), lacks(limits.favour, self.good, n))

    def _message(self, verdict: Verdict, needs: int | None) -> str:
        seen = self.past + self.open
        if verdict == "NoData":
            return "no candidate scores yet"
        if seen.stable.n == 0:
            return f"{seen.candidate.n:,} candidate scores, none of the stable version to compare with"
        if verdict == "Inconclusive":
            return progress(seen.candidate.n, needs, "scores")
        means = (
            f"mean {_mean(seen.candidate):.4g} of {seen.candidate.n:,} candidate scores, "
            f"{_mean(seen.stable):.4g} of {seen.stable.n:,} of the stable version's"
        )
        if verdict == "Failed":
            return f"{means}: better by less than {self.law.tolerate * self.law.width:+g}"
        return f"{means}: better by more than {self.law.refuse * self.law.width:+g}"


def _mean(sums: Sums) -> float:
    return sums.total / MILLION / sums.n


def _tally(sums: Sums) -> Tally:
    return Tally(n=sums.n, mean=Decimal(f"{_mean(sums):.6f}") if sums.n else None)
