"""Mixtures of e-processes, in logarithms: arithmetic, and the answer they give together. Used by the sequential gates.

The mean of e-processes under one null is an e-process (V. Vovk, R. Wang, "E-values: Calibration, combination and
applications", Annals of Statistics 49(3), 2021, section 3). By Ville's inequality it ever reaches 1/alpha with probability
at most alpha, however often one looks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, exp, inf
from math import log as ln

from kanarya_contracts.rollout import Evidence, Tally, Verdict
from kanarya_rollout.gates.gate import timed


def log_mean_exp(logs: Sequence[float]) -> float:
    """ln of the mean of exp(logs). -inf where all are."""
    top = max(logs)
    if top == -inf:
        return top
    return top + ln(sum([exp(log - top) for log in logs]) / len(logs))


def geometric(low: float, high: float, count: int) -> tuple[float, ...]:
    """`count` values from low to high, each the same multiple of the one before."""
    return tuple(low * (high / low) ** (index / (count - 1)) for index in range(count))


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """Where the two e-processes decide, in logarithms."""

    against: float
    """ln(1/alpha)."""
    favour: float
    """ln(1/beta)."""
    shown: tuple[Decimal, Decimal]
    """Both, as evidence shows them."""

    @classmethod
    def of(cls, alpha: float, beta: float) -> "Thresholds":
        """For these chances of error."""
        against, favour = -ln(alpha), -ln(beta)
        return cls(against=against, favour=favour, shown=(shown(against), shown(favour)))


def lacks(threshold: float, logs: Sequence[float], n: int) -> float:
    """About how many more observations until the mean of the terms reaches the threshold, if the largest goes on growing as
    over the `n` so far; infinite if it does not grow. An estimate: it looks at means and not at chance."""
    return missing(threshold + ln(len(logs)), max(logs), n)


def missing(threshold: float, log: float, n: int) -> float:
    """`lacks`, of one term."""
    if log <= 0:
        return inf
    return n * (threshold - log) / log if log < threshold else 0.0


def evidence(
    metric: str,
    thresholds: Thresholds,
    *,
    against: float,
    favour: float,
    candidate: Tally,
    stable: Tally,
    lacking: Callable[[], float],
    message: Callable[[Verdict, int | None], str],
    elapsed: float | None,
) -> Evidence:
    """What two e-processes say. Refusal first: it is the safe side.

    `lacking` says about how many candidate observations are missing and is asked only if some are; `message` puts the verdict
    and that number, None where it is not known, into words. `elapsed`: as in Gate.judge.
    """
    verdict: Verdict = "Inconclusive"
    if candidate.n == 0:
        verdict = "NoData"
    elif against >= thresholds.against:
        verdict = "Failed"
    elif favour >= thresholds.favour:
        verdict = "Successful"
    needs = 0 if verdict in {"Failed", "Successful"} else _whole(lacking()) if candidate.n else None
    text = message(verdict, needs)
    return Evidence(
        metric=metric,
        candidate=candidate,
        stable=stable,
        log_e=shown(against),
        log_e_good=shown(favour),
        threshold=thresholds.shown[0],
        threshold_good=thresholds.shown[1],
        verdict=verdict,
        needs=needs,
        message=timed(text, needs, candidate.n, elapsed),
    )


def _whole(count: float) -> int | None:
    return max(1, ceil(count)) if count < 1e12 else None


def shown(log: float) -> Decimal:
    """A logarithm as evidence shows it."""
    return Decimal(f"{log:.4f}")
