import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from kanarya_contracts.metrics import DURATION_BUCKETS
from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.problems import InvalidInput, Path, validated
from kanarya_contracts.quantities import format_duration
from kanarya_contracts.rollout import (
    Condition,
    Evidence,
    GateSpec,
    Ledger,
    ModelRollout,
    ModelRolloutStatus,
    Request,
    Tally,
    VersionRef,
)
from kanarya_contracts.testing import changed, gate, rollout, rollout_document, version, weights, without

MINUTES = st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=30))
TIMES = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC))
COUNTS = st.integers(0, 2**53)
SUMS = st.none() | st.decimals(min_value=-1000, max_value=1000, allow_nan=False)
BOUNDS = [format_duration(timedelta(seconds=bound)) for bound in DURATION_BUCKETS]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def read(document: object) -> ModelRollout:
    return validated(ModelRollout, document, source="rollout.yaml")


def said(document: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        read(document)
    return [str(problem) for problem in caught.value.problems]


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


def test_documents_use_the_names_that_kubernetes_would_use() -> None:
    document = json.loads(rollout().model_dump_json(by_alias=True))
    assert {"apiVersion", "kind", "metadata", "spec", "status"} == set(document)
    assert {"targetRef", "onInconclusive", "progressDeadlineSeconds"} <= set(document["spec"])
    assert document["spec"]["registry"]["pollInterval"] == "15s"


METRIC = "spec.analysis.metrics[0]"
SIGNAL_RULE = "give errors or slow, or a name that starts with error-rate, latency or accuracy"
STEPS = "spec.strategy.canary.steps"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec.trafic", {}, "spec.trafic: is not a known field"),
        (f"{METRIC}.minSample", 300, f"{METRIC}.minSample: is not a known field"),
        ("kind", "Rollout", "kind: got 'Rollout', expected 'ModelRollout'"),
        ("metadata.name", "Iris", "metadata.name: got 'Iris', expected text that matches ^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"),
        ("spec.targetRef.kind", "Deployment", "spec.targetRef.kind: got 'Deployment', expected 'InferenceService'"),
        (
            "spec.registry.candidateAlias",
            "champion",
            "spec.registry.candidateAlias: got 'champion', which is stableAlias too; expected two different ones",
        ),
        ("spec.registry.pollInterval", "0s", "spec.registry.pollInterval: got '0s', expected more than 0s"),
        ("spec.analysis.interval", "0ms", "spec.analysis.interval: got '0s', expected more than 0s"),
        ("spec.deadline", 24, 'spec.deadline: got 24, expected a duration such as "30s", "2m", "1h30m" or "250ms"'),
        (
            "spec.freeze",
            [{"days": ["Sat", "Sat"]}],
            "spec.freeze[0].days: got ['Sat'] more than once, expected every name once",
        ),
        ("spec.freeze", [{"to": "00:00"}], "spec.freeze[0].to: got '00:00', which is from too; expected another time"),
        (
            "spec.freeze",
            [{"firstDate": "2027-01-03", "lastDate": "2026-12-20"}],
            "spec.freeze[0].lastDate: got 2026-12-20, expected firstDate (2027-01-03) or later",
        ),
        (
            "spec.freeze",
            [{"timeZone": "Mars/Olympus"}],
            "spec.freeze[0].timeZone: got 'Mars/Olympus', expected a time zone's name such as UTC or Europe/Istanbul",
        ),
        ("spec.progressDeadlineSeconds", 0, "spec.progressDeadlineSeconds: got 0, expected 1 or more"),
        ("spec.onInconclusive", "wait", "spec.onInconclusive: got 'wait', expected 'pause', 'rollback' or 'promote'"),
        ("spec.onError", "rollback", "spec.onError: got 'rollback', expected 'hold'"),
        (STEPS, [], f"{STEPS}: got a list of 0, expected 1 or more items"),
        (STEPS, [{"pause": {}}], f"{STEPS}: got no step that sets a weight, expected at least one setWeight"),
        (f"{STEPS}[0].setWeight", 150, f"{STEPS}[0].setWeight: got 150, expected 100 or less"),
        (f"{STEPS}[0].setWeight", 0, f"{STEPS}[0].setWeight: got 0, expected 1 or more"),
        (f"{STEPS}[0].setWeight", True, f"{STEPS}[0].setWeight: got true, expected a whole number"),
        (
            f"{STEPS}[1].setWeight",
            10,
            f"{STEPS}[1].setWeight: got 10 after 10, expected each weight to be larger than the one before",
        ),
        (
            f"{STEPS}[1]",
            {"setWeight": 20, "pause": {}},
            f"{STEPS}[1]: got setWeight and pause, expected exactly one of setWeight, pause, setMirror, analysis",
        ),
        (f"{STEPS}[1]", {}, f"{STEPS}[1]: got nothing, expected exactly one of setWeight, pause, setMirror, analysis"),
        (
            f"{STEPS}[1]",
            {"analysis": {"until": ["error-rate", "drift"]}},
            f"{STEPS}[1].analysis.until[1]: got 'drift', expected one of error-rate",
        ),
        (f"{STEPS}[1]", {"setMirror": {"percentage": 101}}, f"{STEPS}[1].setMirror.percentage: got 101, expected 100 or less"),
        (
            STEPS,
            [{"setWeight": 5}, {"setMirror": {"percentage": 100}}],
            f"{STEPS}[1].setMirror: comes after a setWeight, which ends the mirror; expected it before",
        ),
        (f"{METRIC}.name", "Errors", f"{METRIC}.name: got 'Errors', expected text that matches ^[a-z][-a-z0-9]{{0,62}}$"),
        (
            f"{METRIC}.name",
            "faults",
            f"{METRIC}.signal: is missing: {SIGNAL_RULE}",
        ),
        (f"{METRIC}.alpha", "1", f"{METRIC}.alpha: got 1, expected more than 0 and less than 1"),
        (f"{METRIC}.beta", "0", f"{METRIC}.beta: got 0, expected more than 0 and less than 1"),
        (f"{METRIC}.alpha", 0.01, f'{METRIC}.alpha: got 0.01, expected a number in quotes such as "1.2"'),
        (f"{METRIC}.failureLimit", 3, f"{METRIC}.failureLimit: is not taken by test sequential-ratio"),
        (f"{METRIC}.margin", None, f"{METRIC}.margin: is missing; test sequential-ratio needs it"),
        (
            f"{METRIC}.margin.tolerate",
            "3",
            f"{METRIC}.margin: got tolerate 3, refuse 2.0; expected ratios with 0 < tolerate < refuse",
        ),
        (f"{METRIC}.margin.negligible", "1", f"{METRIC}.margin.negligible: got 1, expected a rate between 0 and 1"),
        (f"{METRIC}.failureCondition", "> 0.05", f"{METRIC}.failureCondition: is not taken by test sequential-ratio"),
        (
            f"{METRIC}.failureCondition",
            "0.05",
            f"{METRIC}.failureCondition: got '0.05', expected text that matches ^[<>]=?\\s*[0-9]+(\\.[0-9]+)?$",
        ),
        (
            f"{METRIC}.slowerThan",
            "10ms",
            f"{METRIC}.slowerThan: got '10ms' for signal errors, expected it for signal slow alone",
        ),
        (f"{METRIC}.minSamples", -1, f"{METRIC}.minSamples: got -1, expected 0 or more"),
    ],
)
def test_a_rollout_that_cannot_be_meant_is_refused_at_the_field(path: str, value: object, expected: str) -> None:
    assert said(changed(rollout_document(), path, value)) == [expected]


