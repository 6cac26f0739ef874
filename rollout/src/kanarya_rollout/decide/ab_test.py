"""An A/B test: who is split and how, and how it ends. Used by `steps`, and by `decide` for the route.

It ends with a winner or no difference here; with a candidate that is worse wherever a gate refuses; without enough data at the
deadline (`steps`). Who won is promoted when every gate agrees: better for the goal is not yet harmless.

Of several challengers each is compared with the champion, by an interval that is paid for with its share of alpha
(`gates.panel`): so all intervals hold at once, and who lies above another's interval is better than that one. The test has a
winner when one is better than the champion, its gates agree, and nobody is left who might still turn out better: the others
have had their verdict, or cannot reach that far any more. Of several that are better than the champion, the one with the higher
lower end wins: for sure better than the champion, and as far as was seen the best of them.
"""

from dataclasses import dataclass
from typing import Literal

from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.rollout import ABTest, Evidence, Verdict
from kanarya_rollout.decide import evidence, rivals
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.decide.ending import begin_promotion, roll_back_all
from kanarya_rollout.observation import Unread
from kanarya_rollout.sticky import Sticky, Zone


def sticky(draft: Draft) -> Sticky | None:
    """By what the gateway is to tell users apart; None where it is to draw requests.

    The salt is another for each test, so that no user is always among those who get what is new; and the same for a candidate
    that is tried again, whose users have seen it. Who leaves a test leaves its buckets to the champion, and moves nobody else.
    """
    test = draft.spec.strategy.ab_test
    if test is None:
        return None
    found = rivals.challengers(draft) if draft.on_its_way else {}
    shares = rivals.has(draft.status, rivals.alias_of(draft))
    zones = [
        Zone(version=found[alias].version, first=shares[alias].first_bucket) if alias in found else Zone(version=None, first=0)
        for alias in dict.fromkeys((*draft.spec.splits, *found))
    ]
    scores = str(test.goal.scored) if test.goal.scored is not None else None
    salt = f"{draft.name}/{'+'.join(_tested(draft))}"
    return Sticky(header=test.sticky.header, cookie=test.sticky.cookie, salt=salt, zones=tuple(zones), scores=scores)


def _tested(draft: Draft) -> list[str]:
    """Every version of this test, those that are out included."""
    if not draft.on_its_way:
        return []
    return sorted({draft.candidate.version, *(one.candidate.version for one in draft.status.rivals)})


def split(draft: Draft) -> None:
    """Give every challenger its share of the users."""
    shares = _shares(draft)
    rivals.share_out(draft, shares)
    said = [f"version {ref.version}: {shares[alias].percent}%" for alias, ref in rivals.challengers(draft).items()]
    draft.tell(Reason.SHIFTING_TRAFFIC, f"{', '.join(said)} of users")


def is_split(draft: Draft) -> bool:
    """Whether every challenger has the share that it is to have."""
    return rivals.has(draft.status, rivals.alias_of(draft)) == _shares(draft)


def _shares(draft: Draft) -> dict[str, rivals.Share]:
    """As the spec says, one behind the other; of several, nothing to one whose server is not there: the champion answers its
    users meanwhile."""
    found, first, known = {}, 0, not isinstance(draft.seen.backends, Unread)
    challengers, splits = rivals.challengers(draft), draft.spec.splits
    for alias in dict.fromkeys((*splits, *challengers)):
        split = splits.get(alias, 0)
        if alias in challengers:
            backend = draft.backends.get(challengers[alias].version)
            away = known and rivals.several(draft) and (backend is None or backend.state != "Ready")
            found[alias] = rivals.Share(first, 0 if away else split)
        first += split
    return found


