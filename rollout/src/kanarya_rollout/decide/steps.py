"""Steps: which one, when it ends, what comes after the last. Used while the candidate is proven and may have weight."""

from datetime import timedelta

from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.quantities import format_duration
from kanarya_contracts.rollout import Ledger, Step
from kanarya_rollout.decide import ab_test, evidence, rivals
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.decide.ending import begin_promotion, finish_promotion, roll_back, roll_back_all
from kanarya_rollout.decide.trouble import trouble
from kanarya_rollout.decide.weights import routed
from kanarya_rollout.freeze import outside

PERSONS = frozenset({Reason.PAUSED_BY_REQUEST, Reason.INCONCLUSIVE, Reason.DECIDED})
"""Reasons of Paused that stand until a person says otherwise."""


def held(draft: Draft) -> bool:
    """Whether nothing may move on: something is missing, a person paused it, it is frozen, or someone else wrote the route."""
    stands = draft.frozen is not None or draft.foreign_route or draft.reason(ConditionType.PAUSED) in PERSONS
    return stands or _drift(draft) is not None or bool(trouble(draft))


def enter(draft: Draft, index: int) -> None:
    """Begin a step. A weight or a mirror is only asked for here; counting begins when the gateway has it. A weight ends the
    mirror: a request that the candidate answers would be copied to it as well, and be evidence twice."""
    steps, version = draft.spec.strategy.steps, draft.candidate.version
    step = steps[index] if index < len(steps) else None
    if draft.spec.strategy.ab_test is not None:
        ab_test.split(draft)
    elif step is not None and step.set_weight is not None:
        draft.change(canary_weight=step.set_weight, canary_mirror=0)
        draft.tell(Reason.SHIFTING_TRAFFIC, f"version {version}: {step.set_weight}% of requests")
    elif step is not None and step.set_mirror is not None:
        draft.change(canary_mirror=step.set_mirror.percentage)
        draft.tell(Reason.SHIFTING_TRAFFIC, f"version {version}: copies of {step.set_mirror.percentage}% of requests")
    draft.change(current_step_index=index, step_started_at=draft.now)
    rivals.note_all(draft, step_observations={})
    describe(draft)


def describe(draft: Draft) -> None:
    """Progressing, and Paused where the step waits for a person."""
    step, version, test = present(draft), draft.candidate.version, draft.spec.strategy.ab_test
    if test is not None and not draft.promoting:
        draft.set(ConditionType.PROGRESSING, Reason.SHIFTING_TRAFFIC, ab_test.description(draft, test))
        return
    if step is None:
        doing = "waits at its last weight until every gate agrees"
    else:
        count = len(draft.spec.strategy.steps)
        doing = f"step {(draft.status.current_step_index or 0) + 1} of {count}, {_doing(step)}"
    copied = f", with copies of {draft.status.canary_mirror}%" if draft.status.canary_mirror else ""
    draft.set(
        ConditionType.PROGRESSING,
        Reason.SHIFTING_TRAFFIC,
        f"version {version} at {draft.status.canary_weight}%{copied}: {doing}",
    )


def present(draft: Draft) -> Step | None:
    """The step at hand; None after the last. A spec that lost steps in mid-rollout is past its last."""
    steps, index = draft.spec.strategy.steps, draft.status.current_step_index
    return steps[index] if index is not None and index < len(steps) else None


def waits_for_person(draft: Draft) -> str | None:
    """Why the step at hand ends only when a person says so; None if it does not."""
    step = present(draft)
    if step is not None and step.pause is not None and step.pause.duration is None:
        return "the step waits for `kanarya rollout promote`"
    return None


def advance(draft: Draft) -> None:
    """One step on, if the one at hand is over; a promotion after the last."""
    if draft.promoting:
        _finish(draft)
        return
    rivals.each(draft, _begin_counting)
    if held(draft):
        return
    step, test = present(draft), draft.spec.strategy.ab_test
    if test is not None and not ab_test.is_split(draft):
        enter(draft, 0)  # the split was edited, or somebody's server is back
    elif step is None:
        _conclude(draft)
    elif not waits_for_person(draft) and _over(draft, step):
        enter(draft, (draft.status.current_step_index or 0) + 1)
    if draft.on_its_way and not draft.promoting:
        describe(draft)
        _heed_deadline(draft)


def _begin_counting(draft: Draft) -> None:
    """From the reading after which the gateway has the weight, or makes the copies."""
    step = present(draft)
    if step is not None and step.exposes and not draft.status.ledger.step_observations and in_force(draft):
        draft.note(step_observations={spec.name: 0 for spec in draft.spec.analysis.metrics})


def in_force(draft: Draft) -> bool:
    """Whether the gateway routes and copies as the status says."""
    return routed(draft.status, draft.seen.in_force, draft.seen.copies)