ACCURACY = {"name": "accuracy", "test": "sequential-proportion", "margin": {"tolerate": "0", "refuse": "-0.1"}}


def test_a_strategy_is_one_of_two() -> None:
    both = changed(rollout_document(), "spec.strategy.blueGreen", {})
    assert said(both) == ["spec.strategy: got canary and blueGreen, expected exactly one of canary, blueGreen, abTest"]
    assert said(changed(rollout_document(), "spec.strategy", {})) == [
        "spec.strategy: got nothing, expected exactly one of canary, blueGreen, abTest"
    ]


def test_a_blue_green_rollout_in_which_a_gate_would_wait_for_ever_is_refused() -> None:
    document = changed(rollout_document(), "spec.strategy", {"blueGreen": {}})
    assert read(document).spec.strategy.steps[0].set_mirror is not None
    words = "and strategy.blueGreen gives the gate nothing to count before the promotion; expected 'pass', "
    words += "or a strategy with weights"
    gates = rollout_document()["spec"]["analysis"]["metrics"]
    labelled = changed(document, "spec.analysis.metrics", [*gates, ACCURACY])
    assert said(labelled) == [f"spec.analysis.metrics[1].onNoData: got 'hold', {words}"]
    blind = changed(changed(document, "spec.strategy.blueGreen", {"mirror": 0}), f"{METRIC}.onNoData", "fail")
    assert said(blind) == [f"{METRIC}.onNoData: got 'fail', {words}"]
    assert read(changed(labelled, "spec.analysis.metrics[1].onNoData", "pass"))
    mirrored = changed(document, "spec.traffic", {"driver": "kserve"})
    assert said(mirrored) == [
        "spec.strategy.blueGreen.mirror: traffic.driver kserve does not mirror; take driver gateway, or begin with setWeight"
    ]


