"""The ratio gate: its chances of error, what it may ignore, and that nothing is lost in writing it down."""

import json
import math
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.testing import gate as a_spec
from kanarya_rollout.gates.sequential_ratio import SequentialRatio
from kanarya_rollout.gates.window import Window


def gate(
    *, negligible: str | None = None, alpha: float = 0.01, beta: float = 0.05, saved=None, refuse: str = "2.0"
) -> SequentialRatio:
    margin = {"tolerate": "1.2", "refuse": refuse, "negligible": negligible}
    return SequentialRatio.opened(a_spec(margin=margin, beta=f"{beta:.9f}"), alpha, saved)


@st.composite
def window(draw: st.DrawFn) -> Window:
    n_c, n_s = draw(st.integers(0, 10_000)), draw(st.integers(0, 10_000))
    return Window(candidate_n=n_c, candidate_bad=draw(st.integers(0, n_c)), stable_n=n_s, stable_bad=draw(st.integers(0, n_s)))


def fold(start: SequentialRatio, windows: list[Window]) -> SequentialRatio:
    for one in windows:
        start = start.fold(one)
    return start


def decided(
    *, ratio: float, base: float, share: float, runs: int, looks: int, negligible: str | None, seed: int
) -> dict[str, float]:
    """Shares of verdicts, the first that stands counting, over `runs` rollouts of `looks` windows."""
    chance = np.random.default_rng(seed)
    swing = base * np.exp(chance.normal(0, 0.7, (runs, looks)))  # a base rate that both versions share, and that wanders
    n_c = chance.poisson(1000 * share, (runs, looks))
    n_s = chance.poisson(1000 * (1 - share), (runs, looks))
    e_c, e_s = chance.binomial(n_c, np.minimum(1, ratio * swing)), chance.binomial(n_s, swing)
    verdicts: list[str] = []
    for run in range(runs):
        state, verdict = gate(negligible=negligible), "Inconclusive"
        for look in range(looks):
            state = state.fold(
                Window(
                    candidate_n=int(n_c[run, look]),
                    candidate_bad=int(e_c[run, look]),
                    stable_n=int(n_s[run, look]),
                    stable_bad=int(e_s[run, look]),
                )
            )
            verdict = state.judge().verdict
            if verdict in {"Failed", "Successful"}:
                break
        verdicts.append(verdict)
    return {verdict: verdicts.count(verdict) / runs for verdict in ("Failed", "Successful", "Inconclusive")}


def test_a_candidate_that_is_exactly_tolerable_is_refused_with_at_most_the_chance_alpha():
    shares = decided(ratio=1.2, base=0.005, share=0.1, runs=150, looks=30, negligible=None, seed=1)
    assert shares["Failed"] <= 0.03  # alpha 0.01: 5 or more of 150 has a chance below 2 %


def test_a_candidate_that_is_exactly_as_bad_as_refuse_is_accepted_with_at_most_the_chance_beta():
    shares = decided(ratio=2.0, base=0.02, share=0.25, runs=150, looks=20, negligible=None, seed=2)
    assert shares["Successful"] <= 0.09  # beta 0.05


def test_a_candidate_at_both_margins_is_accepted_with_at_most_the_chance_beta():
    shares = decided(ratio=2.0, base=0.005, share=0.25, runs=150, looks=20, negligible="0.01", seed=3)
    assert shares["Successful"] <= 0.09


def test_ten_times_the_errors_are_refused_and_never_accepted():
    shares = decided(ratio=10, base=0.005, share=0.1, runs=60, looks=30, negligible="0.01", seed=4)
    assert shares == {"Failed": 1.0, "Successful": 0.0, "Inconclusive": 0.0}


def test_an_identical_candidate_is_accepted():
    shares = decided(ratio=1.0, base=0.01, share=0.5, runs=40, looks=40, negligible=None, seed=5)
    assert shares["Successful"] >= 0.9
    assert shares["Failed"] == 0


def test_two_versions_that_never_fail_are_told_apart_only_by_a_negligible_rate():
    silent = [Window(candidate_n=10, stable_n=10)] * 100
    without, with_rate = fold(gate(), silent).judge(), fold(gate(negligible="0.01"), silent).judge()
    assert without.verdict == "Inconclusive"
    assert without.needs is None
    assert "set margin.negligible" in without.message
    assert with_rate.verdict == "Successful"


def test_no_error_at_a_negligible_one_percent_concludes_after_about_four_hundred_requests():
    few, enough = (gate(negligible="0.01").fold(Window(candidate_n=n, stable_n=n)).judge() for n in (390, 420))
    assert (few.verdict, enough.verdict) == ("Inconclusive", "Successful")


def test_what_it_says_it_needs_is_about_what_it_takes():
    evidence = gate(negligible="0.01").fold(Window(candidate_n=100, stable_n=900)).judge()
    assert evidence.needs is not None
    total = 100 + evidence.needs
    assert (
        gate(negligible="0.01").fold(Window(candidate_n=round(1.25 * total), stable_n=9 * total)).judge().verdict
        == "Successful"
    )
    assert (
        gate(negligible="0.01").fold(Window(candidate_n=round(0.75 * total), stable_n=9 * total)).judge().verdict
        == "Inconclusive"
    )
    assert evidence.message == "100 of about 440 candidate requests needed"


