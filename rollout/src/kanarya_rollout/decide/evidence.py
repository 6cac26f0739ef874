"""Evidence: what the counters say since the last pass, folded into every gate. Used while a candidate is on its way.

Counting begins where the counters stand when the candidate gets its first weight or its first copies (`begin`). Copies are
evidence as answers are: the champion answers the same requests in the same windows. During `initialDelay` after its
first request the baseline moves with each reading and nothing is counted.

A gateway gives the share of a version without ready servers to the others. So while the champion has none, the candidate
answers everything, alone and perhaps overloaded: what was counted since the last reading before that, and until
`analysis.interval` after the champion is back, is evidence of nothing and is left out, for better and for worse.
"""

from datetime import timedelta

from kanarya_contracts.quantities import format_duration, parse_duration
from kanarya_contracts.rollout import Evidence, GateSpec, Goal, Verdict
from kanarya_rollout.decide.champion import serves
from kanarya_rollout.decide.counters import Pair, Reading, p95_bound, tracked
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.decide.weights import exposed, routed
from kanarya_rollout.gates import Gate, Observed, open_gate, refusing, save_gate
from kanarya_rollout.observation import Unread


def begin(draft: Draft) -> None:
    """Whatever was counted until now is nobody's evidence."""
    reading = _read(draft)
    draft.note(champion_lost=False, champion_back_at=None)
    if reading is not None:
        draft.note(counters=reading.used())


def fold(draft: Draft) -> None:
    """Update evidence and ledger from the series that were read. Without them, or without requests, everything stays."""
    gates = _opened(draft)
    fair = _is_split(draft) if exposed(draft.before) else None
    reading = _read(draft) if fair is not None else None
    if reading is not None:
        counted = _count(draft, reading, gates) if fair and _counts(draft, reading) else {}
        draft.note(counters=reading.used(), **counted)
    since = draft.status.ledger.first_traffic_at
    elapsed = (draft.now - since).total_seconds() if since is not None else None
    said = {one.metric: one for one in draft.status.evidence}
    found = [_unpinned(draft, spec) or gate.judge(elapsed) for spec, gate in gates]
    draft.change(evidence=tuple([_kept(said.get(one.metric), one) for one in found]))


def _kept(old: Evidence | None, new: Evidence) -> Evidence:
    """The old words while the numbers are the same: what time alone would change is not worth a write."""
    waits = old is not None and new.verdict == "Inconclusive" and _numbers(old) == _numbers(new)
    return old if old is not None and waits else new


def _numbers(one: Evidence) -> tuple[object, ...]:
    """What differs soonest comes first."""
    return one.stable, one.candidate, one.log_e, one.log_e_good, one.threshold, one.threshold_good, one.verdict, one.needs


def _is_split(draft: Draft) -> bool | None:
    """Whether what was counted was split between two versions that could answer. None: it is not, and the counters stay where
    they are; False: it is again, from this reading on."""
    ready, ledger = serves(draft), draft.status.ledger
    if ready is False:
        draft.note(champion_lost=True, champion_back_at=None)
        return None
    if not ledger.champion_lost:
        return True
    if ready is None:
        return None
    back_at = ledger.champion_back_at
    if back_at is None:
        draft.note(champion_back_at=draft.now)
    if back_at is None or draft.now - back_at < draft.spec.analysis.interval:
        return None
    draft.note(champion_lost=False, champion_back_at=None)
    return False


def _read(draft: Draft) -> Reading | None:
    series, stable = draft.seen.series, draft.status.stable
    if isinstance(series, Unread) or stable is None:
        return None
    pair = Pair(candidate=draft.candidate.version, stable=stable.version)
    fresh = _pin_slow(draft, pair)
    signals = frozenset(spec.counts() for spec in draft.spec.analysis.metrics)
    goal = draft.spec.strategy.ab_test.goal.name if draft.spec.strategy.ab_test is not None else None
    wanted, known = tracked(series, pair, _bounds(draft), signals, goal), draft.status.ledger.counters
    return Reading(wanted, known, pair, began=draft.status.started_at, fresh_bounds=fresh, goal=goal)


