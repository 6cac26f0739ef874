"""An A/B test: who is split and how, and how it ends. Used by `steps`, and by `decide` for the route.

It ends with a winner or no difference here; with a candidate that is worse wherever a gate refuses; without enough data at the
deadline (`steps`). Who won is promoted when every gate agrees: better for the goal is not yet harmless.
"""

from typing import Literal

from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.rollout import ABTest
from kanarya_rollout.decide import evidence
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.decide.ending import begin_promotion, roll_back
from kanarya_rollout.sticky import Sticky, Zone


def sticky(draft: Draft) -> Sticky | None:
    """By what the gateway is to tell users apart; None where it is to draw requests.

    The salt is another for each candidate, so that no user is always among those who get what is new; and the same for a
    candidate that is tried again, whose users have seen it.
    """
    test, status = draft.spec.strategy.ab_test, draft.status
    if test is None:
        return None
    candidate = status.candidate.version if status.candidate is not None and draft.on_its_way else None
    salt = f"{draft.name}/{candidate or ''}"
    scores = str(test.goal.scored) if test.goal.scored is not None else None
    zones = (Zone(version=candidate, first=0),)
    return Sticky(header=test.sticky.header, cookie=test.sticky.cookie, salt=salt, zones=zones, scores=scores)


def is_long_enough(draft: Draft, test: ABTest) -> bool:
    """Whether `minimumDuration` has passed."""
    first = draft.status.ledger.first_traffic_at
    return first is not None and draft.now - first >= test.minimum_duration


def conclude(draft: Draft, test: ABTest, *, agreed: bool, summary: str) -> None:
    """A winner, or no difference, once there is one. `agreed`: whether every gate does."""
    verdict = evidence.verdict(draft, test.goal.name)
    if not is_long_enough(draft, test):
        return
    if verdict == "Successful" and agreed:
        _end(draft, test.on_winner, summary)
    elif verdict == "NoDifference" and (agreed or test.on_no_difference != "promote"):
        _end(draft, test.on_no_difference, summary)


def _end(draft: Draft, how: Literal["promote", "pause", "rollback"], summary: str) -> None:
    if how == "promote":
        begin_promotion(draft, Reason.GATES_AGREED, summary)
    elif how == "rollback":
        roll_back(draft, Reason.NO_DIFFERENCE, summary)
    else:
        draft.set(ConditionType.PAUSED, Reason.DECIDED, summary)
        draft.tell(Reason.DECIDED, summary)
