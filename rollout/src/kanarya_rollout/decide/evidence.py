"""Evidence: what the counters say since the last pass, folded into every gate. Used while a candidate is on its way.

Counting begins where the counters stand when the candidate gets its first weight or its first copies (`begin`). Copies are
evidence as answers are: the champion answers the same requests in the same windows. During `initialDelay` after its
first request the baseline moves with each reading and nothing is counted.

A gateway gives the share of a version without ready servers to the others. So while the champion has none, the candidate
answers everything, alone and perhaps overloaded: what was counted since the last reading before that, and until
`analysis.interval` after the champion is back, is evidence of nothing and is left out, for better and for worse.

Where a gate asks how requests were split, a window counts if it began when everything that was counted already had been asked
at the present weight: the counters that a gateway's word is held against may be as old as the last scrape, and the word itself
may come before the proxies have heard of it.
"""

from collections.abc import Mapping
from datetime import timedelta

from kanarya_contracts.quantities import format_duration, parse_duration
from kanarya_contracts.rollout import Evidence, GateSpec, InForce, Verdict
from kanarya_rollout.decide.champion import serves
from kanarya_rollout.decide.counters import Pair, Reading, p95_bound, tracked
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.decide.weights import exposed, routed
from kanarya_rollout.gates import Observed, Panel, Plan
from kanarya_rollout.observation import Unread


def begin(draft: Draft) -> None:
    """Whatever was counted until now is nobody's evidence."""
    reading = _read(draft, Plan.of(draft.spec))
    draft.note(champion_lost=False, champion_back_at=None)
    if reading is not None:
        draft.note(counters=reading.used())


def fold(draft: Draft) -> None:
    """Update evidence and ledger from the series that were read. Without them, or without requests, everything stays."""
    panel = Panel.of(draft.spec, draft.status.ledger.gates)
    fair = _is_split(draft) if exposed(draft.before) else None
    reading = _read(draft, panel.plan) if fair is not None else None
    bounds, noted = _bounds(draft, panel.plan), dict[str, object]()
    if reading is not None:
        noted["counters"], noted["split"] = reading.used(), _in_force(draft)
        if fair and _counts(draft, reading):
            windows = _windows(draft, panel.plan, reading, bounds)
            panel = panel.fold(windows)
            noted |= {"gates": panel, "step_observations": _observed(draft, windows)}
    ledger = draft.status.ledger.model_copy(update=noted)
    elapsed = (draft.now - ledger.first_traffic_at).total_seconds() if ledger.first_traffic_at is not None else None
    unpinned = [spec.name for spec in panel.plan.slow if spec.name not in bounds]
    found = [_unpinned(name) if name in unpinned else gate.judge(elapsed) for name, gate in panel.gates.items()]
    said = {one.metric: one for one in draft.status.evidence}
    draft.change(evidence=tuple([_kept(said.get(one.metric), one) for one in found]), ledger=ledger)


def _kept(old: Evidence | None, new: Evidence) -> Evidence:
    """The old words while the numbers are the same: what time alone would change is not worth a write."""
    waits = old is not None and new.verdict == "Inconclusive" and _numbers(old) == _numbers(new)
    return old if old is not None and waits else new


def _numbers(one: Evidence) -> tuple[object, ...]:
    """What differs soonest comes first."""
    return one.log_e_good, one.log_e, one.stable, one.candidate, one.threshold, one.threshold_good, one.verdict, one.needs


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


def _read(draft: Draft, plan: Plan) -> Reading | None:
    series, stable = draft.seen.series, draft.status.stable
    if isinstance(series, Unread) or stable is None:
        return None
    pair = Pair(candidate=draft.candidate.version, stable=stable.version)
    fresh = _pin_slow(draft, plan, p95_of=stable.version)
    goal = draft.spec.strategy.ab_test.goal if draft.spec.strategy.ab_test is not None else None
    wanted = tracked(series, pair, frozenset(_bounds(draft, plan).values()), plan.wanted, goal)
    began, known = draft.status.started_at, draft.status.ledger.counters
    splits = "requests" in plan.wanted
    return Reading(wanted, known, pair, began=began, fresh_bounds=fresh, goal=goal, split=splits)


def verdict(draft: Draft, name: str) -> Verdict:
    """A gate's last word."""
    return next((one.verdict for one in draft.status.evidence if one.metric == name), "NoData")


def agreed(draft: Draft) -> bool:
    """Whether every gate speaks for the candidate, or has nothing to say and need not."""
    return all(_agrees(draft, spec) for spec in draft.spec.analysis.metrics)