def _over(draft: Draft, step: Step) -> bool:
    if step.pause is not None and step.pause.duration is not None:
        return _elapsed(draft) >= step.pause.duration
    if step.analysis is not None:
        return all(evidence.verdict(draft, name) == "Successful" for name in step.analysis.until)
    return in_force(draft) and (not step.exposes or all(_enough(draft, step, one) for one in rivals.asked(draft.status)))


def _enough(draft: Draft, step: Step, ledger: Ledger) -> bool:
    observed = ledger.step_observations
    waited = [spec for spec in draft.spec.analysis.metrics if step.set_weight is not None or spec.judged_by_copies]
    return bool(observed) and all(observed.get(spec.name, 0) >= spec.min_samples for spec in waited)


def _elapsed(draft: Draft) -> timedelta:
    return draft.now - (draft.status.step_started_at or draft.now)


def _conclude(draft: Draft) -> None:
    """After the last step: every gate must agree; one without data does what its spec says."""
    rivals.each(draft, _heed_silence)
    test = draft.spec.strategy.ab_test
    if not draft.on_its_way:
        return
    if test is not None:
        ab_test.conclude(draft, test)
    elif evidence.agreed(draft):
        begin_promotion(draft, Reason.GATES_AGREED, rivals.summary(draft))


def _heed_silence(draft: Draft) -> None:
    failing = evidence.silent(draft)
    if failing:
        roll_back(draft, Reason.GATE_REFUSED, f"no data for {', '.join(failing)}, and onNoData is fail")


def _finish(draft: Draft) -> None:
    """Once the gateway sends everything to the candidate, and the registry can be told."""
    if not trouble(draft) and not draft.foreign_route and draft.registry is not None and in_force(draft):
        finish_promotion(draft)


def _heed_deadline(draft: Draft) -> None:
    """`onInconclusive`, when the whole rollout has taken too long. Never while it is held."""
    started = draft.status.started_at
    if started is None or draft.now - started < draft.spec.deadline:
        return
    if outside(draft.spec.freeze, started, draft.now) < draft.spec.deadline:
        return  # nothing could be decided while it was frozen
    test = draft.spec.strategy.ab_test
    if test is not None and ab_test.has_winner(draft, test):
        ab_test.conclude(draft, test, overdue=True)
        return
    message = f"no verdict within {format_duration(draft.spec.deadline)}: {rivals.summary(draft)}"
    if draft.spec.on_inconclusive == "rollback":
        roll_back_all(draft, Reason.DEADLINE_EXCEEDED, message)
    elif draft.spec.on_inconclusive == "pause":
        draft.set(ConditionType.PAUSED, Reason.INCONCLUSIVE, message)
        draft.tell(Reason.INCONCLUSIVE, message, warning=True)
    elif not waits_for_person(draft):
        if test is not None:
            ab_test.lead_with_the_best(draft, test)
        begin_promotion(draft, Reason.PROMOTED_INCONCLUSIVE, message)


def settle_pause(draft: Draft) -> None:
    """Paused, from what is: a person's word stands, the rest is seen anew on each pass."""
    if draft.reason(ConditionType.PAUSED) in PERSONS:
        return
    waiting = waits_for_person(draft) if draft.on_its_way and not draft.verifying and not draft.promoting else None
    if draft.foreign_route and not draft.take_route_back:
        _pause(draft, Reason.WEIGHT_NOT_IN_FORCE, "someone else has written the route; `kanarya rollout resume` takes it back")
    elif waiting:
        _pause(draft, Reason.PAUSE_STEP, waiting)
    elif draft.on_its_way and not draft.promoting and (drift := _drift(draft)) is not None:
        _pause(draft, Reason.INPUT_DRIFT, drift)
    else:
        draft.clear(ConditionType.PAUSED)


def _drift(draft: Draft) -> str | None:
    """Why the candidate stays where it is although nothing speaks against it; None if it need not."""
    columns = draft.seen.drifting
    if not columns or draft.spec.analysis.on_input_drift == "ignore":
        return None
    named = ", ".join(columns[:3]) + (f" and {len(columns) - 3} more" if len(columns) > 3 else "")
    return (
        f"what version {draft.candidate.version} is asked is unlike what it was trained on: {named}; it holds, and "
        "`kanarya rollout promote --full` goes on"
    )


def _pause(draft: Draft, reason: Reason, message: str) -> None:
    if draft.reason(ConditionType.PAUSED) != reason:
        draft.tell(reason, message)
    draft.set(ConditionType.PAUSED, reason, message)


def _doing(step: Step) -> str:
    if step.set_weight is not None:
        return f"setWeight {step.set_weight}"
    if step.pause is not None:
        return "pause" if step.pause.duration is None else f"pause {format_duration(step.pause.duration)}"
    if step.analysis is not None:
        return f"analysis until {', '.join(step.analysis.until)}"
    return f"setMirror {step.set_mirror.percentage}" if step.set_mirror is not None else ""
