"""One rule on one traffic, for many rollouts. Used by `kanarya simulate` and by the benchmark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from kanarya_cli.simulation.rules import PROMOTED, ROLLED_BACK, UNDECIDED, Rule
from kanarya_cli.simulation.traffic import Floats, Ints, Scenario, Seen, Traffic


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of the rollouts: an array over them each."""

    outcome: Ints
    """PROMOTED, ROLLED_BACK or UNDECIDED."""
    minutes: Ints
    """Until it was decided; the whole time if it was not."""
    exposed: Ints
    """Requests that the candidate answered before that."""

    def share(self, outcome: int) -> float:
        """Of the rollouts that ended so."""
        return float((self.outcome == outcome).mean())

    @property
    def decided(self) -> Floats:
        """Minutes of those that were decided, sorted."""
        return np.sort(self.minutes[self.outcome != UNDECIDED]).astype(float)


@dataclass
class Recording:
    """The windows of some rollouts, to be played to the original."""

    rollouts: Sequence[int]
    windows: list[tuple[Seen, Seen]] = field(default_factory=list)
    """Candidate and stable version, in the rollouts of the recording."""
    answers: list[tuple[Floats, Ints]] = field(default_factory=list)
    """Weight and outcome after each window."""


def run(
    rule: Rule,
    scenario: Scenario,
    *,
    rollouts: int,
    minutes: int,
    seed: int,
    recording: Recording | None = None,
    tick: Callable[[int], None] = lambda _: None,
) -> Result:
    """Until every rollout is decided or the minutes are over. `tick` is told of every minute."""
    traffic = Traffic(scenario, rollouts, np.random.default_rng(seed))
    took, exposed = np.full(rollouts, minutes), np.zeros(rollouts, np.int64)
    for now in range(minutes):
        undecided = np.flatnonzero(rule.outcome == UNDECIDED)
        if not len(undecided):
            break
        candidate, stable, answered = traffic.minute(now, rule.weight, rule.mirror)
        exposed[undecided] += answered[undecided]
        rule.look(now + 1, undecided, candidate.taken(undecided), stable.taken(undecided))
        took[undecided[rule.outcome[undecided] != UNDECIDED]] = now + 1
        if recording is not None:
            some = np.array(recording.rollouts)
            recording.windows.append((candidate.taken(some), stable.taken(some)))
            recording.answers.append((rule.weight[some].copy(), rule.outcome[some].copy()))
        tick(now + 1)
    return Result(outcome=rule.outcome, minutes=took, exposed=exposed)


__all__ = ["PROMOTED", "ROLLED_BACK", "UNDECIDED", "Recording", "Result", "run"]