def _agrees(draft: Draft, spec: GateSpec) -> bool:
    said = verdict(draft, spec.name)
    return said == "Successful" or (said == "NoData" and spec.on_no_data == "pass")


def silent(draft: Draft) -> list[str]:
    """Gates whose silence is to end the rollout."""
    return [
        one.name for one in draft.spec.analysis.metrics if one.on_no_data == "fail" and verdict(draft, one.name) == "NoData"
    ]


def failed(draft: Draft) -> tuple[Evidence, ...]:
    """Gates that refuse the candidate."""
    return tuple(one for one in draft.status.evidence if one.verdict == "Failed")


def bound_of(draft: Draft, spec: GateSpec) -> timedelta | None:
    """Beyond which an answer is slow for this gate; None while that is not known."""
    pinned = draft.status.ledger.slower_than
    return spec.slower_than or (parse_duration(pinned) if pinned else None)


def _pin_slow(draft: Draft, plan: Plan, *, p95_of: str) -> frozenset[float]:
    """Fix what "slow" means in this rollout as soon as the stable version's p95 is known. Returns the bounds that are new."""
    wanted = any(spec.slower_than is None for spec in plan.slow)
    if not wanted or draft.status.ledger.slower_than is not None or isinstance(draft.seen.series, Unread):
        return frozenset()
    bound = p95_bound(draft.seen.series, p95_of)
    if bound is None:
        return frozenset()
    followed = _bounds(draft, plan)
    draft.note(slower_than=format_duration(bound))
    return frozenset(_bounds(draft, plan).values()).difference(followed.values())


def _bounds(draft: Draft, plan: Plan) -> dict[str, float]:
    """Gate on slow answers → the bound in seconds, where it is known."""
    found = [(spec.name, bound_of(draft, spec)) for spec in plan.slow]
    return {name: bound.total_seconds() for name, bound in found if bound is not None}


def _counts(draft: Draft, reading: Reading) -> bool:
    """Whether what this reading brings is evidence. Notes the candidate's first request."""
    if draft.status.ledger.first_traffic_at is None:
        if not reading.new_requests(reading.pair.candidate):
            return True  # the stable version alone: nothing to warm up yet
        draft.note(first_traffic_at=draft.now)
        return not draft.spec.analysis.initial_delay
    return draft.now >= draft.status.ledger.first_traffic_at + draft.spec.analysis.initial_delay


def _windows(draft: Draft, plan: Plan, reading: Reading, bounds: Mapping[str, float]) -> dict[str, Observed]:
    """Gate → what is new for it; without those for which nothing is."""
    weight, of = _weight(draft)
    found = {name: reading.window(signal, bounds.get(name), weight=weight, of=of) for name, signal in plan.signals.items()}
    return {name: window for name, window in found.items() if window}


def _observed(draft: Draft, windows: Mapping[str, Observed]) -> dict[str, int]:
    """Counted towards `minSamples`, where the present step has begun to count."""
    observed = draft.status.ledger.step_observations
    return {name: n + windows[name].candidate_n if name in windows else n for name, n in observed.items()}


def _weight(draft: Draft) -> tuple[int | None, int]:
    """The candidate's weight, if whatever is new was asked at it, else None; and what both versions have together."""
    now, known = _in_force(draft), draft.status.ledger.split
    settled = now is not None and known is not None and known.settled and (known.weight, known.of) == (now.weight, now.of)
    return (now.weight, now.of) if now is not None and settled else (None, 100)


def _in_force(draft: Draft) -> InForce | None:
    """The split that the gateway has; None while it is on its way."""
    status, seen, known = draft.before, draft.seen, draft.status.ledger.split
    if not routed(status, seen.in_force, seen.copies):
        return None
    weight, of = status.canary_weight, 100 - sum(one.canary_weight for one in status.rivals)
    if known is not None and (known.weight, known.of) != (weight, of):
        known = None
    if known is not None and known.settled:
        return known
    since = min(known.since, seen.now) if known is not None else seen.now  # a clock that was put back must not hold it up
    counted_at = seen.counted_at if seen.counted_at is not None else seen.now
    return InForce(weight=weight, of=of, since=since, settled=counted_at >= since + seen.lag)


def _unpinned(name: str) -> Evidence:
    """What a gate says that does not know yet what "slow" is."""
    return Evidence(metric=name, message="the stable version has not answered enough requests to know its p95 yet")
