"""A goal of an A/B test whose users have scores, as the gateway says it to the model server.

    x-kanarya-scores: revenue 0..500

The rollout's spec states the bounds, `rollout` writes them into the gateway's script, and so every report of such a user
comes to `model` together with them. A score outside is refused there, and the others are counted under these bounds: what a
gate reads lies between the bounds that it was promised, also while somebody edits the spec.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from kanarya_contracts.quantities import format_decimal, parse_decimal

_WRITTEN = re.compile(r"(?P<name>\S{1,63}) (?P<low>\S{1,40}?)\.\.(?P<high>\S{1,40})")
"""No longer than a resource on a cluster can have it: it becomes a label."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredGoal:
    """A goal's name, and between what each user's score lies."""

    name: str
    low: Decimal
    high: Decimal

    @property
    def bounds(self) -> str:
        """`0..500`, as a label."""
        return f"{format_decimal(self.low)}..{format_decimal(self.high)}"

    def __str__(self) -> str:
        return counted_as(self.name, self.bounds)

    @classmethod
    def read(cls, text: str) -> Self:
        """From `str`. Raises ValueError for what is none."""
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise ValueError(f"got {text!r}, expected a goal and its bounds, such as 'revenue 0..500'")
        one = cls(name=found["name"], low=parse_decimal(found["low"]), high=parse_decimal(found["high"]))
        if not float(one.low) < float(one.high):
            raise ValueError(f"got {text!r}, expected the lower bound before the higher one")
        return one

    def share(self, score: float) -> float | None:
        """How far a score lies from the least to the most there can be: 0 to 1. None for one that lies outside."""
        low, high = float(self.low), float(self.high)
        return min(max((score - low) / (high - low), 0.0), 1.0) if low <= score <= high else None


def counted_as(goal: str, bounds: str) -> str:
    """What tells the counters of a goal with these bounds from those of every other: `revenue 0..500`."""
    return f"{goal} {bounds}"
