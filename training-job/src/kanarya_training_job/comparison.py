"""The offline gate: candidate and champion on the same held-out rows, before anything is registered. Pure.

Called by the pipeline's `compare`. It refuses a candidate that is worse by more than the tolerance, or that cannot be
compared, unless a person overrides that with a reason; both are recorded on the version (TAG_COMPARISON).

It says whether a candidate deserves real traffic, not that it is better: 45 rows cannot tell 0.956 from 0.978. It is a little
unfair to candidates: where the data has changed, the champion may have been trained on rows that are held out now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kanarya_training_job import evaluation
from kanarya_training_job.evaluation import Answers
from kanarya_training_job.outcome import Comparison, Override, Verdict
from kanarya_training_job.settings import Comparison as Rule


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What does not depend on the champion: the rule, how many rows there are, and whether somebody overrides."""

    rule: Rule
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

    def compare(self, truth: Sequence[str], candidate: Answers, champion: Answers, *, version: str) -> Comparison:
        """Both answers held to the truth of the same rows."""
        metric = self.rule.metric
        ours, theirs = (evaluation.measure(metric, truth, answers) for answers in (candidate, champion))
        if ours is None or theirs is None:
            return self.not_comparable(version, f"{metric} is not defined on these rows")
        right = [(a == t, b == t) for t, a, b in zip(truth, candidate.labels, champion.labels, strict=True)]
        return self._found(
            _verdict(evaluation.advantage(metric, ours, theirs), self.rule.tolerance),
            candidate=ours,
            champion=theirs,
            champion_version=version,
            only_candidate_right=right.count((True, False)),
            only_champion_right=right.count((False, True)),
        )

    def _found(self, verdict: Verdict, **more: Any) -> Comparison:
        return Comparison(
            verdict=verdict,
            metric=self.rule.metric,
            rows=self.rows,
            tolerance=self.rule.tolerance,
            override=self.override,
            **more,
        )


def _verdict(advantage: float, tolerance: float) -> Verdict:
    """A billionth is forgiven: means of the same numbers in another order are not worse."""
    if advantage < -tolerance - 1e-9:
        return "worse"
    return "better" if advantage > 1e-9 else "as-good"
