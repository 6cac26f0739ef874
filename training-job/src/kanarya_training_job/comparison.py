"""The offline gate: candidate and champion on the same held-out rows, before anything is registered. Pure.

Called by the pipeline's `compare`. It refuses a candidate that is worse by more than the tolerance, or that cannot be
compared, unless a person overrides that with a reason; both are recorded on the version (TAG_COMPARISON).

It says whether a candidate deserves real traffic, not that it is better: 45 rows cannot tell 0.956 from 0.978. It is a little
unfair to candidates: where the data has changed, the champion may have been trained on rows that are held out now.
"""

from dataclasses import dataclass
from typing import Any

from kanarya_training_job import evaluation
from kanarya_training_job.evaluation import Answers, ClassAnswers
from kanarya_training_job.features import Rows
from kanarya_training_job.outcome import Comparison, Override, Verdict
from kanarya_training_job.settings import Comparison as Rule
from kanarya_training_job.tasks import MetricName


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What does not depend on the champion: the rule, how many rows there are, and whether somebody overrides."""

    rule: Rule
    metric: MetricName
    rows: int
    override: Override | None

    def without_champion(self) -> Comparison:
        """Nobody holds the alias: open."""
        return self._found("no-champion")

    def same_version(self, version: str) -> Comparison:
        """The candidate was registered before and is the champion."""
        return self._found("is-champion", champion_version=version)

    def not_comparable(self, version: str, reason: str) -> Comparison:
        """The champion cannot answer these rows. Closed: its silence is no point for the candidate."""
        return self._found("not-comparable", champion_version=version, reason=reason)

    def compare(self, rows: Rows, candidate: Answers, champion: Answers, *, version: str) -> Comparison:
        """Both answers held to the truth of the same rows."""
        metric = self.metric
        if candidate.keys() != champion.keys():
            return self.not_comparable(version, f"it predicts {', '.join(champion)}, and this one {', '.join(candidate)}")
        if [type(said) for said in candidate.values()] != [type(champion[target]) for target in candidate]:
            return self.not_comparable(version, "one of the two answers classes, and the other numbers")
        ours, theirs = (evaluation.measure(metric, rows, answers) for answers in (candidate, champion))
        if ours is None or theirs is None:
            return self.not_comparable(version, f"{metric} is not defined on these rows")
        right = (
            list(zip(_right(rows, candidate), _right(rows, champion), strict=True)) if rows.task == "classification" else None
        )
        return self._found(
            _verdict(evaluation.advantage(metric, ours, theirs), self.rule.tolerance),
            candidate=ours,
            champion=theirs,
            champion_version=version,
            only_candidate_right=right.count((True, False)) if right else None,
            only_champion_right=right.count((False, True)) if right else None,
        )

    def _found(self, verdict: Verdict, **more: Any) -> Comparison:
        return Comparison(
            verdict=verdict,
            metric=self.metric,
            rows=self.rows,
            tolerance=self.rule.tolerance,
            override=self.override,
            **more,
        )


def _right(rows: Rows, answers: Answers) -> list[bool]:
    """Whether every target of a row is right."""
    each = [
        [a == t for t, a in zip(rows.words(target), said.labels, strict=True)]
        for target, said in answers.items()
        if isinstance(said, ClassAnswers)
    ]
    return [all(row) for row in zip(*each, strict=True)]


def _verdict(advantage: float, tolerance: float) -> Verdict:
    """A billionth is forgiven: means of the same numbers in another order are not worse."""
    if advantage < -tolerance - 1e-9:
        return "worse"
    return "better" if advantage > 1e-9 else "as-good"
