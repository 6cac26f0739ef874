"""Is the candidate's accuracy below the stable version's by more than `tolerate`? Above it by more than `refuse`?

Labels are right or wrong; d = p_c - p_s is the difference of accuracies. Refusal needs evidence against
N = {p_c >= p_s + tolerate}, acceptance against N = {p_c <= p_s + refuse}. Exact anytime-valid two-sample test of R. Turner,
A. Ly, P. Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional stopping" (arXiv
2106.02693), for convex N as in R. Turner, P. Grünwald, "Safe sequential testing and effect estimation in stratified count
data" (AISTATS 2023, arXiv 2302.11401). For each window

    e = likelihood of its labels under (a_c, a_s) / under (q_c, q_s)

where (a_c, a_s), outside N, is chosen from past windows alone, and (q_c, q_s) is the point of N that is nearest to it in
n_c KL(a_c || q_c) + n_s KL(a_s || q_s).

Why that is an e-variable for all of N. Under (p_c, p_s), E[e] = f(p_c)^n_c g(p_s)^n_s with f(p) = p a_c/q_c + (1 - p)
(1 - a_c)/(1 - q_c), g alike. Both are affine, so ln E[e] is concave on N. At (q_c, q_s) it is 0, because f(q_c) = g(q_s)
= 1. Its derivative there in the direction of any point of N is minus that of the weighted KL divergence, and q minimises that
over the convex N, so it is at most 0. A concave function that is 0 at a point and does not rise from it in any direction
stays at or below 0: E[e] <= 1. Windows multiply, each with its own rates: the base accuracy may drift as it likes.

a_s follows past labels, shrunk to a half: (right + 1) / (n + 2); a_c = a_s + d over a grid of differences. The mean over
the grid is an e-process. Where the alternative falls inside N, the window counts e = 1 for that difference.

A window stays open until it has labels of both versions: labels come late and in batches, one version's before the
other's. When it closes depends on how many there are and never on which are right, so nothing above changes.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from kanarya_contracts.rollout import Evidence, Verdict
from kanarya_rollout.gates.gate import Saved, Window, floats, progress
from kanarya_rollout.gates.mixture import geometric, log_mean_exp, remaining

_EDGE = 0.005
"""Alternatives keep this far from 0 and 1, so that one surprising label never makes a factor of 0."""

_POINTS = 10


@lru_cache(maxsize=256)
def _differences(tolerate: float, refuse: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Alternatives to "at least tolerate" and to "at most refuse", denser near the margin."""
    gap = tolerate - refuse
    distances = geometric(min(gap, 0.4), 0.9, _POINTS)
    return tuple(tolerate - by for by in distances), tuple(refuse + by for by in distances)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Side:
    """One of the two tests."""

    differences: tuple[float, ...]
    boundary: float
    inside: Callable[[float, float], bool]
    """Whether a difference (first) lies in N, given the boundary (second)."""


