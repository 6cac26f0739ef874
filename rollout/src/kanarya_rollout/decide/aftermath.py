"""After a promotion, while the former champion is warm: whether the new one does worse than it did in its own rollout.

Used while no candidate is on its way. What each gate saw of the version until it was promoted stays in `evidence`; what comes
after is counted beside it, in `sincePromotion`, and judged by `gates.own_past`. On evidence of worse, `onRegression` decides.
Reads no clock and needs no registry: the way back is `undo`'s, and works whenever that does.
"""

from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.rollout import Evidence, GateSpec, Tally
from kanarya_rollout.decide import undo
from kanarya_rollout.decide.counters import Pair, Reading, tracked
from kanarya_rollout.decide.draft import Draft
from kanarya_rollout.decide.evidence import bound_of
from kanarya_rollout.gates import JUDGED, Window, against_past, refusing
from kanarya_rollout.observation import Unread


def watch(draft: Draft) -> None:
    """Count and judge what is new; take the promotion back if that is what it says."""
    status = draft.status
    if status.warm is None or status.stable != status.candidate or not status.is_true(ConditionType.PROMOTED):
        return
    _count(draft)
    worse = [one for one in draft.status.since_promotion if one.verdict == "Failed"]
    if worse:
        _heed(draft, "; ".join(f"{one.metric}: {one.message}" for one in worse))


def _count(draft: Draft) -> None:
    """Without a new observation everything stays, and nothing is written."""
    reading = _read(draft)
    if reading is None:
        return
    before = {one.metric: one for one in draft.status.since_promotion}
    found = {spec.name: _judged(draft, spec, reading, before.get(spec.name)) for spec in _gates(draft)}
    if found != before:
        draft.note(counters=reading.used())
        draft.change(since_promotion=tuple(found.values()))


def _heed(draft: Draft, message: str) -> None:
    """Level-based: a way back that is closed now may be open on the next pass. An event when the verdict is new."""
    refused = undo.why_not(draft)
    if draft.spec.on_regression == "undo" and refused is None:
        undo.undo(draft, Reason.REGRESSED, message)
    elif not any(one.verdict == "Failed" for one in draft.before.since_promotion):
        rest = f"it stays: {refused}" if refused is not None else f"`kanarya rollout undo {draft.name}` goes back"
        draft.tell(
            Reason.REGRESSED, f"version {draft.candidate.version} does worse than before: {message}; {rest}", warning=True
        )


def _gates(draft: Draft) -> list[GateSpec]:
    return [spec for spec in draft.spec.analysis.metrics if spec.test in JUDGED]


def _read(draft: Draft) -> Reading | None:
    """The new champion's counters."""
    status, series = draft.status, draft.seen.series
    if isinstance(series, Unread) or not series or status.stable is None or status.warm is None:
        return None
    pair = Pair(candidate=status.stable.version, stable=status.warm.version)
    bounds = (bound_of(draft, spec) for spec in _gates(draft) if spec.counts() == "slow")
    wanted = tracked(series, pair, frozenset(bound.total_seconds() for bound in bounds if bound is not None))
    return Reading(wanted, status.ledger.counters, pair, began=status.started_at)


def _judged(draft: Draft, spec: GateSpec, reading: Reading, before: Evidence | None) -> Evidence:
    signal, bound = spec.counts(), bound_of(draft, spec) if spec.counts() == "slow" else None
    new = reading.window(signal, bound=bound.total_seconds() if bound is not None else None)
    assert isinstance(new, Window)  # noqa: S101 (what these gates count is good or bad)
    since = before.candidate if before is not None else Tally()
    since = Tally(n=since.n + new.candidate_n, bad=since.bad + new.candidate_bad)
    past = next((one.candidate for one in draft.status.evidence if one.metric == spec.name), Tally())
    alpha = float(spec.alpha) / refusing(draft.spec.analysis.metrics)
    return against_past(spec, alpha, past, since)
