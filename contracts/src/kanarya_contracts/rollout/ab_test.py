"""An A/B test as a person writes it: how users are told apart, how they are split, what decides, and what follows from it."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kanarya_contracts.goals import ScoredGoal
from kanarya_contracts.problems import Problem, agreed, problem
from kanarya_contracts.quantities import Duration, Quantity, parse_duration
from kanarya_contracts.rollout.base import Strict
from kanarya_contracts.rollout.gate import ScoreBounds

GoalSignal = Literal["goals", "goal-scores"]
"""What is counted for a goal: users, and those of them who reached it; users, with the sum and the sum of squares of scores."""

_MOST_RIVALS = 3
"""An HTTPRoute has sixteen rules at most: for each challenger's users and for the split, by REST and by gRPC, that is ten, and
one more for each version that is asked for by its number."""

_MOST = 99
"""Percent of users that challengers may have together."""

_HTTP_NAME = r"^[A-Za-z0-9][-A-Za-z0-9_.]{0,126}$"


class Sticky(Strict):
    """What tells users apart: exactly one of the fields. A request without it is the champion's, and no part of the test."""

    header: Annotated[str, Field(pattern=_HTTP_NAME)] | None = None
    """A header with a user's id."""
    cookie: Annotated[str, Field(pattern=_HTTP_NAME)] | None = None
    """A cookie with a user's id."""

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        given = [name for name in ("header", "cookie") if getattr(self, name) is not None]
        text = f"got {' and '.join(given) or 'nothing'}, expected exactly one of header, cookie"
        return agreed(self, [] if len(given) == 1 else [problem(text)])


class Goal(Strict):
    """What clients report of each user, once, when it is known: reached or not, or a score."""

    name: str = Field(pattern=r"^[a-z][-a-z0-9]{0,62}$")
    """As clients report it, and what evidence and people call it."""
    scores: ScoreBounds | None = None
    """With them the goal is a mean, such as revenue for each user: what is reported is a number between them. Without them the
    goal is reached or not."""
    minimum_effect: Quantity
    """From which on a difference matters: between the two shares of users who reached it, where `"0.01"` is a point, or, with
    `scores`, between the two means, in their unit."""
    alpha: Quantity = Decimal("0.05")
    """Chance that the interval for the difference ever, over all looks, leaves the true one out: half on each side."""

    def counts(self) -> GoalSignal:
        """What is counted for it."""
        return "goals" if self.scores is None else "goal-scores"

    @property
    def scored(self) -> ScoredGoal | None:
        """What the gateway is to say of its users' scores; None where they have none."""
        return ScoredGoal(name=self.name, low=self.scores.low, high=self.scores.high) if self.scores is not None else None

    @property
    def counted_as(self) -> str:
        """What tells its counters from those of every other goal."""
        return str(self.scored or self.name)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        wrong: list[Problem] = []
        reach = Decimal(1) if self.scores is None else self.scores.high - self.scores.low
        if self.scores is not None and reach <= 0:
            wrong.append(problem(f"got {self.scores.low} to {self.scores.high}, expected low < high", "scores"))
        elif not 0 < self.minimum_effect < reach:
            wrong.append(problem(f"got {self.minimum_effect}, expected more than 0 and less than {reach}", "minimumEffect"))
        if not 0 < self.alpha < 1:
            wrong.append(problem(f"got {self.alpha}, expected more than 0 and less than 1", "alpha"))
        return agreed(self, wrong)


class RivalSpec(Strict):
    """One challenger more."""

    alias: str = Field(min_length=1)
    """What points to it in the registry, as `registry.candidateAlias` points to the first."""
    split: Annotated[int, Field(ge=1, le=98)]
    """Percent of users that get it."""


class ABTest(Strict):
    """Users are split once and for all, until one version turns out to be the better one, or neither. Gates go on watching:
    one that refuses ends the test, and nothing is promoted before all of them agree."""

    split: Annotated[int, Field(ge=1, le=99)] = 50
    """Percent of users that get the candidate. Moving it moves no more users than it says."""
    rivals: Annotated[tuple[RivalSpec, ...], Field(max_length=_MOST_RIVALS)] = ()
    """Challengers beside that one, each compared with the champion (A/B/n). The test begins when all of them are there, and
    every alpha and beta is divided by their number. What the splits leave is the champion's."""
    sticky: Sticky
    """What tells users apart."""
    goal: Goal
    """What decides."""
    minimum_duration: Duration = parse_duration("0s")
    """Since the candidate's first request: before that a winner is no winner yet, so that a test sees a whole week. A candidate
    that is worse is taken back at any time."""
    on_winner: Literal["promote", "pause"] = "promote"
    """When the candidate is better, and every gate agrees. `pause`: a person decides; the split stays."""
    on_no_difference: Literal["rollback", "pause", "promote"] = "rollback"
    """When the difference is surely smaller than `minimumEffect`, whichever way."""

    @property
    def challengers(self) -> int:
        """How many versions are compared with the champion."""
        return 1 + len(self.rivals)

    @model_validator(mode="after")
    def _room_for_all(self) -> Self:
        aliases, total = [one.alias for one in self.rivals], self.split + sum(one.split for one in self.rivals)
        wrong = [
            problem(f"got {alias!r}, which another rival has too; expected a different one", "rivals", index, "alias")
            for index, alias in enumerate(aliases)
            if alias in aliases[:index]
        ]
        if total > _MOST:
            text = (
                f"the splits of all challengers sum to {total}; expected at most {_MOST}, because the champion needs users too"
            )
            wrong.append(problem(text, "rivals"))
        return agreed(self, wrong)
