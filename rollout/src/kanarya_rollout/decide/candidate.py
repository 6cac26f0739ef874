"""The candidate before its first request: pinned when the alias moves, verified, started, asked its example. And what the
registry says about it later: withdrawn, superseded, deleted, promoted by hand.
"""

from datetime import timedelta

from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.rollout import Ledger, ModelRolloutStatus, VersionRef
from kanarya_rollout.decide import quarantine, steps
from kanarya_rollout.decide.champion import incoming, pinned, proven, refusal
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.decide.ending import begin_promotion, roll_back
from kanarya_rollout.observation import RegistryView, Unread

_NOT_ITS_FAULT = frozenset({Reason.CANDIDATE_WITHDRAWN, Reason.CANDIDATE_SUPERSEDED, Reason.CANDIDATE_DELETED})
"""Endings after which the alias on the same version is a new wish and not an old one."""


def ended(status: ModelRolloutStatus, ref: VersionRef) -> bool:
    """Whether this version has had its rollout: in quarantine, or the last one and promoted or rolled back."""
    if quarantine.found(status, ref) is not None:
        return True
    if status.candidate is None or status.candidate.version != ref.version:
        return False
    back = status.condition(ConditionType.ROLLED_BACK)
    refused = back is not None and back.status == "True" and back.reason not in _NOT_ITS_FAULT
    return refused or status.is_true(ConditionType.PROMOTED)


def wished(draft: Draft) -> str | None:
    """The version that may begin: None while another one has the word, and while it is frozen."""
    return wanted(draft) if draft.frozen is None else None


def wanted(draft: Draft) -> str | None:
    """The version that the registry calls challenger and that has not had its rollout; None while another one has the word."""
    view, stable = draft.registry, draft.status.stable
    if view is None or view.candidate is None or view.stable is None or stable is None:
        return None
    version = view.candidate.version
    over = version == stable.version or ended(draft.status, pinned(view.candidate))
    busy = draft.on_its_way or draft.undoing or incoming(draft) is not None
    return None if busy or over else version


def pin(draft: Draft) -> None:
    """Begin, if the registry wants it and no version is still leaving."""
    version, view = wished(draft), draft.registry
    if version is None or view is None or view.candidate is None:
        return
    if draft.status.retiring is not None or draft.status.warm is not None:
        return
    draft.change(
        candidate=pinned(view.candidate),
        canary_weight=0,
        canary_mirror=0,
        current_step_index=0,
        started_at=draft.now,
        step_started_at=draft.now,
        evidence=(),
        since_promotion=(),
        ledger=Ledger(),
    )
    for kind in (ConditionType.PROMOTED, ConditionType.ROLLED_BACK, ConditionType.PAUSED):
        draft.clear(kind)
    draft.set(ConditionType.PROGRESSING, Reason.VERIFYING, f"version {version} is verified and started")
    draft.tell(
        Reason.VERIFYING, f"version {version} is on its way: the registry calls it {draft.spec.registry.candidate_alias}"
    )


def settle_frozen(draft: Draft) -> None:
    """Frozen, while there is something that a freeze keeps from beginning or from moving on. An event when it turns."""
    waits = (draft.on_its_way and not draft.promoting) or wanted(draft) is not None
    was = draft.reason(ConditionType.FROZEN) is not None
    if draft.frozen is not None and waits:
        message = f"nothing starts, no weight rises, nothing is promoted {draft.frozen}"
        draft.set(ConditionType.FROZEN, Reason.FREEZE_WINDOW, message)
        if not was:
            draft.tell(Reason.FREEZE_WINDOW, message)
    elif was:
        draft.clear(ConditionType.FROZEN)
        draft.tell(Reason.AS_EXPECTED, "it is not frozen any more")


