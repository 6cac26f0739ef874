"""What decides an A/B test, over many: the interval holds the true difference at any time, and each end is found."""

import math

import numpy as np
import pytest

from kanarya_contracts.rollout import Goal
from kanarya_rollout.gates.goal import GoalGate
from kanarya_rollout.gates.window import Reported, Scores, Sums, Window

GOAL = Goal(name="purchase", minimum_effect="0.05")
REVENUE = Goal(name="revenue", minimum_effect="2", scores={"high": "100"})


def drawn(chance: np.random.Generator, p_c: float, p_s: float, *, size: int, drift: float, look: int) -> Reported:
    """Users of a window; both shares wander together, their difference stays."""
    both = drift * math.sin(look / 5)
    n_c, n_s = (int(n) for n in chance.poisson(size, 2))
    short = (int(chance.binomial(n, 1 - p - both)) for n, p in ((n_c, p_c), (n_s, p_s)))
    users = Window(candidate_n=n_c, candidate_bad=next(short), stable_n=n_s, stable_bad=next(short))
    return Reported(users=users, weight=50)


def spent(chance: np.random.Generator, share: float, *, size: int) -> Sums:
    """What the users of a window spend, of 100: nothing, or, a share of them, 10 on the mean, a few of them much."""
    n = int(chance.poisson(size))
    values = chance.binomial(1, share, n) * chance.beta(0.5, 4.5, n)
    return Sums(n=n, total=round(values.sum() * 1_000_000), squares=round((values**2).sum() * 1_000_000))


def run_means(share_c: float, share_s: float, *, seed: int, looks: int = 40, drift: float = 0.1) -> tuple[list[GoalGate], str]:
    """As `run`, of a mean: it is ten times the share of those who spend something."""
    chance, gate, seen = np.random.default_rng(seed), GoalGate.opened(REVENUE), []
    for look in range(looks):
        both = drift * math.sin(look / 5)
        ours, theirs = (spent(chance, share + both, size=40) for share in (share_c, share_s))
        gate = gate.fold(Reported(users=Scores(candidate=ours, stable=theirs), weight=50))
        seen.append(gate)
    return seen, first(seen)


def first(seen: list[GoalGate]) -> str:
    """The first verdict."""
    said = [one.judge().verdict for one in seen]
    return next((verdict for verdict in said if verdict not in {"NoData", "Inconclusive"}), "Inconclusive")


def run(
    p_c: float, p_s: float, *, seed: int, looks: int = 40, size: int = 40, drift: float = 0.05
) -> tuple[list[GoalGate], str]:
    """The gate after each look, and its first verdict."""
    chance, gate, seen = np.random.default_rng(seed), GoalGate.opened(GOAL), []
    for look in range(looks):
        gate = gate.fold(drawn(chance, p_c, p_s, size=size, drift=drift, look=look))
        seen.append(gate)
    return seen, first(seen)


@pytest.mark.parametrize(("p_c", "p_s"), [(0.3, 0.3), (0.35, 0.3), (0.1, 0.4), (0.93, 0.94)])
def test_the_interval_holds_the_true_difference_at_every_look(p_c: float, p_s: float):
    """Of 40 tests, each looked at 40 times, 2 may leave it out at 95 %; more than 5 of them would with a chance of 1 %."""
    left_out = 0
    for seed in range(40):
        seen, _ = run(p_c, p_s, seed=seed)
        left_out += any(not gate.difference.low <= p_c - p_s <= gate.difference.high for gate in seen)
    assert left_out <= 5


@pytest.mark.parametrize(
    ("p_c", "p_s", "looks", "expected"),
    [
        (0.45, 0.30, 40, "Successful"),
        (0.20, 0.35, 40, "Failed"),
        (0.3, 0.3, 140, "NoDifference"),
        (0.3, 0.3, 3, "Inconclusive"),
    ],
)
def test_each_end_is_found(p_c: float, p_s: float, looks: int, expected: str):
    found = [run(p_c, p_s, seed=seed, looks=looks, drift=0.0)[1] for seed in range(12)]
    assert found.count(expected) >= 11, found


@pytest.mark.parametrize(("share_c", "share_s"), [(0.3, 0.3), (0.6, 0.3), (0.2, 0.8)])
def test_the_interval_of_a_mean_holds_the_true_difference_at_every_look(share_c: float, share_s: float):
    """As for shares."""
    left_out = 0
    for seed in range(40):
        seen, _ = run_means(share_c, share_s, seed=seed)
        difference = 10 * (share_c - share_s)
        left_out += any(not gate.difference.low <= difference <= gate.difference.high for gate in seen)
    assert left_out <= 5


@pytest.mark.parametrize(
    ("share_c", "share_s", "looks", "expected"),
    [
        (0.6, 0.2, 60, "Successful"),
        (0.2, 0.6, 60, "Failed"),
        (0.4, 0.4, 200, "NoDifference"),
        (0.4, 0.4, 3, "Inconclusive"),
    ],
)
def test_each_end_of_a_mean_is_found(share_c: float, share_s: float, looks: int, expected: str):
    found = [run_means(share_c, share_s, seed=seed, looks=looks, drift=0.0)[1] for seed in range(12)]
    assert found.count(expected) >= 11, found
