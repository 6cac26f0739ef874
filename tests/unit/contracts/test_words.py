"""Names are an API: what is written here is what dashboards, alerts and other people's scripts match on."""

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType

import pytest
from pydantic import BaseModel

from kanarya_contracts import artifact, metrics, names, rollout, serving
from kanarya_contracts.datatypes import FLOATS, INTEGER_RANGE, Datatype
from kanarya_contracts.names import REASONS, ConditionType, Reason
from kanarya_contracts.problems import InvalidInput, validated
from kanarya_contracts.serving import InferenceService

SERVICE = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "iris", "uid": "1"},
    "spec": {"predictor": {"model": {"modelFormat": {"name": "onnx"}, "resources": {"limits": {"cpu": "1"}}}}},
}


def test_every_reason_explains_one_condition_or_is_the_quiet_one_or_an_events_alone() -> None:
    grouped = [reason for reasons in REASONS.values() for reason in reasons]
    alone = [Reason.AS_EXPECTED, Reason.OUTDONE, Reason.REQUEST_REFUSED, Reason.ROLLBACK_WINDOW_OVER]
    assert sorted([*grouped, *alone]) == sorted(Reason)
    assert set(REASONS) == set(ConditionType)


def test_metric_names_follow_the_conventions_of_prometheus() -> None:
    found = {name: value for name, value in vars(metrics).items() if name.isupper() and str(value).startswith("kanarya_")}
    assert len(found) >= 7
    assert all(re.fullmatch(r"kanarya_model_[a-z]+(_[a-z]+)*", value) for value in found.values())
    assert len(set(found.values())) == len(found)


def test_bounds_of_durations_ascend() -> None:
    assert all(left < right for left, right in pairwise(metrics.DURATION_BUCKETS))


def statements_with_what_follows(source: str) -> Iterator[tuple[ast.stmt, ast.stmt]]:
    tree = ast.parse(source)
    for body in [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]:
        yield from pairwise([*body, ast.Pass()])


@pytest.mark.parametrize("module", [names, metrics])
def test_every_word_has_a_sentence_under_it(module: ModuleType) -> None:
    found = list(statements_with_what_follows(inspect.getsource(module)))
    words = [(word, after) for word, after in found if isinstance(word, ast.Assign | ast.AnnAssign)]
    assert len(words) > 10
    assert [ast.unparse(word) for word, after in words if not isinstance(after, ast.Expr)] == []


@pytest.mark.parametrize("model", [artifact.ArtifactContract, rollout.ModelRollout, rollout.Request, serving.InferenceService])
def test_every_field_of_every_model_is_described(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    fields = [(part["title"], name, field) for part in parts for name, field in part.get("properties", {}).items()]
    assert fields
    assert [(title, name) for title, name, field in fields if not field.get("description") and "$ref" not in field] == []


def test_every_datatype_of_numbers_is_an_integer_with_bounds_or_a_float() -> None:
    assert set(INTEGER_RANGE) | FLOATS | {Datatype.BOOL, Datatype.BYTES} == set(Datatype)


def test_fields_of_an_inference_service_that_kanarya_does_not_read_pass_through() -> None:
    service = validated(InferenceService, SERVICE, source="service.yaml")
    written = service.model_dump(mode="json", by_alias=True)
    assert written["metadata"]["uid"] == "1"
    assert written["spec"]["predictor"]["model"]["resources"] == {"limits": {"cpu": "1"}}


def test_an_inference_service_without_a_model_is_refused_at_its_place() -> None:
    with pytest.raises(InvalidInput, match=r"spec\.predictor\.model: is missing and required"):
        validated(InferenceService, SERVICE | {"spec": {"predictor": {}}}, source="service.yaml")
