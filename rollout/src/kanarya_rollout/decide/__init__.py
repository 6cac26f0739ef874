"""`decide(rollout, observation) -> Decision`: pure. Called by the controller, by tests, and by whoever replays the past.

Level-based: it looks at the status and at the world as it is now, never at what changed; time is `observation.now`. A
weight is a function of the status (`weights.shares`), and so is a mirror (`weights.copies`); both are asked for again in every
decision.

    requests    what a person asks
    evidence    counters → windows → gates           (counters: deltas, resets, new processes)
    candidate   pinned, verified, started; what the registry says of it later
    steps       which step, when it ends; promotion after the last; deadline
    ab_test     users in groups, and what ends their test
    rivals      several challengers in one test: each has its turn as the candidate
    ending      rolled back or promoted; the verdict for the registry
    champion    the first stable version, one moved by hand, the one that leaves
    undo        the one that stays warm after a promotion, and the way back to it
    aftermath   the new champion against its own past, as long as there is a way back
    quarantine  versions that are not tried again
    trouble     Degraded: what holds everything and judges nothing
    weights     status → shares, copies
    audit       the record of what was decided
    draft       the decision while it is being made
"""

from collections.abc import Mapping

from kanarya_contracts.names import Reason
from kanarya_contracts.rollout import ModelRollout, VersionRef
from kanarya_rollout.decide import (
    ab_test,
    aftermath,
    audit,
    candidate,
    champion,
    ending,
    evidence,
    requests,
    rivals,
    steps,
    undo,
)
from kanarya_rollout.decide.conditions import degraded
from kanarya_rollout.decide.decision import AliasMove, Decision, Event, Wanted
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.decide.rivals import sides
from kanarya_rollout.decide.trouble import settle_degraded
from kanarya_rollout.decide.weights import copies, exposed, falls, shares
from kanarya_rollout.observation import Observation

__all__ = ["AliasMove", "Decision", "Event", "Wanted", "copies", "decide", "degraded", "falls", "shares", "sides"]


def decide(rollout: ModelRollout, observation: Observation) -> Decision:
    """What is to be done now, and the status that follows from it."""
    draft = Draft(rollout, observation)
    requests.answer(draft)
    if observation.taken is not None:
        settle_degraded(draft)
        return Decision(now=draft.now, status=draft.status, backends=None, weights=None, events=tuple(draft.events))
    if draft.on_its_way:
        _go_on(draft)
    else:
        _rest(draft)
    champion.retire(draft)
    steps.settle_pause(draft)
    candidate.settle_frozen(draft)
    settle_degraded(draft)
    audit.record(draft)
    return Decision(
        now=draft.now,
        status=draft.status,
        backends=_wanted(draft),
        weights=_weights(draft),
        copies=copies(draft.status),
        sticky=ab_test.sticky(draft),
        alias=draft.alias,
        tags=ending.missing_verdict(draft),
        events=tuple(draft.events),
    )


def _go_on(draft: Draft) -> None:
    """A candidate is on its way. Whatever ends it comes before whatever moves it on."""
    entered = len(rivals.others(draft.status))
    rivals.each(draft, _heed)
    left = len(rivals.others(draft.status)) < entered
    if draft.verifying:
        candidate.verify(draft)
    elif draft.on_its_way:
        rivals.each(draft, candidate.withdraw_from_traffic)
        if not draft.verifying and not left:  # who was taken out goes first, before somebody else gets more
            steps.advance(draft)
    if draft.on_its_way:
        rivals.each(draft, _begin)


def _heed(draft: Draft) -> None:
    """Whether the candidate may stay on its way."""
    evidence.fold(draft)
    candidate.heed_registry(draft)
    refusing = evidence.failed(draft)
    if draft.on_its_way and refusing and not candidate.promoted_by_hand(draft, draft.registry):
        ending.roll_back(draft, Reason.GATE_REFUSED, "; ".join(f"{one.metric}: {one.message}" for one in refusing))


def _begin(draft: Draft) -> None:
    if exposed(draft.status) and not exposed(draft.before):
        evidence.begin(draft)


def _rest(draft: Draft) -> None:
    """No candidate is on its way: settle who is stable, then see whether there is a new one."""
    undo.tell_registry(draft)
    aftermath.watch(draft)
    undo.cool(draft)
    champion.adopt(draft)
    candidate.pin(draft)
    if not draft.on_its_way:
        champion.settle_progress(draft)
        candidate.settle_missing(draft)
        champion.settle_first(draft)


def _wanted(draft: Draft) -> Wanted | None:
    """Servers. A version that nobody vouches for (no digest) is never started."""
    new = champion.incoming(draft)
    stable = draft.status.stable or new
    if stable is None or stable.digest is None:
        return None
    on_its_way = draft.status.candidate if draft.on_its_way else None
    others: dict[str, VersionRef] = {}
    for ref in (on_its_way, *rivals.running(draft.status), draft.status.warm, draft.status.retiring, new):
        if ref is not None and ref.digest is not None and ref.version != stable.version:
            others.setdefault(ref.version, ref)
    return Wanted(stable=stable, others=tuple(others.values()))


def _weights(draft: Draft) -> Mapping[str, int] | None:
    """The route. Someone else's is written over only when a person says so, or to take the candidate out."""
    weights = shares(draft.status)
    ours = not draft.foreign_route or draft.take_route_back or falls(draft.before, draft.status)
    return weights if weights and ours else None
