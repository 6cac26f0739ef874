"""Cumulative counters to observations: deltas per series, resets, new processes. Used by `evidence`.

Ledger.counters holds, for each series, the count up to which it has been used. It is written together with everything that
follows from it, so that after a crash the same deltas are taken again or not at all. A series is one process's, so:

    count went down                         the process's counter began anew: all of it is new
    unknown series of a known process       it did not exist before its first event (labels appear with use): all of it is new
    unknown process, candidate's version    was not there when the candidate got its first weight: all of it is new
    unknown process, started after the
      rollout did                           a replacement: all of it is new
    unknown process otherwise               could not be read before and has a past: it counts from here
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from kanarya_contracts.metrics import DURATION_BUCKETS
from kanarya_contracts.rollout import Signal
from kanarya_rollout.gates import Window
from kanarya_rollout.observation import Kind, Series

_Counted = tuple[Kind, float | None]
"""What a series counts: its kind, and the bound of a duration."""

_ENOUGH = 20
"""Successes of the stable version before its p95 means anything."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The two versions that are compared."""

    candidate: str
    stable: str


def tracked(series: Iterable[Series], pair: Pair, bounds: frozenset[float]) -> tuple[Series, ...]:
    """The series that gates can use: of these two versions, and of durations only the bounds that mean "slow"."""
    versions = {pair.candidate, pair.stable}
    return tuple(
        one for one in series if one.version in versions and (one.kind != "faster" or one.bound is None or one.bound in bounds)
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
    ) -> None:
        """`counters`: the ledger's. `began`: when the rollout did. `fresh_bounds`: not followed until now."""
        self.pair = pair
        self._began = began
        self._before = counters
        self._fresh_bounds = fresh_bounds
        self._used = dict(counters)
        self._new: dict[str, dict[str, dict[_Counted, int]]] = {pair.candidate: {}, pair.stable: {}}
        """Version → process → what it counts → how many are new."""
        for one in series:
            key = one.key
            self._new[one.version].setdefault(one.source, {})[one.kind, one.bound] = self._delta(one, counters.get(key))
            self._used[key] = one.value

    def used(self) -> dict[str, int]:
        """The ledger after this reading. Series that were not read now keep their place."""
        return self._used

    def window(self, signal: Signal, bound: float | None = None) -> Window:
        """New observations of both versions. `bound`: seconds beyond which an answer is slow; only for `slow`."""
        candidate_n, candidate_bad = self._side(self.pair.candidate, signal, bound)
        stable_n, stable_bad = self._side(self.pair.stable, signal, bound)
        return Window(candidate_n=candidate_n, candidate_bad=candidate_bad, stable_n=stable_n, stable_bad=stable_bad)

    def new_requests(self, version: str) -> int:
        """Requests answered by a version since the last reading."""
        return self._side(version, "errors", None)[0]

    def _side(self, version: str, signal: Signal, bound: float | None) -> tuple[int, int]:
        """(n, bad) of one version; bad never exceeds n, however a scrape was torn."""
        n = bad = 0
        for counts in self._new[version].values():
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

    def _delta(self, one: Series, before: int | None) -> int:
        if before is None:
            before = 0 if self._all_new(one) else one.value
        return one.value if one.value < before else one.value - before

    def _all_new(self, one: Series) -> bool:
        if any(key.startswith(f"{one.source}|") for key in self._before) or one.version == self.pair.candidate:
            return True
        return one.started is not None and self._began is not None and one.started >= self._began


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
