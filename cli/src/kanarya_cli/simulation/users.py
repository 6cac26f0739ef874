"""A/B tests on invented users: how they end, when, and after how many. Used by `kanarya simulate`.

One test after another, by the gate that decides a real one (`gates.goal`) and no copy of it, so a test of a month is looked at
LOOKS times and not once a minute: it may end a hundredth of its deadline later than a real one. Chance comes from the seed and
a test's number, so that tests may be shared out over processes and come out the same.

The goal alone decides here. Gates beside it are taken as satisfied, and of several challengers this is one, with its share of
the alpha: the others change nothing for it but when a winner is waited with.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from kanarya_contracts.rollout import ABTest, ModelRolloutSpec
from kanarya_rollout.gates import Reported, Scores, Sums, Window, open_gate

LOOKS = 100
"""At each test, evenly until its deadline."""

Ending = Literal["winner", "no difference", "loser", "not enough data"]
ENDINGS: tuple[Ending, ...] = ("winner", "no difference", "loser", "not enough data")

_ENDS: dict[str, Ending] = {"Successful": "winner", "NoDifference": "no difference", "Failed": "loser"}
_MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Users:
    """Of whom it is reported what became of them."""

    rate: float
    """A second, all versions together."""
    mean: float
    """The champion's: share of its users who reach the goal, or mean of their scores in the scores' unit."""
    spread: float | None = None
    """Standard deviation of one user's score; None for shares."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """A challenger."""

    name: str
    difference: float
    """Its mean less the champion's."""
    right: Ending
    """How its test should end."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """One test."""

    ending: Ending
    seconds: float
    """Until then."""
    users: int
    """Of the challenger, until then."""


@dataclass(frozen=True, kw_only=True)
class UserStudy:
    """A rollout's A/B test, and its users."""

    spec: ModelRolloutSpec
    users: Users
    tests: int
    """Of each fate."""
    seed: int

    @property
    def test(self) -> ABTest:
        """The A/B test."""
        test = self.spec.strategy.ab_test
        assert test is not None  # noqa: S101 (there is no study of another strategy)
        return test

    def fates(self) -> tuple[Fate, ...]:
        """As good, better and worse, by the least effect that matters and by twice as much; those that users can have."""
        effect = float(self.test.goal.minimum_effect)
        better: Ending = "loser" if self._lower else "winner"
        worse: Ending = "winner" if self._lower else "loser"
        found = [Fate(name="alike", difference=0.0, right="no difference")]
        for factor, said in ((1, ""), (2, "2 x ")):
            found.append(Fate(name=f"+{said}minimumEffect", difference=factor * effect, right=better))
            found.append(Fate(name=f"-{said}minimumEffect", difference=-factor * effect, right=worse))
        return tuple(one for one in found if self.impossible(one.difference) is None)

    def impossible(self, difference: float = 0.0) -> str | None:
        """Why there can be no users with this mean; None if there can."""
        mean, scores = self.users.mean + difference, self.test.goal.scores
        if scores is None:
            return None if 0 < mean < 1 else "expected a share between 0 and 1"
        low, high, spread = float(scores.low), float(scores.high), self.users.spread or 0.0
        if not low < mean < high:
            return f"expected a mean between {low:g} and {high:g}, the goal's bounds"
        most = ((mean - low) * (high - mean)) ** 0.5
        return (
            None if 0 < spread < most else f"expected a spread above 0 and below {most:.4g}, the most that such scores can have"
        )

    def run(self, fate: Fate) -> Iterator[Ended]:
        """Its tests, over all processors."""
        with ProcessPoolExecutor() as pool:
            yield from pool.map(partial(self.one, fate), range(self.tests), chunksize=5)

    def one(self, fate: Fate, number: int) -> Ended:
        """One test, to its end."""
        test, deadline = self.test, self.spec.deadline.total_seconds()
        chance = np.random.default_rng([self.seed, number])
        gate, users = open_gate(test.goal, 1, challengers=test.challengers), 0
        champion = 100 - sum(self.spec.splits.values())
        seconds = deadline / LOOKS
        for look in range(1, LOOKS + 1):
            ours = self._drawn(chance, test.split / 100 * seconds, fate.difference)
            theirs = self._drawn(chance, champion / 100 * seconds, 0.0)
            gate = gate.fold(Reported(users=_window(ours, theirs), weight=test.split, of=test.split + champion))
            users += ours[0]
            ending = _ENDS.get(gate.judge().verdict)
            early = look * seconds < test.minimum_duration.total_seconds() and ending != "loser"
            if ending is not None and not early:
                return Ended(ending=ending, seconds=look * seconds, users=users)
        return Ended(ending="not enough data", seconds=deadline, users=users)

    def _drawn(self, chance: np.random.Generator, seconds: float, difference: float) -> tuple[int, int | Sums]:
        """How many users, and how many of them fell short of the goal or the sums of their scores as the gate has them."""
        n, mean, scores = int(chance.poisson(self.users.rate * seconds)), self.users.mean + difference, self.test.goal.scores
        if scores is None:
            return n, n - int(chance.binomial(n, mean))
        low, width = float(scores.low), float(scores.high - scores.low)
        share, spread = (mean - low) / width, (self.users.spread or 0.0) / width
        weight = share * (1 - share) / spread**2 - 1  # of a beta distribution with this mean and spread
        drawn = chance.beta(share * weight, (1 - share) * weight, n)
        return n, Sums(n=n, total=round(drawn.sum() * _MILLION), squares=round((drawn**2).sum() * _MILLION)) if n else Sums()

    @property
    def _lower(self) -> bool:
        scores = self.test.goal.scores
        return scores is not None and scores.better == "lower"


def _window(ours: tuple[int, int | Sums], theirs: tuple[int, int | Sums]) -> Window | Scores:
    (n_c, c), (n_s, s) = ours, theirs
    if isinstance(c, Sums) and isinstance(s, Sums):
        return Scores(candidate=c, stable=s)
    assert isinstance(c, int)  # noqa: S101 (both are of one goal)
    assert isinstance(s, int)  # noqa: S101
    return Window(candidate_n=n_c, candidate_bad=c, stable_n=n_s, stable_bad=s)
