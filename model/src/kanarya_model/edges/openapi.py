"""The server's REST interface as an OpenAPI document, with the names of the models it serves. Called by `rest`.

The protocol's part says what the Open Inference Protocol's own document (`open_inference_rest.yaml`) says, and more narrowly
where this server is narrower: names, datatypes and outputs are the model's, and no member is null in an answer.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from kanarya_contracts.artifact import CategoricalColumn, CategoricalTarget
from kanarya_contracts.datatypes import Datatype
from kanarya_model import VERSION
from kanarya_model.core.inputs import MATRIX_NAMES
from kanarya_model.core.model import Model, example_tensors

_Json = dict[str, Any]

_TEXT: _Json = {"type": "string"}
_WHOLE: _Json = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_PARAMETERS: _Json = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
_ELEMENT: _Json = {"type": ["number", "string", "boolean", "null"]}
_DATA: _Json = {"type": "array", "items": {"anyOf": [_ELEMENT, {"type": "array", "items": _ELEMENT}]}}


def document(models: Sequence[Model], *, repository: bool = False) -> _Json:
    """OpenAPI 3.1. `repository`: whether models may be loaded and unloaded."""
    paths: _Json = {
        "/v2": _get("Server metadata", "Server"),
        "/v2/health/live": _get("Whether the process answers", "Live"),
        "/v2/health/ready": _get("Whether every model answers", "Ready", unready=True),
        "/v1/models": _get("Names of the models", "Models"),
        "/metrics": {"get": {"summary": "Counters for Prometheus", "responses": {"200": _body("text/plain", _TEXT)}}},
        "/openapi.json": {"get": {"summary": "This", "responses": {"200": _body("application/json", {"type": "object"})}}},
    }
    if repository:
        paths |= _repository_paths(dict.fromkeys(model.name for model in models))
    schemas = dict(_SCHEMAS)
    for model in models:
        own = f"{quote(model.name, safe='')}.{model.version}".replace("%", ".")
        schemas |= {f"Request.{own}": _request(model), f"Feedback.{own}": _feedback(model)}
        paths |= _model_paths(model, own)
    return {
        "openapi": "3.1.0",
        "info": {"title": "kanarya-model", "version": VERSION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _repository_paths(names: Iterable[str]) -> _Json:
    index = _post("Every version, loaded or not", "IndexRequest", "Index", {}, required=False)
    paths: _Json = {"/v2/repository/index": index}
    for name in names:
        path = f"/v2/repository/models/{quote(name, safe='')}"
        paths[f"{path}/load"] = _post("Load a version beside what answers, then switch", "Load", "Index", {}, required=False)
        paths[f"{path}/unload"] = _post("Let a version answer no more, or all of them", "Unload", "Index", {}, required=False)
    return paths


def _model_paths(model: Model, own: str) -> _Json:
    """`own`: how its own schemas' names end."""
    name = quote(model.name, safe="")
    paths: _Json = {
        f"/v1/models/{name}": _get("Whether the model answers", "ModelReady", unready=True),
        f"/v1/models/{name}:predict": _post("Inference, V1", "Instances", "Predictions", _v1_example(model)),
        f"/v2/models/{name}/feedback": _post("Labels that came back", f"Feedback.{own}", "Counted", _feedback_example(model)),
    }
    for path in (f"/v2/models/{name}", f"/v2/models/{name}/versions/{model.version}"):
        paths[path] = _get("Model metadata", "Model")
        paths[f"{path}/ready"] = _get("Whether the model answers", "ModelReady", unready=True)
        paths[f"{path}/infer"] = _post("Inference", f"Request.{own}", "Response", _v2_example(model), in_bytes=True)
    return paths


def _v2_example(model: Model) -> _Json:
    """The artifact's own example."""
    tensors = example_tensors(model.contract)
    return {
        "inputs": [
            {"name": one.name, "shape": list(one.shape), "datatype": one.datatype.value, "data": one.data} for one in tensors
        ]
    }


def _v1_example(model: Model) -> _Json:
    columns = (one.data for one in example_tensors(model.contract))
    return {"instances": [list(row) for row in zip(*columns, strict=True)]}


def _feedback_example(model: Model) -> _Json:
    contract = model.contract
    answers: _Json = {target.name: contract.example.flat(target.outputs[0]) for target in contract.targets}
    said = next(iter(answers.values())) if len(answers) == 1 else answers
    return {"model_version": model.version, "predictions": said, "labels": said}


def _get(summary: str, schema: str, *, unready: bool = False) -> _Json:
    responses = {"200": _json(schema)} | ({"503": _json(schema)} if unready else {})
    return {"get": {"summary": summary, "responses": responses}}


def _post(summary: str, request: str, response: str, example: _Json, *, in_bytes: bool = False, required: bool = True) -> _Json:
    answer = _json(response)
    if in_bytes:
        answer["content"]["application/octet-stream"] = {}
    responses = {"200": answer, "4XX": _json("Error"), "5XX": _json("Error")}
    body = {"required": required, "content": {"application/json": {"schema": _reference(request), "example": example}}}
    return {"post": {"summary": summary, "requestBody": body, "responses": responses}}