def test_without_a_candidate_request_there_is_no_data():
    evidence = gate(negligible="0.01").fold(Window(stable_n=1000, stable_bad=500)).judge()
    assert (evidence.verdict, evidence.needs) == ("NoData", None)


def test_a_refusal_says_the_rates_and_the_margin():
    evidence = gate().fold(Window(candidate_n=100, candidate_bad=30, stable_n=900, stable_bad=9)).judge()
    assert evidence.verdict == "Failed"
    assert evidence.message == (
        "30% of 100 candidate requests failed, 1% of 900 of the stable version's: more than 1.2 times as many"
    )


def test_a_window_without_the_stable_version_says_nothing_about_the_ratio_but_counts_as_seen():
    before = gate().fold(Window(candidate_n=50, candidate_bad=1, stable_n=450, stable_bad=4))
    after = before.fold(Window(candidate_n=50, candidate_bad=50))
    assert (after.bad, after.good) == (before.bad, before.good)
    assert after.judge().candidate.n == 100


def test_an_incident_that_both_versions_share_refuses_nobody():
    assert (
        fold(gate(), [Window(candidate_n=100, candidate_bad=50, stable_n=900, stable_bad=450)] * 20).judge().verdict != "Failed"
    )


def test_other_margins_begin_anew_and_another_alpha_does_not():
    seen = gate().fold(Window(candidate_n=100, candidate_bad=9, stable_n=900, stable_bad=9))
    assert gate(saved=seen.saved(), refuse="3.0").judge().candidate.n == 0
    assert gate(saved=seen.saved(), alpha=0.001).judge().candidate.n == 100


@settings(max_examples=25)
@given(st.lists(window(), max_size=6))
def test_what_was_saved_as_json_continues_bit_for_bit(windows: list[Window]):
    before = fold(gate(negligible="0.02"), windows)
    after = gate(negligible="0.02", saved=json.loads(json.dumps(before.saved())))
    assert after == before
    assert after.judge() == before.judge()


@settings(max_examples=25)
@given(st.lists(window(), max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_windows_does_not_matter(windows: list[Window], chance):
    shuffled = list(windows)
    chance.shuffle(shuffled)
    one, other = fold(gate(), windows), fold(gate(), shuffled)
    assert one.bad == pytest.approx(other.bad, abs=1e-6, rel=1e-9)
    assert one.good == pytest.approx(other.good, abs=1e-6, rel=1e-9)


@settings(max_examples=25)
@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 20), st.integers(0, 20), st.integers(2, 5))
def test_a_window_split_into_equal_parts_says_the_same(n_c: int, n_s: int, e_c: int, e_s: int, parts: int):
    e_c, e_s = min(e_c, n_c), min(e_s, n_s)
    part = Window(candidate_n=n_c, candidate_bad=e_c, stable_n=n_s, stable_bad=e_s)
    whole = Window(candidate_n=parts * n_c, candidate_bad=parts * e_c, stable_n=parts * n_s, stable_bad=parts * e_s)
    assert fold(gate(), [part] * parts).bad == pytest.approx(gate().fold(whole).bad, abs=1e-6, rel=1e-9)


@settings(max_examples=25)
@given(st.lists(window(), max_size=4), st.sampled_from([None, "0.001", "0.3"]))
def test_every_number_it_gives_is_finite(windows: list[Window], negligible: str | None):
    evidence = fold(gate(negligible=negligible), windows).judge()
    assert evidence.log_e is not None
    assert evidence.log_e.is_finite()
    assert evidence.log_e_good is not None
    assert evidence.log_e_good.is_finite()
    assert evidence.needs is None or evidence.needs >= 0


@settings(max_examples=25)
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(0, 100), st.integers(0, 100))
def test_one_bad_candidate_request_more_never_speaks_for_it(n_c: int, n_s: int, e_c: int, e_s: int):
    e_c, e_s = min(e_c, n_c - 1), min(e_s, n_s)
    better, worse = (
        gate(negligible="0.01").fold(Window(candidate_n=n_c, candidate_bad=e_c + more, stable_n=n_s, stable_bad=e_s)).judge()
        for more in (0, 1)
    )
    assert worse.log_e is not None
    assert better.log_e is not None
    assert worse.log_e >= better.log_e - Decimal("0.0001")
    assert worse.log_e_good is not None
    assert better.log_e_good is not None
    assert worse.log_e_good <= better.log_e_good + Decimal("0.0001")


def test_the_e_process_for_a_negligible_rate_has_mean_one_at_the_margin():
    p0, n = 0.05, 40
    state = gate(negligible=str(p0))
    mean = 0.0
    for bad in range(n + 1):
        chance = math.comb(n, bad) * p0**bad * (1 - p0) ** (n - bad)
        seen = state.fold(Window(candidate_n=n, candidate_bad=bad))
        good = seen._log_favour(seen._own())
        mean += chance * (2 * math.exp(good) - 1)  # the ratio's half is 1 in windows without the stable version
    assert mean == pytest.approx(1.0, abs=1e-9)


def test_thresholds_are_those_of_ville():
    evidence = gate(alpha=0.005, beta=0.05).judge()
    assert (evidence.threshold, evidence.threshold_good) == (Decimal("5.2983"), Decimal("2.9957"))
    assert all(low < high for low, high in pairwise([Decimal(0), evidence.threshold_good, evidence.threshold]))