def description(draft: Draft, test: ABTest) -> str:
    """What is under way, for people."""
    key = f"header {test.sticky.header}" if test.sticky.header is not None else f"cookie {test.sticky.cookie}"
    shares = {draft.candidate.version: draft.status.canary_weight}
    shares |= {one.candidate.version: one.canary_weight for one in rivals.others(draft.status)}
    who = ", ".join(f"version {version} at {shares[version]}%" for version in sorted(shares, key=_number))
    return f"{who}: A/B test on {test.goal.name}, users by {key}"


def _number(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdecimal() else (0, version)


def is_long_enough(draft: Draft, test: ABTest) -> bool:
    """Whether `minimumDuration` has passed."""
    began = [one.first_traffic_at for one in rivals.asked(draft.status)]
    firsts = [one for one in began if one is not None]
    return bool(firsts) and draft.now - min(firsts) >= test.minimum_duration


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """How one challenger stands against the champion."""

    alias: str
    verdict: Verdict
    agreed: bool
    """Whether every gate agrees."""
    low: float
    """How much better it is at least, whichever direction is the better one; below 0, worse."""
    high: float
    """At most."""

    @property
    def wins(self) -> bool:
        return self.verdict == "Successful" and self.agreed

    def may_outdo(self, other: "_Standing") -> bool:
        """Whether it may still turn out better than one that wins."""
        settled = self.verdict in {"NoDifference", "Failed"} or (self.wins and self.low <= other.low)
        return not settled and self.high > other.low


def _standings(draft: Draft, test: ABTest) -> list[_Standing]:
    found: list[_Standing] = []

    def look(draft: Draft) -> None:
        said = next((one for one in draft.status.evidence if one.metric == test.goal.name), Evidence(metric=test.goal.name))
        low, high = _better(test, said)
        alias, agreed = rivals.alias_of(draft), evidence.agreed(draft)
        found.append(_Standing(alias=alias, verdict=said.verdict, agreed=agreed, low=low, high=high))

    rivals.each(draft, look)
    return found


def _better(test: ABTest, said: Evidence) -> tuple[float, float]:
    if said.interval is None:
        return float("-inf"), float("inf")
    low, high = float(said.interval.low), float(said.interval.high)
    lower_is_better = test.goal.scores is not None and test.goal.scores.better == "lower"
    return (-high, -low) if lower_is_better else (low, high)


def _best(standings: list[_Standing]) -> _Standing:
    return max(standings, key=lambda one: (one.wins, one.low))


def has_winner(draft: Draft, test: ABTest) -> bool:
    """Whether somebody has won, though another one might still turn out better."""
    return rivals.several(draft) and is_long_enough(draft, test) and _best(_standings(draft, test)).wins


def lead_with_the_best(draft: Draft, test: ABTest) -> None:
    """Make that challenger the candidate that stands best so far."""
    if rivals.several(draft):
        rivals.lead(draft, _best(_standings(draft, test)).alias)


def conclude(draft: Draft, test: ABTest, *, overdue: bool = False) -> None:
    """A winner, or no difference, once there is one. `overdue`: whoever might turn out better is not waited for any longer."""
    if not is_long_enough(draft, test):
        return
    standings = _standings(draft, test)
    best = _best(standings)
    rest = [one for one in standings if one is not best]
    if best.wins and (overdue or not any(one.may_outdo(best) for one in rest)):
        rivals.lead(draft, best.alias)
        _end(draft, test.on_winner)
    elif all(one.verdict == "NoDifference" for one in standings):
        promotable = [one for one in standings if one.agreed]
        if promotable or test.on_no_difference != "promote":
            rivals.lead(draft, _best(promotable or standings).alias)
            _end(draft, test.on_no_difference)


def _end(draft: Draft, how: Literal["promote", "pause", "rollback"]) -> None:
    summary = rivals.summary(draft)
    if how == "promote":
        begin_promotion(draft, Reason.GATES_AGREED, summary)
    elif how == "rollback":
        roll_back_all(draft, Reason.NO_DIFFERENCE, summary)
    else:
        draft.set(ConditionType.PAUSED, Reason.DECIDED, summary)
        draft.tell(Reason.DECIDED, summary)
