"""What a person asks: promote, abort, retry, pause, resume, undo. Each is answered once, by its id; what makes no sense
now is answered in the status and with an event, which say why.
"""

from kanarya_contracts.names import ConditionType, Reason, Verb
from kanarya_contracts.rollout import Request, VersionRef
from kanarya_rollout.decide import quarantine, rivals, steps, undo
from kanarya_rollout.decide.champion import pinned
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.decide.ending import begin_promotion, roll_back_all
from kanarya_rollout.decide.trouble import trouble
from kanarya_rollout.observation import BadRequest


def answer(draft: Draft) -> None:
    """Do it, or say why not."""
    request = draft.seen.request
    if request is None:
        return
    refusal = request.message if isinstance(request, BadRequest) else _done(draft, request)
    draft.change(last_request_id=request.id, last_request_refusal=refusal)
    if refusal is not None:
        draft.tell(Reason.REQUEST_REFUSED, refusal, warning=True)


def _done(draft: Draft, request: Request) -> str | None:
    why_not = draft.seen.taken or _ANSWERS[request.verb](draft, request)
    return f"{request.verb} was asked{_by(request)}, but {why_not}" if why_not is not None else None


def _promote(draft: Draft, request: Request) -> str | None:
    if not draft.on_its_way:
        return "no candidate is on its way"
    if draft.verifying:
        return f"version {draft.candidate.version} is not verified and ready yet"
    if draft.promoting:
        return f"version {draft.candidate.version} is being promoted already"
    if draft.frozen is not None:
        return f"it is frozen {draft.frozen}; spec.freeze says when, and `abort` works at any time"
    decided = draft.reason(ConditionType.PAUSED) == Reason.DECIDED
    if rivals.several(draft) and not decided and (request.full or draft.reason(ConditionType.PAUSED) == Reason.INCONCLUSIVE):
        versions = " or ".join(one.version for one in rivals.challengers(draft).values())
        alias = draft.spec.registry.stable_alias
        return f"several versions are in the test; move the alias {alias} to the one that is to serve, {versions}"
    if request.full or draft.reason(ConditionType.PAUSED) in {Reason.INCONCLUSIVE, Reason.DECIDED}:
        begin_promotion(draft, Reason.PROMOTED_BY_REQUEST, f"asked{_by(request)}; {rivals.summary(draft)}")
        return None
    return _end_pause(draft, request)


def _end_pause(draft: Draft, request: Request) -> str | None:
    waiting, by_request = steps.waits_for_person(draft), draft.reason(ConditionType.PAUSED) == Reason.PAUSED_BY_REQUEST
    if not waiting and not by_request:
        return "there is no pause to end; `--full` skips what is left and promotes now"
    if waiting and trouble(draft):
        return f"nothing may move on: {trouble(draft)[0][1]}"
    draft.clear(ConditionType.PAUSED)
    draft.tell(Reason.SHIFTING_TRAFFIC, f"the pause was ended{_by(request)}")
    if waiting:
        steps.enter(draft, (draft.status.current_step_index or 0) + 1)
    return None


def _abort(draft: Draft, request: Request) -> str | None:
    if not draft.on_its_way:
        return "no candidate is on its way"
    roll_back_all(draft, Reason.ABORTED_BY_REQUEST, f"asked{_by(request)}")
    return None


def _retry(draft: Draft, request: Request) -> str | None:
    if draft.on_its_way:
        return f"version {draft.candidate.version} is on its way"
    if draft.undoing:
        return f"version {draft.candidate.version} is still being undone; ask again when the registry has been told"
    view, alias, last = draft.registry, draft.spec.registry.candidate_alias, draft.status.candidate
    rolled_back = draft.status.is_true(ConditionType.ROLLED_BACK)
    if not rolled_back and not draft.status.quarantine:
        return "no candidate was rolled back"
    if view is not None and view.candidate is None:
        return f"no version has the alias {alias} any more"
    named = [pinned(one) for one in (view.candidate, *view.rivals.values()) if one is not None] if view is not None else [last]
    tried = [one for one in named if one is not None and _was_tried(draft, one)]
    if not tried:
        return f"the version that has the alias {alias} was not rolled back"
    for one in tried:
        quarantine.release(draft, one)
    draft.change(candidate=None if last is not None and last.version in {one.version for one in tried} else last)
    draft.clear(ConditionType.ROLLED_BACK)
    versions = " and ".join(one.version for one in tried)
    draft.tell(Reason.VERIFYING, f"a new start of version {versions} was asked{_by(request)}")
    return None


def _was_tried(draft: Draft, ref: VersionRef) -> bool:
    last = draft.status.candidate
    rolled_back = draft.status.is_true(ConditionType.ROLLED_BACK) and last is not None and last.version == ref.version
    return rolled_back or quarantine.found(draft.status, ref) is not None


def _undo(draft: Draft, request: Request) -> str | None:
    refused = undo.why_not(draft)
    if refused is None:
        undo.undo(draft, Reason.UNDONE_BY_REQUEST, f"asked{_by(request)}")
    return refused


def _pause(draft: Draft, request: Request) -> str | None:
    if not draft.on_its_way:
        return "no candidate is on its way"
    if draft.promoting:
        return f"version {draft.candidate.version} has passed and is being promoted; `abort` takes it back"
    if draft.reason(ConditionType.PAUSED) in steps.PERSONS:
        return "it is paused already"
    draft.set(ConditionType.PAUSED, Reason.PAUSED_BY_REQUEST, f"asked{_by(request)}")
    draft.tell(Reason.PAUSED_BY_REQUEST, f"paused at {draft.status.canary_weight}%, asked{_by(request)}")
    return None


def _resume(draft: Draft, request: Request) -> str | None:
    reason = draft.reason(ConditionType.PAUSED)
    if draft.foreign_route:
        draft.take_route_back = True
        draft.tell(Reason.SHIFTING_TRAFFIC, f"the route is taken back, asked{_by(request)}")
    if reason == Reason.PAUSED_BY_REQUEST:
        draft.clear(ConditionType.PAUSED)
        draft.tell(Reason.SHIFTING_TRAFFIC, f"resumed, asked{_by(request)}")
    elif reason == Reason.INCONCLUSIVE:
        return "its deadline is over without a verdict; `promote`, `abort` or, after that, `retry`"
    elif reason == Reason.DECIDED:
        return "its A/B test is over; `promote`, `abort` or, after that, `retry`"
    elif reason == Reason.PAUSE_STEP:
        return "the step waits for `promote`"
    elif not draft.foreign_route:
        return "it is not paused"
    return None


_ANSWERS = {
    Verb.PROMOTE: _promote,
    Verb.ABORT: _abort,
    Verb.RETRY: _retry,
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.UNDO: _undo,
}


def _by(request: Request) -> str:
    return f" by {request.by}" if request.by else ""
