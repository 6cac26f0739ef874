"""Gates: one statistical test a file, pure, each with the source of its formula. Used by `decide`.

    sequential_ratio       errors and slow requests: ratio of rates
    sequential_proportion  labels: difference of accuracies
    threshold              absolute guard

    gate          what a gate is          proportions   e-variables for two proportions
    mixture       means of e-processes

`open_gate` turns a spec and what was saved into a gate. Chances of error hold over all looks together: alpha is divided by
`refusing`, the number of sequential gates of the rollout, each of which can refuse. Thresholds have no alpha to spend.
Acceptance is not divided: a promotion needs every gate.
"""

from collections.abc import Callable, Iterable, Mapping

from kanarya_contracts.rollout import GateSpec
from kanarya_rollout.gates.gate import Gate, Saved, Window
from kanarya_rollout.gates.sequential_proportion import SequentialProportion
from kanarya_rollout.gates.sequential_ratio import SequentialRatio
from kanarya_rollout.gates.threshold import Threshold

__all__ = ["Gate", "Saved", "Window", "open_gate", "refusing"]

_TESTS: Mapping[str, Callable[[GateSpec, float, Mapping[str, list[str]] | None], Gate]] = {
    "sequential-ratio": SequentialRatio.opened,
    "sequential-proportion": SequentialProportion.opened,
    "threshold": Threshold.opened,
}


def refusing(specs: Iterable[GateSpec]) -> int:
    """How many gates share alpha. At least 1."""
    return max(1, sum(spec.refuses for spec in specs))


def open_gate(spec: GateSpec, refusing: int, saved: Mapping[str, list[str]] | None = None) -> Gate:
    """The gate that `spec` describes, going on from `saved` if that belongs to the same margins."""
    return _TESTS[spec.test](spec, float(spec.alpha) / (refusing if spec.refuses else 1), saved)
