"""How a rollout ends: rolled back, or promoted in two moves (everything to the candidate; then the aliases). And the verdict
that is written on the version in the registry.
"""

import json
from datetime import datetime

from kanarya_contracts.names import TAG_VERDICT, ConditionType, Reason
from kanarya_contracts.rollout import ModelRolloutStatus
from kanarya_rollout.decide import quarantine, rivals
from kanarya_rollout.decide.decision import AliasMove
from kanarya_rollout.decide.draft import Draft


def roll_back(draft: Draft, reason: Reason, message: str) -> None:
    """Nothing to the candidate from now on. Its server is stopped when the gateway has let go of it. A test of several goes on
    without it."""
    candidate = draft.candidate
    if rivals.step_aside(draft, reason, message):
        quarantine.put(draft, candidate, reason, message)
        draft.tell(reason, f"version {candidate.version} is out of the test: {message}", warning=True)
        return
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


def roll_back_all(draft: Draft, reason: Reason, message: str) -> None:
    """The same for everyone in the test."""
    for one in rivals.dismiss(draft, reason, lambda _: message):
        quarantine.put(draft, one, reason, message)
    roll_back(draft, reason, message)


def begin_promotion(draft: Draft, reason: Reason, message: str) -> None:
    """Everything to the candidate; the reason waits in Promoted, still False, until the gateway has it. Rivals are out: where
    evidence has decided, they have had their test."""
    outdone = f"version {draft.candidate.version} was promoted"
    for one in rivals.dismiss(draft, Reason.OUTDONE, lambda rival: "; ".join([outdone, *rivals.sayings(rival.evidence)])):
        if reason == Reason.GATES_AGREED:
            quarantine.put(draft, one, Reason.OUTDONE, outdone)
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
    view, found = draft.registry, dict[str, dict[str, str]]()
    if view is None:
        return found
    was = {one.candidate.version for one in rivals.others(draft.before)}
    if draft.before.candidate is not None and draft.before.current_step_index is not None:
        was.add(draft.before.candidate.version)
    for version, text in _verdicts(draft.name, draft.status).items():
        named = (view.candidate, view.stable, *view.rivals.values())
        views = [one for one in named if one is not None and one.version == version]
        ended_now = version in was and version not in view.gone
        if (views or ended_now) and not any(one.tags.get(TAG_VERDICT) == text for one in views):
            found[version] = {TAG_VERDICT: text}
    return found


def _verdicts(name: str, status: ModelRolloutStatus) -> dict[str, str]:
    """Version → how its rollout ended, as JSON; without those that are on their way."""
    found = {}
    for one in status.rivals:
        if one.out is not None:
            found[one.candidate.version] = _verdict(
                name, ConditionType.ROLLED_BACK, one.out.reason, one.out.message, one.out.since
            )
    if status.current_step_index is not None or status.candidate is None:
        return found
    for kind in (ConditionType.ROLLED_BACK, ConditionType.PROMOTED):
        condition = status.condition(kind)
        if condition is not None and condition.status == "True":
            since = condition.last_transition_time
            found[status.candidate.version] = _verdict(name, kind, condition.reason, condition.message, since)
    return found


def _verdict(name: str, kind: ConditionType, reason: str, message: str, since: datetime) -> str:
    at = since.isoformat(timespec="seconds")
    return json.dumps({"rollout": name, "verdict": kind.value, "reason": reason, "message": message, "at": at})
