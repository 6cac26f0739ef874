"""From a sample of a model server's exposition to the series it counts towards. Used by every adapter of the `metrics` port."""

import math
from collections.abc import Iterator, Mapping

from kanarya_contracts import metrics as names
from kanarya_contracts.goals import counted_as
from kanarya_rollout.observation import Kind, PairOutcome

Key = tuple[str, Kind, float | None, str | None]
"""Version, kind, bound, class, outcome or goal: what tells the series of one process apart."""

ALWAYS: tuple[Kind, ...] = ("requests", "errors", "right", "wrong")
"""Kinds that a server has from its start, at 0: a process without any counter is unknown."""

METRICS = (
    names.REQUESTS,
    names.MIRRORED_REQUESTS,
    f"{names.DURATION}_bucket",
    f"{names.MIRRORED_DURATION}_bucket",
    names.FEEDBACK,
    names.PAIRS,
    names.PREDICTIONS,
    names.MIRRORED_PREDICTIONS,
    names.SCORES,
    names.SCORE_SUM,
    names.SCORE_SQUARES,
    names.GOAL_UNITS,
    names.GOAL_REACHED,
    names.GOAL_SCORES,
    names.GOAL_SCORE_SUM,
    names.GOAL_SCORE_SQUARES,
    names.GOAL_OUTSIDE,
)
"""Names of the samples that count towards something."""

_OUTCOMES: Mapping[tuple[str, str], PairOutcome] = {
    ("right", "right"): "both",
    ("right", "wrong"): "lost",
    ("wrong", "right"): "won",
    ("wrong", "wrong"): "neither",
}
"""Champion's and challenger's answer → who was right."""

_SCORES: Mapping[str, tuple[Kind, int]] = {
    names.SCORES: ("scores", 1),
    names.SCORE_SUM: ("score-sum", 1_000_000),
    names.SCORE_SQUARES: ("score-squares", 1_000_000),
    names.GOAL_SCORES: ("goal-scores", 1),
    names.GOAL_SCORE_SUM: ("goal-score-sum", 1_000_000),
    names.GOAL_SCORE_SQUARES: ("goal-score-squares", 1_000_000),
    names.GOAL_OUTSIDE: ("goal-outside", 1),
}
"""Metric → kind, and how many of its units make one of the metric's."""

_NAMED: Mapping[str, tuple[Kind, str]] = {
    names.PREDICTIONS: ("predictions", names.CLASS),
    names.MIRRORED_PREDICTIONS: ("predictions", names.CLASS),
    names.GOAL_UNITS: ("users", names.GOAL),
    names.GOAL_REACHED: ("reached", names.GOAL),
}
"""Metric → kind, and the label that tells what of."""


def counted(name: str, labels: Mapping[str, str], value: float) -> Iterator[tuple[Key, int]]:
    """The series that a sample counts towards, and how much: none, one, or for a failed request and for a copy another one."""
    if not math.isfinite(value):
        return
    version = labels.get(names.VERSION, "")
    if name in {names.REQUESTS, names.MIRRORED_REQUESTS}:
        code = labels.get(names.CODE, "")
        if not code.startswith("4"):
            yield (version, "requests", None, None), int(value)
            if name == names.MIRRORED_REQUESTS:
                yield (version, "mirrored", None, None), int(value)
        if code.startswith("5"):
            yield (version, "errors", None, None), int(value)
    elif name in {f"{names.DURATION}_bucket", f"{names.MIRRORED_DURATION}_bucket"}:
        bound = float(labels.get("le", "inf"))
        yield (version, "faster", None if math.isinf(bound) else bound, None), int(value)
    elif name == names.FEEDBACK:
        yield (version, "right" if labels.get(names.OUTCOME) == "right" else "wrong", None, None), int(value)
    elif name == names.PAIRS:
        outcome = _OUTCOMES.get((labels.get(names.CHAMPION, ""), labels.get(names.CHALLENGER, "")))
        if outcome is not None:
            yield (version, "pairs", None, outcome), int(value)
    elif name in _NAMED:
        kind, label = _NAMED[name]
        yield (version, kind, None, labels.get(label, "")), int(value)
    elif name in _SCORES:
        kind, unit = _SCORES[name]
        goal = counted_as(labels[names.GOAL], labels.get(names.BOUNDS, "")) if names.GOAL in labels else None
        yield (version, kind, None, goal), round(value * unit)
