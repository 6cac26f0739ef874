"""The way back after a promotion. The former champion stays warm for `rollbackWindow`; within it a person may undo the
promotion, and what is needed then is a weight and no start: the gateway first, the registry's alias when the gateway has it.

The window ends early for a new candidate, because three versions are never kept at once, and for a third version that the
registry calls champion. Who undoes is a person (`requests`) or the new champion's own counts (`aftermath`).
"""

from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.quantities import format_duration
from kanarya_contracts.rollout import VersionRef
from kanarya_rollout.decide import quarantine
from kanarya_rollout.decide.candidate import wished
from kanarya_rollout.decide.champion import incoming, refusal
from kanarya_rollout.decide.decision import AliasMove
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.decide.steps import in_force
from kanarya_rollout.observation import Unread


def cool(draft: Draft) -> None:
    """End the window when it is over, or when what is wanted now has no use for it: the version then leaves as any other."""
    warm = draft.status.warm
    over = _over(draft) if warm is not None else None
    if warm is None or over is None:
        return
    draft.change(warm=None, warm_since=None, retiring=warm)
    draft.tell(Reason.ROLLBACK_WINDOW_OVER, f"version {warm.version} is not kept warm any longer: {over}")


def _over(draft: Draft) -> str | None:
    warm, view = draft.status.warm, draft.registry
    assert warm is not None  # noqa: S101 (asked by the caller)
    began, window = draft.status.warm_since or draft.now, draft.spec.rollback_window
    if draft.now - began >= window:
        return f"rollbackWindow is {format_duration(window)}"
    if view is not None and warm.version in view.gone:
        return "it was deleted in the registry"
    if wished(draft) is not None:
        return f"version {wished(draft)} has the alias {draft.spec.registry.candidate_alias}"
    new = incoming(draft)
    if new is not None and new.version != warm.version:
        return f"version {new.version} has the alias {draft.spec.registry.stable_alias}"
    return None


def why_not(draft: Draft) -> str | None:
    """Why the last promotion cannot be undone, and what to do instead; None if it can."""
    warm, stable, view = draft.status.warm, draft.status.stable, draft.registry
    alias = draft.spec.registry.stable_alias
    if draft.on_its_way:
        return f"version {draft.candidate.version} is on its way; `abort` takes it back"
    if draft.undoing:
        return f"version {draft.candidate.version} is being undone already"
    if warm is None or stable is None:
        return (
            f"no former champion is warm (rollbackWindow is {format_duration(draft.spec.rollback_window)}, and a new candidate "
            f"ends it); point the alias {alias} to the version to go back to: it is started, verified, and gets every request"
        )
    if view is not None and view.stable is not None and view.stable.version != stable.version:
        return f"the alias {alias} was moved to version {view.stable.version} in the registry, which is what will serve"
    if view is not None and warm.version in view.gone:
        return f"version {warm.version} was deleted in the registry; point the alias {alias} to one that is there"
    cold = _cold(draft, warm)
    if cold is not None:
        return f"{cold}; point the alias {alias} to it in the registry, and it gets every request once it is ready"
    return None


def _cold(draft: Draft, warm: VersionRef) -> str | None:
    if isinstance(draft.seen.backends, Unread):
        return f"nobody knows whether version {warm.version} is ready: {draft.seen.backends.message}"
    backend = draft.backends.get(warm.version)
    if backend is None or backend.state != "Ready":
        said = "has no server" if backend is None else f"is {backend.state}"
        more = f": {backend.message}" if backend is not None and backend.message else ""
        return f"version {warm.version} {said}{more}"
    return refusal(draft, warm)


def undo(draft: Draft, reason: Reason, message: str) -> None:
    """Every request to the former champion, from now on. Only where `why_not` has nothing to say."""
    undone, back = draft.status.stable, draft.status.warm
    assert undone is not None  # noqa: S101 (asked by the caller)
    assert back is not None  # noqa: S101 (asked by the caller)
    draft.change(stable=back, warm=None, warm_since=None, retiring=undone)
    draft.note(let_go_at=None)
    draft.clear(ConditionType.PROMOTED)
    draft.set(ConditionType.ROLLED_BACK, reason, message)
    quarantine.put(draft, undone, reason, message)
    draft.set(ConditionType.PROGRESSING, Reason.UNDOING, f"version {back.version} gets every request again: {message}")
    draft.tell(reason, f"version {undone.version} was undone, version {back.version} serves: {message}", warning=True)


def tell_registry(draft: Draft) -> None:
    """Once the gateway sends everything to the former champion: its alias back, unless somebody has moved it elsewhere."""
    view, stable = draft.registry, draft.status.stable
    if not draft.undoing or view is None or stable is None:
        return
    at = view.stable.version if view.stable is not None else None
    if at not in (None, draft.candidate.version):
        draft.clear(ConditionType.PROGRESSING, Reason.IDLE)
    elif in_force(draft):
        draft.alias = AliasMove(alias=draft.spec.registry.stable_alias, to=stable.version, expected=at)
        draft.clear(ConditionType.PROGRESSING, Reason.IDLE)