def test_a_gate_on_pairs_needs_copies() -> None:
    document = changed(
        rollout_document(),
        METRIC,
        {"name": "paired", "test": "sequential-pairs", "margin": {"tolerate": "0", "refuse": "-0.1"}},
    )
    assert said(document) == [
        f"{METRIC}.test: got sequential-pairs, which needs a setMirror step: pairs come from copies alone"
    ]
    mirrored = changed(document, STEPS, [{"setMirror": {"percentage": 100}}, {"setWeight": 5}])
    assert read(mirrored).spec.analysis.metrics[0].counts() == "pairs"


def test_a_driver_that_does_not_mirror_is_asked_for_no_mirror() -> None:
    steps = [{"setMirror": {"percentage": 100}}, {"setWeight": 5}, {"analysis": {"until": ["drift"]}}]
    assert said(changed(changed(rollout_document(), "spec.traffic", {"driver": "kserve"}), STEPS, steps)) == [
        f"{STEPS}[2].analysis.until[0]: got 'drift', expected one of error-rate",
        f"{STEPS}[0].setMirror: traffic.driver kserve does not mirror; take driver gateway, or begin with setWeight",
    ]


def with_gate(**fields: object) -> dict[str, Any]:
    return changed(rollout_document(), METRIC, {"name": "error-rate", **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"test": "threshold"}, 'failureCondition: is missing; test threshold needs it, such as "> 0.05"'),
        (
            {"test": "sequential-ratio", "margin": {"tolerate": "1.2", "refuse": "2"}, "signal": "labels"},
            "signal: got 'labels' for test sequential-ratio, expected errors or slow",
        ),
        (
            {"test": "sequential-mean", "margin": {"tolerate": "0", "refuse": "-0.1"}},
            'scores: is missing; test sequential-mean needs it, such as {low: "0", high: "1"}',
        ),
        (
            {"test": "sequential-mean", "margin": {"tolerate": "0", "refuse": "-5"}, "scores": {"high": "5"}},
            "margin: got tolerate 0, refuse -5; expected differences with 5 > tolerate > refuse > -5",
        ),
        (
            {"test": "sequential-mean", "margin": {"tolerate": "0", "refuse": "-1"}, "scores": {"low": "-1", "high": "5"}},
            "scores: got -1 to 5, expected 0 <= low < high",
        ),
        (
            {"test": "distribution", "margin": {"tolerate": "0.1", "refuse": "0.02"}},
            "margin: got tolerate 0.1, refuse 0.02; expected shares with 0 <= tolerate < refuse < 1",
        ),
        ({"test": "sample-ratio", "margin": {"tolerate": "1", "refuse": "2"}}, "margin: is not taken by test sample-ratio"),
        ({"test": "threshold", "failureCondition": "> 5"}, "failureCondition: got '> 5', expected a rate between 0 and 1"),
        (
            {"test": "threshold", "failureCondition": "> 0.05", "margin": {"tolerate": "1", "refuse": "2"}},
            "margin: is not taken by test threshold",
        ),
        (
            {"test": "sequential-proportion", "margin": {"tolerate": "-0.02", "refuse": "0"}},
            "margin: got tolerate -0.02, refuse 0; expected differences with 1 > tolerate > refuse > -1",
        ),
        (
            {"test": "sequential-proportion", "margin": {"tolerate": "0", "refuse": "-0.02", "negligible": "0.1"}},
            "margin.negligible: is for test sequential-ratio alone",
        ),
        (
            {"test": "sequential-ratio", "margin": {"tolerate": "1.2", "refuse": "2"}, "signal": "slow", "slowerThan": "3ms"},
            f"slowerThan: got '3ms', expected one of {', '.join(BOUNDS)}",
        ),
    ],
)
def test_a_gate_that_its_test_cannot_judge_is_refused_at_the_field(fields: dict[str, object], expected: str) -> None:
    assert said(with_gate(**fields)) == [f"{METRIC}.{expected}"]


