"""Weights and copies as functions of the status, and whether the gateway has them. Used by `decide` and by `act`."""

from collections.abc import Mapping

from kanarya_contracts.names import ConditionType
from kanarya_contracts.rollout import ModelRolloutStatus
from kanarya_rollout.decide.draft import VERIFYING
from kanarya_rollout.observation import Copies


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
            for one in status.rivals:
                if one.out is None:
                    weights[one.candidate.version] = one.canary_weight
                    weights[status.stable.version] -= one.canary_weight
    for idle in (status.retiring, status.warm, *(one.candidate for one in status.rivals if one.out and not one.gone)):
        if idle is not None:
            weights.setdefault(idle.version, 0)
    return weights


def copies(status: ModelRolloutStatus) -> Copies | None:
    """What the gateway is to copy, and to which version. None: nothing."""
    candidate = status.candidate
    if not status.canary_mirror or candidate is None or candidate.version not in shares(status):
        return None
    return Copies(version=candidate.version, percent=status.canary_mirror)


def exposed(status: ModelRolloutStatus) -> bool:
    """Whether requests reach the candidate, as its own or as copies."""
    return bool(status.canary_weight or status.canary_mirror)


def agree(wanted: Mapping[str, int], in_force: Mapping[str, int]) -> bool:
    """Whether the gateway routes as wanted; a version at 0 may be missing on either side."""
    return wanted == in_force or _routed(wanted) == _routed(in_force)


def routed(status: ModelRolloutStatus, in_force: object, copied: Copies | None) -> bool:
    """Whether the gateway routes and copies as the status says. `in_force`: as in Observation."""
    return isinstance(in_force, Mapping) and agree(shares(status), in_force) and copies(status) == copied


def falls(before: ModelRolloutStatus, after: ModelRolloutStatus) -> bool:
    """Whether a challenger is to get less than before, in weight or else in copies: then the route is written before the
    status. Not where another one is to get more, which is promoted over its rivals: none of them did harm."""
    if before.candidate is None:
        return False
    was, now = shares(before), shares(after)
    versions = [before.candidate.version, *(one.candidate.version for one in before.rivals)]
    grown = [now.get(version, 0) - was.get(version, 0) for version in versions]
    if any(grown):
        return min(grown) < 0 and max(grown) <= 0
    return _copied(after) < _copied(before)


def _routed(weights: Mapping[str, int]) -> dict[str, int]:
    return {version: share for version, share in weights.items() if share}


def _copied(status: ModelRolloutStatus) -> int:
    made = copies(status)
    return made.percent if made is not None else 0
