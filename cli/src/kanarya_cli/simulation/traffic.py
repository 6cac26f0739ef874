"""What happens in simulated rollouts, minute by minute. Used by `run`.

Requests are Poisson, everything that befalls one is independent of the others. What goes wrong with counting them happens to
each version by itself: a process that begins anew loses what was not read yet, a scrape that is missed is made good by the
next one.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MINUTE = 60.0
"""Seconds between two looks."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """How a version behaves, in shares."""

    errors: float = 0.0
    slow: float = 0.0
    """Of the answers that are no errors."""
    accuracy: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What a rollout meets."""

    rate: float
    """Requests a second, both versions together."""
    stable: Version
    candidate: Version
    labels: float = 0.0
    """Share of the requests whose label comes back."""
    label_delay: int = 0
    """Minutes until it does."""
    incident: tuple[int, int] = (0, 0)
    """Minutes from and until which both versions fail `incident_errors` more."""
    incident_errors: float = 0.0
    varying: bool = False
    """Whether rate and errors of both versions swing, by half and threefold, in an hour and by chance."""
    resets: float = 0.0
    """Chance, a minute and version, that its process begins anew."""
    missing: float = 0.0
    """Chance, a minute and version, that it is not scraped."""
    restarts: float = 0.0
    """Chance, a minute, that the controller does not look because it begins anew."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one version did, as counted at a look: an array over rollouts each."""

    requests: Ints
    errors: Ints
    slow: Ints
    labels: Ints
    right: Ints

    def arrays(self) -> tuple[Ints, ...]:
        """All of them, in order."""
        return self.requests, self.errors, self.slow, self.labels, self.right

    def taken(self, which: Ints | NDArray[np.bool_]) -> "Seen":
        """Of these rollouts alone."""
        return Seen(**dict(zip(_NAMES, (one[which] for one in self.arrays()), strict=True)))


_NAMES = ("requests", "errors", "slow", "labels", "right")


@dataclass
class _Side:
    """One version's counters in every rollout."""

    held: list[Ints]
    """What was not scraped yet."""
    late: dict[int, tuple[Ints, Ints]] = field(default_factory=dict)
    """Minute → labels that come back then, and how many of them are right."""


class Traffic:
    """A scenario for a number of rollouts."""

    def __init__(self, scenario: Scenario, rollouts: int, chance: np.random.Generator) -> None:
        self._scenario = scenario
        self._rollouts = rollouts
        self._chance = chance
        self._candidate, self._stable = (_Side([np.zeros(rollouts, np.int64) for _ in _NAMES]) for _ in range(2))

    def minute(self, now: int, weight: Floats, mirror: Floats) -> tuple[Seen, Seen, Ints]:
        """What is counted of candidate and stable version at the end of minute `now` (from 0), and how many requests the
        candidate answered in it for somebody, counted or not. `weight`: percent to the candidate, for each rollout. `mirror`:
        percent of the stable version's requests that are copied to it; no label comes back for a copy."""
        scenario, swing = self._scenario, self._swing(now)
        share = weight / 100
        total = scenario.rate * MINUTE * swing[0]
        n_c, n_s = self._chance.poisson(total * share), self._chance.poisson(total * (1 - share))
        copied = self._chance.binomial(n_s, mirror / 100) if mirror.any() else np.zeros_like(n_s)
        missed = self._chance.random(self._rollouts) < scenario.restarts
        candidate = self._counted(self._candidate, scenario.candidate, n_c + copied, now, swing[1], missed, copied)
        stable = self._counted(self._stable, scenario.stable, n_s, now, swing[1], missed)
        return candidate, stable, n_c

    def _swing(self, now: int) -> tuple[float, float]:
        """Factors on the rate and on the errors of both versions."""
        if not self._scenario.varying:
            return 1.0, 1.0
        wave = np.sin(2 * np.pi * now / 60)
        return 1 + 0.5 * wave, 3.0 ** float(wave * self._chance.random())

    def _counted(
        self,
        side: _Side,
        version: Version,
        n: Ints,
        now: int,
        swing: float,
        missed: NDArray[np.bool_],
        copied: Ints | int = 0,
    ) -> Seen:
        """What is seen of `n` requests, of which some are copies."""
        scenario, chance = self._scenario, self._chance
        during = scenario.incident[0] <= now < scenario.incident[1]
        errors = chance.binomial(n, min(1.0, version.errors * swing + scenario.incident_errors * during))
        slow = chance.binomial(n - errors, version.slow)
        labels, right = self._labels(side, version, n - copied, now)
        new = [n, errors, slow, labels, right]
        if scenario.resets:
            new = self._lost(new)
        unseen = missed | (chance.random(self._rollouts) < scenario.missing)
        everything = [one + held for one, held in zip(new, side.held, strict=True)]
        side.held = [np.where(unseen, one, 0) for one in everything]
        return Seen(**dict(zip(_NAMES, (np.where(unseen, 0, one) for one in everything), strict=True)))

    def _labels(self, side: _Side, version: Version, n: Ints, now: int) -> tuple[Ints, Ints]:
        labels = self._chance.binomial(n, self._scenario.labels)
        side.late[now + self._scenario.label_delay] = (labels, self._chance.binomial(labels, version.accuracy))
        nothing = np.zeros(self._rollouts, np.int64)
        return side.late.pop(now, (nothing, nothing))

    def _lost(self, new: list[Ints]) -> list[Ints]:
        """What a process that begins anew had counted since the last scrape is lost: of everything, the same part."""
        n, errors, slow, labels, right = new
        kept = np.where(self._chance.random(self._rollouts) < self._scenario.resets, self._chance.random(self._rollouts), 1.0)
        thin = self._chance.binomial
        bad, late, others = thin(errors, kept), thin(slow, kept), thin(n - errors - slow, kept)
        good, wrong = thin(right, kept), thin(labels - right, kept)
        return [bad + late + others, bad, late, good + wrong, good]
