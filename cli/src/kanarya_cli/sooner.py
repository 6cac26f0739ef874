"""What would let a gate decide sooner that cannot tell yet. Used by `rollout status` and `rollout explain`.

Pure. What is missing, and how long that takes at this rate, stands in the evidence; here is what a person could change.
"""

from kanarya_contracts.rollout import Evidence, GateSpec, Goal, ModelRollout
from kanarya_rollout.decide.rivals import others

_BOUND = {
    "sequential-ratio": "margin.negligible, a rate that is low enough in any case",
    "threshold": "a smaller minSamples",
    "sample-ratio": "a smaller minSamples",
}
"""Test → what can be said without so many observations."""


def sooner(rollout: ModelRollout, gate: GateSpec | Goal) -> str | None:
    """`sooner with …`; None for a gate that has decided, or that waits for something else than observations."""
    row = next((row for row in rollout.status.evidence if row.metric == gate.name), None)
    if row is None or row.verdict not in {"Inconclusive", "NoData"} or row.needs == 0:
        return None
    if isinstance(gate, Goal):
        bounds = "bounds nearer to what users' scores are, " if gate.scores is not None else ""
        split = "shares that are more alike" if others(rollout.status) else "a split nearer to half"
        return f"sooner with {split}, users who are reported sooner, {bounds}or a larger minimumEffect"
    if _within_limit(row, gate):
        return None
    if rollout.status.canary_mirror and not gate.judged_by_copies:
        return None  # it begins to count with the first weight
    ways = [way for way in (_labels(row, gate), _weight(rollout), _mirror(rollout, gate)) if way]
    bound = _BOUND.get(gate.test, "margins that lie further apart")
    return f"sooner with {', '.join(ways)}{', or ' if ways else ''}{bound}; kanarya replay and kanarya simulate try it out"


def _within_limit(row: Evidence, gate: GateSpec) -> bool:
    """Past its line, and let pass until `failureLimit` is used up."""
    return gate.test == "threshold" and row.candidate.n >= max(1, gate.min_samples)


def _labels(row: Evidence, gate: GateSpec) -> str:
    return "labels sent to /feedback" if gate.counts() == "labels" and row.verdict == "NoData" else ""


def _weight(rollout: ModelRollout) -> str:
    """Exposure is requests, not percent: how much sooner at the share that a comparison gains most from. Beyond it the
    champion's is the small one; of several challengers, it is an equal share for everyone."""
    weight, most = rollout.status.canary_weight, 100 // (2 + len(others(rollout.status)))
    if not 0 < weight < most:
        return ""
    return f"more weight (at {most} % they come {most / weight:.2g} times as fast; exposure is requests, not percent)"


def _mirror(rollout: ModelRollout, gate: GateSpec) -> str:
    """For the next rollout: a mirror comes before the first weight."""
    users = rollout.spec.strategy.ab_test is not None
    mirrors = users or any(step.set_mirror is not None for step in rollout.spec.strategy.steps)
    return "a mirror first (setMirror: every request is seen by both)" if gate.judged_by_copies and not mirrors else ""
