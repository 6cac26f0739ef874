"""Versions that had their rollout and lost it: not tried again until a person says so. Used by what begins and ends one.

A version goes in when it is taken back for a reason of its own, and stays while other challengers come and go. It comes out by
`retry`, or when somebody makes it the champion in the registry: both are a person's word. What is known of it is its digest,
so the same bytes under another number are the same version; without a digest it is the number.
"""

from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.rollout import ModelRolloutStatus, Quarantined, VersionRef
from kanarya_rollout.decide.draft import Draft

MOST = 20
"""How many are remembered; beyond, the oldest is forgotten: a status is an object of limited size."""

NOT_ITS_FAULT = frozenset(
    {Reason.CANDIDATE_WITHDRAWN, Reason.CANDIDATE_SUPERSEDED, Reason.CANDIDATE_DELETED, Reason.CHAMPION_MOVED}
)
"""Reasons of RolledBack that say nothing about the version."""


def found(status: ModelRolloutStatus, ref: VersionRef) -> Quarantined | None:
    """Its entry, if it is in quarantine."""
    return next((one for one in status.quarantine if _same(one, ref)), None)


def put(draft: Draft, ref: VersionRef, reason: Reason, message: str) -> None:
    """Remember it, as the newest one."""
    if reason not in NOT_ITS_FAULT:
        new = Quarantined(version=ref.version, digest=ref.digest, reason=reason, message=message, since=draft.now)
        draft.change(quarantine=(*_without(draft.status, ref), new)[-MOST:])


def release(draft: Draft, ref: VersionRef) -> None:
    """Forget it, because a person said so."""
    draft.change(quarantine=_without(draft.status, ref))


def heed(draft: Draft) -> None:
    """Progressing, while nothing is on its way: whether the version that is wanted is in quarantine. An event when it turns."""
    view, before = draft.registry, draft.status.condition(ConditionType.PROGRESSING)
    if view is None and before is not None and before.status == "False":
        return  # nobody knows better
    wanted = view.candidate if view is not None else None
    kept = found(draft.status, VersionRef(version=wanted.version, digest=wanted.digest)) if wanted is not None else None
    if wanted is None or kept is None:
        draft.clear(ConditionType.PROGRESSING, Reason.IDLE)
        return
    message = (
        f"version {wanted.version} has the alias {draft.spec.registry.candidate_alias} and is in quarantine since "
        f"{kept.since:%Y-%m-%d %H:%M} UTC ({kept.reason}{_by_number(wanted.version, kept)}); "
        f"`kanarya rollout retry {draft.name}` tries it again"
    )
    draft.clear(ConditionType.PROGRESSING, Reason.QUARANTINED, message)
    news = before is None or before.message != message
    if news and (draft.status.candidate is None or draft.status.candidate.version != wanted.version):
        draft.tell(Reason.QUARANTINED, message, warning=True)


def _by_number(version: str, kept: Quarantined) -> str:
    return "" if kept.version == version else f", as version {kept.version}, which has the same digest"


def _without(status: ModelRolloutStatus, ref: VersionRef) -> tuple[Quarantined, ...]:
    return tuple(one for one in status.quarantine if not _same(one, ref))


def _same(one: Quarantined, ref: VersionRef) -> bool:
    return one.digest == ref.digest and (ref.digest is not None or one.version == ref.version)
