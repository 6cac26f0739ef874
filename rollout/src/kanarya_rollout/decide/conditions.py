"""Conditions: setting one, with the time it last turned. Used by everything in `decide`."""

from datetime import datetime

from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.rollout import Condition, ModelRolloutStatus


def with_condition(
    status: ModelRolloutStatus, kind: ConditionType, on: bool, reason: Reason, message: str, now: datetime
) -> ModelRolloutStatus:
    """The status with that condition; its time changes only when it turns."""
    old = status.condition(kind)
    value = "True" if on else "False"
    seen = max(1, status.observed_generation)
    if old and (old.status, old.reason, old.message, old.observed_generation) == (value, reason, message, seen):
        return status
    new = Condition(
        type=kind,
        status="True" if on else "False",
        reason=reason,
        message=message,
        last_transition_time=old.last_transition_time if old and old.status == value else now,
        observed_generation=seen,
    )
    if old is None:
        return status.model_copy(update={"conditions": (*status.conditions, new)})
    conditions = tuple(new if condition.type == kind else condition for condition in status.conditions)
    return status.model_copy(update={"conditions": conditions})


def looked_at(status: ModelRolloutStatus, generation: int) -> ModelRolloutStatus:
    """The status of a pass over this generation of the spec: what it does not change holds of it too. `kubectl wait` ignores a
    condition that speaks of an older one."""
    if status.observed_generation == generation and all(one.observed_generation == generation for one in status.conditions):
        return status
    conditions = tuple(one.model_copy(update={"observed_generation": generation}) for one in status.conditions)
    return status.model_copy(update={"observed_generation": generation, "conditions": conditions})


def degraded(status: ModelRolloutStatus, reason: Reason, message: str, now: datetime) -> ModelRolloutStatus:
    """The status as it was, but Degraded: for what `act` could not carry out."""
    return with_condition(status, ConditionType.DEGRADED, True, reason, message, now)
