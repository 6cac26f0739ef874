"""What became of a user of an A/B test. Called by edges; keeps nothing, `metrics` counts.

    {"model_version": "2", "goal": {"name": "purchase", "reached": true}}
    {"model_version": "2", "goal": {"name": "revenue", "score": 12.5}}

One report is one user, sent once, when it is known. It comes through the gateway with the user's key, like the requests before
it, and so bears the bucket that the gateway gave the user: a report without one is of somebody who is not in the test, whom
nobody drew at random, and is refused. The version is the one that the user's answers named, so any replica can count it.

A score is for the goal that the test in front says is a mean, and lies between the bounds that it says with it. One outside is
refused and not brought back to a bound: the mean would be another than people think. That there was one is counted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kanarya_contracts.goals import ScoredGoal
from kanarya_contracts.names import BUCKET_HEADER, SCORES_HEADER
from kanarya_model.core.feedback import VERSION_PATTERN
from kanarya_model.core.refusal import Reason, Refusal, quoted, shown

GOAL_PATTERN = re.compile(r"[a-z][-a-z0-9]{0,62}")
"""What a goal may be called."""

_MEMBERS = ("model_version", "goal")
_REACHED_MEMBERS = ("name", "reached")
_SCORE_MEMBERS = ("name", "score")


@dataclass(frozen=True, kw_only=True)
class GoalReport:
    """One user."""

    version: str
    """The version that the user had."""
    goal: str
    bounds: str = ""
    """Of the scores of the goal's users; empty for one that is reached or not."""
    share: float = 0.0
    """1 if the goal was reached, else 0; of a score, how far it lies from the least to the most there can be."""
    outside: str = ""
    """What is wrong with a score that lies outside of its bounds: it is counted as that alone, and refused."""

    @property
    def sums(self) -> tuple[float, float, float, float]:
        """What it adds to the users, the sum of their shares, that of the squares, and the users outside."""
        return (0.0, 0.0, 0.0, 1.0) if self.outside else (1.0, self.share, self.share**2, 0.0)


def is_goal_report(document: object) -> bool:
    """Whether it speaks of a goal, and not of labels."""
    return isinstance(document, dict) and "goal" in document


def read_goal(document: object, *, drawn: bool, scores: str | None = None) -> GoalReport:
    """`drawn`: whether the gateway has given the request a bucket. `scores`: what it said beside it. Raises Refusal."""
    if not drawn:
        message = (
            f"goal: got a report without {BUCKET_HEADER}, expected one through the gateway of an A/B test, with the header or "
            "cookie that tells its users apart: who has none is not in the test"
        )
        raise Refusal(Reason.FIELD, message)
    members = _object(document, "", _MEMBERS)
    scored = _scored(members["goal"], scores)
    goal = _object(members["goal"], "goal.", _REACHED_MEMBERS if scored is None else _SCORE_MEMBERS)
    version, name = members["model_version"], goal["name"]
    if not isinstance(version, str) or not VERSION_PATTERN.fullmatch(version):
        message = f"model_version: got {shown(version)}, expected 1 to 64 letters, digits and . _ - in a string"
        raise Refusal(Reason.VERSION, message)
    if not isinstance(name, str) or not GOAL_PATTERN.fullmatch(name):
        message = f"goal.name: got {shown(name)}, expected 1 to 63 of a-z, 0-9 and -, the first a letter, in a string"
        raise Refusal(Reason.FIELD, message)
    if scored is not None:
        share, outside = _share(goal["score"], scored)
        return GoalReport(version=version, goal=name, bounds=scored.bounds, share=share, outside=outside)
    if not isinstance(goal["reached"], bool):
        raise Refusal(Reason.FIELD, f"goal.reached: got {shown(goal['reached'])}, expected true or false")
    return GoalReport(version=version, goal=name, share=float(goal["reached"]))


def _scored(goal: object, scores: str | None) -> ScoredGoal | None:
    """The bounds of a goal that is a mean; None for one that is reached or not."""
    name = goal.get("name") if isinstance(goal, dict) else None
    try:
        test = ScoredGoal.read(scores) if scores is not None else None
    except ValueError:
        message = f"{SCORES_HEADER}: got {quoted(scores or '')}, expected a goal and its bounds, such as revenue 0..500"
        raise Refusal(Reason.FIELD, message) from None
    if test is not None and test.name == name:
        return test
    if isinstance(goal, dict) and "score" in goal:
        there = "no goal that is a mean" if test is None else f"the goal {quoted(test.name)}"
        message = f"goal.score: got a score of the goal {shown(name)}, and the A/B test in front of this server has {there}"
        raise Refusal(Reason.FIELD, message)
    return None


def _share(score: object, scored: ScoredGoal) -> tuple[float, str]:
    """The share, and what is wrong with a score that has none. Raises Refusal for what is no number."""
    expected = f"a number from {scored.low} to {scored.high}, as the rollout's strategy.abTest.goal.scores says"
    message = f"goal.score: got {shown(score)}, expected {expected}"
    if type(score) is not float and type(score) is not int:
        raise Refusal(Reason.VALUE, message)
    share = scored.share(score)
    return (0.0, message) if share is None else (share, "")


def _object(document: object, prefix: str, members: tuple[str, ...]) -> Mapping[str, object]:
    what = prefix.rstrip(".")
    if not isinstance(document, dict):
        raise Refusal(
            Reason.FIELD, f"{what}{': ' if what else ''}got {shown(document)}, expected an object with {', '.join(members)}"
        )
    for name in document:
        if name not in members:
            raise Refusal(Reason.FIELD, f"got the member {quoted(f'{prefix}{name}')}, expected {', '.join(members)}")
    for name in members:
        if name not in document:
            raise Refusal(Reason.FIELD, f"{prefix}{name}: is missing and required")
    return document
