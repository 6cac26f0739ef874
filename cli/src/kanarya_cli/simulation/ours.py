"""Our steps and gates as a rule over arrays of rollouts. Used by `run`. Held to `kanarya_rollout.replay`, pass by pass."""

import numpy as np

from kanarya_cli.simulation import evidence
from kanarya_cli.simulation.rules import PROMOTED, ROLLED_BACK, UNDECIDED, Rule
from kanarya_cli.simulation.traffic import MINUTE, Ints, Seen
from kanarya_contracts.rollout import GateSpec, ModelRollout, Step
from kanarya_rollout.gates import refusing

_MOVES = 8
"""As in replay: a step a pass, and another pass while the weight changes."""


class Ours(Rule):
    """What the controller would do. A person ends pauses that wait for one at once; nobody else interferes."""

    name = "Kanarya"

    def __init__(self, rollout: ModelRollout, rollouts: int) -> None:
        steps = rollout.spec.strategy.steps
        super().__init__(rollouts, 0)
        self._spec, self._steps = rollout.spec, steps
        specs = [one for one in rollout.spec.analysis.metrics if one.test not in NOT_SIMULATED]
        sharing = refusing(rollout.spec.analysis.metrics)
        self._gates = [(one, _test(one, sharing, rollouts)) for one in specs]
        self._index, self._since = np.zeros(rollouts, np.int64), np.zeros(rollouts)
        self._counted = np.zeros((len(specs), rollouts), np.int64)
        """Candidate observations in the present step."""
        self._first = np.full(rollouts, np.inf)
        """When the candidate's first request was counted, in seconds."""
        everyone = np.arange(rollouts)
        self._enter(everyone, 0, 0.0)
        self._advance(everyone, 0.0, self._verdicts(everyone), weights=np.zeros(rollouts))

    def look(self, now: int, which: Ints, candidate: Seen, stable: Seen) -> None:
        """Counts into gates, gates into verdicts, verdicts into steps."""
        seconds = now * MINUTE
        counts = self._warm(which, candidate, seconds)
        rows, ours, theirs = which[counts], candidate.taken(counts), stable.taken(counts)
        for number, (_, test) in enumerate(self._gates):
            test.look(rows, ours, theirs)
            self._counted[number, rows] += evidence.observed(test.signal, ours)[0]
        verdicts = self._verdicts(which)
        refused = (verdicts == evidence.FAILED).any(axis=0)
        self.end(which[refused], ROLLED_BACK)
        if not self._held(seconds - MINUTE):
            self._advance(which[~refused], seconds, verdicts[:, ~refused], weights=self.weight[which[~refused]])

    def _held(self, seconds: float) -> bool:
        """Whether a person is waited for since the deadline: a gate may still refuse then, and nothing moves on."""
        return self._spec.on_inconclusive == "pause" and seconds >= self._spec.deadline.total_seconds()

    def _warm(self, which: Ints, candidate: Seen, seconds: float) -> np.ndarray:
        """Which windows are evidence: not those of `initialDelay` after the candidate's first request."""
        delay = self._spec.analysis.initial_delay.total_seconds()
        begins = np.isinf(self._first[which]) & (candidate.requests > 0)
        self._first[which[begins]] = seconds
        warm = (seconds >= self._first[which] + delay) | np.isinf(self._first[which])
        return np.asarray(warm & ~(begins & (delay > 0)))

    def _verdicts(self, which: Ints) -> Ints:
        """A row a gate."""
        return np.array([test.verdicts(which) for _, test in self._gates]).reshape(len(self._gates), len(which))

    def _advance(self, which: Ints, seconds: float, verdicts: Ints, *, weights: np.ndarray) -> None:
        """As many passes as `replay` makes: another one wherever the weight has changed."""
        for _ in range(_MOVES):
            self._pass(which, seconds, verdicts)
            changed = (self.weight[which] != weights) & (self.outcome[which] == UNDECIDED)
            which, verdicts = which[changed], verdicts[:, changed]
            weights = self.weight[which].copy()
            if not len(which):
                break

    def _pass(self, which: Ints, seconds: float, verdicts: Ints) -> None:
        """One step on for those whose step is over; an end for those after the last; then the deadline."""
        places = self._index[which].copy()
        for index in range(len(self._steps) + 1):
            here = places == index
            if not here.any():
                continue
            if index == len(self._steps):
                self._conclude(which[here], verdicts[:, here])
            else:
                over = self._over(self._steps[index], which[here], seconds, verdicts[:, here])
                self._enter(which[here][over], index + 1, seconds)
        if seconds >= self._spec.deadline.total_seconds() and self._spec.on_inconclusive != "pause":
            undecided = which[self.outcome[which] == UNDECIDED]
            self.end(undecided, PROMOTED if self._spec.on_inconclusive == "promote" else ROLLED_BACK)

    def _enter(self, which: Ints, index: int, seconds: float) -> None:
        self._index[which], self._since[which] = index, seconds
        self._counted[:, which] = 0
        step = self._steps[index] if index < len(self._steps) else None
        if step is not None and step.set_weight is not None:
            self.weight[which], self.mirror[which] = float(step.set_weight), 0.0
        elif step is not None and step.set_mirror is not None:
            self.mirror[which] = float(step.set_mirror.percentage)

    def _over(self, step: Step, which: Ints, seconds: float, verdicts: Ints) -> np.ndarray:
        if step.pause is not None and step.pause.duration is not None:
            return np.asarray(seconds - self._since[which] >= step.pause.duration.total_seconds())
        if step.analysis is not None:
            waited = [number for number, (spec, _) in enumerate(self._gates) if spec.name in step.analysis.until]
            return np.asarray((verdicts[waited] == evidence.SUCCESSFUL).all(axis=0))
        if step.exposes:
            waited = [step.set_weight is not None or spec.judged_by_copies for spec, _ in self._gates]
            least = np.array([spec.min_samples for spec, _ in self._gates])[:, None] * np.array(waited)[:, None]
            return np.asarray((self._counted[:, which] >= least).all(axis=0))
        return np.ones(len(which), bool)

    def _conclude(self, which: Ints, verdicts: Ints) -> None:
        policies = [spec.on_no_data for spec, _ in self._gates]
        silent = verdicts == evidence.NO_DATA
        failing = silent & np.array([one == "fail" for one in policies])[:, None]
        agrees = (verdicts == evidence.SUCCESSFUL) | (silent & np.array([one == "pass" for one in policies])[:, None])
        self.end(which[agrees.all(axis=0)], PROMOTED)
        self.end(which[failing.any(axis=0)], ROLLED_BACK)


NOT_SIMULATED = frozenset({"sequential-pairs", "sequential-mean", "distribution", "sample-ratio"})
"""Tests whose observations this traffic does not have. Gates with them are taken as satisfied, but keep their part of alpha."""


def _test(spec: GateSpec, sharing: int, rollouts: int) -> evidence.Test:
    alpha = float(spec.alpha) / sharing
    if spec.test == "sequential-ratio":
        return evidence.Ratio(spec, alpha, rollouts)
    if spec.test == "sequential-proportion":
        return evidence.Proportion(spec, alpha, rollouts)
    return evidence.Guard(spec, rollouts)
