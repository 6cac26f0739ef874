"""The gate on scores: its expectation over the null, chances of error, power, bounds, what it saves."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.testing import gate as a_spec
from kanarya_rollout.gates.sequential_mean import SequentialMean
from kanarya_rollout.gates.window import Scores, Sums

MILLION = 1_000_000


def gate(*, tolerate="0.00", refuse="-0.05", alpha=0.01, saved=None, **scores) -> SequentialMean:
    bounds = {"low": "0", "high": "1", **scores}
    margin = {"tolerate": tolerate, "refuse": refuse}
    return SequentialMean.opened(a_spec("score", "sequential-mean", margin=margin, scores=bounds), alpha, saved)


def sums(values) -> Sums:
    values = np.asarray(values, dtype=float)
    return Sums(n=len(values), total=round(values.sum() * MILLION), squares=round((values**2).sum() * MILLION))


def verdict(draw_c, draw_s, *, looks=40, n_c=40, n_s=360, start=None):
    state = start or gate()
    for _ in range(looks):
        state = state.fold(Scores(candidate=sums(draw_c(n_c)), stable=sums(draw_s(n_s))))
        if (found := state.judge()).verdict != "Inconclusive":
            return found.verdict, found.candidate.n
    return "Inconclusive", looks * n_c


@settings(max_examples=25)
@given(
    st.integers(1, 4), st.integers(1, 4), st.lists(st.floats(0, 1), min_size=2, max_size=2),
    st.lists(st.floats(0, 1), min_size=2, max_size=2), st.lists(st.floats(0, 1), max_size=6),
)  # fmt: skip
def test_the_expectation_of_every_e_value_is_at_most_one_on_all_of_the_null(n_c, n_s, candidate, stable, past):
    """Scores take one of two values with even odds: every outcome of a window, after any past, can be counted up."""
    mean_c, mean_s = sum(candidate) / 2, sum(stable) / 2
    before = gate().fold(Scores(candidate=sums(past), stable=sums(past[::-1]))) if past else gate()
    start_bad, start_good = (np.array(logs) for logs in (before.bad, before.good))
    total_bad = total_good = 0.0
    for high_c in range(n_c + 1):
        for high_s in range(n_s + 1):
            chance = _binomial(n_c, high_c) * _binomial(n_s, high_s)
            values_c = [candidate[0]] * (n_c - high_c) + [candidate[1]] * high_c
            values_s = [stable[0]] * (n_s - high_s) + [stable[1]] * high_s
            after = before.fold(Scores(candidate=sums(values_c), stable=sums(values_s)))
            total_bad = total_bad + chance * np.exp(np.array(after.bad) - start_bad)
            total_good = total_good + chance * np.exp(np.array(after.good) - start_good)
    if mean_c - mean_s >= 0.0:
        assert (total_bad <= 1 + 1e-4).all()  # sums are rounded to millionths
    if mean_c - mean_s <= -0.05:
        assert (total_good <= 1 + 1e-4).all()


def _binomial(n: int, k: int) -> float:
    return math.comb(n, k) / 2**n


def test_a_candidate_that_is_exactly_tolerable_is_refused_with_at_most_the_chance_alpha():
    chance = np.random.default_rng(1)
    found = [verdict(lambda n: chance.beta(8, 2, n), lambda n: chance.beta(8, 2, n))[0] for _ in range(60)]
    assert found.count("Failed") <= 3  # alpha 0.01: more has a chance of 0.3 %


def test_a_candidate_that_is_exactly_as_bad_as_refuse_is_accepted_with_at_most_the_chance_beta():
    chance = np.random.default_rng(2)
    found = [verdict(lambda n: chance.beta(7.5, 2.5, n), lambda n: chance.beta(8, 2, n))[0] for _ in range(60)]
    assert found.count("Successful") <= 7  # beta 0.05: more has a chance of 1.4 %


def test_a_tenth_less_is_refused_and_the_same_is_accepted_within_a_few_hundred_scores():
    chance = np.random.default_rng(3)
    worse = [verdict(lambda n: chance.beta(7, 3, n), lambda n: chance.beta(8, 2, n)) for _ in range(10)]
    same = [verdict(lambda n: chance.beta(8, 2, n), lambda n: chance.beta(8, 2, n)) for _ in range(10)]
    assert {one for one, _ in worse} == {"Failed"}
    assert np.median([n for _, n in worse]) <= 400
    assert [one for one, _ in same].count("Successful") >= 9


def test_of_a_cost_the_lower_one_is_the_better():
    chance = np.random.default_rng(4)
    start = gate(better="lower")
    assert verdict(lambda n: chance.beta(2, 8, n), lambda n: chance.beta(4, 6, n), start=start)[0] == "Successful"
    assert verdict(lambda n: chance.beta(4, 6, n), lambda n: chance.beta(2, 8, n), start=start)[0] == "Failed"


def test_the_unit_of_the_scores_does_not_matter():
    euros = gate(tolerate="0", refuse="-5", high="100")
    plain = gate()
    chance = np.random.default_rng(5)
    for _ in range(5):
        candidate, stable = chance.beta(8, 2, 40), chance.beta(8, 2, 200)
        plain = plain.fold(Scores(candidate=sums(candidate), stable=sums(stable)))
        euros = euros.fold(Scores(candidate=sums(100 * candidate), stable=sums(100 * stable)))
    assert euros.bad == pytest.approx(plain.bad, abs=1e-3)
    assert euros.good == pytest.approx(plain.good, abs=1e-3)


def test_a_drift_that_both_versions_share_refuses_nobody():
    chance = np.random.default_rng(6)
    state = gate()
    for look in range(60):
        shape = 8 if look % 2 else 2
        state = state.fold(Scores(candidate=sums(chance.beta(shape, 2, 40)), stable=sums(chance.beta(shape, 2, 360))))
        assert state.judge().verdict != "Failed"


def test_scores_beyond_their_bounds_hold_and_say_so():
    evidence = gate().fold(Scores(candidate=sums([0.1, 3.0]), stable=sums([0.9] * 50))).judge()
    assert (evidence.verdict, evidence.needs) == ("Inconclusive", None)
    assert "outside 0 to 1" in evidence.message


def test_scores_of_one_version_wait_for_those_of_the_other():
    candidate, stable = sums([0.2, 0.4]), sums([0.5, 0.9, 0.7])
    apart = gate().fold(Scores(candidate=candidate)).fold(Scores(stable=stable))
    assert apart == gate().fold(Scores(candidate=candidate, stable=stable))
    assert gate().judge().verdict == "NoData"


@settings(max_examples=25)
@given(st.lists(st.tuples(st.lists(st.floats(0, 1), max_size=5), st.lists(st.floats(0, 1), max_size=5)), max_size=4))
def test_what_was_saved_as_json_continues_bit_for_bit(windows):
    before = gate()
    for candidate, stable in windows:
        before = before.fold(Scores(candidate=sums(candidate), stable=sums(stable)))
    after = gate(saved=json.loads(json.dumps(before.saved())))
    assert after == before
    assert after.judge() == before.judge()
