"""The candidate before its first request: pinned when the alias moves, verified, started, asked its example. And what the
registry says about it later: withdrawn, superseded, deleted, promoted by hand.
"""

from datetime import timedelta

from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.rollout import Ledger, ModelRolloutStatus, Rival, VersionRef
from kanarya_rollout.decide import quarantine, rivals, steps
from kanarya_rollout.decide.champion import incoming, pinned, proven, refusal
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.decide.ending import begin_promotion, roll_back, roll_back_all
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
    over = version == stable.version or ended(draft.status, pinned(view.candidate)) or rivals.wanted(draft) is None
    busy = draft.on_its_way or draft.undoing or incoming(draft) is not None
    return None if busy or over else version


def pin(draft: Draft) -> None:
    """Begin, if the registry wants it and no version is still leaving."""
    version, view = wished(draft), draft.registry
    if version is None or view is None or view.candidate is None:
        return
    if draft.status.retiring is not None or draft.status.warm is not None or rivals.running(draft.status):
        return
    beside = rivals.wanted(draft) or {}
    draft.change(
        candidate=pinned(view.candidate),
        candidate_alias=draft.spec.registry.candidate_alias if beside else None,
        rivals=tuple([Rival(alias=alias, candidate=ref) for alias, ref in sorted(beside.items())]),
        canary_weight=0,
        canary_mirror=0,
        first_bucket=0,
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
    for alias, ref in rivals.challengers(draft).items():
        draft.tell(Reason.VERIFYING, f"version {ref.version} is on its way: the registry calls it {alias}")


def settle_missing(draft: Draft) -> None:
    """Say what a test of several waits for, once one of its challengers is there."""
    absent, view, stable = rivals.missing(draft), draft.registry, draft.status.stable
    if not absent or view is None or stable is None or draft.reason(ConditionType.PROGRESSING) is not None:
        return
    named = [one for one in (view.candidate, *view.rivals.values()) if one is not None]
    if any(one.version != stable.version and not ended(draft.status, pinned(one)) for one in named):
        message = f"the A/B test of {len(draft.spec.splits)} challengers waits: {'; '.join(absent)}"
        draft.clear(ConditionType.PROGRESSING, Reason.IDLE, message)


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
    version, spec, alias = draft.candidate.version, draft.spec.registry, rivals.alias_of(draft)
    named = view.named(alias, spec)
    if promoted_by_hand(draft, view):
        if not draft.verifying and not draft.promoting:
            begin_promotion(draft, Reason.PROMOTED_IN_REGISTRY, f"{spec.stable_alias} was moved to it in the registry")
    elif version in view.gone:
        roll_back(draft, Reason.CANDIDATE_DELETED, "it was deleted in the registry")
    elif view.stable.version != draft.status.stable.version:
        if all(view.stable.version != one.version for one in rivals.challengers(draft).values()):
            old, new = draft.status.stable.version, view.stable.version
            message = f"{spec.stable_alias} was moved from version {old} to {new} meanwhile"
            roll_back_all(draft, Reason.CHAMPION_MOVED, message)
    elif draft.status.candidate_alias is not None and alias not in draft.spec.splits:
        roll_back(draft, Reason.CANDIDATE_WITHDRAWN, f"strategy.abTest.rivals has no alias {alias} any more")
    elif named is None or named.version == draft.status.stable.version:
        roll_back(draft, Reason.CANDIDATE_WITHDRAWN, f"{alias} was taken from it in the registry")
    elif named.version != version:
        roll_back(draft, Reason.CANDIDATE_SUPERSEDED, f"{alias} was moved to version {named.version}")


def promoted_by_hand(draft: Draft, view: RegistryView | None) -> bool:
    """Whether the registry calls the candidate champion already."""
    return view is not None and view.stable is not None and view.stable.version == draft.candidate.version


def verify(draft: Draft) -> None:
    """Give everyone the first step when all are proven; roll back who is refused or takes too long."""
    said: list[str] = []

    def look(draft: Draft) -> None:
        if draft.verifying:
            _verify(draft)
            progressing = draft.status.condition(ConditionType.PROGRESSING)
            said.append(progressing.message if progressing is not None else "")

    rivals.each(draft, look)
    if draft.verifying and rivals.several(draft):
        draft.set(ConditionType.PROGRESSING, Reason.STARTING, "; ".join(dict.fromkeys(said)))


def _verify(draft: Draft) -> None:
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
    elif all(proven(draft, ref) for ref in rivals.challengers(draft).values()):
        for ref in rivals.challengers(draft).values():
            draft.tell(Reason.SHIFTING_TRAFFIC, f"version {ref.version} reproduces its example and is ready")
        steps.enter(draft, 0)
    else:
        draft.set(ConditionType.PROGRESSING, Reason.STARTING, f"version {draft.candidate.version} is ready")


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


def _stand_by(draft: Draft, said: str) -> None:
    since, seconds = draft.status.ledger.away_since, draft.spec.progress_deadline_seconds
    if since is None:
        draft.change(canary_weight=0)
        draft.note(away_since=draft.now)
        gone = f"version {draft.candidate.version} lost its server, and the champion answers its users{said}"
        draft.tell(Reason.STARTING, gone, warning=True)
    elif draft.now - since >= timedelta(seconds=seconds):
        roll_back(draft, Reason.PROGRESS_DEADLINE_EXCEEDED, f"it lost its server, which was not back within {seconds} s{said}")


def withdraw_from_traffic(draft: Draft) -> None:
    """A candidate whose server is gone gets nothing until it is back, and then begins at the first step. In a test of several
    the others go on meanwhile, and without it if that takes as long as a start may."""
    backend = draft.backends.get(draft.candidate.version)
    if isinstance(draft.seen.backends, Unread):
        return
    if backend is not None and backend.state == "Ready":
        if draft.status.ledger.away_since is not None:
            draft.note(away_since=None)
        return
    said = f": {backend.message}" if backend is not None and backend.message else ""
    if rivals.several(draft):
        _stand_by(draft, said)
        return
    draft.change(canary_weight=0, canary_mirror=0, current_step_index=0, step_started_at=draft.now)
    draft.note(step_observations={}, first_traffic_at=None)
    draft.set(
        ConditionType.PROGRESSING,
        Reason.STARTING,
        f"version {draft.candidate.version} lost its server and gets no request{said}",
    )
    draft.tell(Reason.STARTING, f"version {draft.candidate.version} lost its server and gets no request{said}", warning=True)
