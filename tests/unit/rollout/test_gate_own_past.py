"""A version against its own past: how often it is wronged, how soon it is caught, and what is said of it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts.rollout import Tally
from kanarya_contracts.testing import gate
from kanarya_rollout.gates import against_past
from kanarya_rollout.gates.own_past import _upper

RATIO = gate("error-rate", margin={"tolerate": "1.2", "refuse": "2.0"})
ACCURACY = gate("accuracy", "sequential-proportion", margin={"tolerate": "0", "refuse": "-0.05"})
LONG = Tally(n=4000, bad=8)


def drawn(chance: np.random.Generator, n: int, rate: float) -> int:
    return int(chance.binomial(n, rate))


def chosen_past(chance: np.random.Generator, rate: float) -> Tally:
    """Ends at its best moment, as a promotion might: the rate seen is then below the true one."""
    n = bad = 0
    while n < 1000:
        n, bad = n + 50, bad + drawn(chance, 50, rate)
        if n >= 200 and bad < 0.6 * rate * n:
            break
    return Tally(n=n, bad=bad)


@pytest.mark.parametrize(("spec", "rate", "line"), [(RATIO, 0.05, 0.10), (ACCURACY, 0.10, 0.15)])
def test_a_version_at_its_margin_is_wronged_with_at_most_the_chance_alpha_whenever_it_was_promoted(spec, rate, line):
    chance, alpha, runs, wronged = np.random.default_rng(7), 0.2, 120, 0
    for _ in range(runs):
        past, since = chosen_past(chance, rate), Tally()
        for _ in range(30):
            since = Tally(n=since.n + 50, bad=since.bad + drawn(chance, 50, line))
            if against_past(spec, alpha, past, since).verdict == "Failed":
                wronged += 1
                break
    assert wronged <= alpha * runs + 3 * math.sqrt(runs * alpha * (1 - alpha))


@pytest.mark.parametrize(("rate", "within"), [(0.05, 500), (0.3, 40)])
def test_one_that_fails_far_more_often_than_before_is_caught_within_some_hundred_requests(rate: float, within: int):
    chance, since = np.random.default_rng(1), Tally()
    while against_past(RATIO, 0.01, LONG, since).verdict != "Failed":
        since = Tally(n=since.n + 10, bad=since.bad + drawn(chance, 10, rate))
        assert since.n <= within


@given(st.integers(1, 400), st.floats(0, 1), st.sampled_from([0.01, 0.1]))
def test_the_bound_is_where_the_mixture_over_alternatives_reaches_its_threshold(n: int, share: float, alpha: float):
    bad, threshold = round(n * share), math.log(2 / alpha)
    upper = _upper(n, bad, threshold)
    assert upper >= bad / n
    if upper < 1 - 1e-6:
        steps = 4000
        logs = [
            bad * math.log(rate / upper) + (n - bad) * math.log((1 - rate) / (1 - upper))
            for rate in ((step + 0.5) / steps for step in range(steps))
        ]
        assert math.log(sum(map(math.exp, logs)) / steps) == pytest.approx(threshold, abs=0.05)


def test_a_rate_that_is_negligible_is_no_regression_whatever_the_past():
    spec = gate("error-rate", margin={"tolerate": "1.2", "refuse": "2.0", "negligible": "0.05"})
    since = Tally(n=2000, bad=80)
    assert against_past(spec, 0.01, LONG, since).verdict == "Inconclusive"
    assert against_past(RATIO, 0.01, LONG, since).verdict == "Failed"


def test_a_past_that_is_too_short_speaks_against_nobody():
    for past in (Tally(), Tally(n=3, bad=0)):
        said = against_past(RATIO, 0.01, past, Tally(n=1000, bad=1000))
        assert said.verdict == "Inconclusive"
        assert said.message.endswith(f"{past.n} before it are too few to be compared with")


def test_what_is_said_has_both_sides_and_the_line_between_them():
    said = against_past(RATIO, 0.01, LONG, Tally(n=1000, bad=100))
    assert (said.verdict, said.candidate.bad, said.stable) == ("Failed", 100, LONG)
    assert said.message.startswith("10% of 1,000 requests failed since the promotion, 0.2% of 4,000 before it: more than 1.")
    assert against_past(RATIO, 0.01, LONG, Tally()).verdict == "NoData"
    assert "wrong since the promotion" in against_past(ACCURACY, 0.01, LONG, Tally(n=9, bad=1)).message
