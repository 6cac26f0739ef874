"""Rules that look once a minute, move a weight, and end a rollout; and those that other tools document. Used by `run`.

The rivals are what the documentation of each tool shows, no strawmen and no tuned versions. All of them look at errors alone.
A minute or interval without a request is no check, in favour of the rules whose tools would call it a failed one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import numpy as np

from kanarya_cli.simulation.traffic import Floats, Ints, Seen

UNDECIDED, PROMOTED, ROLLED_BACK = 0, 1, -1


class Rule(ABC):
    """One way to decide, for a number of rollouts."""

    name: str

    def __init__(self, rollouts: int, weight: float) -> None:
        self.weight: Floats = np.full(rollouts, float(weight))
        """Percent to the candidate in the next minute."""
        self.mirror: Floats = np.zeros(rollouts)
        """Percent of the others whose copy it gets."""
        self.outcome = np.full(rollouts, UNDECIDED)

    @abstractmethod
    def look(self, now: int, which: Ints, candidate: Seen, stable: Seen) -> None:
        """At the end of minute `now` (from 1), for the undecided rollouts `which`, whose counts these are."""

    def end(self, which: Ints, outcome: int) -> None:
        """These rollouts are over."""
        self.outcome[which] = outcome
        self.weight[which] = 100.0 if outcome == PROMOTED else 0.0
        self.mirror[which] = 0.0


class Flagger(Rule):
    """Flagger's canary tutorial: interval 1m, threshold 5, stepWeight 10, maxWeight 50, request-success-rate min 99.

    A failed check is counted for good and keeps the weight where it is (docs.flagger.app, "Deployment strategies")."""

    name = "Flagger, as documented"

    def __init__(self, rollouts: int) -> None:
        super().__init__(rollouts, 10)
        self._failed = np.zeros(rollouts, np.int64)

    def look(self, now: int, which: Ints, candidate: Seen, stable: Seen) -> None:  # noqa: ARG002 (the rule's form)
        """One check of the last minute."""
        asked = candidate.requests > 0
        bad = asked & (candidate.errors > 0.01 * candidate.requests)
        self._failed[which] += bad
        passed = which[asked & ~bad]
        done = passed[self.weight[passed] >= 50]
        self.weight[passed] += 10
        self.end(done, PROMOTED)
        self.end(which[self._failed[which] >= 5], ROLLED_BACK)


class _Analysis(Rule):
    """Argo Rollouts' background analysis: successCondition every 5 minutes, weights 20, 40, 60, 80 for 10 minutes each."""

    least: float
    failure_limit: int

    def __init__(self, rollouts: int) -> None:
        super().__init__(rollouts, 20)
        self._failed = np.zeros(rollouts, np.int64)
        self._requests, self._errors = np.zeros(rollouts, np.int64), np.zeros(rollouts, np.int64)

    def look(self, now: int, which: Ints, candidate: Seen, stable: Seen) -> None:  # noqa: ARG002 (the rule's form)
        """A check every five minutes, a step every ten."""
        self._requests[which] += candidate.requests
        self._errors[which] += candidate.errors
        if now % 5:
            return
        n, bad = self._requests[which], self._errors[which]
        self._failed[which] += (n > 0) & (n - bad < self.least * n)
        self._requests[which], self._errors[which] = 0, 0
        self.end(which[self._failed[which] > self.failure_limit], ROLLED_BACK)
        going = which[self.outcome[which] == UNDECIDED]
        if now >= 40:
            self.end(going, PROMOTED)
        else:
            self.weight[going] = 20.0 * (1 + now // 10)


class Argo(_Analysis):
    """`result[0] >= 0.95`, interval 5m, failureLimit 3 (argo-rollouts docs, "Analysis & Progressive Delivery")."""

    name = "Argo Rollouts, as documented"
    least, failure_limit = 0.95, 3


class Strict(_Analysis):
    """The same with 99 % and no failure allowed, which is the default of failureLimit."""

    name = "strict 99 %"
    least, failure_limit = 0.99, 0


class Alarm(Rule):
    """Deployment guardrails in the manner of SageMaker: 10 % for ten minutes, then everything for ten; any minute with more
    than 1 % errors rolls back."""

    name = "alarm at 1 %"

    def __init__(self, rollouts: int) -> None:
        super().__init__(rollouts, 10)

    def look(self, now: int, which: Ints, candidate: Seen, stable: Seen) -> None:  # noqa: ARG002 (the rule's form)
        """An alarm on the last minute."""
        alarmed = candidate.errors > 0.01 * candidate.requests
        self.end(which[alarmed], ROLLED_BACK)
        if now >= 20:
            self.end(which[~alarmed], PROMOTED)
        elif now >= 10:
            self.weight[which[~alarmed]] = 100.0


class MannWhitney(Rule):
    """As Kayenta judges a metric: an hour of minutes, error rates of a 10 % canary and of a baseline of the same size; refused
    if the 98 % interval of their shift lies above a quarter of its Hodges-Lehmann estimate (MannWhitneyClassifier, tolerance
    0.25). A minute without requests counts as rate 0, as its `nanStrategy: replace` has it."""

    name = "Mann-Whitney, as Kayenta"
    minutes = 60

    def __init__(self, rollouts: int) -> None:
        super().__init__(rollouts, 10)
        self._rates = np.zeros((2, self.minutes, rollouts))
        self._chance = np.random.default_rng(rollouts)

    def look(self, now: int, which: Ints, candidate: Seen, stable: Seen) -> None:
        """One point of both series; the judgement at the end of the hour."""
        baseline = self._chance.binomial(stable.requests, 1 / 9)  # as many as the canary gets: a ninth of the rest
        bad = self._chance.hypergeometric(stable.errors, stable.requests - stable.errors, baseline)
        for row, n, errors in ((0, candidate.requests, candidate.errors), (1, baseline, bad)):
            self._rates[row, now - 1, which] = errors / np.maximum(n, 1)
        if now < self.minutes:
            return
        points = self.minutes
        place = int(points**2 / 2 - 2.326 * np.sqrt(points**2 * (2 * points + 1) / 12))
        shifts = self._rates[0][:, None, which] - self._rates[1][None, :, which]
        shifts = np.sort(shifts.reshape(points**2, len(which)), axis=0)
        refused = shifts[place] > 0.25 * np.maximum(0.0, np.median(shifts, axis=0))
        self.end(which[refused], ROLLED_BACK)
        self.end(which[~refused], PROMOTED)


class Peeking(Rule):
    """A one-sided z-test of two proportions at p < 0.05, made for one look and read every minute for fifty."""

    name = "z-test each minute"

    def __init__(self, rollouts: int) -> None:
        super().__init__(rollouts, 10)
        self._sums = np.zeros((4, rollouts))

    def look(self, now: int, which: Ints, candidate: Seen, stable: Seen) -> None:
        """The test on everything so far."""
        self._sums[:, which] += (candidate.requests, candidate.errors, stable.requests, stable.errors)
        n_c, e_c, n_s, e_s = self._sums[:, which]
        n_c, n_s = np.maximum(n_c, 1), np.maximum(n_s, 1)
        pooled = (e_c + e_s) / (n_c + n_s)
        error = np.sqrt(pooled * (1 - pooled) * (1 / n_c + 1 / n_s))
        significant = (e_c / n_c - e_s / n_s) > 1.645 * np.maximum(error, 1e-12)
        self.end(which[significant], ROLLED_BACK)
        if now >= 50:
            self.end(which[~significant], PROMOTED)


RIVALS: Mapping[str, Callable[[int], Rule]] = {one.name: one for one in (Flagger, Argo, Strict, Alarm, MannWhitney, Peeking)}
"""Name → the rule, for a number of rollouts."""
