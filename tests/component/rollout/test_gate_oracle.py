"""Every e-process against another way to compute it: scipy's distributions, and one observation after another."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import betabinom, binom

from kanarya_contracts.rollout import Goal
from kanarya_contracts.testing import gate as a_spec
from kanarya_rollout.gates import Reported, Scores, Split, Sums, Window, open_gate
from kanarya_rollout.gates.proportions import alternative, expected

counts = st.tuples(st.integers(1, 400), st.floats(0, 1), st.integers(1, 4000), st.floats(0, 1))


def windows(drawn) -> list[Window]:
    return [
        Window(candidate_n=n_c, candidate_bad=int(p_c * n_c), stable_n=n_s, stable_bad=int(p_s * n_s))
        for n_c, p_c, n_s, p_s in drawn
    ]


def log_e(gate) -> tuple[float, float]:
    evidence = gate.judge()
    return float(evidence.log_e), float(evidence.log_e_good)


def mean(terms) -> float:
    return float(logsumexp(terms) - math.log(len(terms)))


def folded(spec, seen):
    gate = open_gate(spec, 1)
    for window in seen:
        gate = gate.fold(window)
    return gate


@settings(max_examples=25)
@given(st.lists(counts, min_size=1, max_size=4))
def test_a_ratio_is_a_binomial_given_the_number_of_bad_events(drawn):
    gate = folded(a_spec(margin={"tolerate": "1.2", "refuse": "2.0"}), windows(drawn))

    def log_likelihood(ratio: float) -> float:
        return sum(
            binom.logpmf(
                one.candidate_bad,
                one.candidate_bad + one.stable_bad,
                ratio * one.candidate_n / (ratio * one.candidate_n + one.stable_n),
            )
            for one in windows(drawn)
        )

    against = mean([log_likelihood(ratio) - log_likelihood(1.2) for ratio in gate.law.worse.ratios])
    favour = mean([log_likelihood(ratio) - log_likelihood(2.0) for ratio in gate.law.better.ratios])
    assert log_e(gate) == pytest.approx((against, favour), abs=1e-4, rel=1e-9)  # evidence shows four digits


@settings(max_examples=15)
@given(st.lists(counts, min_size=1, max_size=3))
def test_a_difference_of_proportions_is_a_likelihood_over_that_of_the_nearest_null(drawn):
    """The alternative is read off the gate; the nearest null is searched for, and the likelihoods are scipy's."""
    gate = folded(a_spec("accuracy", "sequential-proportion", margin={"tolerate": "0", "refuse": "-0.1"}), windows(drawn))
    for side, sums in ((gate.law.against, gate.bad), (gate.law.favour, gate.good)):
        for difference, total in zip(side.differences, sums, strict=True):
            by_hand, past = 0.0, Window()
            for one in windows(drawn):
                base = expected(past)
                gap = min(max(base + difference, 0.005), 0.995) - base - side.boundary
                if gap < 0 if side.above else gap > 0:
                    q_c, q_s, t = alternative(side.boundary, base, gap, one)
                    a_c, a_s = q_c + t * q_c * (1 - q_c) / one.candidate_n, q_s - t * q_s * (1 - q_s) / one.stable_n
                    nearest = _nearest(one, a_c, a_s, side.boundary)
                    by_hand += _log_likelihood(one, a_c, a_s) - _log_likelihood(one, nearest + side.boundary, nearest)
                past = past + one
            assert total == pytest.approx(by_hand, rel=1e-6, abs=1e-6)


def _nearest(one: Window, a_c: float, a_s: float, boundary: float) -> float:
    """Where the divergence, n KL of each, is least along the boundary: where its derivative is 0."""

    def slope(q: float) -> float:
        def of(n: int, a: float, p: float) -> float:
            return n * ((1 - a) / (1 - p) - a / p)

        return of(one.candidate_n, a_c, q + boundary) + of(one.stable_n, a_s, q)

    low, high = max(0.0, -boundary) + 1e-12, min(1.0, 1 - boundary) - 1e-12
    return float(brentq(slope, low, high, xtol=1e-15))


def _log_likelihood(one: Window, p_c: float, p_s: float) -> float:
    good_c, good_s = one.candidate_n - one.candidate_bad, one.stable_n - one.stable_bad
    return float(binom.logpmf(good_c, one.candidate_n, p_c) + binom.logpmf(good_s, one.stable_n, p_s))


scores = st.lists(st.floats(0, 1).map(lambda value: round(value, 3)), min_size=1, max_size=8)


