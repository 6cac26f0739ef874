"""An interval for the difference of two means that holds at any time. Used by the gate on an A/B test's goal.

For each b, two e-processes run: against {d <= b} and against {d >= b}, each the mean over a few gaps of the e-variables in
`means`. B does not rest on b there, so for each gap, with sums over the windows so far,

    against {d <= b}   ln e = sum B d_window - sum costs - b sum B
    against {d >= b}   ln e = b sum B - sum B d_window - sum costs

are straight lines in b: three sums a gap know every b there is. The interval is what neither side has refused at alpha/2, a
confidence sequence by inversion (I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting", JRSS B
86(1), 2024, arXiv 2010.09686, section 2). The mean of lines' exponentials is monotone and convex, so each end is found exactly.

Why it holds at any time. Let d be the true difference. Where the lower end exceeds d, {d <= d}, which is true, was refused. By
Ville's inequality that ever happens with probability at most alpha/2. The upper end alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from math import exp, log

from kanarya_contracts.rollout import ScoreBounds, Tally
from kanarya_rollout.gates.gate import Saved, packed, unpacked
from kanarya_rollout.gates.means import Scaled, bets
from kanarya_rollout.gates.mixture import geometric, lacks, log_mean_exp
from kanarya_rollout.gates.window import Scores, Sums

_POINTS = 12
"""Gaps: from a quarter of the difference that matters, at which two means are told to be alike, to nearly all there can be."""

_STEPS = 64
"""Far more than an end takes to be found."""

_DIGITS = 6
"""Behind the point, as evidence shows means."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """What is known before any user was reported."""

    low: float
    width: float
    gaps: tuple[float, ...]
    """Scaled as scores are."""
    threshold: float
    """ln(2/alpha)."""

    @staticmethod
    @lru_cache(maxsize=256)
    def of(scores: ScoreBounds, effect: Decimal, alpha: Decimal) -> "Frame":
        """`effect`: the difference that matters, in the scores' unit."""
        width = scores.high - scores.low
        gaps = geometric(min(float(effect / width), 0.4) / 4, 0.9, _POINTS)
        return Frame(low=float(scores.low), width=float(width), gaps=gaps, threshold=log(2 / float(alpha)))


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanDifference:
    """What has been seen of it. `opened` makes one. Ends and boundaries are in the scores' unit."""

    frame: Frame
    bets: tuple[float, ...] = (0.0,) * _POINTS
    """Sum of B, for each gap."""
    gains: tuple[float, ...] = (0.0,) * _POINTS
    """Sum of B times the window's difference."""
    costs: tuple[float, ...] = (0.0,) * _POINTS
    past: Scores
    """Closed windows. Scores are shares of the way between the bounds, as they are counted."""
    open: Scores
    """As of `difference.Difference`."""

    @classmethod
    def opened(cls, frame: Frame, saved: Mapping[str, list[str]] | None = None) -> "MeanDifference":
        """One that goes on from `saved`, or begins if that is None."""
        if saved is None:
            return cls(frame=frame, past=Scores(), open=Scores())
        past, waiting = Scores.restored(saved["past"]), Scores.restored(saved["open"])
        sums = {name: unpacked(saved[name]) for name in ("bets", "gains", "costs")}
        return cls(frame=frame, past=past, open=waiting, **sums)

    def saved(self) -> Saved:
        """Running sums."""
        return {
            "bets": packed(self.bets),
            "gains": packed(self.gains),
            "costs": packed(self.costs),
            "past": self.past.saved(),
            "open": self.open.saved(),
        }

    @property
    def threshold(self) -> float:
        """ln of the evidence at which one side is refused."""
        return self.frame.threshold

    @property
    def seen(self) -> Scores:
        """Everything."""
        return self.past + self.open

    def fold(self, users: Scores) -> "MeanDifference":
        """More scores. They enter the sums when both versions have some."""
        window = self.open + users
        if not (window.candidate_n and window.stable_n):
            return replace(self, open=window)
        candidate, stable = Scaled.of(window.candidate), Scaled.of(window.stable)
        before = Scaled.of(self.past.candidate), Scaled.of(self.past.stable)
        difference = candidate.mean - stable.mean
        made = list(bets(self.frame.gaps, candidate=candidate, stable=stable, before=before))
        return replace(
            self,
            bets=tuple(total + bet for total, (bet, _) in zip(self.bets, made, strict=True)),
            gains=tuple(total + bet * difference for total, (bet, _) in zip(self.gains, made, strict=True)),
            costs=tuple(total + cost for total, (_, cost) in zip(self.costs, made, strict=True)),
            past=self.past + window,
            open=Scores(),
        )

    @property
    def low(self) -> float:
        """The true difference is at least that."""
        return self.frame.width * _end(self._worth(1), self.bets, self.threshold)

    @property
    def high(self) -> float:
        """The true difference is at most that."""
        return -self.frame.width * _end(self._worth(-1), self.bets, self.threshold)

    def better_than(self, b: float) -> float:
        """ln of the evidence that it is above b."""
        return log_mean_exp(self._terms(1, b))

    def worse_than(self, b: float) -> float:
        """ln of the evidence that it is below b."""
        return log_mean_exp(self._terms(-1, b))

    def lacks_better(self, b: float) -> float:
        """About how many candidate users are missing until it is known to be above b; infinite if it looks otherwise."""
        return lacks(self.threshold, self._terms(1, b), self.past.candidate_n)

    def lacks_worse(self, b: float) -> float:
        """The same, of being below b."""
        return lacks(self.threshold, self._terms(-1, b), self.past.candidate_n)

    def _worth(self, sign: int) -> list[float]:
        """ln e at b = 0, for each gap, against {d <= 0} or, with -1, against {d >= 0}."""
        return [sign * gain - cost for gain, cost in zip(self.gains, self.costs, strict=True)]

    def _terms(self, sign: int, b: float) -> list[float]:
        """The same at b."""
        share = sign * b / self.frame.width
        return [worth - share * bet for worth, bet in zip(self._worth(sign), self.bets, strict=True)]

    @property
    def impossible(self) -> bool:
        """Whether scores lie outside their bounds: then nothing here holds."""
        return Scaled.of(self.seen.candidate).impossible or Scaled.of(self.seen.stable).impossible

    @property
    def candidate(self) -> Tally:
        """The candidate's users, as the status shows them."""
        return self._tally(self.seen.candidate)

    @property
    def stable(self) -> Tally:
        """The stable version's."""
        return self._tally(self.seen.stable)

    def _tally(self, sums: Sums) -> Tally:
        mean = self.shown(self.frame.low + self.frame.width * Scaled.of(sums).mean) if sums.n else None
        return Tally(n=sums.n, mean=mean)

    @staticmethod
    def shown(value: float) -> Decimal:
        """As evidence shows it."""
        return Decimal(f"{value:.{_DIGITS}f}")


def _end(worth: Sequence[float], bets: Sequence[float], threshold: float) -> float:
    """The largest b from -1 on such that {d <= b} is refused; -1 if none is. Newton's method from below: the sum is convex, so
    no step leads beyond the end, and one that is cut short leaves it too wide and never too narrow."""
    b = -1.0
    for _ in range(_STEPS):
        logs = [one - b * bet for one, bet in zip(worth, bets, strict=True)]
        above = log_mean_exp(logs) - threshold
        if above <= 0:
            break
        top = max(logs)
        parts = [exp(one - top) for one in logs]
        b += above * sum(parts) / sum(part * bet for part, bet in zip(parts, bets, strict=True))
    return min(b, 1.0)
