"""A rollout driven by windows of counts instead of a world: the past replayed, or a future tried out. Used by the command.

Owns a world that does as it is told: a registry with a champion and a challenger, two servers that are ready, a gateway, and
counters that grow by each window. What becomes of the rollout is `decide`'s doing alone; time is what the windows say, and
because they do not say which day it is, nothing is frozen.

The gateway follows at once, so windows that were recorded at one weight still lead through every step. Where a gate asks which
weight was in force, `decide` is shown what the window says first, and that the gateway has followed after it.
"""

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from kanarya_contracts.names import ConditionType, Reason, Verb
from kanarya_contracts.rollout import Evidence, Goal, ModelRollout, ModelRolloutStatus, Request, Signal
from kanarya_rollout.decide import copies, decide, shares
from kanarya_rollout.gates import Pairs
from kanarya_rollout.observation import OUTCOMES, Backend, Kind, Observation, RegisteredVersion, RegistryView, Series

STABLE, CANDIDATE = "1", "2"
"""The versions of the two sides."""

Outcome = Literal["Inconclusive", "Successful", "Failed"]
"""Successful: promoted. Failed: rolled back. Inconclusive: neither yet."""

_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_BOUND = timedelta(seconds=1)
"""Stands for whatever made an answer slow, where the rollout would find the bound by itself."""
_MOVES = 8
"""Passes in which everything that waits for no window has happened: pinned, verified, started; promoted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What one version did in a window. In a mirror step, the candidate's are copies."""

    requests: int = 0
    """Answered with anything but 4xx."""
    errors: int = 0
    """Of them with 5xx."""
    slow: int = 0
    """Of the others, too late."""
    labels: int = 0
    """That came back, whichever window the prediction was made in."""
    right: int = 0
    """Of them."""
    scores: int = 0
    """That came back."""
    score_sum: int = 0
    """Sum of them, in millionths."""
    score_squares: int = 0
    """Sum of their squares, in millionths."""
    predictions: Mapping[str, int] = field(default_factory=dict)
    """Rows answered with each class."""
    users: int = 0
    """Of an A/B test, of whom it was reported what became of them."""
    reached: int = 0
    """Of them, where the goal is reached or not."""
    goal_sum: int = 0
    """Where the goal is a mean: sum of their scores, as shares of the way between the bounds, in millionths."""
    goal_squares: int = 0
    """Sum of the squares of the same, in millionths."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the controller would say and do after a window."""

    verdict: Outcome
    evidence: tuple[Evidence, ...]
    """A gate each."""
    weight: int
    """Percent to the candidate next: 100 once it is promoted, 0 once it is rolled back."""
    mirror: int
    """Percent of the requests that it is to get a copy of next."""
    message: str
    """Why it ended, or where it is."""


class Replay:
    """One rollout, from its challenger's first step."""

    def __init__(self, rollout: ModelRollout, *, patient: bool = True) -> None:
        """`patient`: pauses that wait for a person stand; otherwise a person ends each at once. A status is not looked at."""
        metrics = tuple(
            spec.model_copy(update={"slower_than": _BOUND}) if spec.counts() == "slow" and spec.slower_than is None else spec
            for spec in rollout.spec.analysis.metrics
        )
        analysis = rollout.spec.analysis.model_copy(update={"metrics": metrics})
        spec = rollout.spec.model_copy(update={"analysis": analysis, "freeze": ()})
        self._rollout = rollout.model_copy(update={"spec": spec, "status": ModelRolloutStatus()})
        self._bounds = {one.slower_than.total_seconds() for one in metrics if one.slower_than is not None}
        self._patient = patient
        test = spec.strategy.ab_test
        self._asks_weight = test is not None or any(spec.counts() == "requests" for spec in metrics)
        self._now = _BEGINNING
        self._asked = 0
        signals, goal = {spec.counts() for spec in metrics}, test.goal if test is not None else None
        self._stable, self._candidate = _Side(STABLE, signals, goal), _Side(CANDIDATE, signals, goal)
        self._ended: Answer | None = None
        for _ in range(_MOVES):
            self._pass(shares(self.status))
            if self.status.ledger.step_observations:
                break  # it is at its first weight, and counting

    def fork(self) -> "Replay":
        """Another rollout that is where this one is, and goes its own way from here."""
        other = copy(self)
        vars(other).update(_stable=self._stable.fork(), _candidate=self._candidate.fork())
        return other

    @property
    def status(self) -> ModelRolloutStatus:
        """As `decide` left it."""
        return self._rollout.status

    @property
    def weight(self) -> int:
        """Percent that the candidate is to have in the next window."""
        return self._ended.weight if self._ended else self.status.canary_weight

    def step(self, *, seconds: float, weight: int, candidate: Counts, stable: Counts, pairs: Pairs | None = None) -> Answer:
        """One window more. `weight`: percent that went to the candidate in it. `pairs`: labels of copies that came back. A
        rollout that has ended stays as it is."""
        if self._ended is not None:
            return self._ended
        if self._candidate.meets(candidate, stable) | self._stable.meets(candidate, stable):
            self._pass(shares(self.status))  # a server has its classes from its start, at 0
        self._now += timedelta(seconds=seconds)
        self._candidate.add(candidate, self._bounds, pairs)
        self._stable.add(stable, self._bounds)
        if not self._asks_weight:
            weight = self.status.canary_weight
        self._pass({STABLE: 100 - weight, CANDIDATE: weight})
        for _ in range(_MOVES):
            if self.status.canary_weight == weight or self.status.current_step_index is None:
                break
            weight = self.status.canary_weight
            self._pass(shares(self.status))
        return self._answer()

    def _pass(self, in_force: Mapping[str, int]) -> None:
        series = (*self._stable.series(), *self._candidate.series())
        seen = Observation(
            now=self._now,
            registry=_REGISTRY,
            backends=_READY,
            in_force=in_force,
            copies=copies(self.status),
            series=series,
            request=self._person(),
        )
        self._rollout = self._rollout.model_copy(update={"status": decide(self._rollout, seen).status})

    def _person(self) -> Request | None:
        """A person who ends every pause."""
        paused = self.status.condition(ConditionType.PAUSED)
        if self._patient or paused is None or paused.status == "False" or paused.reason != Reason.PAUSE_STEP:
            return None
        self._asked += 1
        return Request(id=str(self._asked), verb=Verb.PROMOTE)

    def _answer(self) -> Answer:
        status = self.status
        ended = status.current_step_index is None
        verdict: Outcome = "Inconclusive"
        if ended:
            verdict = "Successful" if status.is_true(ConditionType.PROMOTED) else "Failed"
        weight = status.canary_weight if not ended else 100 if verdict == "Successful" else 0
        answer = Answer(
            verdict=verdict,
            evidence=status.evidence,
            weight=weight,
            mirror=status.canary_mirror,
            message=_message(status, verdict),
        )
        self._ended = answer if ended else None
        return answer


