"""Gates: one statistical test a file, pure, each with the source of its formula. Used by `decide`.

    sequential_ratio       errors and slow requests: ratio of rates
    sequential_proportion  labels: difference of accuracies
    threshold              absolute guard

`open_gate` turns a spec and what was saved into a gate. Chances of error hold over all looks together: alpha is divided by
`refusing`, the number of sequential gates of the rollout, each of which can refuse. Thresholds have no alpha to spend.
Acceptance is not divided: a promotion needs every gate.
"""

from collections.abc import Iterable, Mapping

from kanarya_contracts.rollout import GateSpec
from kanarya_rollout.gates.gate import Gate, Saved, Window
from kanarya_rollout.gates.sequential_proportion import SequentialProportion
from kanarya_rollout.gates.sequential_ratio import SequentialRatio
from kanarya_rollout.gates.threshold import Threshold

__all__ = ["Gate", "Saved", "Window", "open_gate", "refusing"]


def refusing(specs: Iterable[GateSpec]) -> int:
    """How many gates share alpha. At least 1."""
    return max(1, sum(spec.test != "threshold" for spec in specs))


def open_gate(spec: GateSpec, refusing: int, saved: Mapping[str, list[str]] | None = None) -> Gate:
    """The gate that `spec` describes, going on from `saved` if that belongs to the same margins."""
    if spec.test == "threshold":
        assert spec.failure_condition is not None  # noqa: S101 (the spec's validator)
        return Threshold.opened(
            spec.name,
            signal=spec.counts(),
            condition=spec.failure_condition,
            min_samples=spec.min_samples,
            saved=saved,
        )
    assert spec.margin is not None  # noqa: S101 (the spec's validator)
    tolerate, refuse = spec.margin.tolerate, spec.margin.refuse
    alpha, beta = float(spec.alpha) / refusing, float(spec.beta)
    if spec.test == "sequential-proportion":
        return SequentialProportion.opened(spec.name, tolerate=tolerate, refuse=refuse, alpha=alpha, beta=beta, saved=saved)
    return SequentialRatio.opened(
        spec.name,
        signal=spec.counts(),
        tolerate=tolerate,
        refuse=refuse,
        negligible=spec.margin.negligible,
        alpha=alpha,
        beta=beta,
        saved=saved,
    )
