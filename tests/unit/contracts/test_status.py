"""What the controller writes down and is asked by annotation: read back as it was written."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.metrics import DURATION_BUCKETS
from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.problems import InvalidInput, validated
from kanarya_contracts.quantities import format_duration
from kanarya_contracts.rollout import (
    Condition,
    Evidence,
    Ledger,
    ModelRollout,
    ModelRolloutStatus,
    Request,
    Tally,
    VersionRef,
)
from kanarya_contracts.testing import gate, rollout, weights

MINUTES = st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=30))
TIMES = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC))
COUNTS = st.integers(0, 2**53)
SUMS = st.none() | st.decimals(min_value=-1000, max_value=1000, allow_nan=False)
BOUNDS = [format_duration(timedelta(seconds=bound)) for bound in DURATION_BUCKETS]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def read(document: object) -> ModelRollout:
    return validated(ModelRollout, document, source="rollout.yaml")


@st.composite
def statuses(draw: st.DrawFn) -> ModelRolloutStatus:
    tallies = st.builds(Tally, n=COUNTS, bad=COUNTS)
    evidence = st.builds(
        Evidence,
        metric=TEXT,
        candidate=tallies,
        stable=tallies,
        log_e=SUMS,
        log_e_good=SUMS,
        threshold=SUMS,
        verdict=st.sampled_from(["NoData", "Inconclusive", "Successful", "Failed"]),
        needs=st.none() | COUNTS,
        message=TEXT,
    )
    condition = st.fixed_dictionaries(
        {
            "type": st.sampled_from(ConditionType),
            "status": st.sampled_from(["True", "False"]),
            "reason": st.sampled_from([reason.value for reason in Reason]),
            "message": TEXT,
            "last_transition_time": TIMES,
        }
    ).map(Condition.model_validate)
    ledger = st.builds(
        Ledger,
        counters=st.dictionaries(TEXT, COUNTS, max_size=3),
        gates=st.dictionaries(TEXT, st.dictionaries(TEXT, st.lists(TEXT, max_size=2), max_size=2), max_size=2),
        step_observations=st.dictionaries(TEXT, COUNTS, max_size=2),
        slower_than=st.none() | st.sampled_from(BOUNDS),
        first_traffic_at=st.none() | TIMES,
    )
    pinned = st.none() | st.builds(VersionRef, version=TEXT, digest=st.none() | TEXT, uri=st.none() | TEXT)
    return ModelRolloutStatus(
        observed_generation=draw(COUNTS),
        canary_weight=draw(st.integers(0, 100)),
        current_step_index=draw(st.none() | COUNTS),
        step_started_at=draw(st.none() | TIMES),
        stable=draw(pinned),
        candidate=draw(pinned),
        evidence=tuple(draw(st.lists(evidence, max_size=2))),
        conditions=tuple(draw(st.lists(condition, max_size=2))),
        last_request_id=draw(st.none() | TEXT),
        ledger=draw(ledger),
    )


@settings(max_examples=30)
@given(
    statuses(), MINUTES, st.lists(st.integers(1, 100), min_size=1, max_size=5, unique=True), st.sampled_from(DURATION_BUCKETS)
)
def test_a_rollout_with_its_status_is_read_back_as_it_was_written(
    status: ModelRolloutStatus, pause: timedelta, percents: list[int], bound: float
) -> None:
    written = rollout(
        steps=[*weights(*sorted(percents)), {"pause": {"duration": pause}}],
        gates=[gate("latency", slower_than=timedelta(seconds=bound), alpha=Decimal("0.0000001"))],
        deadline=pause,
        status=status,
    )
    document = json.loads(written.model_dump_json(by_alias=True))
    assert read(document) == written
    assert read(read(document).model_dump(mode="json", by_alias=True, exclude_none=True)) == written


def test_a_condition_is_true_only_if_it_was_set_and_stands() -> None:
    stamp = datetime(2026, 1, 31, tzinfo=UTC)
    status = ModelRolloutStatus(
        conditions=(
            Condition(type=ConditionType.PAUSED, status="True", reason=Reason.PAUSE_STEP, last_transition_time=stamp),
            Condition(type=ConditionType.DEGRADED, status="False", reason=Reason.AS_EXPECTED, last_transition_time=stamp),
        )
    )
    assert [kind.value for kind in ConditionType if status.is_true(kind)] == ["Paused"]
    assert status.condition(ConditionType.PROMOTED) is None


def test_a_request_is_read_from_the_annotation_and_an_unknown_verb_is_named() -> None:
    assert validated(Request, {"id": "1", "verb": "promote", "full": True}, source="request").full
    with pytest.raises(
        InvalidInput, match="verb: got 'promot', expected 'promote', 'abort', 'retry', 'pause', 'resume' or 'undo'"
    ):
        validated(Request, {"id": "1", "verb": "promot"}, source="request")
