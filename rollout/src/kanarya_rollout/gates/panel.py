"""All gates of a rollout, and what they have seen. Used by `decide`.

`open_gate` turns a spec and what was saved into a gate. Chances of error hold over all looks together: alpha is divided by
`refusing`, the number of gates of the rollout that can refuse by a test. Thresholds have no alpha to spend. Acceptance is not
divided: a promotion needs every gate. A goal's alpha is the goal's own. Where several challengers are compared with one
champion (A/B/n), alpha, beta and the goal's alpha are divided by their number as well (Bonferroni), so that what holds for a
rollout of one holds for all of them together: an interval that leaves its difference out, anywhere, or a harmful version that
every gate accepts. They stay divided when a challenger leaves.

A panel is what the ledger keeps of them as well: read as a mapping, it is what each gate needs to go on after a restart. That
is written out when somebody reads it, so whoever goes on with the panel itself, as a replay does, never has it written.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from kanarya_contracts.rollout import GateSpec, Goal, GoalSignal, ModelRolloutSpec, Signal
from kanarya_rollout.gates.distribution import Distribution
from kanarya_rollout.gates.gate import Gate
from kanarya_rollout.gates.goal import GoalGate
from kanarya_rollout.gates.sample_ratio import SampleRatio
from kanarya_rollout.gates.sequential_mean import SequentialMean
from kanarya_rollout.gates.sequential_pairs import SequentialPairs
from kanarya_rollout.gates.sequential_proportion import SequentialProportion
from kanarya_rollout.gates.sequential_ratio import SequentialRatio
from kanarya_rollout.gates.threshold import Threshold
from kanarya_rollout.gates.window import Observed

_TESTS: Mapping[str, Callable[[GateSpec, float, Mapping[str, list[str]] | None], Gate]] = {
    "sequential-ratio": SequentialRatio.opened,
    "sequential-proportion": SequentialProportion.opened,
    "sequential-pairs": SequentialPairs.opened,
    "sequential-mean": SequentialMean.opened,
    "distribution": Distribution.opened,
    "sample-ratio": SampleRatio.opened,
    "threshold": Threshold.opened,
}


def refusing(specs: Iterable[GateSpec]) -> int:
    """How many gates share alpha. At least 1."""
    return max(1, sum(spec.refuses for spec in specs))


def open_gate(
    spec: GateSpec | Goal, refusing: int, saved: Mapping[str, list[str]] | None = None, *, challengers: int = 1
) -> Gate:
    """The gate that `spec` describes, going on from `saved` if that belongs to the same margins. `challengers`: how many are
    compared with the champion, each by a gate of its own."""
    if challengers > 1:
        chances = {"alpha": spec.alpha / challengers}
        chances |= {"beta": spec.beta / challengers} if isinstance(spec, GateSpec) else {}
        spec = spec.model_copy(update=chances)
    if isinstance(spec, Goal):
        return GoalGate.opened(spec, saved)
    return _TESTS[spec.test](spec, float(spec.alpha) / (refusing if spec.refuses else 1), saved)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What follows from the spec alone."""

    spec: ModelRolloutSpec
    signals: Mapping[str, Signal | GoalSignal]
    """Gate → what it counts, in the spec's order."""
    slow: tuple[GateSpec, ...]
    """Gates on slow answers."""
    wanted: frozenset[str]
    """Every signal that a gate counts."""

    @classmethod
    def of(cls, spec: ModelRolloutSpec) -> "Plan":
        """For this spec."""
        signals = {one.name: one.counts() for one in spec.judged}
        slow = tuple([one for one in spec.analysis.metrics if signals[one.name] == "slow"])
        return cls(spec=spec, signals=signals, slow=slow, wanted=frozenset(signals.values()))


class Panel(Mapping[str, Mapping[str, list[str]]]):
    """See the module. `of` makes one. A value, as gates are: `fold` returns another."""

    def __init__(self, plan: Plan, gates: Mapping[str, Gate], saved: Mapping[str, Mapping[str, list[str]] | None]) -> None:
        """`saved`: what is kept of gates that have seen something, and of those that the spec has no more; None where it is
        not written out."""
        self.plan = plan
        self.gates = gates
        """By name, in the spec's order."""
        self._saved = dict(saved)

    @classmethod
    def of(cls, spec: ModelRolloutSpec, saved: Mapping[str, Mapping[str, list[str]]]) -> "Panel":
        """The gates that `spec` describes; each goes on from what was saved if that belongs to the same margins."""
        if isinstance(saved, Panel) and saved.plan.spec is spec:
            return saved
        sharing = refusing(spec.analysis.metrics)
        challengers = spec.strategy.ab_test.challengers if spec.strategy.ab_test is not None else 1
        gates = {one.name: open_gate(one, sharing, saved.get(one.name), challengers=challengers) for one in spec.judged}
        return cls(Plan.of(spec), gates, saved)

    def fold(self, windows: Mapping[str, Observed]) -> "Panel":
        """The panel that has seen these windows too, each by the gate it is for."""
        seen = {name: self.gates[name].fold(window) for name, window in windows.items()}
        return Panel(self.plan, {**self.gates, **seen}, {**self._saved, **dict.fromkeys(seen)})

    def __getitem__(self, name: str) -> Mapping[str, list[str]]:
        saved = self._saved[name]
        if saved is None:
            saved = self._saved[name] = self.gates[name].saved()
        return saved

    def __iter__(self) -> Iterator[str]:
        return iter(self._saved)

    def __len__(self) -> int:
        return len(self._saved)
