"""A rollout as a person writes it: names, refusals at the field with its line, and what tests build it with."""

import json

import pytest
from pydantic import ValidationError

from kanarya_contracts.problems import InvalidInput, Path, validated
from kanarya_contracts.rollout import ModelRollout
from kanarya_contracts.testing import changed, rollout, rollout_document, version, weights, without


def said(document: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        validated(ModelRollout, document, source="rollout.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_documents_use_the_names_that_kubernetes_would_use() -> None:
    document = json.loads(rollout().model_dump_json(by_alias=True))
    assert {"apiVersion", "kind", "metadata", "spec", "status"} == set(document)
    assert {"targetRef", "onInconclusive", "progressDeadlineSeconds"} <= set(document["spec"])
    assert document["spec"]["registry"]["pollInterval"] == "15s"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec.trafic", {}, "spec.trafic: is not a known field"),
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
    ],
)
def test_a_rollout_that_cannot_be_meant_is_refused_at_the_field(path: str, value: object, expected: str) -> None:
    assert said(changed(rollout_document(), path, value)) == [expected]


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
