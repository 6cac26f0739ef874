"""Gates: one statistical test a file, pure, each with the source of its formula. Used by `decide`.

    sequential_ratio       errors and slow requests: ratio of rates
    sequential_proportion  labels: difference of accuracies
    sequential_pairs       labels of mirrored requests: the same difference, on the same requests
    sequential_mean        scores: difference of means
    distribution           predictions: how far any class's share moved
    sample_ratio           the split itself; blocks a promotion, refuses nobody
    threshold              absolute guard
    own_past               a version against itself, after its promotion; not a gate of a rollout
    goal                   what an A/B test is about: difference of two shares of users, with its interval

    gate    what a gate is              mixture      means of e-processes, and the answer they give together
    window  what it folds               proportions  e-variables for two proportions, and `difference` their interval

`open_gate` turns a spec and what was saved into a gate, `save_gate` a gate into what is to be saved. Chances of error hold over
all looks together: alpha is divided by `refusing`, the number of gates of the rollout that can refuse by a test. Thresholds
have no alpha to spend.
Acceptance is not divided: a promotion needs every gate. A goal's alpha is the goal's own.
"""

from collections.abc import Callable, Iterable, Mapping

from kanarya_contracts.rollout import GateSpec, Goal
from kanarya_rollout.gates.distribution import Distribution
from kanarya_rollout.gates.gate import Gate, Saved
from kanarya_rollout.gates.goal import GoalGate
from kanarya_rollout.gates.own_past import JUDGED, against_past
from kanarya_rollout.gates.sample_ratio import SampleRatio
from kanarya_rollout.gates.sequential_mean import SequentialMean
from kanarya_rollout.gates.sequential_pairs import SequentialPairs
from kanarya_rollout.gates.sequential_proportion import SequentialProportion
from kanarya_rollout.gates.sequential_ratio import SequentialRatio
from kanarya_rollout.gates.threshold import Threshold
from kanarya_rollout.gates.window import Classes, Observed, Pairs, Reached, Scores, Split, Sums, Window

__all__ = [
    "JUDGED",
    "Classes",
    "Gate",
    "Observed",
    "Pairs",
    "Reached",
    "Saved",
    "Scores",
    "Split",
    "Sums",
    "Window",
    "against_past",
    "open_gate",
    "refusing",
    "save_gate",
]

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


class _Kept(dict[str, list[str]]):
    """What a gate saved, and the gate: who goes on in the same process need not read it back."""

    gate: Gate
    opened_with: tuple[GateSpec | Goal, int]


def save_gate(gate: Gate, spec: GateSpec | Goal, refusing: int) -> Saved:
    """What `open_gate` needs to go on, now or after a restart."""
    kept = _Kept(gate.saved())
    kept.gate, kept.opened_with = gate, (spec, refusing)
    return kept


def open_gate(spec: GateSpec | Goal, refusing: int, saved: Mapping[str, list[str]] | None = None) -> Gate:
    """The gate that `spec` describes, going on from `saved` if that belongs to the same margins."""
    if isinstance(saved, _Kept) and saved.opened_with[0] is spec and saved.opened_with[1] == refusing:
        return saved.gate
    if isinstance(spec, Goal):
        return GoalGate.opened(spec, saved)
    return _TESTS[spec.test](spec, float(spec.alpha) / (refusing if spec.refuses else 1), saved)