_SPEAKS: Mapping[Outcome, ConditionType] = {
    "Successful": ConditionType.PROMOTED,
    "Failed": ConditionType.ROLLED_BACK,
    "Inconclusive": ConditionType.PROGRESSING,
}


def _message(status: ModelRolloutStatus, verdict: Outcome) -> str:
    paused = status.condition(ConditionType.PAUSED)
    condition = paused if paused is not None and paused.status == "True" else status.condition(_SPEAKS[verdict])
    return condition.message if condition is not None else ""


_Key = tuple[Kind, float | None, str | None]
"""Kind, bound, class, outcome or goal."""

_ALWAYS: tuple[Kind, ...] = ("requests", "errors", "right", "wrong")
_SCORES: tuple[Kind, ...] = ("scores", "score-sum", "score-squares")


class _Side:
    """One version's counters, of one process that never ends."""

    def __init__(self, version: str, signals: set[Signal], goal: Goal | None) -> None:
        self.version = version
        self._goal = goal
        self._scored = "scores" in signals
        kinds = _ALWAYS + (_SCORES if self._scored else ())
        self._series: dict[_Key, Series] = {}
        self._count({(kind, None, None): 0 for kind in kinds})
        if "pairs" in signals:
            self._count({("pairs", None, outcome): 0 for outcome in OUTCOMES})

    def fork(self) -> "_Side":
        """The same counts, for another rollout."""
        other = copy(self)
        vars(other).update(_series=dict(self._series))
        return other

    def meets(self, *windows: Counts) -> bool:
        """Whether there are classes in these that were not known; they are, from now on."""
        named = {name for counts in windows for name in counts.predictions}
        new = named - {of for kind, _, of in self._series if kind == "predictions"} if named else named
        self._count({("predictions", None, name): 0 for name in new})
        return bool(new)

    def add(self, counts: Counts, bounds: set[float], pairs: Pairs | None = None) -> None:
        """A window's counts."""
        answered = counts.requests - counts.errors
        added: dict[_Key, int] = {
            ("requests", None, None): counts.requests,
            ("errors", None, None): counts.errors,
            ("right", None, None): counts.right,
            ("wrong", None, None): counts.labels - counts.right,
            ("faster", None, None): answered,
        }
        for bound in bounds:
            added["faster", bound, None] = answered - counts.slow
        if self._scored:
            added["scores", None, None] = counts.scores
            added["score-sum", None, None] = counts.score_sum
            added["score-squares", None, None] = counts.score_squares
        if pairs is not None:
            added |= {("pairs", None, outcome): getattr(pairs, outcome) for outcome in OUTCOMES}
        for name, count in counts.predictions.items():
            added["predictions", None, name] = count
        if self._goal is not None:
            added |= _reported(counts, self._goal)
        self._count(added)

    def series(self) -> Iterable[Series]:
        """As a port would read them."""
        return self._series.values()

    def _count(self, added: Mapping[_Key, int]) -> None:
        for key, count in added.items():
            old = self._series.get(key)
            if old is None or count:
                value, (kind, bound, of) = count + (old.value if old is not None else 0), key
                self._series[key] = Series(
                    source=self.version, version=self.version, kind=kind, bound=bound, of=of, value=value
                )


def _reported(counts: Counts, goal: Goal) -> dict[_Key, int]:
    """What clients said of a window's users."""
    name = goal.counted_as
    if goal.scores is None:
        return {("users", None, name): counts.users, ("reached", None, name): counts.reached}
    return {
        ("goal-scores", None, name): counts.users,
        ("goal-score-sum", None, name): counts.goal_sum,
        ("goal-score-squares", None, name): counts.goal_squares,
    }


def _version(version: str) -> RegisteredVersion:
    return RegisteredVersion(version=version, digest=f"sha256:{version}", uri="", tags={})


_READY = {version: Backend(version=version, state="Ready", example_problems=()) for version in (STABLE, CANDIDATE)}
_REGISTRY = RegistryView(stable=_version(STABLE), candidate=_version(CANDIDATE))