def _opened(draft: Draft) -> list[tuple[GateSpec | Goal, Gate]]:
    """Every gate, with what it has seen until now."""
    saved, sharing = draft.status.ledger.gates, refusing(draft.spec.analysis.metrics)
    return [(spec, open_gate(spec, sharing, saved.get(spec.name))) for spec in draft.spec.judged]


def verdict(draft: Draft, name: str) -> Verdict:
    """A gate's last word."""
    return next((one.verdict for one in draft.status.evidence if one.metric == name), "NoData")


def failed(draft: Draft) -> tuple[Evidence, ...]:
    """Gates that refuse the candidate."""
    return tuple(one for one in draft.status.evidence if one.verdict == "Failed")


def bound_of(draft: Draft, spec: GateSpec | Goal) -> timedelta | None:
    """Beyond which an answer is slow for this gate; None while that is not known."""
    if isinstance(spec, Goal):
        return None
    pinned = draft.status.ledger.slower_than
    return spec.slower_than or (parse_duration(pinned) if pinned else None)


def _pin_slow(draft: Draft, pair: Pair) -> frozenset[float]:
    """Fix what "slow" means in this rollout as soon as the stable version's p95 is known. Returns the bounds that are new."""
    wanted = any(spec.slower_than is None and spec.counts() == "slow" for spec in draft.spec.analysis.metrics)
    if not wanted or draft.status.ledger.slower_than is not None or isinstance(draft.seen.series, Unread):
        return frozenset()
    bound = p95_bound(draft.seen.series, pair.stable)
    if bound is None:
        return frozenset()
    followed = _bounds(draft)
    draft.note(slower_than=format_duration(bound))
    return _bounds(draft) - followed


def _bounds(draft: Draft) -> frozenset[float]:
    """Seconds, one for each gate on slow answers that knows its bound."""
    found = (bound_of(draft, spec) for spec in draft.spec.analysis.metrics if spec.counts() == "slow")
    return frozenset(bound.total_seconds() for bound in found if bound is not None)


def _counts(draft: Draft, reading: Reading) -> bool:
    """Whether what this reading brings is evidence. Notes the candidate's first request."""
    if draft.status.ledger.first_traffic_at is None:
        if not reading.new_requests(reading.pair.candidate):
            return True  # the stable version alone: nothing to warm up yet
        draft.note(first_traffic_at=draft.now)
        return not draft.spec.analysis.initial_delay
    return draft.now >= draft.status.ledger.first_traffic_at + draft.spec.analysis.initial_delay


def _count(draft: Draft, reading: Reading, gates: list[tuple[GateSpec | Goal, Gate]]) -> dict[str, object]:
    """Fold what is new into the gates, in place. Returns what the ledger is to keep of it."""
    ledger, sharing = draft.status.ledger, refusing(draft.spec.analysis.metrics)
    saved, observed, weight = dict(ledger.gates), dict(ledger.step_observations), _weight(draft)
    for index, (spec, gate) in enumerate(gates):
        signal = spec.counts()
        bound = bound_of(draft, spec) if signal == "slow" else None
        window = reading.window(signal, bound=bound.total_seconds() if bound else None, weight=weight)
        if window:
            folded = gate.fold(window)
            gates[index], saved[spec.name] = (spec, folded), save_gate(folded, spec, sharing)
            _observe(observed, spec, window)
    return {"gates": saved, "step_observations": observed}


def _observe(observed: dict[str, int], spec: GateSpec | Goal, window: Observed) -> None:
    """Count towards `minSamples`, if the present step has begun to count."""
    if spec.name in observed:
        observed[spec.name] += window.candidate_n


def _weight(draft: Draft) -> int | None:
    """The candidate's weight, if the gateway has it; None while it is on its way."""
    return draft.before.canary_weight if routed(draft.before, draft.seen.in_force, draft.seen.copies) else None


def _unpinned(draft: Draft, spec: GateSpec | Goal) -> Evidence | None:
    """What a gate says that does not know yet what "slow" is."""
    if spec.counts() != "slow" or bound_of(draft, spec) is not None:
        return None
    return Evidence(metric=spec.name, message="the stable version has not answered enough requests to know its p95 yet")