def heed_registry(draft: Draft) -> None:
    """End the rollout if the registry's intent is another one by now."""
    view = draft.registry
    if view is None or view.stable is None or draft.status.stable is None:
        return  # unreadable, or nobody knows what a champion would be: hold
    version, spec = draft.candidate.version, draft.spec.registry
    if promoted_by_hand(draft, view):
        if not draft.verifying and not draft.promoting:
            begin_promotion(draft, Reason.PROMOTED_IN_REGISTRY, f"{spec.stable_alias} was moved to it in the registry")
    elif not view.pinned_exists:
        roll_back(draft, Reason.CANDIDATE_DELETED, "it was deleted in the registry")
    elif view.stable.version != draft.status.stable.version:
        message = f"{spec.stable_alias} was moved from version {draft.status.stable.version} to {view.stable.version} meanwhile"
        roll_back(draft, Reason.CHAMPION_MOVED, message)
    elif view.candidate is None or view.candidate.version == draft.status.stable.version:
        roll_back(draft, Reason.CANDIDATE_WITHDRAWN, f"{spec.candidate_alias} was taken from it in the registry")
    elif view.candidate.version != version:
        message = f"{spec.candidate_alias} was moved to version {view.candidate.version}"
        roll_back(draft, Reason.CANDIDATE_SUPERSEDED, message)


def promoted_by_hand(draft: Draft, view: RegistryView | None) -> bool:
    """Whether the registry calls the candidate champion already."""
    return view is not None and view.stable is not None and view.stable.version == draft.candidate.version


def verify(draft: Draft) -> None:
    """Give the candidate its first step when it is proven; roll it back if it is refused or takes too long."""
    ref = draft.candidate
    wrong = refusal(draft, ref)
    if wrong:
        backend = draft.backends.get(ref.version)
        example = backend is not None and backend.state != "Refused" and ref.digest is not None
        roll_back(draft, Reason.EXAMPLE_NOT_REPRODUCED if example else Reason.ARTIFACT_REFUSED, wrong)
    elif proven(draft, ref):
        _proceed(draft)
    else:
        _wait(draft)


def _proceed(draft: Draft) -> None:
    if promoted_by_hand(draft, draft.registry):
        alias = draft.spec.registry.stable_alias
        begin_promotion(draft, Reason.PROMOTED_IN_REGISTRY, f"{alias} was moved to it in the registry")
    elif steps.held(draft):
        waits = f"version {draft.candidate.version} is ready, and gets its first weight when what is in the way has ended"
        draft.set(ConditionType.PROGRESSING, Reason.STARTING, waits)
    else:
        draft.tell(Reason.SHIFTING_TRAFFIC, f"version {draft.candidate.version} reproduces its example and is ready")
        steps.enter(draft, 0)


def _wait(draft: Draft) -> None:
    if isinstance(draft.seen.backends, Unread):
        return
    version, backend = draft.candidate.version, draft.backends.get(draft.candidate.version)
    limit = timedelta(seconds=draft.spec.progress_deadline_seconds)
    if draft.status.step_started_at is not None and draft.now - draft.status.step_started_at >= limit:
        last = f": {backend.message}" if backend and backend.message else ""
        message = f"not ready within {draft.spec.progress_deadline_seconds} s{last}"
        roll_back(draft, Reason.PROGRESS_DEADLINE_EXCEEDED, message)
    elif backend is None:
        draft.set(ConditionType.PROGRESSING, Reason.VERIFYING, f"version {version} is verified and started")
    else:
        said = f": {backend.message}" if backend.message else ""
        draft.set(ConditionType.PROGRESSING, Reason.STARTING, f"version {version} is {backend.state}{said}")


def withdraw_from_traffic(draft: Draft) -> None:
    """A candidate whose server is gone gets nothing until it is back, and then begins at the first step."""
    backend = draft.backends.get(draft.candidate.version)
    if isinstance(draft.seen.backends, Unread) or (backend is not None and backend.state == "Ready"):
        return
    said = f": {backend.message}" if backend is not None and backend.message else ""
    draft.change(canary_weight=0, canary_mirror=0, current_step_index=0, step_started_at=draft.now)
    draft.note(step_observations={}, first_traffic_at=None)
    draft.set(
        ConditionType.PROGRESSING,
        Reason.STARTING,
        f"version {draft.candidate.version} lost its server and gets no request{said}",
    )
    draft.tell(Reason.STARTING, f"version {draft.candidate.version} lost its server and gets no request{said}", warning=True)
