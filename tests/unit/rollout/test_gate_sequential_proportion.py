"""The accuracy gate: exact expectation of its e-values over the null, its chances of error, late labels, power."""

import json
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.testing import gate as a_spec
from kanarya_rollout.gates.proportions import alternative, increments
from kanarya_rollout.gates.sequential_proportion import Law, SequentialProportion
from kanarya_rollout.gates.window import Window

TOLERATE, REFUSE = "0.00", "-0.02"


def gate(
    *, tolerate: str = TOLERATE, refuse: str = REFUSE, alpha: float = 0.005, beta: float = 0.05, saved=None
) -> SequentialProportion:
    margin = {"tolerate": tolerate, "refuse": refuse}
    spec = a_spec("accuracy", "sequential-proportion", margin=margin, beta=f"{beta:.9f}")
    return SequentialProportion.opened(spec, alpha, saved)


def sides(tolerate: str = TOLERATE, refuse: str = REFUSE):
    law = Law.of(Decimal(tolerate), Decimal(refuse), 0.01, 0.05)
    return law.against, law.favour


def labels(n_c: int, wrong_c: int, n_s: int, wrong_s: int) -> Window:
    return Window(candidate_n=n_c, candidate_bad=wrong_c, stable_n=n_s, stable_bad=wrong_s)


@st.composite
def window(draw: st.DrawFn) -> Window:
    n_c, n_s = draw(st.integers(0, 300)), draw(st.integers(0, 300))
    return labels(n_c, draw(st.integers(0, n_c)), n_s, draw(st.integers(0, n_s)))


def fold(start: SequentialProportion, windows: list[Window]) -> SequentialProportion:
    for one in windows:
        start = start.fold(one)
    return start


def run(p_c: float, p_s: float, chance: np.random.Generator, *, looks: int, size: int, **margins) -> tuple[str, int]:
    """The first verdict, and the candidate labels it took."""
    state = gate(**margins)
    for look in range(looks):
        drift = 0.02 * math.sin(look)  # a base accuracy that wanders, the difference staying
        state = state.fold(
            labels(size, int(chance.binomial(size, 1 - p_c - drift)), size, int(chance.binomial(size, 1 - p_s - drift)))
        )
        verdict = state.judge().verdict
        if verdict != "Inconclusive":
            return verdict, (look + 1) * size
    return "Inconclusive", looks * size


@settings(max_examples=25)
@given(
    st.integers(1, 4), st.integers(1, 4), st.floats(0.01, 0.99), st.sampled_from([0, 1]), st.floats(0, 1), st.floats(0, 1),
    st.sampled_from([("0.00", "-0.02"), ("-0.05", "-0.15"), ("0.1", "0.02")]),
)  # fmt: skip
def test_the_expectation_of_every_e_value_is_at_most_one_on_all_of_the_null(
    n_c: int, n_s: int, expected: float, which: int, p_s: float, beyond: float, margins: tuple[str, str]
):
    side = sides(*margins)[which]
    p_c = p_s + side.boundary + (beyond if which == 0 else -beyond)
    if not 0 <= p_c <= 1:
        p_c = min(max(p_c, 0.0), 1.0)
        p_s = min(p_s, p_c - side.boundary) if which == 0 else max(p_s, p_c - side.boundary)
    if not 0 <= p_s <= 1:
        return
    total = np.zeros(len(side.differences))
    for wrong_c in range(n_c + 1):
        for wrong_s in range(n_s + 1):
            chance = (
                math.comb(n_c, wrong_c) * (1 - p_c) ** wrong_c * p_c ** (n_c - wrong_c)
                * math.comb(n_s, wrong_s) * (1 - p_s) ** wrong_s * p_s ** (n_s - wrong_s)
            )  # fmt: skip
            total += chance * np.exp(list(increments(side, expected, labels(n_c, wrong_c, n_s, wrong_s))))
    assert (total <= 1 + 1e-9).all()


@settings(max_examples=25)
@given(
    st.integers(1, 1000), st.integers(1, 100_000), st.floats(0.005, 0.995), st.floats(-0.99, 0.99), st.floats(-0.99, 0.99)
)  # fmt: skip
def test_the_null_that_an_alternative_is_compared_with_is_the_nearest_one(n_c, n_s, base, boundary, gap):
    q_c, q_s, t = alternative(boundary, base, gap, labels(n_c, 0, n_s, 0))
    a_c, a_s = q_c + t * q_c * (1 - q_c) / n_c, q_s - t * q_s * (1 - q_s) / n_s

    def distance(q: float) -> float:
        def kl(a: float, b: float) -> float:
            return a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))

        return n_c * kl(a_c, q + boundary) + n_s * kl(a_s, q)

    assert 0 < min(a_c, a_s) <= max(a_c, a_s) < 1
    assert t * gap >= 0
    low, high = max(0.0, -boundary), min(1.0, 1 - boundary)
    others = [low + (high - low) * (step + 0.5) / 50 for step in range(50)]
    assert distance(q_s) <= min(map(distance, others)) + 1e-9 * (n_c + n_s)


