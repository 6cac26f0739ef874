"""When a rollout is looked at again. Called by the controller after each pass. Pure.

Something that moves is looked at on every tick. What rests is looked at when the clock has something to say to it, and before
that when its object was written or its world has news: a rollout that only counts needs a look an `analysis.interval`.
"""

from datetime import datetime

from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.rollout import ModelRollout, ModelRolloutStatus


def patience(rollout: ModelRollout, after: ModelRolloutStatus, now: datetime, *, announced: bool) -> float:
    """Seconds until the next look; 0 is the next tick.

    `rollout`: as the pass found it; `after`: its status since. `announced`: whether what changes around it is heard of.
    """
    poll = rollout.spec.registry.poll_interval.total_seconds()
    if not _busy(after):
        return poll
    if not announced or not _only_counts(rollout.status, after):
        return 0.0
    return max(0.0, min(poll, rollout.spec.analysis.interval.total_seconds(), _pause_left(rollout, after, now)))


def _busy(status: ModelRolloutStatus) -> bool:
    """Whether something is under way that should not wait for the next poll of the registry."""
    return (
        status.current_step_index is not None
        or status.retiring is not None
        or status.is_true(ConditionType.PROGRESSING)
        or status.is_true(ConditionType.DEGRADED)
    )


def _only_counts(before: ModelRolloutStatus, after: ModelRolloutStatus) -> bool:
    """Whether a candidate has its share, is counted, and this pass changed nothing else about it."""
    progressing, ledger = after.condition(ConditionType.PROGRESSING), after.ledger
    counts = {"evidence": before.evidence, "ledger": before.ledger, "audit": before.audit}
    return (
        progressing is not None
        and (progressing.status, progressing.reason) == ("True", Reason.SHIFTING_TRAFFIC)
        and not after.is_true(ConditionType.DEGRADED)
        and after.retiring is None
        and not ledger.champion_lost
        and (bool(ledger.step_observations) or ledger == before.ledger)
        and after.model_copy(update=counts) == before
    )


def _pause_left(rollout: ModelRollout, after: ModelRolloutStatus, now: datetime) -> float:
    steps, index = rollout.spec.strategy.steps, after.current_step_index
    step = steps[index] if index is not None and index < len(steps) else None
    if step is None or step.pause is None or step.pause.duration is None or after.step_started_at is None:
        return float("inf")
    return (after.step_started_at + step.pause.duration - now).total_seconds()
