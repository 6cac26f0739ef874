"""What became of a user of an A/B test. Called by edges; keeps nothing, `metrics` counts.

    {"model_version": "2", "goal": {"name": "purchase", "reached": true}}

One report is one user, sent once, when it is known. It comes through the gateway with the user's key, like the requests before
it, and so bears the bucket that the gateway gave the user: a report without one is of somebody who is not in the test, whom
nobody drew at random, and is refused. The version is the one that the user's answers named, so any replica can count it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kanarya_contracts.names import BUCKET_HEADER
from kanarya_model.core.feedback import VERSION_PATTERN
from kanarya_model.core.refusal import Reason, Refusal, quoted, shown

GOAL_PATTERN = re.compile(r"[a-z][-a-z0-9]{0,62}")
"""What a goal may be called."""

_MEMBERS = ("model_version", "goal")
_GOAL_MEMBERS = ("name", "reached")


@dataclass(frozen=True, kw_only=True)
class GoalReport:
    """One user."""

    version: str
    """The version that the user had."""
    goal: str
    reached: bool


def is_goal_report(document: object) -> bool:
    """Whether it speaks of a goal, and not of labels."""
    return isinstance(document, dict) and "goal" in document


def read_goal(document: object, *, drawn: bool) -> GoalReport:
    """`drawn`: whether the gateway has given the request a bucket. Raises Refusal."""
    if not drawn:
        message = (
            f"goal: got a report without {BUCKET_HEADER}, expected one through the gateway of an A/B test, with the header or "
            "cookie that tells its users apart: who has none is not in the test"
        )
        raise Refusal(Reason.FIELD, message)
    members = _object(document, "", _MEMBERS)
    goal = _object(members["goal"], "goal.", _GOAL_MEMBERS)
    version, name, reached = members["model_version"], goal["name"], goal["reached"]
    if not isinstance(version, str) or not VERSION_PATTERN.fullmatch(version):
        message = f"model_version: got {shown(version)}, expected 1 to 64 letters, digits and . _ - in a string"
        raise Refusal(Reason.VERSION, message)
    if not isinstance(name, str) or not GOAL_PATTERN.fullmatch(name):
        message = f"goal.name: got {shown(name)}, expected 1 to 63 of a-z, 0-9 and -, the first a letter, in a string"
        raise Refusal(Reason.FIELD, message)
    if not isinstance(reached, bool):
        raise Refusal(Reason.FIELD, f"goal.reached: got {shown(reached)}, expected true or false")
    return GoalReport(version=version, goal=name, reached=reached)


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
