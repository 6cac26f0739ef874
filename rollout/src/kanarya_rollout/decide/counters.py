"""Cumulative counters to observations: deltas per series, resets, new processes. Used by `evidence`.

Ledger.counters holds, for each series, the count up to which it has been used. It is written together with everything that
follows from it, so that after a crash the same deltas are taken again or not at all. A series is one process's, so:

    count went down                         the process's counter began anew: all of it is new
    unknown series of a known process       it did not exist before its first event (labels appear with use): all of it is new
      classes, scores                       nobody followed them if the process has none that is known: they count from here
      a goal's, copies'                     followed from the process's first reading on, as 0: else they count from here
    unknown process, candidate's version    was not there when the candidate got its first weight: all of it is new
    unknown process, started after the
      rollout did                           a replacement: all of it is new
    unknown process otherwise               could not be read before and has a past: it counts from here
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from kanarya_contracts.metrics import DURATION_BUCKETS
from kanarya_contracts.rollout import Goal, GoalSignal, Signal
from kanarya_rollout.gates import Classes, Observed, Pairs, Reported, Scores, Split, Sums, Window
from kanarya_rollout.observation import OUTCOMES, Kind, Series

_SCORES: tuple[Kind, ...] = ("scores", "score-sum", "score-squares")

_ASKED_FOR: Mapping[Kind, Signal] = {
    "predictions": "predictions",
    "mirrored": "requests",
    "pairs": "pairs",
    **dict.fromkeys(_SCORES, "scores"),
}
"""Kinds that are followed only for a gate on that signal."""

_GOAL_SCORES: tuple[Kind, ...] = ("goal-scores", "goal-score-sum", "goal-score-squares")

_GOALS: Mapping[GoalSignal, tuple[Kind, ...]] = {
    "goals": ("users", "reached"),
    "goal-scores": (*_GOAL_SCORES, "goal-outside"),
}
"""What is followed for a goal."""

_OF_GOALS = frozenset(kind for kinds in _GOALS.values() for kind in kinds)

_Counted = tuple[Kind, float | str | None]
"""What a series counts: its kind, and the bound of a duration, the class of a prediction, the outcome of a pair or what a goal
is counted as."""

_New = Mapping[_Counted, int]
"""What one process has counted since the last reading."""

_ENOUGH = 20
"""Successes of the stable version before its p95 means anything."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The two versions that are compared."""

    candidate: str
    stable: str


def tracked(
    series: Iterable[Series],
    pair: Pair,
    bounds: frozenset[float],
    signals: frozenset[str] = frozenset(),
    goal: Goal | None = None,
) -> tuple[Series, ...]:
    """The series that gates can use: of these two versions, of durations only the bounds that mean "slow", of goals only that
    one, and classes and scores only if one of `signals` wants them: there may be many, and the ledger keeps what is used."""
    versions, wanted = {pair.candidate, pair.stable}, goal.counted_as if goal is not None else None
    unwanted = frozenset([kind for kind, signal in _ASKED_FOR.items() if signal not in signals])
    return tuple(
        [
            one
            for one in series
            if one.version in versions
            and one.kind not in unwanted
            and (one.kind != "faster" or one.bound is None or one.bound in bounds)
            and (one.kind not in _OF_GOALS or one.of == wanted)
        ]
    )


