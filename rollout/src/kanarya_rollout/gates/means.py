"""Bets on the difference of two means. Used by the gate on scores, and for the interval of a goal that is a mean.

Scores lie between bounds that are stated beforehand, and are scaled to 0..1. Predictable plug-in empirical Bernstein
e-process of I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting" (JRSS B 86(1), 2024, arXiv
2010.09686), theorem 2: with psi(l) = -ln(1 - l) - l, a bet l in (0, 1) and a guess g in [0, 1] that rest on the past alone,
and X in [0, 1] of mean m,

    E[ exp( l (X - m) - psi(l) (X - g)^2 ) ] <= 1

(lemma 4.1 of X. Fan, I. Grama, Q. Liu, "Exponential inequalities for martingales with applications", 2015; it needs
X - g >= -1). The same holds of 1 - X. Bets are kept through a window, so the product over it needs n, the sum and the sum of
squares alone: counters. The candidate bets on one side and the stable version on the other, l_c n_c = l_s n_s = B, and with
d the difference of the means

    ln e = B (boundary - d of the window) - psi(l_c) sum (X_c - g_c)^2 - psi(l_s) sum (X_s - g_s)^2

has E[e] <= exp(B (boundary - d)) <= 1 for every d >= boundary, whatever the means are: they may drift from window to window,
together. The e-variable for d <= boundary has the signs of the first term turned round.
B is the bet that grows fastest if d lies a certain gap beyond the boundary, B = gap / (v_c / n_c + v_s / n_s) with the
variances seen before. It rests on the window's n, never on its scores, and never on the boundary.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kanarya_rollout.gates.window import Sums

LARGEST = 0.75
"""No bet is larger: beyond, one surprising score costs more than many good ones bring."""

MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaled:
    """Scores of one version between 0 and 1."""

    n: int
    total: float
    squares: float

    @classmethod
    def of(cls, sums: Sums, low: float = 0.0, width: float = 1.0) -> "Scaled":
        """Sums of scores from `low` to `low + width`."""
        n, total, squares = sums.n, sums.total / MILLION, sums.squares / MILLION
        squares = (squares - 2 * low * total + n * low**2) / width**2
        return cls(n=n, total=(total - n * low) / width, squares=squares)

    @property
    def mirrored(self) -> "Scaled":
        """The same of 1 - X."""
        return Scaled(n=self.n, total=self.n - self.total, squares=self.n - 2 * self.total + self.squares)

    @property
    def mean(self) -> float:
        """Of at least one score."""
        return self.total / self.n

    @property
    def guess(self) -> float:
        """The mean that they suggest, shrunk to a half."""
        return min(max((self.total + 0.5) / (self.n + 1), 0.0), 1.0)

    @property
    def variance(self) -> float:
        """The variance that they suggest, shrunk to a quarter: the largest there is."""
        return max(0.25 + self.around(self.guess), 1e-9) / (self.n + 1)

    def around(self, guess: float) -> float:
        """Sum of squared distances from a guess."""
        return max(0.0, self.squares - 2 * guess * self.total + self.n * guess * guess)

    @property
    def impossible(self) -> bool:
        """Whether some lie outside 0..1: there, no square is larger than its number."""
        slack = 1e-6 * (self.n + 1)
        return not -slack <= self.squares <= self.total + slack or self.total > self.n + slack


def bets(
    gaps: Sequence[float], *, candidate: Scaled, stable: Scaled, before: tuple[Scaled, Scaled]
) -> Iterator[tuple[float, float]]:
    """(B, what is to be taken off ln e) of one window with scores of both versions, for each gap. `before`: the candidate's and
    the stable version's scores of windows that are closed."""
    spread = before[0].variance / candidate.n + before[1].variance / stable.n
    distances = candidate.around(before[0].guess), stable.around(before[1].guess)
    most = LARGEST * min(candidate.n, stable.n)
    for gap in gaps:
        bet = min(gap / spread, most)
        yield bet, _psi(bet / candidate.n) * distances[0] + _psi(bet / stable.n) * distances[1]


def _psi(bet: float) -> float:
    return -math.log1p(-bet) - bet
