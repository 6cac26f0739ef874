"""An A/B test as a person writes it: how users are told apart, how they are split, what decides, and what follows from it."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kanarya_contracts.problems import agreed, problem
from kanarya_contracts.quantities import Duration, Quantity, parse_duration
from kanarya_contracts.rollout.base import Strict

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
    """What clients report of each user, once, when it is known: reached or not."""

    name: str = Field(pattern=r"^[a-z][-a-z0-9]{0,62}$")
    """As clients report it, and what evidence and people call it."""
    minimum_effect: Quantity
    """Difference between the two shares of users who reached it from which on a difference matters: `"0.01"` is a point."""
    alpha: Quantity = Decimal("0.05")
    """Chance that the interval for the difference ever, over all looks, leaves the true one out: half on each side."""

    def counts(self) -> Literal["goals"]:
        """What is counted for it."""
        return "goals"

    @model_validator(mode="after")
    def _shares(self) -> Self:
        wrong = [
            problem(f"got {value}, expected more than 0 and less than 1", name)
            for name, value in (("minimumEffect", self.minimum_effect), ("alpha", self.alpha))
            if not 0 < value < 1
        ]
        return agreed(self, wrong)


class ABTest(Strict):
    """Users are split once and for all, until one version turns out to be the better one, or neither. Gates go on watching:
    one that refuses ends the test, and nothing is promoted before all of them agree."""

    split: Annotated[int, Field(ge=1, le=99)] = 50
    """Percent of users that get the candidate. Moving it moves no more users than it says."""
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