class Reading:
    """Series as read now, against what was used before."""

    def __init__(
        self,
        series: tuple[Series, ...],
        counters: Mapping[str, int],
        pair: Pair,
        *,
        began: datetime | None,
        fresh_bounds: frozenset[float] = frozenset(),
        goal: Goal | None = None,
        split: bool = False,
    ) -> None:
        """`counters`: the ledger's. `began`: when the rollout did. `fresh_bounds`: not followed until now. `goal`: an A/B
        test's, whose series appear with the first report. `split`: whether copies are told from requests, whose series
        appear with the first copy."""
        self.pair = pair
        self._began = began
        self._before = counters
        self._fresh_bounds = fresh_bounds
        self._goal = goal.counted_as if goal is not None else None
        self._used = dict(counters)
        self._new: dict[str, dict[str, dict[_Counted, int]]] = {pair.candidate: {}, pair.stable: {}}
        """Version → process → what it counts → how many are new."""
        for one in series:
            source, version, kind, value, bound, of, *_ = one
            key = one.key
            before = counters.get(key)
            if before is None:
                before = 0 if self._all_new(one) else value
            counts = self._new[version].setdefault(source, {})
            counts[kind, of or bound] = value if value < before else value - before
            self._used[key] = value
        if split:
            for one in series:
                if one.kind == "requests":
                    self._used.setdefault(one._replace(kind="mirrored").key, 0)
        if goal is not None:
            for source in {one.source for one in series}:
                for key in (
                    f"{source}|{version}|{kind}|{self._goal}" for version in self._new for kind in _GOALS[goal.counts()]
                ):
                    self._used.setdefault(key, 0)

    def used(self) -> dict[str, int]:
        """The ledger after this reading. Series that were not read now keep their place."""
        return self._used

    def window(
        self, signal: Signal | GoalSignal, bound: float | None = None, *, weight: int | None = None, of: int = 100
    ) -> Observed:
        """New observations of both versions. `bound`: seconds beyond which an answer is slow, for `slow`. `weight`: percent
        that the gateway was to send to the candidate all the while, and `of`, to both versions, for `requests` and goals."""
        candidate, stable = self._new[self.pair.candidate].values(), self._new[self.pair.stable].values()
        if signal == "scores":
            return Scores(candidate=_sums(candidate), stable=_sums(stable))
        if signal == "predictions":
            return Classes(candidate=_classes(candidate), stable=_classes(stable))
        if signal == "pairs":
            return Pairs(**{outcome: _total(candidate, "pairs", outcome) for outcome in OUTCOMES})
        if signal == "requests":
            return Split(candidate_n=_split(candidate), stable_n=_split(stable), weight=weight, of=of)
        if signal == "goals":
            return Reported(users=_reached(candidate, stable, self._goal), weight=weight, of=of)
        if signal == "goal-scores":
            ours, theirs = (_sums(one, _GOAL_SCORES, self._goal) for one in (candidate, stable))
            outside = _total(candidate, "goal-outside", self._goal), _total(stable, "goal-outside", self._goal)
            return Reported(users=Scores(candidate=ours, stable=theirs), outside=outside, weight=weight, of=of)
        candidate_n, candidate_bad = self._good_or_bad(candidate, signal, bound)
        stable_n, stable_bad = self._good_or_bad(stable, signal, bound)
        return Window(candidate_n=candidate_n, candidate_bad=candidate_bad, stable_n=stable_n, stable_bad=stable_bad)

    def new_requests(self, version: str) -> int:
        """Requests answered by a version since the last reading."""
        return _total(self._new[version].values(), "requests")

    def _good_or_bad(self, processes: Iterable[_New], signal: Signal, bound: float | None) -> tuple[int, int]:
        """(n, bad) of one version; bad never exceeds n, however a scrape was torn."""
        n = bad = 0
        for counts in processes:
            if signal == "errors":
                n += counts.get(("requests", None), 0)
                bad += counts.get(("errors", None), 0)
            elif signal == "labels":
                n += counts.get(("right", None), 0) + counts.get(("wrong", None), 0)
                bad += counts.get(("wrong", None), 0)
            elif ("faster", bound) in counts and bound is not None and bound not in self._fresh_bounds:
                n += counts.get(("faster", None), 0)
                bad += counts.get(("faster", None), 0) - counts["faster", bound]
        return n, min(max(bad, 0), n)

    def _all_new(self, one: Series) -> bool:
        if any(key.startswith(f"{one.source}|") for key in self._before):
            if one.kind in _OF_GOALS:
                return False
            followed = f"{one.source}|{one.version}|{one.kind}"
            return one.kind not in _ASKED_FOR or any(key.startswith(followed) for key in self._before)
        if one.version == self.pair.candidate:
            return True
        return one.started is not None and self._began is not None and one.started >= self._began


def _total(processes: Iterable[_New], kind: Kind, what: str | None = None) -> int:
    return sum(counts.get((kind, what), 0) for counts in processes)


def _split(processes: Collection[_New]) -> int:
    """Requests that were split: copies of them were not."""
    return max(0, _total(processes, "requests") - _total(processes, "mirrored"))


def _sums(processes: Collection[_New], kinds: tuple[Kind, ...] = _SCORES, goal: str | None = None) -> Sums:
    n, total, squares = (_total(processes, kind, goal) for kind in kinds)
    return Sums(n=n, total=total, squares=squares) if n else Sums()


def _reached(candidate: Collection[_New], stable: Collection[_New], goal: str | None) -> Window:
    """Users and those short of the goal, of both versions; a torn scrape never makes more reach it than there are."""
    (candidate_n, candidate_bad), (stable_n, stable_bad) = (
        (n, max(0, n - reached))
        for n, reached in ((_total(one, "users", goal), _total(one, "reached", goal)) for one in (candidate, stable))
    )
    return Window(candidate_n=candidate_n, candidate_bad=candidate_bad, stable_n=stable_n, stable_bad=stable_bad)


def _classes(processes: Iterable[_New]) -> Mapping[str, int]:
    """Every class that is counted, those without a new row included."""
    found: dict[str, int] = defaultdict(int)
    for counts in processes:
        for (kind, what), count in counts.items():
            if kind == "predictions":
                found[str(what)] += count
    return dict(found)


def p95_bound(series: Iterable[Series], version: str) -> timedelta | None:
    """The histogram bound at or above that version's p95 so far; None before enough successes.

    Above the largest bound there is none: the largest is taken, and what is beyond it is slow.
    """
    cumulative: dict[float | None, int] = defaultdict(int)
    for one in series:
        if one.version == version and one.kind == "faster":
            cumulative[one.bound] += one.value
    total = cumulative.get(None, 0)
    if total < _ENOUGH:
        return None
    known = [bound for bound in DURATION_BUCKETS if bound in cumulative]
    if not known:
        return None
    reached = next((bound for bound in known if cumulative[bound] >= 0.95 * total), known[-1])
    return timedelta(seconds=reached)
