"""The way to a promotion as a person writes it: steps, blue/green, and gates that would wait for what never comes."""

import pytest

from kanarya_contracts.problems import InvalidInput, validated
from kanarya_contracts.rollout import ModelRollout
from kanarya_contracts.testing import changed, rollout_document

STEPS = "spec.strategy.canary.steps"
METRIC = "spec.analysis.metrics[0]"
ACCURACY = {"name": "accuracy", "test": "sequential-proportion", "margin": {"tolerate": "0", "refuse": "-0.1"}}


def read(document: object) -> ModelRollout:
    return validated(ModelRollout, document, source="rollout.yaml")


def said(document: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        read(document)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
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
    ],
)
def test_steps_that_cannot_be_meant_are_refused_at_the_field(path: str, value: object, expected: str) -> None:
    assert said(changed(rollout_document(), path, value)) == [expected]


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
