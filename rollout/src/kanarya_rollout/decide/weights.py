"""Weights as a function of the status, and whether the gateway has them. Used by `decide` and by `act`."""

from collections.abc import Mapping

from kanarya_contracts.names import ConditionType
from kanarya_contracts.rollout import ModelRolloutStatus
from kanarya_rollout.decide.draft import VERIFYING


def shares(status: ModelRolloutStatus) -> dict[str, int]:
    """Version → percent that the gateway is to send. {} before anything serves. Sums to 100 otherwise.

    A candidate that is still being verified is not named: its server may not be there. One that is leaving is named with 0
    until the gateway has let go of it, and one that is kept warm for as long as it is.
    """
    if status.stable is None:
        return {}
    weights = {status.stable.version: 100 - status.canary_weight}
    if status.candidate is not None and status.current_step_index is not None:
        progressing = status.condition(ConditionType.PROGRESSING)
        if progressing is None or progressing.reason not in VERIFYING:
            weights[status.candidate.version] = status.canary_weight
    for idle in (status.retiring, status.warm):
        if idle is not None:
            weights.setdefault(idle.version, 0)
    return weights


def agree(wanted: Mapping[str, int], in_force: Mapping[str, int]) -> bool:
    """Whether the gateway routes as wanted; a version at 0 may be missing on either side."""
    return {version: share for version, share in wanted.items() if share} == {
        version: share for version, share in in_force.items() if share
    }


def falls(before: ModelRolloutStatus, after: ModelRolloutStatus) -> bool:
    """Whether the candidate is to get less than before: then the route is written before the status."""
    if before.candidate is None:
        return False
    version = before.candidate.version
    return shares(after).get(version, 0) < shares(before).get(version, 0)