@settings(max_examples=25)
@given(st.lists(st.tuples(scores, scores), min_size=1, max_size=3))
def test_a_mean_is_a_bet_on_each_score_by_itself(drawn):
    gate = open_gate(a_spec("score", "sequential-mean", margin={"tolerate": "0", "refuse": "-0.1"}), 1)
    bad, good = np.zeros(len(gate.law.gaps)), np.zeros(len(gate.law.gaps))
    past_c: list[float] = []
    past_s: list[float] = []
    for ours, theirs in drawn:
        gate = gate.fold(Scores(candidate=_sums(ours), stable=_sums(theirs)))
        (g_c, v_c), (g_s, v_s) = _guess(past_c), _guess(past_s)
        for place, gap in enumerate(gate.law.gaps):
            bet = min(gap / (v_c / len(ours) + v_s / len(theirs)), 0.75 * min(len(ours), len(theirs)))
            l_c, l_s = bet / len(ours), bet / len(theirs)
            cost = sum((-math.log(1 - l_c) - l_c) * (x - g_c) ** 2 for x in ours)
            cost += sum((-math.log(1 - l_s) - l_s) * (x - g_s) ** 2 for x in theirs)
            gained = sum(l_c * x for x in ours) - sum(l_s * x for x in theirs)
            bad[place] += -gained - cost
            good[place] += gained + 0.1 * bet - cost
        past_c, past_s = past_c + ours, past_s + theirs
    assert gate.bad == pytest.approx(bad, abs=1e-3)  # sums are kept in millionths
    assert gate.good == pytest.approx(good, abs=1e-3)


@settings(max_examples=15)
@given(st.lists(st.tuples(scores, scores, st.integers(1, 60)), min_size=1, max_size=3))
def test_an_interval_of_means_ends_where_a_bet_on_each_score_by_itself_reaches_the_threshold(drawn):
    """For any b, a product over scores; where it crosses is searched for."""
    gate = open_gate(Goal(name="revenue", minimum_effect="2", scores={"low": "-10", "high": "30"}), 1)
    past_c: list[float] = []
    past_s: list[float] = []
    windows: list[tuple[float, list[float], list[float], float, float]] = []
    for ours, theirs in ((ours * times, theirs * times) for ours, theirs, times in drawn):
        gate = gate.fold(Reported(users=Scores(candidate=_sums(ours), stable=_sums(theirs)), weight=50))
        (g_c, v_c), (g_s, v_s) = _guess(past_c), _guess(past_s)
        windows.append((v_c / len(ours) + v_s / len(theirs), ours, theirs, g_c, g_s))
        past_c, past_s = past_c + ours, past_s + theirs

    def excess(b: float, sign: int) -> float:
        """ln of the mean over gaps of the e-process against d <= b, or d >= b, over its threshold."""
        terms = []
        for gap in np.geomspace(2 / 40 / 4, 0.9, 12):
            term = 0.0
            for spread, ours, theirs, g_c, g_s in windows:
                bet = min(gap / spread, 0.75 * min(len(ours), len(theirs)))
                l_c, l_s = bet / len(ours), bet / len(theirs)
                term += sum(sign * l_c * x + (math.log(1 - l_c) + l_c) * (x - g_c) ** 2 for x in ours)
                term += sum(-sign * l_s * x + (math.log(1 - l_s) + l_s) * (x - g_s) ** 2 for x in theirs)
                term -= sign * bet * b
            terms.append(term)
        return mean(terms) - math.log(2 / 0.05)

    low = brentq(excess, -1, 1, args=(1,)) if excess(-1, 1) > 0 > excess(1, 1) else -1.0
    high = brentq(excess, -1, 1, args=(-1,)) if excess(1, -1) > 0 > excess(-1, -1) else 1.0
    assert (gate.difference.low, gate.difference.high) == pytest.approx((40 * low, 40 * high), abs=1e-2)


def _sums(values: list[float]) -> Sums:
    total, squares = sum(values), sum(value**2 for value in values)
    return Sums(n=len(values), total=round(total * 1_000_000), squares=round(squares * 1_000_000))


def _guess(past: list[float]) -> tuple[float, float]:
    guess = (sum(past) + 0.5) / (len(past) + 1)
    return guess, (0.25 + sum((x - guess) ** 2 for x in past)) / (len(past) + 1)


@settings(max_examples=25)
@given(st.integers(0, 500), st.integers(0, 5000), st.sampled_from([5, 10, 25, 50]))
def test_a_split_is_a_beta_binomial_over_a_binomial(x, rest, weight):
    gate = open_gate(a_spec("split", "sample-ratio"), 1)
    for n_c, n_s in ((0, 0), (x, rest)):
        gate = gate.fold(Split(candidate_n=n_c, stable_n=n_s, weight=weight))
    share, n = weight / 100, x + rest
    ratio = betabinom.logpmf(x, n, 100 * share, 100 * (1 - share)) - binom.logpmf(x, n, share)
    assert float(gate.judge().log_e) == pytest.approx(float(np.logaddexp(ratio, 0.0)) - math.log(2), abs=1e-3)