def _json(schema: str) -> _Json:
    return _body("application/json", _reference(schema))


def _body(kind: str, schema: _Json) -> _Json:
    return {"description": "", "content": {kind: {"schema": schema}}}


def _reference(name: str) -> _Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: _Json, optional: _Json | None = None) -> _Json:
    properties = required | (optional or {})
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _list(items: _Json, least: int = 0) -> _Json:
    return {"type": "array", "items": items, "minItems": least}


def _request(model: Model) -> _Json:
    """What the model reads, as far as a schema can say it."""
    columns = model.contract.inputs
    words = any(isinstance(column, CategoricalColumn) for column in columns)
    names = [column.name for column in columns] + list(MATRIX_NAMES if model.inputs.takes_matrix else ())
    datatypes = [datatype.value for datatype in Datatype if words or datatype is not Datatype.BYTES]
    tensor = {
        "name": {"enum": names},
        "shape": {**_WHOLE, "minItems": 1, "maxItems": 2},
        "datatype": {"enum": datatypes},
    }
    # Null counts as absent where a member may be absent, and what KServe's client adds is not read.
    parameters = {**_PARAMETERS, "type": ["object", "null"]}
    outputs = _list(_object({"name": {"enum": list(model.outputs)}}, {"parameters": parameters}))
    optional = {
        "id": {"type": ["string", "null"], "maxLength": 1024},
        "parameters": parameters,
        "outputs": {**outputs, "type": ["array", "null"]},
        "model_name": {},
        "model_version": {},
    }
    return _object({"inputs": _list(_object(tensor, {"data": _DATA, "parameters": parameters}), least=1)}, optional)


def _feedback(model: Model) -> _Json:
    """Labels of one target; of several, by target. Or what became of a user."""
    kinds = {
        target.name: ["string", "integer"] if isinstance(target, CategoricalTarget) else ["number"]
        for target in model.contract.targets
    }
    lists = {name: _list({"type": kind}, least=1) for name, kind in kinds.items()}
    labels = next(iter(lists.values())) if len(lists) == 1 else _object(lists)
    required = {"model_version": _TEXT, "predictions": labels, "labels": labels}
    told = _object(required, {"ids": {**_list(_TEXT), "type": ["array", "null"]}})
    return {"oneOf": [told, _reference("GoalReport")]}


_NAMED_TENSOR = {"name": _TEXT, "datatype": {"enum": [datatype.value for datatype in Datatype]}}
_METADATA_TENSOR = _object({**_NAMED_TENSOR, "shape": _list({"type": "integer", "minimum": -1})})

_SCHEMAS: _Json = {
    "Error": _object({"error": _TEXT}),
    "Server": _object({"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)}),
    "Live": _object({"live": {"type": "boolean"}}),
    "Ready": _object({"ready": {"type": "boolean"}}),
    "ModelReady": _object({"name": _TEXT, "ready": {"type": "boolean"}}),
    "Models": _object({"models": _list(_TEXT)}),
    "Model": _object(
        {
            "name": _TEXT,
            "versions": _list(_TEXT),
            "platform": _TEXT,
            "inputs": _list(_METADATA_TENSOR, least=1),
            "outputs": _list(_METADATA_TENSOR, least=1),
        },
        {"properties": {"type": "object", "additionalProperties": _TEXT}},
    ),
    "Response": _object(
        {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "outputs": _list(
                _object(
                    {**_NAMED_TENSOR, "shape": _WHOLE},
                    {"data": _list({"type": ["number", "string", "boolean"]}), "parameters": _PARAMETERS},
                ),
                least=1,
            ),
        },
        {"id": _TEXT},
    ),
    "Instances": _object({"instances": _list({"type": ["array", "object"]}, least=1)}),
    "Predictions": _object({"predictions": _list({"type": ["string", "number", "object", "array"]}, least=1)}),
    "IndexRequest": _object({}, {"ready": {"type": "boolean"}}),
    "Index": _list(
        _object(
            {"name": _TEXT, "version": _TEXT, "state": {"enum": ["READY", "LOADING", "UNAVAILABLE"]}, "reason": _TEXT},
        )
    ),
    "Load": _object({}, {"parameters": _object({}, {"version": _TEXT, "default": {"type": "boolean"}})}),
    "Unload": _object({}, {"parameters": _object({}, {"version": _TEXT, "unload_dependents": {"type": "boolean"}})}),
    "GoalReport": _object(
        {
            "model_version": _TEXT,
            "goal": {
                "oneOf": [
                    _object({"name": _TEXT, "reached": {"type": "boolean"}}),
                    _object({"name": _TEXT, "score": {"type": "number"}}),
                ]
            },
        }
    ),
    "Counted": _object({"counted": {"type": "integer", "minimum": 0}}),
}
