"""E-variables for the difference of two proportions. Used by the gates on labels and on predictions.

A window has n_c and n_s observations; p_c and p_s are the chances of a good one, d = p_c - p_s. Exact anytime-valid
two-sample test of R. Turner, A. Ly, P. Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for
optional stopping" (arXiv 2106.02693), for a convex null N = {d >= boundary} or {d <= boundary} as in R. Turner, P. Grünwald,
"Safe sequential testing and effect estimation in stratified count data" (AISTATS 2023, arXiv 2302.11401):

    e = likelihood of the window under (a_c, a_s) / under (q_c, q_s)

where (a_c, a_s) lies outside N and (q_c, q_s) is the point of N nearest to it in n_c KL(a_c || q_c) + n_s KL(a_s || q_s).

Why that is an e-variable for all of N. Under (p_c, p_s), E[e] = f(p_c)^n_c g(p_s)^n_s with f(p) = p a_c/q_c + (1 - p)
(1 - a_c)/(1 - q_c), g alike. Both are affine, so ln E[e] is concave on N. At (q_c, q_s) it is 0, because f(q_c) = g(q_s)
= 1. Its derivative there in the direction of any point of N is minus that of the weighted KL divergence, and q minimises that
over the convex N, so it is at most 0. A concave function that is 0 at a point and does not rise from it in any direction
stays at or below 0: E[e] <= 1. Windows multiply, each with its own rates: p_s may drift as it likes.

Usually a is chosen and q found by a search. Here q is chosen, on the boundary, and a follows: q is the nearest point exactly
where the gradient along the boundary is 0, n_c (a_c - q_c) / (q_c (1 - q_c)) + n_s (a_s - q_s) / (q_s (1 - q_s)) = 0, so with
u = q (1 - q) / n the alternatives that it is nearest to are a_c = q_c + t u_c, a_s = q_s - t u_s, one for each t. Both choices
rest on past windows and on n_c, n_s alone. q_s is the mean of the two versions' expected rates, weighted by n, the rate at
which a pooled sample would put it; t makes the difference a_c - a_s the one that is asked for.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import log1p

from kanarya_rollout.gates.window import Window

EDGE = 0.005
"""Alternatives keep this far from 0 and 1, so that one surprising observation never makes a factor of 0."""

_FAR_EDGE = 1 - EDGE


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """A null and the alternatives to it."""

    boundary: float
    above: bool
    """Whether the null is {d >= boundary}; {d <= boundary} otherwise."""
    differences: tuple[float, ...]
    """d of each alternative, outside the null."""


def expected(seen: Window) -> float:
    """The stable version's share of good ones as past windows suggest it, shrunk to a half."""
    return min(max((seen.stable_n - seen.stable_bad + 1) / (seen.stable_n + 2), EDGE), 1 - EDGE)


def increments(side: Side, base: float, window: Window) -> list[float]:
    """ln e of one window with observations of both versions, for each difference, where `base` is expected of the stable one.

    A difference that the edge brings back into the null counts e = 1; those that meet at the edge share their answer."""
    found: list[float] = []
    last = answer = 0.0
    boundary, above = side.boundary, side.above
    for difference in side.differences:
        other = base + difference
        other = EDGE if other < EDGE else _FAR_EDGE if other > _FAR_EDGE else other
        if other != last:
            last, gap = other, other - base - boundary
            inside = gap >= 0 if above else gap <= 0
            answer = 0.0 if inside else log_ratio(window, *alternative(boundary, base, gap, window))
        found.append(answer)
    return found


def alternative(boundary: float, base: float, gap: float, window: Window) -> tuple[float, float, float]:
    """(q_c, q_s, t) for an alternative about `gap` beyond the boundary. t has the sign of `gap` and may be nearer to 0."""
    n_c, n_s = window.candidate_n, window.stable_n
    edge, low, high = _edges(boundary)
    q_s = base + gap * n_c / (n_c + n_s)
    q_s = low if q_s < low else high if q_s > high else q_s
    q_c = q_s + boundary
    u_c, u_s = q_c * (1 - q_c) / n_c, q_s * (1 - q_s) / n_s
    t = gap / (u_c + u_s)
    if t < 0:
        first, second = (edge - q_c) / u_c, (q_s - 1 + edge) / u_s
        least = first if first > second else second
        t = t if t > least else least
        return q_c, q_s, t if t < 0 else 0.0
    first, second = (1 - edge - q_c) / u_c, (q_s - edge) / u_s
    most = first if first < second else second
    t = t if t < most else most
    return q_c, q_s, t if t > 0 else 0.0


@lru_cache(maxsize=256)
def _edges(boundary: float) -> tuple[float, float, float]:
    """How far from 0 and 1 both proportions stay, and the least and the most that q_s can be for it."""
    edge = min(EDGE, (1 - abs(boundary)) / 4)
    return edge, max(edge, edge - boundary), min(1 - edge, 1 - edge - boundary)


def log_ratio(window: Window, q_c: float, q_s: float, t: float) -> float:
    """ln of the likelihood under a over that under q. In a window, most often, nothing of one kind was seen on one side."""
    n_c, bad_c, n_s, bad_s = window.candidate_n, window.candidate_bad, window.stable_n, window.stable_bad
    candidate, stable = t / n_c, t / n_s
    found = (n_c - bad_c) * log1p(candidate * (1 - q_c)) if bad_c < n_c else 0.0
    if bad_c:
        found += bad_c * log1p(-candidate * q_c)
    if bad_s < n_s:
        found += (n_s - bad_s) * log1p(-stable * (1 - q_s))
    return found + bad_s * log1p(stable * q_s) if bad_s else found
