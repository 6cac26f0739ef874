"""What a gate folds: observations of both versions between two readings, each counted in one window only.

A kind for each form that evidence has. All are values, are false when empty, and show each side as the status does.

    Window    errors, slow, labels     n of them, some bad
    Pairs     pairs                    n, by which version was right
    Scores    scores                   n, sum, sum of squares
    Classes   predictions              a count for each class
    Split     requests                 n, and the share that was asked for
    Reported  users of an A/B test     a Window, bad being short of the goal, or Scores; and the share that was asked for
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from kanarya_contracts.rollout import Tally


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Observations, and how many of them were bad."""

    candidate_n: int = 0
    candidate_bad: int = 0
    stable_n: int = 0
    stable_bad: int = 0

    def __add__(self, other: "Window") -> "Window":
        if not other:
            return self
        return (
            other
            if not self
            else Window(
                candidate_n=self.candidate_n + other.candidate_n,
                candidate_bad=self.candidate_bad + other.candidate_bad,
                stable_n=self.stable_n + other.stable_n,
                stable_bad=self.stable_bad + other.stable_bad,
            )
        )

    def __bool__(self) -> bool:
        return bool(self.candidate_n or self.stable_n)

    @property
    def candidate(self) -> Tally:
        """The candidate's side, as the status shows it."""
        return Tally(n=self.candidate_n, bad=self.candidate_bad)

    @property
    def stable(self) -> Tally:
        """The stable version's side, as the status shows it."""
        return Tally(n=self.stable_n, bad=self.stable_bad)

    def saved(self) -> list[str]:
        """For `Saved`."""
        return [str(count) for count in (self.candidate_n, self.candidate_bad, self.stable_n, self.stable_bad)]

    @classmethod
    def restored(cls, counts: list[str]) -> Self:
        """From `saved`."""
        candidate_n, candidate_bad, stable_n, stable_bad = map(int, counts)
        return cls(candidate_n=candidate_n, candidate_bad=candidate_bad, stable_n=stable_n, stable_bad=stable_bad)


NOTHING = Window()
"""No observation of either version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """Labels of requests that both versions answered, the candidate on a copy."""

    both: int = 0
    """Both were right."""
    lost: int = 0
    """The stable version alone was."""
    won: int = 0
    """The candidate alone was."""
    neither: int = 0

    def __add__(self, other: "Pairs") -> "Pairs":
        return Pairs(
            both=self.both + other.both,
            lost=self.lost + other.lost,
            won=self.won + other.won,
            neither=self.neither + other.neither,
        )

    def __bool__(self) -> bool:
        return self.candidate_n > 0

    @property
    def candidate_n(self) -> int:
        """Labels."""
        return self.both + self.lost + self.won + self.neither

    @property
    def candidate(self) -> Tally:
        """The candidate's side, as the status shows it."""
        return Tally(n=self.candidate_n, bad=self.lost + self.neither)

    @property
    def stable(self) -> Tally:
        """The stable version's side, as the status shows it."""
        return Tally(n=self.candidate_n, bad=self.won + self.neither)

    def saved(self) -> list[str]:
        """For `Saved`."""
        return [str(count) for count in (self.both, self.lost, self.won, self.neither)]

    @classmethod
    def restored(cls, counts: list[str]) -> Self:
        """From `saved`."""
        both, lost, won, neither = map(int, counts)
        return cls(both=both, lost=lost, won=won, neither=neither)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """Scores of one version. Whole millionths, so that adding them is exact."""

    n: int = 0
    total: int = 0
    """Sum, in millionths."""
    squares: int = 0
    """Sum of squares, in millionths."""

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(n=self.n + other.n, total=self.total + other.total, squares=self.squares + other.squares)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Scores that came back."""

    candidate: Sums = Sums()
    stable: Sums = Sums()

    def __add__(self, other: "Scores") -> "Scores":
        return Scores(candidate=self.candidate + other.candidate, stable=self.stable + other.stable)

    def __bool__(self) -> bool:
        return bool(self.candidate.n or self.stable.n)

    @property
    def candidate_n(self) -> int:
        """Scores of the candidate's answers."""
        return self.candidate.n

    @property
    def stable_n(self) -> int:
        """Scores of the stable version's."""
        return self.stable.n

    def saved(self) -> list[str]:
        """For `Saved`."""
        return [str(count) for one in (self.candidate, self.stable) for count in (one.n, one.total, one.squares)]

    @classmethod
    def restored(cls, counts: list[str]) -> Self:
        """From `saved`."""
        n_c, total_c, squares_c, n_s, total_s, squares_s = map(int, counts)
        return cls(
            candidate=Sums(n=n_c, total=total_c, squares=squares_c), stable=Sums(n=n_s, total=total_s, squares=squares_s)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Classes:
    """Rows answered with each class; not empty if there are classes, though nothing was answered with any yet."""

    candidate: Mapping[str, int]
    stable: Mapping[str, int]

    def __bool__(self) -> bool:
        return bool(self.candidate or self.stable)

    @property
    def candidate_n(self) -> int:
        """Rows that the candidate answered."""
        return sum(self.candidate.values())

    def against_rest(self, name: str) -> Window:
        """This class's rows as good ones, all others as bad."""
        n_c, n_s = self.candidate_n, sum(self.stable.values())
        return Window(
            candidate_n=n_c,
            candidate_bad=n_c - self.candidate.get(name, 0),
            stable_n=n_s,
            stable_bad=n_s - self.stable.get(name, 0),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Requests of both versions, and the percent that the gateway was to send to the candidate."""

    candidate_n: int
    stable_n: int
    weight: int | None
    """None while a weight is on its way to the gateway."""
    of: int = 100
    """Percent that both versions were to have together: less than 100 in an A/B test of several."""

    def __bool__(self) -> bool:
        return bool(self.candidate_n or self.stable_n)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reported:
    """Users of whom clients have reported, by whether they reached the goal or by their scores."""

    users: Window | Scores
    outside: tuple[int, int] = (0, 0)
    """Candidate's and stable version's users who are not among them, because their score lies outside of its bounds."""
    weight: int | None
    """As of a Split."""
    of: int = 100
    """As of a Split."""

    def __bool__(self) -> bool:
        return bool(self.users) or any(self.outside)

    @property
    def candidate_n(self) -> int:
        """The candidate's users."""
        return self.users.candidate_n


Observed = Window | Pairs | Scores | Classes | Split | Reported
"""What a reading brings to a gate."""