def _sides(tolerate: float, refuse: float) -> tuple[_Side, _Side]:
    worse, better = _differences(tolerate, refuse)
    return (
        _Side(differences=worse, boundary=tolerate, inside=float.__ge__),
        _Side(differences=better, boundary=refuse, inside=float.__le__),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class SequentialProportion:
    """See the module. `opened` makes one."""

    name: str
    tolerate: float
    refuse: float
    threshold: float
    """ln(1/alpha)."""
    threshold_good: float
    """ln(1/beta)."""
    bad: tuple[float, ...] = (0.0,) * _POINTS
    """ln of the e-process against the candidate, for each difference."""
    good: tuple[float, ...] = (0.0,) * _POINTS
    """ln of the one for it."""
    past: Window
    """Closed windows."""
    open: Window
    """The window that still lacks labels of one side; empty if none does."""

    @classmethod
    def opened(
        cls,
        name: str,
        *,
        tolerate: Decimal,
        refuse: Decimal,
        alpha: float,
        beta: float,
        saved: Mapping[str, list[str]] | None = None,
    ) -> "SequentialProportion":
        """A gate that goes on from `saved`, or begins if that is None or of other margins."""
        fresh = cls(
            name=name,
            tolerate=float(tolerate),
            refuse=float(refuse),
            threshold=-math.log(alpha),
            threshold_good=-math.log(beta),
            past=Window(),
            open=Window(),
        )
        if saved is None or saved.get("of") != fresh.saved()["of"]:
            return fresh
        return replace(
            fresh,
            bad=floats(saved, "bad"),
            good=floats(saved, "good"),
            past=Window.restored(saved["past"]),
            open=Window.restored(saved["open"]),
        )

    def saved(self) -> Saved:
        """Running sums, and the margins they belong to."""
        return {
            "of": ["sequential-proportion", repr(self.tolerate), repr(self.refuse)],
            "bad": list(map(repr, self.bad)),
            "good": list(map(repr, self.good)),
            "past": self.past.saved(),
            "open": self.open.saved(),
        }

    def fold(self, window: Window) -> "SequentialProportion":
        """More labels. They enter the sums when both versions have some."""
        window = self.open + window
        if not (window.candidate_n and window.stable_n):
            return replace(self, open=window)
        against, favour = _sides(self.tolerate, self.refuse)
        return replace(
            self,
            bad=tuple(map(float.__add__, self.bad, _increments(against, self._expected(), window))),
            good=tuple(map(float.__add__, self.good, _increments(favour, self._expected(), window))),
            past=self.past + window,
            open=Window(),
        )

    def judge(self) -> Evidence:
        """Refusal first: it is the safe side."""
        against, favour = log_mean_exp(self.bad), log_mean_exp(self.good)
        seen = self.past + self.open
        verdict: Verdict = "Inconclusive"
        if seen.candidate_n == 0:
            verdict = "NoData"
        elif against >= self.threshold:
            verdict = "Failed"
        elif favour >= self.threshold_good:
            verdict = "Successful"
        needs = 0 if verdict in {"Failed", "Successful"} else self._needs()
        return Evidence(
            metric=self.name,
            candidate=seen.candidate,
            stable=seen.stable,
            log_e=_rounded(against),
            log_e_good=_rounded(favour),
            threshold=_rounded(self.threshold),
            threshold_good=_rounded(self.threshold_good),
            verdict=verdict,
            needs=needs,
            message=self._message(verdict, needs, seen),
        )

    def _expected(self) -> float:
        """The stable version's accuracy as past labels suggest it."""
        right = self.past.stable_n - self.past.stable_bad
        return min(max((right + 1) / (self.past.stable_n + 2), _EDGE), 1 - _EDGE)

    def _needs(self) -> int | None:
        """At the rates seen so far. None without labels of both sides, or where no sum is growing."""
        if not (self.past.candidate_n and self.past.stable_n):
            return None
        sides = zip(_sides(self.tolerate, self.refuse), (self.bad, self.good), strict=True)
        limits = (self.threshold, self.threshold_good)
        paths = []
        for (side, sums), limit in zip(sides, limits, strict=True):
            gains = _increments(side, self._expected(), self.past)
            lacks = [limit + math.log(_POINTS) - log for log in sums]
            paths += [(lack, gain / self.past.candidate_n) for lack, gain in zip(lacks, gains, strict=True)]
        return remaining(paths)

    def _message(self, verdict: Verdict, needs: int | None, seen: Window) -> str:
        if verdict == "NoData":
            return "no candidate labels yet"
        if seen.stable_n == 0:
            return f"{seen.candidate_n:,} candidate labels, none of the stable version to compare with"
        rates = (
            f"right on {100 - 100 * seen.candidate_bad / seen.candidate_n:.3g}% of {seen.candidate_n:,} candidate labels, "
            f"{100 - 100 * seen.stable_bad / seen.stable_n:.3g}% of {seen.stable_n:,} of the stable version's"
        )
        if verdict == "Failed":
            return f"{rates}: the difference is below {self.tolerate:+g}"
        if verdict == "Successful":
            return f"{rates}: the difference is above {self.refuse:+g}"
        return progress(seen.candidate_n, needs, "labels")


def _increments(side: _Side, a_s: float, window: Window) -> Iterator[float]:
    """ln e of one window for each difference. Differences that meet at the edge share their answer."""
    known: dict[float, float] = {}
    for difference in side.differences:
        a_c = min(max(a_s + difference, _EDGE), 1 - _EDGE)
        if a_c not in known:
            known[a_c] = 0.0 if side.inside(a_c - a_s, side.boundary) else _log_e(a_c, a_s, side.boundary, window)
        yield known[a_c]


def _log_e(a_c: float, a_s: float, boundary: float, window: Window) -> float:
    q_s = projection(window.candidate_n, a_c, window.stable_n, a_s, boundary)
    candidate = _log_likelihood_ratio(window.candidate_n, window.candidate_bad, a_c, q_s + boundary)
    return candidate + _log_likelihood_ratio(window.stable_n, window.stable_bad, a_s, q_s)


def _log_likelihood_ratio(n: int, wrong: int, a: float, q: float) -> float:
    return (n - wrong) * math.log(a / q) + wrong * math.log((1 - a) / (1 - q))


def projection(n_c: int, a_c: float, n_s: int, a_s: float, boundary: float) -> float:
    """The q_s that minimises n_c KL(a_c || q_s + boundary) + n_s KL(a_s || q_s): a root, by Newton's steps kept in a bracket.

    a_c and a_s lie strictly between 0 and 1, and so do q_s and q_s + boundary.
    """
    bottom, top = low, high = max(0.0, -boundary), min(1.0, 1.0 - boundary)
    q = (n_c * (a_c - boundary) + n_s * a_s) / (n_c + n_s)
    if not low < q < high:
        q = (low + high) / 2
    for _ in range(100):
        c = q + boundary
        slope = n_c * (a_c - c) / (c * (1 - c)) + n_s * (a_s - q) / (q * (1 - q))
        low, high = (q, high) if slope > 0 else (low, q)
        curvature = n_c * (a_c / c**2 + (1 - a_c) / (1 - c) ** 2) + n_s * (a_s / q**2 + (1 - a_s) / (1 - q) ** 2)
        following = q + slope / curvature
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - q) <= 1e-8 * min(q - bottom, top - q):
            return following  # Newton's error squares at each step, so this is as exact as floats allow
        q = following
    return q


def _rounded(log: float) -> Decimal:
    return Decimal(f"{log:.4f}")
