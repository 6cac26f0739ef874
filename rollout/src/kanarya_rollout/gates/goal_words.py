"""How a goal's numbers are spoken of: shares in percent and points, means in the unit of their scores. Used by `goal`."""

from decimal import Decimal
from typing import Protocol

from kanarya_contracts.rollout import Goal, Tally


class Words(Protocol):
    """Of one kind of goal."""

    unit: str
    """Behind a difference."""

    def counted(self, candidate: Tally, stable: Tally) -> str:
        """What was counted of both versions' users."""
        ...

    def amount(self, value: Decimal, *, sign: str = "+") -> str:
        """A difference, or an end of one. `sign`: as in a format."""
        ...


class _Shares:
    unit = " points"

    def counted(self, candidate: Tally, stable: Tally) -> str:
        return (
            f"{percent(candidate.mean or Decimal(0))} of {candidate.n:,} users reached it,"
            f" of the champion's {stable.n:,} {percent(stable.mean or Decimal(0))}"
        )

    def amount(self, value: Decimal, *, sign: str = "+") -> str:
        return f"{float(100 * value):{sign}.3g}"


class _Means:
    unit = ""

    def counted(self, candidate: Tally, stable: Tally) -> str:
        ours, theirs = (self.amount(one.mean or Decimal(0), sign="") for one in (candidate, stable))
        return f"a mean of {ours} over {candidate.n:,} users, of {theirs} over the champion's {stable.n:,}"

    def amount(self, value: Decimal, *, sign: str = "+") -> str:
        """Four digits that mean something, and no exponent, as in `1,234,000`."""
        return f"{float(f'{value:.4g}'):{sign},.15g}"


def words(goal: Goal) -> Words:
    """The words for that kind."""
    return _Shares() if goal.scores is None else _Means()


def percent(share: Decimal) -> str:
    """`36 %`."""
    return f"{float(100 * share):.4g} %"