def test_two_gates_of_one_name_are_refused() -> None:
    metric = rollout_document()["spec"]["analysis"]["metrics"][0]
    assert said(changed(rollout_document(), "spec.analysis.metrics", [metric, metric])) == [
        "spec.analysis.metrics[1].name: got 'error-rate', expected no name twice"
    ]


def test_a_misspelt_field_is_refused_with_its_line_and_what_is_missing_instead() -> None:
    document = changed(without(rollout_document(), "spec.targetRef"), "spec.targetref", {"name": "iris"})
    lines: dict[Path, int] = {(): 1, ("spec",): 5, ("spec", "targetref"): 6}
    with pytest.raises(InvalidInput) as caught:
        validated(ModelRollout, document, source="rollout.yaml", line_of=lines.get)
    assert str(caught.value).splitlines() == [
        "rollout.yaml: 2 problems",
        "  line 5: spec.targetRef: is missing and required",
        "  line 6: spec.targetref: is not a known field",
    ]


def test_all_problems_of_one_gate_are_reported_at_once() -> None:
    assert said(with_gate(test="threshold", margin={"tolerate": "1", "refuse": "2"}, alpha="2", slowerThan="1s")) == [
        f"{METRIC}.margin: is not taken by test threshold",
        f'{METRIC}.failureCondition: is missing; test threshold needs it, such as "> 0.05"',
        f"{METRIC}.alpha: got 2, expected more than 0 and less than 1",
        f"{METRIC}.slowerThan: got '1s' for signal errors, expected it for signal slow alone",
    ]


@pytest.mark.parametrize(
    ("name", "test", "signal"),
    [
        ("error-rate", "sequential-ratio", "errors"),
        ("latency-p95", "sequential-ratio", "slow"),
        ("accuracy-floor", "threshold", "labels"),
        ("quality", "sequential-proportion", "labels"),
        ("revenue", "sequential-mean", "scores"),
        ("classes", "distribution", "predictions"),
        ("split", "sample-ratio", "requests"),
    ],
)
def test_what_a_gate_counts_follows_from_its_test_or_its_name(name: str, test: str, signal: str) -> None:
    assert gate(name, test).counts() == signal


def test_what_a_gate_counts_can_be_said_and_then_the_name_is_free() -> None:
    assert gate("latency-of-mistakes", signal="errors").counts() == "errors"


def test_a_gate_that_says_nothing_of_what_it_counts_cannot_be_asked() -> None:
    unchecked = GateSpec.model_construct(name="faults", test="threshold", signal=None)
    with pytest.raises(ValueError, match="is missing: give errors, slow or labels"):
        unchecked.counts()


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


def test_builders_refuse_a_set_up_that_could_not_exist() -> None:
    with pytest.raises(ValidationError, match="got 10 after 50"):
        rollout(steps=weights(50, 10))


def test_builders_differ_from_the_default_in_what_they_were_told_alone() -> None:
    told = rollout("wine", on_inconclusive="rollback", annotations={"a": "b"}, generation=2)
    assert (told.metadata.name, told.spec.registry.model, told.spec.on_inconclusive) == ("wine", "wine", "rollback")
    assert (told.metadata.annotations, told.metadata.generation) == ({"a": "b"}, 2)
    assert told.spec.strategy == rollout().spec.strategy


def test_a_pinned_version_carries_the_digest_that_its_contract_has() -> None:
    assert version("7").digest == version("8").digest != None  # noqa: E711
    assert version("7").uri != version("8").uri
