"""Our gates' e-processes over arrays of rollouts. Used by `ours`.

The laws (grids, margins, thresholds) are the gates' own; what stands here is their arithmetic once more, over arrays.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kanarya_cli.simulation.traffic import Floats, Ints, Seen
from kanarya_contracts.rollout import GateSpec, Signal
from kanarya_rollout.gates.proportions import EDGE, Side
from kanarya_rollout.gates.sequential_proportion import Law as ProportionLaw
from kanarya_rollout.gates.sequential_ratio import OWN, Grid
from kanarya_rollout.gates.sequential_ratio import Law as RatioLaw

NO_DATA, INCONCLUSIVE, SUCCESSFUL, FAILED = range(4)


class Test(Protocol):
    """One gate in every rollout."""

    signal: Signal

    def look(self, which: Ints, candidate: Seen, stable: Seen) -> None:
        """Counts of these rollouts."""
        ...

    def verdicts(self, which: Ints) -> Ints:
        """What it says of them."""
        ...


def observed(signal: Signal, seen: Seen) -> tuple[Ints, Ints]:
    """(n, bad) of one version, as the gate on this signal has them."""
    if signal == "errors":
        return seen.requests, seen.errors
    if signal == "slow":
        return seen.requests - seen.errors, seen.slow
    return seen.labels, seen.labels - seen.right


def _log_mean_exp(logs: Floats) -> Floats:
    top = logs.max(axis=0)
    finite = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(finite + np.log(np.exp(logs - finite).mean(axis=0)))


class Ratio:
    """`sequential-ratio`."""

    def __init__(self, spec: GateSpec, alpha: float, rollouts: int) -> None:
        margin = spec.needed_margin()
        self.signal = spec.counts()
        self._law = RatioLaw.of(margin.tolerate, margin.refuse, margin.negligible, alpha, float(spec.beta))
        self._bad, self._good = (np.zeros((len(grid.ratios), rollouts)) for grid in (self._law.worse, self._law.better))
        self._seen = np.zeros((2, rollouts), np.int64)

    def look(self, which: Ints, candidate: Seen, stable: Seen) -> None:
        """As the gate folds a window."""
        (n_c, e_c), (n_s, e_s) = observed(self.signal, candidate), observed(self.signal, stable)
        self._seen[:, which] += (n_c, e_c)
        says = (n_c > 0) & (n_s > 0) & (e_c + e_s > 0)
        rows, counts = which[says], (n_c[says], n_s[says], e_c[says], (e_c + e_s)[says])
        self._bad[:, rows] += _gained(self._law.worse, *counts)
        self._good[:, rows] += _gained(self._law.better, *counts)

    def verdicts(self, which: Ints) -> Ints:
        """As the gate judges."""
        n, limits = self._seen[0, which], self._law.thresholds
        against, favour = _log_mean_exp(self._bad[:, which]), self._favour(which)
        undecided = np.where(favour >= limits.favour, SUCCESSFUL, INCONCLUSIVE)
        return np.where(n == 0, NO_DATA, np.where(against >= limits.against, FAILED, undecided))

    def _favour(self, which: Ints) -> Floats:
        ratio, p0 = _log_mean_exp(self._good[:, which]), self._law.negligible
        if p0 is None:
            return ratio
        n, bad = self._seen[:, which]
        terms = []
        for share, weight in OWN:
            rare = np.where(bad > 0, -np.inf, 0.0) if share == 0 else bad * np.log(share)
            terms.append(rare + (n - bad) * (np.log1p(-share * p0) - np.log1p(-p0)) + np.log(weight * len(OWN)))
        return _log_mean_exp(np.array([ratio, _log_mean_exp(np.array(terms))]))


def _gained(grid: Grid, n_c: Ints, n_s: Ints, e_c: Ints, events: Ints) -> Floats:
    ratios, logs = np.array(grid.ratios)[:, None], np.array(grid.logs)[:, None]
    return np.asarray(e_c * logs - events * np.log((ratios * n_c + n_s) / (grid.null * n_c + n_s)))


class Proportion:
    """`sequential-proportion`."""

    signal: Signal = "labels"

    def __init__(self, spec: GateSpec, alpha: float, rollouts: int) -> None:
        margin = spec.needed_margin()
        self._law = ProportionLaw.of(margin.tolerate, margin.refuse, alpha, float(spec.beta))
        self._bad, self._good = (np.zeros((len(side.differences), rollouts)) for side in (self._law.against, self._law.favour))
        self._past, self._open = (np.zeros((4, rollouts), np.int64) for _ in range(2))
        """Candidate's n and bad, stable version's n and bad."""

    def look(self, which: Ints, candidate: Seen, stable: Seen) -> None:
        """As the gate folds a window."""
        self._open[:, which] += (*observed("labels", candidate), *observed("labels", stable))
        n_c, _, n_s, _ = self._open[:, which]
        rows = which[(n_c > 0) & (n_s > 0)]
        window, past = self._open[:, rows], self._past[:, rows]
        base = np.clip((past[2] - past[3] + 1) / (past[2] + 2), EDGE, 1 - EDGE)
        self._bad[:, rows] += _log_e(self._law.against, base, window)
        self._good[:, rows] += _log_e(self._law.favour, base, window)
        self._past[:, rows] += window
        self._open[:, rows] = 0

    def verdicts(self, which: Ints) -> Ints:
        """As the gate judges."""
        n, limits = self._past[0, which] + self._open[0, which], self._law.thresholds
        against, favour = _log_mean_exp(self._bad[:, which]), _log_mean_exp(self._good[:, which])
        undecided = np.where(favour >= limits.favour, SUCCESSFUL, INCONCLUSIVE)
        return np.where(n == 0, NO_DATA, np.where(against >= limits.against, FAILED, undecided))


def _log_e(side: Side, base: Floats, window: NDArray[np.int64]) -> Floats:
    """`proportions.increments`."""
    n_c, bad_c, n_s, bad_s = window
    gap = np.clip(base + np.array(side.differences)[:, None], EDGE, 1 - EDGE) - base - side.boundary
    edge = min(EDGE, (1 - abs(side.boundary)) / 4)
    low, high = max(edge, edge - side.boundary), min(1 - edge, 1 - edge - side.boundary)
    q_s = np.clip(base + gap * (n_c / (n_c + n_s)), low, high)
    q_c = q_s + side.boundary
    u_c, u_s = q_c * (1 - q_c) / n_c, q_s * (1 - q_s) / n_s
    t = gap / (u_c + u_s)
    least = np.minimum(0.0, np.maximum((edge - q_c) / u_c, (q_s - 1 + edge) / u_s))
    most = np.maximum(0.0, np.minimum((1 - edge - q_c) / u_c, (q_s - edge) / u_s))
    t = np.clip(t, least, most)
    x, y = t / n_c, t / n_s
    log = (n_c - bad_c) * np.log1p(x * (1 - q_c)) + bad_c * np.log1p(-x * q_c)
    log += (n_s - bad_s) * np.log1p(-y * (1 - q_s)) + bad_s * np.log1p(y * q_s)
    return np.asarray(np.where((gap >= 0) == side.above, 0.0, log))


class Guard:
    """`threshold`, through the comparison that the gate makes."""

    def __init__(self, spec: GateSpec, rollouts: int) -> None:
        self.signal = spec.counts()
        self._condition, self._least, self._limit = str(spec.failure_condition), max(1, spec.min_samples), spec.failure_limit
        self._seen = np.zeros((2, rollouts), np.int64)
        self._bad_readings = np.zeros(rollouts, np.int64)

    def look(self, which: Ints, candidate: Seen, stable: Seen) -> None:  # noqa: ARG002 (the test's form)
        """As the gate folds a window."""
        new = observed(self.signal, candidate)
        self._seen[:, which] += new
        self._bad_readings[which] += (new[0] > 0) & self._past_the_line(which)

    def verdicts(self, which: Ints) -> Ints:
        """As the gate judges."""
        n, past = self._seen[0, which], self._past_the_line(which)
        decided = np.where(self._bad_readings[which] > self._limit, FAILED, np.where(past, INCONCLUSIVE, SUCCESSFUL))
        return np.where(n == 0, NO_DATA, np.where(n < self._least, INCONCLUSIVE, decided))

    def _past_the_line(self, which: Ints) -> NDArray[np.bool_]:
        n, bad = self._seen[:, which]
        rate = bad / np.maximum(n, 1)
        if self.signal == "labels":
            rate = 1 - rate
        sign, line = self._condition.rstrip("0123456789. "), float(self._condition.lstrip("<>= "))
        violated = {">": rate > line, ">=": rate >= line, "<": rate < line, "<=": rate <= line}[sign.strip()]
        return np.asarray(violated & (n >= self._least))
