"""What clients came back with about a model's answers: labels, scores, goals, by version. Edges bring it, `metrics` reads it.

A model's, and not a version's: any server may be told of any version, and a report that was counted at one version's counters
here and at another's there would be counted twice.
"""

from kanarya_model.core.feedback import Feedback
from kanarya_model.core.goal import GoalReport
from kanarya_model.core.refusal import Reason, Refusal, listed

MOST_FEEDBACK_VERSIONS = 32
"""Different versions that one process counts feedback for, of a model."""

MOST_GOALS = 32
"""Different goals of A/B tests that one process counts, each version's apart, of a model."""


class Reports:
    """Of one model in this process. On the event loop alone."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.feedback: dict[str, list[int]] = {}
        """Version → right, wrong."""
        self.goals: dict[tuple[str, str, str], list[float]] = {}
        """Version, goal and the bounds of its scores → what `GoalReport.sums` says."""
        self.scores: dict[str, list[float]] = {}
        """Version → how many, their sum, the sum of their squares; of regressions alone."""

    def opened(self, version: str, *, scores: bool) -> None:
        """The version answers here: what a gate reads of it begins with zero. `scores`: whether it has them."""
        self.feedback.setdefault(version, [0, 0])
        if scores:
            self.scores.setdefault(version, [0.0, 0.0, 0.0])

    def closed(self, version: str) -> None:
        """It does so no more. What is still told of it counts from zero, which who reads counters takes for a new start."""
        self.feedback.pop(version, None)
        self.scores.pop(version, None)
        for key in [key for key in self.goals if key[0] == version]:
            del self.goals[key]

    def came_back(self, feedback: Feedback) -> None:
        """Labels came back. Raises Refusal for one version too many."""
        if feedback.version not in self.feedback and len(self.feedback) >= MOST_FEEDBACK_VERSIONS:
            known = listed(tuple(self.feedback), MOST_FEEDBACK_VERSIONS)
            message = (
                f"model_version: this server counts feedback for {MOST_FEEDBACK_VERSIONS} versions at most, and has {known}"
            )
            raise Refusal(Reason.VERSION, message)
        counts = self.feedback.setdefault(feedback.version, [0, 0])
        counts[0] += feedback.right
        counts[1] += feedback.wrong
        if feedback.scores:
            sums = self.scores.setdefault(feedback.version, [0.0, 0.0, 0.0])
            for index, amount in enumerate((len(feedback.scores), sum(feedback.scores), sum(s * s for s in feedback.scores))):
                sums[index] += amount

    def became(self, outcome: GoalReport) -> None:
        """What became of a user of an A/B test. Raises Refusal for one goal too many and, after it was counted as one, for a
        score outside of its bounds."""
        key = (outcome.version, outcome.goal, outcome.bounds)
        if key not in self.goals and len(self.goals) >= MOST_GOALS:
            known = listed(tuple(f"{goal} of {version}" for version, goal, _ in self.goals), MOST_GOALS)
            raise Refusal(Reason.LIMIT, f"goal: this server counts {MOST_GOALS} goals at most, and has {known}")
        counts = self.goals.setdefault(key, [0.0] * len(outcome.sums))
        for index, amount in enumerate(outcome.sums):
            counts[index] += amount
        if outcome.outside:
            raise Refusal(Reason.VALUE, outcome.outside)
