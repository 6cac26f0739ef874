"""Arithmetic of mixtures of e-processes, in logarithms. Used by the sequential gates.

The mean of e-processes under one null is an e-process (V. Vovk, R. Wang, "E-values: Calibration, combination and
applications", Annals of Statistics 49(3), 2021, section 3). By Ville's inequality it ever reaches 1/alpha with probability
at most alpha, however often one looks.
"""

import math
from collections.abc import Iterable, Sequence


def log_mean_exp(logs: Sequence[float]) -> float:
    """ln of the mean of exp(logs). -inf where all are."""
    top = max(logs)
    if top == -math.inf:
        return top
    return top + math.log(sum(math.exp(log - top) for log in logs) / len(logs))


def geometric(low: float, high: float, count: int) -> tuple[float, ...]:
    """`count` values from low to high, each the same multiple of the one before."""
    return tuple(low * (high / low) ** (index / (count - 1)) for index in range(count))


def remaining(paths: Iterable[tuple[float, float]]) -> int | None:
    """About how many more observations until the first of several sums crosses: each (what it lacks, what it gains for an
    observation). None if none is on its way. An estimate: it looks at means and not at chance."""
    counts = [lacks / gains for lacks, gains in paths if gains > 0 and lacks / gains < 1e12]
    return max(1, math.ceil(min(counts))) if counts else None
