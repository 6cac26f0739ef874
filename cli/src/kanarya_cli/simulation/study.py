"""What `kanarya simulate` asks: a person's rollout and traffic, several fates of the challenger, every rule."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from kanarya_cli.simulation.ours import NOT_SIMULATED, Ours
from kanarya_cli.simulation.rules import PROMOTED, RIVALS, ROLLED_BACK, UNDECIDED, Rule
from kanarya_cli.simulation.run import Result, run
from kanarya_cli.simulation.traffic import MINUTE, Scenario
from kanarya_contracts.rollout import ModelRollout

LONGEST = 7 * 24 * 60
"""Minutes that are simulated at most, whatever the deadline."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """A challenger, and what happens around it."""

    name: str
    scenario: Scenario
    good: bool
    """Whether it should be promoted; otherwise it should not."""
    errors: bool = True
    """Whether a rule that looks at errors alone can see it."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a rule made of a fate."""

    rule: str
    fate: Fate
    result: Result

    def as_data(self) -> dict[str, object]:
        """For programs. Minutes are those of decided rollouts; null where none was."""
        decided = self.result.decided
        return {
            "rule": self.rule,
            "challenger": self.fate.name,
            "promoted": self.result.share(PROMOTED),
            "rolledBack": self.result.share(ROLLED_BACK),
            "undecided": self.result.share(UNDECIDED),
            "minutes": {"median": float(np.median(decided)), "p90": float(np.quantile(decided, 0.9))} if len(decided) else None,
            "exposedRequests": float(self.result.exposed.mean()),
        }


@dataclass(frozen=True, kw_only=True)
class Study:
    """A rollout and its traffic."""

    rollout: ModelRollout
    traffic: Scenario
    """With both versions as the champion is."""
    rollouts: int
    seed: int

    @property
    def minutes(self) -> int:
        """Until the deadline, which is looked at too."""
        return min(LONGEST, int(self.rollout.spec.deadline.total_seconds() / MINUTE) + 1)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Gates on what this traffic does not have."""
        return tuple(one.name for one in self.rollout.spec.analysis.metrics if one.test in NOT_SIMULATED)

    def fates(self) -> tuple[Fate, ...]:
        """An identical challenger, in good times and bad; then ever worse ones, of each kind that a gate looks for."""
        signals = {one.counts() for one in self.rollout.spec.analysis.metrics}
        errors, slow, accuracy = self.traffic.stable.errors, self.traffic.stable.slow, self.traffic.stable.accuracy
        shared = replace(self.traffic, incident=(2, 12), incident_errors=0.05)
        found = [
            Fate(name="identical", scenario=self.traffic, good=True),
            Fate(name="identical, shared incident", scenario=shared, good=True),
        ]
        if "errors" in signals:
            worse = [(f"{factor}x errors", {"errors": min(1.0, factor * errors)}) for factor in (2, 3, 10)]
            found += [self._worse(name, **changes) for name, changes in worse]
        if "slow" in signals:
            found.append(replace(self._worse("2x slow", slow=min(1.0, 2 * slow)), errors=False))
        if "labels" in signals and self.traffic.labels:
            found += [
                replace(self._worse(f"accuracy -{points} points", accuracy=max(0.0, accuracy - points / 100)), errors=False)
                for points in (2, 5, 20)
            ]
        return tuple(found)

    def _worse(self, name: str, **changes: float) -> Fate:
        candidate = replace(self.traffic.stable, **changes)
        return Fate(name=name, scenario=replace(self.traffic, candidate=candidate), good=False)

    def rules(self) -> Mapping[str, Callable[[int], Rule]]:
        """Ours first."""
        return {Ours.name: lambda rollouts: Ours(self.rollout, rollouts), **RIVALS}

    def rows(self) -> Iterator[Row]:
        """A row a rule and fate that it can see."""
        for fate in self.fates():
            for name, rule in self.rules().items():
                if fate.errors or name == Ours.name:
                    result = run(
                        rule(self.rollouts), fate.scenario, rollouts=self.rollouts, minutes=self.minutes, seed=self.seed
                    )
                    yield Row(rule=name, fate=fate, result=result)
