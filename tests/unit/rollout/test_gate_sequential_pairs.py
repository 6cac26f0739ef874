"""The gate on labels of mirrored requests: its expectation over the null, chances of error, how few labels it needs."""

import json
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.testing import gate as a_spec
from kanarya_rollout.gates.mixture import log_mean_exp
from kanarya_rollout.gates.sequential_pairs import Bets, Law, SequentialPairs
from kanarya_rollout.gates.window import Pairs

MARGINS = [("0", "-0.02"), ("-0.01", "-0.05"), ("0.05", "0.01")]
LOOK = 25
"""Labels between two looks."""


def gate(*, tolerate="0", refuse="-0.02", alpha=0.05, saved=None) -> SequentialPairs:
    spec = a_spec("paired", "sequential-pairs", margin={"tolerate": tolerate, "refuse": refuse})
    return SequentialPairs.opened(spec, alpha, saved)


def pairs() -> st.SearchStrategy[Pairs]:
    count = st.integers(0, 500)
    return st.builds(Pairs, both=count, lost=count, won=count, neither=count)


def run(lost: float, won: float, *, labels: int, runs: int, seed: int, alpha=0.05, beta=0.05):
    """Verdict and labels of each run, where the stable version alone is right on that share, and the candidate alone."""
    law, chance = Law.of(Decimal(0), Decimal("-0.02"), alpha, beta), np.random.default_rng(seed)
    drawn = chance.multinomial(LOOK, [lost, won, 1 - lost - won], size=(runs, labels // LOOK)).cumsum(axis=1)

    def reached(bets: Bets, threshold: float) -> np.ndarray:
        table = np.array([bets.lost, bets.won, bets.same])
        logs = np.logaddexp.reduce(drawn @ table, axis=2) - math.log(table.shape[1])
        return np.where((logs >= threshold).any(axis=1), (logs >= threshold).argmax(axis=1), labels)

    failed, passed = reached(law.against, law.thresholds.against), reached(law.favour, law.thresholds.favour)
    verdicts = np.where(np.minimum(failed, passed) == labels, 0, np.where(failed <= passed, -1, 1))
    return verdicts, (np.minimum(failed, passed) + 1) * LOOK


@given(st.sampled_from(MARGINS), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_the_expectation_of_every_bet_is_at_most_one_on_all_of_the_null(margins, discordant, share, which):
    lost, won = discordant * (1 - share), discordant * share
    law = Law.of(Decimal(margins[0]), Decimal(margins[1]), 0.01, 0.05)
    bets, holds = (law.against, won - lost >= law.against.boundary) if which < 0.5 else (
        law.favour, won - lost <= law.favour.boundary
    )  # fmt: skip
    means = [
        lost * math.exp(one) + won * math.exp(other) + (1 - discordant) * math.exp(rest)
        for one, other, rest in zip(bets.lost, bets.won, bets.same, strict=True)
    ]
    assert not holds or max(means) <= 1 + 1e-9


def test_without_a_margin_it_is_the_likelihood_ratio_of_a_sign_test_on_the_labels_that_differ():
    seen, bets = Pairs(both=900, lost=38, won=19, neither=43), Bets.against(0.0)
    for log, lost in zip(bets.logs(seen), bets.lost, strict=True):
        t = math.exp(lost) / 2
        assert log == pytest.approx(38 * math.log(t / 0.5) + 19 * math.log((1 - t) / 0.5))
    assert Bets.against(0.0).logs(Pairs(both=10_000, neither=500)) == [0.0] * len(bets.lost)


def test_nine_in_ten_to_eighty_eight_in_a_hundred_is_seen_within_about_a_thousand_labels():
    verdicts, labels = run(0.04, 0.02, labels=4000, runs=200, seed=1)
    assert (verdicts == -1).mean() >= 0.95
    assert 700 <= np.median(labels) <= 1150


def test_nine_in_ten_to_eighty_five_in_a_hundred_is_seen_within_a_few_hundred():
    verdicts, labels = run(0.065, 0.015, labels=1500, runs=200, seed=2)
    assert (verdicts == -1).all()
    assert np.median(labels) <= 275


def test_a_candidate_that_is_exactly_tolerable_is_refused_with_at_most_the_chance_alpha():
    verdicts, _ = run(0.05, 0.05, labels=5000, runs=400, seed=3, beta=1e-9)
    assert (verdicts == -1).any()  # it looks at all
    assert (verdicts == -1).sum() <= 31  # alpha 0.05: more has a chance of 0.6 %


def test_a_candidate_that_is_exactly_as_bad_as_refuse_is_accepted_with_at_most_the_chance_beta():
    verdicts, _ = run(0.04, 0.02, labels=5000, runs=400, seed=4, alpha=1e-9)
    assert (verdicts == 1).any()
    assert (verdicts == 1).sum() <= 31  # beta 0.05: more has a chance of 0.6 %


def test_two_versions_that_always_agree_are_told_apart_from_a_worse_one():
    verdicts, labels = run(0.0, 0.0, labels=1000, runs=1, seed=5)
    assert (verdicts[0], labels[0] <= 300) == (1, True)


@given(st.lists(pairs(), max_size=4))
def test_labels_may_come_in_any_order_and_batches(windows):
    forwards, backwards, at_once = gate(), gate(), gate().fold(sum(windows, Pairs()))
    for one, other in zip(windows, reversed(windows), strict=True):
        forwards, backwards = forwards.fold(one), backwards.fold(other)
    assert forwards == backwards == at_once
    assert forwards.judge() == at_once.judge()


@settings(max_examples=25)
@given(pairs())
def test_what_was_saved_as_json_continues_and_other_margins_begin_anew(seen):
    before = gate().fold(seen)
    saved = json.loads(json.dumps(before.saved()))
    assert gate(saved=saved) == before
    assert gate(refuse="-0.1", saved=saved).judge().candidate.n == 0


@settings(max_examples=25)
@given(pairs())
def test_every_number_it_gives_is_finite_and_is_that_of_its_bets(seen):
    evidence = gate().fold(seen).judge()
    assert evidence.log_e is not None
    assert float(evidence.log_e) == pytest.approx(log_mean_exp(gate().law.against.logs(seen)), abs=1e-3)
    assert (evidence.candidate.n, evidence.candidate.bad) == (seen.candidate_n, seen.lost + seen.neither)
    assert (evidence.stable.n, evidence.stable.bad) == (seen.candidate_n, seen.won + seen.neither)


def test_without_labels_there_is_no_data_and_a_verdict_says_who_was_right_alone():
    assert (gate().judge().verdict, gate().judge().needs) == ("NoData", None)
    waiting = gate().fold(Pairs(both=400, lost=6, won=4, neither=30)).judge()
    assert waiting.verdict == "Inconclusive"
    assert waiting.message.startswith("440 of about ")
    assert gate().fold(Pairs(both=850, lost=60, won=20, neither=70)).judge().message == (
        "of 1,000 mirrored requests with a label, the candidate alone was right on 20 and the stable version alone on 60, "
        "-4 points: the difference is below +0"
    )