@settings(max_examples=25)
@given(window().filter(lambda one: one.candidate_n and one.stable_n), st.floats(0.005, 0.995), st.sampled_from([0, 1]))
def test_an_increment_is_the_logarithm_of_a_likelihood_ratio(seen: Window, base: float, which: int):
    side = sides()[which]
    difference = side.differences[3]
    gap = min(max(base + difference, 0.005), 0.995) - base - side.boundary
    q_c, q_s, t = alternative(side.boundary, base, gap, seen)
    a_c, a_s = q_c + t * q_c * (1 - q_c) / seen.candidate_n, q_s - t * q_s * (1 - q_s) / seen.stable_n
    by_hand = (
        (seen.candidate_n - seen.candidate_bad) * math.log(a_c / q_c)
        + seen.candidate_bad * math.log((1 - a_c) / (1 - q_c))
        + (seen.stable_n - seen.stable_bad) * math.log(a_s / q_s)
        + seen.stable_bad * math.log((1 - a_s) / (1 - q_s))
    )
    inside = gap >= 0 if side.above else gap <= 0
    assert list(increments(side, base, seen))[3] == pytest.approx(0.0 if inside else by_hand, rel=1e-9, abs=1e-9)


def test_a_candidate_that_is_exactly_tolerable_is_refused_with_at_most_the_chance_alpha():
    chance = np.random.default_rng(11)
    refused = sum(run(0.9, 0.9, chance, looks=20, size=50, beta=1e-9)[0] == "Failed" for _ in range(40))
    assert refused <= 2  # alpha 0.005: more has a chance of 0.4 %


def test_a_candidate_that_is_exactly_as_bad_as_refuse_is_accepted_with_at_most_the_chance_beta():
    chance = np.random.default_rng(12)
    runs = [run(0.80, 0.85, chance, looks=20, size=50, refuse="-0.05", alpha=1e-9)[0] for _ in range(40)]
    assert runs.count("Successful") <= 6  # beta 0.05: more has a chance of 1 %


def test_a_third_of_the_labels_right_is_refused_within_sixty_of_them():
    chance = np.random.default_rng(13)
    outcomes = [run(0.33, 0.95, chance, looks=12, size=5) for _ in range(25)]
    assert {verdict for verdict, _ in outcomes} == {"Failed"}


def test_a_better_candidate_is_accepted_within_a_few_hundred_labels():
    chance = np.random.default_rng(14)
    outcomes = [run(0.95, 0.70, chance, looks=30, size=10) for _ in range(15)]
    assert {verdict for verdict, _ in outcomes} == {"Successful"}


def test_nine_in_ten_to_eight_and_a_half_is_refused():
    chance = np.random.default_rng(15)
    outcomes = [run(0.85, 0.90, chance, looks=50, size=120) for _ in range(12)]
    assert [verdict for verdict, _ in outcomes].count("Failed") >= 11


def test_labels_of_one_version_wait_for_those_of_the_other():
    batches = gate().fold(labels(60, 40, 0, 0)).fold(labels(0, 0, 60, 2))
    at_once = gate().fold(labels(60, 40, 60, 2))
    assert batches == at_once
    waiting = gate().fold(labels(60, 40, 0, 0)).judge()
    assert waiting.message == "60 candidate labels, none of the stable version to compare with"
    assert (waiting.verdict, waiting.candidate.n) == ("Inconclusive", 60)


def test_without_labels_there_is_no_data():
    assert gate().judge().verdict == "NoData"
    assert gate().fold(labels(0, 0, 500, 20)).judge().verdict == "NoData"


def test_a_refusal_says_both_accuracies_and_the_margin():
    assert fold(gate(), [labels(20, 13, 20, 1)] * 3).judge().message == (
        "right on 35% of 60 candidate labels, 95% of 60 of the stable version's: the difference is below +0"
    )


def test_needs_shrinks_as_labels_come_in():
    one, three = (fold(gate(), [labels(20, 1, 20, 2)] * count).judge() for count in (1, 3))
    assert one.needs is not None
    assert three.needs is not None
    assert three.needs < one.needs
    assert three.message.startswith("60 of about ")


def test_other_margins_begin_anew():
    seen = gate().fold(labels(60, 40, 60, 2))
    assert gate(refuse="-0.1", saved=seen.saved()).judge().candidate.n == 0


@settings(max_examples=25)
@given(st.lists(window(), max_size=5))
def test_what_was_saved_as_json_continues_bit_for_bit(windows: list[Window]):
    before = fold(gate(), windows)
    after = gate(saved=json.loads(json.dumps(before.saved())))
    assert after == before
    assert after.judge() == before.judge()


@settings(max_examples=25)
@given(st.lists(window(), max_size=5))
def test_every_number_it_gives_is_finite(windows: list[Window]):
    evidence = fold(gate(), windows).judge()
    assert evidence.log_e is not None
    assert evidence.log_e.is_finite()
    assert evidence.log_e_good is not None
    assert evidence.log_e_good.is_finite()


@settings(max_examples=25)
@given(window(), window())
def test_the_part_of_a_window_without_the_other_version_can_come_in_pieces(first: Window, second: Window):
    only_candidate = labels(first.candidate_n, first.candidate_bad, 0, 0)
    only_stable = labels(0, 0, second.stable_n, second.stable_bad)
    merged = gate().fold(only_candidate + only_stable)
    assert merged.saved() == gate().fold(only_candidate).fold(only_stable).saved()


def test_the_margins_alternatives_lie_outside_their_null():
    against, favour = sides()
    assert all(difference < against.boundary for difference in against.differences)
    assert all(difference > favour.boundary for difference in favour.differences)
    assert list(increments(against, 0.005, labels(1, 1, 1, 0)))[-1] == pytest.approx(0.0)  # nothing is below no accuracy
