"""How a rollout ends: rolled back, or promoted in two moves (everything to the candidate; then the aliases). And the verdict
that is written on the version in the registry.
"""

import json

from kanarya_contracts.names import TAG_VERDICT, ConditionType, Reason
from kanarya_contracts.rollout import ModelRolloutStatus
from kanarya_rollout.decide import quarantine
from kanarya_rollout.decide.decision import AliasMove
from kanarya_rollout.decide.draft import Draft


def roll_back(draft: Draft, reason: Reason, message: str) -> None:
    """Nothing to the candidate from now on. Its server is stopped when the gateway has let go of it."""
    candidate = draft.candidate
    if not draft.verifying:
        draft.change(retiring=candidate)
        draft.note(let_go_at=None)
    draft.change(canary_weight=0, canary_mirror=0, current_step_index=None, step_started_at=None)
    draft.clear(ConditionType.PROGRESSING, Reason.IDLE)
    draft.clear(ConditionType.PROMOTED)
    draft.clear(ConditionType.PAUSED)
    draft.set(ConditionType.ROLLED_BACK, reason, message)
    quarantine.put(draft, candidate, reason, message)
    draft.tell(reason, f"version {candidate.version} was rolled back: {message}", warning=True)


def begin_promotion(draft: Draft, reason: Reason, message: str) -> None:
    """Everything to the candidate; the reason waits in Promoted, still False, until the gateway has it."""
    draft.change(
        canary_weight=100,
        canary_mirror=0,
        current_step_index=len(draft.spec.strategy.steps),
        step_started_at=draft.now,
    )
    draft.note(step_observations={})
    draft.clear(ConditionType.PROMOTED, reason, message)
    draft.clear(ConditionType.PAUSED)
    draft.set(ConditionType.PROGRESSING, Reason.PROMOTING, f"version {draft.candidate.version} gets every request: {message}")
    draft.tell(Reason.PROMOTING, f"version {draft.candidate.version} gets every request: {message}")


def finish_promotion(draft: Draft) -> None:
    """The gateway sends everything to the candidate: it is the stable version, in the registry too."""
    view, old, new = draft.registry, draft.status.stable, draft.candidate
    assert view is not None  # noqa: S101 (asked by the caller)
    assert old is not None  # noqa: S101 (nothing is pinned before there is one)
    if view.stable is None or view.stable.version != new.version:
        draft.alias = AliasMove(alias=draft.spec.registry.stable_alias, to=new.version, expected=old.version)
    pending = draft.status.condition(ConditionType.PROMOTED)
    reason = Reason(pending.reason) if pending else Reason.GATES_AGREED
    message = pending.message if pending else ""
    window = draft.spec.rollback_window
    draft.change(stable=new, canary_weight=0, current_step_index=None, step_started_at=None)
    draft.change(**({"warm": old, "warm_since": draft.now} if window else {"retiring": old}))
    draft.note(let_go_at=None)
    draft.clear(ConditionType.PROGRESSING, Reason.IDLE)
    draft.set(ConditionType.PROMOTED, reason, message)
    draft.tell(reason, f"version {new.version} is the {draft.spec.registry.stable_alias}: {message}")


def missing_verdict(draft: Draft) -> dict[str, dict[str, str]]:
    """Tags that the registry should have and, as far as it was read, has not. Deterministic in the status."""
    candidate, text = draft.status.candidate, _verdict(draft.name, draft.status)
    if candidate is None or text is None or draft.registry is None:
        return {}
    views = [view for view in (draft.registry.candidate, draft.registry.stable) if view and view.version == candidate.version]
    ended_now = draft.before.current_step_index is not None and draft.registry.pinned_exists
    known = any(view.tags.get(TAG_VERDICT) == text for view in views)
    return {candidate.version: {TAG_VERDICT: text}} if not known and (views or ended_now) else {}


def _verdict(name: str, status: ModelRolloutStatus) -> str | None:
    """How the last rollout ended, as JSON; None while one is on its way."""
    if status.current_step_index is not None:
        return None
    for kind in (ConditionType.PROMOTED, ConditionType.ROLLED_BACK):
        condition = status.condition(kind)
        if condition is not None and condition.status == "True":
            return json.dumps(
                {
                    "rollout": name,
                    "verdict": kind.value,
                    "reason": condition.reason,
                    "message": condition.message,
                    "at": condition.last_transition_time.isoformat(timespec="seconds"),
                }
            )
    return None
